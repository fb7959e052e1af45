//! Events of the native interface. `data` is what `GET /v1/events` shows of the message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;

use crate::gateway::event::EventKind;
use crate::gateway::message::{End, Reason};
use crate::gateway::port::{Fact, IncomingFact, ReceiptFact};
use crate::gateway::wording::text_of;
use crate::pdu::{Address, Ton};

#[derive(Serialize)]
struct Event<'a> {
    /// The same in every repetition.
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    time: String,
    service: &'a str,
    data: Data,
}

#[derive(Default, Serialize)]
struct Data {
    id: String,
    direction: &'static str,
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts_have: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts_total: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<String>,
}

/// The event that tells `fact`: its id, and its JSON.
pub(super) fn write(service: &str, fact: &Fact) -> Option<(String, Vec<u8>)> {
    let (kind, at_ms, data) = match fact {
        Fact::Receipt(fact) => (kind_of(fact), fact.done_ms, outgoing(fact)),
        Fact::Incoming(fact) => (EventKind::Incoming, fact.incoming.at_ms, incoming(fact)),
        Fact::Mo { .. } => return None,
    };
    // Made of what is told, not of the delivery: a dead letter that is revived, or an event that is replayed, is known
    // as what it is. No full stop is in it, since the signature separates by full stops.
    let word = kind.name().rsplit('.').next().unwrap_or_default();
    let id = format!("{}-{word}-{at_ms}", data.id);
    let event = Event { id: &id, kind: kind.name(), time: rfc3339(at_ms), service, data };
    let body = serde_json::to_vec(&event).ok()?;
    Some((id, body))
}

fn kind_of(fact: &ReceiptFact) -> EventKind {
    match (fact.intermediate, fact.late) {
        (true, _) => EventKind::Sent,
        (false, true) => EventKind::LateReceipt,
        (false, false) => EventKind::Ended(End::of(fact.state)),
    }
}

fn outgoing(fact: &ReceiptFact) -> Data {
    let state = if fact.intermediate { "sent" } else { End::of(fact.state).name() };
    Data {
        id: fact.id.to_string(),
        direction: "mt",
        from: number(&fact.sender),
        to: number(&fact.recipient),
        state: Some(state),
        error: (fact.error != 0).then_some(fact.error),
        reason: fact.reason.map(Reason::name),
        reference: (!fact.reference.is_empty())
            .then(|| String::from_utf8_lossy(&fact.reference).into_owned()),
        segments: Some(fact.billed),
        accepted_at: Some(rfc3339(fact.submitted_ms)),
        ..Data::default()
    }
}

fn incoming(fact: &IncomingFact) -> Data {
    let IncomingFact { incoming, answers } = fact;
    let mo = &incoming.mo;
    let text = text_of(mo.esm_class, mo.data_coding, &mo.payload);
    let (have, total) = incoming.parts;
    Data {
        id: incoming.id.to_string(),
        direction: "mo",
        from: number(&mo.source),
        to: number(&mo.destination),
        data: text.is_none().then(|| STANDARD.encode(&mo.payload)),
        text,
        parts_have: Some(have),
        parts_total: Some(total),
        answers: answers.as_ref().map(|(id, _)| id.to_string()),
        ..Data::default()
    }
}

/// A number in international form with its `+`; a name or a short code as it is.
fn number(address: &Address) -> String {
    let text = address.as_bytes().escape_ascii().to_string();
    let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if address.ton == Ton::INTERNATIONAL && is_number { format!("+{text}") } else { text }
}

fn rfc3339(utc_ms: u64) -> String {
    let at = i64::try_from(utc_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", at.unwrap_or(Timestamp::MAX))
}
