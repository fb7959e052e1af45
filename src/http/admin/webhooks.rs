//! Webhooks: how each stands, its dead letters, and telling it again.

use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::overview::{LISTED_MAX, letter};
use super::{Open, Operator, read};
use crate::engine::{EndpointStanding, EventsError};
use crate::gateway::id::Outlet;
use crate::http::problem::Problem;

/// `GET /webhooks`.
pub(super) async fn list(operator: Operator) -> Result<Json<Value>, Problem> {
    let open = operator.open()?;
    let figures = open.engine.figures();
    Ok(Json(figures.endpoints.iter().map(|endpoint| shown(endpoint, &open)).collect()))
}

fn shown(endpoint: &EndpointStanding, open: &Open) -> Value {
    let figures = endpoint.figures;
    // Its window tells the breaker: closed, all that is allowed at once; on trial, less; open, none.
    let (state, breaker) = match open.endpoints.get(&endpoint.id) {
        None => ("removed", None),
        Some(_) if figures.links == 0 => ("down", None),
        Some(_) if figures.window == 0 => ("paused", Some("open")),
        Some(&concurrency) if figures.window < concurrency => ("up", Some("trial")),
        Some(_) => ("up", Some("closed")),
    };
    json!({
        "id": endpoint.id,
        "state": state,
        "breaker": breaker,
        "waiting": endpoint.owed.saturating_sub(u64::from(figures.under_way)),
        "under_way": figures.under_way,
        "window": figures.window,
        "dead": endpoint.dead,
    })
}

/// The endpoint that a path names.
fn outlet(open: &Open, service: &str, name: &str) -> Result<(String, Outlet), Problem> {
    let id = format!("{service}/{name}");
    let outlet = open.engine.outlet(&id).ok_or_else(|| {
        let known = open.engine.figures().endpoints.iter().map(|e| e.id.clone()).collect::<Vec<_>>();
        let there_are = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Problem::not_found(format!("there is no webhook \"{id}\"; there are: {there_are}"))
    })?;
    Ok((id, outlet))
}

/// `GET /webhooks/{service}/{name}/dead`.
pub(super) async fn dead(
    operator: Operator,
    Path((service, name)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let open = operator.open()?;
    let (_, outlet) = outlet(&open, &service, &name)?;
    let engine = open.engine.clone();
    let letters = read(move || engine.dead(outlet, LISTED_MAX)).await?;
    Ok(Json(letters.iter().map(|dead| letter(dead, &service)).collect()))
}

/// `POST /webhooks/{service}/{name}/retry`.
pub(super) async fn retry(
    operator: Operator,
    Path((service, name)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let open = operator.open()?;
    let (id, outlet) = outlet(&open, &service, &name)?;
    let dead = open.engine.figures().endpoints.iter().find(|e| e.id == id).map_or(0, |e| e.dead);
    open.engine.revive(outlet).await.map_err(|_| Problem::not_now("the engine stops"))?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": id, "dead_letters": dead }))))
}

/// From where a webhook is told again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    /// The cursor after which.
    after: u64,
}

/// How long an answer waits for the whole of what is owed again.
const PATIENCE: Duration = Duration::from_secs(10);

/// `POST /webhooks/{service}/{name}/replay`.
pub(super) async fn replay(
    operator: Operator,
    Path((service, name)): Path<(String, String)>,
    body: Result<Json<Again>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Json(Again { after }) =
        body.map_err(|rejection| Problem::bad_request("invalid", rejection.body_text()))?;
    let open = operator.open()?;
    let (id, outlet) = outlet(&open, &service, &name)?;
    let engine = open.engine.clone();
    // In a task of its own: it goes on though nobody waits for it any more.
    let replaying = tokio::spawn(async move { engine.replay(outlet, after).await });
    let Ok(replayed) = tokio::time::timeout(PATIENCE, replaying).await else {
        return Ok((StatusCode::ACCEPTED, Json(json!({ "id": id, "owed": null }))));
    };
    match replayed.unwrap_or(Err(EventsError::Stopped)) {
        Ok(owed) => Ok((StatusCode::OK, Json(json!({ "id": id, "owed": owed })))),
        Err(EventsError::Unknown) => Err(Problem::not_found(format!("there is no webhook \"{id}\""))),
        Err(EventsError::TooOld { oldest }) => {
            let detail = format!("these events are not kept any more; the oldest one is {oldest}");
            Err(Problem::new(StatusCode::GONE, "cursor_too_old", detail))
        }
        Err(EventsError::Lost(error)) => {
            tracing::error!(%error, "the tables cannot be read");
            Err(Problem::not_now("the tables cannot be read"))
        }
        Err(EventsError::Stopped) => Err(Problem::not_now("the engine stops")),
    }
}
