//! Our requests that the peer has not answered.

use std::collections::VecDeque;
use std::time::Instant;

use crate::pdu::{CommandId, SequenceNumber};

/// Issues our sequence numbers: 1 to 0x7FFF_FFFF, then 1 again (SMPP 3.4 §5.1.4, 5.0 §4.7.24).
#[derive(Clone, Copy, Debug)]
pub(super) struct SequenceCounter(u32);

impl SequenceCounter {
    /// The last number before 1 comes again.
    pub(super) const LAST: u32 = 0x7FFF_FFFF;

    /// Begins with `first`, brought into range.
    pub(super) fn starting_at(first: u32) -> Self {
        Self(first.clamp(1, Self::LAST))
    }

    fn next(&mut self) -> u32 {
        let issued = self.0;
        self.0 = if issued == Self::LAST { 1 } else { issued + 1 };
        issued
    }
}

/// Steps from `from` to `to` on the circle of numbers; both in range.
fn distance(from: u32, to: u32) -> u32 {
    if to >= from { to - from } else { SequenceCounter::LAST - from + to }
}

/// One request of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending<T> {
    /// Given back with the answer; `None` for the session's own requests.
    pub(super) token: Option<T>,
    /// The operation.
    pub(super) id: CommandId,
    /// When it was written.
    pub(super) sent: Instant,
}

/// What an answer belongs to.
#[derive(Debug)]
pub(super) enum Answered<T> {
    /// A request that was waiting for it.
    InTime(Pending<T>),
    /// A request that had expired before.
    Late(T),
    /// Nothing that we remember.
    Stray,
}

/// Requests in the order of their numbers; an answer finds its request by subtraction.
///
/// `slots[i]` belongs to the number `first + i`. The front is never empty, so a request that stays unanswered while
/// thousands behind it are answered would stretch the queue: beyond [`SPAN_MAX`](Self::SPAN_MAX) it moves to `slow`, which
/// is searched. Everything is bounded: `slots` by the span, `slow` by the requests waiting, `expired` by its own limit.
#[derive(Debug)]
pub(super) struct Window<T> {
    counter: SequenceCounter,
    first: u32,
    slots: VecDeque<Option<Pending<T>>>,
    slow: VecDeque<(u32, Pending<T>)>,
    expired: VecDeque<(u32, CommandId, T)>,
    /// Requests with a token that wait.
    tokens: usize,
}

impl<T> Window<T> {
    /// Numbers that the queue may span.
    const SPAN_MAX: usize = 8_192;
    /// Expired requests whose late answer is still recognised.
    const EXPIRED_MAX: usize = 1_024;

    pub(super) fn new(counter: SequenceCounter) -> Self {
        Self {
            counter,
            first: counter.0,
            slots: VecDeque::new(),
            slow: VecDeque::new(),
            expired: VecDeque::new(),
            tokens: 0,
        }
    }

    /// Requests with a token that wait for their answer.
    pub(super) fn waiting(&self) -> usize {
        self.tokens
    }

    /// Takes a request in and gives it its number. To be called before the request is written.
    pub(super) fn register(&mut self, pending: Pending<T>) -> SequenceNumber {
        let sequence = self.counter.next();
        if self.slots.is_empty() {
            self.first = sequence;
        } else if self.slots.len() >= Self::SPAN_MAX {
            if let Some(Some(oldest)) = self.slots.pop_front() {
                self.slow.push_back((self.first, oldest));
                self.first = after(self.first);
            }
            self.drop_empty_front();
            if self.slots.is_empty() {
                self.first = sequence;
            }
        }
        self.tokens += usize::from(pending.token.is_some());
        self.slots.push_back(Some(pending));
        debug_assert_eq!(
            distance(self.first, sequence) as usize + 1,
            self.slots.len(),
            "a number is a place"
        );
        SequenceNumber(sequence)
    }

    /// Finds what `sequence`, in a response `id`, answers; each request is found once. A response of another operation
    /// than the request's, generic_nack apart, answers nothing.
    pub(super) fn answer(&mut self, sequence: SequenceNumber, id: CommandId) -> Answered<T> {
        let SequenceNumber(number) = sequence;
        if number == 0 || number > SequenceCounter::LAST {
            return Answered::Stray;
        }
        let fits = |request: CommandId| id == request.response() || id == CommandId::GENERIC_NACK;
        let place = usize::try_from(distance(self.first, number)).unwrap_or(usize::MAX);
        if let Some(slot) = self.slots.get_mut(place) {
            return match slot.take_if(|pending| fits(pending.id)) {
                Some(pending) => {
                    self.drop_empty_front();
                    self.count_out(&pending);
                    Answered::InTime(pending)
                }
                None => Answered::Stray,
            };
        }
        let slow = self.slow.iter().position(|(slow, pending)| *slow == number && fits(pending.id));
        if let Some((_, pending)) = slow.and_then(|at| self.slow.remove(at)) {
            self.count_out(&pending);
            return Answered::InTime(pending);
        }
        let late = self.expired.iter().position(|(late, request, _)| *late == number && fits(*request));
        if let Some((.., token)) = late.and_then(|at| self.expired.remove(at)) {
            return Answered::Late(token);
        }
        Answered::Stray
    }

    /// When the oldest request was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let slow = self.slow.front().map(|(_, pending)| pending.sent);
        slow.or_else(|| self.slots.front()?.as_ref().map(|pending| pending.sent))
    }

    /// Takes out the oldest request if it was sent at `limit` or before. With a token, its number is remembered for a
    /// while, in case the answer comes after all.
    pub(super) fn expire(&mut self, limit: Instant) -> Option<Pending<T>>
    where
        T: Copy,
    {
        let (sequence, pending) = match self.slow.front() {
            Some((_, pending)) if pending.sent <= limit => self.slow.pop_front()?,
            Some(_) => return None,
            None => {
                let pending = self.slots.front_mut()?.take_if(|pending| pending.sent <= limit)?;
                let sequence = self.first;
                self.drop_empty_front();
                (sequence, pending)
            }
        };
        self.count_out(&pending);
        if let Some(token) = pending.token {
            if self.expired.len() >= Self::EXPIRED_MAX {
                self.expired.pop_front();
            }
            self.expired.push_back((sequence, pending.id, token));
        }
        Some(pending)
    }

    /// Takes out any request, oldest first: the link is gone.
    pub(super) fn lose(&mut self) -> Option<Pending<T>> {
        let pending = match self.slow.pop_front() {
            Some((_, pending)) => pending,
            None => {
                let pending = self.slots.pop_front()??;
                self.first = after(self.first);
                self.drop_empty_front();
                pending
            }
        };
        self.count_out(&pending);
        Some(pending)
    }

    fn count_out(&mut self, pending: &Pending<T>) {
        let one = usize::from(pending.token.is_some());
        debug_assert!(self.tokens >= one, "a request that went out had come in");
        self.tokens = self.tokens.saturating_sub(one);
    }

    fn drop_empty_front(&mut self) {
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first = after(self.first);
        }
    }
}

fn after(sequence: u32) -> u32 {
    if sequence == SequenceCounter::LAST { 1 } else { sequence + 1 }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::clock::Clock;

    fn window(first: u32) -> (Window<u32>, Instant) {
        (Window::new(SequenceCounter::starting_at(first)), Clock::standing(0).instant())
    }

    fn submit(token: u32, sent: Instant) -> Pending<u32> {
        Pending { token: Some(token), id: CommandId::SUBMIT_SM, sent }
    }

    #[test]
    fn numbers_wrap_to_one_and_answers_still_find_their_requests() {
        let (mut window, now) = window(SequenceCounter::LAST - 1);
        let issued: Vec<u32> = (0..4).map(|token| window.register(submit(token, now)).0).collect();
        assert_eq!(issued, [0x7FFF_FFFE, 0x7FFF_FFFF, 1, 2]);
        for (token, sequence) in issued.into_iter().enumerate().rev() {
            let answered = window.answer(SequenceNumber(sequence), CommandId::SUBMIT_SM_RESP);
            assert!(
                matches!(answered, Answered::InTime(pending) if pending.token == u32::try_from(token).ok())
            );
        }
        assert_eq!(window.waiting(), 0);
    }

    #[test]
    fn one_request_that_is_never_answered_does_not_stretch_the_window() {
        let (mut window, now) = window(1);
        let slow = window.register(submit(0, now));
        for token in 1..100_000 {
            let sequence = window.register(submit(token, now));
            assert!(matches!(window.answer(sequence, CommandId::SUBMIT_SM_RESP), Answered::InTime(_)));
        }
        assert!(window.slots.len() <= Window::<u32>::SPAN_MAX);
        assert_eq!((window.slow.len(), window.waiting()), (1, 1));
        assert!(
            matches!(window.answer(slow, CommandId::SUBMIT_SM_RESP), Answered::InTime(p) if p.token == Some(0))
        );
    }

    #[test]
    fn a_response_of_another_operation_answers_nothing() {
        let (mut window, now) = window(1);
        let sequence = window.register(submit(7, now));
        assert!(matches!(window.answer(sequence, CommandId::ENQUIRE_LINK_RESP), Answered::Stray));
        assert!(matches!(window.answer(sequence, CommandId::GENERIC_NACK), Answered::InTime(_)));
        assert!(matches!(window.answer(sequence, CommandId::SUBMIT_SM_RESP), Answered::Stray), "once");
    }

    #[test]
    fn the_memory_of_expired_requests_is_bounded() {
        let (mut window, now) = window(1);
        for token in 0..5_000 {
            window.register(submit(token, now));
        }
        while window.expire(now).is_some() {}
        assert_eq!(window.expired.len(), Window::<u32>::EXPIRED_MAX);
        assert!(matches!(window.answer(SequenceNumber(1), CommandId::SUBMIT_SM_RESP), Answered::Stray));
        assert!(matches!(
            window.answer(SequenceNumber(5_000), CommandId::SUBMIT_SM_RESP),
            Answered::Late(4_999)
        ));
    }

    proptest! {
        /// Counted in and out: whatever happens in whatever order, each request ends once.
        #[test]
        fn each_request_ends_exactly_once(
            first in prop_oneof![1_u32..100, SequenceCounter::LAST - 50..=SequenceCounter::LAST],
            steps in proptest::collection::vec((0_u8..4, any::<proptest::sample::Index>()), 0..600),
        ) {
            let (mut window, mut now) = window(first);
            let mut open = BTreeMap::new();
            let mut ends = BTreeSet::new();
            let mut begun = 0;
            for (kind, index) in steps {
                now += Duration::from_secs(1);
                match kind {
                    0 | 1 => {
                        let sequence = window.register(submit(begun, now));
                        prop_assert_eq!(open.insert(begun, (sequence, now)), None);
                        begun += 1;
                    }
                    2 if !open.is_empty() => {
                        let (token, (sequence, _)) = open.iter().nth(index.index(open.len())).map(|(t, s)| (*t, *s)).unwrap();
                        let answered = window.answer(sequence, CommandId::SUBMIT_SM_RESP);
                        prop_assert!(matches!(answered, Answered::InTime(pending) if pending.token == Some(token)));
                        open.remove(&token);
                        prop_assert!(ends.insert(token));
                    }
                    _ => {
                        let limit = now - Duration::from_secs(20);
                        while let Some(Pending { token: Some(token), sent, .. }) = window.expire(limit) {
                            prop_assert_eq!(open.remove(&token).map(|(_, at)| at), Some(sent));
                            prop_assert!(sent <= limit && ends.insert(token));
                        }
                        prop_assert!(open.values().all(|(_, at)| *at > limit));
                    }
                }
                prop_assert_eq!(window.waiting(), open.len());
                prop_assert_eq!(window.oldest(), open.values().map(|(_, at)| *at).min());
            }
            while let Some(Pending { token: Some(token), .. }) = window.lose() {
                prop_assert!(open.remove(&token).is_some() && ends.insert(token));
            }
            prop_assert!(open.is_empty());
            prop_assert_eq!(ends.len(), usize::try_from(begun).unwrap());
        }
    }
}
