//! A session with an ESME that binds to us.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::access::{Accounts, Connections, Denied, Entry, Permit, UnboundSeat};
use super::config::Config;
use super::convert::deliver::{MoBody, ReceiptBody};
use super::convert::submit;
use super::driver::{Desk, Flow, Side};
use super::error;
use super::metrics::Metrics;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::gateway::id::{LinkId, ServiceNo};
use crate::gateway::port::{Asker, Deliver, DeliveryAnswer, Effect, Fact, Input, Submission};
use crate::gateway::settings::Profile;
use crate::net::Failures;
use crate::pdu::{Bind, CommandId, CommandStatus, SequenceNumber, SubmitSm, SubmitSmResp, Write};
use crate::session::{self, BindMode, Event, NotNow, Session, TIMETOCHAT_ENQUIRE_LINK};

/// What all sessions with ESMEs share.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) config: Config,
    pub(super) accounts: Accounts,
    pub(super) failures: Failures,
    pub(super) connections: Arc<Connections>,
    pub(super) metrics: Metrics,
    pub(super) engine: Engine,
    pub(super) clock: Arc<Clock>,
    /// Tells the parts of one message from those of another, for the rate.
    pub(super) hasher: ahash::RandomState,
}

/// A session with an ESME.
pub(super) struct Inbound {
    server: Arc<Server>,
    from: SocketAddr,
    /// What it is spoken to as until it is bound.
    default_profile: Profile,
    /// Its place among the connections that have not bound.
    unbound: Option<UnboundSeat>,
    bound: Option<Bound>,
    /// A failed bind waits for its answer.
    refusal: Option<(Instant, CommandStatus)>,
    link: Option<LinkId>,
    is_stopping: bool,
    first: Option<Input>,
    submissions: Vec<Submission>,
    answers: Vec<DeliveryAnswer>,
}

/// What a bind brings.
struct Bound {
    entry: Arc<Entry>,
    mode: BindMode,
    service: ServiceNo,
    _permit: Permit,
}

impl Inbound {
    pub(super) fn new(server: Arc<Server>, from: SocketAddr, profile: Profile, unbound: UnboundSeat) -> Self {
        Self {
            server,
            from,
            default_profile: profile,
            unbound: Some(unbound),
            bound: None,
            refusal: None,
            link: None,
            is_stopping: false,
            first: None,
            submissions: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// The account that is bound.
    pub(super) fn entry(&self) -> Option<&Arc<Entry>> {
        self.bound.as_ref().map(|bound| &bound.entry)
    }

    /// The engine knows the session as `link` from now on.
    pub(super) fn open(&mut self, link: LinkId) {
        self.link = Some(link);
        if let Some(bound) = self.bound.as_ref().filter(|bound| bound.mode.receives()) {
            self.first = Some(Input::EsmeBound { link, service: bound.service });
        }
    }

    fn profile(&self) -> Profile {
        self.bound.as_ref().map_or(self.default_profile, |bound| bound.entry.profile)
    }

    fn handle_bind(&mut self, mode: BindMode, bind: &Bind<'_>, desk: &mut Desk<'_, u64>) -> Flow {
        let server = Arc::clone(&self.server);
        let address = self.from.ip();
        let system_id = bind.system_id.escape_ascii();
        let admitted = server.accounts.admit(bind, mode, address).and_then(|(entry, permit)| {
            match server.engine.service(&entry.service).filter(|_| !self.is_stopping) {
                Some(service) => Ok(Bound { entry, mode, service, _permit: permit }),
                None => Err((Denied::Unavailable, Some(entry.profile))),
            }
        });
        match admitted {
            Ok(bound) => {
                server.failures.succeeded(address);
                let profile = session_profile(bound.entry.profile);
                desk.session.set_profile(profile);
                let period = match (bound.entry.enquire_link, profile) {
                    (Some(period), _) => period,
                    (None, session::Profile::TimeToChat) => TIMETOCHAT_ENQUIRE_LINK,
                    (None, session::Profile::Standard) => server.config.enquire_link,
                };
                desk.session.set_enquire_link(period);
                desk.session.accept_bind(server.config.system_id.as_bytes(), desk.now, desk.out);
                tracing::Span::current().record("system_id", bound.entry.system_id.as_str());
                info!(mode = mode.name(), from = %self.from, version = bind.interface_version, "bound");
                server.metrics.bound(mode.name());
                server.metrics.sessions.increment(1.0);
                self.unbound = None;
                self.bound = Some(bound);
                Flow::Bound
            }
            Err((denied, profile)) => {
                server.metrics.bind_refused(denied.name());
                let status = denied.status(profile.unwrap_or(self.default_profile));
                if denied.is_suspicious() {
                    let delay = server.failures.failed(address, desk.now);
                    info!(%system_id, from = %self.from, reason = denied.name(), ?delay, "bind refused");
                    self.refusal = Some((desk.now + delay, status));
                } else {
                    info!(%system_id, from = %self.from, reason = denied.name(), "bind refused");
                    desk.session.refuse_bind(status, desk.out);
                }
                Flow::GoOn
            }
        }
    }

    fn handle_submit(
        &mut self,
        sequence: SequenceNumber,
        submit_sm: &SubmitSm<'_>,
        desk: &mut Desk<'_, u64>,
    ) {
        let Some(bound) = &self.bound else { return };
        let server = &*self.server;
        let profile = bound.entry.profile;
        let refusal = if self.is_stopping {
            error::stopping(profile)
        } else if !bound
            .entry
            .lets_pass(server.accounts.micros(desk.now), || submit::concatenation(submit_sm, &server.hasher))
        {
            server.metrics.throttled.increment(1);
            CommandStatus::ESME_RTHROTTLED
        } else {
            let reference = server.config.external_reference;
            let now_ms = server.clock.utc_ms_at(desk.now);
            match submit::submission(sequence, submit_sm, profile, reference, now_ms) {
                Ok(submission) => {
                    self.submissions.push(submission);
                    return;
                }
                Err(status) => status,
            }
        };
        desk.session.refuse(sequence, CommandId::SUBMIT_SM_RESP, refusal, desk.out);
    }

    fn deliver(&mut self, deliver: &Deliver, desk: &mut Desk<'_, u64>) {
        let without_tlvs = desk.session.peer_is_older();
        let written = if self.is_stopping {
            Err(NotNow::State)
        } else {
            match &deliver.fact {
                Fact::Receipt(fact) => {
                    let reference = self.server.config.external_reference;
                    let body = ReceiptBody { fact, profile: deliver.profile, reference, without_tlvs };
                    request(deliver.no, &body, desk)
                }
                // Endpoints get these.
                Fact::Incoming(_) => Err(NotNow::State),
                Fact::Mo { mo, carry, .. } => {
                    request(deliver.no, &MoBody::new(mo, *carry, deliver.profile, without_tlvs), desk)
                }
            }
        };
        if written.is_err() {
            // It was not sent, so nothing is in doubt: later, or on another session.
            self.answers.push(DeliveryAnswer { no: deliver.no, status: Some(CommandStatus::ESME_RX_T_APPN) });
        }
    }
}

fn request(no: u64, body: &impl Write, desk: &mut Desk<'_, u64>) -> Result<SequenceNumber, NotNow> {
    desk.session.request(no, CommandId::DELIVER_SM, body, desk.now, desk.out)
}

impl Side for Inbound {
    type Token = u64;

    fn metrics(&self) -> &Metrics {
        &self.server.metrics
    }

    fn handle_event(&mut self, event: Event<'_, u64>, desk: &mut Desk<'_, u64>) -> Flow {
        let metrics = &self.server.metrics;
        match event {
            Event::Submit { sequence, submit_sm } => self.handle_submit(sequence, &submit_sm, desk),
            Event::Answered { token, status, .. } => {
                self.answers.push(DeliveryAnswer { no: token, status: Some(status) });
            }
            Event::Late { token, status, .. } => {
                metrics.late.increment(1);
                self.answers.push(DeliveryAnswer { no: token, status: Some(status) });
            }
            Event::Bind { mode, bind } => return self.handle_bind(mode, &bind, desk),
            Event::Refused { header, status, error } => {
                if let Some(error) = error {
                    metrics.decode_errors.increment(1);
                    debug!(%error, %status, "refused");
                } else {
                    debug!(command = %header.command_id, %status, "refused");
                }
            }
            Event::Ignored(header) => debug!(command = %header.command_id, "ignored"),
            Event::Stray(header) => {
                metrics.stray.increment(1);
                debug!(command = %header.command_id, sequence = %header.sequence_number, "a response to nothing");
            }
            // An ESME is told nothing of these.
            Event::Handled(_)
            | Event::Closed(_)
            | Event::Bound(_)
            | Event::BindRefused(_)
            | Event::Deliver { .. } => {}
        }
        Flow::GoOn
    }

    fn handle_effect(&mut self, effect: Effect, desk: &mut Desk<'_, u64>) {
        match effect {
            Effect::Accepted { reply, id, .. } => {
                let body = SubmitSmResp { message_id: &id.to_hex(), ..SubmitSmResp::default() };
                let sequence = SequenceNumber(reply);
                desk.session.answer(
                    sequence,
                    CommandId::SUBMIT_SM_RESP,
                    CommandStatus::ESME_ROK,
                    &body,
                    desk.out,
                );
            }
            Effect::Refused { reply, refusal } => {
                let status = error::status_of(refusal, self.profile());
                desk.session.refuse(SequenceNumber(reply), CommandId::SUBMIT_SM_RESP, status, desk.out);
            }
            Effect::Deliver(deliver) => self.deliver(&deliver, desk),
            Effect::Unbind => {
                warn!("deliver_sm stay unanswered: unbind");
                // A session that is not bound any more needs no unbind.
                let _ = desk.session.unbind(desk.now, desk.out);
            }
            Effect::Dispatch(_)
            | Effect::Acknowledge { .. }
            | Effect::Inquire { .. }
            | Effect::Cancelled(_)
            | Effect::Done(_) => debug_assert!(false, "meant for somebody else"),
        }
    }

    fn handle_expired(&mut self, token: u64) {
        self.answers.push(DeliveryAnswer { no: token, status: None });
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.refusal.map(|(at, _)| at)
    }

    fn handle_timeout(&mut self, desk: &mut Desk<'_, u64>) {
        if let Some((_, status)) = self.refusal.take_if(|(at, _)| *at <= desk.now) {
            desk.session.refuse_bind(status, desk.out);
        }
    }

    fn next_input(&mut self) -> Option<Input> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let (link, bound) = (self.link?, self.bound.as_ref()?);
        if !self.submissions.is_empty() {
            let submissions = std::mem::take(&mut self.submissions);
            return Some(Input::Submit { from: Asker::Link(link), service: bound.service, submissions });
        }
        if !self.answers.is_empty() {
            return Some(Input::DeliveryAnswers { link, answers: std::mem::take(&mut self.answers) });
        }
        None
    }

    fn has_input(&self) -> bool {
        self.first.is_some() || !self.submissions.is_empty() || !self.answers.is_empty()
    }

    fn begin_stop(&mut self) {
        self.is_stopping = true;
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        if self.bound.is_some() {
            self.server.metrics.sessions.decrement(1.0);
        }
    }
}

/// The gateway's profile in the session's words.
pub(super) fn session_profile(profile: Profile) -> session::Profile {
    match profile {
        Profile::Standard => session::Profile::Standard,
        Profile::TimeToChat => session::Profile::TimeToChat,
    }
}

/// A session as the server's configuration has it.
pub(super) fn session(config: &Config, profile: Profile, now: Instant) -> Session<u64> {
    let session = session::Config {
        role: session::Role::Smsc,
        session_init: config.session_init,
        enquire_link: config.enquire_link,
        inactivity: config.inactivity,
        response: config.response.max(Duration::from_millis(1)),
        unbind: config.unbind.max(Duration::from_millis(1)),
        // The gateway keeps the window of each service.
        window: usize::MAX,
        pdu_octets_max: config.pdu_octets_max,
        profile: session_profile(profile),
    };
    Session::new(session, now)
}
