//! What is to be sent: read from JSON, checked, and put into octets.

use serde_json::Value;
use utoipa::ToSchema;

use crate::gateway::message::{Content, Interface};
use crate::gateway::port::{Refusal, Submission, When};
use crate::gateway::settings::Profile;
use crate::http::address::address_of;
use crate::http::problem::{Fault, Problem};
use crate::http::v1::body::{Faults, Members};
use crate::pdu::{Address, DataCoding, EsmClass, RegisteredDelivery};
use crate::text::{Alphabet, Table, UnitKind, billed_of, substitute, transliterate, udh};

/// A message to be sent.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMessage {
    /// The recipient: international (`+33612345678`) or national (`0612345678`).
    #[schema(value_type = String, pattern = r"^\+?[0-9]{3,20}$", example = "+33612345678")]
    to: Address,
    /// The sender: a number, a short code, or a name of at most 11 characters. Absent: the service's own.
    #[schema(value_type = Option<String>, pattern = r"^(\+?[0-9]{3,20}|[ -~]{1,11})$", example = "SHOP")]
    from: Option<Address>,
    /// The text; this or `data`.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 39015, example = "Your parcel is here.")]
    text: Option<String>,
    /// Octets instead of a text, as base64.
    #[schema(value_type = Option<String>, content_encoding = "base64", format = Byte)]
    data: Option<Vec<u8>>,
    /// A user data header that goes before `data`, its length octet first, as base64 (3GPP TS 23.040 §9.2.3.24).
    #[schema(value_type = Option<String>, content_encoding = "base64", format = Byte)]
    udh: Option<Vec<u8>>,
    /// In which alphabet the text goes: `auto` takes the cheapest that holds it.
    #[schema(value_type = Option<Alphabets>, default = "auto")]
    alphabet: Alphabets,
    /// What is done about characters outside GSM 03.38 unless `alphabet` is `unicode`. Default: `promote`, with
    /// `alphabet` `gsm`: `refuse`.
    #[schema(value_type = Option<Outside>)]
    outside: Option<Outside>,
    /// Shown at once and not kept (class 0).
    #[schema(value_type = Option<bool>, default = false)]
    flash: bool,
    /// 0 (usual) to 3 (first).
    #[schema(value_type = Option<u8>, minimum = 0, maximum = 3, default = 0)]
    priority: u8,
    /// Your own name for it; comes back in events and webhooks, and messages can be listed by it.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, example = "order-1234")]
    reference: Option<String>,
    /// How many seconds it may take from now; this or `valid_until`. More than the daemon's maximum is cut to it.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 31536000, example = 3600)]
    valid_for_s: Option<u64>,
    /// Until when it may take.
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_until: Option<u64>,
    /// Not before this time.
    #[schema(value_type = Option<String>, format = DateTime)]
    send_at: Option<u64>,
}

/// In which alphabet a text goes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ToSchema)]
#[schema(rename_all = "snake_case", as = Alphabet)]
pub(in crate::http::v1) enum Alphabets {
    /// The cheapest that holds it.
    #[default]
    Auto,
    /// GSM 03.38.
    Gsm,
    /// UCS-2.
    Unicode,
}

impl Alphabets {
    /// By their words.
    pub(in crate::http::v1) const WORDS: [(&'static str, Self); 3] =
        [("auto", Self::Auto), ("gsm", Self::Gsm), ("unicode", Self::Unicode)];
}

/// What is done about characters outside GSM 03.38.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum Outside {
    /// The whole text goes as UCS-2.
    Promote,
    /// They are replaced by what resembles them. What resembles nothing: with `alphabet` `gsm` a question mark, else the
    /// text goes as it is, as UCS-2.
    Transliterate,
    /// The message is refused.
    Refuse,
}

impl Outside {
    const WORDS: [(&'static str, Self); 3] =
        [("promote", Self::Promote), ("transliterate", Self::Transliterate), ("refuse", Self::Refuse)];
}

/// A message in octets, and what it costs.
#[derive(Debug)]
pub(super) struct Composed {
    pub(super) submission: Submission,
    /// `gsm`, `unicode` or `binary`.
    pub(super) alphabet: &'static str,
    /// Septets, code units or octets.
    pub(super) units: usize,
    /// Segments that are billed.
    pub(super) segments: u32,
}

impl NewMessage {
    /// Reads one. `pointer` is where it stands in the body.
    ///
    /// # Errors
    /// 400 or 422 with every fault of it.
    pub(super) fn of(value: Value, pointer: &str, country: &str) -> Result<Self, Problem> {
        let faults = Faults::default();
        let read = Self::read(value, pointer, country, &faults);
        faults.none_or(read)
    }

    fn read(value: Value, pointer: &str, country: &str, faults: &Faults) -> Option<Self> {
        let mut members = Members::of(value, pointer, faults)?;
        let to = members.needed_text("to").and_then(|to| recipient(&members, &to, country));
        let from = members.text("from").map(|from| sender(&members, &from, country));
        let text = bounded(&mut members, "text", TEXT_MAX);
        let data = members.octets("data", DATA_OCTETS_MAX);
        let udh = members.octets("udh", UDH_OCTETS_MAX);
        let message = Self {
            to: to.unwrap_or(Address::EMPTY),
            from: from.unwrap_or_default(),
            alphabet: members.word("alphabet", &Alphabets::WORDS).unwrap_or_default(),
            outside: members.word("outside", &Outside::WORDS),
            flash: members.flag("flash").unwrap_or(false),
            priority: members.number("priority", 0..=3).and_then(|n| u8::try_from(n).ok()).unwrap_or(0),
            reference: bounded(&mut members, "reference", REFERENCE_MAX),
            valid_for_s: members.number("valid_for_s", 1..=YEAR_S),
            valid_until: members.time("valid_until"),
            send_at: members.time("send_at"),
            text,
            data,
            udh,
        };
        message.check(&members);
        members.end();
        to.map(|_| message)
    }

    /// What members mean together.
    fn check(&self, members: &Members) {
        match (&self.text, &self.data) {
            (Some(_), Some(_)) => members.relation("data", "excludes text: one of them is the message"),
            (None, None) => members.relation("text", "is missing: text or data is the message"),
            (Some(_), None) if self.udh.is_some() => members.relation("udh", "goes with data, not with text"),
            _ => {}
        }
        if let Some(header) = &self.udh
            && !matches!(udh::Header::read(header), Ok((_, [])))
        {
            members.relation("udh", "is no whole user data header");
        }
        if self.data.as_ref().is_some_and(Vec::is_empty) && self.udh.is_none() {
            members.relation("data", "is empty");
        }
        if self.valid_for_s.is_some() && self.valid_until.is_some() {
            members.relation("valid_until", "excludes valid_for_s: one of them is the validity");
        }
        if let Some(text) = &self.text
            && self.alphabet != Alphabets::Unicode
            && self.outside() == Outside::Refuse
            && Alphabet::needed(text) == Alphabet::Ucs2
        {
            let outside: String =
                text.chars().filter(|c| Alphabet::Gsm7.units_of(*c).is_none()).take(TOLD_MAX).collect();
            members.relation("text", format!("has characters outside GSM 03.38: {outside}"));
        }
    }

    fn outside(&self) -> Outside {
        self.outside.unwrap_or(match self.alphabet {
            Alphabets::Gsm => Outside::Refuse,
            Alphabets::Auto | Alphabets::Unicode => Outside::Promote,
        })
    }

    /// The same in octets. `profile` says which table counts.
    pub(super) fn compose(self, profile: Profile) -> Composed {
        let (payload, coding, kind, alphabet) = self.payload();
        let table = match profile {
            Profile::TimeToChat => Table::TimeToChat,
            Profile::Standard => Table::STANDARD,
        };
        let has_header = self.udh.is_some();
        let segments = if has_header && profile == Profile::Standard {
            1
        } else {
            billed_of(&payload, kind, table).max(1)
        };
        let units = payload.len() / kind.octets_per_unit();
        let content = Content {
            source: self.from.unwrap_or(Address::EMPTY),
            destination: self.to,
            esm_class: if has_header { EsmClass::UDHI } else { EsmClass::DEFAULT },
            protocol_id: 0,
            priority: self.priority,
            registered_delivery: RegisteredDelivery::RECEIPT,
            data_coding: coding,
            payload: payload.into(),
            tlvs: Box::default(),
            reference: self.reference.unwrap_or_default().into_bytes().into(),
        };
        let validity = match (self.valid_for_s, self.valid_until) {
            (Some(seconds), _) => Some(When::In(seconds.saturating_mul(1_000))),
            (None, until) => until.map(When::At),
        };
        let schedule = self.send_at.map(When::At);
        let submission = Submission { validity, schedule, ..Submission::new(content, Interface::Native) };
        Composed { submission, alphabet, units, segments }
    }

    /// Octets, their data_coding, what a unit of them is, and the alphabet's name.
    fn payload(&self) -> (Vec<u8>, DataCoding, UnitKind, &'static str) {
        let Some(text) = &self.text else {
            let coding = if self.flash { DataCoding::OCTETS_CLASS_0 } else { DataCoding::OCTETS };
            let mut octets = self.udh.clone().unwrap_or_default();
            octets.extend_from_slice(self.data.as_deref().unwrap_or_default());
            return (octets, coding, UnitKind::Octets, "binary");
        };
        let in_gsm = match (self.alphabet, self.outside()) {
            (Alphabets::Unicode, _) => None,
            (Alphabets::Gsm, Outside::Transliterate) => Alphabet::Gsm7.encode(&transliterate(text)),
            (Alphabets::Auto, Outside::Transliterate) => Alphabet::Gsm7.encode(&likened(text)),
            (_, Outside::Promote | Outside::Refuse) => Alphabet::Gsm7.encode(text),
        };
        match in_gsm {
            Some(octets) => {
                let coding = if self.flash { DataCoding::GSM7_CLASS_0 } else { DataCoding::DEFAULT };
                (octets, coding, UnitKind::Septets, "gsm")
            }
            None => {
                let coding = if self.flash { DataCoding::FLASH_UCS2 } else { DataCoding::UCS2 };
                (Alphabet::Ucs2.encode(text).unwrap_or_default(), coding, UnitKind::Ucs2, "unicode")
            }
        }
    }
}

/// `text` with every character outside GSM replaced that resembles something.
fn likened(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match substitute(c).filter(|_| Alphabet::Gsm7.units_of(c).is_none()) {
            Some(cheap) => out.push_str(cheap),
            None => out.push(c),
        }
    }
    out
}

fn bounded(members: &mut Members, name: &str, most: usize) -> Option<String> {
    let text = members.text(name)?;
    if text.is_empty() || text.chars().count() > most {
        members.fault(name, "length", format!("has to have 1 to {most} characters"));
    }
    Some(text)
}

/// An address that a message can go to, as far as its form is concerned.
fn recipient(members: &Members, written: &str, country: &str) -> Option<Address> {
    let address = is_number(written).then(|| address_of(written, country).ok()).flatten();
    if address.is_none() {
        members.fault("to", "format", "has to be a number of 3 to 20 digits, with or without + before it");
    }
    address
}

fn sender(members: &Members, written: &str, country: &str) -> Option<Address> {
    let is_name =
        (1..=NAME_MAX).contains(&written.len()) && written.bytes().all(|c| (b' '..=b'~').contains(&c));
    let address = (is_number(written) || is_name).then(|| address_of(written, country).ok()).flatten();
    if address.is_none() {
        members.fault("from", "format", "has to be a number, or a name of at most 11 characters of ASCII");
    }
    address
}

fn is_number(written: &str) -> bool {
    let digits = written.strip_prefix('+').unwrap_or(written);
    (3..=20).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit())
}

/// Why the engine did not take it, with the member that is to blame.
pub(super) fn refused(refusal: Refusal, pointer: &str) -> Problem {
    let problem = Problem::from(refusal);
    let member = match refusal {
        Refusal::Sender => "from",
        Refusal::Destination | Refusal::NoRoute => "to",
        Refusal::Length => "text",
        Refusal::Validity => "valid_until",
        Refusal::Schedule => "send_at",
        Refusal::QueueFull
        | Refusal::Disk
        | Refusal::ServiceEnded
        | Refusal::MonthlyLimit
        | Refusal::KeyReused
        | Refusal::Unavailable => return problem,
    };
    let fault = Fault::of_body(format!("{pointer}/{member}"), refusal.name(), problem.detail().to_owned());
    problem.with(fault)
}

/// 255 segments of 153 septets.
const TEXT_MAX: usize = 39_015;

/// 255 segments of 134 octets.
const DATA_OCTETS_MAX: usize = 34_170;

const UDH_OCTETS_MAX: usize = 140;

const REFERENCE_MAX: usize = 100;

/// Characters of an alphanumeric sender (3GPP TS 23.040 §9.1.2.5).
const NAME_MAX: usize = 11;

const YEAR_S: u64 = 365 * 86_400;

/// Characters outside the alphabet that are told.
const TOLD_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn composed(body: Value) -> Composed {
        NewMessage::of(body, "", "33").expect("it can be sent").compose(Profile::Standard)
    }

    fn refusal(body: Value) -> Value {
        NewMessage::of(body, "", "33").expect_err("it cannot be sent").to_value()
    }

    fn places(problem: &Value) -> Vec<&str> {
        let errors = problem["errors"].as_array().expect("faults");
        errors.iter().filter_map(|fault| fault["pointer"].as_str()).collect()
    }

    #[test]
    fn a_text_goes_in_the_cheapest_alphabet_that_holds_it() {
        let gsm = composed(json!({ "to": "0612345678", "from": "SHOP", "text": "a@€" }));
        let content = &gsm.submission.content;
        assert_eq!((content.data_coding, &content.payload[..]), (DataCoding::DEFAULT, &b"a\x00\x1be"[..]));
        assert_eq!(content.destination.as_bytes(), b"33612345678");
        assert_eq!((gsm.alphabet, gsm.units, gsm.segments), ("gsm", 4, 1));
        let unicode = composed(json!({ "to": "+33612345678", "text": "ж".repeat(71) }));
        assert_eq!((unicode.alphabet, unicode.units, unicode.segments), ("unicode", 71, 2));
    }

    #[test]
    fn what_is_outside_gsm_is_the_senders_choice() {
        let with = |alphabet: &str, outside: Value| {
            let body =
                json!({ "to": "+33612345678", "text": "ç🙂", "alphabet": alphabet, "outside": outside });
            composed(body).submission.content.payload
        };
        assert_eq!(&*with("gsm", json!("transliterate")), b"c?");
        assert_eq!(with("auto", json!("transliterate")).len(), 6, "🙂 resembles nothing");
        assert_eq!(with("auto", json!("promote")), with("unicode", Value::Null));
        let likened = composed(json!({ "to": "+33612345678", "text": "ça", "outside": "transliterate" }));
        assert_eq!(&*likened.submission.content.payload, b"ca");
        let problem = refusal(json!({ "to": "+33612345678", "text": "ç🙂", "alphabet": "gsm" }));
        assert_eq!((&problem["status"], places(&problem)), (&json!(422), vec!["/text"]));
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with("ç🙂")), "{problem}");
    }

    #[test]
    fn octets_go_with_their_header() {
        let binary = composed(json!({ "to": "+33612345678", "data": "AQI=", "udh": "BgUEFYEAAA==" }));
        let content = &binary.submission.content;
        assert_eq!(&*content.payload, b"\x06\x05\x04\x15\x81\x00\x00\x01\x02");
        assert!(content.esm_class.has_udhi() && content.data_coding.is_binary());
        let problem = refusal(json!({ "to": "+33612345678", "data": "AQI=", "udh": "Bg==" }));
        assert_eq!(places(&problem), ["/udh"]);
    }

    #[test]
    fn every_fault_of_a_message_is_told_at_once() {
        let problem = refusal(json!({
            "from": "a name that is too long", "text": 1, "priority": 4, "valid_for_s": 0, "send_at": "soon", "sms": true
        }));
        assert_eq!(problem["status"], 400);
        assert_eq!(
            places(&problem),
            ["/to", "/from", "/text", "/priority", "/valid_for_s", "/send_at", "/text", "/sms"]
        );
    }

    #[test]
    fn members_that_exclude_each_other_are_told_as_such() {
        let both = json!({ "to": "+33612345678", "text": "x", "data": "AQI=", "valid_for_s": 1, "valid_until": "2030-01-01T00:00:00Z" });
        let problem = refusal(both);
        assert_eq!((&problem["status"], places(&problem)), (&json!(422), vec!["/data", "/valid_until"]));
        let neither = refusal(json!({ "to": "+33612345678" }));
        assert_eq!((&neither["status"], places(&neither)), (&json!(422), vec!["/text"]));
    }

    #[test]
    fn flash_is_class_0_in_every_alphabet() {
        for body in [
            json!({ "to": "+33612345678", "flash": true, "text": "a" }),
            json!({ "to": "+33612345678", "flash": true, "text": "ж" }),
            json!({ "to": "+33612345678", "flash": true, "data": "AQ==" }),
        ] {
            assert!(composed(body).submission.content.data_coding.is_flash());
        }
    }
}
