//! Which addresses may connect.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

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
