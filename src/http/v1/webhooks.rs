//! `/v1/webhooks…`: how the service's webhooks stand, and what can be done about those that could not be delivered.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;

use super::V1;
use super::body::{Faults, JsonBody, Members, rfc3339};
use super::events::{SEQ_MAX, too_old};
use super::guard::Authenticated;
use super::keys::Scopes;
use super::path::Piece;
use super::query::Given;
use super::quota::Webhook;
use crate::engine::{EndpointStanding, EventsError};
use crate::gateway::delivery::{Delivery, Owed};
use crate::gateway::id::Outlet;
use crate::gateway::message::End;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reading::read;

/// What this part of the API says of itself.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(list, dead, retry, replay),
    components(schemas(Webhooks, WebhookView, DeadLetters, DeadLetter, Retried, Replay, Replayed)),
    tags((name = "webhooks", description = "How webhooks stand; dead letters, and telling again."))
)]
pub(super) struct Api;

/// Where it is served.
pub(super) fn router() -> Router<V1> {
    Router::new()
        .route("/v1/webhooks", get(list))
        .route("/v1/webhooks/{id}/dead", get(dead))
        .route("/v1/webhooks/{id}/retry", post(retry))
        .route("/v1/webhooks/{id}/replay", post(replay))
}

/// The service's webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Webhooks {
    webhooks: Vec<WebhookView>,
}

/// How one webhook stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookView {
    /// Its name.
    #[schema(example = "main")]
    id: String,
    /// `native` (signed events) or `push_cra` (the vendor's reports).
    #[schema(value_type = String, example = "native")]
    kind: &'static str,
    /// The host it goes to; the rest of its address is not shown.
    #[schema(example = "shop.example")]
    host: String,
    /// What it is told.
    #[schema(value_type = Vec<String>, example = json!(["message.sent", "message.delivered", "message.received"]))]
    events: Vec<&'static str>,
    /// Deliveries that wait.
    #[schema(example = 0)]
    waiting: u64,
    /// Deliveries that are under way.
    #[schema(example = 0)]
    under_way: u64,
    /// Dead letters: deliveries that were given up, and wait for a retry.
    #[schema(example = 0)]
    dead: u64,
    /// Nothing is sent for a while, since nothing arrives.
    paused: bool,
}

/// Dead letters, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetters {
    dead: Vec<DeadLetter>,
}

/// A delivery that was given up.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetter {
    /// Its number.
    #[schema(example = 17)]
    delivery: u64,
    /// What it tells, in the words of events.
    #[schema(value_type = String, example = "message.delivered")]
    r#type: &'static str,
    /// The message it is about.
    #[schema(example = "66018af8c8ab4e0ca97532f1")]
    message: String,
    /// Since when it was owed.
    #[schema(format = DateTime)]
    since: String,
    /// How often it was refused.
    #[schema(example = 3)]
    tries: u8,
}

/// What a retry has begun.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Retried {
    /// Dead letters that there were.
    #[schema(example = 12)]
    dead: u64,
}

/// From where to tell again.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    /// Everything after the event with this number; 0: from the oldest that is kept.
    #[schema(minimum = 0, example = 4711)]
    after: u64,
}

/// What a replay has begun.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Replayed {
    /// Deliveries that are owed again.
    #[schema(example = 250)]
    owed: u64,
}

/// List the webhooks and how they stand.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "webhooks", operation_id = "list_webhooks",
    responses((status = 200, description = "All of them", body = Webhooks))
)]
async fn list(State(v1): State<V1>, who: Authenticated, given: Given) -> Result<Json<Webhooks>, Problem> {
    who.require(Scopes::ADMIN)?;
    given.parameters().end(())?;
    let figures = v1.engine().figures();
    let view = |hook: &Webhook| {
        let id = full_id(&who, &hook.name);
        let nothing = EndpointStanding::default();
        let standing = figures.endpoints.iter().find(|endpoint| endpoint.id == id).unwrap_or(&nothing);
        let under_way = u64::from(standing.figures.under_way);
        WebhookView {
            id: hook.name.clone(),
            kind: hook.kind_name(),
            host: hook.host.clone(),
            events: hook.events(),
            waiting: standing.owed.saturating_sub(under_way),
            under_way,
            dead: standing.dead,
            paused: standing.figures.window == 0,
        }
    };
    Ok(Json(Webhooks { webhooks: who.webhooks().iter().map(view).collect() }))
}

/// List a webhook's dead letters.
#[utoipa::path(
    get, path = "/v1/webhooks/{id}/dead", tag = "webhooks", operation_id = "list_dead_letters",
    params(
        ("id" = String, Path, description = "The webhook's name.", example = "main"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "At most so many (default 100)"),
    ),
    responses(
        (status = 200, description = "The oldest of them", body = DeadLetters),
        (status = 404, description = "There is no such webhook", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn dead(
    State(v1): State<V1>,
    who: Authenticated,
    Piece(name): Piece,
    given: Given,
) -> Result<Json<DeadLetters>, Problem> {
    who.require(Scopes::ADMIN)?;
    let limit = limit_of(given)?;
    let (_, outlet) = find(&v1, &who, &name)?;
    let engine = v1.engine().clone();
    let dead = read(move || engine.dead(outlet, limit)).await?;
    Ok(Json(DeadLetters { dead: dead.iter().map(DeadLetter::of).collect() }))
}

/// Deliver a webhook's dead letters again.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/retry", tag = "webhooks", operation_id = "retry_webhook",
    params(("id" = String, Path, description = "The webhook's name.", example = "main")),
    responses(
        (status = 202, description = "They are tried again", body = Retried),
        (status = 404, description = "There is no such webhook", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn retry(
    State(v1): State<V1>,
    who: Authenticated,
    Piece(name): Piece,
) -> Result<(StatusCode, Json<Retried>), Problem> {
    who.require(Scopes::ADMIN)?;
    let (id, outlet) = find(&v1, &who, &name)?;
    let dead = v1.engine().figures().endpoints.iter().find(|e| e.id == id).map_or(0, |e| e.dead);
    let stopped = |_| Problem::not_now("the engine does not take anything now");
    v1.engine().revive(outlet).await.map_err(stopped)?;
    Ok((StatusCode::ACCEPTED, Json(Retried { dead })))
}

/// Tell a webhook again what has happened since.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/replay", tag = "webhooks", operation_id = "replay_webhook",
    params(("id" = String, Path, description = "The webhook's name.", example = "main")),
    request_body(content = Replay, example = json!({ "after": 4711 })),
    responses(
        (status = 202, description = "It is owed again", body = Replayed),
        (status = 404, description = "There is no such webhook", body = ProblemBody, content_type = "application/problem+json"),
        (status = 410, description = "What follows the cursor is not kept any more", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn replay(
    State(v1): State<V1>,
    who: Authenticated,
    Piece(name): Piece,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<Replayed>), Problem> {
    who.require(Scopes::ADMIN)?;
    let (_, outlet) = find(&v1, &who, &name)?;
    let after = Replay::read(body)?;
    let owed = v1.engine().replay(outlet, after.after).await.map_err(not_replayed)?;
    Ok((StatusCode::ACCEPTED, Json(Replayed { owed })))
}

fn not_replayed(error: EventsError) -> Problem {
    match error {
        EventsError::Unknown => no_webhook(),
        EventsError::TooOld { oldest } => too_old(oldest),
        EventsError::Lost(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "events cannot be read");
            Problem::not_now("the tables cannot be read")
        }
        EventsError::Stopped => Problem::not_now("the engine does not take anything now"),
    }
}

impl Replay {
    fn read(body: serde_json::Value) -> Result<Self, Problem> {
        let faults = Faults::default();
        let after = Members::of(body, "", &faults).and_then(|mut members| {
            let after = members.needed_number("after", 0..=SEQ_MAX);
            members.end();
            after
        });
        faults.none_or(after).map(|after| Self { after })
    }
}

impl DeadLetter {
    fn of(delivery: &Delivery) -> Self {
        let (kind, message) = match delivery.owed {
            Owed::Receipt { id, intermediate: true, .. } => ("message.sent", id),
            Owed::Receipt { id, state, .. } => {
                (crate::gateway::event::EventKind::Ended(End::of(state)).name(), id)
            }
            Owed::Mo { id, .. } => (crate::gateway::event::EventKind::Incoming.name(), id),
        };
        Self {
            delivery: delivery.no,
            r#type: kind,
            message: message.to_string(),
            since: rfc3339(delivery.created_ms),
            tries: delivery.tries,
        }
    }
}

/// How many dead letters are wanted.
fn limit_of(given: Given) -> Result<usize, Problem> {
    let mut parameters = given.parameters();
    let limit = parameters.number("limit", 1..=LIMIT_MAX).unwrap_or(LIMIT);
    parameters.end(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// What the engine calls a webhook of the caller's.
fn full_id(who: &Authenticated, name: &str) -> String {
    format!("{}/{name}", who.service_id)
}

/// The caller's webhook of that name.
fn find(v1: &V1, who: &Authenticated, name: &str) -> Result<(String, Outlet), Problem> {
    let is_known = who.webhooks().iter().any(|hook| hook.name == name);
    let id = full_id(who, name);
    let outlet = v1.engine().outlet(&id).filter(|_| is_known);
    outlet.map(|outlet| (id, outlet)).ok_or_else(no_webhook)
}

fn no_webhook() -> Problem {
    Problem::not_found("the service has no webhook of this name")
}

/// Dead letters of a list.
const LIMIT: u64 = 100;

const LIMIT_MAX: u64 = 1_000;
