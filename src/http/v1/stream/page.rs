//! Events in a row, encoded once for all streams that pass there.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::gateway::event::EventKind;

/// Octets after which a page is closed; one event more may be in it.
pub(in crate::http::v1) const PAGE_OCTETS: usize = 16 << 10;

/// A set of kinds of events.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http::v1) struct Kinds(u16);

impl Kinds {
    /// Every kind.
    pub(in crate::http::v1) const ALL: Self = Self((1 << EventKind::ALL.len()) - 1);
    /// No kind.
    pub(in crate::http::v1) const NONE: Self = Self(0);

    /// This kind alone.
    pub(in crate::http::v1) fn of(kind: EventKind) -> Self {
        let at = EventKind::ALL.iter().position(|&known| known == kind);
        Self(at.map_or(0, |at| 1 << at))
    }

    /// This one too.
    pub(in crate::http::v1) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any of `other` is in it.
    pub(in crate::http::v1) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What a source has read: events of one service, encoded.
#[derive(Debug)]
pub(in crate::http::v1) enum Reading {
    /// These are all between the cursor that was asked for and `to`.
    Page(Draft),
    /// What follows that cursor is not kept any more.
    TooOld {
        /// The oldest event that is.
        oldest: u64,
    },
}

/// A page in the making.
#[derive(Debug, Default)]
pub(in crate::http::v1) struct Draft {
    /// Where to read on.
    to: u64,
    octets: Vec<u8>,
    frames: Vec<Frame>,
}

/// One event in a page.
#[derive(Clone, Copy, Debug)]
struct Frame {
    seq: u64,
    /// Where it ends in the page's octets.
    end: usize,
    kind: Kinds,
}

impl Draft {
    /// Everything up to `to` has been looked at, or will be pushed.
    pub(in crate::http::v1) fn reaches(&mut self, to: u64) {
        self.to = self.to.max(to);
    }

    /// Where to read on.
    pub(super) fn to(&self) -> u64 {
        self.to
    }

    /// Adds an event as a stream writes it (WHATWG HTML §9.2): `data` is JSON on one line.
    pub(in crate::http::v1) fn push(&mut self, seq: u64, kind: EventKind, data: &[u8]) {
        for piece in [
            b"id: ",
            seq.to_string().as_bytes(),
            b"\nevent: ",
            kind.name().as_bytes(),
            b"\ndata: ",
            data,
            b"\n\n",
        ] {
            self.octets.extend_from_slice(piece);
        }
        self.frames.push(Frame { seq, end: self.octets.len(), kind: Kinds::of(kind) });
        self.to = self.to.max(seq);
    }

    /// No event is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// It holds as much as a page should.
    pub(in crate::http::v1) fn is_full(&self) -> bool {
        self.octets.len() >= PAGE_OCTETS
    }

    /// The page that follows cursor `after`; `keep` lives as long as any octet of it.
    pub(super) fn finish<K: Send + 'static>(self, after: u64, keep: K) -> Page {
        let Self { to, octets, frames } = self;
        let octets = Bytes::from_owner(Kept { octets, _keep: keep });
        Page { after, to, octets, frames: frames.into() }
    }
}

struct Kept<K> {
    octets: Vec<u8>,
    _keep: K,
}

impl<K> AsRef<[u8]> for Kept<K> {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

/// All events of a service after one cursor and up to another.
#[derive(Clone)]
pub(super) struct Page {
    /// The cursor before it.
    pub(super) after: u64,
    /// The cursor behind it.
    pub(super) to: u64,
    octets: Bytes,
    frames: Arc<[Frame]>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({}..={}, {} octets)", self.after, self.to, self.octets.len())
    }
}

/// What a stream writes next of a page.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// May be empty.
    pub(super) octets: Bytes,
    /// Events in it.
    pub(super) events: usize,
    /// The cursor behind it.
    pub(super) to: u64,
}

impl Page {
    /// The first unbroken run of events of `wanted` after `cursor`, without copying anything.
    pub(super) fn run(&self, cursor: u64, wanted: Kinds) -> Run {
        let begin = self.frames.partition_point(|frame| frame.seq <= cursor);
        let rest = self.frames.get(begin..).unwrap_or_default();
        let skipped = rest.iter().take_while(|frame| !wanted.has(frame.kind)).count();
        let run = rest.get(skipped..).unwrap_or_default();
        let events = run.iter().take_while(|frame| wanted.has(frame.kind)).count();
        let end_of = |count: usize| match count {
            0 => 0,
            count => self.frames.get(count - 1).map_or(0, |frame| frame.end),
        };
        let (from, until) = (end_of(begin + skipped), end_of(begin + skipped + events));
        let octets = if events > 0 { self.octets.slice(from..until) } else { Bytes::new() };
        let to = match run.get(events.saturating_sub(1)) {
            Some(last) if skipped + events < rest.len() => last.seq,
            _ => self.to,
        };
        Run { octets, events, to }
    }

    /// Octets it keeps in memory, about.
    pub(super) fn len(&self) -> usize {
        self.octets.len() + self.frames.len() * size_of::<Frame>() + size_of::<Self>()
    }

    /// Both as one; `None` when that would be too long for one, or when `next` does not follow at once.
    pub(super) fn joined(&self, next: &Self) -> Option<Self> {
        if self.to != next.after || self.octets.len() + next.octets.len() > PAGE_OCTETS {
            return None;
        }
        let octets = [self.octets.as_ref(), next.octets.as_ref()].concat();
        let behind = self.octets.len();
        let moved = next.frames.iter().map(|frame| Frame { end: frame.end + behind, ..*frame });
        let frames = self.frames.iter().copied().chain(moved).collect();
        Some(Self { after: self.after, to: next.to, octets: octets.into(), frames })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::gateway::message::End;

    pub(in super::super) fn page(after: u64, seqs: &[(u64, EventKind)], to: u64) -> Page {
        let mut draft = Draft::default();
        for (seq, kind) in seqs {
            draft.push(*seq, *kind, b"{}");
        }
        draft.reaches(to);
        draft.finish(after, ())
    }

    fn ids(octets: &[u8]) -> Vec<u64> {
        let text = str::from_utf8(octets).expect("it is text");
        text.lines()
            .filter_map(|line| line.strip_prefix("id: "))
            .map(|id| id.parse().expect("a number"))
            .collect()
    }

    const A: EventKind = EventKind::Accepted;
    const D: EventKind = EventKind::Ended(End::Delivered);

    #[test]
    fn a_frame_is_as_an_event_source_reads_it() {
        let run = page(0, &[(7, D)], 9).run(0, Kinds::ALL);
        assert_eq!(&run.octets[..], b"id: 7\nevent: message.delivered\ndata: {}\n\n");
        assert_eq!((run.events, run.to), (1, 9));
    }

    #[test]
    fn a_run_begins_behind_the_cursor_and_goes_on_to_what_is_not_wanted() {
        let page = page(0, &[(1, A), (2, D), (4, D), (5, A), (6, D)], 8);
        let mut seen = Vec::new();
        let mut cursor = 1;
        while cursor < 8 {
            let run = page.run(cursor, Kinds::of(D));
            assert!(run.to > cursor, "it goes on");
            seen.extend(ids(&run.octets));
            cursor = run.to;
        }
        assert_eq!(seen, [2, 4, 6]);
        assert_eq!(ids(&page.run(2, Kinds::ALL).octets), [4, 5, 6]);
        let none = page.run(0, Kinds::of(EventKind::Incoming));
        assert_eq!((none.octets.len(), none.events, none.to), (0, 0, 8));
        let behind = page.run(6, Kinds::ALL);
        assert_eq!((behind.octets.len(), behind.to), (0, 8));
    }

    #[test]
    fn pages_that_follow_each_other_become_one() {
        let (one, two) = (page(0, &[(1, A)], 3), page(3, &[(4, D), (5, A)], 5));
        let both = one.joined(&two).expect("they are short");
        assert_eq!((both.after, both.to), (0, 5));
        assert_eq!(ids(&both.run(0, Kinds::ALL).octets), [1, 4, 5]);
        assert_eq!(ids(&both.run(4, Kinds::ALL).octets), [5]);
        assert!(two.joined(&one).is_none());
    }

    #[test]
    fn what_is_kept_goes_with_the_last_octet() {
        let token = Arc::new(());
        let mut draft = Draft::default();
        draft.push(1, A, b"{}");
        let page = draft.finish(0, Arc::clone(&token));
        let run = page.run(0, Kinds::ALL);
        drop(page);
        assert_eq!(Arc::strong_count(&token), 2);
        drop(run);
        assert_eq!(Arc::strong_count(&token), 1);
    }
}
