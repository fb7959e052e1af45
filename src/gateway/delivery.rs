//! What is owed to a service: one deliver_sm or webhook, durable from the fact that causes it to the answer.

use super::id::{LinkId, MessageId, Outlet};
use super::message::Doubt;
use crate::pdu::MessageState;

/// One deliver_sm or webhook owed to a service (SEMANTICS 9).
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its number: deliveries of an outlet leave in this order.
    pub no: u64,
    /// To whom.
    pub outlet: Outlet,
    /// What it tells.
    pub owed: Owed,
    /// UTC milliseconds since when.
    pub created_ms: u64,
    /// Refusals for good so far.
    pub tries: u8,
    /// Refusals for now so far.
    pub puts_off: u8,
    /// Not to be tried before (UTC milliseconds); 0: at once.
    pub not_before_ms: u64,
    /// It was written to an ESME or endpoint, whose answer is not known.
    pub under_way: bool,
    /// Why it may be a repetition; not stored.
    pub doubt: Option<Doubt>,
    /// The session that it was written to in this run; not stored.
    pub link: Option<LinkId>,
    /// The session that left it unanswered: it does not get it again (SEMANTICS 12); not stored.
    pub avoid: Option<LinkId>,
    /// The tables hold a row of it.
    pub row: bool,
    /// It has changed since the last checkpoint; not stored.
    pub dirty: bool,
}

/// What a [`Delivery`] tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owed {
    /// How a message fares.
    Receipt {
        /// The message.
        id: MessageId,
        /// The state told.
        state: MessageState,
        /// The error told, 0 if none.
        error: u32,
        /// Part and parts, or (1, 1).
        part: (u8, u8),
        /// UTC milliseconds of the state.
        at_ms: u64,
        /// More may follow.
        intermediate: bool,
    },
    /// A message from a mobile.
    Mo {
        /// Its id.
        id: MessageId,
        /// Which of its PDUs, from 0.
        pdu: u8,
    },
}

impl Owed {
    /// The message that it is about; deliveries of one message keep their order.
    pub fn about(self) -> MessageId {
        match self {
            Self::Receipt { id, .. } | Self::Mo { id, .. } => id,
        }
    }
}
