//! A service as the native API knows it: where it may come from, how fast, and its number in the engine.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::quota::{Quota, Webhook};
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
    /// Its limits, for showing.
    pub quota: Quota,
    /// Its webhooks, for showing.
    pub webhooks: Vec<Webhook>,
}

impl ServiceAccess {
    /// A service of the standard profile that may come from anywhere, as often as it likes.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            profile: Profile::Standard,
            rate: 0,
            allow_from: None,
            quota: Quota::default(),
            webhooks: Vec::new(),
        }
    }
}

/// The same in use.
#[derive(Debug)]
pub(super) struct Access {
    pub(super) id: Arc<str>,
    pub(super) profile: Profile,
    pub(super) rate: u32,
    pub(super) quota: Quota,
    pub(super) webhooks: Vec<Webhook>,
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
            quota: service.quota,
            webhooks: service.webhooks,
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
