//! `trunkline demo`: everything in one process, on one machine, with nothing to prepare.
//!
//! An ordinary gateway with one service, and behind it the simulated SMSC on its own TLS socket, to which an ordinary
//! upstream binds; or, with `--upstream`, real ones. Credentials and certificate are made at the first start in the
//! data directory, kept there for its owner alone, and used again.

mod secrets;
mod told;
mod upstream;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;

pub use self::secrets::{API_KEY_FILE, CERTIFICATE_FILE, PASSWORD_FILE, Secrets};
pub use self::told::Told;
pub use self::upstream::{UpstreamUrl, UrlError};
use super::{Running, StartError};
use crate::clock::Clock;
use crate::config::{self, HttpService, OutsideGsm, Process, Rest, Settings};
use crate::gateway::port::Refusal;
use crate::gateway::settings::{self as gateway, Profile};
use crate::http::v1::{ApiKey, Scopes, sha256};
use crate::net;
use crate::sim::smsc;
use crate::{engine, smpp, telemetry};

/// The demo's service, and what it binds with.
pub const SERVICE: &str = "demo";
/// The sender that always may be used.
pub const SENDER: &str = "33930000000";
/// Where `trunkline send` of the printed lines goes.
pub const RECIPIENT: &str = "33612345678";

/// What the demo was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where data is kept. `None`: in a temporary directory, removed at the end.
    pub data_dir: Option<PathBuf>,
    /// Where SMPP over TLS is spoken. `None`: on the usual port of loopback, or a free one.
    pub smpp_tls: Option<SocketAddr>,
    /// Where plain SMPP is spoken. `None`: nowhere.
    pub smpp_plain: Option<SocketAddr>,
    /// Where the façade listens. `None`: as for `smpp_tls`.
    pub http: Option<SocketAddr>,
    /// Without the façade: nothing is kept for readers over HTTP.
    pub no_http: bool,
    /// Where the admin listener is. `None`: as for `smpp_tls`.
    pub admin: Option<SocketAddr>,
    /// Real SMSCs instead of the simulated one.
    pub upstreams: Vec<UpstreamUrl>,
    /// Requests per second of the service; 0: unlimited.
    pub rate: u32,
    /// How the server behaves towards the service.
    pub profile: Profile,
    /// Threads for sockets.
    pub threads: usize,
}

/// Why the demo did not start.
#[derive(Debug)]
pub enum DemoError {
    /// Its files cannot be made.
    Files {
        /// Where.
        dir: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Its certificate cannot be made or used.
    Tls(net::tls::TlsError),
    /// The simulated SMSC cannot listen.
    Simulator(io::Error),
    /// The gateway does not start.
    Start(StartError),
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { dir, .. } => write!(f, "the files of the demo cannot be kept in {}", dir.display()),
            Self::Tls(_) => f.write_str("the demo's certificate cannot be used"),
            Self::Simulator(_) => f.write_str("the simulated SMSC cannot listen"),
            Self::Start(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DemoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Files { error, .. } | Self::Simulator(error) => Some(error),
            Self::Tls(error) => Some(error),
            Self::Start(error) => error.source(),
        }
    }
}

/// A demo that works.
#[derive(Debug)]
pub struct Demo {
    /// What to tell about it.
    pub told: Told,
    running: Running,
    simulator: Option<smsc::Running>,
    temporary: Option<PathBuf>,
}

/// Starts the demo.
///
/// # Errors
/// [`DemoError`]. A temporary directory is removed again.
pub async fn start(options: Options, clock: Arc<Clock>) -> Result<Demo, DemoError> {
    let (data_dir, temporary) = match &options.data_dir {
        Some(dir) => (dir.clone(), None),
        None => {
            let dir =
                temporary_dir().map_err(|error| DemoError::Files { dir: std::env::temp_dir(), error })?;
            (dir.clone(), Some(dir))
        }
    };
    let started = start_in(data_dir, options, clock).await;
    match started {
        Ok(demo) => Ok(Demo { temporary, ..demo }),
        Err(error) => {
            remove(temporary);
            Err(error)
        }
    }
}

async fn start_in(data_dir: PathBuf, options: Options, clock: Arc<Clock>) -> Result<Demo, DemoError> {
    // Before anything is read or made in it: a second demo there would make other secrets.
    let lock = super::lock(&data_dir).map_err(DemoError::Start)?;
    let in_files = |error| DemoError::Files { dir: data_dir.clone(), error };
    let data_dir = std::fs::canonicalize(&data_dir).map_err(in_files)?;
    let in_files = |error| DemoError::Files { dir: data_dir.clone(), error };
    let secrets = Secrets::of(&data_dir).map_err(in_files)?;
    let shown = net::tls::ServerTls::new(&secrets.identity, None, net::tls::Inside::Smpp);
    let tls = Arc::new(shown.map_err(DemoError::Tls)?);

    let (simulator, upstreams) = if options.upstreams.is_empty() {
        let config = smsc::Config {
            tls: Some(tls.current()),
            ..smsc::Config::loopback(SIMULATOR, &secrets.simulator_password)
        };
        let running = smsc::start(config, Arc::clone(&clock)).await.map_err(DemoError::Simulator)?;
        let upstream = to_simulator(running.addr, &secrets, &data_dir);
        (Some(running), vec![upstream])
    } else {
        let real = options.upstreams.iter().enumerate().map(|(at, url)| url.configure(at));
        (None, real.collect())
    };
    let settings = settings(&options, data_dir.clone(), &secrets, tls, upstreams).await;
    let running = super::start_locked(settings, lock, clock).await.map_err(DemoError::Start)?;

    let listening =
        |tls| running.addresses.smpp.iter().find(|listening| listening.tls == tls).map(|l| l.address);
    let told = Told {
        smpp_tls: listening(true),
        smpp_plain: listening(false),
        http: running.addresses.http,
        admin: running.addresses.admin,
        ca_file: data_dir.join(CERTIFICATE_FILE),
        service_id: SERVICE.into(),
        system_id: SERVICE.into(),
        password: secrets.password.clone(),
        api_key: secrets.api_key.clone(),
        sender: SENDER.into(),
        data_dir,
        is_simulated: simulator.is_some(),
    };
    Ok(Demo { told, running, simulator, temporary: None })
}

impl Demo {
    /// Sends a first message, so that there is one to look at; its id.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn send_first(&self) -> Result<crate::gateway::id::MessageId, Refusal> {
        let service = self.running.engine.service(SERVICE).ok_or(Refusal::Unavailable)?;
        let address = |number| crate::http::address_of(number, "").map_err(|_| Refusal::Destination);
        let submission =
            crate::http::admin::submission(address(SENDER)?, address(RECIPIENT)?, "Hello from Trunkline");
        self.running.engine.submit(service, submission).await.map(|taken| taken.id)
    }

    /// Stops in order; a temporary directory is removed.
    pub async fn stop(self) {
        self.running.stop().await;
        if let Some(simulator) = self.simulator {
            simulator.stop().await;
        }
        remove(self.temporary);
    }
}

/// The whole configuration of the demo, as a file would have it.
async fn settings(
    options: &Options,
    data_dir: PathBuf,
    secrets: &Secrets,
    tls: Arc<net::tls::ServerTls>,
    upstreams: Vec<(gateway::Upstream, smpp::Peer)>,
) -> Settings {
    let profile = options.profile;
    let mut listeners = vec![smpp::Listener {
        address: given_or_free(options.smpp_tls, 5772).await,
        tls: Some(tls),
        profile,
    }];
    listeners.extend(options.smpp_plain.map(|address| smpp::Listener { address, tls: None, profile }));
    let (upstreams, peers): (Vec<_>, Vec<_>) = upstreams.into_iter().unzip();
    let route = gateway::Route {
        service: None,
        sender: String::new(),
        destination: String::new(),
        upstreams: upstreams.iter().map(|upstream| upstream.id.clone()).collect(),
    };
    let mo_route =
        gateway::MoRoute { upstream: None, number: String::new(), exact: false, service: SERVICE.into() };
    let service = gateway::Service {
        profile,
        senders: match profile {
            Profile::Standard => None,
            Profile::TimeToChat => Some(HashSet::from([SENDER.to_owned()])),
        },
        default_sender: crate::http::address_of(SENDER, "").ok(),
        watched: !options.no_http,
        ..gateway::Service::new(SERVICE)
    };
    let account = smpp::Account {
        service: SERVICE.into(),
        system_id: SERVICE.into(),
        password: net::Secret::new(secrets.password.clone()),
        bind_limit: BIND_LIMIT,
        rate: options.rate,
        profile,
        allow_from: None,
        enquire_link: None,
    };
    let key = ApiKey {
        id: SERVICE.into(),
        service: SERVICE.into(),
        secret_sha256: sha256(secrets.api_key.as_bytes()),
        scopes: Scopes::ALL,
        not_after_ms: None,
    };
    let http = HttpService {
        service: SERVICE.into(),
        profile,
        rate: options.rate,
        allow_from: None,
        rest: Some(Rest {
            id: SERVICE.into(),
            password: net::Secret::new(secrets.password.clone()),
            long_states: false,
            outside_gsm: OutsideGsm::Promote,
        }),
        keys: vec![key],
        webhooks: Vec::new(),
    };
    let smpp = smpp::Config { listeners, ..smpp::Config::default() };
    Settings {
        process: Process { threads: options.threads, drain: smpp.drain },
        log: telemetry::Config::default(),
        engine: engine::Config { data_dir, ..engine::Config::default() },
        smpp,
        http: match options.no_http {
            true => None,
            false => Some(config::default_http(given_or_free(options.http, config::HTTP.port()).await)),
        },
        admin: given_or_free(options.admin, config::ADMIN.port()).await,
        allow_private: None,
        http_services: if options.no_http { Vec::new() } else { vec![http] },
        accounts: vec![account],
        peers,
        vendors: Vec::new(),
        inlets: Vec::new(),
        gateway: gateway::Settings {
            services: vec![service],
            upstreams,
            routes: vec![route],
            mo_routes: vec![mo_route],
            rules: config::default_rules(),
        },
    }
}

/// The upstream that is the simulated SMSC, configured like any other.
fn to_simulator(
    addr: SocketAddr,
    secrets: &Secrets,
    data_dir: &std::path::Path,
) -> (gateway::Upstream, smpp::Peer) {
    let peer = smpp::Peer {
        system_id: SIMULATOR.into(),
        password: net::Secret::new(secrets.simulator_password.clone()),
        tls: Some(net::PeerTls {
            ca: Some(data_dir.join(CERTIFICATE_FILE)),
            server_name: None,
            insecure: false,
        }),
        window: 100,
        ..smpp::Peer::new(SIMULATOR, &addr.ip().to_string(), addr.port())
    };
    (config::default_upstream(SIMULATOR.into()), peer)
}

/// The given address; or the usual port of loopback, or a free one when that is taken.
async fn given_or_free(given: Option<SocketAddr>, usual: u16) -> SocketAddr {
    if let Some(given) = given {
        return given;
    }
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, usual));
    match tokio::net::TcpListener::bind(usual).await {
        Ok(_) => usual,
        Err(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    }
}

fn temporary_dir() -> io::Result<PathBuf> {
    let dir = std::env::temp_dir().join(format!("trunkline-demo-{}", crate::http::admin::random_hex(4)?));
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(&dir)?;
    Ok(dir)
}

fn remove(temporary: Option<PathBuf>) {
    if let Some(dir) = temporary
        && let Err(error) = std::fs::remove_dir_all(&dir)
    {
        tracing::warn!(%error, dir = %dir.display(), "the temporary directory stays behind");
    }
}

/// A rate as the gateway has it.
fn limit(rate: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(rate)
}

/// The simulated SMSC's upstream id and system_id.
const SIMULATOR: &str = "simulator";

/// Sessions of the demo's service at once; load tools open many.
const BIND_LIMIT: u32 = 2_000;
