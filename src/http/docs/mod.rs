//! Pages that describe the interfaces and from which calls can be tried: Swagger UI, out of the program itself.
//!
//! Nothing is loaded from elsewhere: the files are in the program, the content security policy allows this server alone,
//! and the check of descriptions on a foreign server that Swagger UI brings along is off.

mod problems;

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

use super::problem::Problem;

/// One page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where it is, without a slash at the end: `/docs`.
    pub path: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Where its description is: on this server.
    pub description: &'static str,
}

/// The native API's page.
pub const V1: Page = Page { path: "/docs", title: "Trunkline, native API", description: "/v1/openapi.json" };

/// The vendor-compatible interface's page.
pub const MUG: Page = Page {
    path: "/mug/api/V1/api-docs",
    title: "Trunkline, the interface compatible with TimeToChat's",
    description: "/mug/api/V1/api-docs/openapi.json",
};

/// What is served of a page.
pub fn page(page: Page) -> Router {
    let config = Config::new([page.description])
        .use_base_layout()
        .validator_url("none")
        .display_operation_id(false)
        .display_request_duration(true)
        .try_it_out_enabled(true)
        .deep_linking(true)
        .query_config_enabled(false);
    let shown = Arc::new(Shown { title: page.title, config: Arc::new(config) });
    let rest = Arc::clone(&shown);
    let slash = format!("{}/", page.path);
    let to = slash.clone();
    Router::new()
        .route(page.path, get(async move || Redirect::permanent(&to)))
        .route(&slash, get(async move || shown.file("index.html")))
        .route(&format!("{slash}{{*file}}"), get(async move |Path(file): Path<String>| rest.file(&file)))
}

/// A description that a page shows.
pub fn description(path: &'static str, openapi: &OpenApi) -> Router {
    let json: Arc<str> = openapi.to_json().unwrap_or_default().into();
    let answer = async move || ([(header::CONTENT_TYPE, "application/json")], json.to_string());
    Router::new().route(path, get(answer))
}

/// What the `type` of a problem leads to: all codes and what they mean.
pub fn problems() -> Router {
    Router::new().route("/docs/problems", get(async || html(problems::page())))
}

struct Shown {
    title: &'static str,
    config: Arc<Config<'static>>,
}

impl Shown {
    fn file(&self, name: &str) -> Response {
        let file = match utoipa_swagger_ui::serve(name, Arc::clone(&self.config)) {
            Ok(Some(file)) => file,
            Ok(None) => return Problem::not_found("there is no such page").into_response(),
            Err(error) => {
                tracing::error!(%error, "a page of the documentation cannot be made");
                return Problem::internal().into_response();
            }
        };
        if name == "index.html" {
            let page = String::from_utf8_lossy(&file.bytes);
            return html(
                page.replace("<title>Swagger UI</title>", &format!("<title>{}</title>", self.title)),
            );
        }
        let kind = HeaderValue::from_str(&file.content_type);
        let mut response = file.bytes.into_owned().into_response();
        if let Ok(kind) = kind {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        guarded(response)
    }
}

/// A page that may load from this server and from nowhere else.
pub(super) fn html(page: String) -> Response {
    guarded(([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response())
}

fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Swagger UI sets styles inline and has its pictures in its style sheet.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    async fn text(response: Response) -> String {
        let octets = to_bytes(response.into_body(), 8 << 20).await.expect("it is in memory");
        String::from_utf8(octets.to_vec()).expect("it is text")
    }

    fn shown() -> Shown {
        Shown { title: V1.title, config: Arc::new(Config::new([V1.description]).validator_url("none")) }
    }

    #[tokio::test]
    async fn pages_load_nothing_from_elsewhere() {
        for name in ["index.html", "swagger-initializer.js", "index.css"] {
            let response = shown().file(name);
            assert_eq!(response.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
            let text = text(response).await;
            assert!(
                !text.contains("http://") && !text.contains("https://") && !text.contains("src=\"//"),
                "{text}"
            );
        }
        // What a style sheet loads it loads by url(…): only pictures that are written out.
        let css = text(shown().file("swagger-ui.css")).await;
        for url in css.split("url(").skip(1) {
            let url = url.trim_start_matches(['"', '\'']);
            assert!(url.starts_with("data:"), "{}", &url[..url.len().min(60)]);
        }
        assert!(!css.contains("@import"));
    }

    #[tokio::test]
    async fn a_page_shows_its_description_and_asks_nobody_to_check_it() {
        let initializer = text(shown().file("swagger-initializer.js")).await;
        assert!(initializer.contains(r#""url": "/v1/openapi.json""#), "{initializer}");
        assert!(initializer.contains(r#""validatorUrl": "none""#), "{initializer}");
        assert!(text(shown().file("index.html")).await.contains("<title>Trunkline, native API</title>"));
        assert_eq!(shown().file("nothing.js").status(), 404);
    }
}
