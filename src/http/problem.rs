//! What a caller is told when something cannot be done: a status, a stable code, a sentence.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::gateway::port::Refusal;

/// An error as an answer: `{"code": "…", "message": "…"}`.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// Something of the request is not as it has to be.
    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// It may work later.
    pub(crate) fn not_now(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, message) = match refusal {
            Refusal::Sender => (StatusCode::FORBIDDEN, "the service may not use this sender"),
            Refusal::Destination => (StatusCode::BAD_REQUEST, "this is not a number that can be sent to"),
            Refusal::NoRoute => (StatusCode::BAD_REQUEST, "no route leads to this number"),
            Refusal::Length => (StatusCode::BAD_REQUEST, "the text is empty or has too many segments"),
            Refusal::Validity => (StatusCode::BAD_REQUEST, "the validity is over already"),
            Refusal::Schedule => {
                (StatusCode::BAD_REQUEST, "the scheduled time is past or after the end of validity")
            }
            Refusal::QueueFull => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many messages of the service wait already")
            }
            Refusal::Disk => (StatusCode::SERVICE_UNAVAILABLE, "the disk is below its reserve"),
            Refusal::ServiceEnded => (StatusCode::FORBIDDEN, "the service's end date is past"),
            Refusal::MonthlyLimit => (StatusCode::FORBIDDEN, "the month's segments are used up"),
            Refusal::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "the engine does not take messages now")
            }
        };
        Self::new(status, refusal.name(), message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Json(json!({ "code": self.code, "message": self.message }));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
