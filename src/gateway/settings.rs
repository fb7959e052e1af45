//! What the gateway was told: services, upstreams, routes and rules, as checked.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;

use jiff::tz::TimeZone;

use crate::pdu::{Address, CommandStatus};

/// All that the gateway's decisions depend on besides its state. Made by `config`, swapped whole.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our customers. Each `id` once.
    pub services: Vec<Service>,
    /// Where MT goes. Each `id` once.
    pub upstreams: Vec<Upstream>,
    /// Tried in order; the first whose conditions hold decides.
    pub routes: Vec<Route>,
    /// Tried in order for each MO; the first whose number fits names the service.
    pub mo_routes: Vec<MoRoute>,
    /// Limits and lifetimes.
    pub rules: Rules,
}

/// Our customer, as far as messages are concerned (its credentials are the edges' business).
#[derive(Clone, Debug)]
pub struct Service {
    /// The configured name; stable, since rows refer to it.
    pub id: String,
    /// Which refusals, receipts and tables of segments it gets.
    pub profile: Profile,
    /// Senders (OADC) it may use, normalised by [`normalise`]. `None`: any.
    pub senders: Option<HashSet<String>>,
    /// The sender when a submit_sm names none. `None`: an empty source_addr is refused, or passed on if any is allowed.
    pub default_sender: Option<Address>,
    /// Recipients that are accepted and then rejected, normalised.
    pub blacklist: HashSet<String>,
    /// Segments per calendar month. `None`: unlimited.
    pub monthly_limit: Option<u64>,
    /// UTC milliseconds from which nothing is accepted any more.
    pub ends_at_ms: Option<u64>,
    /// Messages that may wait for an upstream at once; more are refused with the retryable answer.
    pub waiting_max: u64,
    /// Keep the order of one (source, destination) even behind a message that was put off.
    pub strict_order: bool,
    /// How a joined long MO reaches the ESME.
    pub deliver_long: LongMode,
    /// deliver_sm unanswered at once on one session.
    pub deliver_window: u32,
    /// Share of an upstream relative to other services (1 is normal).
    pub weight: u32,
    /// Its webhooks.
    pub endpoints: Vec<Endpoint>,
    /// How it is told what became of its messages (SEMANTICS 9).
    pub receipts: Channels,
    /// How it gets what mobiles send: [`Channels::Same`] is SMPP, and its endpoints if it has any.
    pub incoming: Channels,
    /// Events, listing and conversations are kept for it: it uses HTTP.
    pub watched: bool,
    /// Words by which mobiles leave and come back. `None`: it looks after that itself.
    pub opt_out: Option<OptOut>,
}

impl Service {
    /// A service of the standard profile that may do everything without limit.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            profile: Profile::Standard,
            senders: None,
            default_sender: None,
            blacklist: HashSet::new(),
            monthly_limit: None,
            ends_at_ms: None,
            waiting_max: 1_000_000,
            strict_order: false,
            deliver_long: LongMode::Payload,
            deliver_window: 100,
            weight: 1,
            endpoints: Vec::new(),
            receipts: Channels::Same,
            incoming: Channels::Same,
            watched: false,
            opt_out: None,
        }
    }
}

/// Which way something returns to a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Channels {
    /// The way by which the message came.
    Same,
    /// Its SMPP sessions.
    Smpp,
    /// Its endpoints.
    Webhook,
    /// Both.
    Both,
}

/// A webhook of a service, as far as decisions are concerned (its address and secrets are the edge's business).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Unique over all services and stable, since rows refer to it: `service/name`.
    pub id: String,
    /// What is sent there.
    pub kind: EndpointKind,
    /// It is told when a message was given to the operator, too.
    pub sent: bool,
    /// It is told how messages end.
    pub receipts: bool,
    /// It gets what mobiles send.
    pub incoming: bool,
    /// First delay after a failed delivery, in milliseconds; doubled each time.
    pub delay_ms: u64,
    /// Longest delay, in milliseconds.
    pub delay_max_ms: u64,
}

impl Endpoint {
    /// An endpoint that is told everything.
    pub fn new(id: &str, kind: EndpointKind) -> Self {
        Self {
            id: id.to_owned(),
            kind,
            sent: true,
            receipts: true,
            incoming: true,
            delay_ms: 1_000,
            delay_max_ms: 600_000,
        }
    }
}

/// What an endpoint is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndpointKind {
    /// The vendor's reports (contracts/timetochat.md §3).
    PushCra,
    /// Signed events of the native interface.
    Native,
}

/// Words by which mobiles leave and come back, upper case and without blanks around.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OptOut {
    /// They put the mobile on the service's blacklist.
    pub stop: HashSet<String>,
    /// They take it off.
    pub start: HashSet<String>,
    /// What is answered to the former. `None`: nothing.
    pub stop_text: Option<String>,
    /// What is answered to the latter. `None`: nothing.
    pub start_text: Option<String>,
}

/// How the SMPP server behaves towards a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// SMPP 3.4.
    Standard,
    /// The vendor's connector (contracts/timetochat.md §7 and §8a).
    TimeToChat,
}

/// How more than one segment's worth of text travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LongMode {
    /// One PDU with the message_payload TLV.
    Payload,
    /// One PDU per segment, with a user data header (8-bit reference).
    Udh,
    /// One PDU per segment, with the sar_* TLVs.
    Sar,
}

/// Where MT goes, as far as decisions are concerned (addresses and TLS are the edge's business).
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The configured name; stable, since rows refer to it.
    pub id: String,
    /// Submits per second over all its sessions. `None`: unlimited.
    pub rate: Option<NonZeroU32>,
    /// Submits that may follow each other at once (1 keeps "N in any sliding second").
    pub burst: u32,
    /// How long messages are handed over.
    pub long: LongMode,
    /// What a status means; what is not listed is [`Policy::Final`].
    pub policies: HashMap<CommandStatus, Policy>,
    /// Attempts (refusals of [`Policy::Delay`]) before a message is refused for good.
    pub attempts_max: u8,
    /// First delay of [`Policy::Delay`]; doubled each time.
    pub delay_ms: u64,
    /// Longest delay of [`Policy::Delay`].
    pub delay_max_ms: u64,
    /// Pause of a bind after [`Policy::Throttle`].
    pub throttle_pause_ms: u64,
    /// How long it may be without a session before its waiting messages go to the next upstream of their route.
    pub failover_after_ms: u64,
    /// Drop an MO that repeats one whose answer may have been lost with its session, within this time. 0: never.
    pub mo_dedupe_ms: u64,
    /// What is done about a submit whose outcome nobody knows (SEMANTICS 2).
    pub unknown: Unknown,
    /// How long a report is waited for after an unknown outcome, before the message ends as unknown.
    pub reconcile_ms: u64,
    /// Ask about a sent message that has had no final report for so long; 0: never. Later questions come ever more slowly.
    pub inquire_after_ms: u64,
}

impl Upstream {
    /// An SMPP upstream without limits of its own.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            rate: None,
            burst: 1,
            long: LongMode::Payload,
            policies: default_policies(),
            attempts_max: 10,
            delay_ms: 1_000,
            delay_max_ms: 300_000,
            throttle_pause_ms: 1_000,
            failover_after_ms: 5_000,
            mo_dedupe_ms: 0,
            unknown: Unknown::AtLeastOnce,
            reconcile_ms: 600_000,
            inquire_after_ms: 0,
        }
    }
}

/// What is done about a submit whose outcome nobody knows (SEMANTICS 2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unknown {
    /// It is sent again: rather twice than never.
    AtLeastOnce,
    /// A report is waited for; without one the message ends as unknown. Rather never than twice.
    Reconcile,
}

/// What a command_status of an upstream's answer means for the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// The bind exceeds its rate: pause it, keep the order, resume slower.
    Throttle,
    /// Only this message waits; later ones pass.
    Delay,
    /// It will never go: the message is refused.
    Final,
}

/// The statuses that are not final unless the configuration says so (contracts/smpp.md §9).
pub fn default_policies() -> HashMap<CommandStatus, Policy> {
    HashMap::from([
        (CommandStatus::ESME_RTHROTTLED, Policy::Throttle),
        (CommandStatus::ESME_RMSGQFUL, Policy::Delay),
        (CommandStatus::ESME_RSYSERR, Policy::Delay),
        (CommandStatus::ESME_RX_T_APPN, Policy::Delay),
        (CommandStatus::ESME_RINVBNDSTS, Policy::Delay),
    ])
}

/// Which upstreams take a message.
#[derive(Clone, Debug)]
pub struct Route {
    /// Only this service. `None`: any.
    pub service: Option<String>,
    /// Only senders that begin so, as normalised. Empty: any.
    pub sender: String,
    /// Only destinations that begin so, as normalised. Empty: any.
    pub destination: String,
    /// Ids of upstreams, best first: the first that has a session takes it.
    pub upstreams: Vec<String>,
}

/// Whose an MO is.
#[derive(Clone, Debug)]
pub struct MoRoute {
    /// Only from this upstream. `None`: any.
    pub upstream: Option<String>,
    /// The number it was sent to begins so, as normalised; with `exact`, it is this.
    pub number: String,
    /// The whole number has to be equal.
    pub exact: bool,
    /// Id of the service.
    pub service: String,
}

/// Limits and lifetimes (SEMANTICS 3, 6, 7, 9, 10, 11, 15). All times in milliseconds.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Validity of a message that names none.
    pub validity_default_ms: u64,
    /// The longest validity; more is cut.
    pub validity_max_ms: u64,
    /// After the end of validity, a message in an upstream's hands without a final receipt becomes `unknown`.
    pub receipt_grace_ms: u64,
    /// How long parts of a long MO wait for each other.
    pub join_ms: u64,
    /// Sets of parts that may wait at once; beyond, the oldest goes out as partial.
    pub joins_max: usize,
    /// How long a receipt or MO waits for its ESME before it is a dead letter.
    pub delivery_life_ms: u64,
    /// Tries of a deliver_sm that the ESME refuses for good.
    pub delivery_tries: u8,
    /// First delay of a deliver_sm that the ESME refuses for now; doubled each time.
    pub delivery_delay_ms: u64,
    /// Longest delay of a refused deliver_sm.
    pub delivery_delay_max_ms: u64,
    /// How long before its submit's answer a receipt may come.
    pub early_receipt_ms: u64,
    /// Receipts without a message that are kept.
    pub unmatched_max: usize,
    /// How long receipts without a message, and ids of an upstream, are kept.
    pub unmatched_life_ms: u64,
    /// How long the last message to a mobile counts as what the mobile answers.
    pub answered_ms: u64,
    /// How long an idempotency key, and what marks an MO as a repetition, is known.
    pub key_life_ms: u64,
    /// Numbers on all blacklists that mobiles or the interface have put there; more are refused.
    pub blocked_max: usize,
    /// Messages held in memory; more are read from the tables when needed.
    pub live_max: usize,
    /// Where months begin and end.
    pub timezone: TimeZone,
    /// The country code that a national number (leading 0) belongs to.
    pub country: String,
}

impl Default for Rules {
    fn default() -> Self {
        const HOUR: u64 = 3_600_000;
        Self {
            validity_default_ms: 48 * HOUR,
            validity_max_ms: 7 * 24 * HOUR,
            receipt_grace_ms: 24 * HOUR,
            join_ms: HOUR / 2,
            joins_max: 10_000,
            delivery_life_ms: 7 * 24 * HOUR,
            delivery_tries: 3,
            delivery_delay_ms: 1_000,
            delivery_delay_max_ms: 60_000,
            early_receipt_ms: 600_000,
            unmatched_max: 100_000,
            unmatched_life_ms: 30 * 24 * HOUR,
            answered_ms: 7 * 24 * HOUR,
            key_life_ms: 24 * HOUR,
            blocked_max: 1_000_000,
            live_max: 50_000,
            timezone: TimeZone::get("Europe/Paris").unwrap_or(TimeZone::UTC),
            country: "33".into(),
        }
    }
}

/// A number as it is compared: international digits without `+`; `00` and the national `0` are replaced
/// (contracts/timetochat.md §4). Anything but digits stays as it is: an alphanumeric sender.
pub fn normalise(number: &str, country: &str) -> String {
    let digits = number.strip_prefix('+').unwrap_or(number);
    if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return number.to_owned();
    }
    if digits.len() != number.len() {
        return digits.to_owned();
    }
    match digits.strip_prefix("00") {
        Some(rest) if rest.len() >= 8 => rest.to_owned(),
        _ => match digits.strip_prefix('0') {
            Some(rest) if rest.len() == 9 => format!("{country}{rest}"),
            _ => digits.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn national_and_international_forms_are_one_number() {
        for form in ["0930000000", "+33930000000", "0033930000000", "33930000000"] {
            assert_eq!(normalise(form, "33"), "33930000000", "{form}");
        }
        for kept in ["8080", "Mug", "+", "", "36000"] {
            assert_eq!(normalise(kept, "33"), kept);
        }
    }
}
