//! An event in JSON.

use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::Engine;
use crate::gateway::cold::Lost;
use crate::gateway::event::{Event, EventKind};
use crate::gateway::id::MessageId;
use crate::gateway::message::{End, Message};
use crate::gateway::port::Found;
use crate::gateway::record::Incoming;
use crate::gateway::wording::text_of;
use crate::http::v1::body::rfc3339;
use crate::http::v1::messages::number;

/// Something that happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct EventView {
    /// Its number: the cursor to go on after it. Numbers grow; they need not be without gaps.
    #[schema(example = 4711)]
    seq: u64,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "message.delivered")]
    kind: &'static str,
    /// When.
    #[schema(format = DateTime, example = "2026-11-22T09:00:02.117Z")]
    at: String,
    /// The message it happened to. Absent for a number that was blocked or unblocked by no message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<EventMessage>,
    /// The number that was blocked or unblocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "+33612345678")]
    number: Option<String>,
}

/// The message of an event, as far as it is worth knowing at once.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(super) struct EventMessage {
    /// Its id.
    #[schema(example = "66018af8c8ab4e0ca97532f1")]
    id: String,
    /// `mt`: to a mobile; `mo`: from one.
    #[schema(value_type = String, example = "mt")]
    direction: &'static str,
    /// The sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "SHOP")]
    from: Option<String>,
    /// The recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "+33612345678")]
    to: Option<String>,
    /// What the event made of a message to a mobile: `accepted`, `sent`, `delivered`, `refused`, `expired`, `cancelled`,
    /// `unknown`; for a late receipt the state that it reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "delivered")]
    state: Option<String>,
    /// The network's error or the SMSC's status, if one was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    error: Option<u32>,
    /// Your own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "order-1234")]
    reference: Option<String>,
    /// Segments that are billed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    segments: Option<u8>,
    /// The text of a message from a mobile.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    text: Option<String>,
    /// Its octets as base64, when it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    data: Option<String>,
    /// Parts of it that came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parts_have: Option<u8>,
    /// Parts in all; when fewer came, the text is not whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    parts_total: Option<u8>,
    /// The message that it answers: the last one to this mobile from this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    answers: Option<String>,
}

impl EventView {
    /// What `event` says, with what is known of its message. Reads the disk if it has to.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub(super) fn of(event: &Event, engine: &Engine) -> Result<Self, Lost> {
        let message = match event.kind {
            EventKind::Blocked | EventKind::Unblocked if event.id == MessageId([0; 12]) => None,
            _ => Some(EventMessage::of(event, engine.find(event.id)?)),
        };
        let is_number = matches!(event.kind, EventKind::Blocked | EventKind::Unblocked);
        Ok(Self {
            seq: event.seq,
            kind: event.kind.name(),
            at: rfc3339(event.at_ms),
            message,
            number: is_number.then(|| format!("+{}", event.number)),
        })
    }
}

impl EventMessage {
    fn of(event: &Event, found: Option<Found>) -> Self {
        let is_incoming =
            matches!(event.kind, EventKind::Incoming | EventKind::Blocked | EventKind::Unblocked);
        let known = match &found {
            Some(Found::Mt(message)) => Self::outgoing(message),
            Some(Found::Mo(incoming)) => Self::incoming(incoming),
            // Its day is gone; the event still says whom it was about.
            None if is_incoming => Self { from: Some(format!("+{}", event.number)), ..Self::default() },
            None => Self { to: Some(format!("+{}", event.number)), ..Self::default() },
        };
        Self {
            id: event.id.to_string(),
            direction: if is_incoming { "mo" } else { "mt" },
            state: state_of(event),
            error: (event.error != 0).then_some(event.error),
            ..known
        }
    }

    fn outgoing(message: &Message) -> Self {
        let content = &message.content;
        Self {
            from: Some(number(&content.source)),
            to: Some(number(&content.destination)),
            reference: (!content.reference.is_empty())
                .then(|| String::from_utf8_lossy(&content.reference).into_owned()),
            segments: Some(message.billed),
            ..Self::default()
        }
    }

    fn incoming(incoming: &Incoming) -> Self {
        use base64::Engine as _;
        let mo = &incoming.mo;
        let text = text_of(mo.esm_class, mo.data_coding, &mo.payload);
        let data = text.is_none().then(|| base64::engine::general_purpose::STANDARD.encode(&mo.payload));
        let (have, total) = incoming.parts;
        Self {
            from: Some(number(&mo.source)),
            to: Some(number(&mo.destination)),
            text,
            data,
            parts_have: Some(have),
            parts_total: Some(total),
            answers: incoming.answers.map(|id| id.to_string()),
            ..Self::default()
        }
    }
}

fn state_of(event: &Event) -> Option<String> {
    match event.kind {
        EventKind::Accepted => Some("accepted".into()),
        EventKind::Sent => Some("sent".into()),
        EventKind::Ended(end) => Some(end.name().into()),
        EventKind::LateReceipt => Some(End::of(event.state).name().into()),
        EventKind::Incoming | EventKind::Blocked | EventKind::Unblocked => None,
    }
}
