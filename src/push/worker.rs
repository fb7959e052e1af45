//! One task per endpoint: takes deliveries out of its mailbox, posts them, and tells the engine how they were answered.
//!
//! The engine hands over more than is posted at once ([`READY_PER_SLOT`]), so that a fast endpoint does not wait for the
//! disk between two requests. What is handed over while the breaker is open stays here until it is tried or the endpoint
//! is left: only what was posted can have arrived.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use hyper::Method;
use hyper::header::{HeaderValue, USER_AGENT};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::body::post;
use super::breaker::{Breaker, Change, Era};
use super::endpoint::Endpoint;
use super::metrics::Metrics;
use super::verdict::Verdict;
use crate::clock::Clock;
use crate::engine::{Engine, Mailbox, Stopped};
use crate::gateway::id::{LinkId, Outlet};
use crate::gateway::port::{Deliver, DeliveryAnswer, Effect, Input};
use crate::net::client::{Client, ClientConfig, Request, SendError};
use crate::net::tls::TlsError;
use crate::net::{Guard, PeerTls};
use crate::pdu::CommandStatus;

/// Deliveries in hand for each request that may be under way.
const READY_PER_SLOT: u32 = 16;

/// Deliveries in hand at the most.
const READY_MAX: u32 = 2_000;

/// How often the engine is asked for an endpoint that it does not know yet.
const LOOK: Duration = Duration::from_millis(50);

/// Octets of an endpoint's answer that are read, so that its connection can be used again; nobody looks at them.
const ANSWER_OCTETS_MAX: usize = 16 << 10;

/// An endpoint with its connections.
pub(super) struct Target {
    endpoint: Endpoint,
    client: Client,
}

impl Target {
    /// # Errors
    /// [`TlsError`] when its CA cannot be used.
    pub(super) fn new(endpoint: Endpoint) -> Result<Self, TlsError> {
        let client = Client::new(ClientConfig {
            tls: PeerTls { ca: endpoint.ca.clone(), ..PeerTls::default() },
            guard: Guard::public(endpoint.allow_private.clone()),
            connect_timeout: endpoint.timeout.min(Duration::from_secs(5)),
            timeout: endpoint.timeout,
            answer_octets_max: ANSWER_OCTETS_MAX,
            idle_per_host: usize::try_from(endpoint.concurrency).unwrap_or(usize::MAX),
            ..ClientConfig::default()
        })?;
        Ok(Self { endpoint, client })
    }

    /// Posts one delivery.
    async fn post(
        self: Arc<Self>,
        deliver: Box<Deliver>,
        engine: Engine,
        clock: Arc<Clock>,
        era: Era,
    ) -> Done {
        let Endpoint { kind, service, url, .. } = &self.endpoint;
        let begun = clock.instant();
        let upstream_of = |no: crate::gateway::id::UpstreamNo| {
            engine.figures().upstreams.get(usize::from(no.0)).map(|upstream| upstream.id.clone())
        };
        let now_s = clock.utc_ms() / 1_000;
        let mut done =
            Done { no: deliver.no, era, verdict: Verdict::impossible(), took: None, forbidden: false };
        let Some(mut post) = post(kind, service, &deliver.fact, upstream_of, now_s) else { return done };
        post.headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let request =
            Request { headers: post.headers, body: post.body, ..Request::new(Method::POST, url.clone()) };
        let result = self.client.send(request).await;
        done.verdict = Verdict::of(&result, clock.utc_ms());
        done.took = Some(clock.instant().saturating_duration_since(begun));
        done.forbidden = matches!(result, Err(SendError::Forbidden(_)));
        if let Err(error) = &result {
            let error = error as &(dyn std::error::Error + 'static);
            tracing::debug!(endpoint = self.endpoint.id, error, "a webhook was not answered");
        }
        done
    }
}

const AGENT: &str = concat!("trunkline/", env!("CARGO_PKG_VERSION"));

/// What became of one delivery.
struct Done {
    no: u64,
    era: Era,
    verdict: Verdict,
    took: Option<Duration>,
    /// The address was refused before anything was sent.
    forbidden: bool,
}

/// The task of one endpoint.
pub(super) struct Worker {
    settings: watch::Receiver<Arc<Target>>,
    target: Arc<Target>,
    engine: Engine,
    clock: Arc<Clock>,
    breaker: Breaker,
    metrics: Metrics,
    /// The operator was told that the address is forbidden.
    told_forbidden: bool,
    stop: CancellationToken,
    abort: CancellationToken,
}

/// Why a link is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Leaving {
    /// The engine has begun anew and wants a new link.
    Again,
    /// For good.
    Over,
}

impl Worker {
    pub(super) fn new(
        mut settings: watch::Receiver<Arc<Target>>,
        engine: Engine,
        clock: Arc<Clock>,
        stop: CancellationToken,
        abort: CancellationToken,
    ) -> Self {
        let target = Arc::clone(&settings.borrow_and_update());
        let breaker = Breaker::new(target.endpoint.breaker, chance());
        let metrics = Metrics::new(&target.endpoint.id);
        Self { settings, target, engine, clock, breaker, metrics, told_forbidden: false, stop, abort }
    }

    /// Serves the endpoint until it is removed from the settings, or everything stops.
    pub(super) async fn run(mut self) {
        let abort = self.abort.clone();
        let served = async {
            while let Some(outlet) = self.outlet().await {
                if matches!(
                    Link::open(&self.engine).serve(&mut self, outlet).await,
                    Ok(Leaving::Over) | Err(_)
                ) {
                    break;
                }
            }
        };
        // What is under way is dropped with the link, and is in doubt.
        abort.run_until_cancelled(Box::pin(served)).await;
        self.metrics.in_flight.set(0.0);
        self.metrics.breaker.set(0.0);
    }

    /// The endpoint's number, once the engine knows it.
    async fn outlet(&mut self) -> Option<Outlet> {
        loop {
            if let Some(outlet) = self.engine.outlet(&self.target.endpoint.id) {
                return Some(outlet);
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                changed = self.settings.changed() => match changed {
                    Ok(()) => self.configure(),
                    Err(_) => return None,
                },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    fn configure(&mut self) {
        self.target = Arc::clone(&self.settings.borrow_and_update());
        self.breaker.configure(self.target.endpoint.breaker);
        self.told_forbidden = false;
    }

    /// What a request has shown about the endpoint.
    fn learn(&mut self, done: &Done, now: Instant) {
        let (endpoint, verdict) = (&self.target.endpoint.id, &done.verdict);
        self.metrics.count(verdict.word);
        if let Some(took) = done.took {
            self.metrics.seconds.record(took);
        }
        if verdict.status == CommandStatus::ESME_RX_P_APPN {
            tracing::error!(endpoint, "a delivery cannot be written as a webhook: it will be a dead letter");
        }
        if done.forbidden && !std::mem::replace(&mut self.told_forbidden, true) {
            tracing::error!(
                endpoint,
                "the webhook's host leads to an address that is not public: nothing is sent there; if it is meant, \
                 list its network in allow_private"
            );
        }
        match self.breaker.handle_sign(done.era, verdict.sign, now) {
            Some(Change::Opened(pause)) => {
                tracing::warn!(endpoint, why = verdict.word, ?pause, "the webhook fails: it is left alone");
            }
            Some(Change::Closed) => tracing::info!(endpoint, "the webhook works again"),
            None => {}
        }
        if done.took.is_some() && verdict.status == CommandStatus::ESME_ROK {
            self.told_forbidden = false;
        }
    }

    fn concurrency(&self) -> u32 {
        self.target.endpoint.concurrency.max(1)
    }

    /// What the engine may hand over: more than is posted at once, but nothing that has to wait for a trial.
    fn window(&self) -> u32 {
        let concurrency = self.concurrency();
        if self.breaker.is_closed() {
            concurrency.saturating_mul(READY_PER_SLOT).min(READY_MAX).max(concurrency)
        } else {
            self.breaker.limit(concurrency)
        }
    }
}

/// A place in the engine; closed when dropped, however it ends.
struct Link {
    engine: Engine,
    id: LinkId,
    mailbox: Arc<Mailbox>,
    /// Deliveries that wait for a request.
    ready: VecDeque<Box<Deliver>>,
    /// Numbers of all that is here, ready or under way.
    in_hand: HashSet<u64>,
    answers: Vec<DeliveryAnswer>,
    /// The window as the engine knows it.
    window: Option<u32>,
}

impl Link {
    fn open(engine: &Engine) -> Self {
        let (id, mailbox) = engine.open_link();
        Self {
            engine: engine.clone(),
            id,
            mailbox,
            ready: VecDeque::new(),
            in_hand: HashSet::new(),
            answers: Vec::new(),
            window: None,
        }
    }

    /// Works until the link has to be left; what is under way then is waited for.
    async fn serve(mut self, worker: &mut Worker, outlet: Outlet) -> Result<Leaving, Stopped> {
        let mut sends: JoinSet<Done> = JoinSet::new();
        let mut effects = Vec::new();
        let mut leaving = None;
        loop {
            let now = worker.clock.instant();
            worker.breaker.handle_timeout(now);
            self.mailbox.take(&mut effects);
            for effect in effects.drain(..) {
                match effect {
                    // The engine may forget what is under way when it begins anew, and hand it over again.
                    Effect::Deliver(deliver) if self.in_hand.insert(deliver.no) => {
                        self.ready.push_back(deliver)
                    }
                    Effect::Unbind => leaving = leaving.or(Some(Leaving::Again)),
                    _ => {}
                }
            }
            if leaving.is_some() {
                self.put_off_ready();
            }
            let limit = worker.breaker.limit(worker.concurrency());
            while sends.len() < usize::try_from(limit).unwrap_or(usize::MAX)
                && let Some(deliver) = self.ready.pop_front()
            {
                let (engine, clock) = (worker.engine.clone(), Arc::clone(&worker.clock));
                sends.spawn(Arc::clone(&worker.target).post(deliver, engine, clock, worker.breaker.era()));
            }
            self.tell(outlet, if leaving.is_some() { 0 } else { worker.window() }).await?;
            worker.metrics.in_flight.set(u32::try_from(sends.len()).unwrap_or(u32::MAX));
            worker.metrics.breaker.set(worker.breaker.degree());
            if let (Some(leaving), true) = (leaving, sends.is_empty()) {
                return Ok(leaving);
            }

            let pause_ends = worker.breaker.next_timeout();
            let pause = async {
                match pause_ends {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.mailbox.ready() => {}
                Some(first) = sends.join_next() => {
                    let mut next = Some(first);
                    while let Some(done) = next {
                        match done {
                            Ok(done) => self.answer(worker, &done),
                            Err(error) => {
                                // Its delivery is not known any more; a new link makes the engine give it again.
                                tracing::error!(%error, endpoint = worker.target.endpoint.id, "a webhook's task has failed");
                                leaving = leaving.or(Some(Leaving::Again));
                            }
                        }
                        next = sends.try_join_next();
                    }
                }
                () = pause => {}
                changed = worker.settings.changed(), if leaving != Some(Leaving::Over) => match changed {
                    Ok(()) => worker.configure(),
                    Err(_) => leaving = Some(Leaving::Over),
                },
                () = worker.stop.cancelled(), if leaving != Some(Leaving::Over) => leaving = Some(Leaving::Over),
            }
        }
    }

    fn answer(&mut self, worker: &mut Worker, done: &Done) {
        self.in_hand.remove(&done.no);
        self.answers.push(DeliveryAnswer { no: done.no, status: Some(done.verdict.status) });
        worker.learn(done, worker.clock.instant());
    }

    /// What was not posted goes back: it cannot have arrived.
    fn put_off_ready(&mut self) {
        for deliver in self.ready.drain(..) {
            self.in_hand.remove(&deliver.no);
            let status = Some(CommandStatus::ESME_RX_T_APPN);
            self.answers.push(DeliveryAnswer { no: deliver.no, status });
        }
    }

    /// Tells the engine what has been answered, and how much more may come.
    async fn tell(&mut self, outlet: Outlet, window: u32) -> Result<(), Stopped> {
        if !self.answers.is_empty() {
            let answers = std::mem::take(&mut self.answers);
            self.engine.send(Input::DeliveryAnswers { link: self.id, answers }).await?;
        }
        if self.window != Some(window) {
            self.window = Some(window);
            self.engine.send(Input::EndpointBound { link: self.id, outlet, window }).await?;
        }
        Ok(())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.engine.close_link(self.id);
    }
}

/// A number that differs between endpoints and starts, so that their pauses do.
fn chance() -> u64 {
    let mut octets = [0; 8];
    // Without chance pauses are only less spread.
    let _ = rand::fill(&mut octets);
    u64::from_le_bytes(octets)
}
