//! `GET /services/{service_id}/messages/{message_id}`: a message and what happened to it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::fault::Fault;
use super::metrics::Method;
use super::openapi::{ErrorBody, MessageBody};
use super::{Mug, Peer, Told, json, view};
use crate::engine::Engine;
use crate::gateway::id::MessageId;
use crate::gateway::message::Message;
use crate::gateway::port::Found;

/// Shows one message and its history.
///
/// A message can be read as soon as its 201 is there. Each entry of the history after `NEW` carries `part` if the message has
/// more than one segment. States: `NEW`, `SENT`, and at the end `RECEIVED` or one of the errors.
#[utoipa::path(
    get,
    path = "/mug/api/V1/services/{service_id}/messages/{message_id}",
    tag = "MUG",
    operation_id = "read",
    params(
        ("service_id" = String, Path, description = "The service id", example = "123456"),
        ("message_id" = String, Path, description = "The message's id: 24 hexadecimal digits",
            example = "5bc9a8751a34791aff429efe"),
    ),
    responses(
        (status = 200, description = "The message", body = MessageBody),
        (status = 401, description = "No token, a stale one, or another service's", body = ErrorBody,
            example = json!({ "code": "AUTHENTICATION_FAILED" })),
        (status = 404, description = "No such message, or another service's", body = ErrorBody,
            example = json!({ "code": "MESSAGE_NOT_FOUND" })),
    ),
    security(("token" = [])),
)]
pub(super) async fn read(
    State(mug): State<Mug>,
    ids: Result<Path<(String, String)>, PathRejection>,
    Peer(from): Peer,
    headers: HeaderMap,
) -> Response {
    let (service_id, id) = ids.map_or_else(|_| Default::default(), |Path(ids)| ids);
    let response = show(&mug, &service_id, &id, from, &headers).await;
    let response = response.unwrap_or_else(IntoResponse::into_response);
    mug.0.metrics.answered(Method::Read, response.status().as_u16());
    response
}

async fn show(
    mug: &Mug,
    service_id: &str,
    id: &str,
    from: std::net::IpAddr,
    headers: &HeaderMap,
) -> Result<Response, Fault> {
    let told = mug.told();
    let entry = mug.admit(&told, service_id, headers, from)?;
    let id = MessageId::from_hex(id).ok_or_else(Fault::no_message)?;
    let service = entry.no(&mug.0.engine).ok_or_else(unknown_yet)?;
    let message = find(mug, id).await?.filter(|message| message.service == service);
    let message = message.ok_or_else(Fault::no_message)?;
    let answer = view::answer(&message, errors_of(&told, &mug.0.engine, &message), &told.country);
    Ok(json(StatusCode::OK, answer.write(entry.vocabulary)))
}

/// A message to a mobile. Most that are asked about are in memory, and need no thread that may wait for the disk.
async fn find(mug: &Mug, id: MessageId) -> Result<Option<Box<Message>>, Fault> {
    if let Some(found) = mug.0.engine.find_live(id) {
        return Ok(mt(found));
    }
    let engine = mug.0.engine.clone();
    match tokio::task::spawn_blocking(move || engine.find(id)).await {
        Ok(Ok(found)) => Ok(found.and_then(mt)),
        Ok(Err(error)) => {
            tracing::error!(%error, "the tables cannot be read");
            Err(Fault::not_now("the message cannot be read now"))
        }
        Err(error) => {
            tracing::error!(%error, "a reader has failed");
            Err(Fault::not_now("the message cannot be read now"))
        }
    }
}

fn mt(found: Found) -> Option<Box<Message>> {
    match found {
        Found::Mt(message) => Some(message),
        Found::Mo(_) => None,
    }
}

/// The engine learns of a new service a moment after its account is there.
pub(super) fn unknown_yet() -> Fault {
    Fault::not_now("the service is not known yet")
}

/// What the errors of the message's upstream mean, if anybody said.
fn errors_of<'a>(told: &'a Told, engine: &Engine, message: &Message) -> Option<&'a view::Errors> {
    if told.errors.is_empty() {
        return None;
    }
    let figures = engine.figures();
    let upstream = figures.upstreams.get(usize::from(message.upstream.0))?;
    told.errors.get(&upstream.id)
}
