//! `POST /v1/messages` and `POST /v1/messages/batch`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::content::{NewMessage, refused};
use crate::gateway::id::MessageId;
use crate::gateway::port::Refusal;
use crate::http::problem::{Fault, Problem, ProblemBody};
use crate::http::v1::body::{Faults, JsonBody, Members};
use crate::http::v1::guard::{Authenticated, Unmetered};
use crate::http::v1::{Scopes, V1};

/// A message that was taken: it is on disk.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Taken {
    /// Its id.
    #[schema(pattern = "^[0-9a-f]{24}$", example = "66018af8c8ab4e0ca97532f1")]
    id: String,
    /// `accepted`, or `scheduled` when it waits for `send_at`.
    #[schema(value_type = String, example = "accepted")]
    state: &'static str,
    /// Segments that are billed.
    #[schema(minimum = 1)]
    segments: u32,
    /// `gsm`, `unicode` or `binary`.
    #[schema(value_type = String, example = "gsm")]
    alphabet: &'static str,
    /// Septets, code units or octets that it has.
    #[schema(minimum = 0)]
    units: usize,
    /// Your own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reference: Option<String>,
}

/// Send one message.
///
/// The answer comes when the message is on disk: from then on it ends in exactly one of `delivered`, `refused`, `expired`,
/// `cancelled`, `unknown`.
#[utoipa::path(
    post, path = "/v1/messages", tag = "messages", operation_id = "send_message",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$",
        description = "Makes repetitions of the request known for 24 hours: they get the first answer again.")),
    request_body = NewMessage,
    responses(
        (status = 201, description = "Taken", body = Taken, headers(
            ("Location" = String, description = "Where its status is"),
            ("Idempotency-Replayed" = Option<bool>, description = "`true`: taken before, under the same key"))),
        (status = 403, description = "The key lacks a scope, the service may not use the sender, has ended or has used up its month", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "A request with this Idempotency-Key is being handled", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be sent as it is, or the Idempotency-Key was used with another body", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn send(
    State(v1): State<V1>,
    who: Authenticated,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    who.require(Scopes::MESSAGES_SEND)?;
    let claim = v1.in_flight().claim(&headers, who.service, &body)?;
    let mut composed = NewMessage::of(body, "", &v1.country())?.compose(who.profile);
    let mut taken = Taken::of(&composed);
    composed.submission.key = claim.as_ref().map(|claim| claim.key(0));
    let outcome = v1.engine().submit(who.service, composed.submission).await;
    drop(claim);
    let outcome = outcome.map_err(|refusal| refused(refusal, ""))?;
    taken.id = outcome.id.to_string();
    let location = location(outcome.id);
    let mut response = (StatusCode::CREATED, Json(taken)).into_response();
    response.headers_mut().extend(location.map(|location| (header::LOCATION, location)));
    if outcome.repeated {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

impl Taken {
    /// What is known before it has an id. The same for each repetition of a request.
    fn of(composed: &super::content::Composed) -> Self {
        let reference = String::from_utf8_lossy(&composed.submission.content.reference).into_owned();
        Self {
            id: String::new(),
            state: if composed.submission.schedule.is_some() { "scheduled" } else { "accepted" },
            segments: composed.segments,
            alphabet: composed.alphabet,
            units: composed.units,
            reference: (!reference.is_empty()).then_some(reference),
        }
    }
}

fn location(id: MessageId) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("/v1/messages/{id}")).ok()
}

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Messages to be sent in one go.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the description of a shape; `batch` reads it")]
pub(super) struct Batch {
    /// Each as in `POST /v1/messages`. What is wrong with one does not keep the others.
    #[schema(min_items = 1, max_items = 1000, value_type = Vec<Object>,
        example = json!([{ "to": "+33612345678", "text": "One" }, { "to": "+33612345679", "text": "Two" }]))]
    messages: Vec<NewMessage>,
}

/// What became of each message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchAnswer {
    /// How many were taken.
    accepted: usize,
    /// How many were not.
    refused: usize,
    /// One for each message, in their order.
    results: Vec<BatchResult>,
}

/// What became of one message.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchResult {
    /// Which one, from 0.
    index: usize,
    /// 201, or the status that it would have got alone.
    #[schema(example = 201)]
    status: u16,
    /// When it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    message: Option<Taken>,
    /// When it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ProblemBody>, nullable = false)]
    problem: Option<Value>,
}

impl BatchResult {
    fn refused(index: usize, problem: &Problem) -> Self {
        let (status, problem) = (problem.status().as_u16(), Some(problem.to_value()));
        Self { index, status, message: None, problem }
    }
}

/// Send up to a thousand messages.
///
/// All that can be taken are taken in one commit. The answer is 200 whatever became of them; each has its own status.
#[utoipa::path(
    post, path = "/v1/messages/batch", tag = "messages", operation_id = "send_batch",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[ -~]*[!-~][ -~]*$",
        description = "Makes repetitions known for 24 hours: messages that were taken are not taken again.")),
    request_body = Batch,
    responses(
        (status = 200, description = "What became of each", body = BatchAnswer, headers(
            ("Idempotency-Replayed" = Option<bool>, description = "`true`: all that are taken were so before, under the same key"))),
        (status = 409, description = "A request with this Idempotency-Key is being handled", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The Idempotency-Key was used with another body", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn batch(
    State(v1): State<V1>,
    who: Unmetered,
    headers: HeaderMap,
    body: Result<JsonBody, Problem>,
) -> Result<Response, Problem> {
    let body = match body {
        Ok(JsonBody(body)) => body,
        // It costs what any request costs.
        Err(problem) => return Err(who.spend(1).err().unwrap_or(problem)),
    };
    let messages = messages_of(&body);
    let tokens = messages.as_ref().map_or(1, Vec::len);
    let who = who.spend(u32::try_from(tokens).unwrap_or(u32::MAX))?;
    who.require(Scopes::MESSAGES_SEND)?;
    let messages = messages?;
    let claim = v1.in_flight().claim(&headers, who.service, &body)?;

    let country = v1.country();
    let mut results: Vec<Result<Taken, Problem>> = Vec::with_capacity(messages.len());
    let mut submissions = Vec::with_capacity(messages.len());
    for (index, message) in (0_u32..).zip(messages) {
        let read = NewMessage::of(message, &format!("/messages/{index}"), &country);
        results.push(read.map(|message| {
            let mut composed = message.compose(who.profile);
            composed.submission.reply = index;
            composed.submission.key = claim.as_ref().map(|claim| claim.key(index));
            let taken = Taken::of(&composed);
            submissions.push(composed.submission);
            taken
        }));
    }
    let outcomes = v1.engine().submit_all(who.service, submissions).await;
    drop(claim);

    let (mut fresh, mut replayed, mut reused) = (0, 0, 0);
    let mut outcomes = outcomes.into_iter();
    for (index, result) in results.iter_mut().enumerate() {
        let Ok(taken) = result else { continue };
        match outcomes.next().unwrap_or(Err(Refusal::Unavailable)) {
            Ok(outcome) => {
                taken.id = outcome.id.to_string();
                if outcome.repeated { replayed += 1 } else { fresh += 1 }
            }
            Err(refusal) => {
                reused += usize::from(refusal == Refusal::KeyReused);
                *result = Err(refused(refusal, &format!("/messages/{index}")));
            }
        }
    }
    if reused > 0 && fresh + replayed == 0 {
        return Err(Refusal::KeyReused.into());
    }
    let accepted = fresh + replayed;
    let results: Vec<_> = results
        .into_iter()
        .enumerate()
        .map(|(index, result)| match result {
            Ok(message) => BatchResult { index, status: 201, message: Some(message), problem: None },
            Err(problem) => BatchResult::refused(index, &problem),
        })
        .collect();
    let answer = BatchAnswer { accepted, refused: results.len() - accepted, results };
    let mut response = Json(answer).into_response();
    if replayed > 0 && fresh == 0 {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The messages of a batch, not looked at yet.
fn messages_of(body: &Value) -> Result<Vec<Value>, Problem> {
    let faults = Faults::default();
    let mut read = None;
    if let Some(mut members) = Members::of(body.clone(), "", &faults) {
        match members.take("messages") {
            Some(Value::Array(messages)) if (1..=BATCH_MAX).contains(&messages.len()) => {
                for (index, message) in
                    messages.iter().enumerate().filter(|(_, message)| !message.is_object())
                {
                    let _ = message;
                    faults.add(Fault::of_body(format!("/messages/{index}"), "type", "has to be an object"));
                }
                read = Some(messages);
            }
            Some(Value::Array(_)) => members.fault("messages", "length", "has to have 1 to 1000 messages"),
            Some(_) => members.fault("messages", "type", "has to be an array"),
            None => members.fault("messages", "required", "is missing"),
        }
        members.end();
    }
    faults.none_or(read)
}

/// Messages of one batch.
const BATCH_MAX: usize = 1_000;
