//! `POST /v1/messages/{id}/cancel`.
//!
//! Not `DELETE`: the message is still there afterwards, and says that it was cancelled.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::show::{id_of, no_message};
use crate::gateway::port::NotCancelled;
use crate::http::problem::{Problem, ProblemBody};
use crate::http::v1::guard::Authenticated;
use crate::http::v1::{Scopes, V1};

/// A message that was taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Cancelled {
    /// Its id.
    #[schema(pattern = "^[0-9a-f]{24}$", example = "66018af8c8ab4e0ca97532f1")]
    id: String,
    /// `cancelled`.
    #[schema(value_type = String, example = "cancelled")]
    state: &'static str,
}

/// Take a message back.
///
/// Possible as long as no part of it has left.
#[utoipa::path(
    post, path = "/v1/messages/{id}/cancel", tag = "messages", operation_id = "cancel_message",
    params(("id" = String, Path, description = "Its id", pattern = "^[0-9a-f]{24}$")),
    responses(
        (status = 200, description = "It will not be sent", body = Cancelled),
        (status = 404, description = "The service has no such message", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It has left (`already_left`) or ended (`already_ended`) already", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(
    State(v1): State<V1>,
    who: Authenticated,
    Path(id): Path<String>,
) -> Result<Json<Cancelled>, Problem> {
    who.require(Scopes::MESSAGES_SEND)?;
    let id = id_of(&id)?;
    match v1.engine().cancel(who.service, id).await {
        Ok(()) => Ok(Json(Cancelled { id: id.to_string(), state: "cancelled" })),
        Err(NotCancelled::Unknown) => Err(no_message()),
        Err(NotCancelled::Left) => {
            let detail = "it has left, or may have, and cannot be taken back";
            Err(Problem::new(StatusCode::CONFLICT, "already_left", detail))
        }
        Err(NotCancelled::Ended(end)) => {
            let detail = format!("it has ended already: {}", end.name());
            Err(Problem::new(StatusCode::CONFLICT, "already_ended", detail))
        }
        Err(NotCancelled::Unavailable) => Err(Problem::not_now("the engine does not answer now")),
    }
}
