//! Requests that nobody vouches for: their address pays for them (SEMANTICS 13).

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

use crate::gateway::limit::TokenBucket;

/// Buckets of addresses whose requests carry no key that opens anything.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    by_address: DashMap<IpAddr, TokenBucket, ahash::RandomState>,
    /// When those that have rested were last forgotten, in microseconds.
    swept_us: AtomicU64,
}

impl Strangers {
    /// Whether one more such request is answered; if not, after how many microseconds.
    pub(super) fn admit(&self, from: IpAddr, rate: u32, now_us: u64) -> Result<(), u64> {
        let from = network(from);
        if self.by_address.len() >= STRANGERS_MAX && !self.by_address.contains_key(&from) {
            self.sweep(rate, now_us);
            if self.by_address.len() >= STRANGERS_MAX {
                return Err(SWEEP_US);
            }
        }
        let mut bucket = self.by_address.entry(from).or_insert_with(|| TokenBucket::new(rate, now_us));
        if bucket.take(now_us, 1) { Ok(()) } else { Err(bucket.wait_us(now_us, 1).max(1)) }
    }

    /// After how many microseconds one more such request is answered; nothing is spent.
    pub(super) fn wait_us(&self, from: IpAddr, now_us: u64) -> u64 {
        self.by_address.get(&network(from)).map_or(0, |bucket| bucket.wait_us(now_us, 1))
    }

    /// Forgets those that have rested for a second: their buckets are full again, so it changes nothing. At most once a
    /// second, since a flood must not make each of its requests dear.
    fn sweep(&self, rate: u32, now_us: u64) {
        let last = self.swept_us.load(Ordering::Relaxed);
        let is_due = last == 0 || now_us.saturating_sub(last) >= SWEEP_US;
        let now = now_us.max(1);
        if is_due && self.swept_us.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.by_address.retain(|_, bucket| bucket.left(now_us) < rate);
        }
    }
}

/// Who is likely to be one: an IPv4 address, or the 64 leading bits of an IPv6 one.
fn network(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

/// Addresses remembered at once; when as many are busy, further ones are told to come back.
const STRANGERS_MAX: usize = 65_536;

/// Microseconds between two sweeps.
const SWEEP_US: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_spends_a_bucket_of_its_address() {
        let strangers = Strangers::default();
        let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        assert!((0..5).all(|_| strangers.admit(one, 5, 0).is_ok()));
        assert_eq!(strangers.admit(one, 5, 0), Err(200_000));
        assert_eq!((strangers.wait_us(one, 0), strangers.wait_us(other, 0)), (200_000, 0));
        assert!(strangers.admit(other, 5, 0).is_ok());
        assert!(strangers.admit(one, 5, 200_000).is_ok());
    }

    #[test]
    fn what_is_remembered_of_strangers_is_bounded() {
        let strangers = Strangers::default();
        for n in 0..u32::try_from(STRANGERS_MAX).expect("it fits") {
            assert!(strangers.admit(std::net::Ipv4Addr::from(n).into(), 5, 0).is_ok());
        }
        let one_more = std::net::Ipv4Addr::BROADCAST.into();
        assert!(strangers.admit(one_more, 5, 0).is_err(), "all are busy");
        assert!(strangers.admit(one_more, 5, 1_000_001).is_ok(), "all have rested");
        assert_eq!(strangers.by_address.len(), 1);
    }
}
