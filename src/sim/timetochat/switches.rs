//! Everything about the simulator that can be changed while it runs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::chance::{Chance, Fault};
use crate::vendor::timetochat::{CALLS_PER_SECOND, TOKEN_SECONDS, Vocabulary};

/// The switches. All are ours: the vendor has none (§9). Times in milliseconds unless the name says otherwise.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Switches {
    /// How states are spelled: `short` (`SENT`) or `long` (`CRA_SMS_SENT`).
    #[serde(with = "spelling")]
    pub vocabulary: Vocabulary,
    /// Calls per second of the three REST methods together, and of SMPP requests; 0: no limit.
    pub rate: u32,
    /// How long a token says that it holds.
    pub token_seconds: u64,
    /// How long it really holds, if that is less: a token that dies early.
    pub token_dies_after_seconds: Option<u64>,
    /// The senders that may be used.
    pub senders: Vec<String>,
    /// The test account is over: 403 `ACCOUNT_EXPIRED`.
    pub account_expired: bool,
    /// Segments per calendar month (UTC), beyond it 403 `MONTHLY_LIMIT_REACHED`.
    pub monthly_limit: Option<u64>,

    /// From acceptance to `SENT`.
    pub sent_ms: u64,
    /// From acceptance to `RECEIVED` or a failure.
    pub received_ms: u64,
    /// Every message that arrives is answered by the mobile, not only those to numbers that do so.
    pub reply: bool,
    /// From `RECEIVED` to the mobile's answer.
    pub reply_ms: u64,
    /// How long a mobile counts as written to, so that its message is an `ANSWERED`.
    pub answered_days: u64,
    /// What such a message is reported as.
    pub answered: Answered,

    /// Where reports go: `same` (pushes for REST, receipts for SMPP), `push`, `smpp` or `both`.
    pub reports: Channels,
    /// Where incoming messages go; `same` is a push if there is a URL, else SMPP.
    pub incoming: Channels,
    /// Where pushes are posted; none: pushes are only counted.
    pub push_url: Option<String>,
    /// From an event to its report.
    pub report_delay_ms: u64,
    /// So much more at most, by the seed. Reports overtake each other then.
    pub report_jitter_ms: u64,
    /// Reports that never come.
    pub report_lost: Chance,
    /// Reports that come twice.
    pub report_double: Chance,
    /// Reports that come `late_ms` later than others, so out of order.
    pub report_late: Chance,
    /// How much later.
    pub late_ms: u64,
    /// States in one push.
    pub push_group: usize,
    /// How long a push waits for others to go with.
    pub push_group_ms: u64,
    /// `status_list` holds all states so far, oldest first, instead of the newest alone.
    pub push_whole_list: bool,
    /// One push for each part of a long message, with a member `part`.
    pub push_parts: bool,
    /// How often a push is tried before it is given up.
    pub push_tries: u32,
    /// From a failed try to the second one; then twice as long each time.
    pub push_retry_ms: u64,
    /// How long an answer to a push is waited for.
    pub push_timeout_ms: u64,

    /// Token calls that go wrong.
    pub fault_token: Fault,
    /// Sends that go wrong before the message is taken.
    pub fault_send_before: Fault,
    /// Sends that go wrong after the message was taken: it is on its way, and the client does not know.
    pub fault_send_after: Fault,
    /// Reads that go wrong.
    pub fault_read: Fault,
    /// How long a call hangs before it is cut.
    pub hang_ms: u64,

    /// `bind_receiver` gets no answer at all, instead of `ESME_RBINDFAIL`.
    pub bind_receiver_ignored: bool,
    /// The connector's `enquire_link`; for sessions that begin after it was set.
    pub enquire_link_seconds: u64,
    /// How long the connector waits for an answer; for sessions that begin after it was set.
    pub response_seconds: u64,
    /// A receipt `ENROUTE` for `SENT`, before the final one.
    pub receipt_enroute: bool,
    /// Incoming messages of more than 254 octets: `payload`, `udh` or `sar`.
    pub incoming_long: Long,
}

/// What the message of a mobile that was written to is reported as.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    /// `ANSWERED` alone.
    Answered,
    /// `INCOMING` alone.
    Incoming,
    /// `ANSWERED`, and `INCOMING` for the same message.
    Both,
    /// The same, the other way round.
    BothReversed,
}

/// Where something goes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    /// As it came.
    Same,
    /// Push_CRA.
    Push,
    /// The connector.
    Smpp,
    /// Both.
    Both,
}

/// How a long incoming message goes over SMPP.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Long {
    /// In one `message_payload`.
    Payload,
    /// In parts with a user data header.
    Udh,
    /// In parts with `sar_*`.
    Sar,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            vocabulary: Vocabulary::Short,
            rate: CALLS_PER_SECOND,
            token_seconds: TOKEN_SECONDS,
            token_dies_after_seconds: None,
            senders: vec![SENDER.to_owned()],
            account_expired: false,
            monthly_limit: None,
            sent_ms: 200,
            received_ms: 1_000,
            reply: false,
            reply_ms: 500,
            answered_days: 7,
            answered: Answered::Answered,
            reports: Channels::Same,
            incoming: Channels::Same,
            push_url: None,
            report_delay_ms: 0,
            report_jitter_ms: 0,
            report_lost: Chance::Off,
            report_double: Chance::Off,
            report_late: Chance::Off,
            late_ms: 3_000,
            push_group: 1,
            push_group_ms: 200,
            push_whole_list: false,
            push_parts: false,
            push_tries: 1,
            push_retry_ms: 1_000,
            push_timeout_ms: 5_000,
            fault_token: Fault::default(),
            fault_send_before: Fault::default(),
            fault_send_after: Fault::default(),
            fault_read: Fault::default(),
            hang_ms: 60_000,
            bind_receiver_ignored: false,
            enquire_link_seconds: 60,
            response_seconds: 30,
            receipt_enroute: false,
            incoming_long: Long::Payload,
        }
    }
}

impl Switches {
    /// All of them, as JSON.
    pub fn to_json(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(members)) => members,
            Ok(_) | Err(_) => Map::new(),
        }
    }

    /// With some of them changed.
    ///
    /// # Errors
    /// A phrase for people that names the switch; nothing is changed then.
    pub fn with(&self, changes: &Map<String, Value>) -> Result<Self, String> {
        let mut all = self.to_json();
        for (name, value) in changes {
            let Some(place) = all.get_mut(name) else {
                let names: Vec<_> = all.keys().map(String::as_str).collect();
                return Err(format!("there is no switch `{name}`; there are: {}", names.join(", ")));
            };
            // One at a time, so that the error belongs to this one.
            let before = std::mem::replace(place, value.clone());
            if let Err(error) = serde_json::from_value::<Self>(Value::Object(all.clone())) {
                return Err(format!("{name}: {error}, it is {before} now"));
            }
        }
        serde_json::from_value(Value::Object(all)).map_err(|error| error.to_string())
    }

    /// With one changed, as written on a command line: `NAME=VALUE`, the value as JSON or as a plain word.
    ///
    /// # Errors
    /// As for [`with`](Self::with).
    pub fn with_written(&self, written: &str) -> Result<Self, String> {
        let (name, value) =
            written.split_once('=').ok_or_else(|| format!("`{written}` is not NAME=VALUE"))?;
        let plain = Value::String(value.to_owned());
        let read = serde_json::from_str(value).unwrap_or_else(|_| plain.clone());
        let change = |value| self.with(&Map::from_iter([(name.trim().to_owned(), value)]));
        // `0` may also be a chance.
        change(read).or_else(|why| change(plain).map_err(|_| why))
    }
}

/// The number of the document's examples.
const SENDER: &str = "0930000000";

mod spelling {
    use serde::{Deserialize, Deserializer, Serializer, de};

    use super::Vocabulary;

    pub(super) fn serialize<S: Serializer>(vocabulary: &Vocabulary, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(match vocabulary {
            Vocabulary::Short => "short",
            Vocabulary::Long => "long",
        })
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vocabulary, D::Error> {
        match String::deserialize(from)?.as_str() {
            "short" => Ok(Vocabulary::Short),
            "long" => Ok(Vocabulary::Long),
            other => Err(de::Error::unknown_variant(other, &["short", "long"])),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_switch_is_changed_by_its_name_and_the_others_stay() {
        let before = Switches::default();
        let changes = json!({"vocabulary": "long", "report_lost": "1/3", "fault_send_after": "next 1 hang", "monthly_limit": 5});
        let after = before.with(changes.as_object().expect("an object")).expect("they are right");
        assert_eq!(after.vocabulary, Vocabulary::Long);
        assert_eq!(after.report_lost, Chance::Every(3));
        assert_eq!(after.monthly_limit, Some(5));
        assert_eq!(after.rate, before.rate);
        assert_eq!(after.with(&after.to_json()), Ok(after.clone()), "what is shown can be set");
    }

    #[test]
    fn a_command_line_writes_them_plainly() {
        let before = Switches::default();
        for (written, name, value) in [
            ("rate=0", "rate", json!(0)),
            ("report_lost=1/3", "report_lost", json!("1/3")),
            ("report_lost=0", "report_lost", json!("off")),
            ("push_url=http://127.0.0.1:1/x", "push_url", json!("http://127.0.0.1:1/x")),
            ("senders=[\"0930000001\"]", "senders", json!(["0930000001"])),
            ("answered=both", "answered", json!("both")),
        ] {
            let after = before.with_written(written).unwrap_or_else(|why| panic!("{written}: {why}"));
            assert_eq!(after.to_json()[name], value, "{written}");
        }
        let no = |written| before.with_written(written).expect_err("it is wrong");
        assert!(no("rate").contains("NAME=VALUE"));
        assert!(no("rates=1").contains("no switch `rates`; there are: vocabulary, rate,"));
        assert!(no("rate=many").starts_with("rate:"));
        assert!(no("report_lost=often").contains("none of: off"));
    }
}
