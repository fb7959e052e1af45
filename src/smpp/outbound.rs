//! A session with an SMSC that we bind to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::config::Peer;
use super::convert::arrive;
use super::convert::dispatch::Outgoing;
use super::driver::{Desk, Flow, Side};
use super::metrics::Metrics;
use crate::gateway::id::{LinkId, UpstreamNo};
use crate::gateway::port::{Answer, Arrival, Effect, Input, Outcome, Ticket};
use crate::pdu::{Bind, CommandId, CommandStatus, DeliverSmResp, Pdu, SMPP_3_4, SequenceNumber, Tag};
use crate::session::{self, BindMode, Event, Session};

/// A session with an SMSC.
pub(super) struct Outbound {
    metrics: Arc<Metrics>,
    upstream: UpstreamNo,
    mode: BindMode,
    window: u32,
    reference: Option<Tag>,
    link: Option<LinkId>,
    /// The SMSC has refused the bind.
    refused: Option<CommandStatus>,
    is_stopping: bool,
    first: Option<Input>,
    answers: Vec<Answer>,
    arrivals: Vec<Arrival>,
}

impl Outbound {
    pub(super) fn new(metrics: Arc<Metrics>, upstream: UpstreamNo, mode: BindMode, peer: &Peer) -> Self {
        Self {
            metrics,
            upstream,
            mode,
            window: peer.window,
            reference: peer.external_reference,
            link: None,
            refused: None,
            is_stopping: false,
            first: None,
            answers: Vec::new(),
            arrivals: Vec::new(),
        }
    }

    /// The engine knows the session as `link` from now on.
    pub(super) fn open(&mut self, link: LinkId) {
        self.link = Some(link);
        let window = if self.mode.transmits() { self.window } else { 0 };
        self.first = Some(Input::UpstreamBound { link, upstream: self.upstream, window });
        self.metrics.sessions.increment(1.0);
    }

    /// With what the SMSC has refused the bind.
    pub(super) fn refused(&self) -> Option<CommandStatus> {
        self.refused
    }

    /// Whether the session was ever bound.
    pub(super) fn was_bound(&self) -> bool {
        self.link.is_some()
    }

    fn answer(&mut self, ticket: Ticket, status: CommandStatus, pdu: &Pdu<'_>) {
        let outcome = match (status, pdu) {
            (CommandStatus::ESME_ROK, Pdu::SubmitSmResp(resp)) => Outcome::Taken(resp.message_id.into()),
            // It has the message; without an id its receipt will not be matched, and the message ends by its deadline.
            (CommandStatus::ESME_ROK, _) => Outcome::Taken(Box::default()),
            (status, _) => Outcome::Refused(status),
        };
        self.answers.push(Answer { ticket, outcome });
    }
}

impl Side for Outbound {
    type Token = Ticket;

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn handle_event(&mut self, event: Event<'_, Ticket>, desk: &mut Desk<'_, Ticket>) -> Flow {
        match event {
            Event::Answered { token, status, pdu } => self.answer(token, status, &pdu),
            Event::Deliver { sequence, .. } if self.is_stopping => {
                let status = CommandStatus::ESME_RX_T_APPN;
                desk.session.refuse(sequence, CommandId::DELIVER_SM_RESP, status, desk.out);
            }
            Event::Deliver { sequence, deliver_sm } => {
                self.arrivals.push(Arrival {
                    reply: sequence.0,
                    what: arrive::arrived(&deliver_sm, self.reference),
                    once: None,
                });
            }
            Event::Late { token, status, pdu } => {
                self.metrics.late.increment(1);
                self.answer(token, status, &pdu);
            }
            Event::Bound(resp) => {
                info!(
                    mode = self.mode.name(),
                    smsc = %resp.system_id.escape_ascii(),
                    version = resp.sc_interface_version(),
                    "bound"
                );
                self.metrics.bound(self.mode.name());
                return Flow::Bound;
            }
            Event::BindRefused(status) => {
                self.refused = Some(status);
                desk.session.cut();
            }
            Event::Refused { header, status, error } => match error {
                Some(error) => {
                    self.metrics.decode_errors.increment(1);
                    warn!(%error, %status, "refused");
                }
                None => debug!(command = %header.command_id, %status, "refused"),
            },
            Event::Ignored(header) => debug!(command = %header.command_id, "ignored"),
            Event::Stray(header) => {
                self.metrics.stray.increment(1);
                debug!(command = %header.command_id, sequence = %header.sequence_number, "a response to nothing");
            }
            // An SMSC does not ask for these.
            Event::Handled(_) | Event::Closed(_) | Event::Bind { .. } | Event::Submit { .. } => {}
        }
        Flow::GoOn
    }

    fn handle_effect(&mut self, effect: Effect, desk: &mut Desk<'_, Ticket>) {
        match effect {
            // While stopping too: the engine was told, and what it had decided before is sent.
            Effect::Dispatch(dispatch) => {
                let body = Outgoing::new(&dispatch, self.reference);
                let written =
                    desk.session.request(dispatch.ticket, CommandId::SUBMIT_SM, &body, desk.now, desk.out);
                if let Err(error) = written {
                    debug!(message = %dispatch.ticket.id, %error, "not sent: the bind ends");
                }
            }
            Effect::Acknowledge { reply, stored: true } => {
                let (sequence, body) = (SequenceNumber(reply), DeliverSmResp::default());
                desk.session.answer(
                    sequence,
                    CommandId::DELIVER_SM_RESP,
                    CommandStatus::ESME_ROK,
                    &body,
                    desk.out,
                );
            }
            Effect::Acknowledge { reply, stored: false } => {
                let status = CommandStatus::ESME_RX_T_APPN;
                desk.session.refuse(SequenceNumber(reply), CommandId::DELIVER_SM_RESP, status, desk.out);
            }
            Effect::Unbind => {
                // A session that is not bound any more needs no unbind.
                let _ = desk.session.unbind(desk.now, desk.out);
            }
            // An SMSC is not asked; no message waits for its answer.
            Effect::Inquire { .. } => {}
            Effect::Accepted { .. }
            | Effect::Refused { .. }
            | Effect::Deliver(_)
            | Effect::Cancelled(_)
            | Effect::Done(_) => {
                debug_assert!(false, "meant for somebody else");
            }
        }
    }

    fn handle_expired(&mut self, token: Ticket) {
        self.answers.push(Answer { ticket: token, outcome: Outcome::TimedOut });
    }

    fn next_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: &mut Desk<'_, Ticket>) {}

    fn next_input(&mut self) -> Option<Input> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let link = self.link?;
        if !self.answers.is_empty() {
            return Some(Input::Answers { link, answers: std::mem::take(&mut self.answers) });
        }
        if !self.arrivals.is_empty() {
            let arrivals = std::mem::take(&mut self.arrivals);
            return Some(Input::Arrivals { link, upstream: self.upstream, arrivals });
        }
        None
    }

    fn has_input(&self) -> bool {
        self.first.is_some() || !self.answers.is_empty() || !self.arrivals.is_empty()
    }

    fn begin_stop(&mut self) {
        self.is_stopping = true;
        if let Some(link) = self.link {
            self.first = Some(Input::UpstreamBound { link, upstream: self.upstream, window: 0 });
        }
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        if self.was_bound() {
            self.metrics.sessions.decrement(1.0);
        }
    }
}

/// A session as an upstream's configuration has it.
pub(super) fn session(peer: &Peer, now: Instant) -> Session<Ticket> {
    let session = session::Config {
        role: session::Role::Esme,
        session_init: peer.connect,
        enquire_link: peer.enquire_link,
        inactivity: peer.inactivity,
        response: peer.response.max(Duration::from_millis(1)),
        unbind: peer.response.clamp(Duration::from_millis(1), Duration::from_secs(5)),
        // The gateway keeps the window of each link.
        window: usize::MAX,
        pdu_octets_max: peer.pdu_octets_max,
        profile: session::Profile::Standard,
    };
    Session::new(session, now)
}

/// The bind that an upstream's configuration asks for.
pub(super) fn bind(peer: &Peer) -> Bind<'_> {
    Bind {
        system_id: peer.system_id.as_bytes(),
        password: peer.password.octets(),
        system_type: peer.system_type.as_bytes(),
        interface_version: SMPP_3_4,
        addr_ton: peer.addr_ton,
        addr_npi: peer.addr_npi,
        address_range: peer.address_range.as_bytes(),
    }
}
