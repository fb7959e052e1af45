//! The newest events of one service, for all streams that keep up.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::page::{Kinds, Page, Run};

/// Octets of the newest events that are kept encoded for a service with open streams.
const KEPT_OCTETS: usize = 4 << 20;

/// A window onto the newest events: everything after `floor`, up to `newest`.
#[derive(Debug)]
pub(super) struct Feed {
    ring: Mutex<Ring>,
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Ring {
    pages: VecDeque<Page>,
    octets: usize,
    floor: u64,
    newest: u64,
}

/// What a feed has for a cursor.
#[derive(Debug)]
pub(super) enum Look {
    /// This comes next.
    Run(Run),
    /// Nothing has happened since.
    Nothing,
    /// It is behind the window.
    Behind,
}

impl Feed {
    /// A window that opens at cursor `from`.
    pub(super) fn new(from: u64) -> Self {
        let ring = Ring { pages: VecDeque::new(), octets: 0, floor: from, newest: from };
        Self { ring: Mutex::new(ring), newest: watch::Sender::new(from) }
    }

    /// Tells when there is more.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Where it ends.
    pub(super) fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// Adds a page that begins where it ends. Pages are made as long as they may be, so that who is a little behind gets
    /// much at once.
    pub(super) fn push(&self, page: Page) {
        let newest = page.to;
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            debug_assert_eq!(page.after, ring.newest, "no gap");
            let joined = ring.pages.back().and_then(|last| last.joined(&page));
            if joined.is_some()
                && let Some(last) = ring.pages.pop_back()
            {
                ring.octets -= last.len();
            }
            let page = joined.unwrap_or(page);
            ring.octets += page.len();
            ring.newest = newest;
            ring.pages.push_back(page);
            while ring.octets > KEPT_OCTETS
                && let Some(first) = ring.pages.pop_front()
            {
                ring.octets -= first.len();
                ring.floor = first.to;
            }
        }
        self.newest.send_replace(newest);
    }

    /// Forgets everything and goes on at cursor `from`: what lies between is not kept any more.
    pub(super) fn restart(&self, from: u64) {
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            *ring = Ring { pages: VecDeque::new(), octets: 0, floor: from, newest: from };
        }
        self.newest.send_replace(from);
    }

    /// What comes after `cursor`.
    pub(super) fn look(&self, cursor: u64, wanted: Kinds) -> Look {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if cursor < ring.floor {
            return Look::Behind;
        }
        let at = ring.pages.partition_point(|page| page.to <= cursor);
        match ring.pages.get(at) {
            Some(page) => Look::Run(page.run(cursor, wanted)),
            None => Look::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::tests::page;
    use super::*;
    use crate::gateway::event::EventKind::Accepted;

    #[test]
    fn who_keeps_up_reads_everything_and_who_does_not_is_told() {
        let feed = Feed::new(10);
        assert!(matches!(feed.look(10, Kinds::ALL), Look::Nothing));
        assert!(matches!(feed.look(9, Kinds::ALL), Look::Behind));
        let mut cursor = 10;
        for seq in 11..100_000_u64 {
            feed.push(page(seq - 1, &[(seq, Accepted)], seq));
            while let Look::Run(run) = feed.look(cursor, Kinds::ALL) {
                assert_eq!((run.events, run.to), (1, seq));
                cursor = run.to;
            }
        }
        assert_eq!(feed.newest(), cursor);
        assert!(matches!(feed.look(11, Kinds::ALL), Look::Behind));
        let ring = feed.ring.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(ring.octets <= KEPT_OCTETS && ring.octets > KEPT_OCTETS / 2, "{}", ring.octets);
        assert!(ring.pages.len() < 1_000, "short pages were joined: {}", ring.pages.len());
    }

    #[test]
    fn a_window_that_lost_its_place_begins_anew() {
        let feed = Feed::new(0);
        feed.push(page(0, &[(1, Accepted)], 1));
        feed.restart(50);
        assert!(matches!(feed.look(1, Kinds::ALL), Look::Behind));
        assert!(matches!(feed.look(50, Kinds::ALL), Look::Nothing));
    }
}
