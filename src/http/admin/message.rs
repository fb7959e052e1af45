//! `GET /messages/{id}`: where a message stands and what happened to it.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Open, Operator, read, time};
use crate::engine::Figures;
use crate::gateway::id::{MessageId, ServiceNo, UpstreamNo};
use crate::gateway::message::{Event, Message, Part, PartStage, Reason, Stage, What};
use crate::gateway::port::Found;
use crate::gateway::record::Incoming;
use crate::http::problem::Problem;
use crate::pdu::{Address, CommandStatus, MessageState};

pub(super) async fn status(operator: Operator, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let open = operator.open()?;
    let id = match id.as_str() {
        LAST => operator.0.last().ok_or_else(|| {
            Problem::new(StatusCode::NOT_FOUND, "not_found", "no message was posted here since the start")
        })?,
        id => MessageId::from_hex(id)
            .ok_or_else(|| Problem::bad_request("invalid", "a message id has 24 hexadecimal digits"))?,
    };
    let engine = open.engine.clone();
    match read(move || engine.find(id)).await? {
        Some(Found::Mt(message)) => Ok(Json(mt(&message, &Names::of(&open)))),
        Some(Found::Mo(incoming)) => Ok(Json(mo(&incoming, &Names::of(&open)))),
        None => Err(Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such message")),
    }
}

/// Stands for the message that was posted last.
const LAST: &str = "last";

/// What the numbers of services and upstreams stand for.
pub(super) struct Names(std::sync::Arc<Figures>);

impl Names {
    pub(super) fn of(open: &Open) -> Self {
        Self(open.engine.figures())
    }

    pub(super) fn service(&self, no: ServiceNo) -> String {
        let found = self.0.services.get(usize::from(no.0));
        found.map_or_else(|| format!("#{}", no.0), |service| service.id.clone())
    }

    fn upstream(&self, no: UpstreamNo) -> String {
        let found = self.0.upstreams.get(usize::from(no.0));
        found.map_or_else(|| format!("#{}", no.0), |upstream| upstream.id.clone())
    }
}

/// A message in a list: without what happened to it.
pub(super) fn line(found: &Found, names: &Names) -> Value {
    match found {
        Found::Mt(message) => json!({
            "id": message.id.to_string(),
            "direction": "mt",
            "state": state(found),
            "service": names.service(message.service),
            "upstream": names.upstream(message.upstream),
            "from": shown(&message.content.source),
            "to": shown(&message.content.destination),
            "reference": String::from_utf8_lossy(&message.content.reference),
            "segments": message.billed,
            "at": time(message.accepted_ms),
        }),
        Found::Mo(incoming) => json!({
            "id": incoming.id.to_string(),
            "direction": "mo",
            "state": state(found),
            "service": incoming.service.map(|no| names.service(no)),
            "upstream": names.upstream(incoming.upstream),
            "from": shown(&incoming.mo.source),
            "to": shown(&incoming.mo.destination),
            "at": time(incoming.at_ms),
        }),
    }
}

/// Where a message stands, in a word.
pub(super) fn state(found: &Found) -> &'static str {
    match found {
        Found::Mt(message) => stage_name(message.stage),
        Found::Mo(incoming) if incoming.left == 0 => "delivered",
        Found::Mo(_) => "waiting",
    }
}

fn mt(message: &Message, names: &Names) -> Value {
    let parts: Vec<_> = message.parts.iter().enumerate().map(|(at, part)| part_of(at, part)).collect();
    let history: Vec<_> = message.history.iter().map(|event| event_of(event, names)).collect();
    json!({
        "id": message.id.to_string(),
        "direction": "mt",
        "state": stage_name(message.stage),
        "final": matches!(message.stage, Stage::Ended(_)),
        "service": names.service(message.service),
        "upstream": names.upstream(message.upstream),
        "from": shown(&message.content.source),
        "to": shown(&message.content.destination),
        "data_coding": message.content.data_coding.0,
        "payload_octets": message.content.payload.len(),
        "segments": message.billed,
        "accepted": time(message.accepted_ms),
        "expires": time(message.expires_ms),
        "not_before": (message.not_before_ms > 0).then(|| time(message.not_before_ms)),
        "receipts_pending": message.pending,
        "parts": parts,
        "history": history,
    })
}

fn mo(incoming: &Incoming, names: &Names) -> Value {
    let (have, total) = incoming.parts;
    json!({
        "id": incoming.id.to_string(),
        "direction": "mo",
        "state": if incoming.left == 0 { "delivered" } else { "waiting" },
        "final": incoming.left == 0,
        "service": incoming.service.map(|no| names.service(no)),
        "upstream": names.upstream(incoming.upstream),
        "from": shown(&incoming.mo.source),
        "to": shown(&incoming.mo.destination),
        "data_coding": incoming.mo.data_coding.0,
        "payload_octets": incoming.mo.payload.len(),
        "arrived": time(incoming.at_ms),
        "parts_have": have,
        "parts_total": total,
        "late": incoming.late,
    })
}

fn part_of(at: usize, part: &Part) -> Value {
    let (state, error) = match part.stage {
        PartStage::Waiting => ("waiting".to_owned(), None),
        PartStage::Dispatched => ("dispatched".to_owned(), None),
        PartStage::Sent => ("sent".to_owned(), None),
        PartStage::Final { state, error } => (word(state), (error != 0).then_some(error)),
    };
    json!({
        "part": at + 1,
        "state": state,
        "error": error,
        "attempts": part.attempts,
        "dispatched": (part.dispatched_ms > 0).then(|| time(part.dispatched_ms)),
        "upstream_id": (!part.upstream_id.is_empty()).then(|| part.upstream_id.escape_ascii().to_string()),
    })
}

fn event_of(event: &Event, names: &Names) -> Value {
    let (what, detail) = match event.what {
        What::Accepted => ("accepted", None),
        What::Dispatched(upstream) => ("dispatched", Some(names.upstream(upstream))),
        What::Sent => ("sent", None),
        What::PutOff(status) => ("put off", Some(told(status))),
        What::Doubt(doubt) => ("in doubt, sent again", Some(doubt.name().to_owned())),
        What::Rerouted(upstream) => ("rerouted", Some(names.upstream(upstream))),
        What::Refused(status) => ("refused", Some(told(status))),
        What::Receipt(state) => ("receipt", Some(word(state))),
        What::LateReceipt(state) => ("late receipt", Some(word(state))),
        What::Ended(end, reason) => (end.name(), Some(why(reason).to_owned())),
        What::Redelivered => ("receipt sent again", None),
        What::Notified => ("receipt delivered", None),
        What::Unsure => ("outcome unknown, not sent again", None),
    };
    json!({
        "at": time(event.at_ms),
        "what": what,
        "detail": detail,
        "part": (event.part > 0).then_some(event.part),
    })
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "waiting",
        Stage::Dispatched => "dispatched",
        Stage::Sent => "sent",
        Stage::Ended(end) => end.name(),
    }
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Validity => "validity was over",
        Reason::NoReceipt => "no receipt came in time",
        Reason::Blacklist => "the recipient is on the blacklist",
        Reason::PartRefused => "a part was refused",
        Reason::NoRoute => "no route leads there any more",
        Reason::Asked => "its service took it back",
        Reason::NoReport => "nobody knows whether the upstream took it",
    }
}

/// `ESME_RTHROTTLED (0x58): throttled…`.
fn told(status: CommandStatus) -> String {
    match status.meaning() {
        Some(meaning) => format!("{status} (0x{:02X}): {meaning}", status.0),
        None => status.to_string(),
    }
}

fn word(state: MessageState) -> String {
    format!("{state:?}")
}

/// An address in full: who asks this holds the token.
fn shown(address: &Address) -> String {
    address.as_bytes().escape_ascii().to_string()
}
