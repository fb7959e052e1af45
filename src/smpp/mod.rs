//! SMPP over TCP and TLS, in both directions.
//!
//! As an SMSC we listen, and services bind ([`Config`], [`Account`]); as an ESME we bind to upstreams ([`Peer`]). Each session is
//! one task that joins a [`Session`](crate::session::Session) to the [`Engine`]; PDUs become the
//! gateway's values here, and its refusals a command_status.
//!
//! **Invariant:** nothing is answered with ESME_ROK before the engine has said so, and it says so after the sync.
//!
//! **Invariant:** passwords, numbers and texts are in no log line.

mod config;
pub mod metrics;

mod access;
mod convert;
mod dial;
mod driver;
mod error;
mod inbound;
mod link;
mod listen;
mod outbound;
mod stream;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

pub use config::{Account, Config, EXTERNAL_REFERENCE, Listener, Peer, PeerBind};
pub use error::status_of;

use access::{Accounts, Connections};
use dial::Dialer;
use inbound::Server;
use listen::Standing;

use crate::clock::Clock;
use crate::engine::Engine;
use crate::net::{Failures, tls};
use crate::session::{BindMode, Role};

/// The SMPP server and the binds to upstreams.
pub struct Smpp {
    server: Arc<Server>,
    dialer: Arc<Dialer>,
    held: Mutex<Vec<Held>>,
    listening: Vec<Listening>,
    tasks: TaskTracker,
    runtime: Handle,
    stop_server: CancellationToken,
    stop_peers: CancellationToken,
}

/// Where a listener stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listening {
    /// With the port that was picked for port 0.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
}

/// The binds to one upstream.
struct Held {
    peer: Arc<Peer>,
    stop: CancellationToken,
}

/// Why the server does not start.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// An upstream's certificates cannot be used.
    Tls {
        /// Which upstream.
        peer: String,
        /// Why.
        source: tls::TlsError,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, .. } => write!(f, "{address} cannot be listened on"),
            Self::Tls { peer, .. } => write!(f, "the TLS settings of upstream {peer} cannot be used"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } => Some(source),
            Self::Tls { source, .. } => Some(source),
        }
    }
}

impl Smpp {
    /// Listens, and begins to bind to `peers`. To be called inside a runtime, with metrics installed and the engine running.
    ///
    /// # Errors
    /// [`StartError`], before any connection is taken.
    pub async fn start(
        config: Config,
        accounts: &[Account],
        peers: &[Peer],
        engine: Engine,
        clock: Arc<Clock>,
    ) -> Result<Self, StartError> {
        for peer in peers {
            if let Some(tls) = &peer.tls {
                tls::client_config(tls)
                    .map_err(|source| StartError::Tls { peer: peer.id.clone(), source })?;
            }
        }
        let mut standing = Vec::new();
        for listener in &config.listeners {
            let address = listener.address;
            let bound = Standing::bind(listener).await;
            standing.push(bound.map_err(|source| StartError::Listen { address, source })?);
        }
        let listening = standing.iter().map(|s| Listening { address: s.address, tls: s.is_tls() }).collect();
        let (stop_server, stop_peers) = (CancellationToken::new(), CancellationToken::new());
        let now = clock.instant();
        let longest = config.session_init * 3 / 4;
        let dialer = Arc::new(Dialer {
            metrics: Arc::new(metrics::Metrics::new(Role::Esme)),
            engine: engine.clone(),
            clock: Arc::clone(&clock),
            drain: config.drain,
        });
        let server = Arc::new(Server {
            accounts: Accounts::new(accounts, stop_server.clone(), now),
            failures: Failures::new(config.bind_failure_delay, longest),
            connections: Connections::new(config.connections_max, config.unbound_per_address_max),
            metrics: metrics::Metrics::new(Role::Smsc),
            engine,
            clock,
            hasher: ahash::RandomState::new(),
            config,
        });
        let tasks = TaskTracker::new();
        for standing in standing {
            tasks.spawn(listen::serve(standing, Arc::clone(&server), tasks.clone(), stop_server.clone()));
        }
        let smpp = Self {
            server,
            dialer,
            held: Mutex::default(),
            listening,
            tasks,
            runtime: Handle::current(),
            stop_server,
            stop_peers,
        };
        smpp.configure(accounts, peers);
        Ok(smpp)
    }

    /// Where it listens, in the order of the configuration.
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// Takes other accounts and upstreams over, once the engine has their settings. Sessions of what stays go on; an upstream
    /// that is changed or gone is unbound, an account that is gone loses its sessions, a changed password holds for new binds.
    pub fn configure(&self, accounts: &[Account], peers: &[Peer]) {
        self.server.accounts.replace(accounts, self.server.clock.instant());
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|held| {
            let stays = peers.contains(&held.peer);
            if !stays {
                held.stop.cancel();
            }
            stays
        });
        for peer in peers {
            if held.iter().any(|held| *held.peer == *peer) {
                continue;
            }
            let (peer, stop) = (Arc::new(peer.clone()), self.stop_peers.child_token());
            let modes: &[BindMode] = match peer.bind {
                PeerBind::Transceiver => &[BindMode::Transceiver],
                PeerBind::TransmitterAndReceiver => &[BindMode::Transmitter, BindMode::Receiver],
            };
            for _ in 0..peer.sessions {
                for mode in modes {
                    let hold = dial::hold(Arc::clone(&peer), *mode, Arc::clone(&self.dialer), stop.clone());
                    self.tasks.spawn_on(hold, &self.runtime);
                }
            }
            held.push(Held { peer, stop });
        }
    }

    /// Ends in order: no new binds, then what is under way may still be answered until the drain time of the configuration
    /// is over, sessions are unbound, services first. The engine has to run until this returns; it takes at most `patience`.
    pub async fn stop(&self, patience: Duration) {
        self.tasks.close();
        self.stop_server.cancel();
        self.stop_peers.cancel();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            warn!(sessions = self.tasks.len(), "sessions did not end in time");
        }
    }
}

impl fmt::Debug for Smpp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smpp").field("listening", &self.listening).finish_non_exhaustive()
    }
}
