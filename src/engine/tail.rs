//! The newest events, for readers that follow along: what the tables do not hold yet, and a little more.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use crate::gateway::event::Event;
use crate::gateway::id::ServiceNo;

/// Events kept though the tables hold them, so that whoever follows along does not have to read those.
const KEPT: usize = 65_536;

/// The newest events, in order.
///
/// What no checkpoint has taken stays, whatever its number: memory for it is bounded as that of messages is, by what the
/// engine accepts between two checkpoints.
#[derive(Debug, Default)]
pub(super) struct Tail(RwLock<VecDeque<Event>>);

impl Tail {
    /// Events whose batch is on disk; returns the number of the last one, 0 if there is none.
    pub(super) fn extend(&self, events: Vec<Event>) -> u64 {
        let newest = events.last().map_or(0, |e| e.seq);
        if newest > 0 {
            self.0.write().unwrap_or_else(PoisonError::into_inner).extend(events);
        }
        newest
    }

    /// The tables hold all events up to this number.
    pub(super) fn stored(&self, upto: u64) {
        let mut events = self.0.write().unwrap_or_else(PoisonError::into_inner);
        while events.len() > KEPT && events.front().is_some_and(|e| e.seq <= upto) {
            events.pop_front();
        }
    }

    /// The engine reads its state anew: what it had not written may have other numbers.
    pub(super) fn clear(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Events of a service after this number, at most `limit`, and the last number that was looked at. `None`: those
    /// right after `after` are not here any more.
    pub(super) fn after(&self, service: ServiceNo, after: u64, limit: usize) -> Option<(Vec<Event>, u64)> {
        let events = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let first = events.front()?.seq;
        if after.saturating_add(1) < first {
            return None;
        }
        let from = events.partition_point(|e| e.seq <= after);
        let (mut found, mut looked) = (Vec::new(), after);
        for e in events.range(from..) {
            if found.len() >= limit {
                break;
            }
            looked = e.seq;
            if e.service == service {
                found.push(*e);
            }
        }
        Some((found, looked))
    }

    /// The number of the oldest one here.
    pub(super) fn first(&self) -> Option<u64> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).front().map(|e| e.seq)
    }

    /// Looks at all of them, newest first.
    pub(super) fn each(&self, mut look: impl FnMut(&Event)) {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().rev().for_each(&mut look);
    }
}
