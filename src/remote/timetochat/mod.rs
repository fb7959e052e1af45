//! Upstreams of kind `timetochat`: we are the client of the vendor's REST API (contracts/timetochat.md §2, §3, §8).
//!
//! Each upstream is a task that holds a token and, while it has one, an open link of the engine: a dispatch is one
//! `POST messages` with our id as `extRef`, an inquiry one `GET messages/{id}`. Pushes come in by an [`Inbox`] whether or
//! not the API can be reached, and are acknowledged when they are on disk.
//!
//! There is no idempotency key, so a message is sent again only when its request has certainly not been sent: a refused
//! connection, 401, 429. After a time-out, a 5xx or a lost connection its outcome is unknown; a push that names our id, or
//! the end of the upstream's `reconcile` time, decides (SEMANTICS 2).

mod api;
mod budget;
mod config;
mod convert;
mod inbox;
mod line;
pub mod metrics;
mod states;
mod token;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

pub use self::api::REFUSED_BASE;
use self::api::Standing;
pub use self::config::{Inlet, Peer};
pub use self::inbox::{Inbox, Pushed};
use self::line::Line;
use crate::clock::Clock;
use crate::engine::Engine;

/// All upstreams of this kind.
pub struct TimeToChat {
    engine: Engine,
    clock: Arc<Clock>,
    drain: Duration,
    held: Mutex<Vec<Held>>,
    tasks: TaskTracker,
    runtime: Handle,
    stop: CancellationToken,
}

/// One upstream.
struct Held {
    peer: Peer,
    inbox: Inbox,
    stop: CancellationToken,
}

impl TimeToChat {
    /// Begins to hold the lines to `peers`. To be called inside a runtime, with metrics installed and the engine running.
    /// `drain` is how long stopping waits for answers.
    pub fn start(peers: &[Peer], engine: Engine, clock: Arc<Clock>, drain: Duration) -> Self {
        metrics::describe();
        let all = Self {
            engine,
            clock,
            drain,
            held: Mutex::default(),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            stop: CancellationToken::new(),
        };
        all.configure(peers);
        all
    }

    /// Takes other upstreams over, once the engine has their settings. Lines of what stays go on; one that is changed or
    /// gone ends when what is under way on it is answered.
    pub fn configure(&self, peers: &[Peer]) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|held| {
            let stays = peers.contains(&held.peer);
            if !stays {
                held.stop.cancel();
            }
            stays
        });
        for peer in peers {
            if held.iter().any(|held| held.peer == *peer) {
                continue;
            }
            let standing = Arc::new(Standing::new(peer.clone(), Arc::clone(&self.clock)));
            let inbox = Inbox::open(Arc::clone(&standing), &self.engine, &self.runtime);
            let stop = self.stop.child_token();
            let (engine, drain) = (self.engine.clone(), self.drain);
            let line = Line { standing, engine, inbox: inbox.clone(), drain };
            self.tasks.spawn_on(line::hold(line, stop.clone()), &self.runtime);
            held.push(Held { peer: peer.clone(), inbox, stop });
        }
    }

    /// Where pushes for an upstream are taken. `None`: it is not configured.
    pub fn inbox(&self, upstream: &str) -> Option<Inbox> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().find(|held| held.peer.id == upstream).map(|held| held.inbox.clone())
    }

    /// Ends in order: nothing new is sent, and what is under way may be answered until the drain time is over. Pushes are
    /// taken as long as the engine takes them. The engine has to run until this returns; it takes at most `patience`.
    pub async fn stop(&self, patience: Duration) {
        self.tasks.close();
        self.stop.cancel();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            warn!(lines = self.tasks.len(), "lines did not end in time");
        }
    }
}

impl Drop for TimeToChat {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for TimeToChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeToChat").finish_non_exhaustive()
    }
}
