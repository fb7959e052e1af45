//! What there is: services, upstreams, dead letters.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::send::service_of;
use super::{Operator, read, time};
use crate::gateway::delivery::{Delivery, Owed};
use crate::gateway::message::End;
use crate::gateway::port::Input;
use crate::http::problem::Problem;

pub(super) async fn services(operator: Operator) -> Result<Json<Value>, Problem> {
    let open = operator.open()?;
    let figures = open.engine.figures();
    let service = |service: &crate::engine::ServiceFigures| {
        let totals = &service.totals;
        let mut shown = json!({
            "id": service.id,
            "configured": open.services.contains(&service.id),
            "accepted": totals.accepted,
        });
        for (end, count) in End::ALL.iter().zip(totals.ended) {
            shown[end.name()] = count.into();
        }
        shown["waiting"] = totals.waiting().into();
        shown["queued"] = totals.queued.into();
        shown["incoming"] = totals.incoming.into();
        shown["deliveries_owed"] = totals.owed.into();
        shown["dead_letters"] = totals.dead.into();
        shown["month"] = totals.month.into();
        shown["month_segments"] = totals.used.into();
        shown
    };
    Ok(Json(figures.services.iter().map(service).collect()))
}

pub(super) async fn upstreams(operator: Operator) -> Result<Json<Value>, Problem> {
    let figures = operator.open()?.engine.figures();
    let upstream = |upstream: &crate::engine::UpstreamStanding| {
        let standing = &upstream.figures;
        json!({
            "id": upstream.id,
            "sessions": standing.sessions,
            "in_flight": standing.in_flight,
            "window": standing.window,
            "paused": standing.paused,
        })
    };
    Ok(Json(figures.upstreams.iter().map(upstream).collect()))
}

/// Dead letters that are listed of each service; `dead_letters` of `/services` counts all.
pub(super) const LISTED_MAX: usize = 1_000;

pub(super) async fn dead(operator: Operator) -> Result<Json<Value>, Problem> {
    let open = operator.open()?;
    let mut letters = Vec::new();
    for id in &open.services {
        let Some(no) = open.engine.service(id) else { continue };
        let engine = open.engine.clone();
        let dead = read(move || engine.dead(no.into(), LISTED_MAX)).await?;
        letters.extend(dead.iter().map(|dead| letter(dead, id)));
    }
    Ok(Json(letters.into()))
}

/// One dead letter of a service.
pub(super) fn letter(dead: &Delivery, service: &str) -> Value {
    let (kind, detail) = match dead.owed {
        Owed::Receipt { state, .. } => ("receipt", format!("{state:?}")),
        Owed::Mo { pdu, .. } => ("mo", format!("PDU {}", u16::from(pdu) + 1)),
    };
    json!({
        "no": dead.no,
        "service": service,
        "message": dead.owed.about().to_string(),
        "kind": kind,
        "detail": detail,
        "since": time(dead.created_ms),
        "refused": dead.tries,
    })
}

pub(super) async fn revive(
    operator: Operator,
    Path(service): Path<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let open = operator.open()?;
    let (id, no) = service_of(&open, Some(&service))?;
    let dead = open.engine.figures().services.get(usize::from(no.0)).map_or(0, |service| service.totals.dead);
    open.engine
        .send(Input::Revive { outlet: no.into() })
        .await
        .map_err(|_| Problem::not_now("the engine stops"))?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "service": id, "dead_letters": dead }))))
}
