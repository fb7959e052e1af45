//! An engine with an upstream of a few lines, and the webhooks of its services, in the test's own process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use trunkline::clock::Clock;
use trunkline::engine::{self, EndpointStanding, Engine};
use trunkline::gateway::id::{LinkId, MessageId, ServiceNo, UpstreamNo};
use trunkline::gateway::message::{Content, Interface};
use trunkline::gateway::port::{Arrival, Arrived, Input, Submission};
use trunkline::gateway::record::MoContent;
use trunkline::gateway::settings::{self, EndpointKind, MoRoute, Route, Rules, Service, Settings, Upstream};
use trunkline::net::{AllowFrom, Secret};
use trunkline::pdu::{Address, DataCoding, EsmClass, Npi, RegisteredDelivery, Ton};
use trunkline::push::{BreakerSettings, Endpoint, Kind, Push};
use trunkline::store::file::RealDisk;
use trunkline::vendor::timetochat::Vocabulary;

use super::support::api::bind_upstream;
use super::support::{ms, until};

/// The mobile of message number `n`. None ends in 99, which the upstream would not report on.
pub(crate) fn mobile(n: usize) -> String {
    format!("336{n:07}0")
}

/// An endpoint that reaches loopback and whose breaker rests but shortly.
pub(crate) fn endpoint(id: &str, kind: Kind, url: &str) -> Endpoint {
    Endpoint {
        timeout: ms(500),
        allow_private: Some(AllowFrom::new(|address| address.is_loopback())),
        breaker: BreakerSettings { pause: ms(50), pause_max: ms(200), ..BreakerSettings::default() },
        ..Endpoint::new(id, "123456", kind, url.parse().expect(url))
    }
}

pub(crate) fn push_cra() -> Kind {
    Kind::PushCra { vocabulary: Vocabulary::Short, errors: Arc::default() }
}

pub(crate) fn native(secrets: &[&str]) -> Kind {
    Kind::Native { secrets: secrets.iter().map(|secret| Secret::new(*secret)).collect() }
}

/// Everything that works together.
pub(crate) struct House {
    pub(crate) engine: Engine,
    pub(crate) push: Push,
    upstream: LinkId,
    services: Vec<ServiceNo>,
    _data: TempDir,
}

impl House {
    /// A service for each list, with these endpoints.
    pub(crate) async fn with(services: Vec<Vec<Endpoint>>) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let clock = Clock::system();
        let settings = settings(&services);
        let ids: Vec<String> = settings.services.iter().map(|service| service.id.clone()).collect();
        let engine = start_engine(data.path(), settings, &clock);
        let upstream = bind_upstream(&engine).await;
        let push = Push::start(services.into_iter().flatten().collect(), engine.clone(), clock)
            .expect("no endpoint has a CA");
        let services = ids.iter().map(|id| engine.service(id).expect("it is configured")).collect();
        Self { engine, push, upstream, services, _data: data }
    }

    /// Sends `count` messages of a service, each to a mobile of its own.
    pub(crate) async fn send(&self, service: usize, count: usize) -> Vec<MessageId> {
        let submissions = (0..count).map(|n| submission(&mobile(n), n)).collect();
        let taken = self.engine.submit_all(self.services[service], submissions).await;
        taken.into_iter().map(|taken| taken.expect("it is taken").id).collect()
    }

    /// A mobile sends a text to the number of the first service.
    pub(crate) async fn receive(&self, from: &str, text: &str) {
        let mo = MoContent {
            source: number(from),
            destination: number("33930000000"),
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

    pub(crate) fn standing(&self, endpoint: &str) -> EndpointStanding {
        let figures = self.engine.figures();
        figures.endpoints.iter().find(|e| e.id == endpoint).expect("it is configured").clone()
    }

    /// Waits until an endpoint stands so.
    pub(crate) async fn stands(
        &self,
        what: &str,
        endpoint: &str,
        mut holds: impl FnMut(&EndpointStanding) -> bool,
    ) {
        until(what, || holds(&self.standing(endpoint)).then_some(())).await;
    }

    pub(crate) async fn stop(self) {
        self.push.stop(Duration::from_secs(2)).await;
        let engine = self.engine.clone();
        tokio::task::spawn_blocking(move || engine.stop()).await.expect("it stops");
    }
}

fn number(digits: &str) -> Address {
    Address::new(Ton::INTERNATIONAL, Npi::ISDN, digits.as_bytes()).expect("short")
}

fn submission(to: &str, n: usize) -> Submission {
    let content = Content {
        source: number("33930000000"),
        destination: number(to),
        esm_class: EsmClass::DEFAULT,
        protocol_id: 0,
        priority: 0,
        registered_delivery: RegisteredDelivery::RECEIPT,
        data_coding: DataCoding::DEFAULT,
        payload: b"Bonjour"[..].into(),
        tlvs: Box::default(),
        reference: format!("ref{n}").into_bytes().into(),
    };
    Submission::new(content, Interface::Rest)
}

fn settings(services: &[Vec<Endpoint>]) -> Settings {
    let service = |(n, endpoints): (usize, &Vec<Endpoint>)| Service {
        watched: true,
        endpoints: endpoints.iter().map(decided).collect(),
        ..Service::new(&format!("shop{n}"))
    };
    Settings {
        services: services.iter().enumerate().map(service).collect(),
        upstreams: vec![Upstream::new("smsc")],
        routes: vec![Route {
            service: None,
            sender: String::new(),
            destination: String::new(),
            upstreams: vec!["smsc".into()],
        }],
        mo_routes: vec![MoRoute {
            upstream: None,
            number: String::new(),
            exact: false,
            service: "shop0".into(),
        }],
        rules: Rules::default(),
    }
}

/// The endpoint as the gateway knows it.
fn decided(endpoint: &Endpoint) -> settings::Endpoint {
    let kind = match endpoint.kind {
        Kind::PushCra { .. } => EndpointKind::PushCra,
        Kind::Native { .. } => EndpointKind::Native,
    };
    settings::Endpoint { delay_ms: 20, delay_max_ms: 100, ..settings::Endpoint::new(&endpoint.id, kind) }
}

fn start_engine(data: &Path, settings: Settings, clock: &Arc<Clock>) -> Engine {
    let config = engine::Config {
        data_dir: data.to_owned(),
        disk_reserve_octets: 0,
        batch_ms: 0,
        ..engine::Config::default()
    };
    Engine::start(Arc::new(RealDisk), config, Arc::new(settings), Arc::clone(clock))
        .expect("the folder is ours")
}
