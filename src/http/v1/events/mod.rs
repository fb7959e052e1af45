//! `GET /v1/events`: what happens to a service's messages, as it happens or page by page, from any cursor.

mod source;
mod view;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use self::source::EngineSource;
use self::view::EventView;
use super::V1;
use super::guard::Authenticated;
use super::keys::Scopes;
use super::query::{Given, Parameters};
use super::stream::{From, Kinds, NotOpened};
use crate::engine::Events;
use crate::gateway::event::EventKind;
use crate::http::problem::{Fault, Problem, ProblemBody};
use crate::http::reading::read;

/// What this part of the API says of itself.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(events),
    tags((name = "events", description = "What happens, in one order, replayable from a cursor."))
)]
pub(super) struct Api;

/// Where it is served.
pub(super) fn router() -> Router<V1> {
    Router::new().route("/v1/events", get(events))
}

/// Events one after the other, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventPage {
    events: Vec<EventView>,
    /// `after` of the next page; also where a stream may begin.
    #[schema(example = 4711)]
    cursor: u64,
    /// There is more already.
    more: bool,
}

/// Follow what happens, or read a page of it.
///
/// With `Accept: text/event-stream` the answer is a stream of server-sent events that does not end: `id` is the event's
/// number, `event` its type, `data` the event as JSON on one line. `Last-Event-ID` (which browsers send by themselves when
/// they come back) or `after` say where it begins; without either it begins now; `after=0` begins with the oldest event
/// that is kept. A comment every 15 seconds shows that it lives. A reader who falls behind what is kept gets a last event
/// `cursor_too_old` and the end of the stream.
///
/// With any other `Accept` the answer is one page as JSON; without `after` it is empty and tells where now is.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", operation_id = "read_events",
    params(
        ("after" = Option<u64>, Query, maximum = 9007199254740991_u64, description = "Only what comes after the event with this number; 0: from the oldest that is kept.", example = 0),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 1000, description = "Events of a page, at most (default 100); a stream has no limit"),
        ("types" = Option<String>, Query, description = "Only these, by commas: message.accepted, message.sent, message.delivered, message.refused, message.expired, message.cancelled, message.unknown, message.late_receipt, message.received, number.blocked, number.unblocked.", example = "message.delivered,message.received"),
        ("Last-Event-ID" = Option<u64>, Header, description = "Goes before `after`."),
    ),
    responses(
        (status = 200, description = "A page, or a stream of events", content(
            (EventPage = "application/json"),
            (String = "text/event-stream", example = "id: 4711\nevent: message.delivered\ndata: {\"seq\":4711,\"type\":\"message.delivered\",\"at\":\"2026-11-22T09:00:02.117Z\",\"message\":{\"id\":\"66018af8c8ab4e0ca97532f1\",\"direction\":\"mt\",\"from\":\"SHOP\",\"to\":\"+33612345678\",\"state\":\"delivered\",\"segments\":1}}\n\n"),
        )),
        (status = 410, description = "What follows the cursor is not kept any more; `oldest` is the oldest event that is", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
async fn events(
    State(v1): State<V1>,
    who: Authenticated,
    headers: HeaderMap,
    given: Given,
) -> Result<Response, Problem> {
    who.require(Scopes::EVENTS_READ)?;
    let asked = Asked::read(&headers, given.parameters())?;
    if asked.is_stream {
        let (key, keys) = (who.key(), v1.clone());
        let still = move || keys.told().keys.still_opens(key, Scopes::EVENTS_READ, keys.utc_ms());
        let stream = v1.streams().open(who.service, asked.from, asked.wanted, Box::new(still));
        let stream = stream.await.map_err(not_opened)?;
        let mut response = Body::from_stream(stream).into_response();
        for (name, value) in STREAM_HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        return Ok(response);
    }
    let page = page(&v1, &who, asked).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(page)).into_response())
}

/// Nothing between us and the reader may keep or gather events.
const STREAM_HEADERS: [(header::HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
    (header::CACHE_CONTROL, "no-store"),
    (header::HeaderName::from_static("x-accel-buffering"), "no"),
];

/// What a request wants.
#[derive(Debug)]
struct Asked {
    from: From,
    limit: usize,
    wanted: Kinds,
    is_stream: bool,
}

impl Asked {
    fn read(headers: &HeaderMap, mut parameters: Parameters) -> Result<Self, Problem> {
        let after = parameters.number("after", 0..=SEQ_MAX);
        let limit = parameters.number("limit", 1..=LIMIT_MAX).unwrap_or(LIMIT);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let wanted = parameters.text("types").map_or(Kinds::ALL, |names| {
            kinds(&names).unwrap_or_else(|wanted| {
                parameters.fault("types", "value", wanted);
                Kinds::NONE
            })
        });
        let last = headers.get("last-event-id").and_then(|value| match value.to_str() {
            // An event source that has seen none sends nothing, or nothing in it.
            Ok("") => None,
            given => {
                let number = given.ok().and_then(|given| given.parse::<u64>().ok());
                if number.is_none() {
                    parameters.fault("Last-Event-ID", "format", "has to be the number of an event");
                }
                number
            }
        });
        let is_stream = headers.get_all(header::ACCEPT).iter().any(|accept| {
            let accept = accept.to_str().unwrap_or_default().to_ascii_lowercase();
            accept
                .split(',')
                .any(|kind| kind.split(';').next().unwrap_or_default().trim() == "text/event-stream")
        });
        parameters.end(Self { from: last.or(after).map_or(From::Now, From::After), limit, wanted, is_stream })
    }
}

/// The kinds that are named, by commas.
fn kinds(names: &str) -> Result<Kinds, String> {
    let mut wanted = Kinds::NONE;
    for name in names.split(',').map(str::trim) {
        let kind = EventKind::ALL.into_iter().find(|kind| kind.name() == name);
        let Some(kind) = kind else {
            let known: Vec<_> = EventKind::ALL.into_iter().map(EventKind::name).collect();
            return Err(format!("has to be of {}", known.join(",")));
        };
        wanted = wanted.with(Kinds::of(kind));
    }
    Ok(wanted)
}

async fn page(v1: &V1, who: &Authenticated, asked: Asked) -> Result<EventPage, Problem> {
    let newest = *v1.engine().newest_event().borrow();
    let after = match asked.from {
        From::Now => return Ok(EventPage { events: Vec::new(), cursor: newest, more: false }),
        From::After(after) if after > newest => return Err(not_opened(NotOpened::Ahead { newest })),
        From::After(after) => after,
    };
    let (engine, service) = (v1.engine().clone(), who.service);
    read(move || {
        let mut page = EventPage { events: Vec::new(), cursor: after, more: false };
        loop {
            let room = asked.limit - page.events.len();
            let (found, next) = match engine.events(service, page.cursor, room)? {
                Events::TooOld { oldest } if page.cursor == 0 => {
                    page.cursor = oldest.saturating_sub(1);
                    continue;
                }
                Events::TooOld { oldest } => return Ok(Err(too_old(oldest))),
                Events::Some { events, next } => (events, next),
            };
            for event in found.iter().filter(|event| asked.wanted.has(Kinds::of(event.kind))) {
                page.events.push(EventView::of(event, &engine)?);
            }
            let has_moved = next > page.cursor;
            page.cursor = page.cursor.max(next);
            page.more = page.cursor < newest && has_moved;
            if !page.more || page.events.len() >= asked.limit {
                return Ok(Ok(page));
            }
        }
    })
    .await?
}

/// What follows a cursor is not kept any more.
pub(super) fn too_old(oldest: u64) -> Problem {
    let after = oldest.saturating_sub(1);
    let detail = format!(
        "events before {oldest} are not kept any more; list the messages, and begin with after={after}"
    );
    Problem::new(StatusCode::GONE, "cursor_too_old", detail).member("oldest", oldest)
}

fn not_opened(why: NotOpened) -> Problem {
    match why {
        NotOpened::ServiceFull => {
            let detail = "the service has as many streams open as it may have; close one";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "streams_full", detail).after(STREAMS_AGAIN_S)
        }
        NotOpened::Full => {
            let detail = "as many streams are open as there may be";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "streams_full", detail).after(STREAMS_AGAIN_S)
        }
        NotOpened::TooOld { oldest } => too_old(oldest),
        NotOpened::Ahead { newest } => {
            let detail = format!("no event has this number yet; the newest is {newest}");
            Problem::invalid(vec![Fault::of_parameter("after", "range", detail)])
        }
        NotOpened::Lost(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "events cannot be read");
            Problem::not_now("the tables cannot be read")
        }
    }
}

/// Events of a page.
const LIMIT: u64 = 100;

const LIMIT_MAX: u64 = 1_000;

/// The greatest number that every JSON reader keeps whole (RFC 8259 §6).
pub(super) const SEQ_MAX: u64 = (1 << 53) - 1;

/// When to try again to open a stream.
const STREAMS_AGAIN_S: u64 = 5;
