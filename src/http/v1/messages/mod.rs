//! Messages: sending, status, lists, cancelling.

mod cancel;
mod content;
mod cursor;
mod list;
mod once;
mod send;
mod show;
mod view;

use axum::Router;
use axum::routing::{get, post};

pub(super) use self::content::Alphabets;
pub(super) use self::list::{Fixed, Listed, list_of};
pub(super) use self::once::InFlight;
pub(super) use self::show::{id_of, no_message};
pub(in crate::http) use self::view::{MessageView, number};
use super::V1;

/// What this part of the API says of itself.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(send::send, send::batch, show::show, list::list, cancel::cancel),
    components(schemas(content::NewMessage, send::Taken, send::Batch, send::BatchAnswer, MessageView, Listed)),
    tags((name = "messages", description = "Send messages, read how they fare, take them back."))
)]
pub(super) struct Api;

/// Where it is served.
pub(super) fn router() -> Router<V1> {
    Router::new()
        .route("/v1/messages", post(send::send).get(list::list))
        .route("/v1/messages/batch", post(send::batch))
        .route("/v1/messages/{id}", get(show::show))
        .route("/v1/messages/{id}/cancel", post(cancel::cancel))
}
