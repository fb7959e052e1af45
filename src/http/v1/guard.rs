//! Who asks: keys, addresses, rates. Stands before everything under `/v1` but its description.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::V1;
use super::access::{Access, Spent};
use super::keys::{KeyMark, Opened, Scopes};
use super::quota::{Quota, Webhook};
use crate::gateway::id::ServiceNo;
use crate::gateway::settings::Profile;
use crate::http::problem::Problem;

/// A request whose key opens something, and which has spent a token of its service.
///
/// There is no other way to a [`ServiceNo`] for a handler, so none can forget to ask who it is.
#[derive(Clone, Debug)]
pub(in crate::http) struct Authenticated {
    /// Whose key.
    pub(in crate::http) service: ServiceNo,
    /// The same as configured.
    pub(in crate::http) service_id: Arc<str>,
    /// What the key opens.
    pub(in crate::http) scopes: Scopes,
    /// Which table counts the service's segments.
    pub(in crate::http) profile: Profile,
    access: Arc<Access>,
    key: KeyMark,
    now_us: u64,
}

/// The same, before a token is spent: for requests that cost another number of them.
#[derive(Clone, Debug)]
pub(in crate::http) struct Unmetered(Authenticated);

impl Authenticated {
    /// # Errors
    /// 403 when the key lacks the scope.
    pub(in crate::http) fn require(&self, wanted: Scopes) -> Result<(), Problem> {
        if self.scopes.contain(wanted) {
            return Ok(());
        }
        let lacking: Vec<_> =
            wanted.names().filter(|name| !self.scopes.names().any(|has| has == *name)).collect();
        let lacking = lacking.join(" ");
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{lacking}\"");
        let problem =
            Problem::new(StatusCode::FORBIDDEN, "forbidden", format!("the key lacks the scope {lacking}"));
        Err(match HeaderValue::from_str(&challenge) {
            Ok(challenge) => problem.header(header::WWW_AUTHENTICATE, challenge),
            Err(_) => problem,
        })
    }

    /// The service's limits, for showing.
    pub(super) fn quota(&self) -> &Quota {
        &self.access.quota
    }

    /// The service's webhooks, for showing.
    pub(super) fn webhooks(&self) -> &[Webhook] {
        &self.access.webhooks
    }

    /// Requests per second; `None`: as many as it likes.
    pub(super) fn rate(&self) -> Option<u32> {
        Some(self.access.rate).filter(|&rate| rate > 0)
    }

    /// The key that was used.
    pub(super) fn key(&self) -> KeyMark {
        self.key
    }
}

impl Unmetered {
    /// Spends `tokens` (at least one) of the service's.
    ///
    /// # Errors
    /// 429 when they are not there; then none is spent.
    pub(in crate::http) fn spend(self, tokens: u32) -> Result<Authenticated, Problem> {
        let spent = self.0.access.spend(self.0.now_us, tokens.max(1));
        if spent.wait_us > 0 { Err(too_many(spent.wait_us)) } else { Ok(self.0) }
    }
}

impl FromRequestParts<V1> for Unmetered {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &V1) -> Result<Self, Problem> {
        // Put there by `guard`; without it nobody has been asked for a key.
        let caller = parts.extensions.get::<Authenticated>().cloned();
        caller.map(Self).ok_or_else(|| unauthorized("a key is needed: Authorization: Bearer …"))
    }
}

impl FromRequestParts<V1> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, v1: &V1) -> Result<Self, Problem> {
        Unmetered::from_request_parts(parts, v1).await?.spend(1)
    }
}

/// Finds out who asks and, whatever the answer is, tells how its tokens stand.
pub(super) async fn guard(State(v1): State<V1>, mut request: Request, next: Next) -> Response {
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let now_us = v1.now_us();
    let caller = match admit(&v1, request.headers(), from, now_us) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let access = Arc::clone(&caller.access);
    request.extensions_mut().insert(caller);
    let mut response = next.run(request).await;
    tell(response.headers_mut(), access.standing(v1.now_us()));
    response
}

fn admit(v1: &V1, headers: &HeaderMap, from: Option<IpAddr>, now_us: u64) -> Result<Authenticated, Problem> {
    let known = identify(v1, headers, from);
    let opened = match known {
        Ok(opened) => opened,
        Err(problem) => {
            // Only requests with a key spend the service's tokens; the others one of their address (SEMANTICS 13).
            let from = from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            let admitted = v1.0.strangers.admit(from, v1.told().strangers_rate, now_us);
            return Err(admitted.map_or_else(too_many, |()| problem));
        }
    };
    let Some(service) = opened.access.no(v1.engine()) else {
        return Err(Problem::not_now("the service is not known yet"));
    };
    Ok(Authenticated {
        service,
        service_id: Arc::clone(&opened.access.id),
        scopes: opened.scopes,
        profile: opened.access.profile,
        key: opened.mark,
        access: opened.access,
        now_us,
    })
}

fn identify(v1: &V1, headers: &HeaderMap, from: Option<IpAddr>) -> Result<Opened, Problem> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(authorization), None) = (given.next(), given.next()) else {
        return Err(unauthorized("a key is needed: Authorization: Bearer …"));
    };
    let Some(key) = bearer(authorization.as_bytes()) else {
        return Err(unauthorized("this is not Authorization: Bearer …"));
    };
    let opened =
        v1.told().keys.find(key).ok_or_else(|| invalid_token("unauthorized", "this key opens nothing"))?;
    if opened.not_after_ms.is_some_and(|end| v1.utc_ms() >= end) {
        tracing::info!(key = &*opened.id, service = &*opened.access.id, "a key that has ended was used");
        return Err(invalid_token("key_expired", "this key is not valid any more"));
    }
    if !opened.access.allows(from) {
        tracing::warn!(
            key = &*opened.id,
            service = &*opened.access.id,
            "a key was used from a foreign address"
        );
        let detail = "the service may not be used from this address";
        return Err(Problem::new(StatusCode::FORBIDDEN, "address_not_allowed", detail));
    }
    Ok(opened)
}

/// What follows the word Bearer, whatever its case (RFC 9110 §11.1).
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = authorization.split_at_checked(BEARER.len())?;
    let key = rest.trim_ascii();
    let is_bearer = scheme.eq_ignore_ascii_case(BEARER) && rest.first() == Some(&b' ');
    (is_bearer && !key.is_empty()).then_some(key)
}

const BEARER: &[u8] = b"Bearer";

fn unauthorized(detail: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

fn invalid_token(code: &'static str, detail: &'static str) -> Problem {
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    Problem::new(StatusCode::UNAUTHORIZED, code, detail).header(header::WWW_AUTHENTICATE, challenge)
}

fn too_many(wait_us: u64) -> Problem {
    let seconds = wait_us.div_ceil(1_000_000).max(1);
    let detail = format!("too many requests; this one passes after {seconds} s");
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit", detail).after(seconds)
}

/// `RateLimit` and `RateLimit-Policy` as the HTTP working group's draft has them: a quota per window of one second.
fn tell(headers: &mut HeaderMap, spent: Spent) {
    if spent.rate == 0 {
        return;
    }
    let policy = HeaderValue::from_str(&format!("\"service\";q={};w=1", spent.rate));
    let limit = HeaderValue::from_str(&format!("\"service\";r={};t=1", spent.left));
    if let (Ok(policy), Ok(limit)) = (policy, limit) {
        headers.insert(HeaderName::from_static("ratelimit-policy"), policy);
        headers.insert(HeaderName::from_static("ratelimit"), limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_follows_the_word_bearer() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        for wrong in [&b""[..], b"Bearer", b"Bearer ", b"Bearerabc", b"Basic abc", b"abc"] {
            assert_eq!(bearer(wrong), None, "{}", wrong.escape_ascii());
        }
    }
}
