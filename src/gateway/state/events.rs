//! Events of services that use HTTP, numbered as they become true.

use super::super::event::{Event, EventKind};
use super::super::id::{MessageId, ServiceNo};
use super::super::message::Message;
use crate::pdu::MessageState;

/// Events since the last look, and since the last checkpoint.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Those that readers have not been shown.
    pub(super) fresh: Vec<Event>,
    /// Those that no checkpoint has taken.
    pub(super) undrained: Vec<Event>,
}

/// What an event says beside its number.
pub(super) struct Happened {
    pub(super) at_ms: u64,
    pub(super) service: ServiceNo,
    pub(super) id: MessageId,
    pub(super) kind: EventKind,
    pub(super) number: u64,
}

impl Events {
    /// Something has happened; `newest` is the number of the last event.
    pub(super) fn push(&mut self, newest: &mut u64, h: Happened, (state, error): (MessageState, u32)) {
        *newest += 1;
        let Happened { at_ms, service, id, kind, number } = h;
        let event = Event { seq: *newest, at_ms, service, id, kind, state, error, number };
        self.fresh.push(event);
        self.undrained.push(event);
    }

    /// The same, of a message that is watched.
    pub(super) fn of(
        &mut self,
        newest: &mut u64,
        m: &Message,
        at_ms: u64,
        kind: EventKind,
        said: (MessageState, u32),
    ) {
        if let Some(number) = m.ties.watch {
            self.push(newest, Happened { at_ms, service: m.service, id: m.id, kind, number }, said);
        }
    }
}
