//! `GET /messages`: messages of services, by time, number, state and reference, newest first.
//!
//! Only services that use HTTP have lists: for the others no index is kept.

use axum::Json;
use axum::extract::Query as Parameters;
use axum::extract::rejection::QueryRejection;
use serde::Deserialize;
use serde_json::{Value, json};

use super::message::{Names, line};
use super::send::service_of;
use super::{Operator, read};
use crate::engine::Engine;
use crate::gateway::cold::{By, Lost, Query};
use crate::gateway::id::{MessageId, ServiceNo};
use crate::gateway::port::Found;
use crate::gateway::settings::normalise;
use crate::http::problem::Problem;

/// What is asked for. All that is given has to hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    service: Option<String>,
    number: Option<String>,
    reference: Option<String>,
    /// `waiting`, `sent`, `delivered` and so on.
    state: Option<String>,
    /// From mobiles instead of to them.
    #[serde(default)]
    incoming: bool,
    /// UTC milliseconds.
    since_ms: Option<u64>,
    limit: Option<usize>,
}

/// Messages that are shown unless asked for otherwise, and at the most.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 1_000;

/// Messages of one service that are looked at for one list.
const LOOKED_AT_MAX: usize = 20_000;

/// Of these, asked of the index at once.
const STEP: usize = 500;

pub(super) async fn list(
    operator: Operator,
    asked: Result<Parameters<Asked>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Parameters(asked) = asked.map_err(|error| Problem::bad_request("invalid", error.body_text()))?;
    let open = operator.open()?;
    let ids = match &asked.service {
        Some(named) => vec![service_of(&open, Some(named))?.0.to_owned()],
        None => open.services.clone(),
    };
    let number = asked.number.as_deref().map(|written| {
        let digits = normalise(written, &open.country);
        digits.parse::<u64>().map_err(|_| Problem::bad_request("invalid", "number: is not a number"))
    });
    let number = number.transpose()?;
    let limit = asked.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let services: Vec<ServiceNo> = ids.iter().filter_map(|id| open.engine.service(id)).collect();
    let (engine, names) = (open.engine.clone(), Names::of(&open));
    let (found, is_whole) = read(move || {
        let mut found = Vec::new();
        let mut is_whole = true;
        for service in services {
            is_whole &= of_service(&engine, service, &asked, number, limit, &mut found)?;
        }
        // Newest first over all services: an id begins with its second.
        found.sort_unstable_by_key(|(id, _)| std::cmp::Reverse(*id));
        is_whole &= found.len() <= limit;
        found.truncate(limit);
        Ok((found, is_whole))
    })
    .await?;
    let messages: Vec<Value> = found.iter().map(|(_, found)| line(found, &names)).collect();
    let unlisted: Vec<&String> = ids.iter().filter(|id| !open.listed.contains(*id)).collect();
    Ok(Json(json!({ "messages": messages, "more": !is_whole, "unlisted": unlisted })))
}

/// Adds up to `limit` messages of one service; whether these are all.
fn of_service(
    engine: &Engine,
    service: ServiceNo,
    asked: &Asked,
    number: Option<u64>,
    limit: usize,
    found: &mut Vec<(MessageId, Box<Found>)>,
) -> Result<bool, Lost> {
    let by = match (&asked.reference, number) {
        (Some(reference), _) => By::Reference(reference.clone().into_bytes()),
        (None, Some(number)) => By::Number(number),
        (None, None) if asked.incoming => By::Incoming,
        (None, None) => By::Messages,
    };
    let (mut after, mut looked, mut taken) = (None, 0, 0);
    loop {
        let query = Query {
            by: by.clone(),
            from_ms: asked.since_ms.unwrap_or(0),
            until_ms: u64::MAX,
            after,
            newest_first: true,
            limit: STEP,
        };
        let page = engine.list(service, &query)?;
        for &(id, incoming) in &page.ids {
            looked += 1;
            if incoming != asked.incoming {
                continue;
            }
            let Some(message) = engine.find(id)? else { continue };
            if asked.fits(&message, number) {
                if taken == limit {
                    return Ok(false);
                }
                taken += 1;
                found.push((id, Box::new(message)));
            }
        }
        after = page.ids.last().map(|(id, _)| *id).filter(|_| page.more);
        if after.is_none() || looked >= LOOKED_AT_MAX {
            return Ok(after.is_none());
        }
    }
}

impl Asked {
    /// Whether a message of the index is one that was asked for.
    fn fits(&self, found: &Found, number: Option<u64>) -> bool {
        let state = super::message::state(found);
        self.state.as_deref().is_none_or(|wanted| wanted == state)
            && match found {
                Found::Mt(message) => number.is_none_or(|number| message.ties.watch == Some(number)),
                Found::Mo(incoming) => number.is_none_or(|number| incoming.watch == Some(number)),
            }
    }
}
