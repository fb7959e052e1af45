//! `POST /services/{service_id}/token`: a token for a password.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::fault::Fault;
use super::metrics::Method;
use super::openapi::{ErrorBody, PasswordBody, TokenBody};
use super::{Mug, Peer, body, json};
use crate::vendor::timetochat::{TokenAnswer, TokenRequest};

/// Gives a token for the service's password.
///
/// The token goes into `Authorization: Bearer …` of the other two methods. It holds for 30 minutes; then another one is asked
/// for in the same way. Another password of the service ends its tokens.
#[utoipa::path(
    post,
    path = "/mug/api/V1/services/{service_id}/token",
    tag = "MUG",
    operation_id = "token",
    params(("service_id" = String, Path, description = "The service id", example = "123456")),
    request_body(content = PasswordBody, example = json!({ "password": "12a34b56c" })),
    responses(
        (status = 201, description = "A token for 30 minutes", body = TokenBody),
        (status = 400, description = "The body is no JSON object, or has no password", body = ErrorBody,
            example = json!({ "code": "MISSING_PARAMETER", "message": "password is required" })),
        (status = 401, description = "Wrong password, or no such service", body = ErrorBody,
            example = json!({ "code": "AUTHENTICATION_FAILED" })),
    ),
)]
pub(super) async fn token(
    State(mug): State<Mug>,
    service_id: Result<Path<String>, PathRejection>,
    Peer(from): Peer,
    body: Body,
) -> Response {
    // A path that is no text names no service.
    let service_id = service_id.map_or_else(|_| String::new(), |Path(id)| id);
    let response = match log_in(&mug, &service_id, from, body).await {
        Ok(token) => json(StatusCode::CREATED, TokenAnswer { token }.write()),
        Err(fault) => fault.into_response(),
    };
    mug.0.metrics.answered(Method::Token, response.status().as_u16());
    response
}

async fn log_in(mug: &Mug, service_id: &str, from: std::net::IpAddr, body: Body) -> Result<String, Fault> {
    let told = mug.told();
    // Nobody guesses faster than strangers are answered: then a right password is not looked at either.
    if told.strangers_rate > 0 && mug.0.strangers.wait_us(from, mug.now_us()) > 0 {
        mug.0.metrics.limited_address.increment(1);
        return Err(Fault::too_many());
    }
    let octets =
        body::whole(body, told.body_patience).await.map_err(|fault| mug.stranger(&told, from, fault))?;
    let asked = TokenRequest::read(&octets).map_err(|flaw| mug.stranger(&told, from, flaw.into()))?;
    match told.accounts.log_in(service_id, &asked.password, from) {
        Some(entry) => {
            mug.spend(entry)?;
            mug.0.failures.succeeded(from);
            let token = entry.tokens.issue(mug.0.clock.utc_ms() / 1_000);
            token.ok_or_else(|| Fault::not_now("the token cannot be signed"))
        }
        None => {
            let fault = mug.stranger(&told, from, Fault::authentication());
            if fault == Fault::authentication() {
                mug.0.metrics.logins_failed.increment(1);
                let delay = mug.0.failures.failed(from, mug.0.clock.instant());
                tracing::info!(%from, ?delay, "a token was asked for with a wrong password or for no service");
                tokio::time::sleep(delay).await;
            }
            Err(fault)
        }
    }
}
