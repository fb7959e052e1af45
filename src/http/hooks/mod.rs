//! `/hooks/…`: where outside systems push to us.
//!
//! `POST /hooks/timetochat/{secret}` takes the vendor's Push_CRA (contracts/timetochat.md §3), which knows no
//! authentication: the address itself is the secret. Who a push is for is found by a hash of that part of the path, so the
//! comparison tells nothing about how much of a guess was right.
//!
//! **Invariant:** 200 is answered only when everything that was pushed is on disk. What is pushed and cannot be read gets
//! 400, and is kept for a person to look at: see [`Rejected`].
//!
//! What a push means is the business of a [`Receiver`]; HTTP does not know the upstream behind it.

mod rejected;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::StatusCode;
use axum::routing::any;
use bytes::Bytes;
use metrics::counter;

pub use self::rejected::{FILES_MAX, Rejected};
use super::problem::Problem;
use crate::net::{AllowFrom, Secret};

/// Octets of a push; a larger one gets 413. The vendor's examples have some 300.
pub const BODY_OCTETS_MAX: usize = 256 * 1024;

/// Counter: pushes by `result`: `stored`, `unavailable`, `unreadable`, `too_large`, `address` or `path`.
pub const PUSHES_TOTAL: &str = "trunkline_hooks_pushes_total";

/// What became of a push.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Received {
    /// All of it is on disk.
    Stored,
    /// What was understood of it is on disk; the rest is worth a look, for this reason.
    Odd(String),
    /// It could not be put on disk: it has to come again.
    Unavailable,
    /// It is not what it should be, for this reason.
    Unreadable(String),
}

/// Takes what is pushed to one address. The future is not dropped before its end.
pub trait Receiver: Send + Sync {
    /// Takes one body, whatever its content type was; resolves when its outcome is known.
    fn receive(&self, body: Bytes) -> Pin<Box<dyn Future<Output = Received> + Send + '_>>;
}

/// One address that is pushed to.
#[derive(Clone)]
pub struct Hook {
    /// Name in metrics and of what is kept: the id of an upstream.
    pub name: String,
    /// The last part of its path.
    pub path: Secret,
    /// Where pushes may come from. `None`: anywhere.
    pub allow_from: Option<AllowFrom>,
    /// Who takes them.
    pub receiver: Arc<dyn Receiver>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All addresses that are pushed to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hooks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// By hash of the secret.
    routes: RwLock<HashMap<[u8; 32], Arc<Hook>>>,
    rejected: Rejected,
}

impl Hooks {
    /// Serves these; what cannot be read is kept in `rejected`.
    pub fn new(routes: Vec<Hook>, rejected: Rejected) -> Self {
        let hooks = Self(Arc::new(Shared { routes: RwLock::default(), rejected }));
        hooks.replace(routes);
        hooks
    }

    /// Serves these instead from now on. What was begun goes on.
    pub fn replace(&self, routes: Vec<Hook>) {
        let routes = routes.into_iter().map(|hook| (hash(hook.path.octets()), Arc::new(hook))).collect();
        *self.0.routes.write().unwrap_or_else(PoisonError::into_inner) = routes;
    }

    /// The routes, to be merged into the façade's.
    pub fn router(&self) -> Router {
        Router::new().route("/hooks/timetochat/{secret}", any(push)).with_state(self.clone())
    }

    fn find(&self, secret: &str) -> Option<Arc<Hook>> {
        let routes = self.0.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.get(&hash(secret.as_bytes())).cloned()
    }
}

async fn push(
    State(hooks): State<Hooks>,
    Path(secret): Path<String>,
    request: Request,
) -> Result<StatusCode, Problem> {
    // Whoever guesses learns nothing from the answer: neither that a hook is near, nor which method it wants.
    let Some(hook) = hooks.find(&secret).filter(|_| request.method() == axum::http::Method::POST) else {
        return Err(refuse("path", StatusCode::NOT_FOUND, "not_found", "there is nothing under this path"));
    };
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let allowed = hook.allow_from.as_ref().is_none_or(|a| from.is_some_and(|from| a.contains(from)));
    if !allowed {
        return Err(refuse("address", StatusCode::FORBIDDEN, "address_not_allowed", "not from this address"));
    }
    let Ok(body) = axum::body::to_bytes(request.into_body(), BODY_OCTETS_MAX).await else {
        let (status, message) =
            (StatusCode::PAYLOAD_TOO_LARGE, "the body is cut off, or larger than 256 KiB");
        return Err(refuse("too_large", status, "too_large", message));
    };
    // A pusher who hangs up early does not undo what has begun.
    let taking = tokio::spawn(async move { hooks.take(&hook, body).await });
    taking.await.unwrap_or_else(|_| Err(unavailable()))
}

impl Hooks {
    async fn take(&self, hook: &Hook, body: Bytes) -> Result<StatusCode, Problem> {
        match hook.receiver.receive(body.clone()).await {
            Received::Stored => {}
            Received::Odd(why) => {
                tracing::warn!(hook = hook.name, why, "a push is not quite as expected: kept beside");
                self.0.rejected.keep(&hook.name, body).await;
            }
            Received::Unavailable => return Err(unavailable()),
            Received::Unreadable(why) => {
                tracing::warn!(hook = hook.name, why, "a push cannot be read: kept beside");
                self.0.rejected.keep(&hook.name, body).await;
                return Err(refuse("unreadable", StatusCode::BAD_REQUEST, "invalid", why));
            }
        }
        counter!(PUSHES_TOTAL, "result" => "stored").increment(1);
        Ok(StatusCode::OK)
    }
}

fn unavailable() -> Problem {
    counter!(PUSHES_TOTAL, "result" => "unavailable").increment(1);
    Problem::not_now("it could not be stored; send it again")
}

fn refuse(
    result: &'static str,
    status: StatusCode,
    code: &'static str,
    detail: impl Into<Cow<'static, str>>,
) -> Problem {
    counter!(PUSHES_TOTAL, "result" => result).increment(1);
    Problem::new(status, code, detail)
}

fn hash(secret: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let made = digest(&SHA256, secret);
    for (to, from) in out.iter_mut().zip(made.as_ref()) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::body::Body;
    use tower_service::Service;

    use super::*;
    use crate::clock::Clock;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    /// Answers as told, and remembers what came.
    struct Told(Received, Mutex<Vec<Bytes>>);

    impl Receiver for Told {
        fn receive(&self, body: Bytes) -> Pin<Box<dyn Future<Output = Received> + Send + '_>> {
            self.1.lock().expect("no panic").push(body);
            Box::pin(async move { self.0.clone() })
        }
    }

    struct Fixture {
        hooks: Hooks,
        receiver: Arc<Told>,
        dir: tempfile::TempDir,
    }

    fn fixture(answer: Received, allow_from: Option<AllowFrom>) -> Fixture {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let receiver = Arc::new(Told(answer, Mutex::default()));
        let hook = Hook {
            name: "sfr".into(),
            path: Secret::new(SECRET),
            allow_from,
            receiver: Arc::clone(&receiver) as Arc<dyn Receiver>,
        };
        let rejected = Rejected::new(dir.path().join("hooks-rejected"), Clock::standing(1_700_000_000_000));
        Fixture { hooks: Hooks::new(vec![hook], rejected), receiver, dir }
    }

    impl Fixture {
        async fn ask(&self, method: &str, path: &str, body: impl Into<Body>) -> StatusCode {
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header("content-type", "text/plain")
                .body(body.into())
                .expect("a good request");
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 1234))));
            self.hooks.router().call(request).await.expect("it answers").status()
        }

        async fn push(&self, body: &'static str) -> StatusCode {
            self.ask("POST", &format!("/hooks/timetochat/{SECRET}"), body).await
        }

        fn kept(&self) -> Vec<Vec<u8>> {
            let Ok(entries) = std::fs::read_dir(self.dir.path().join("hooks-rejected")) else {
                return vec![];
            };
            entries.map(|e| std::fs::read(e.expect("listed").path()).expect("ours")).collect()
        }
    }

    #[tokio::test]
    async fn a_push_is_taken_whatever_its_content_type() {
        let fixture = fixture(Received::Stored, None);
        assert_eq!(fixture.push("{}").await, StatusCode::OK);
        assert_eq!(*fixture.receiver.1.lock().expect("no panic"), [Bytes::from_static(b"{}")]);
        assert!(fixture.kept().is_empty());
    }

    #[tokio::test]
    async fn a_push_that_is_not_on_disk_has_to_come_again() {
        let fixture = fixture(Received::Unavailable, None);
        assert_eq!(fixture.push("{}").await, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn a_push_that_cannot_be_read_is_refused_and_kept() {
        let fixture = fixture(Received::Unreadable("no JSON".into()), None);
        assert_eq!(fixture.push("\u{0}hello").await, StatusCode::BAD_REQUEST);
        assert_eq!(fixture.kept(), [b"\0hello".to_vec()]);
    }

    #[tokio::test]
    async fn an_odd_push_is_taken_and_kept() {
        let fixture = fixture(Received::Odd("a new word".into()), None);
        assert_eq!(fixture.push("{}").await, StatusCode::OK);
        assert_eq!(fixture.kept(), [b"{}".to_vec()]);
    }

    #[tokio::test]
    async fn a_guess_learns_nothing() {
        let fixture = fixture(Received::Stored, None);
        let right = format!("/hooks/timetochat/{SECRET}");
        for (method, path) in [
            ("GET", right.as_str()),
            ("PUT", &right),
            ("POST", "/hooks/timetochat/0123456789abcdef0123456789abcdee"),
            ("POST", "/hooks/timetochat/"),
            ("POST", &right[..right.len() - 1]),
            ("POST", &format!("{right}/x")),
            ("POST", &right.to_ascii_uppercase()),
        ] {
            assert_eq!(fixture.ask(method, path, "{}").await, StatusCode::NOT_FOUND, "{method} {path}");
        }
        assert!(fixture.receiver.1.lock().expect("no panic").is_empty());
        assert!(!format!("{:?}", fixture.hooks).contains("0123456789"));
    }

    #[tokio::test]
    async fn a_hook_may_be_for_some_addresses_only() {
        let only =
            |last: u8| Some(AllowFrom::new(move |from| from == std::net::IpAddr::from([192, 0, 2, last])));
        assert_eq!(fixture(Received::Stored, only(7)).push("{}").await, StatusCode::OK);
        assert_eq!(fixture(Received::Stored, only(8)).push("{}").await, StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn a_huge_push_is_refused() {
        let fixture = fixture(Received::Stored, None);
        let path = format!("/hooks/timetochat/{SECRET}");
        let answer = fixture.ask("POST", &path, vec![b' '; BODY_OCTETS_MAX + 1]).await;
        assert_eq!(answer, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(fixture.ask("POST", &path, vec![b' '; BODY_OCTETS_MAX]).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn other_hooks_take_over_at_once() {
        let fixture = fixture(Received::Stored, None);
        fixture.hooks.replace(Vec::new());
        assert_eq!(fixture.push("{}").await, StatusCode::NOT_FOUND);
    }
}
