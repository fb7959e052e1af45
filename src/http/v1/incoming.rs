//! `GET /v1/incoming…`: what mobiles have sent. `GET /v1/conversations/{number}`: both directions with one of them.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};

use super::V1;
use super::guard::Authenticated;
use super::keys::Scopes;
use super::messages::{Fixed, Listed, MessageView, id_of, list_of, no_message};
use super::path::Piece;
use super::query::Given;
use crate::gateway::port::Found;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reading::read;

/// What this part of the API says of itself.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(list, show, conversation),
    tags((name = "incoming", description = "What mobiles have sent, and conversations with them."))
)]
pub(super) struct Api;

/// Where it is served.
pub(super) fn router() -> Router<V1> {
    Router::new()
        .route("/v1/incoming", get(list))
        .route("/v1/incoming/{id}", get(show))
        .route("/v1/conversations/{number}", get(conversation))
}

/// List what mobiles have sent.
///
/// Newest first unless `order` says otherwise. A `cursor` holds the whole question: only `limit` has to be repeated.
#[utoipa::path(
    get, path = "/v1/incoming", tag = "incoming", operation_id = "list_incoming",
    params(
        ("from" = Option<String>, Query, format = DateTime, description = "Received not before this time"),
        ("until" = Option<String>, Query, format = DateTime, description = "Not after it"),
        ("number" = Option<String>, Query, pattern = r"^\+?[0-9]{3,15}$", description = "Only from this mobile"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 500, description = "At most so many (default 100)"),
        ("cursor" = Option<String>, Query, min_length = 1, description = "`next` of the page before"),
        ("order" = Option<String>, Query, pattern = "^(newest|oldest)$", description = "What comes first (default `newest`)"),
    ),
    responses(
        (status = 200, description = "A page", body = Listed),
        (status = 422, description = "Parameters contradict each other", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn list(State(v1): State<V1>, who: Authenticated, given: Given) -> Result<Json<Listed>, Problem> {
    who.require(Scopes::MESSAGES_READ)?;
    list_of(&v1, who.service, given, Fixed::Incoming).await.map(Json)
}

/// Read one message from a mobile.
#[utoipa::path(
    get, path = "/v1/incoming/{id}", tag = "incoming", operation_id = "read_incoming",
    params(("id" = String, Path, description = "Its id", pattern = "^[0-9a-f]{24}$")),
    responses(
        (status = 200, description = "The message", body = MessageView),
        (status = 404, description = "The service has no such message from a mobile", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn show(
    State(v1): State<V1>,
    who: Authenticated,
    Piece(id): Piece,
) -> Result<Json<MessageView>, Problem> {
    who.require(Scopes::MESSAGES_READ)?;
    let id = id_of(&id)?;
    let engine = v1.engine().clone();
    match read(move || engine.find(id)).await? {
        Some(Found::Mo(incoming)) if incoming.service == Some(who.service) => {
            Ok(Json(MessageView::came(&incoming)))
        }
        _ => Err(no_message()),
    }
}

/// Read the conversation with one mobile: every message to it and from it, in order.
///
/// Newest first unless `order` says otherwise. A `cursor` holds the whole question: only `limit` has to be repeated.
#[utoipa::path(
    get, path = "/v1/conversations/{number}", tag = "incoming", operation_id = "read_conversation",
    params(
        ("number" = String, Path, description = "The mobile", pattern = r"^\+?[0-9]{3,15}$", example = "+33612345678"),
        ("from" = Option<String>, Query, format = DateTime, description = "Accepted or received not before this time"),
        ("until" = Option<String>, Query, format = DateTime, description = "Not after it"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 500, description = "At most so many (default 100)"),
        ("cursor" = Option<String>, Query, min_length = 1, description = "`next` of the page before"),
        ("order" = Option<String>, Query, pattern = "^(newest|oldest)$", description = "What comes first (default `newest`)"),
    ),
    responses(
        (status = 200, description = "A page", body = Listed),
        (status = 422, description = "Parameters contradict each other", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn conversation(
    State(v1): State<V1>,
    who: Authenticated,
    number: Piece,
    given: Given,
) -> Result<Json<Listed>, Problem> {
    who.require(Scopes::MESSAGES_READ)?;
    let number = number.number(&v1.country())?;
    list_of(&v1, who.service, given, Fixed::Conversation(number)).await.map(Json)
}
