//! `kill -9` with REST clients and webhooks in flight: what got a 201 ends and is pushed, and an Idempotency-Key answers the
//! same after every restart.

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use support::gateway::{PASSWORD, Site, Wanted, mo_route, route, service, upstream};
use support::smsc::Smsc;
use support::{ms, pass, until};
use trunkline::net::Guard;
use trunkline::net::client::{Client, ClientConfig, Request};

const KILLS: usize = 8;
const CLIENTS: usize = 6;
/// Messages accepted between two kills, at least.
const BETWEEN: u64 = 120;
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// What the receiver of webhooks has got.
#[derive(Debug, Default)]
struct Pushed {
    /// Types by message, in the order of arrival, repetitions left out.
    types: HashMap<String, Vec<String>>,
    /// webhook-id seen more than once.
    again: u64,
    seen: BTreeSet<String>,
    /// Texts of MO.
    received: BTreeMap<String, u64>,
    /// Events of the vendor's push, by message.
    cra: HashMap<String, Vec<String>>,
    calls: u64,
}

type Book = Arc<Mutex<Pushed>>;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn native(State(book): State<Book>, headers: HeaderMap, body: String) -> StatusCode {
    let mut book = lock(&book);
    book.calls += 1;
    // One in seven is refused for now, whatever it says.
    if book.calls % 7 == 3 {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let id = headers.get("webhook-id").and_then(|v| v.to_str().ok()).expect("an id").to_owned();
    if !book.seen.insert(id) {
        book.again += 1;
        return StatusCode::NO_CONTENT;
    }
    let event: Value = serde_json::from_str(&body).expect("JSON");
    let (kind, data) = (event["type"].as_str().expect("a type"), &event["data"]);
    if kind == "message.received" {
        *book.received.entry(data["text"].as_str().expect("a text").to_owned()).or_default() += 1;
    } else {
        let id = data["id"].as_str().expect("an id").to_owned();
        book.types.entry(id).or_default().push(kind.to_owned());
    }
    StatusCode::NO_CONTENT
}

async fn vendor(State(book): State<Book>, body: String) -> StatusCode {
    let report: Value = serde_json::from_str(&body).expect("JSON");
    let sms = &report["status_report"]["sms"][0];
    let (id, status) = (sms["call_id"].as_str().expect("an id"), sms["status"].as_str().expect("a status"));
    lock(&book).cra.entry(id.to_owned()).or_default().push(status.to_owned());
    StatusCode::OK
}

async fn receiver(book: Book) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("it listens");
    let router = Router::new().route("/native", post(native)).route("/vendor", post(vendor)).with_state(book);
    tokio::spawn(async move { axum::serve(listener, router).await });
    addr
}

/// What the clients know.
#[derive(Debug, Default)]
struct Sent {
    /// Ids of the native interface by Idempotency-Key.
    keyed: BTreeMap<String, String>,
    /// Ids of the vendor's interface, by extRef.
    rest: BTreeMap<String, String>,
    /// The same key brought two ids.
    contradictions: Vec<String>,
    unknown: u64,
}

struct Shop {
    http: SocketAddr,
    client: Client,
    sent: Mutex<Sent>,
    accepted: AtomicU64,
    stop: AtomicBool,
}

impl Shop {
    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Option<(u16, Value)> {
        let uri = format!("http://{}{path}", self.http).parse().expect("a URI");
        let mut request = Request::new(method.parse().expect("a method"), uri);
        request.headers.insert("content-type", "application/json".parse().expect("a value"));
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().expect("a name");
            request.headers.insert(name, value.parse().expect("a value"));
        }
        if !body.is_null() {
            request.body = body.to_string().into_bytes().into();
        }
        let answer = self.client.send(request).await.ok()?;
        Some((answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or(Value::Null)))
    }

    async fn post_keyed(&self, key: &str) -> Option<String> {
        let authorization = format!("Bearer {KEY}");
        let headers = [("authorization", authorization.as_str()), ("idempotency-key", key)];
        let body = json!({ "from": "33930000000", "to": "+33612345678", "text": format!("keyed {key}") });
        let (status, answer) = self.ask("POST", "/v1/messages", &headers, body).await?;
        if status != 201 {
            assert!(matches!(status, 409 | 429 | 503), "{status} {answer}");
            return None;
        }
        let id = answer["id"].as_str().expect("an id").to_owned();
        let mut sent = lock(&self.sent);
        if let Some(before) = sent.keyed.insert(key.to_owned(), id.clone())
            && before != id
        {
            sent.contradictions.push(key.to_owned());
        }
        Some(id)
    }

    /// One client: keyed messages by the native interface, each repeated until it is answered and then once more, and
    /// messages by the vendor's.
    async fn work(self: Arc<Self>, name: usize) {
        let mut token = String::new();
        for n in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let key = format!("c{name}-{n}");
            while self.post_keyed(&key).await.is_none() {
                pass(ms(20)).await;
            }
            self.accepted.fetch_add(1, Ordering::Relaxed);
            if n % 3 == 0 {
                self.post_keyed(&key).await;
            }
            if token.is_empty() {
                let body = json!({ "password": PASSWORD });
                let answer = self.ask("POST", "/mug/api/V1/services/shop/token", &[], body).await;
                let Some((201, answer)) = answer else { continue };
                token = format!("Bearer {}", answer["token"].as_str().expect("a token"));
            }
            let reference = format!("r{name}-{n}");
            let body = json!({ "from": "0930000000", "to": "0612345678", "text": format!("rest {reference}"),
                               "extRef": reference });
            let headers = [("authorization", token.as_str())];
            match self.ask("POST", "/mug/api/V1/services/shop/messages", &headers, body).await {
                Some((201, answer)) => {
                    let id = answer["id"].as_str().expect("an id").to_owned();
                    lock(&self.sent).rest.insert(reference, id);
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                }
                // Tokens outlive a restart.
                Some((status, answer)) => assert!(matches!(status, 429 | 503), "{status} {answer}"),
                None => lock(&self.sent).unknown += 1,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_got_a_201_is_lost_over_kills_with_webhooks_in_flight() {
    let smsc = Smsc::start(None).await;
    let book = Book::default();
    let hooks = receiver(Arc::clone(&book)).await;
    let more = format!(
        "http_rate = 0\nrest = true\nmo = \"webhook\"\npush_url = \"http://{hooks}/vendor\"\n\
         [[service.key]]\nid = \"k\"\nkey_file = \"key\"\n\
         [[service.webhook]]\nid = \"crm\"\nurl = \"http://{hooks}/native\"\nsecret_file = \"key\"\ndelay = \"100ms\"\n"
    );
    let services = [
        service("shop", &more),
        upstream("a", smsc.addr, "sessions = 2\nwindow = 50"),
        route(&["a"], ""),
        mo_route("shop"),
    ]
    .concat();
    let site = Site::new(&Wanted {
        http: Some("allow_private = [\"127.0.0.0/8\"]"),
        rest: &services,
        store: "segment = \"1MiB\"",
        ..Wanted::default()
    });
    site.write("key", KEY);
    site.configure(&Wanted {
        http: Some("allow_private = [\"127.0.0.0/8\"]"),
        rest: &services,
        store: "segment = \"1MiB\"",
        ..Wanted::default()
    });
    let mut gateway = site.start().await;
    let config =
        ClientConfig { guard: Guard::any(), timeout: Duration::from_secs(5), ..ClientConfig::default() };
    let shop = Arc::new(Shop {
        http: site.http,
        client: Client::new(config).expect("it needs no certificates"),
        sent: Mutex::default(),
        accepted: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    });
    let clients: Vec<_> = (0..CLIENTS).map(|n| tokio::spawn(Arc::clone(&shop).work(n))).collect();

    let mut said = 0;
    for kill in 0..KILLS {
        let before = shop.accepted.load(Ordering::Relaxed);
        until("more is accepted", || {
            let now = shop.accepted.load(Ordering::Relaxed);
            (now >= before + BETWEEN).then_some(())
        })
        .await;
        for _ in 0..3 {
            smsc.mo("33612345678", "33930000000", format!("mobile {said}").as_bytes());
            said += 1;
        }
        // A little later each time, so that it does not always hit the same.
        pass(ms(7 * kill as u64)).await;
        gateway.kill();
        gateway = site.start().await;
    }
    shop.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("a client");
    }
    gateway.until("everything drained", |metrics| metrics.stages() == [0; 4]).await;

    // Every key brings its message again, from the tables now.
    let keyed = lock(&shop.sent).keyed.clone();
    for key in keyed.keys() {
        assert!(shop.post_keyed(key).await.is_some(), "{key} is refused");
    }
    gateway.until("everything drained", |metrics| metrics.stages() == [0; 4]).await;
    let again = gateway.metrics().await;
    again.add_up();
    let doubts = [again.duplicates("dispatch"), again.duplicates("delivery")];
    assert!(gateway.terminate().await.success());

    let (sent, pushed, smsc) = (lock(&shop.sent), lock(&book), smsc.book());
    println!(
        "chaos over HTTP: {} keyed, {} by the vendor's interface, {} unknown, {} webhooks repeated, {doubts:?} doubts counted",
        sent.keyed.len(),
        sent.rest.len(),
        sent.unknown,
        pushed.again,
    );
    assert_eq!(sent.contradictions, [""; 0], "a key brought two messages");
    let distinct: BTreeSet<_> = sent.keyed.values().collect();
    assert_eq!(distinct.len(), sent.keyed.len(), "two keys brought one message");
    for (key, id) in &sent.keyed {
        let text = format!("keyed {key}");
        assert!(smsc.copies.contains_key(text.as_bytes()), "{key} got a 201 and was never sent");
        ends_once(&pushed.types, id, key);
    }
    for (reference, id) in &sent.rest {
        let text = format!("rest {reference}");
        assert!(smsc.copies.contains_key(text.as_bytes()), "{reference} got a 201 and was never sent");
        ends_once(&pushed.types, id, reference);
        let states = pushed.cra.get(id).unwrap_or_else(|| panic!("nothing was pushed about {reference}"));
        assert!(states.iter().any(|s| s == "RECEIVED"), "{reference}: {states:?}");
        let first = states.iter().position(|s| s == "RECEIVED");
        assert!(states.iter().rposition(|s| s == "SENT") < first.map(|at| at + 1), "{reference}: {states:?}");
    }
    assert!(smsc.extra_copies() <= doubts[0], "sent again without being counted");
    for n in 0..said {
        let text = format!("mobile {n}");
        assert!(pushed.received.contains_key(&text), "{text} was acknowledged and never pushed");
    }
}

/// A message's events came in order, and it ended once.
fn ends_once(types: &HashMap<String, Vec<String>>, id: &str, what: &str) {
    let seen = types.get(id).unwrap_or_else(|| panic!("nothing was pushed about {what}"));
    assert_eq!(seen.last().map(String::as_str), Some("message.delivered"), "{what}: {seen:?}");
    assert_eq!(seen.iter().filter(|kind| *kind != "message.sent").count(), 1, "{what}: {seen:?}");
}
