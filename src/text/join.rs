//! Putting the parts of one message together again.
//!
//! Only the values: who owns a set, under which key and until when is the gateway's business.

use std::fmt;

/// The parts of one message that have come so far, in any order.
///
/// Holds at most 255 parts and keeps them sorted, so [`joined`](Self::joined) is one pass.
#[derive(Clone)]
pub struct Parts<P> {
    total: u8,
    /// Sorted by sequence, each sequence once and within `1..=total`.
    parts: Vec<(u8, P)>,
}

/// What became of a part handed to [`Parts::insert`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arrival {
    /// It is new and was kept.
    New,
    /// The same part had come before; nothing changed.
    Repeated,
    /// A different part with this number had come before; nothing changed. The sender has begun
    /// another message under the same reference: close this set and open a new one.
    Conflict,
    /// Its number is 0 or above the total; nothing changed. It is a message of its own.
    OutOfRange,
}

impl<P: AsRef<[u8]>> Parts<P> {
    /// An empty set that waits for `total` parts.
    #[must_use]
    pub const fn new(total: u8) -> Self {
        Self { total, parts: Vec::new() }
    }

    /// Takes part number `sequence` (from 1).
    pub fn insert(&mut self, sequence: u8, payload: P) -> Arrival {
        if sequence == 0 || sequence > self.total {
            return Arrival::OutOfRange;
        }
        match self.parts.binary_search_by_key(&sequence, |(sequence, _)| *sequence) {
            Err(at) => {
                self.parts.insert(at, (sequence, payload));
                Arrival::New
            }
            Ok(at) => match self.parts.get(at) {
                Some((_, kept)) if kept.as_ref() == payload.as_ref() => Arrival::Repeated,
                _ => Arrival::Conflict,
            },
        }
    }

    /// Parts that have come.
    #[must_use]
    pub fn have(&self) -> u8 {
        u8::try_from(self.parts.len()).unwrap_or(u8::MAX)
    }

    /// Parts that are expected.
    #[must_use]
    pub const fn total(&self) -> u8 {
        self.total
    }

    /// Whether every part is there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.have() == self.total
    }

    /// What is there, in the order of the parts: the message when complete, else what a time-out
    /// delivers as partial. Octets are joined before they are decoded, which also heals a pair that the
    /// sender cut in two.
    #[must_use]
    pub fn joined(&self) -> Vec<u8> {
        let octets = self.parts.iter().map(|(_, part)| part.as_ref().len()).sum();
        let mut joined = Vec::with_capacity(octets);
        for (_, part) in &self.parts {
            joined.extend_from_slice(part.as_ref());
        }
        joined
    }

    /// The parts that are there, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &P)> {
        self.parts.iter().map(|(sequence, part)| (*sequence, part))
    }
}

/// Numbers only: the payload is somebody's text.
impl<P> fmt::Debug for Parts<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("have", &self.parts.len()).field("total", &self.total).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::{Table, UnitKind, split};

    #[test]
    fn parts_in_any_order_and_repeated_make_the_message() {
        let mut parts = Parts::new(3);
        assert_eq!(parts.insert(3, "three"), Arrival::New);
        assert_eq!(parts.insert(1, "one"), Arrival::New);
        assert_eq!(parts.insert(3, "three"), Arrival::Repeated);
        assert!(!parts.is_complete());
        assert_eq!(parts.insert(2, "two"), Arrival::New);
        assert!(parts.is_complete());
        assert_eq!(parts.joined(), b"onetwothree");
    }

    #[test]
    fn what_is_there_can_be_had_before_the_rest_comes() {
        let mut parts = Parts::new(3);
        parts.insert(3, "three");
        parts.insert(1, "one");
        assert_eq!((parts.have(), parts.total()), (2, 3));
        assert_eq!(parts.joined(), b"onethree");
    }

    #[test]
    fn other_content_under_the_same_number_is_a_conflict() {
        let mut parts = Parts::new(2);
        parts.insert(1, "one");
        assert_eq!(parts.insert(1, "uno"), Arrival::Conflict);
        assert_eq!(parts.joined(), b"one");
    }

    #[test]
    fn a_number_out_of_range_is_not_kept() {
        let mut parts = Parts::new(2);
        assert_eq!(parts.insert(0, "zero"), Arrival::OutOfRange);
        assert_eq!(parts.insert(3, "three"), Arrival::OutOfRange);
        assert_eq!(parts.have(), 0);
    }

    #[test]
    fn two_hundred_and_fifty_five_parts_are_complete() {
        let mut parts = Parts::new(255);
        for sequence in 1..=255 {
            assert!(!parts.is_complete());
            parts.insert(sequence, [sequence]);
        }
        assert!(parts.is_complete());
    }

    #[test]
    fn debug_shows_no_text() {
        let mut parts = Parts::new(2);
        parts.insert(1, "secret");
        assert_eq!(format!("{parts:?}"), "Parts { have: 1, total: 2 }");
    }

    proptest! {
        #[test]
        fn split_shuffled_and_repeated_is_joined(
            payload in proptest::collection::vec(any::<u8>(), 0..2000), seed: u64
        ) {
            let pieces: Vec<&[u8]> = split(&payload, UnitKind::Septets, Table::STANDARD).unwrap().collect();
            let mut order: Vec<(u8, &[u8])> = (1..).zip(pieces.iter().copied()).collect();
            order.extend_from_within(..);
            // Any permutation will do; this one depends on the seed.
            order.sort_by_key(|(sequence, _)| seed.rotate_left(u32::from(*sequence) * 7) ^ u64::from(*sequence));
            let mut parts = Parts::new(u8::try_from(pieces.len()).unwrap());
            for (sequence, piece) in order {
                prop_assert!(matches!(parts.insert(sequence, piece), Arrival::New | Arrival::Repeated));
            }
            prop_assert!(parts.is_complete());
            prop_assert_eq!(parts.joined(), payload);
        }
    }
}
