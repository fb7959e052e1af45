//! The REST methods (§2), with the order of checks of §8a.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};

use super::chance::How;
use super::store::{Via, measure};
use super::world::{Draft, FAULT_READ, FAULT_SEND_AFTER, FAULT_SEND_BEFORE, FAULT_TOKEN, Refused, World};
use crate::vendor::timetochat::{Flaw, Problem, SendAnswer, SendRequest, TokenAnswer, TokenRequest};

/// Where the vendor's API is.
pub const BASE: &str = "/mug/api/V1";

pub(super) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route(&format!("{BASE}/services/{{service}}/token"), post(token))
        .route(&format!("{BASE}/services/{{service}}/messages"), post(send))
        .route(&format!("{BASE}/services/{{service}}/messages/{{id}}"), get(read))
        .with_state(world)
}

/// An answer that is not given: the connection is cut instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut;

/// A refusal is as large as an answer, and rarer.
type Refusal = Box<Response>;

async fn token(State(world): State<Arc<World>>, Path(service): Path<String>, request: Request) -> Response {
    let answer = async {
        within_rate(&world)?;
        fail(&world, FAULT_TOKEN).await?;
        let asked = TokenRequest::read(&body_of(request).await?).map_err(flawed)?;
        match world.token(&service, &asked.password) {
            Some(token) => Ok(json(StatusCode::CREATED, TokenAnswer { token }.write())),
            None => Err(problem(StatusCode::UNAUTHORIZED, &Problem::AUTHENTICATION_FAILED)),
        }
    };
    answer.await.unwrap_or_else(|refused: Refusal| *refused)
}

async fn send(State(world): State<Arc<World>>, Path(service): Path<String>, request: Request) -> Response {
    take(&world, &service, request).await.unwrap_or_else(|refused| *refused)
}

async fn take(world: &World, service: &str, request: Request) -> Result<Response, Refusal> {
    within_rate(world)?;
    authenticated(world, service, request.headers())?;
    fail(world, FAULT_SEND_BEFORE).await?;
    let asked = SendRequest::read(&body_of(request).await?).map_err(flawed)?;
    let fits = |asked: &SendRequest| measure(&asked.text, asked.unicode).fits;
    let validity_ms = asked.check(world.clock.utc_ms(), fits).map_err(flawed)?;
    let draft = Draft {
        via: Via::Rest,
        addresses: None,
        from: asked.from,
        to: asked.to,
        text: asked.text,
        unicode: asked.unicode,
        flash: asked.flash,
        reference: asked.ext_ref.clone().map(String::into_bytes),
        validity_ms,
    };
    let id = world.take(draft).map_err(|refused| match refused {
        Refused::AccountExpired => problem(StatusCode::FORBIDDEN, &Problem::ACCOUNT_EXPIRED),
        Refused::MonthlyLimit => problem(StatusCode::FORBIDDEN, &Problem::MONTHLY_LIMIT_REACHED),
        Refused::Sender => problem(StatusCode::FORBIDDEN, &Problem::FORBIDDEN_SENDER),
        Refused::Full => problem(StatusCode::SERVICE_UNAVAILABLE, &FULL),
    })?;
    fail(world, FAULT_SEND_AFTER).await?;
    Ok(json(StatusCode::CREATED, SendAnswer { id, ext_ref: asked.ext_ref }.write()))
}

async fn read(
    State(world): State<Arc<World>>,
    Path((service, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let answer = async {
        within_rate(&world)?;
        authenticated(&world, &service, &headers)?;
        fail(&world, FAULT_READ).await?;
        match world.status(&id) {
            Some(status) => Ok(json(StatusCode::OK, status.write(world.switches().vocabulary))),
            None => Err(problem(StatusCode::NOT_FOUND, &Problem::MESSAGE_NOT_FOUND)),
        }
    };
    answer.await.unwrap_or_else(|refused: Refusal| *refused)
}

fn within_rate(world: &World) -> Result<(), Refusal> {
    if world.takes_call(Via::Rest) { Ok(()) } else { Err(too_many()) }
}

fn authenticated(world: &World, service: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match token {
        Some((_, token)) if world.is_good_token(token.trim(), service) => Ok(()),
        Some(_) | None => Err(problem(StatusCode::UNAUTHORIZED, &Problem::AUTHENTICATION_FAILED)),
    }
}

/// Goes wrong if the switch says so.
async fn fail(world: &World, name: &'static str) -> Result<(), Refusal> {
    let Some(how) = world.fault(name) else { return Ok(()) };
    Err(match how {
        How::Status(429) => too_many(),
        How::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            problem(status, &SIMULATED)
        }
        How::Hang => {
            tokio::time::sleep(Duration::from_millis(world.switches().hang_ms)).await;
            cut()
        }
        How::Cut => cut(),
    })
}

async fn body_of(request: Request) -> Result<axum::body::Bytes, Refusal> {
    let body = axum::body::to_bytes(request.into_body(), BODY_OCTETS_MAX);
    body.await.map_err(|_| problem(StatusCode::PAYLOAD_TOO_LARGE, &TOO_LARGE))
}

fn flawed(flaw: Flaw) -> Refusal {
    problem(StatusCode::BAD_REQUEST, &flaw.problem())
}

fn too_many() -> Refusal {
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, &Problem::TOO_MANY_REQUEST);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn problem(status: StatusCode, problem: &Problem) -> Refusal {
    Box::new(json(status, problem.write()))
}

fn cut() -> Refusal {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    Box::new(response)
}

pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// Octets of a request's body.
pub(super) const BODY_OCTETS_MAX: usize = 64 * 1024;

const SIMULATED: Problem = Problem::new("SIMULATED_FAULT", "a switch of the simulator says so");
const FULL: Problem = Problem::new("SIMULATOR_FULL", "too much is going to happen already");
const TOO_LARGE: Problem = Problem::new("BODY_TOO_LARGE", "the body has more than 65536 octets");
