//! A message as its service is shown it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::gateway::message::{Content, Event, Message, Part, PartStage, Reason, Stage, What};
use crate::gateway::record::{Incoming, MoContent};
use crate::http::v1::body::rfc3339;
use crate::pdu::{Address, CommandStatus, DataCoding, EsmClass, MessageState, Ton};
use crate::text::{gsm7, latin1, ucs2, udh};

/// A message of either direction.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(in crate::http) struct MessageView {
    /// Its id.
    #[schema(pattern = "^[0-9a-f]{24}$", example = "66018af8c8ab4e0ca97532f1")]
    id: String,
    /// `mt`: to a mobile; `mo`: from one.
    #[schema(value_type = String, example = "mt")]
    direction: &'static str,
    /// `accepted`, `scheduled`, `sending`, `sent`; then exactly one of `delivered`, `refused`, `expired`, `cancelled`,
    /// `unknown`. From a mobile: `received`.
    #[schema(value_type = String, example = "delivered")]
    state: &'static str,
    /// Nothing more will happen to it.
    r#final: bool,
    /// The sender.
    #[schema(example = "SHOP")]
    from: String,
    /// The recipient.
    #[schema(example = "+33612345678")]
    to: String,
    /// What it says. Absent when it is octets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    text: Option<String>,
    /// What it holds, as base64. Absent when it is a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    data: Option<String>,
    /// Its user data header as base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    udh: Option<String>,
    /// `gsm`, `unicode`, `latin1` or `binary`.
    #[schema(value_type = String, example = "gsm")]
    alphabet: &'static str,
    /// Shown at once and not kept.
    flash: bool,
    /// When it was accepted, or came.
    #[schema(format = DateTime, example = "2026-11-22T09:00:00.000Z")]
    at: String,
    #[serde(flatten)]
    way: Way,
}

/// What only one direction has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum Way {
    To(Box<To>),
    From(Came),
}

/// What only a message to a mobile has.
#[derive(Debug, Serialize, ToSchema)]
struct To {
    /// Segments that are billed.
    segments: u8,
    /// 0 (usual) to 3 (first).
    priority: u8,
    /// By which interface it came: `smpp`, `rest`, `native`, `operator`; `own`: the answer to a word such as STOP.
    #[schema(value_type = String, example = "native")]
    interface: &'static str,
    /// Your own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reference: Option<String>,
    /// Not before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    send_at: Option<String>,
    /// When its validity ends.
    #[schema(format = DateTime)]
    valid_until: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    ended_at: Option<String>,
    /// Why we ended it: `validity`, `no_receipt`, `blacklist`, `part_refused`, `no_route`, `asked`, `no_report`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    reason: Option<&'static str>,
    /// The error that was reported last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<u32>,
    /// How each PDU that carries it stands. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parts: Option<Vec<PartView>>,
    /// All that happened, oldest first. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    history: Option<Vec<EventView>>,
}

/// What only a message from a mobile has.
#[derive(Debug, Serialize, ToSchema)]
struct Came {
    /// Parts that came.
    parts_have: u8,
    /// Parts in all; when fewer came, the text is not whole.
    parts_total: u8,
    /// Parts of it came before, without this one.
    late: bool,
    /// The message that it answers: the last one to this mobile from this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    answers: Option<String>,
}

/// One PDU of a message.
#[derive(Debug, Serialize, ToSchema)]
struct PartView {
    /// Which, from 1.
    part: usize,
    /// `waiting`, `sending`, `sent`, or the state reported last, such as `delivered`.
    state: String,
    /// Times it was sent.
    attempts: u8,
    /// The error reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<u32>,
}

/// Something that happened to a message.
#[derive(Debug, Serialize, ToSchema)]
struct EventView {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// What: `accepted`, `sending`, `sent`, `put_off`, `repeated`, `rerouted`, `refused`, `unsure`, `receipt`,
    /// `late_receipt`, `ended`, `told`, `told_again`.
    #[schema(value_type = String, example = "sent")]
    event: &'static str,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
    /// Which part, from 1. Absent: the whole message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    part: Option<u8>,
}

/// States that a list can be of.
pub(super) const STATES: [&str; 10] = [
    "accepted",
    "scheduled",
    "sending",
    "sent",
    "delivered",
    "refused",
    "expired",
    "cancelled",
    "unknown",
    "received",
];

/// Where a message stands, in one of the words of [`STATES`].
pub(super) fn state_of(message: &Message, now_ms: u64) -> &'static str {
    match message.stage {
        Stage::Waiting if message.not_before_ms > now_ms => "scheduled",
        Stage::Waiting => "accepted",
        Stage::Dispatched => "sending",
        Stage::Sent => "sent",
        Stage::Ended(end) => end.name(),
    }
}

impl MessageView {
    /// All of a message to a mobile.
    pub(in crate::http) fn whole(message: &Message, now_ms: u64) -> Self {
        let mut view = Self::brief(message, now_ms);
        if let Way::To(to) = &mut view.way {
            to.parts = Some(message.parts.iter().enumerate().map(|(at, part)| part_of(at, part)).collect());
            to.history = Some(message.history.iter().map(event_of).collect());
        }
        view
    }

    /// The same without parts and history.
    pub(in crate::http) fn brief(message: &Message, now_ms: u64) -> Self {
        let Content { source, destination, esm_class, data_coding, payload, .. } = &message.content;
        let is_over = matches!(message.stage, Stage::Ended(_));
        let reference = String::from_utf8_lossy(&message.content.reference).into_owned();
        let to = To {
            segments: message.billed,
            priority: message.content.priority,
            interface: message.ties.interface.name(),
            reference: (!reference.is_empty()).then_some(reference),
            send_at: (message.not_before_ms > message.accepted_ms).then(|| rfc3339(message.not_before_ms)),
            valid_until: rfc3339(message.expires_ms),
            ended_at: ended_ms(message).filter(|_| is_over).map(rfc3339),
            reason: message.history.iter().rev().find_map(|event| match event.what {
                What::Ended(_, reason) => Some(why(reason)),
                _ => None,
            }),
            error: message.parts.iter().rev().find_map(|part| match part.stage {
                PartStage::Final { error, .. } if error != 0 => Some(error),
                _ => None,
            }),
            parts: None,
            history: None,
        };
        let shown = Shown::of(*data_coding, *esm_class, payload);
        Self {
            id: message.id.to_string(),
            direction: "mt",
            state: state_of(message, now_ms),
            r#final: is_over,
            from: number(source),
            to: number(destination),
            text: shown.text,
            data: shown.data,
            udh: shown.udh,
            alphabet: shown.alphabet,
            flash: data_coding.is_flash(),
            at: rfc3339(message.accepted_ms),
            way: Way::To(Box::new(to)),
        }
    }

    /// A message from a mobile.
    pub(in crate::http) fn came(incoming: &Incoming) -> Self {
        let MoContent { source, destination, esm_class, data_coding, payload, .. } = &incoming.mo;
        let shown = Shown::of(*data_coding, *esm_class, payload);
        let (parts_have, parts_total) = incoming.parts;
        let answers = incoming.answers.map(|id| id.to_string());
        Self {
            id: incoming.id.to_string(),
            direction: "mo",
            state: "received",
            r#final: true,
            from: number(source),
            to: number(destination),
            text: shown.text,
            data: shown.data,
            udh: shown.udh,
            alphabet: shown.alphabet,
            flash: data_coding.is_flash(),
            at: rfc3339(incoming.at_ms),
            way: Way::From(Came { parts_have, parts_total, late: incoming.late, answers }),
        }
    }
}

/// A payload as JSON can show it.
struct Shown {
    text: Option<String>,
    data: Option<String>,
    udh: Option<String>,
    alphabet: &'static str,
}

impl Shown {
    fn of(coding: DataCoding, esm_class: EsmClass, payload: &[u8]) -> Self {
        use base64::Engine as _;
        let base64 = |octets: &[u8]| base64::engine::general_purpose::STANDARD.encode(octets);
        let read = if esm_class.has_udhi() { udh::Header::read(payload).ok() } else { None };
        let (header, body) = match read {
            Some((header, body)) => (payload.get(..header.octets()), body),
            None => (None, payload),
        };
        let (alphabet, text) = match coding {
            coding if coding.is_ucs2() => ("unicode", Some(ucs2::decode(body))),
            DataCoding::LATIN_1 => ("latin1", Some(latin1::decode(body))),
            DataCoding::DEFAULT
            | DataCoding::ASCII
            | DataCoding::FLASH_GSM7
            | DataCoding::GSM7_CLASS_0
            | DataCoding::GSM7_CLASS_1
            | DataCoding::GSM7_CLASS_2
            | DataCoding::GSM7_CLASS_3 => ("gsm", Some(gsm7::decode(body))),
            _ => ("binary", None),
        };
        let data = text.is_none().then(|| base64(body));
        Self { text, data, udh: header.map(base64), alphabet }
    }
}

/// A number in international form with its `+`; a name or a short code as it is.
pub(in crate::http) fn number(address: &Address) -> String {
    let text = address.as_bytes().escape_ascii().to_string();
    let is_number = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if address.ton == Ton::INTERNATIONAL && is_number { format!("+{text}") } else { text }
}

fn part_of(at: usize, part: &Part) -> PartView {
    let (state, error) = match part.stage {
        PartStage::Waiting => ("waiting".to_owned(), None),
        PartStage::Dispatched => ("sending".to_owned(), None),
        PartStage::Sent => ("sent".to_owned(), None),
        PartStage::Final { state, error } => (word(state), (error != 0).then_some(error)),
    };
    PartView { part: at + 1, state, attempts: part.attempts, error }
}

fn event_of(event: &Event) -> EventView {
    let (what, detail) = match event.what {
        What::Accepted => ("accepted", None),
        // Which upstream it is, is nobody's business but the operator's.
        What::Dispatched(_) => ("sending", None),
        What::Sent => ("sent", None),
        What::PutOff(status) => ("put_off", Some(told(status))),
        What::Doubt(doubt) => ("repeated", Some(doubt.name().to_owned())),
        What::Rerouted(_) => ("rerouted", None),
        What::Refused(status) => ("refused", Some(told(status))),
        What::Unsure => ("unsure", None),
        What::Receipt(state) => ("receipt", Some(word(state))),
        What::LateReceipt(state) => ("late_receipt", Some(word(state))),
        What::Ended(end, reason) => ("ended", Some(format!("{}: {}", end.name(), why(reason)))),
        What::Redelivered => ("told_again", None),
        What::Notified => ("told", None),
    };
    EventView { at: rfc3339(event.at_ms), event: what, detail, part: (event.part > 0).then_some(event.part) }
}

/// When the last thing happened that can end a message.
fn ended_ms(message: &Message) -> Option<u64> {
    let is_end = |what: What| match what {
        What::Refused(_) | What::Ended(..) => true,
        What::Receipt(state) => state.is_final(),
        _ => false,
    };
    message.history.iter().rev().find(|event| is_end(event.what)).map(|event| event.at_ms)
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Validity => "validity",
        Reason::NoReceipt => "no_receipt",
        Reason::Blacklist => "blacklist",
        Reason::PartRefused => "part_refused",
        Reason::NoRoute => "no_route",
        Reason::Asked => "asked",
        Reason::NoReport => "no_report",
    }
}

/// `ESME_RTHROTTLED (0x58)`.
fn told(status: CommandStatus) -> String {
    format!("{status} (0x{:02X})", status.0)
}

fn word(state: MessageState) -> String {
    format!("{state:?}").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_shown_in_their_alphabet() {
        let text = Shown::of(DataCoding::DEFAULT, EsmClass::DEFAULT, b"a\x00");
        assert_eq!((text.text.as_deref(), text.alphabet, text.data), (Some("a@"), "gsm", None));
        let unicode = Shown::of(DataCoding::FLASH_UCS2, EsmClass::DEFAULT, &[4, 0x36]);
        assert_eq!((unicode.text.as_deref(), unicode.alphabet), (Some("ж"), "unicode"));
        let part = Shown::of(DataCoding::OCTETS, EsmClass::UDHI, b"\x02\x70\x00\x01\x02");
        assert_eq!(
            (part.text, part.data.as_deref(), part.udh.as_deref()),
            (None, Some("AQI="), Some("AnAA"))
        );
    }

    #[test]
    fn international_numbers_have_their_plus() {
        for (written, shown) in [("0612345678", "+33612345678"), ("36000", "36000"), ("SHOP", "SHOP")] {
            let address = crate::http::address::address_of(written, "33").expect(written);
            assert_eq!(number(&address), shown);
        }
    }
}
