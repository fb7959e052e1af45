//! What happens to the messages of services that use HTTP, in one order, for readers that follow along.

use super::id::{MessageId, ServiceNo};
use super::message::End;
use crate::pdu::MessageState;

/// One thing that happened. Durable with the record that caused it, and readable as long as the history of its day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Event {
    /// Its number, over all services, from 1.
    pub seq: u64,
    /// UTC milliseconds.
    pub at_ms: u64,
    /// Whose.
    pub service: ServiceNo,
    /// The message. For [`EventKind::Blocked`] the MO that asked for it, zeros if none did.
    pub id: MessageId,
    /// What.
    pub kind: EventKind,
    /// The state reported, [`MessageState::ENROUTE`] if none was.
    pub state: MessageState,
    /// The error reported, 0 if none.
    pub error: u32,
    /// The mobile's number as digits.
    pub number: u64,
}

/// The kinds of [`Event`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EventKind {
    /// A message was taken.
    Accepted,
    /// An upstream has it.
    Sent,
    /// It ended.
    Ended(End),
    /// A final receipt came after it had ended.
    LateReceipt,
    /// A mobile has sent a message.
    Incoming,
    /// A number was put on the blacklist.
    Blocked,
    /// A number was taken off the blacklist.
    Unblocked,
}

impl EventKind {
    /// All, in the order of their stored numbers.
    pub const ALL: [Self; 11] = [
        Self::Accepted,
        Self::Sent,
        Self::Ended(End::Delivered),
        Self::Ended(End::Refused),
        Self::Ended(End::Expired),
        Self::Ended(End::Cancelled),
        Self::Ended(End::Unknown),
        Self::LateReceipt,
        Self::Incoming,
        Self::Blocked,
        Self::Unblocked,
    ];

    /// The word in JSON and webhooks.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "message.accepted",
            Self::Sent => "message.sent",
            Self::Ended(End::Delivered) => "message.delivered",
            Self::Ended(End::Refused) => "message.refused",
            Self::Ended(End::Expired) => "message.expired",
            Self::Ended(End::Cancelled) => "message.cancelled",
            Self::Ended(End::Unknown) => "message.unknown",
            Self::LateReceipt => "message.late_receipt",
            Self::Incoming => "message.received",
            Self::Blocked => "number.blocked",
            Self::Unblocked => "number.unblocked",
        }
    }
}
