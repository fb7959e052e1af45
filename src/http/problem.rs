//! What a caller is told when something cannot be done: problem details as RFC 9457 has them.
//!
//! One shape for the native API and the admin listener. `code` is stable and what a program decides by; `detail` is a
//! sentence for a person; `errors` names every fault of a body or a query at once.

mod codes;

use std::borrow::Cow;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

pub(crate) use self::codes::CODES;
use self::codes::title;
use crate::gateway::port::Refusal;

/// An error as an answer.
#[derive(Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<Fault>,
    /// Seconds after which it may work.
    retry_after_s: Option<u64>,
    /// Further headers of the answer.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// Further members of the body.
    members: Vec<(&'static str, Value)>,
}

/// One fault of a request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// Where in the body it is (a JSON pointer, RFC 6901). Absent: in a parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/to")]
    pub(crate) pointer: Option<String>,
    /// The query parameter or header that it is in. Absent: in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<String>,
    /// What kind of fault, for programs.
    #[schema(value_type = String, example = "required")]
    pub(crate) code: &'static str,
    /// The same for a person.
    #[schema(value_type = String)]
    pub(crate) detail: Cow<'static, str>,
}

impl Fault {
    /// The code of a fault that no member has by itself: they contradict each other, or what they say.
    pub(crate) const RELATION: &'static str = "relation";

    /// Of a member of the body.
    pub(crate) fn of_body(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { pointer: Some(pointer.into()), parameter: None, code, detail: detail.into() }
    }

    /// Of a query parameter or header.
    pub(crate) fn of_parameter(
        parameter: impl Into<String>,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { pointer: None, parameter: Some(parameter.into()), code, detail: detail.into() }
    }
}

/// Problem details (RFC 9457): the one shape of everything that goes wrong. Written by [`Problem`]; here for the
/// description of the API.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "the description of a shape; `Problem` writes it")]
pub(crate) struct ProblemBody {
    /// Where this kind of problem is explained, relative to the server.
    #[schema(value_type = String, example = "/docs/problems#invalid")]
    r#type: &'static str,
    /// The kind of problem in a few words; always the same for one code.
    #[schema(value_type = String, example = "The request has faults")]
    title: &'static str,
    /// The HTTP status again.
    #[schema(example = 400, minimum = 400, maximum = 599)]
    status: u16,
    /// The stable name of the kind of problem.
    #[schema(value_type = String, example = "invalid")]
    code: &'static str,
    /// What is wrong this time.
    #[schema(value_type = String)]
    detail: &'static str,
    /// Every fault of the request, when there are several or when they have a place.
    #[schema(nullable = false)]
    errors: Option<Vec<Fault>>,
}

impl Problem {
    /// `code` has to be one of those of `codes`.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        debug_assert!(title(code).is_some(), "{code} has no title in http/problem/codes.rs");
        let retry_after_s = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        let inner = Inner {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s,
            headers: Vec::new(),
            members: Vec::new(),
        };
        Self(Box::new(inner))
    }

    /// Something of the request is not as it has to be.
    pub(crate) fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The request's faults, all of them; at least one. 400; when every member by itself is as it has to be, 422.
    pub(crate) fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [] => Cow::Borrowed("the request has faults"),
            [only] => {
                let place = only.pointer.as_deref().or(only.parameter.as_deref()).unwrap_or_default();
                let place = if place.is_empty() { "the body" } else { place };
                Cow::Owned(format!("{place}: {}", only.detail))
            }
            several => Cow::Owned(format!("{} faults, see errors", several.len())),
        };
        let is_well_formed = !errors.is_empty() && errors.iter().all(|fault| fault.code == Fault::RELATION);
        let status = if is_well_formed { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
        let mut problem = Self::new(status, "invalid", detail);
        problem.0.errors = errors;
        problem
    }

    /// There is nothing of that name.
    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// It may work later.
    pub(crate) fn not_now(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }

    /// Something of ours went wrong; the log says what.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this went wrong here; the log says where")
    }

    /// The same with the place of the fault.
    pub(crate) fn with(mut self, fault: Fault) -> Self {
        self.0.errors.push(fault);
        self
    }

    /// The same with a time after which it may work.
    pub(crate) fn after(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The same with another member (RFC 9457 §3.2).
    pub(crate) fn member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.push((name, value.into()));
        self
    }

    /// The same with another header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// What is wrong this time.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Its HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Its body.
    pub(crate) fn to_value(&self) -> Value {
        let Inner { status, code, detail, errors, members, .. } = &*self.0;
        let mut body = json!({
            "type": format!("/docs/problems#{code}"),
            "title": title(code).unwrap_or_default(),
            "status": status.as_u16(),
            "code": code,
            "detail": detail,
        });
        if let Some(body) = body.as_object_mut() {
            if !errors.is_empty() {
                body.insert("errors".into(), json!(errors));
            }
            body.extend(members.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        }
        body
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        // Well said, but not to be done.
        const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
        let (status, detail) = match refusal {
            Refusal::Sender => (StatusCode::FORBIDDEN, "the service may not use this sender"),
            Refusal::Destination => (UNPROCESSABLE, "this is not a number that can be sent to"),
            Refusal::NoRoute => (UNPROCESSABLE, "no route leads to this number"),
            Refusal::Length => (UNPROCESSABLE, "the text is empty or has too many segments"),
            Refusal::Validity => (UNPROCESSABLE, "the validity is over already"),
            Refusal::Schedule => (UNPROCESSABLE, "the scheduled time is past or after the end of validity"),
            Refusal::QueueFull => {
                (StatusCode::SERVICE_UNAVAILABLE, "too many messages of the service wait already")
            }
            Refusal::Disk => (StatusCode::SERVICE_UNAVAILABLE, "the disk is below its reserve"),
            Refusal::ServiceEnded => (StatusCode::FORBIDDEN, "the service's end date is past"),
            Refusal::MonthlyLimit => (StatusCode::FORBIDDEN, "the month's segments are used up"),
            Refusal::KeyReused => (UNPROCESSABLE, "the Idempotency-Key was used with another body"),
            Refusal::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "the engine does not take messages now")
            }
        };
        let code = match refusal {
            Refusal::KeyReused => "idempotency_key_reused",
            other => other.name(),
        };
        Self::new(status, code, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.to_value().to_string();
        let Inner { status, retry_after_s, headers, .. } = *self.0;
        let kind = HeaderValue::from_static(CONTENT_TYPE);
        let mut response = (status, [(header::CONTENT_TYPE, kind)], body).into_response();
        let answer = response.headers_mut();
        if let Some(seconds) = retry_after_s {
            answer.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            answer.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        for (name, value) in headers {
            answer.insert(name, value);
        }
        response
    }
}

/// Content type of a problem.
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_the_rfc_and_its_code() {
        let problem = Problem::invalid(vec![Fault::of_body("/to", "required", "is missing")]);
        assert_eq!(
            problem.to_value(),
            json!({
                "type": "/docs/problems#invalid",
                "title": "The request has faults",
                "status": 400,
                "code": "invalid",
                "detail": "/to: is missing",
                "errors": [{ "pointer": "/to", "code": "required", "detail": "is missing" }],
            })
        );
        let response = problem.into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
    }

    #[test]
    fn what_may_work_later_says_when() {
        let response = Problem::not_now("recovering").into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let response = Problem::from(Refusal::Disk).after(5).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    }

    #[test]
    fn every_refusal_has_a_title() {
        for refusal in Refusal::ALL {
            let told = Problem::from(refusal).to_value();
            assert!(told["title"].as_str().is_some_and(|title| !title.is_empty()), "{refusal:?}");
        }
    }
}
