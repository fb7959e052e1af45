//! `/v1/blacklist…`: numbers that get nothing any more.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::ToSchema;

use super::V1;
use super::guard::Authenticated;
use super::keys::Scopes;
use super::path::Piece;
use super::query::Given;
use crate::http::problem::Problem;

/// What this part of the API says of itself.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(list, show, put, delete),
    components(schemas(BlockedPage, Blocked)),
    tags((name = "blacklist", description = "Numbers that get nothing any more: put there here, or by a mobile that sent STOP."))
)]
pub(super) struct Api;

/// Where it is served.
pub(super) fn router() -> Router<V1> {
    Router::new()
        .route("/v1/blacklist", get(list))
        .route("/v1/blacklist/{number}", get(show).put(put).delete(delete))
}

/// Whether a number is on the blacklist.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Blocked {
    /// The number, international.
    #[schema(example = "+33612345678")]
    number: String,
    /// Messages to it are accepted and refused.
    #[schema(example = true)]
    blocked: bool,
}

impl Blocked {
    fn new(number: u64, blocked: bool) -> Self {
        Self { number: format!("+{number}"), blocked }
    }
}

/// A page of the blacklist, in the order of the numbers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BlockedPage {
    #[schema(example = json!(["+33612345678"]))]
    numbers: Vec<String>,
    /// Pass this as `cursor` for what follows. Absent: nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// List the blacklist.
///
/// Numbers that mobiles have put there by STOP and those that were put there here; those of the daemon's configuration
/// are not listed.
#[utoipa::path(
    get, path = "/v1/blacklist", tag = "blacklist", operation_id = "list_blacklist",
    params(
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 10000, description = "At most so many (default 1000)"),
        ("cursor" = Option<String>, Query, pattern = r"^[1-9][0-9]{0,14}$", description = "`next` of the page before"),
    ),
    responses((status = 200, description = "A page", body = BlockedPage))
)]
async fn list(State(v1): State<V1>, who: Authenticated, given: Given) -> Result<Json<BlockedPage>, Problem> {
    who.require(Scopes::ADMIN)?;
    let mut parameters = given.parameters();
    let limit = parameters.number("limit", 1..=LIMIT_MAX).unwrap_or(LIMIT);
    let after = parameters.text("cursor").and_then(|cursor| {
        let after = is_cursor(&cursor).then(|| cursor.parse().ok()).flatten();
        if after.is_none() {
            parameters.fault("cursor", "format", "is no cursor of this list");
        }
        after
    });
    let (limit, after) = parameters.end((usize::try_from(limit).unwrap_or(usize::MAX), after))?;
    // One more tells whether there is a next page.
    let mut numbers = v1.engine().blocked(who.service, after.unwrap_or(0), limit + 1);
    let is_more = numbers.len() > limit;
    numbers.truncate(limit);
    let next = numbers.last().filter(|_| is_more).map(u64::to_string);
    let numbers = numbers.into_iter().map(|number| format!("+{number}")).collect();
    Ok(Json(BlockedPage { numbers, next }))
}

/// Digits as [`list`] writes them.
fn is_cursor(text: &str) -> bool {
    (1..=15).contains(&text.len()) && !text.starts_with('0') && text.bytes().all(|c| c.is_ascii_digit())
}

/// Ask whether a number is on the blacklist.
#[utoipa::path(
    get, path = "/v1/blacklist/{number}", tag = "blacklist", operation_id = "read_blacklist",
    params(("number" = String, Path, description = "The number", pattern = r"^\+?[0-9]{3,15}$", example = "+33612345678")),
    responses((status = 200, description = "Whether it is", body = Blocked))
)]
async fn show(State(v1): State<V1>, who: Authenticated, number: Piece) -> Result<Json<Blocked>, Problem> {
    who.require(Scopes::ADMIN)?;
    let number = number.number(&v1.country())?;
    Ok(Json(Blocked::new(number, v1.engine().is_blocked(who.service, number))))
}

/// Put a number on the blacklist.
///
/// It is on disk before the answer. Doing it again changes nothing.
#[utoipa::path(
    put, path = "/v1/blacklist/{number}", tag = "blacklist", operation_id = "block",
    params(("number" = String, Path, description = "The number", pattern = r"^\+?[0-9]{3,15}$", example = "+33612345678")),
    responses((status = 200, description = "It is on the blacklist", body = Blocked))
)]
async fn put(State(v1): State<V1>, who: Authenticated, number: Piece) -> Result<Json<Blocked>, Problem> {
    who.require(Scopes::ADMIN)?;
    let number = number.number(&v1.country())?;
    let stopped = |_| Problem::not_now("the engine does not take anything now");
    v1.engine().block(who.service, number, true).await.map_err(stopped)?;
    if !v1.engine().is_blocked(who.service, number) {
        let detail = "as many numbers are blocked as may be";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "blacklist_full", detail));
    }
    Ok(Json(Blocked::new(number, true)))
}

/// Take a number off the blacklist.
///
/// A number of the daemon's configuration stays blocked. Doing it again changes nothing.
#[utoipa::path(
    delete, path = "/v1/blacklist/{number}", tag = "blacklist", operation_id = "unblock",
    params(("number" = String, Path, description = "The number", pattern = r"^\+?[0-9]{3,15}$", example = "+33612345678")),
    responses((status = 204, description = "It is not on the blacklist any more"))
)]
async fn delete(State(v1): State<V1>, who: Authenticated, number: Piece) -> Result<StatusCode, Problem> {
    who.require(Scopes::ADMIN)?;
    let number = number.number(&v1.country())?;
    let stopped = |_| Problem::not_now("the engine does not take anything now");
    v1.engine().block(who.service, number, false).await.map_err(stopped)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Numbers of a page.
const LIMIT: u64 = 1_000;

const LIMIT_MAX: u64 = 10_000;
