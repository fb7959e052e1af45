//! What readers ask: messages, lists of them, events, dead letters. Nothing here waits for the engine's thread.

use tokio::sync::watch;

use super::Engine;
use crate::gateway::cold::{By, Lost, Query};
use crate::gateway::delivery::{Delivery, Owed};
use crate::gateway::event::{Event, EventKind};
use crate::gateway::id::{MessageId, Outlet, ServiceNo};
use crate::gateway::message::Message;
use crate::gateway::port::Found;
use crate::pdu::MessageState;

/// A page of a list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// The messages, in the order of the list, and whether each came from the mobile.
    pub ids: Vec<(MessageId, bool)>,
    /// There is more after the last one.
    pub more: bool,
}

/// A page of events.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Events {
    /// Events of the service, in order.
    Some {
        /// At most as many as asked for.
        events: Vec<Event>,
        /// Go on after this number: nothing of the service lies between the last event and it.
        next: u64,
    },
    /// Some of them are not kept any more.
    TooOld {
        /// The oldest that is.
        oldest: u64,
    },
}

impl Engine {
    /// A message of either direction. Reads the disk if it has to: not for a thread that must not wait.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn find(&self, id: MessageId) -> Result<Option<Found>, Lost> {
        if let Some(found) = self.find_live(id) {
            return Ok(Some(found));
        }
        if let Some(message) = self.0.cold.message(id)? {
            return Ok(Some(Found::Mt(Box::new(message))));
        }
        Ok(self.0.cold.incoming(id)?.map(|incoming| Found::Mo(Box::new(incoming))))
    }

    /// The same if it is in memory, where every message is that was taken or changed lately. Does not wait.
    pub fn find_live(&self, id: MessageId) -> Option<Found> {
        if let Some(message) = self.0.live.messages.get(&id) {
            return Some(Found::Mt(message.value().clone()));
        }
        self.0.live.incoming.get(&id).map(|held| Found::Mo(Box::new(held.0.clone())))
    }

    /// Looks at a message in memory without taking a copy of it.
    pub fn look<T>(&self, id: MessageId, look: impl FnOnce(&Message) -> T) -> Option<T> {
        self.0.live.messages.get(&id).map(|message| look(&message))
    }

    /// A page of the messages of a service. Reads the disk.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn list(&self, service: ServiceNo, query: &Query) -> Result<Page, Lost> {
        let Some((low, high)) = query.bounds() else { return Ok(Page::default()) };
        // What no checkpoint has taken is among the newest events.
        let mut ids: Vec<(MessageId, bool)> = Vec::new();
        self.0.tail.each(|e| {
            let incoming = e.kind == EventKind::Incoming;
            let begins = incoming || e.kind == EventKind::Accepted;
            let wanted = match &query.by {
                By::Messages => !incoming,
                By::Incoming => incoming,
                By::Number(number) => e.number == *number,
                By::Reference(_) => !incoming,
            };
            if e.service == service && begins && wanted && low <= e.id && e.id <= high {
                ids.push((e.id, incoming));
            }
        });
        if let By::Reference(reference) = &query.by {
            ids.retain(|&(id, _)| self.look(id, |m| *m.content.reference == **reference).unwrap_or(false));
        }
        let wanted = Query { limit: query.limit.saturating_add(1), ..query.clone() };
        ids.extend(self.0.cold.list(service, &wanted)?);
        ids.sort_unstable_by_key(|&(id, _)| id);
        ids.dedup();
        if query.newest_first {
            ids.reverse();
        }
        let more = ids.len() > query.limit;
        ids.truncate(query.limit);
        Ok(Page { ids, more })
    }

    /// Events of a service after a number. Reads the disk only for what is older than the newest few ten thousand.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn events(&self, service: ServiceNo, after: u64, limit: usize) -> Result<Events, Lost> {
        if let Some((events, next)) = self.0.tail.after(service, after, limit) {
            return Ok(Events::Some { events, next });
        }
        // Both as of before the tables are looked at: what they do not hold then is in the tail from its first event on.
        let newest = *self.0.newest.borrow();
        let first = self.0.tail.first().unwrap_or(newest + 1);
        if after >= newest {
            return Ok(Events::Some { events: Vec::new(), next: after });
        }
        let Some(events) = self.0.cold.events(service, after, limit)? else {
            return Ok(Events::TooOld { oldest: self.0.cold.oldest_event()?.unwrap_or(newest) });
        };
        match events.last() {
            Some(last) => Ok(Events::Some { next: last.seq, events }),
            // Nothing of the service in the tables: what follows is in the tail, if anywhere.
            None => Ok(Events::Some { events, next: first.saturating_sub(1).max(after) }),
        }
    }

    /// The same, without the disk. `None`: it would be needed.
    pub fn events_live(&self, service: ServiceNo, after: u64, limit: usize) -> Option<(Vec<Event>, u64)> {
        if after >= *self.0.newest.borrow() {
            return Some((Vec::new(), after));
        }
        self.0.tail.after(service, after, limit)
    }

    /// The oldest event that is kept, of any service; `None`: none is stored yet. Reads the disk.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn oldest_event(&self) -> Result<Option<u64>, Lost> {
        self.0.cold.oldest_event()
    }

    /// The number of the newest event, of any service; changes wake whoever follows along.
    pub fn newest_event(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    /// Whether a number is on a service's blacklist by its own or the interface's wish.
    pub fn is_blocked(&self, service: ServiceNo, number: u64) -> bool {
        self.0.live.is_blocked(service, number)
    }

    /// Numbers on such a blacklist greater than `after`, in order.
    pub fn blocked(&self, service: ServiceNo, after: u64, limit: usize) -> Vec<u64> {
        let all = self.0.live.blocked.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let from = (service, after.saturating_add(1));
        all.range(from..=(service, u64::MAX)).map(|&(_, number)| number).take(limit).collect()
    }

    /// Owes an endpoint again all that happened after an event; resolves when that is on disk, with how many deliveries
    /// it makes.
    ///
    /// # Errors
    /// [`EventsError`].
    pub async fn replay(&self, outlet: Outlet, after: u64) -> Result<u64, EventsError> {
        const PAGE: usize = 500;
        let standing = outlet.endpoint_number().and_then(|at| self.figures().endpoints.get(at).cloned());
        let service = standing.map(|e| ServiceNo(e.service)).ok_or(EventsError::Unknown)?;
        let until = *self.0.newest.borrow();
        let (mut after, mut done) = (after, 0);
        while after < until {
            let engine = self.clone();
            let page = tokio::task::spawn_blocking(move || engine.events(service, after, PAGE)).await;
            match page.map_err(|_| EventsError::Stopped)?.map_err(EventsError::Lost)? {
                Events::TooOld { oldest } => return Err(EventsError::TooOld { oldest }),
                Events::Some { events, next } => {
                    let owed: Vec<_> = events.iter().filter(|e| e.seq <= until).filter_map(owed_of).collect();
                    if !owed.is_empty() {
                        done += self.owe(outlet, owed).await.map_err(|_| EventsError::Stopped)?;
                    }
                    if next <= after {
                        break;
                    }
                    after = next;
                }
            }
        }
        Ok(done)
    }

    /// Dead letters of an outlet as of the last checkpoint, oldest first. Reads the disk.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn dead(&self, outlet: Outlet, limit: usize) -> Result<Vec<Delivery>, Lost> {
        self.0.cold.dead(outlet, limit)
    }
}

/// Why events are not owed again.
#[derive(Debug)]
pub enum EventsError {
    /// There is no such endpoint.
    Unknown,
    /// Some of them are not kept any more.
    TooOld {
        /// The oldest that is.
        oldest: u64,
    },
    /// The tables cannot be read.
    Lost(Lost),
    /// The engine stops, or its disk does not take it.
    Stopped,
}

/// What an endpoint is told of an event; `None`: it is not told of such.
fn owed_of(event: &Event) -> Option<Owed> {
    let (id, at_ms) = (event.id, event.at_ms);
    let receipt = |state, intermediate| {
        let error = event.error;
        Some(Owed::Receipt { id, state, error, part: (1, 1), at_ms, intermediate })
    };
    match event.kind {
        EventKind::Sent => receipt(MessageState::ENROUTE, true),
        EventKind::Ended(_) | EventKind::LateReceipt => receipt(event.state, false),
        EventKind::Incoming => Some(Owed::Mo { id, pdu: 0 }),
        EventKind::Accepted | EventKind::Blocked | EventKind::Unblocked => None,
    }
}
