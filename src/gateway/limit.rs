//! Inbound rate limit: one [`Limiter`] per service and interface, across its sessions (SEMANTICS 13).
//!
//! Kept in memory at the edge, before the engine. A refused request is `ESME_RTHROTTLED` or 429.

use std::collections::{HashMap, VecDeque};

/// Memory of concatenations, in concatenations, unless configured.
pub const CONCATENATIONS_MAX: usize = 1_024;

/// How long later parts may follow the first one unless configured, in microseconds: 60 s.
pub const CONCATENATION_LIFE_US: u64 = 60_000_000;

/// A token bucket whose capacity is one second's rate and which starts full.
///
/// Exact: counts in millionths of a token, of which `rate` per microsecond flow in.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    /// Tokens per second; 0 is unlimited.
    rate: u32,
    /// Millionths of a token; below zero is debt.
    level: i64,
    /// When `level` was true, in microseconds.
    at_us: u64,
}

impl TokenBucket {
    /// A full bucket of `rate` tokens per second; 0 is unlimited.
    #[must_use]
    pub fn new(rate: u32, now_us: u64) -> Self {
        Self { rate, level: capacity(rate), at_us: now_us }
    }

    /// Takes `tokens` if all of them are there, else takes none and says `false`.
    ///
    /// A request for more than the bucket holds (a `submit_multi` to many) passes when it is full and
    /// leaves debt; otherwise it could never pass.
    pub fn take(&mut self, now_us: u64, tokens: u32) -> bool {
        if self.rate == 0 {
            return true;
        }
        self.refill(now_us);
        if self.entrance(tokens) > self.level {
            return false;
        }
        self.level -= i64::from(tokens) * TOKEN;
        true
    }

    /// Takes `tokens` whether or not they are there. Debt is paid back before anything else passes.
    pub fn take_into_debt(&mut self, now_us: u64, tokens: u32) {
        if self.rate != 0 {
            self.refill(now_us);
            self.level = self.level.saturating_sub(i64::from(tokens) * TOKEN);
        }
    }

    /// Whole tokens that are there; `u32::MAX` when unlimited, 0 in debt.
    #[must_use]
    pub fn left(&self, now_us: u64) -> u32 {
        if self.rate == 0 {
            return u32::MAX;
        }
        let mut now = self.clone();
        now.refill(now_us);
        u32::try_from(now.level.max(0) / TOKEN).unwrap_or(u32::MAX)
    }

    /// How long until a request of `tokens` passes, in microseconds; 0 when it does. For `Retry-After`.
    #[must_use]
    pub fn wait_us(&self, now_us: u64, tokens: u32) -> u64 {
        if self.rate == 0 {
            return 0;
        }
        let missing = self.entrance(tokens).saturating_sub(self.level);
        let due_us = u64::try_from(missing).unwrap_or(0).div_ceil(u64::from(self.rate));
        due_us.saturating_sub(now_us.saturating_sub(self.at_us))
    }

    /// Takes over another rate, as a reload brings it. The level stays, within the new capacity.
    pub fn set_rate(&mut self, now_us: u64, rate: u32) {
        self.refill(now_us);
        if self.rate == 0 {
            self.level = capacity(rate);
        }
        self.rate = rate;
        self.level = self.level.min(capacity(rate));
    }

    /// The level at which a request of `tokens` passes.
    fn entrance(&self, tokens: u32) -> i64 {
        (i64::from(tokens) * TOKEN).min(capacity(self.rate))
    }

    fn refill(&mut self, now_us: u64) {
        // A `now` from before the last one adds nothing.
        let elapsed_us = now_us.saturating_sub(self.at_us);
        let earned = i64::try_from(elapsed_us.saturating_mul(u64::from(self.rate))).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(earned).min(capacity(self.rate));
        self.at_us = self.at_us.max(now_us);
    }
}

/// Millionths per token.
const TOKEN: i64 = 1_000_000;

fn capacity(rate: u32) -> i64 {
    i64::from(rate) * TOKEN
}

/// A token bucket that does not cut a long message in the middle: parts after the one that passed run
/// into debt instead of being refused.
///
/// Bounded: remembers so many concatenations for so long, and grants each no more than the parts it
/// announced, so a peer that repeats one reference for ever is limited like any other.
#[derive(Clone, Debug)]
pub struct Limiter {
    bucket: TokenBucket,
    passed: Passed,
}

impl Limiter {
    /// A limiter of `rate` tokens per second (0 is unlimited) with the default memory.
    #[must_use]
    pub fn new(rate: u32, now_us: u64) -> Self {
        Self::with_memory(rate, now_us, CONCATENATIONS_MAX, CONCATENATION_LIFE_US)
    }

    /// The same with room for `concatenations_max`, each kept for `life_us` microseconds.
    #[must_use]
    pub fn with_memory(rate: u32, now_us: u64, concatenations_max: usize, life_us: u64) -> Self {
        let passed = Passed {
            left: HashMap::new(),
            order: VecDeque::new(),
            concatenations_max: concatenations_max.max(1),
            life_us,
        };
        Self { bucket: TokenBucket::new(rate, now_us), passed }
    }

    /// Whether a request of `tokens` passes: 1 each, a `submit_multi` one per destination.
    pub fn admit(&mut self, now_us: u64, tokens: u32) -> bool {
        self.bucket.take(now_us, tokens)
    }

    /// Whether one part of a concatenation of `total` passes. `key` is a hash of what its parts share:
    /// source, destination, reference and its size, total.
    pub fn admit_part(&mut self, now_us: u64, key: u64, total: u8) -> bool {
        if self.bucket.rate == 0 {
            return true;
        }
        if self.passed.spend(key, now_us) {
            self.bucket.take_into_debt(now_us, 1);
            return true;
        }
        let passes = self.bucket.take(now_us, 1);
        if passes && total > 1 {
            self.passed.remember(key, total - 1, now_us);
        }
        passes
    }

    /// See [`TokenBucket::wait_us`].
    #[must_use]
    pub fn wait_us(&self, now_us: u64, tokens: u32) -> u64 {
        self.bucket.wait_us(now_us, tokens)
    }

    /// See [`TokenBucket::set_rate`].
    pub fn set_rate(&mut self, now_us: u64, rate: u32) {
        self.bucket.set_rate(now_us, rate);
    }
}

/// Concatenations of which a part has passed. When full the oldest is forgotten, and its later parts
/// are limited like first ones.
#[derive(Clone, Debug)]
struct Passed {
    left: HashMap<u64, Left>,
    /// One entry per `remember`, oldest first; at most `concatenations_max`.
    order: VecDeque<(u64, u64)>,
    concatenations_max: usize,
    life_us: u64,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    parts: u8,
    until_us: u64,
}

impl Passed {
    fn spend(&mut self, key: u64, now_us: u64) -> bool {
        let Some(left) = self.left.get_mut(&key) else { return false };
        let is_alive = now_us < left.until_us;
        left.parts -= 1;
        if left.parts == 0 || !is_alive {
            self.left.remove(&key);
        }
        is_alive
    }

    fn remember(&mut self, key: u64, parts: u8, now_us: u64) {
        while self.order.len() >= self.concatenations_max
            || self.order.front().is_some_and(|(_, until_us)| *until_us <= now_us)
        {
            self.forget_oldest();
        }
        let until_us = now_us.saturating_add(self.life_us);
        self.left.insert(key, Left { parts, until_us });
        self.order.push_back((key, until_us));
    }

    fn forget_oldest(&mut self) {
        let Some((key, until_us)) = self.order.pop_front() else { return };
        // The key may have been used again since; then a younger entry speaks for it.
        if self.left.get(&key).is_some_and(|left| left.until_us == until_us) {
            self.left.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn starts_full_and_holds_one_second() {
        let mut bucket = TokenBucket::new(20, 5 * SECOND);
        assert!((0..20).all(|_| bucket.take(5 * SECOND, 1)));
        assert!(!bucket.take(5 * SECOND, 1));
        assert!(!bucket.take(5 * SECOND + 49_999, 1));
        assert!(bucket.take(5 * SECOND + 50_000, 1));
        // An hour of rest is no more than a second of it.
        assert!(bucket.take(3_600 * SECOND, 20));
        assert!(!bucket.take(3_600 * SECOND, 1));
    }

    #[test]
    fn rate_0_is_unlimited() {
        let mut limiter = Limiter::new(0, 0);
        assert!((0..100_000).all(|_| limiter.admit(0, 1) && limiter.admit_part(0, 7, 2)));
        assert_eq!(limiter.wait_us(0, 1_000), 0);
    }

    #[test]
    fn all_tokens_of_a_request_or_none() {
        let mut bucket = TokenBucket::new(10, 0);
        assert!(bucket.take(0, 8));
        assert!(!bucket.take(0, 3));
        assert!(bucket.take(0, 2));
    }

    #[test]
    fn a_request_larger_than_the_bucket_passes_when_it_is_full_and_leaves_debt() {
        let mut bucket = TokenBucket::new(20, 0);
        assert!(bucket.take(0, 254));
        assert_eq!(bucket.wait_us(0, 1), 235 * SECOND / 20);
        assert!(!bucket.take(12 * SECOND, 254));
        assert!(bucket.take(254 * SECOND / 20, 254));
    }

    #[test]
    fn debt_is_paid_before_anything_passes() {
        let mut bucket = TokenBucket::new(10, 0);
        assert!(bucket.take(0, 10));
        bucket.take_into_debt(0, 5);
        assert_eq!(bucket.wait_us(0, 1), 600_000);
        assert!(!bucket.take(599_999, 1));
        assert_eq!(bucket.wait_us(599_999, 1), 1);
        assert!(bucket.take(600_000, 1));
    }

    #[test]
    fn a_clock_that_goes_back_earns_nothing() {
        let mut bucket = TokenBucket::new(1, 10 * SECOND);
        assert!(bucket.take(10 * SECOND, 1));
        assert!(!bucket.take(SECOND, 1));
        assert!(!bucket.take(10 * SECOND + 999_999, 1));
        assert!(bucket.take(11 * SECOND, 1));
    }

    #[test]
    fn later_parts_of_a_long_message_are_not_refused() {
        let mut limiter = Limiter::new(2, 0);
        assert!(limiter.admit(0, 1));
        assert!((0..8).all(|_| limiter.admit_part(0, 42, 8)));
        assert!(!limiter.admit(0, 1));
        assert!(!limiter.admit_part(0, 43, 8), "another message has no part that passed");
        assert_eq!(limiter.wait_us(0, 1), 4 * SECOND, "seven in debt, one wanted");
    }

    #[test]
    fn a_reference_repeated_for_ever_is_limited() {
        let mut limiter = Limiter::new(1, 0);
        let passed = (0..1_000).filter(|_| limiter.admit_part(0, 42, 3)).count();
        assert_eq!(passed, 3);
    }

    #[test]
    fn a_late_part_is_limited_like_a_first_one() {
        let mut limiter = Limiter::with_memory(1, 0, 10, 2 * SECOND);
        assert!(limiter.admit_part(0, 42, 3));
        assert!(limiter.admit(2 * SECOND, 1));
        assert!(!limiter.admit_part(2 * SECOND, 42, 3));
    }

    #[test]
    fn the_memory_is_bounded_and_forgets_the_oldest() {
        let mut limiter = Limiter::with_memory(1_000_000, 0, 100, 60 * SECOND);
        for key in 0..10_000 {
            assert!(limiter.admit_part(0, key, 2));
        }
        assert!(limiter.passed.left.len() <= 100 && limiter.passed.order.len() <= 100);
        assert!(limiter.passed.spend(9_999, 0) && !limiter.passed.spend(9_899, 0));
    }

    #[test]
    fn finished_messages_leave_no_growing_memory() {
        let mut limiter = Limiter::with_memory(1_000_000, 0, 100, 60 * SECOND);
        for _ in 0..10_000 {
            assert!(limiter.admit_part(0, 42, 2) && limiter.admit_part(0, 42, 2));
        }
        assert!(limiter.passed.left.is_empty() && limiter.passed.order.len() <= 100);
    }

    #[test]
    fn another_rate_takes_over_at_once() {
        let mut limiter = Limiter::new(100, 0);
        limiter.set_rate(0, 5);
        assert_eq!((0..100).filter(|_| limiter.admit(0, 1)).count(), 5);
        limiter.set_rate(0, 0);
        assert!(limiter.admit(0, 1_000));
        limiter.set_rate(0, 7);
        assert_eq!((0..100).filter(|_| limiter.admit(0, 1)).count(), 7);
    }

    proptest! {
        #[test]
        fn never_more_than_capacity_and_what_flowed_in(
            rate in 1_u32..1_000, steps in proptest::collection::vec((0_u64..200_000, 1_u32..20), 0..300)
        ) {
            let mut bucket = TokenBucket::new(rate, 0);
            let (mut now_us, mut taken) = (0, 0);
            for (step, tokens) in steps {
                now_us += step;
                if bucket.wait_us(now_us, tokens) == 0 {
                    prop_assert!(bucket.take(now_us, tokens));
                    taken += u64::from(tokens);
                } else {
                    prop_assert!(!bucket.take(now_us, tokens));
                }
                let overdraft = u64::from(20_u32.saturating_sub(rate));
                prop_assert!(taken * SECOND <= u64::from(rate) * (SECOND + now_us) + overdraft * SECOND);
            }
        }
    }
}
