//! What failed logins cost: each from one address waits longer for its answer.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dashmap::DashMap;

/// Failed binds or logins by address: each makes the next answer slower.
#[derive(Debug)]
pub struct Failures {
    first: Duration,
    longest: Duration,
    by_address: DashMap<IpAddr, (u32, Instant), ahash::RandomState>,
    /// When those that can be forgotten were last looked for.
    swept: Mutex<Option<Instant>>,
}

impl Failures {
    /// Addresses that are remembered; more than these are answered after the longest delay.
    const ADDRESSES_MAX: usize = 10_000;
    /// How long a failure is remembered.
    const LIFE: Duration = Duration::from_secs(600);

    /// The answer to the first failure waits for `first`; no answer waits for more than `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first: first.min(longest), longest, by_address: DashMap::default(), swept: Mutex::default() }
    }

    /// A login from `address` has failed: how long to wait with the answer.
    pub fn failed(&self, address: IpAddr, now: Instant) -> Duration {
        let address = address.to_canonical();
        if self.by_address.len() >= Self::ADDRESSES_MAX && !self.by_address.contains_key(&address) {
            self.sweep(now);
            if self.by_address.len() >= Self::ADDRESSES_MAX {
                return self.longest;
            }
        }
        let mut entry = self.by_address.entry(address).or_insert((0, now));
        let (count, last) = entry.value_mut();
        if now.saturating_duration_since(*last) >= Self::LIFE {
            *count = 0;
        }
        let delay =
            self.first.saturating_mul(1_u32.checked_shl(*count).unwrap_or(u32::MAX)).min(self.longest);
        (*count, *last) = (count.saturating_add(1).min(31), now);
        delay
    }

    /// Forgets what is old, at most once a second: a flood must not make each failure dear.
    fn sweep(&self, now: Instant) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_none_or(|last| now.saturating_duration_since(last) >= Duration::from_secs(1)) {
            *swept = Some(now);
            self.by_address.retain(|_, (_, last)| now.saturating_duration_since(*last) < Self::LIFE);
        }
    }

    /// A login from `address` stands.
    pub fn succeeded(&self, address: IpAddr) {
        if !self.by_address.is_empty() {
            self.by_address.remove(&address.to_canonical());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn each_failure_makes_the_next_answer_slower() {
        let failures = Failures::new(Duration::from_secs(1), Duration::from_secs(7));
        let now = Clock::standing(0).instant();
        let delays: Vec<u64> = (0..40).map(|_| failures.failed(HERE, now).as_secs()).collect();
        assert_eq!(delays.get(..5), Some(&[1, 2, 4, 7, 7][..]));
        assert!(delays.iter().skip(5).all(|delay| *delay == 7));
        let other = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(failures.failed(other, now).as_secs(), 1, "another address is another peer");
        failures.succeeded(HERE);
        assert_eq!(failures.failed(HERE, now).as_secs(), 1);
        assert_eq!(failures.failed(other, now + Failures::LIFE).as_secs(), 1, "forgotten after a while");
    }

    #[test]
    fn the_memory_of_failures_is_bounded() {
        let failures = Failures::new(Duration::from_secs(1), Duration::from_secs(7));
        let now = Clock::standing(0).instant();
        for n in 0..20_000_u32 {
            failures.failed(IpAddr::V4(std::net::Ipv4Addr::from_bits(n)), now);
        }
        assert!(failures.by_address.len() <= Failures::ADDRESSES_MAX);
        assert_eq!(failures.failed(HERE, now).as_secs(), 7, "a flood costs the longest delay");
    }
}
