//! A service as the native API knows it: where it may come from, how fast, and its number in the engine.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use dashmap::DashMap;

use crate::engine::Engine;
use crate::gateway::id::ServiceNo;
use crate::gateway::limit::TokenBucket;
use crate::gateway::settings::Profile;
use crate::net::AllowFrom;

/// A service, as far as the native API has to know it.
#[derive(Clone, Debug)]
pub struct ServiceAccess {
    /// Its id.
    pub id: String,
    /// Which table counts its segments and which refusals it gets.
    pub profile: Profile,
    /// Requests per second; 0 is unlimited. A batch is one per message (SEMANTICS 13).
    pub rate: u32,
    /// Addresses it may come from. `None`: any.
    pub allow_from: Option<AllowFrom>,
}

/// The same in use.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) id: Arc<str>,
    pub(super) profile: Profile,
    pub(super) rate: u32,
    allow_from: Option<AllowFrom>,
    no: OnceLock<ServiceNo>,
    bucket: Arc<Mutex<TokenBucket>>,
}

/// How a service's tokens stand after a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub(super) rate: u32,
    pub(super) left: u32,
    /// Microseconds until the request would pass; 0 when it did.
    pub(super) wait_us: u64,
}

impl Access {
    /// `old` is the same service before a reload: what it has spent stays spent.
    pub(super) fn new(service: ServiceAccess, old: Option<&Self>, now_us: u64) -> Self {
        let bucket = match old {
            Some(old) => {
                let bucket = Arc::clone(&old.bucket);
                bucket.lock().unwrap_or_else(PoisonError::into_inner).set_rate(now_us, service.rate);
                bucket
            }
            None => Arc::new(Mutex::new(TokenBucket::new(service.rate, now_us))),
        };
        Self {
            id: service.id.into(),
            profile: service.profile,
            rate: service.rate,
            allow_from: service.allow_from,
            no: OnceLock::new(),
            bucket,
        }
    }

    /// Its number; `None` as long as the engine does not know it.
    pub(super) fn no(&self, engine: &Engine) -> Option<ServiceNo> {
        // A number is given once and kept, so it need not be asked for twice.
        if let Some(no) = self.no.get() {
            return Some(*no);
        }
        let no = engine.service(&self.id)?;
        Some(*self.no.get_or_init(|| no))
    }

    /// Whether it may come from there. An address that is not known is in no list.
    pub(super) fn allows(&self, from: Option<IpAddr>) -> bool {
        match (&self.allow_from, from) {
            (None, _) => true,
            (Some(allowed), Some(from)) => allowed.contains(from),
            (Some(_), None) => false,
        }
    }

    /// Takes `tokens`, or none and says how long to wait.
    pub(super) fn spend(&self, now_us: u64, tokens: u32) -> Spent {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passes = bucket.take(now_us, tokens);
        let wait_us = if passes { 0 } else { bucket.wait_us(now_us, tokens).max(1) };
        Spent { rate: self.rate, left: bucket.left(now_us), wait_us }
    }

    /// How its tokens stand.
    pub(super) fn standing(&self, now_us: u64) -> Spent {
        let bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        Spent { rate: self.rate, left: bucket.left(now_us), wait_us: 0 }
    }
}

/// Buckets of addresses whose requests carry no key that opens anything.
#[derive(Debug, Default)]
pub(super) struct Strangers(DashMap<IpAddr, TokenBucket, ahash::RandomState>);

impl Strangers {
    /// Whether one more such request is answered; if not, after how many microseconds.
    pub(super) fn admit(&self, from: IpAddr, rate: u32, now_us: u64) -> Result<(), u64> {
        let from = network(from);
        if self.0.len() >= STRANGERS_MAX && !self.0.contains_key(&from) {
            // Those that have rested for a second have a full bucket again: forgetting them changes nothing.
            self.0.retain(|_, bucket| bucket.left(now_us) < rate);
            if self.0.len() >= STRANGERS_MAX {
                return Err(1_000_000);
            }
        }
        let mut bucket = self.0.entry(from).or_insert_with(|| TokenBucket::new(rate, now_us));
        if bucket.take(now_us, 1) { Ok(()) } else { Err(bucket.wait_us(now_us, 1).max(1)) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_spends_a_bucket_of_its_address() {
        let strangers = Strangers::default();
        let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        assert!((0..5).all(|_| strangers.admit(one, 5, 0).is_ok()));
        assert_eq!(strangers.admit(one, 5, 0), Err(200_000));
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
        assert!(strangers.admit(one_more, 5, 1_000_000).is_ok(), "all have rested");
        assert_eq!(strangers.0.len(), 1);
    }
}
