//! The composition root: what starts in which order, and how it stops.
//!
//! Start: data directory and its lock; the admin listener, so that `/readyz` can say `recovering`; the engine, which
//! recovers; then the façade, webhooks, the upstreams and the SMPP server. Nothing is accepted before the state is there.
//!
//! Stop: `/readyz` says `stopping`; no new binds, and 503 for new requests; sessions are unbound and what is under way,
//! webhooks too, is waited for until a deadline; the engine takes nothing more, writes a last checkpoint and ends; the
//! HTTP listeners close. What was not
//! answered by then is in the journal.

pub mod beacon;
pub mod demo;
mod facade;
mod reload;
mod signals;
mod vendor;
mod webhooks;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::facade::{Bound, Interfaces};
use crate::clock::Clock;
use crate::config::Settings;
use crate::engine::{Engine, StartError as EngineError};
use crate::http::admin::{self, Admin};
use crate::http::{self, Limits};
use crate::net::Gate;
use crate::push::{self, Push};
use crate::smpp::{self, Smpp};
use crate::store::file::{Disk, RealDisk};
use crate::store::lock::{DataLock, LockError};
use crate::telemetry;

use self::vendor::Vendors;

pub use self::signals::{Signals, signals};

/// Why the process did not start.
#[derive(Debug)]
pub enum StartError {
    /// The data directory cannot be made or used.
    DataDir {
        /// Which.
        dir: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another process has it.
    Lock(LockError),
    /// An address cannot be listened on.
    Listen {
        /// For what.
        what: &'static str,
        /// Where.
        addr: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// SMPP does not start.
    Smpp(smpp::StartError),
    /// The engine cannot recover.
    Engine(EngineError),
    /// A webhook's settings cannot be used.
    Webhook(push::EndpointError),
    /// The engine's start has failed in an unforeseen way.
    Panic,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DataDir { dir, .. } => write!(f, "the data directory {} cannot be used", dir.display()),
            Self::Lock(error) => error.fmt(f),
            Self::Listen { what, addr, .. } => write!(f, "{what} cannot listen on {addr}"),
            Self::Engine(error) => error.fmt(f),
            Self::Smpp(error) => error.fmt(f),
            Self::Webhook(error) => error.fmt(f),
            Self::Panic => f.write_str("starting the engine has failed; the log says where"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::DataDir { error, .. } | Self::Listen { error, .. } => Some(error),
            Self::Lock(error) => error.source(),
            Self::Engine(error) => error.source(),
            Self::Smpp(error) => error.source(),
            Self::Webhook(error) => error.source(),
            Self::Panic => None,
        }
    }
}

/// Where a running process listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The SMPP server's listeners, in the order of the configuration.
    pub smpp: Vec<smpp::Listening>,
    /// The HTTP façade.
    pub http: Option<SocketAddr>,
    /// The admin listener.
    pub admin: SocketAddr,
}

/// A process that works.
pub struct Running {
    /// Where it listens.
    pub addresses: Addresses,
    /// Its engine.
    pub engine: Engine,
    drain: Duration,
    clock: Arc<Clock>,
    admin: Admin,
    smpp: Smpp,
    interfaces: Interfaces,
    /// Cancelled: the façade refuses new requests.
    closing: CancellationToken,
    push: Push,
    vendors: Vendors,
    /// Whom the façade lets in.
    gate: Arc<Gate>,
    /// What is in force; of what holds from the start only, what it was then.
    settings: Mutex<Settings>,
    stop_http: CancellationToken,
    tasks: TaskTracker,
    _beacon: beacon::Beacon,
    _lock: DataLock,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Starts everything that `settings` ask for.
///
/// # Errors
/// [`StartError`]. What was started before it is stopped again.
pub async fn start(settings: Settings, clock: Arc<Clock>) -> Result<Running, StartError> {
    let lock = lock(&settings.engine.data_dir)?;
    start_locked(settings, lock, clock).await
}

/// Makes the data directory if it is not there, and takes it for this process alone.
fn lock(data_dir: &Path) -> Result<DataLock, StartError> {
    let in_data_dir = |error| StartError::DataDir { dir: data_dir.to_owned(), error };
    RealDisk.create_dir_all(data_dir).map_err(in_data_dir)?;
    DataLock::acquire(data_dir).map_err(StartError::Lock)
}

async fn start_locked(settings: Settings, lock: DataLock, clock: Arc<Clock>) -> Result<Running, StartError> {
    let data_dir = settings.engine.data_dir.clone();
    let in_data_dir = |error| StartError::DataDir { dir: data_dir.clone(), error };
    let token = admin::token(&data_dir).map_err(in_data_dir)?;
    let signing_key = http::mug::signing_key(&data_dir).map_err(in_data_dir)?;
    let metrics = telemetry::metrics();

    let stop_http = CancellationToken::new();
    let stop_early = stop_http.clone().drop_guard();
    let tasks = TaskTracker::new();
    let admin = Admin::new(token, metrics.clone());
    http::describe();
    push::describe();
    let listening = http::bind(settings.admin).await;
    let listening =
        listening.map_err(|error| StartError::Listen { what: "admin", addr: settings.admin, error })?;
    let listening = listening.named("admin");
    let admin_addr = listening.addr;
    tasks.spawn(listening.serve(admin.router(), Limits::default(), stop_http.clone()));
    let gate = Arc::new(Gate::new(settings.http.as_ref().and_then(|http| http.allow_from.clone())));
    let facade = match &settings.http {
        Some(config) => Some(Bound::bind(config, &gate).await?),
        None => None,
    };
    let http_addr = facade.as_ref().map(|facade| facade.server.addr);
    let beacon = beacon::Beacon::light(&data_dir, admin_addr).map_err(in_data_dir)?;

    let engine = start_engine(&settings, &clock).await?;
    let (interfaces, closing) =
        (Interfaces::new(&settings, signing_key, &engine, &clock), CancellationToken::new());
    if let Some(facade) = facade {
        let router = interfaces.router(closing.clone());
        tasks.spawn(facade.server.serve(router, facade.limits, stop_http.clone()));
    }
    let push = Push::start(webhooks::endpoints(&settings), engine.clone(), Arc::clone(&clock));
    let push = push.map_err(StartError::Webhook)?;
    let (accounts, peers) = (&settings.accounts, &settings.peers);
    let smpp = Smpp::start(settings.smpp.clone(), accounts, peers, engine.clone(), Arc::clone(&clock)).await;
    let smpp = smpp.map_err(StartError::Smpp)?;
    let vendors = Vendors::start(&settings, engine.clone(), Arc::clone(&clock), interfaces.hooks());
    admin.open(reload::open(&engine, &settings));
    tasks.spawn(keep_time(Arc::clone(&clock), metrics, stop_http.clone()));
    tasks.close();

    let addresses = Addresses { smpp: smpp.listening().to_vec(), http: http_addr, admin: admin_addr };
    tracing::info!(?addresses, data_dir = %data_dir.display(), "ready");
    stop_early.disarm();
    Ok(Running {
        addresses,
        engine,
        drain: settings.process.drain,
        clock,
        admin,
        smpp,
        interfaces,
        closing,
        push,
        vendors,
        gate,
        settings: Mutex::new(settings),
        stop_http,
        tasks,
        _beacon: beacon,
        _lock: lock,
    })
}

/// Recovers on a thread that may wait.
async fn start_engine(settings: &Settings, clock: &Arc<Clock>) -> Result<Engine, StartError> {
    let (config, gateway, clock) =
        (settings.engine.clone(), Arc::new(settings.gateway.clone()), Arc::clone(clock));
    let started =
        tokio::task::spawn_blocking(move || Engine::start(Arc::new(RealDisk), config, gateway, clock));
    started.await.map_err(|_| StartError::Panic)?.map_err(StartError::Engine)
}

impl Running {
    /// Stops in order; resolves when the state is on disk and everything is closed.
    pub async fn stop(self) {
        let begun = self.clock.instant();
        tracing::info!(drain = ?self.drain, "stopping: no new binds, unbinding, waiting for answers");
        self.admin.stopping();
        self.closing.cancel();
        let patience = self.drain + SMPP_PATIENCE;
        tokio::join!(self.smpp.stop(patience), self.vendors.stop(patience), self.push.stop(self.drain));
        self.interfaces.end_streams();
        let engine = self.engine.clone();
        if tokio::task::spawn_blocking(move || engine.stop()).await.is_err() {
            tracing::error!("stopping the engine has failed; the journal holds everything");
        }
        self.stop_http.cancel();
        // A client that keeps its connection open does not keep the process.
        let _ = tokio::time::timeout(HTTP_PATIENCE, self.tasks.wait()).await;
        tracing::info!(after = ?(self.clock.instant() - begun), "stopped");
    }
}

/// Watches the system's clock, and tidies metrics.
async fn keep_time(clock: Arc<Clock>, metrics: telemetry::Metrics, stop: CancellationToken) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        clock.observe_and_tell();
        metrics.tidy();
    }
}

/// How much longer than the drain time the sessions may take to close: their unbinds are answered then.
const SMPP_PATIENCE: Duration = Duration::from_secs(6);

/// How long the HTTP listeners may take to end what they have begun.
const HTTP_PATIENCE: Duration = Duration::from_secs(2);
