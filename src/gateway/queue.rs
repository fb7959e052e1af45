//! A queue whose middle may lie in the tables, so that memory does not grow with what waits.

use std::collections::VecDeque;

/// Entries held in memory at either end of a [`Paged`] queue.
pub const PAGE: usize = 1024;

/// Entries in the order of their places. Every entry also has a row in the tables once a checkpoint has seen it.
///
/// **Invariant:** places in `head` < places only in the tables < places in `recent`.
#[derive(Debug)]
pub struct Paged<T> {
    head: VecDeque<(u64, T)>,
    /// Upper bound of entries that are in the tables only; rows of messages that have ended may be among them.
    stored: u64,
    /// No row below this place is wanted.
    stored_from: u64,
    recent: VecDeque<(u64, T)>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { head: VecDeque::new(), stored: 0, stored_from: 0, recent: VecDeque::new() }
    }
}

/// What [`Paged::front`] found.
#[derive(Debug)]
pub enum Front<T> {
    /// The first entry.
    Entry(u64, T),
    /// Rows from this place on have to be read and handed to [`Paged::refill`] first.
    Stored(u64),
    /// There is nothing.
    Empty,
}

impl<T: Clone> Paged<T> {
    /// As it is after a start: `stored` rows in the tables.
    pub fn stored(stored: u64) -> Self {
        Self { stored, ..Self::default() }
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.stored == 0 && self.recent.is_empty()
    }

    /// Adds the newest entry.
    pub fn push(&mut self, place: u64, entry: T) {
        if self.stored == 0 && self.recent.is_empty() && self.head.len() < PAGE {
            self.head.push_back((place, entry));
        } else {
            self.recent.push_back((place, entry));
        }
    }

    /// Puts an entry back where its place says. It was the front, or near it.
    pub fn put_back(&mut self, place: u64, entry: T) {
        let at = self.head.partition_point(|&(p, _)| p < place);
        self.head.insert(at, (place, entry));
    }

    /// The first entry, which stays.
    pub fn front(&mut self) -> Front<T> {
        if self.head.is_empty() {
            if self.stored > 0 {
                return Front::Stored(self.stored_from);
            }
            std::mem::swap(&mut self.head, &mut self.recent);
        }
        match self.head.front() {
            Some((place, entry)) => Front::Entry(*place, entry.clone()),
            None => Front::Empty,
        }
    }

    /// Removes the first entry.
    pub fn pop(&mut self) {
        self.head.pop_front();
    }

    /// Takes rows read from the tables, in order; `whole` says that no more rows follow them.
    pub fn refill(&mut self, rows: Vec<(u64, T)>, whole: bool) {
        self.stored = if whole { 0 } else { self.stored.saturating_sub(rows.len() as u64).max(1) };
        if let Some(&(last, _)) = rows.last() {
            self.stored_from = last + 1;
        }
        // What is in memory already at the end (it had not been let go) is not taken twice.
        let end = self.recent.front().map_or(u64::MAX, |&(place, _)| place);
        if rows.last().is_some_and(|&(place, _)| place >= end) {
            self.stored = 0;
        }
        self.head.extend(rows.into_iter().filter(|&(place, _)| place < end));
    }

    /// A checkpoint has written the rows of all entries with places up to `upto`: what the memory at the end holds of
    /// them beyond a page is let go.
    pub fn spill(&mut self, upto: u64) {
        if self.recent.len() <= PAGE {
            return;
        }
        let end = self.recent.partition_point(|&(place, _)| place <= upto);
        if end == 0 {
            return;
        }
        if self.stored == 0 {
            self.stored_from = self.recent.front().map_or(0, |&(place, _)| place);
        }
        self.stored += end as u64;
        self.recent.drain(..end);
        if self.recent.capacity() > 4 * PAGE {
            self.recent.shrink_to(PAGE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn drain(queue: &mut Paged<u64>, rows: &BTreeMap<u64, u64>) -> Vec<u64> {
        let mut out = Vec::new();
        loop {
            match queue.front() {
                Front::Entry(place, entry) => {
                    assert_eq!(place, entry);
                    queue.pop();
                    out.push(entry);
                }
                Front::Stored(from) => {
                    let page: Vec<_> = rows.range(from..).take(PAGE).map(|(&p, &e)| (p, e)).collect();
                    let whole = page.len() < PAGE;
                    queue.refill(page, whole);
                }
                Front::Empty => return out,
            }
        }
    }

    proptest! {
        #[test]
        fn everything_pushed_comes_out_once_and_in_order(bursts in prop::collection::vec((1_usize..3000, any::<bool>(), 0_usize..2000), 1..8)) {
            let (mut queue, mut rows) = (Paged::default(), BTreeMap::new());
            let (mut next, mut out) = (1_u64, Vec::new());
            for (pushes, checkpoint, pops) in bursts {
                for _ in 0..pushes {
                    queue.push(next, next);
                    next += 1;
                }
                if checkpoint {
                    rows = (1..next).filter(|p| out.last().is_none_or(|last| p > last)).map(|p| (p, p)).collect();
                    queue.spill(next - 1);
                }
                for _ in 0..pops {
                    match queue.front() {
                        Front::Entry(_, entry) => { queue.pop(); out.push(entry); }
                        Front::Stored(from) => {
                            let page: Vec<_> = rows.range(from..).take(PAGE).map(|(&p, &e)| (p, e)).collect();
                            let whole = page.len() < PAGE;
                            queue.refill(page, whole);
                        }
                        Front::Empty => break,
                    }
                }
            }
            out.extend(drain(&mut queue, &rows));
            prop_assert_eq!(out, (1..next).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_was_put_back_comes_first_again() {
        let mut queue = Paged::default();
        for place in 1..=5 {
            queue.push(place, place);
        }
        queue.pop();
        queue.pop();
        queue.put_back(2, 2);
        queue.put_back(1, 1);
        assert_eq!(drain(&mut queue, &BTreeMap::new()), [1, 2, 3, 4, 5]);
    }
}
