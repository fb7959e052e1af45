//! The native API in front of a real engine, on a loopback port: its clock stands still, its upstream is a few lines.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use trunkline::clock::Clock;
use trunkline::engine::{self, Engine};
use trunkline::gateway::id::{LinkId, UpstreamNo};
use trunkline::gateway::port::{Answer, Arrival, Arrived, Effect, Input, Outcome};
use trunkline::gateway::record::{MoContent, Report};
use trunkline::gateway::settings::{MoRoute, Route, Rules, Service, Settings, Upstream};
use trunkline::http::v1::{ApiKey, Config, Scopes, ServiceAccess, V1, sha256};
use trunkline::http::{self, facade};
use trunkline::pdu::{Address, DataCoding, EsmClass, MessageState, Npi, Ton};
use trunkline::store::file::RealDisk;

use super::PATIENCE;

/// 2026-11-22T09:00:00Z, at which the clock stands.
pub const NOW_MS: u64 = 1_795_338_000_000;

/// Opens everything of the service `shop`.
pub const KEY: &str = "shop-secret";

/// A server that works. Its data stay when it is stopped with [`stop`](Self::stop).
#[derive(Debug)]
pub struct Api {
    pub addr: SocketAddr,
    pub engine: Engine,
    pub v1: V1,
    pub clock: Arc<Clock>,
    upstream: LinkId,
    stop: CancellationToken,
    data: TempDir,
}

/// What a server is told besides what all are.
pub struct Wanted {
    pub services: Vec<Service>,
    pub config: Config,
    /// Whether the upstream has a session.
    pub upstream: bool,
}

impl Default for Wanted {
    /// The service `shop` that may do everything.
    fn default() -> Self {
        let own = Address::new(Ton::INTERNATIONAL, Npi::ISDN, b"33930000000").expect("short");
        let shop = Service {
            watched: true,
            senders: Some(senders()),
            default_sender: Some(own),
            ..Service::new("shop")
        };
        let other = Service { watched: true, ..Service::new("other") };
        let access = |id: &str| ServiceAccess { allow_from: None, rate: 0, ..access_of(id) };
        let config = Config {
            services: vec![access("shop"), access("other")],
            keys: vec![key("shop", KEY, Scopes::ALL), key("other", "other-secret", Scopes::ALL)],
            ..Config::new("33")
        };
        Self { services: vec![shop, other], config, upstream: true }
    }
}

fn senders() -> HashSet<String> {
    ["SHOP", "33930000000"].map(str::to_owned).into()
}

pub fn access_of(id: &str) -> ServiceAccess {
    ServiceAccess::new(id)
}

pub fn key(service: &str, secret: &str, scopes: Scopes) -> ApiKey {
    let (id, secret_sha256) = (format!("{service}-key"), sha256(secret.as_bytes()));
    ApiKey { id, service: service.to_owned(), secret_sha256, scopes, not_after_ms: None }
}

impl Api {
    pub async fn start() -> Self {
        Self::with(Wanted::default()).await
    }

    pub async fn with(wanted: Wanted) -> Self {
        Self::on(tempfile::tempdir().expect("a temporary folder"), wanted).await
    }

    /// On data that are there.
    pub async fn on(data: TempDir, wanted: Wanted) -> Self {
        let clock = Clock::standing(NOW_MS);
        let engine = start_engine(data.path(), wanted.services, &clock);
        let upstream = if wanted.upstream { bind_upstream(&engine).await } else { LinkId(0) };
        let v1 = V1::new(wanted.config, engine.clone(), Arc::clone(&clock));
        let stop = CancellationToken::new();
        let server = http::bind((Ipv4Addr::LOCALHOST, 0).into()).await.expect("loopback has free ports");
        let addr = server.addr;
        let router = facade::router(facade::native(&v1));
        let limits = http::Limits { connections_max: 20_000, ..http::Limits::default() };
        tokio::spawn(server.serve(router, limits, stop.clone()));
        Self { addr, engine, v1, clock, upstream, stop, data }
    }

    /// A request with the service's key.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.ask_with(method, path, &[], body).await
    }

    /// The same with further headers.
    pub async fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Reply {
        let mut all = vec![("Authorization", "Bearer shop-secret")];
        all.extend_from_slice(headers);
        let body = body.map(|body| body.to_string());
        if body.is_some() {
            all.push(("Content-Type", "application/json"));
        }
        self.raw(method, path, &all, body.unwrap_or_default().as_bytes()).await
    }

    /// A request as it is given.
    pub async fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.addr);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        let asked = async {
            let mut stream = TcpStream::connect(self.addr).await.expect("it listens");
            // A server that has seen enough may answer and close before it has read all.
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(body).await;
            let mut octets = Vec::new();
            let _ = stream.read_to_end(&mut octets).await;
            octets
        };
        let octets = tokio::time::timeout(PATIENCE, asked).await.expect("it answers in time");
        Reply::read(&octets)
    }

    /// A mobile sends a text to a number of the service's.
    pub async fn receive(&self, from: &str, to: &str, text: &str) {
        let address =
            |number: &str| Address::new(Ton::INTERNATIONAL, Npi::ISDN, number.as_bytes()).expect("short");
        let mo = MoContent {
            source: address(from),
            destination: address(to),
            esm_class: EsmClass::DEFAULT,
            protocol_id: 0,
            data_coding: DataCoding::DEFAULT,
            payload: trunkline::text::gsm7::encode(text).expect("GSM").into(),
            tlvs: Box::default(),
        };
        let arrivals = vec![Arrival { reply: 1, what: Arrived::Mo(mo), once: None }];
        let input = Input::Arrivals { link: self.upstream, upstream: UpstreamNo(0), arrivals };
        self.engine.send(input).await.expect("the engine works");
    }

    /// Ends as after a power cut as far as clients can tell, and gives the data back.
    pub async fn stop(self) -> TempDir {
        self.stop.cancel();
        let engine = self.engine.clone();
        tokio::task::spawn_blocking(move || engine.stop()).await.expect("it stops");
        self.data
    }
}

fn start_engine(data: &Path, services: Vec<Service>, clock: &Arc<Clock>) -> Engine {
    let to_shop = MoRoute { upstream: None, number: String::new(), exact: false, service: "shop".into() };
    let anywhere = Route {
        service: None,
        sender: String::new(),
        destination: String::new(),
        upstreams: vec!["smsc".into()],
    };
    let settings = Settings {
        services,
        upstreams: vec![Upstream::new("smsc")],
        routes: vec![anywhere],
        mo_routes: vec![to_shop],
        rules: Rules::default(),
    };
    let config = engine::Config {
        data_dir: data.to_owned(),
        disk_reserve_octets: 0,
        batch_ms: 0,
        ..engine::Config::default()
    };
    Engine::start(Arc::new(RealDisk), config, Arc::new(settings), Arc::clone(clock))
        .expect("the folder is ours")
}

/// A session of the upstream that takes everything and reports it as delivered; what goes to a number that ends in 99 it
/// takes and never reports.
pub async fn bind_upstream(engine: &Engine) -> LinkId {
    let (link, mailbox) = engine.open_link();
    let bound = Input::UpstreamBound { link, upstream: UpstreamNo(0), window: 1_000 };
    engine.send(bound).await.expect("the engine works");
    let engine = engine.clone();
    tokio::spawn(async move {
        loop {
            mailbox.ready().await;
            let mut effects = Vec::new();
            mailbox.take(&mut effects);
            for effect in effects {
                let Effect::Dispatch(dispatch) = effect else { continue };
                let upstream_id: Box<[u8]> =
                    format!("{}-{}", dispatch.ticket.id, dispatch.ticket.part).into_bytes().into();
                let answers =
                    vec![Answer { ticket: dispatch.ticket, outcome: Outcome::Taken(upstream_id.clone()) }];
                if engine.send(Input::Answers { link, answers }).await.is_err() {
                    return;
                }
                let content = dispatch.content;
                if content.destination.as_bytes().ends_with(b"99") {
                    continue;
                }
                let report = Report {
                    upstream_id,
                    other_id: Box::default(),
                    source: content.destination,
                    destination: content.source,
                    state: MessageState::DELIVERED,
                    error: 0,
                    message: None,
                };
                let arrivals = vec![Arrival { reply: 1, what: Arrived::Receipt(report), once: None }];
                if engine.send(Input::Arrivals { link, upstream: UpstreamNo(0), arrivals }).await.is_err() {
                    return;
                }
            }
        }
    });
    link
}

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    fn read(octets: &[u8]) -> Self {
        let text = String::from_utf8_lossy(octets);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP: {text:?}"));
        let mut lines = head.lines();
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
        let header = |line: &str| {
            line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        };
        let headers: Vec<_> = lines.filter_map(header).collect();
        let is_chunked =
            headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
        let body = if is_chunked { super::metrics::unchunked(body) } else { body.to_owned() };
        Self { status: status.expect("a status"), headers, body }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of a problem.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status, "{body}");
        body["code"].as_str().unwrap_or_else(|| panic!("no code: {body}")).to_owned()
    }
}
