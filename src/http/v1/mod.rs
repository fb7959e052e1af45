//! The native API under `/v1`: what TimeToChat's interface cannot say, and SMPP only with effort.
//!
//! [`V1`] is the state of all handlers. `guard` stands before them: it finds out by the key whose request it is, and every
//! handler that takes [`guard::Authenticated`] has spent a token of that service. Errors are problem details
//! (`http::problem`); bodies are read by `body`, which tells every fault at once.

mod access;
mod blacklist;
mod body;
mod events;
mod guard;
mod incoming;
mod keys;
mod messages;
mod openapi;
mod path;
mod query;
mod quota;
mod segments;
mod stream;
mod usage;
mod webhooks;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{any, get};
use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;

use self::access::Access;
pub use self::access::ServiceAccess;
use self::guard::Authenticated;
use self::keys::Keys;
pub use self::keys::{ApiKey, Scopes, sha256};
use self::messages::InFlight;
pub use self::openapi::openapi;
pub use self::quota::{Quota, Webhook};
pub use self::stream::StreamLimits;
use self::stream::Streams;
use super::problem::Problem;
use super::strangers::Strangers;
use crate::clock::Clock;
use crate::engine::Engine;

/// What the native API was told; replaced whole on reload.
#[derive(Clone, Debug)]
pub struct Config {
    /// Services that may use it.
    pub services: Vec<ServiceAccess>,
    /// Their keys; of a service that is not among [`services`](Self::services) they open nothing.
    pub keys: Vec<ApiKey>,
    /// The country code that a national number (leading 0) belongs to.
    pub country: String,
    /// Requests per second and address that are answered though they carry no key that opens anything; 0 is
    /// unlimited.
    pub strangers_rate: u32,
    /// Where months begin and end, for showing.
    pub timezone: TimeZone,
    /// How many event streams may be open; taken over at the start only.
    pub streams: StreamLimits,
}

impl Config {
    /// Nobody's API in `country`; strangers get a hundred answers per second.
    #[must_use]
    pub fn new(country: impl Into<String>) -> Self {
        Self {
            services: Vec::new(),
            keys: Vec::new(),
            country: country.into(),
            strangers_rate: 100,
            timezone: TimeZone::UTC,
            streams: StreamLimits::default(),
        }
    }
}

/// The native API. Cheap to clone.
#[derive(Clone, Debug)]
pub struct V1(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    clock: Arc<Clock>,
    started: Instant,
    told: RwLock<Arc<Told>>,
    strangers: Strangers,
    in_flight: InFlight,
    streams: Streams,
    /// Ends all streams.
    stop: CancellationToken,
}

/// A [`Config`] in use.
#[derive(Debug)]
struct Told {
    accesses: HashMap<String, Arc<Access>>,
    keys: Keys,
    country: String,
    strangers_rate: u32,
    timezone: TimeZone,
}

impl V1 {
    /// The API in front of `engine`.
    #[must_use]
    pub fn new(config: Config, engine: Engine, clock: Arc<Clock>) -> Self {
        let nobody = Told {
            accesses: HashMap::new(),
            keys: Keys::default(),
            country: String::new(),
            strangers_rate: 0,
            timezone: TimeZone::UTC,
        };
        let started = clock.instant();
        let told = RwLock::new(Arc::new(nobody));
        let stop = CancellationToken::new();
        let source = Arc::new(events::EngineSource(engine.clone()));
        let streams = Streams::new(source, config.streams, stop.clone());
        let v1 = Self(Arc::new(Inner {
            engine,
            clock,
            started,
            told,
            strangers: Strangers::default(),
            in_flight: InFlight::default(),
            streams,
            stop,
        }));
        v1.configure(config);
        v1
    }

    /// Takes another configuration over. Requests under way end by the old one; what a service has spent stays spent.
    pub fn configure(&self, config: Config) {
        let old = self.told();
        let now_us = self.now_us();
        let accesses: HashMap<_, _> = config
            .services
            .into_iter()
            .map(|service| {
                let id = service.id.clone();
                let before = old.accesses.get(&id).map(|access| &**access);
                (id, Arc::new(Access::new(service, before, now_us)))
            })
            .collect();
        let keys = Keys::new(config.keys, &accesses);
        let Config { country, strangers_rate, timezone, .. } = config;
        let told = Told { accesses, keys, country, strangers_rate, timezone };
        *self.0.told.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(told);
    }

    /// What is served: everything under `/v1`.
    pub fn router(&self) -> Router {
        let guarded = Router::new()
            .merge(messages::router())
            .merge(segments::router())
            .merge(events::router())
            .merge(incoming::router())
            .merge(blacklist::router())
            .merge(webhooks::router())
            .merge(usage::router())
            .route("/v1", any(not_found))
            .route("/v1/{*rest}", any(not_found))
            .method_not_allowed_fallback(method_not_allowed)
            .layer(middleware::from_fn_with_state(self.clone(), guard::guard))
            .layer(DefaultBodyLimit::max(BODY_OCTETS_MAX))
            .with_state(self.clone());
        // Who may read how it is asked need not have a key.
        Router::new().route("/v1/openapi.json", get(openapi::serve)).merge(guarded)
    }

    pub(in crate::http) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(in crate::http) fn utc_ms(&self) -> u64 {
        self.0.clock.utc_ms()
    }

    /// Ends all event streams, and lets none begin: the process stops. Other requests are answered as before.
    pub fn end_streams(&self) {
        self.0.stop.cancel();
    }

    fn streams(&self) -> &Streams {
        &self.0.streams
    }

    fn timezone(&self) -> TimeZone {
        self.told().timezone.clone()
    }

    fn in_flight(&self) -> &InFlight {
        &self.0.in_flight
    }

    pub(in crate::http) fn country(&self) -> String {
        self.told().country.clone()
    }

    fn told(&self) -> Arc<Told> {
        Arc::clone(&self.0.told.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Microseconds since the start, for buckets.
    fn now_us(&self) -> u64 {
        let elapsed = self.0.clock.instant().saturating_duration_since(self.0.started);
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }
}

/// Largest body: a batch of a thousand long messages.
const BODY_OCTETS_MAX: usize = 4 << 20;

async fn not_found(_: Authenticated) -> Problem {
    Problem::not_found("there is nothing under this path")
}

async fn method_not_allowed(_: Authenticated) -> Problem {
    let detail = "this path has other methods; the header Allow names them";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
