//! What the tests of whole processes share: the gateway as a process, an ESME and an SMSC of the tests' own, and the wire
//! between them. Both ends keep their side across restarts of the gateway and count every id.
#![allow(dead_code, unreachable_pub, reason = "each test takes the part that it needs")]

pub mod api;
pub mod esme;
pub mod gateway;
pub mod load;
pub mod metrics;
pub mod receiver;
pub mod smsc;
pub mod sse;
pub mod tls;
pub mod wire;

use std::time::Duration;

/// Nothing that is waited for takes longer, on a busy machine either.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `done` gives something; panics with `what` when it never does.
pub async fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let looked = async {
        loop {
            if let Some(found) = done() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, looked).await {
        Ok(found) => found,
        Err(_) => panic!("in {PATIENCE:?}: never {what}"),
    }
}

/// A pause that is part of what is tested: a peer that is slow, a time in which nothing may happen.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Milliseconds.
pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
