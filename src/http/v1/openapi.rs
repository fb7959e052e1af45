//! The description of the native API, put together from its parts.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Type};

use crate::http::problem::{self, Fault, ProblemBody};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Trunkline, native API",
        description = "Messages, events and webhooks of one service. Every request carries a key of the service \
                       (`Authorization: Bearer …`). Errors are problem details (RFC 9457) with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(ProblemBody, Fault)),
    security(("key" = []))
)]
struct Frame;

/// The whole description.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut all = Frame::openapi();
    for part in parts() {
        all.merge(part);
    }
    let key =
        Http::builder().scheme(HttpAuthScheme::Bearer).description(Some("A key of the service.")).build();
    all.components
        .get_or_insert_default()
        .security_schemes
        .insert("key".into(), SecurityScheme::Http(key).into());
    all.paths.paths.values_mut().flat_map(operations).for_each(complete);
    all
}

/// What each part of the API says of itself.
fn parts() -> Vec<OpenApi> {
    vec![
        super::messages::Api::openapi(),
        super::segments::Api::openapi(),
        super::events::Api::openapi(),
        super::incoming::Api::openapi(),
        super::blacklist::Api::openapi(),
        super::webhooks::Api::openapi(),
        super::usage::Api::openapi(),
    ]
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// What every request may be told, besides what its handler says of itself.
fn complete(operation: &mut Operation) {
    let mut may = vec![
        ("401", "No key, or one that opens nothing"),
        ("403", "The key lacks a scope, or may not be used from this address"),
        ("429", "Too many requests; `Retry-After` says when"),
        ("500", "Something went wrong here"),
        ("503", "Not possible just now; `Retry-After` says when"),
    ];
    if operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
        may.push(("400", "The request has faults, each in `errors`"));
    }
    if operation.request_body.is_some() {
        may.extend([
            ("400", "The body is no JSON, or has faults, each in `errors`"),
            ("413", "The body is too large"),
            ("415", "The body is not application/json"),
        ]);
    }
    for (status, what) in may {
        let described = operation.responses.responses.entry(status.into());
        let response = described.or_insert_with(|| RefOr::T(refusal(what)));
        if let RefOr::T(response) = response
            && matches!(status, "429" | "503")
        {
            response.headers.insert("Retry-After".into(), seconds());
        }
    }
}

fn refusal(what: &str) -> Response {
    let content = Content::builder().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(what).content(problem::CONTENT_TYPE, content).build()
}

fn seconds() -> RefOr<utoipa::openapi::Header> {
    let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
    let header = HeaderBuilder::new().schema(Some(schema)).description(Some("Seconds")).build();
    header.into()
}

/// `GET /v1/openapi.json`.
pub(super) async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], WRITTEN.as_str())
}

static WRITTEN: LazyLock<String> = LazyLock::new(|| openapi().to_json().unwrap_or_default());
