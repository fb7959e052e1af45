//! The simulator's own control path, `/_sim`: nothing of it is the vendor's.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::conduct::ENDINGS;
use super::rest::{self, BODY_OCTETS_MAX};
use super::store::Via;
use super::world::World;
use crate::vendor::timetochat::State as MessageState;

pub(super) fn router(world: Arc<World>) -> Router {
    Router::new()
        .route("/_sim", get(overview))
        .route("/_sim/set", post(set))
        .route("/_sim/mo", post(mo))
        .route("/_sim/push", post(push))
        .route("/_sim/messages", get(messages))
        .route("/_sim/pushes", get(pushes))
        .with_state(world)
}

async fn overview(State(world): State<Arc<World>>) -> Response {
    let (messages, pending) = world.sizes();
    let about = json!({
        "about": "A simulator of SFR TimeToChat. What the vendor's document leaves open is invented: error codes other than AUTHENTICATION_FAILED, the status 429, 404 for unknown messages, the endings of numbers, and everything under /_sim.",
        "service": world.config.service,
        "switches": world.switches().to_json(),
        "counters": world.counters(),
        "messages": messages,
        "pending": pending,
        "pushes_waiting": world.pushing.waiting(),
        "endings": ENDINGS.lines().collect::<Vec<_>>(),
        "paths": {
            "POST /_sim/set": "switches to change, as a JSON object; and revoke_tokens: true",
            "POST /_sim/mo": "{\"mobile\": \"+33600000000\", \"text\": \"…\", \"number\": \"0930000000\"}: a mobile writes",
            "POST /_sim/push": "{\"id\": \"…\", \"state\": \"FULLSIM\"}: a message comes to a state; {\"body\": {…}} or {\"raw\": \"…\"}: posted as it is",
            "GET /_sim/messages": "what was sent to us, newest first; ?limit=",
            "GET /_sim/pushes": "what was pushed, newest first; ?limit=",
        },
    });
    answer(StatusCode::OK, &about)
}

async fn set(State(world): State<Arc<World>>, request: Request) -> Response {
    let done = object(request).await.and_then(|mut changes| {
        let revokes = changes.remove("revoke_tokens");
        world.set(&changes)?;
        if revokes == Some(Value::Bool(true)) {
            world.revoke_tokens();
        }
        Ok(Value::Object(world.switches().to_json()))
    });
    told(done)
}

async fn mo(State(world): State<Arc<World>>, request: Request) -> Response {
    let done = object(request).await.and_then(|members| {
        let mobile = text(&members, "mobile")?.ok_or("mobile is required")?;
        let words = text(&members, "text")?.ok_or("text is required")?;
        world.incoming(mobile, text(&members, "number")?, words);
        Ok(json!({"done": true}))
    });
    told(done)
}

async fn push(State(world): State<Arc<World>>, request: Request) -> Response {
    let done = object(request).await.and_then(|members| {
        if let Some(body) = members.get("body") {
            world.push_raw(body.to_string().into_bytes());
        } else if let Some(raw) = text(&members, "raw")?.filter(|raw| !raw.is_empty()) {
            world.push_raw(raw.as_bytes().to_vec());
        } else {
            let id = text(&members, "id")?.ok_or("id and state are required, or body, or raw")?;
            let state = text(&members, "state")?.ok_or("state is required")?;
            if !world.force(id, MessageState::read(state)) {
                return Err(format!("there is no message {id}"));
            }
        }
        Ok(json!({"done": true}))
    });
    told(done)
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<usize>,
}

async fn messages(State(world): State<Arc<World>>, Query(query): Query<Limit>) -> Response {
    let vocabulary = world.switches().vocabulary;
    let all: Vec<Value> = world
        .newest(query.limit.unwrap_or(LIMIT))
        .into_iter()
        .filter_map(|(via, status)| {
            let mut value: Value = serde_json::from_slice(&status.write(vocabulary)).ok()?;
            let via = match via {
                Via::Rest => "rest",
                Via::Smpp => "smpp",
            };
            value.as_object_mut()?.insert("via".to_owned(), json!(via));
            Some(value)
        })
        .collect();
    answer(StatusCode::OK, &json!({ "messages": all }))
}

async fn pushes(State(world): State<Arc<World>>, Query(query): Query<Limit>) -> Response {
    answer(StatusCode::OK, &json!({ "pushes": world.pushing.log(query.limit.unwrap_or(LIMIT)) }))
}

async fn object(request: Request) -> Result<Map<String, Value>, String> {
    let body = axum::body::to_bytes(request.into_body(), BODY_OCTETS_MAX).await;
    let body = body.map_err(|_| "the body is too large".to_owned())?;
    match serde_json::from_slice(&body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err("the body is not a JSON object".to_owned()),
        Err(error) => Err(format!("the body is not JSON: {error}")),
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{name} is not a string")),
    }
}

fn told(done: Result<Value, String>) -> Response {
    match done {
        Ok(value) => answer(StatusCode::OK, &value),
        Err(why) => answer(StatusCode::BAD_REQUEST, &json!({ "error": why })),
    }
}

fn answer(status: StatusCode, value: &Value) -> Response {
    rest::json(status, format!("{value}\n").into_bytes())
}

/// Entries of a list when nothing is said.
const LIMIT: usize = 100;
