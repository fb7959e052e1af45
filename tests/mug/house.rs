//! The REST methods on a socket, before a real engine whose upstream is a task of the tests' own.
#![allow(unreachable_pub, reason = "a part of one test")]

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use trunkline::clock::Clock;
use trunkline::engine::{self, Engine};
use trunkline::gateway::port::{Answer, Arrival, Arrived, Effect, Input, Outcome};
use trunkline::gateway::record::Report;
use trunkline::gateway::settings::{LongMode, Route, Rules, Service, Settings, Upstream, default_policies};
use trunkline::http::mug::{Account, Config, Mug, SigningKey, vendor_errors};
use trunkline::http::{self, Limits, facade};
use trunkline::net::Secret;
use trunkline::pdu::{CommandStatus, MessageState};
use trunkline::store::fault::FaultDisk;

pub const PASSWORD: &str = "12a34b56c";

/// Nothing that is waited for takes longer, on a busy machine either.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a test wants other than usual.
pub struct Wanted {
    /// The service `shop`.
    pub shop: Service,
    pub accounts: Vec<Account>,
    pub failure_delay: Duration,
    pub body_patience: Duration,
    /// The clock of the methods (the engine has its own).
    pub clock: Arc<Clock>,
}

impl Default for Wanted {
    fn default() -> Self {
        let clock = Clock::standing(Clock::system().utc_ms());
        let senders = Some(["33930000000".to_owned()].into());
        Self {
            shop: Service { senders, ..Service::new("shop") },
            accounts: vec![account("123456", "shop"), account("654321", "bank")],
            failure_delay: Duration::ZERO,
            body_patience: Duration::from_secs(10),
            clock,
        }
    }
}

/// An account without a rate.
pub fn account(rest_id: &str, service: &str) -> Account {
    Account { rest_id: rest_id.into(), rate: 0, ..Account::new(service, Secret::new(PASSWORD)) }
}

/// The methods for these accounts.
pub fn config(accounts: Vec<Account>) -> Config {
    let errors = HashMap::from([("parts".to_owned(), vendor_errors())]);
    Config { accounts, errors, failure_delay: Duration::ZERO, ..Config::new("33", SigningKey::new([7; 32])) }
}

/// A running server.
pub struct House {
    pub mug: Mug,
    pub engine: Engine,
    pub clock: Arc<Clock>,
    pub addr: SocketAddr,
    stop: CancellationToken,
}

impl House {
    pub async fn open(wanted: Wanted) -> Self {
        let on_disk = engine::Config {
            data_dir: "/data".into(),
            disk_reserve_octets: 0,
            checkpoint_ms: 100,
            ..engine::Config::default()
        };
        let settings = settings(wanted.shop);
        let started = tokio::task::spawn_blocking(move || {
            Engine::start(Arc::new(FaultDisk::new()), on_disk, Arc::new(settings), Clock::system())
        });
        let engine = started.await.expect("it does not panic").expect("an empty disk opens");
        let config = Config {
            failure_delay: wanted.failure_delay,
            body_patience: wanted.body_patience,
            ..config(wanted.accounts)
        };
        let clock = wanted.clock;
        let mug = Mug::new(config, engine.clone(), Arc::clone(&clock));
        let server = http::bind((Ipv4Addr::LOCALHOST, 0).into()).await.expect("loopback has free ports");
        let addr = server.addr;
        let stop = CancellationToken::new();
        // With the pages under the same prefix.
        let router = facade::router(facade::timetochat(&mug));
        tokio::spawn(server.serve(router, Limits::default(), stop.clone()));
        bind(&engine, "parts", &stop).await;
        bind(&engine, "whole", &stop).await;
        Self { mug, engine, clock, addr, stop }
    }

    /// With one account of the usual service, and its token.
    pub async fn usual() -> (Self, String) {
        let house = Self::open(Wanted::default()).await;
        let token = house.token("123456").await;
        (house, token)
    }

    pub async fn token(&self, service: &str) -> String {
        let path = format!("/services/{service}/token");
        let answer = self.post(&path, None, &json!({ "password": PASSWORD })).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["token"].as_str().expect("a token").to_owned()
    }

    /// What comes for these members in the contract's example.
    pub async fn send(&self, token: &str, members: Value) -> Answered {
        let mut body = json!({ "from": "0930000000", "to": "0601020304", "text": "Test MUG" });
        for (name, value) in members.as_object().expect("an object") {
            body[name] = value.clone();
        }
        self.post("/services/123456/messages", Some(token), &body).await
    }

    /// Sends and gives the id.
    pub async fn sent(&self, token: &str, members: Value) -> String {
        let answer = self.send(token, members).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answered {
        self.ask("POST", path, token, body.to_string().as_bytes()).await
    }

    pub async fn get(&self, token: &str, id: &str) -> Answered {
        self.ask("GET", &format!("/services/123456/messages/{id}"), Some(token), b"").await
    }

    /// Reads the message until its history satisfies `what`.
    pub async fn until(&self, token: &str, id: &str, what: impl Fn(&[Value]) -> bool) -> Value {
        let looked = async {
            loop {
                let answer = self.get(token, id).await;
                assert_eq!(answer.status, 200, "{answer:?}");
                let message = answer.json();
                if what(message["history"].as_array().expect("a history")) {
                    return message;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, looked).await {
            Ok(message) => message,
            Err(_) => panic!("never, at last {:?}", self.get(token, id).await),
        }
    }

    pub async fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &[u8]) -> Answered {
        let token = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        let head = format!(
            "{method} /mug/api/V1{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        self.raw(&[head.as_bytes(), body].concat()).await
    }

    /// All that comes back for these octets until the server closes.
    pub async fn raw(&self, octets: &[u8]) -> Answered {
        let talk = async {
            let mut stream = TcpStream::connect(self.addr).await.expect("it listens");
            stream.write_all(octets).await.expect("it reads");
            let mut answer = Vec::new();
            // A reset after the answer is as good an end as any.
            let _ = stream.read_to_end(&mut answer).await;
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, talk).await.expect("it answers");
        Answered::read(&String::from_utf8_lossy(&answer))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
        let engine = self.engine.clone();
        // Its thread ends by itself; nobody waits for it.
        std::thread::spawn(move || engine.stop());
    }
}

/// An answer.
#[derive(Debug, Eq, PartialEq)]
pub struct Answered {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answered {
    fn read(answer: &str) -> Self {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn code(&self) -> String {
        let json = self.json();
        assert!(self.head.contains("content-type: application/json"), "{self:?}");
        json["code"].as_str().expect("a code").to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// Two upstreams: `parts` gets a PDU per segment, `whole` (numbers of Belgium) one per message.
fn settings(shop: Service) -> Settings {
    let policies = default_policies;
    let route = |destination: &str, upstream: &str| Route {
        service: None,
        sender: String::new(),
        destination: destination.into(),
        upstreams: vec![upstream.into()],
    };
    Settings {
        services: vec![shop, Service::new("bank")],
        upstreams: vec![
            Upstream { long: LongMode::Udh, policies: policies(), ..Upstream::new("parts") },
            Upstream { long: LongMode::Payload, policies: policies(), ..Upstream::new("whole") },
        ],
        routes: vec![route("33", "parts"), route("32", "whole")],
        mo_routes: Vec::new(),
        rules: Rules::default(),
    }
}

/// An upstream that answers each submit and reports on it, unless the recipient ends in a number that says otherwise.
async fn bind(engine: &Engine, name: &'static str, stop: &CancellationToken) {
    let (link, mailbox) = engine.open_link();
    let upstream = engine.upstream(name).expect("it is configured");
    engine.send(Input::UpstreamBound { link, upstream, window: 1_000 }).await.expect("it runs");
    let (engine, stop) = (engine.clone(), stop.clone());
    tokio::spawn(async move {
        let mut next = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = mailbox.ready() => {}
            }
            let mut effects = Vec::new();
            mailbox.take(&mut effects);
            for effect in effects {
                let Effect::Dispatch(dispatch) = effect else { continue };
                next += 1;
                let id: Box<[u8]> = format!("{name}{next}").into_bytes().into();
                let recipient = dispatch.content.destination.as_bytes();
                let (outcome, report) = match recipient.get(recipient.len() - 2..) {
                    Some(b"01") => (Outcome::Refused(CommandStatus::ESME_RINVDSTADR), None),
                    Some(b"02") => (Outcome::Taken(id.clone()), None),
                    Some(b"03") => (Outcome::Taken(id.clone()), Some((MessageState::UNDELIVERABLE, 0))),
                    Some(b"12") => (Outcome::Taken(id.clone()), Some((MessageState::UNDELIVERABLE, 12))),
                    _ => (Outcome::Taken(id.clone()), Some((MessageState::DELIVERED, 0))),
                };
                let answers = vec![Answer { ticket: dispatch.ticket, outcome }];
                let _ = engine.send(Input::Answers { link, answers }).await;
                let Some((state, error)) = report else { continue };
                let report = Report {
                    upstream_id: id,
                    other_id: Box::default(),
                    source: dispatch.content.destination,
                    destination: dispatch.content.source,
                    state,
                    error,
                    message: None,
                };
                let arrivals = vec![Arrival { reply: next, what: Arrived::Receipt(report), once: None }];
                let _ = engine.send(Input::Arrivals { link, upstream, arrivals }).await;
            }
        }
    });
}
