//! `GET /v1/messages/{id}`.

use axum::Json;
use axum::extract::{Path, State};

use super::view::MessageView;
use crate::gateway::id::{MessageId, ServiceNo};
use crate::gateway::port::Found;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reading::read;
use crate::http::v1::guard::Authenticated;
use crate::http::v1::{Scopes, V1};

/// Read one message with all that happened to it.
#[utoipa::path(
    get, path = "/v1/messages/{id}", tag = "messages", operation_id = "read_message",
    params(("id" = String, Path, description = "Its id", pattern = "^[0-9a-f]{24}$")),
    responses(
        (status = 200, description = "The message", body = MessageView),
        (status = 404, description = "The service has no such message", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(v1): State<V1>,
    who: Authenticated,
    Path(id): Path<String>,
) -> Result<Json<MessageView>, Problem> {
    who.require(Scopes::MESSAGES_READ)?;
    let id = id_of(&id)?;
    let now_ms = v1.utc_ms();
    match find(&v1, who.service, id).await? {
        Found::Mt(message) => Ok(Json(MessageView::whole(&message, now_ms))),
        Found::Mo(incoming) => Ok(Json(MessageView::came(&incoming))),
    }
}

/// # Errors
/// 404: what is no id names no message.
pub(in crate::http::v1) fn id_of(written: &str) -> Result<MessageId, Problem> {
    MessageId::from_hex(written).ok_or_else(no_message)
}

/// A message of the service, from memory or from the disk.
///
/// # Errors
/// 404 when there is none, or it is another service's: which of the two is not told.
pub(super) async fn find(v1: &V1, service: ServiceNo, id: MessageId) -> Result<Found, Problem> {
    let found = match v1.engine().find_live(id) {
        Some(found) => Some(found),
        None => {
            let engine = v1.engine().clone();
            read(move || engine.find(id)).await?
        }
    };
    found.filter(|found| is_of(found, service)).ok_or_else(no_message)
}

/// Whether it is the service's.
pub(super) fn is_of(found: &Found, service: ServiceNo) -> bool {
    match found {
        Found::Mt(message) => message.service == service,
        Found::Mo(incoming) => incoming.service == Some(service),
    }
}

pub(in crate::http::v1) fn no_message() -> Problem {
    Problem::not_found("the service has no message with this id")
}
