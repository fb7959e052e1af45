//! What is going to happen, by its time and then in the order of planning.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Things with their times.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    due: BinaryHeap<Reverse<Due<T>>>,
    added: u64,
}

#[derive(Debug)]
struct Due<T> {
    at: Instant,
    number: u64,
    what: T,
}

impl<T> Agenda<T> {
    pub(super) const fn new() -> Self {
        Self { due: BinaryHeap::new(), added: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.due.len()
    }

    pub(super) fn add(&mut self, at: Instant, what: T) {
        self.added += 1;
        self.due.push(Reverse(Due { at, number: self.added, what }));
    }

    /// The next that is due at `now`; else when there will be one, if ever.
    pub(super) fn next(&mut self, now: Instant) -> Result<T, Option<Instant>> {
        match self.due.peek() {
            Some(Reverse(due)) if due.at > now => Err(Some(due.at)),
            _ => self.due.pop().map(|Reverse(due)| due.what).ok_or(None),
        }
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
