//! `GET /v1/service`: what the service has used, and what it may use.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;

use super::V1;
use super::body::rfc3339;
use super::guard::Authenticated;
use super::keys::Scopes;
use super::query::Given;
use crate::gateway::message::End;
use crate::gateway::state::Totals;
use crate::gateway::usage::month_of;
use crate::http::problem::Problem;

/// What this part of the API says of itself.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(show),
    components(schemas(ServiceView, Month, Ended)),
    tags((name = "service", description = "Usage and limits."))
)]
pub(super) struct Api;

/// Where it is served.
pub(super) fn router() -> Router<V1> {
    Router::new().route("/v1/service", get(show))
}

/// A service: what it has used, what it may use.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServiceView {
    /// Its id.
    #[schema(example = "shop")]
    id: String,
    /// The current month.
    month: Month,
    /// Requests per second; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 20)]
    rate: Option<u32>,
    /// Messages that wait for an upstream or are under way to it.
    #[schema(example = 3)]
    waiting: u64,
    /// How many of those there may be; beyond, new messages are refused for the moment.
    #[schema(example = 1_000_000)]
    waiting_max: u64,
    /// From when on nothing is accepted any more; absent: no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    ends_at: Option<String>,
    /// Senders it may use; absent: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = json!(["SHOP", "+33930000000"]))]
    senders: Option<Vec<String>>,
    /// Messages accepted ever.
    #[schema(example = 120_345)]
    accepted: u64,
    /// How they ended.
    ended: Ended,
    /// Messages from mobiles ever.
    #[schema(example = 87)]
    received: u64,
    /// Scopes of the key that asks.
    #[schema(value_type = Vec<String>, example = json!(["messages:send", "messages:read"]))]
    scopes: Vec<&'static str>,
}

/// Segments of a month.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Month {
    /// Which.
    #[schema(example = "2026-11")]
    name: String,
    /// Where it begins and ends.
    #[schema(example = "Europe/Paris")]
    timezone: String,
    /// Segments billed so far.
    #[schema(example = 4_211)]
    used: u64,
    /// Segments it may have; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 10_000)]
    limit: Option<u64>,
    /// Segments that are left; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 5_789)]
    left: Option<u64>,
}

/// How many messages ended in which way, ever.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ended {
    /// The handset has it.
    delivered: u64,
    /// The operator or a rule said no.
    refused: u64,
    /// Its validity was over first.
    expired: u64,
    /// It was taken back.
    cancelled: u64,
    /// Nobody will ever know.
    unknown: u64,
}

impl Ended {
    fn of(totals: &Totals) -> Self {
        let count = |end: End| {
            let at = End::ALL.iter().position(|&known| known == end);
            at.and_then(|at| totals.ended.get(at)).copied().unwrap_or(0)
        };
        Self {
            delivered: count(End::Delivered),
            refused: count(End::Refused),
            expired: count(End::Expired),
            cancelled: count(End::Cancelled),
            unknown: count(End::Unknown),
        }
    }
}

/// What the service has used, and what it may use.
#[utoipa::path(
    get, path = "/v1/service", tag = "service", operation_id = "read_service",
    responses((status = 200, description = "Usage and limits", body = ServiceView))
)]
async fn show(State(v1): State<V1>, who: Authenticated, given: Given) -> Result<Json<ServiceView>, Problem> {
    who.require(Scopes::SERVICE_READ)?;
    given.parameters().end(())?;
    let figures = v1.engine().figures();
    let totals = figures.services.get(usize::from(who.service.0)).map(|s| s.totals).unwrap_or_default();
    let quota = who.quota();
    let zone = v1.timezone();
    let month = month_of(v1.utc_ms(), &zone);
    // What was counted last may have been another month.
    let used = if totals.month == month { totals.used } else { 0 };
    Ok(Json(ServiceView {
        id: who.service_id.to_string(),
        month: Month {
            name: format!("{:04}-{:02}", month / 100, month % 100),
            timezone: zone.iana_name().unwrap_or("UTC").to_owned(),
            used,
            limit: quota.monthly_limit,
            left: quota.monthly_limit.map(|limit| limit.saturating_sub(used)),
        },
        rate: who.rate(),
        waiting: totals.queued,
        waiting_max: quota.waiting_max,
        ends_at: quota.ends_at_ms.map(rfc3339),
        senders: quota
            .senders
            .as_ref()
            .map(|senders| senders.iter().map(|sender| international(sender)).collect()),
        accepted: totals.accepted,
        ended: Ended::of(&totals),
        received: totals.incoming,
        scopes: who.scopes.names().collect(),
    }))
}

/// A sender as it is written: normalised numbers have lost their plus.
fn international(sender: &str) -> String {
    let is_number = sender.len() >= 8 && sender.bytes().all(|c| c.is_ascii_digit());
    if is_number { format!("+{sender}") } else { sender.to_owned() }
}
