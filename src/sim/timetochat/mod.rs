//! SFR TimeToChat for integrators: its REST API, its Push_CRA and its SMPP connector, with switches for everything that
//! can go wrong (contracts/timetochat.md §9).
//!
//! One account. Messages over REST and SMPP are in one store of bounded size; what happens to one is told by the last
//! four digits of its recipient, see [`ENDINGS`]; everything else is a [`Switches`] member and can be changed while it
//! runs, under `/_sim`. What the vendor's document does not say is invented, and called so there.

mod agenda;
mod chance;
mod conduct;
mod connector;
mod control;
mod course;
mod letters;
mod limit;
mod push;
mod rest;
mod store;
mod switches;
mod token;
mod world;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

pub use self::chance::{Chance, Fault, How};
pub use self::conduct::ENDINGS;
pub use self::rest::BASE;
pub use self::switches::{Answered, Channels, Long, Switches};
use self::world::World;
use super::listen::{self, Duplex};
use crate::clock::Clock;
use crate::net::client::{Client, ClientConfig};
use crate::net::{Guard, Secret};
use crate::pdu::Tag;

/// How the simulator is started. What can be changed later is in [`Switches`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Where REST and `/_sim` listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the SMPP connector listens. `None`: nowhere.
    pub smpp: Option<SocketAddr>,
    /// For both. `None`: plain.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The service id, and the connector's system_id.
    pub service: String,
    /// Its password.
    pub password: Secret,
    /// The TLV of the client's reference on SMPP. Invented.
    pub reference_tag: Tag,
    /// Of everything that is left to chance.
    pub seed: u64,
    /// The switches at the start.
    pub switches: Switches,
    /// Messages kept; the oldest are forgotten.
    pub messages_max: usize,
    /// States, reports and incoming messages that may wait to happen; beyond it nothing more is taken.
    pub pending_max: usize,
    /// Connections at once, for REST and SMPP each; more are closed as they come.
    pub connections_max: usize,
}

impl Config {
    /// Plain, on free ports of loopback, REST and SMPP.
    pub fn loopback(service: &str, password: &str) -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: free,
            smpp: Some(free),
            tls: None,
            service: service.to_owned(),
            password: Secret::new(password),
            reference_tag: REFERENCE_TAG,
            seed: 1,
            switches: Switches::default(),
            messages_max: 100_000,
            pending_max: 1_000_000,
            connections_max: 256,
        }
    }
}

/// A simulator that listens. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    /// Where REST and `/_sim` listen.
    pub rest: SocketAddr,
    /// Where the SMPP connector listens.
    pub smpp: Option<SocketAddr>,
    world: Arc<World>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// Changes switches, as `POST /_sim/set` does.
    ///
    /// # Errors
    /// A phrase that names the switch; nothing is changed then.
    pub fn set(&self, changes: &Map<String, Value>) -> Result<(), String> {
        self.world.set(changes)
    }

    /// All tokens so far are worth nothing.
    pub fn revoke_tokens(&self) {
        self.world.revoke_tokens();
    }

    /// A mobile writes, to the first sender if `number` is `None`, as `POST /_sim/mo` does.
    pub fn incoming(&self, mobile: &str, number: Option<&str>, text: &str) {
        self.world.incoming(mobile, number, text);
    }

    /// Ids of the messages taken, with the client's references, newest first.
    pub fn messages(&self, limit: usize) -> Vec<(String, Option<String>)> {
        self.world.newest(limit).into_iter().map(|(_, status)| (status.id, status.ext_ref)).collect()
    }

    /// Closes everything; what was to happen does not. Resolves when nothing of it is left.
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

/// Starts a simulator.
///
/// # Errors
/// When an address cannot be listened on.
pub async fn start(config: Config, clock: Arc<Clock>) -> io::Result<Running> {
    let rest = TcpListener::bind(config.listen).await?;
    let smpp = match config.smpp {
        Some(address) => Some(TcpListener::bind(address).await?),
        None => None,
    };
    let rest_addr = rest.local_addr()?;
    let smpp_addr = smpp.as_ref().map(TcpListener::local_addr).transpose()?;
    // The endpoint is the operator's own word.
    let client = ClientConfig { guard: Guard::any(), ..ClientConfig::default() };
    let client = Client::new(client).map_err(io::Error::other)?;

    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (tls, connections_max) = (config.tls.clone(), config.connections_max);
    let world = Arc::new(World::new(config, clock, push::Pushing::new(client)));
    let turning = (Arc::clone(&world), stop.clone());
    tasks.spawn(async move { turning.0.run(&turning.1).await });
    let posting = (Arc::clone(&world), stop.clone());
    tasks.spawn(async move { posting.0.post.run(&posting.0.clock, &posting.1).await });
    for lane in (0..).take(usize::try_from(push::LANES).unwrap_or(1)) {
        let pushing = (Arc::clone(&world), stop.clone());
        tasks.spawn(async move { push::run(&pushing.0, lane, &pushing.1).await });
    }

    let router = rest::router(Arc::clone(&world)).merge(control::router(Arc::clone(&world)));
    let serve = move |stream| answer(stream, router.clone());
    let until = (stop.clone(), tasks.clone());
    tasks.spawn(listen::accept(rest, tls.clone(), connections_max, until.clone(), serve));
    if let Some(listener) = smpp {
        let shared = Arc::clone(&world);
        let serve = move |stream| {
            let world = Arc::clone(&shared);
            async move { connector::run(&world, stream).await }
        };
        tasks.spawn(listen::accept(listener, tls, connections_max, until, serve));
    }
    tasks.close();
    Ok(Running { rest: rest_addr, smpp: smpp_addr, world, stop, tasks })
}

/// Answers the requests of one connection, or cuts it when an answer says so.
async fn answer(stream: Box<dyn Duplex>, router: Router) -> io::Result<()> {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        // A router is always ready.
        let answered = router.clone().call(request);
        async move {
            let Ok(response) = answered.await;
            match response.extensions().get::<rest::Cut>() {
                None => Ok(response),
                Some(rest::Cut) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            }
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX);
    pin!(http.serve_connection(TokioIo::new(stream), service)).await.map_err(io::Error::other)
}

/// The TLV of the client's reference on SMPP, unless another one is said (§8a).
pub const REFERENCE_TAG: Tag = Tag(0x1501);

/// A request's head has to be whole after this; an idle connection is closed then.
const HEAD_MAX: Duration = Duration::from_secs(60);
