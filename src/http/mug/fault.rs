//! What a caller is told when something cannot be done: `{"code": "…", "message": "…"}` (contracts/timetochat.md §8a).

#[cfg(test)]
use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::gateway::port::Refusal;
use crate::vendor::timetochat::{Flaw, Problem};

/// An error as an answer. `AUTHENTICATION_FAILED` is the vendor's own; all other codes are invented.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Fault {
    status: StatusCode,
    problem: Problem,
    /// The methods that there are, for 405.
    allow: Option<&'static str>,
}

impl Fault {
    /// 401: wrong password, unknown service, token absent, forged, stale or another service's.
    pub(super) fn authentication() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Problem::AUTHENTICATION_FAILED)
    }

    /// 429: the service's rate, or that of an address without a token.
    pub(super) fn too_many() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, Problem::TOO_MANY_REQUEST)
    }

    /// 404: no such message, or another service's.
    pub(super) fn no_message() -> Self {
        Self::new(StatusCode::NOT_FOUND, Problem::MESSAGE_NOT_FOUND)
    }

    /// 404: no such path.
    pub(super) fn no_path() -> Self {
        Self::said(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing under this path")
    }

    /// 405, with the methods that there are.
    pub(super) fn method(allow: &'static str) -> Self {
        let fault = Self::said(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "not with this method");
        Self { allow: Some(allow), ..fault }
    }

    /// 413.
    pub(super) fn too_large() -> Self {
        Self::said(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", "the body is larger than is read")
    }

    /// 408: the body does not come.
    pub(super) fn too_slow() -> Self {
        Self::said(StatusCode::REQUEST_TIMEOUT, "TIMEOUT", "the body took too long")
    }

    /// 400: the body broke off.
    pub(super) fn cut() -> Self {
        Self::said(StatusCode::BAD_REQUEST, "INVALID_PARAMETER", "the body did not come whole")
    }

    /// 400: a character of the text is not in GSM 03.38, and the service wants such texts refused.
    pub(super) fn character() -> Self {
        let message = "text has a character outside GSM 03.38; set unicode";
        Self::said(StatusCode::BAD_REQUEST, "UNSUPPORTED_CHARACTER", message)
    }

    /// 403: the sender cannot even be an address.
    pub(super) fn sender() -> Self {
        Self::new(StatusCode::FORBIDDEN, Problem::FORBIDDEN_SENDER)
    }

    /// 503: it may work later.
    pub(super) fn not_now(message: &'static str) -> Self {
        Self::said(StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", message)
    }

    fn said(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self::new(status, Problem::new(code, message))
    }

    fn new(status: StatusCode, problem: Problem) -> Self {
        Self { status, problem, allow: None }
    }
}

impl From<Flaw> for Fault {
    fn from(flaw: Flaw) -> Self {
        Self::new(StatusCode::BAD_REQUEST, flaw.problem())
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Sender => Self::sender(),
            Refusal::Destination => Flaw::Number.into(),
            Refusal::NoRoute => {
                Self::said(StatusCode::BAD_REQUEST, "INVALID_NUMBER", "no route leads to this number")
            }
            Refusal::Length => Flaw::TextTooLong.into(),
            Refusal::Validity | Refusal::Schedule => Flaw::DatePast.into(),
            Refusal::QueueFull => Self::not_now("too many messages of the service wait already"),
            Refusal::Disk => Self::not_now("the disk is below its reserve"),
            Refusal::ServiceEnded => Self::new(StatusCode::FORBIDDEN, Problem::ACCOUNT_EXPIRED),
            Refusal::MonthlyLimit => Self::new(StatusCode::FORBIDDEN, Problem::MONTHLY_LIMIT_REACHED),
            // These methods know no such keys.
            Refusal::KeyReused | Refusal::Unavailable => Self::not_now("messages are not taken now"),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        let mut response = (self.status, self.problem.write()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, json);
        match self.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            // What is left of the body is not waited for.
            StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// A code and its message for people, as they are written.
#[cfg(test)]
impl Fault {
    pub(super) fn parts(&self) -> (u16, Cow<'static, str>) {
        (self.status.as_u16(), self.problem.code.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_the_gateway_has_a_code() {
        let told: Vec<_> = Refusal::ALL.iter().map(|&refusal| Fault::from(refusal).parts()).collect();
        let expected = [
            (403, "FORBIDDEN_SENDER"),
            (400, "INVALID_NUMBER"),
            (400, "INVALID_NUMBER"),
            (400, "TEXT_TOO_LONG"),
            (400, "INVALID_VALIDITY_DATE"),
            (400, "INVALID_VALIDITY_DATE"),
            (503, "SERVICE_UNAVAILABLE"),
            (503, "SERVICE_UNAVAILABLE"),
            (403, "ACCOUNT_EXPIRED"),
            (403, "MONTHLY_LIMIT_REACHED"),
            (503, "SERVICE_UNAVAILABLE"),
            (503, "SERVICE_UNAVAILABLE"),
        ];
        assert_eq!(told, expected.map(|(status, code)| (status, Cow::Borrowed(code))));
    }

    #[test]
    fn what_may_work_later_says_when() {
        for fault in [Fault::too_many(), Fault::not_now("")] {
            assert_eq!(fault.into_response().headers()[header::RETRY_AFTER], "1");
        }
        assert!(!Fault::no_message().into_response().headers().contains_key(header::RETRY_AFTER));
        assert_eq!(Fault::method("POST").into_response().headers()[header::ALLOW], "POST");
    }
}
