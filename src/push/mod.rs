//! Webhooks out: what the engine owes to endpoints leaves by HTTP.
//!
//! The engine owns what must not be lost: each delivery is durable from the fact that causes it to the endpoint's
//! answer, the order of one message's deliveries is kept, delays grow, and what is given up is a dead letter. Here are
//! HTTP, the number of requests at once, and a breaker that lets a failing endpoint rest. Each endpoint has a task, a
//! link and connections of its own, so one that hangs or fails takes nothing from the others.
//!
//! Begin with [`Endpoint`]; `worker` is the task, `verdict` says what an answer means.

mod body;
mod breaker;
mod endpoint;
mod metrics;
mod sign;
mod verdict;
mod worker;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::body::{Errors, vendor_errors};
pub use self::breaker::BreakerSettings;
pub use self::endpoint::{Endpoint, Kind};
pub use self::metrics::{BREAKER, DELIVERIES_TOTAL, IN_FLIGHT, SECONDS, describe};
pub use self::sign::signature;
use self::worker::{Target, Worker};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::net::tls::TlsError;

/// Why an endpoint cannot be sent to.
#[derive(Debug)]
pub struct EndpointError {
    /// Which.
    pub id: String,
    /// Its CA cannot be used.
    pub source: TlsError,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the webhook {} cannot be sent to", self.id)
    }
}

impl std::error::Error for EndpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// All endpoints and their tasks.
pub struct Push {
    engine: Engine,
    clock: Arc<Clock>,
    running: Mutex<HashMap<String, watch::Sender<Arc<Target>>>>,
    /// Nothing new is sent; what is under way may end.
    stop: CancellationToken,
    /// What is under way is dropped, too.
    abort: CancellationToken,
    tasks: TaskTracker,
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl Push {
    /// Begins to send to `endpoints`, which the engine's settings know by the same ids. To be called inside a runtime.
    ///
    /// # Errors
    /// [`EndpointError`] for the first whose CA cannot be used; then nothing has begun.
    pub fn start(endpoints: Vec<Endpoint>, engine: Engine, clock: Arc<Clock>) -> Result<Self, EndpointError> {
        let push = Self {
            engine,
            clock,
            running: Mutex::default(),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        push.configure(endpoints)?;
        Ok(push)
    }

    /// Sends to these from now on: new ones begin, changed ones go on with their new settings, others end once what is
    /// under way has been answered.
    ///
    /// # Errors
    /// [`EndpointError`] for the first whose CA cannot be used; then nothing has changed.
    pub fn configure(&self, endpoints: Vec<Endpoint>) -> Result<(), EndpointError> {
        let mut targets = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints {
            let id = endpoint.id.clone();
            match Target::new(endpoint) {
                Ok(target) => targets.push((id, Arc::new(target))),
                Err(source) => return Err(EndpointError { id, source }),
            }
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // A worker ends when the sender of its settings is gone.
        running.retain(|id, _| targets.iter().any(|(kept, _)| kept == id));
        for (id, target) in targets {
            match running.get(&id) {
                Some(settings) => {
                    settings.send_replace(target);
                }
                None => {
                    let (settings, read) = watch::channel(target);
                    let worker = Worker::new(
                        read,
                        self.engine.clone(),
                        Arc::clone(&self.clock),
                        self.stop.clone(),
                        self.abort.clone(),
                    );
                    self.tasks.spawn(worker.run());
                    running.insert(id, settings);
                }
            }
        }
        Ok(())
    }

    /// Sends nothing new, and waits up to `patience` for what is under way. What is not answered then is sent again
    /// after the next start. To be called while the engine still works.
    pub async fn stop(&self, patience: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            self.abort.cancel();
            self.tasks.wait().await;
        }
    }
}

impl Drop for Push {
    fn drop(&mut self) {
        self.stop.cancel();
        self.abort.cancel();
    }
}
