//! The façade: what is mounted on the listener for applications, and a first page that lists it.

use std::fmt::Write;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::docs;
use super::mug::{self, Mug};
use super::problem::Problem;
use super::v1::V1;

/// Something that is mounted: an interface, its pages, or both.
#[derive(Debug)]
pub struct Part {
    /// Where a person begins to read: a path of this server.
    pub path: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// What is served. Its paths are whole, and it has no fallback of its own.
    pub router: Router,
}

/// Everything in one router, with `/`, `/healthz` and an answer for what is not there.
///
/// Parts do not know each other, so that another one is another line in `app`.
pub fn router(parts: Vec<Part>) -> Router {
    let mut listed = vec![("/healthz", "ok, as long as the process lives")];
    let mut all = Router::new().route("/healthz", get(|| async { "ok\n" }));
    for part in parts {
        listed.push((part.path, part.what));
        all = all.merge(part.router);
    }
    all.route("/", get(async move |headers: HeaderMap| index(&headers, &listed)))
        .fallback(|| async { Problem::not_found("there is nothing under this path") })
        .method_not_allowed_fallback(|| async {
            let detail = "this path has other methods; the header Allow names them";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        })
}

/// `router` as long as the process works; once `closing` is cancelled new requests get 503, and their connections end.
pub fn until(closing: CancellationToken, router: Router) -> Router {
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let is_closing = closing.is_cancelled();
        async move {
            if !is_closing {
                return next.run(request).await;
            }
            let mut refused = Problem::not_now("stopping").into_response();
            refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            refused
        }
    }))
}

/// The list, as a page for browsers and as text for others.
fn index(headers: &HeaderMap, listed: &[(&str, &str)]) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    if !accept.contains("text/html") {
        let _ = writeln!(out, "Trunkline.\n");
        for (path, what) in listed {
            let _ = writeln!(out, "    {path:<28} {what}");
        }
        let _ =
            writeln!(out, "\nMetrics and the commands of the trunkline command are on the admin listener.");
        return ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], out).into_response();
    }
    for (path, what) in listed {
        let _ = writeln!(out, "<li><a href=\"{path}\"><code>{path}</code></a> {what}</li>");
    }
    docs::html(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Trunkline</title></head>\n\
         <body><h1>Trunkline</h1>\n<ul>\n{out}</ul></body></html>\n"
    ))
}

/// The native API with its pages.
pub fn native(v1: &V1) -> Vec<Part> {
    vec![
        Part { path: "/docs/", what: "the native API: read and try it", router: docs::page(docs::V1) },
        Part { path: "/docs/problems", what: "what its errors mean", router: docs::problems() },
        Part { path: "/v1/openapi.json", what: "its description", router: v1.router() },
    ]
}

/// The interface compatible with TimeToChat's, with its pages.
pub fn timetochat(mug: &Mug) -> Vec<Part> {
    vec![
        Part {
            path: "/mug/api/V1/api-docs/",
            what: "the interface compatible with TimeToChat's: read and try it",
            router: docs::page(docs::MUG),
        },
        Part {
            path: docs::MUG.description,
            what: "its description",
            router: mug.router().merge(docs::description(docs::MUG.description, &mug::openapi())),
        },
    ]
}
