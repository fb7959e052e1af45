//! The vendor's REST methods, served by us: a client written for TimeToChat points here and notices nothing.
//!
//! | path below `/mug/api/V1` | answer |
//! |---|---|
//! | `POST /services/{service_id}/token` | 201 `{"token"}` for a password |
//! | `POST /services/{service_id}/messages` | 201 `{"id", "extRef"?}` once the message is on disk |
//! | `GET /services/{service_id}/messages/{message_id}` | 200 with its history |
//!
//! The order of checks is contracts/timetochat.md §8a's: rate, token, body, account, sender. Requests with a good token
//! spend the rate of their service, all others that of their address (SEMANTICS 13). Shapes are `vendor::timetochat`'s;
//! errors are [`fault::Fault`], not the problem details of the native API.

mod account;
mod body;
mod fault;
mod login;
mod metrics;
mod number;
mod openapi;
mod read;
mod send;
mod token;
mod view;

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};

pub use self::account::{Account, Outside};
use self::account::{Accounts, Entry};
use self::fault::Fault;
use self::metrics::Metrics;
pub use self::openapi::openapi;
pub use self::token::{SIGNING_KEY_FILE, SigningKey, signing_key, signing_key_path};
pub use self::view::Errors;
use super::strangers::Strangers;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::net::Failures;
pub use crate::vendor::timetochat::{Vocabulary, vendor_errors};

/// What the methods were told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who may use them; each `rest_id` once.
    pub accounts: Vec<Account>,
    /// The country code that a national number (leading 0) belongs to.
    pub country: String,
    /// What tokens are signed with.
    pub signing_key: SigningKey,
    /// Calls per second and address that are answered though they carry no good token; 0 is unlimited.
    pub strangers_rate: u32,
    /// Delay of the answer to a wrong password; doubled each time for the same address.
    pub failure_delay: Duration,
    /// The longest such delay.
    pub failure_delay_max: Duration,
    /// How long a body may take to come.
    pub body_patience: Duration,
    /// What error numbers of an upstream (by its id) mean. Those of other upstreams mean nothing.
    pub errors: HashMap<String, Errors>,
}

impl Config {
    /// Nobody's methods in `country`, with the usual limits.
    #[must_use]
    pub fn new(country: impl Into<String>, signing_key: SigningKey) -> Self {
        Self {
            accounts: Vec::new(),
            country: country.into(),
            signing_key,
            strangers_rate: 20,
            failure_delay: Duration::from_millis(500),
            failure_delay_max: Duration::from_secs(8),
            body_patience: Duration::from_secs(10),
            errors: HashMap::new(),
        }
    }
}

/// The vendor's REST methods. Cheap to clone.
#[derive(Clone)]
pub struct Mug(Arc<Inner>);

struct Inner {
    engine: Engine,
    clock: Arc<Clock>,
    started: Instant,
    told: RwLock<Arc<Told>>,
    failures: Failures,
    strangers: Strangers,
    metrics: Metrics,
}

/// A [`Config`] in use.
#[derive(Debug)]
struct Told {
    accounts: Accounts,
    country: String,
    errors: HashMap<String, Errors>,
    strangers_rate: u32,
    body_patience: Duration,
}

impl Told {
    fn new(config: Config, old: Option<&Self>, now_us: u64) -> Arc<Self> {
        let old = old.map(|old| &old.accounts);
        Arc::new(Self {
            accounts: Accounts::new(config.accounts, config.signing_key, old, now_us),
            country: config.country,
            errors: config.errors,
            strangers_rate: config.strangers_rate,
            body_patience: config.body_patience,
        })
    }
}

impl fmt::Debug for Mug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mug").field("told", &self.told()).finish_non_exhaustive()
    }
}

impl Mug {
    /// The methods in front of `engine`. To be made after the metrics recorder is installed.
    #[must_use]
    pub fn new(config: Config, engine: Engine, clock: Arc<Clock>) -> Self {
        let started = clock.instant();
        Self(Arc::new(Inner {
            engine,
            clock,
            started,
            failures: Failures::new(config.failure_delay, config.failure_delay_max),
            told: RwLock::new(Told::new(config, None, 0)),
            strangers: Strangers::default(),
            metrics: Metrics::new(),
        }))
    }

    /// Takes another configuration over, after the engine knows its services; only the delays of failures stay as they were.
    /// What a service has spent stays spent; tokens hold unless the password is another one.
    pub fn configure(&self, config: Config) {
        let told = Told::new(config, Some(&self.told()), self.now_us());
        *self.0.told.write().unwrap_or_else(PoisonError::into_inner) = told;
    }

    /// What is served: everything under `/mug/api/V1`.
    pub fn router(&self) -> Router {
        let methods = Router::new()
            .route("/services/{service_id}/token", post(login::token).fallback(not_with("POST")))
            .route("/services/{service_id}/messages", post(send::send).fallback(not_with("POST")))
            .route(
                "/services/{service_id}/messages/{message_id}",
                get(read::read).fallback(not_with("GET, HEAD")),
            )
            .fallback(|| async { Fault::no_path() })
            .with_state(self.clone());
        // Nesting leaves the bare prefix with its slash to whoever is outside.
        let bare = [PREFIX, "/"].concat();
        Router::new().nest(PREFIX, methods).route(&bare, any(|| async { Fault::no_path() }))
    }

    fn told(&self) -> Arc<Told> {
        Arc::clone(&self.0.told.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The account whose token the request carries, after a token of its rate is spent.
    fn admit(
        &self,
        told: &Told,
        service_id: &str,
        headers: &HeaderMap,
        from: IpAddr,
    ) -> Result<Arc<Entry>, Fault> {
        let now_s = self.0.clock.utc_ms() / 1_000;
        let entry = told.accounts.find(service_id, from);
        let token = bearer(headers);
        match entry.zip(token).filter(|(entry, token)| entry.tokens.is_good(token, now_s)) {
            Some((entry, _)) => {
                self.spend(entry)?;
                Ok(Arc::clone(entry))
            }
            None => Err(self.stranger(told, from, Fault::authentication())),
        }
    }

    fn spend(&self, entry: &Entry) -> Result<(), Fault> {
        if entry.spend(self.now_us()) {
            return Ok(());
        }
        self.0.metrics.limited_service.increment(1);
        Err(Fault::too_many())
    }

    /// The answer to somebody without a good token or password: `fault`, as long as the address has a rate left.
    fn stranger(&self, told: &Told, from: IpAddr, fault: Fault) -> Fault {
        match self.0.strangers.admit(from, told.strangers_rate, self.now_us()) {
            Ok(()) => fault,
            Err(_) => {
                self.0.metrics.limited_address.increment(1);
                Fault::too_many()
            }
        }
    }

    /// Microseconds since the start, for buckets.
    fn now_us(&self) -> u64 {
        let elapsed = self.0.clock.instant().saturating_duration_since(self.0.started);
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }
}

/// The token of `Authorization: Bearer …`, if there is one such header and one token in it.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Where a request came from.
struct Peer(IpAddr);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())))
    }
}

/// The handler of all methods but `allow`.
fn not_with(allow: &'static str) -> impl Fn() -> std::future::Ready<Fault> + Clone + Send + 'static {
    move || std::future::ready(Fault::method(allow))
}

/// An answer in JSON.
fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, [kind], body).into_response()
}

/// What stands before every path.
const PREFIX: &str = "/mug/api/V1";

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).expect("it can be a header"));
        }
        headers
    }

    #[test]
    fn one_bearer_token_is_one() {
        for good in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "] {
            assert_eq!(bearer(&headers(&[good])), Some("a.b.c"), "{good}");
        }
        for bad in
            [&[][..], &["Bearer"], &["Basic a.b.c"], &["a.b.c"], &["Bearer a", "Bearer a"], &["Beareré a"]]
        {
            assert_eq!(bearer(&headers(bad)), None, "{bad:?}");
        }
    }
}
