//! A simulated SMSC on a TLS socket: answers, receipts, replies to what it gets.
//!
//! It accepts any bind with its credentials, gives each `submit_sm` an id, sends a receipt where one is asked for, and
//! lets the "mobile" write back: each text is answered with an MO "You wrote: …", and a text that begins with `long`
//! with one in three parts. Numbers with certain last digits fail in their own ways, see [`Conduct`]:
//!
//! | number ends in | what happens |
//! |---|---|
//! | `01` | receipt `UNDELIV`, error 11 |
//! | `02` | receipt `EXPIRED` |
//! | `03` | never a receipt |
//! | `04` | `ESME_RTHROTTLED` once, then accepted |
//! | `05` | `ESME_RMSGQFUL` twice, then accepted |
//! | `06` | refused for good with `ESME_RINVDSTADR` |
//! | `07` | receipt `ENROUTE`, then `DELIVRD` |
//! | `08` | the receipt comes twice |
//! | `09` | receipt `REJECTD` |
//!
//! What waits (receipts and replies not yet due, or with no receiver bound) is bounded by
//! [`Config::waiting_max`]; beyond it `submit_sm` gets `ESME_RMSGQFUL`.

mod conduct;
mod reply;
mod session;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::conduct::Conduct;
use super::listen;
use super::post::PostOffice;
use crate::clock::Clock;
use crate::pdu::COctets;

/// How the simulated SMSC behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Its certificate. `None`: plain TCP, for tests.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The only system_id that may bind.
    pub system_id: String,
    /// Its password.
    pub password: String,
    /// From `submit_sm` to the receipt.
    pub receipt_delay: Duration,
    /// From `submit_sm` to the reply. `None`: mobiles do not write back.
    pub reply_delay: Option<Duration>,
    /// `deliver_sm` unanswered at once, per session.
    pub window: usize,
    /// Receipts and replies that may wait at once.
    pub waiting_max: usize,
    /// Sessions at once; more are closed as they come.
    pub sessions_max: usize,
}

impl Config {
    /// A loopback socket on a free port, receipts after half a second, replies after one.
    pub fn loopback(system_id: &str, password: &str) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            system_id: system_id.to_owned(),
            password: password.to_owned(),
            receipt_delay: Duration::from_millis(500),
            reply_delay: Some(Duration::from_secs(1)),
            window: 100,
            waiting_max: 100_000,
            sessions_max: 64,
        }
    }
}

/// A simulated SMSC that listens. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// Closes all sessions; what it still owed is gone. Resolves when nothing of it is left.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts a simulated SMSC.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn start(config: Config, clock: Arc<Clock>) -> io::Result<Running> {
    let listener = TcpListener::bind(config.listen).await?;
    let addr = listener.local_addr()?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    // Ids of another start do not come again: there are 2^20 for each millisecond that passed.
    let next_id = AtomicU64::new(clock.utc_ms() << 20);
    let post = PostOffice::new(config.waiting_max);
    let tls = config.tls.clone();
    let sessions_max = config.sessions_max;
    let smsc = Arc::new(Smsc { config, clock, post, next_id, refused: Mutex::default() });
    let posting = (Arc::clone(&smsc), stop.clone());
    tasks.spawn(async move { posting.0.post.run(&posting.0.clock, &posting.1).await });
    let serve = move |stream| {
        let smsc = Arc::clone(&smsc);
        async move { session::run(&smsc, stream).await }
    };
    tasks.spawn(listen::accept(listener, tls, sessions_max, (stop.clone(), tasks.clone()), serve));
    tasks.close();
    Ok(Running { addr, stop, tasks })
}

/// What all sessions share.
#[derive(Debug)]
struct Smsc {
    config: Config,
    clock: Arc<Clock>,
    post: PostOffice,
    next_id: AtomicU64,
    /// Refusals of numbers that are refused first.
    refused: Mutex<HashMap<COctets<21>, u8>>,
}

impl Smsc {
    fn refused(&self) -> MutexGuard<'_, HashMap<COctets<21>, u8>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often this number was refused since it was last taken, before this time.
    fn refusals(&self, number: &COctets<21>) -> u8 {
        self.refused().get(number).copied().unwrap_or(0)
    }

    /// Counts a refusal, or (`taken`) forgets them.
    fn count_refusal(&self, number: COctets<21>, taken: bool) {
        let mut refused = self.refused();
        if taken {
            refused.remove(&number);
        } else if refused.len() < REFUSED_MAX || refused.contains_key(&number) {
            let times = refused.entry(number).or_default();
            *times = times.saturating_add(1);
        }
    }
}

/// Numbers whose refusals are remembered; others are refused as if for the first time.
const REFUSED_MAX: usize = 10_000;

#[cfg(test)]
mod tests;
