//! The HTTP façade's listener. Its interfaces come later; until then it says so, and that it lives.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;

use super::problem::Problem;

/// What is served there.
pub fn router() -> Router {
    Router::new().route("/", get(|| async { INDEX })).route("/healthz", get(|| async { "ok\n" })).fallback(
        || async { Problem::new(StatusCode::NOT_FOUND, "not_found", "there is nothing under this path") },
    )
}

const INDEX: &str = "\
Trunkline.

Messages are handed over by SMPP. The HTTP interfaces are not part of this release; this listener has

    GET /healthz    ok, as long as the process lives

Metrics, readiness and the commands of the trunkline command are on the admin listener.
";
