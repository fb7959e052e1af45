//! Which addresses may connect.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// Which addresses a client may connect from.
#[derive(Clone)]
pub struct AllowFrom(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl AllowFrom {
    /// Those for which `is_allowed` says so.
    pub fn new(is_allowed: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_allowed))
    }

    /// Whether this address (an IPv4 address mapped into IPv6 counts as itself) is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0(address.to_canonical())
    }
}

impl fmt::Debug for AllowFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AllowFrom(..)")
    }
}

/// Whom a listener lets in. It can be changed while the listener works; who is in stays.
#[derive(Debug, Default)]
pub struct Gate(RwLock<Option<AllowFrom>>);

impl Gate {
    /// Lets `allowed` in, or everybody.
    pub fn new(allowed: Option<AllowFrom>) -> Self {
        Self(RwLock::new(allowed))
    }

    /// Whether somebody from this address may come in.
    pub fn lets(&self, address: IpAddr) -> bool {
        let allowed = self.0.read().unwrap_or_else(PoisonError::into_inner);
        allowed.as_ref().is_none_or(|allowed| allowed.contains(address))
    }

    /// Lets `allowed` in from now on, or everybody.
    pub fn replace(&self, allowed: Option<AllowFrom>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = allowed;
    }
}
