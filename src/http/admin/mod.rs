//! The admin listener: how the process is, and what the `trunkline` command asks of it.
//!
//! | path | answer |
//! |---|---|
//! | `GET /healthz` | `ok` as long as the process lives |
//! | `GET /readyz` | `ready`, or 503 and why not |
//! | `GET /metrics` | Prometheus text |
//! | `POST /messages` | sends a message: `{"to", "text", "from"?, "service"?, "validity_s"?}` → 201 `{"id", …}` |
//! | `GET /messages/{id}` | a message's status and history; `last`: of the one that was posted last |
//! | `GET /messages` | messages of services that use HTTP: `service`, `number`, `reference`, `state`, `incoming`, `since_ms`, `limit` |
//! | `GET /services` | totals of each service |
//! | `GET /upstreams` | how each upstream stands |
//! | `GET /dead` | dead letters |
//! | `POST /dead/{service}` | tries the dead letters of a service again |
//! | `GET /webhooks` | how each webhook stands |
//! | `GET /webhooks/{service}/{name}/dead`, `POST …/retry`, `POST …/replay` | its dead letters; tries them again; owes it events again: `{"after"}` |
//! | `POST /reload` | reads the configuration again: 200 with warnings, or 422 with problems and nothing changed |
//!
//! The first three are for anybody who reaches the listener, which is on loopback unless configured otherwise. The rest
//! wants `Authorization: Bearer` with the token that lies in the data directory.

mod list;
mod message;
mod metrics;
mod overview;
mod reload;
mod send;
mod token;
mod webhooks;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub use self::reload::{Complaint, ReloadAsked, Reloaded};
pub use self::send::submission;
pub use self::token::{TOKEN_FILE, Token, random_hex, token, token_path};
use tokio::sync::mpsc;

use super::problem::Problem;
use super::reading::read;
use crate::engine::Engine;
use crate::gateway::id::MessageId;
use crate::telemetry;

/// What the admin listener shows and does.
#[derive(Clone)]
pub struct Admin(Arc<Inner>);

struct Inner {
    token: Token,
    metrics: telemetry::Metrics,
    open: RwLock<Option<Arc<Open>>>,
    /// Where a wish to reload goes.
    reload: OnceLock<mpsc::Sender<ReloadAsked>>,
    /// Set when the process is stopping.
    stopping: OnceLock<()>,
    /// The message that was posted last.
    last: Mutex<Option<MessageId>>,
}

/// What is there once the engine has recovered.
pub struct Open {
    /// The engine.
    pub engine: Engine,
    /// The country code that national numbers belong to.
    pub country: String,
    /// Ids of the configured services; the first one sends when none is named.
    pub services: Vec<String>,
    /// Of these, the ones whose messages can be listed.
    pub listed: HashSet<String>,
    /// Ids of the configured webhooks (`service/name`), and how many calls each may get at once.
    pub endpoints: HashMap<String, u32>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("open", &self.is_open().is_some()).finish_non_exhaustive()
    }
}

impl Admin {
    /// An admin whose process is still recovering.
    pub fn new(token: Token, metrics: telemetry::Metrics) -> Self {
        Self(Arc::new(Inner {
            token,
            metrics,
            open: RwLock::new(None),
            reload: OnceLock::new(),
            stopping: OnceLock::new(),
            last: Mutex::new(None),
        }))
    }

    /// The engine has recovered, or its settings have changed.
    pub fn open(&self, open: Open) {
        *self.0.open.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(open));
    }

    fn is_open(&self) -> Option<Arc<Open>> {
        self.0.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process is stopping: it is not ready any more.
    pub fn stopping(&self) {
        let _ = self.0.stopping.set(());
    }

    /// What `GET /messages/last` is about.
    fn last(&self) -> Option<MessageId> {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn posted(&self, id: MessageId) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    /// Why the process is not ready, if it is not.
    pub fn unready(&self) -> Option<String> {
        if self.0.stopping.get().is_some() {
            return Some("stopping".into());
        }
        let Some(open) = self.is_open() else { return Some("recovering".into()) };
        let figures = open.engine.figures();
        let health = &figures.health;
        match (health.ready, &health.why) {
            (true, None) => None,
            (_, Some(why)) => Some(why.clone()),
            (false, None) => Some("the engine does not take messages".into()),
        }
    }

    /// What is served.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics::render))
            .route("/messages", post(send::send).get(list::list))
            .route("/messages/{id}", get(message::status))
            .route("/services", get(overview::services))
            .route("/upstreams", get(overview::upstreams))
            .route("/dead", get(overview::dead))
            .route("/dead/{service}", post(overview::revive))
            .route("/webhooks", get(webhooks::list))
            .route("/webhooks/{service}/{name}/dead", get(webhooks::dead))
            .route("/webhooks/{service}/{name}/retry", post(webhooks::retry))
            .route("/webhooks/{service}/{name}/replay", post(webhooks::replay))
            .route("/reload", post(reload::reload))
            .fallback(|| async {
                Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing under this path")
            })
            .layer(DefaultBodyLimit::max(BODY_OCTETS_MAX))
            .with_state(self.clone())
    }
}

async fn readyz(State(admin): State<Admin>) -> Response {
    match admin.unready() {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}

/// A request that carries the token, and the engine that it may talk to.
struct Operator(Admin);

impl Operator {
    fn open(&self) -> Result<Arc<Open>, Problem> {
        self.0.is_open().ok_or_else(|| Problem::not_now("recovering"))
    }
}

impl FromRequestParts<Admin> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        let given = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        match given.and_then(|value| value.strip_prefix("Bearer ")) {
            Some(given) if admin.0.token.is(given.trim()) => Ok(Self(admin.clone())),
            _ => {
                let message = "this wants the token that lies in the data directory";
                Err(Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", message))
            }
        }
    }
}

/// UTC milliseconds as RFC 3339.
fn time(utc_ms: u64) -> String {
    let timestamp = i64::try_from(utc_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(|| utc_ms.to_string(), |timestamp| format!("{timestamp:.3}"))
}

/// The largest body that is read.
const BODY_OCTETS_MAX: usize = 256 << 10;
