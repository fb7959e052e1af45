//! One end of one SMPP session, without I/O and without a clock.
//!
//! Octets of the peer come in with [`Session::handle_octets`], which takes one PDU at a time and says what it means for the
//! application; what the protocol alone answers (enquire_link, unbind, refusals) is written to the output buffer at once.
//! Our requests and answers are written by [`request`](Session::request) and [`answer`](Session::answer). Time comes in as
//! `now`; the caller sleeps until [`next_timeout`](Session::next_timeout) and calls
//! [`handle_timeout`](Session::handle_timeout).
//!
//! **Invariant:** each request of ours that carries a token ends exactly once: answered, expired, or lost with the link. An
//! answer after its expiry is told as [`Event::Late`], which is no second end.
//!
//! **Invariant:** a response is never answered.

use std::time::{Duration, Instant};

use bytes::BytesMut;

mod config;
mod event;
mod oracle;
mod state;
mod timers;
mod verdict;
mod window;

pub use config::{Config, Profile, Role};
pub use event::{CloseReason, Elapsed, Event, NotNow};
#[doc(hidden)]
pub use oracle::oracle;
pub use state::{BindMode, State, may_issue};
pub use timers::Timer;

use crate::pdu::frame::{self, FrameError};
use crate::pdu::{
    self, Bind, BindResp, CommandId, CommandStatus, DecodeError, Header, Pdu, SMPP_3_4, SequenceNumber, Tlvs,
    Write,
};
use verdict::Verdict;
use window::{Answered, Pending, SequenceCounter, Window};

/// How often an SMSC of profile `timetochat` sends enquire_link (contracts/timetochat.md §7).
pub const TIMETOCHAT_ENQUIRE_LINK: Duration = Duration::from_secs(60);

/// One end of one SMPP session. `T` comes back with the answer to a request.
///
/// ```text
/// Open ──bind──▶ Binding ──accepted──▶ Bound ──unbind──▶ Unbinding ──▶ Closed
///   ◀───────────refused──┘               └──the peer's──▶ Leaving ────────┘
///                                        a fault or a timer leads straight to Closed
/// ```
#[derive(Debug)]
pub struct Session<T = u64> {
    config: Config,
    phase: Phase,
    window: Window<T>,
    /// When the session began.
    opened: Instant,
    /// When the last PDU of the peer came.
    heard: Instant,
    /// When an enquire_link was sent after which nothing has been heard.
    enquired: Option<Instant>,
    /// When the last enquire_link was sent, or the bind stood.
    enquiry_base: Instant,
    /// Requests of the peer that were handed to the application and not answered yet.
    unanswered: usize,
    /// interface_version of the peer's bind, or sc_interface_version of its answer to ours. 0: not told.
    peer_version: u8,
}

/// What is true in each state only.
#[derive(Debug)]
enum Phase {
    Open,
    Binding { mode: BindMode, sequence: SequenceNumber, answer_by: Option<Instant> },
    Bound { mode: BindMode },
    Unbinding { give_up_at: Instant },
    Leaving { sequence: SequenceNumber, give_up_at: Instant },
    Closed(CloseReason),
}

impl<T: Copy> Session<T> {
    /// A session over a connection that stands since `now`.
    pub fn new(config: Config, now: Instant) -> Self {
        Self::with_first_sequence(config, now, SequenceNumber(1))
    }

    /// Likewise; the first sequence number is told, for tests of what happens when they wrap.
    pub fn with_first_sequence(config: Config, now: Instant, first: SequenceNumber) -> Self {
        Self {
            config,
            phase: Phase::Open,
            window: Window::new(SequenceCounter::starting_at(first.0)),
            opened: now,
            heard: now,
            enquired: None,
            enquiry_base: now,
            unanswered: 0,
            peer_version: 0,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Open => State::Open,
            Phase::Binding { .. } => State::Binding,
            Phase::Bound { mode } => mode.into(),
            Phase::Unbinding { .. } => State::Unbinding,
            Phase::Leaving { .. } => State::Leaving,
            Phase::Closed(_) => State::Closed,
        }
    }

    /// Why it is over; `None` while it is not.
    pub fn close_reason(&self) -> Option<CloseReason> {
        match self.phase {
            Phase::Closed(reason) => Some(reason),
            _ => None,
        }
    }

    /// Our requests with a token that wait for their answer.
    pub fn outstanding(&self) -> usize {
        self.window.waiting()
    }

    /// Requests of the peer that the application has been handed and has not answered.
    pub fn unanswered(&self) -> usize {
        self.unanswered
    }

    /// Whether the peer has said that it speaks an older version, without optional parameters (SMPP 3.4 §3.4).
    ///
    /// Peers that send 0 as interface_version do not mean it: the specification's own example does.
    pub fn peer_is_older(&self) -> bool {
        (1..SMPP_3_4).contains(&self.peer_version)
    }

    /// Behaves as `profile` from now on: on a listener that several services share it is known at the bind only.
    pub fn set_profile(&mut self, profile: Profile) {
        self.config.profile = profile;
    }

    /// Sets [`Timer::EnquireLink`].
    pub fn set_enquire_link(&mut self, period: Duration) {
        self.config.enquire_link = period;
    }

    /// Takes one PDU from the start of `unread`: the octets to drop, and what it means. `None`: it is not whole yet, or the
    /// session is over.
    ///
    /// Octets that cannot be a PDU are all dropped, answered (HTTP is not), and end the session.
    pub fn handle_octets<'a>(
        &mut self,
        unread: &'a [u8],
        now: Instant,
        out: &mut BytesMut,
    ) -> Option<(usize, Event<'a, T>)> {
        if matches!(self.phase, Phase::Closed(_)) {
            return None;
        }
        match frame::split(unread, self.config.pdu_octets_max) {
            Ok(octets) => {
                let frame = unread.get(..octets?)?;
                Some((frame.len(), self.handle_frame(frame, now, out)))
            }
            Err(error) => Some((unread.len(), self.handle_broken_stream(error, unread, out))),
        }
    }

    /// Takes exactly one PDU, as [`handle_octets`](Self::handle_octets) does.
    pub fn handle_frame<'a>(&mut self, frame: &'a [u8], now: Instant, out: &mut BytesMut) -> Event<'a, T> {
        if let Phase::Closed(reason) = self.phase {
            return Event::Closed(reason);
        }
        let Some(header) = Header::read(frame) else {
            let command_length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            return self.handle_broken_stream(FrameError::TooShort { command_length }, frame, out);
        };
        self.heard = now;
        self.enquired = None;
        if header.command_id.is_response() {
            self.handle_response(header, frame, now)
        } else {
            self.handle_request(header, frame, now, out)
        }
    }

    fn handle_request<'a>(
        &mut self,
        header: Header,
        frame: &'a [u8],
        now: Instant,
        out: &mut BytesMut,
    ) -> Event<'a, T> {
        let (role, profile, id) = (self.config.role, self.config.profile, header.command_id);
        match verdict::judge(role, profile, self.state(), id) {
            Verdict::Take => {}
            Verdict::Refuse(status) => return refuse(header, id.response(), status, None, out),
            Verdict::Nack(status) => return refuse(header, CommandId::GENERIC_NACK, status, None, out),
            Verdict::Ignore => return Event::Ignored(header),
        }
        let sequence = header.sequence_number;
        match pdu::decode(frame) {
            Ok((_, Pdu::SubmitSm(submit_sm))) => {
                self.unanswered += 1;
                Event::Submit { sequence, submit_sm }
            }
            Ok((_, Pdu::DeliverSm(deliver_sm))) => {
                self.unanswered += 1;
                Event::Deliver { sequence, deliver_sm }
            }
            Ok((_, Pdu::EnquireLink)) => {
                respond(out, id.response(), CommandStatus::ESME_ROK, sequence);
                Event::Handled(id)
            }
            Ok((_, Pdu::Unbind)) => self.handle_unbind(sequence, now, out),
            Ok((_, Pdu::BindTransmitter(bind) | Pdu::BindReceiver(bind) | Pdu::BindTransceiver(bind))) => {
                self.handle_bind(id, sequence, bind, now)
            }
            // The verdict takes none of the others.
            Ok(_) => Event::Ignored(header),
            Err(DecodeError::Framing(error)) => self.handle_broken_stream(error, frame, out),
            Err(error @ DecodeError::Field { status, .. }) => {
                let status = verdict::malformed(role, profile, id, status);
                refuse(header, id.response(), status, Some(error), out)
            }
        }
    }

    fn handle_bind<'a>(
        &mut self,
        id: CommandId,
        sequence: SequenceNumber,
        bind: Bind<'a>,
        now: Instant,
    ) -> Event<'a, T> {
        let Some(mode) = BindMode::of(id) else { return Event::Handled(id) };
        self.peer_version = bind.interface_version;
        self.phase = Phase::Binding { mode, sequence, answer_by: after(now, self.config.session_init) };
        Event::Bind { mode, bind }
    }

    fn handle_unbind<'a>(
        &mut self,
        sequence: SequenceNumber,
        now: Instant,
        out: &mut BytesMut,
    ) -> Event<'a, T> {
        let crossing = matches!(self.phase, Phase::Unbinding { .. });
        self.phase = Phase::Leaving { sequence, give_up_at: now + self.config.unbind };
        if crossing || self.unanswered == 0 {
            Event::Closed(self.leave(sequence, out))
        } else {
            Event::Handled(CommandId::UNBIND)
        }
    }

    fn leave(&mut self, sequence: SequenceNumber, out: &mut BytesMut) -> CloseReason {
        respond(out, CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence);
        self.close(CloseReason::PeerUnbound)
    }

    fn handle_response<'a>(&mut self, header: Header, frame: &'a [u8], now: Instant) -> Event<'a, T> {
        let Header { command_id: id, command_status, sequence_number, .. } = header;
        // generic_nack is no success, whatever its status says.
        let status = match (id, command_status) {
            (CommandId::GENERIC_NACK, CommandStatus::ESME_ROK) => CommandStatus::ESME_RUNKNOWNERR,
            _ => command_status,
        };
        match self.window.answer(sequence_number, id) {
            Answered::InTime(Pending { token: Some(token), .. }) => {
                Event::Answered { token, status, pdu: read_response(frame) }
            }
            Answered::InTime(Pending { token: None, id: request, .. }) => {
                self.handle_own_response(request, status, frame, now)
            }
            Answered::Late(token) => Event::Late { token, status, pdu: read_response(frame) },
            Answered::Stray => Event::Stray(header),
        }
    }

    /// The answer to a request that the session itself has made.
    fn handle_own_response<'a>(
        &mut self,
        request: CommandId,
        status: CommandStatus,
        frame: &'a [u8],
        now: Instant,
    ) -> Event<'a, T> {
        let strict = self.config.role == Role::Smsc && self.config.profile == Profile::TimeToChat;
        match (request, &self.phase) {
            (CommandId::ENQUIRE_LINK, _) if strict && status != CommandStatus::ESME_ROK => {
                Event::Closed(self.close(CloseReason::EnquireLinkRefused(status)))
            }
            (CommandId::UNBIND, Phase::Unbinding { .. }) => Event::Closed(self.close(CloseReason::Unbound)),
            (_, Phase::Binding { .. }) if status != CommandStatus::ESME_ROK => {
                self.phase = Phase::Open;
                self.opened = now;
                Event::BindRefused(status)
            }
            (_, Phase::Binding { mode, .. }) => {
                self.phase = Phase::Bound { mode: *mode };
                self.enquiry_base = now;
                let resp = match read_response(frame) {
                    Pdu::BindReceiverResp(resp)
                    | Pdu::BindTransmitterResp(resp)
                    | Pdu::BindTransceiverResp(resp) => resp,
                    // A body that cannot be read does not undo the bind.
                    _ => BindResp::default(),
                };
                self.peer_version = resp.sc_interface_version().unwrap_or(0);
                Event::Bound(resp)
            }
            _ => Event::Handled(request.response()),
        }
    }

    fn handle_broken_stream<'a>(
        &mut self,
        error: FrameError,
        unread: &[u8],
        out: &mut BytesMut,
    ) -> Event<'a, T> {
        let reason = match error {
            FrameError::Http => CloseReason::Http,
            FrameError::TooShort { .. } => {
                // What follows such a length is no header.
                nack_length(out, SequenceNumber(0));
                CloseReason::Framing(error)
            }
            FrameError::TooLong { .. } => {
                let header = Header::read(unread);
                if !header.is_some_and(|header| header.command_id.is_response()) {
                    nack_length(out, header.map_or(SequenceNumber(0), |header| header.sequence_number));
                }
                CloseReason::Framing(error)
            }
        };
        Event::Closed(self.close(reason))
    }

    /// Writes a request of ours. It is in the window before it is in `out`.
    ///
    /// # Errors
    /// [`NotNow`] when the state or the window does not allow it; nothing is written then.
    pub fn request(
        &mut self,
        token: T,
        id: CommandId,
        body: &impl Write,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<SequenceNumber, NotNow> {
        if !may_issue(self.config.role, id, self.state()) {
            return Err(NotNow::State);
        }
        if self.window.waiting() >= self.config.window {
            return Err(NotNow::Window);
        }
        let sequence = self.window.register(Pending { token: Some(token), id, sent: now });
        pdu::encode(out, id, CommandStatus::ESME_ROK, sequence, body);
        Ok(sequence)
    }

    /// Writes our answer `id` (a `_resp`) to a request that came as [`Event::Submit`] or [`Event::Deliver`].
    ///
    /// Once the session is closed nothing is written.
    pub fn answer(
        &mut self,
        sequence: SequenceNumber,
        id: CommandId,
        status: CommandStatus,
        body: &impl Write,
        out: &mut BytesMut,
    ) {
        debug_assert!(id.is_response(), "{id} answers nothing");
        if matches!(self.phase, Phase::Closed(_)) {
            return;
        }
        debug_assert!(self.unanswered > 0, "an answer to {sequence} that nobody waits for");
        self.unanswered = self.unanswered.saturating_sub(1);
        pdu::encode(out, id, status, sequence, body);
        if let (Phase::Leaving { sequence, .. }, 0) = (&self.phase, self.unanswered) {
            let sequence = *sequence;
            self.leave(sequence, out);
        }
    }

    /// [`answer`](Self::answer) with an error, and so without a body (SMPP 3.4 §4.4.2).
    pub fn refuse(
        &mut self,
        sequence: SequenceNumber,
        id: CommandId,
        status: CommandStatus,
        out: &mut BytesMut,
    ) {
        self.answer(sequence, id, status, &(), out);
    }

    /// Binds. As an ESME only, and in state [`State::Open`].
    ///
    /// # Errors
    /// [`NotNow::State`] otherwise.
    pub fn bind(
        &mut self,
        mode: BindMode,
        bind: &Bind<'_>,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<(), NotNow> {
        let id = mode.command_id();
        if !may_issue(self.config.role, id, self.state()) {
            return Err(NotNow::State);
        }
        let sequence = self.window.register(Pending { token: None, id, sent: now });
        self.phase = Phase::Binding { mode, sequence, answer_by: after(now, self.config.response) };
        pdu::encode(out, id, CommandStatus::ESME_ROK, sequence, bind);
        Ok(())
    }

    /// Says yes to [`Event::Bind`]; `system_id` is our own name. Without effect in any other state than
    /// [`State::Binding`].
    pub fn accept_bind(&mut self, system_id: &[u8], now: Instant, out: &mut BytesMut) {
        /// sc_interface_version 3.4.
        const VERSION: [u8; 5] = [0x02, 0x10, 0x00, 0x01, SMPP_3_4];
        let Phase::Binding { mode, sequence, .. } = self.phase else { return };
        let tlvs = if self.peer_is_older() { Tlvs::EMPTY } else { Tlvs::read_as_far_as_good(&VERSION) };
        let body = BindResp { system_id, tlvs };
        pdu::encode(out, mode.command_id().response(), CommandStatus::ESME_ROK, sequence, &body);
        self.phase = Phase::Bound { mode };
        self.enquiry_base = now;
    }

    /// Says no to [`Event::Bind`]. The peer may try again until the session init timer runs out.
    pub fn refuse_bind(&mut self, status: CommandStatus, out: &mut BytesMut) {
        let Phase::Binding { mode, sequence, .. } = self.phase else { return };
        respond(out, mode.command_id().response(), status, sequence);
        self.phase = Phase::Open;
    }

    /// Begins to end a bind. What is unanswered on either side may still be answered until the peer agrees.
    ///
    /// # Errors
    /// [`NotNow::State`] when nothing is bound.
    pub fn unbind(&mut self, now: Instant, out: &mut BytesMut) -> Result<(), NotNow> {
        if !self.state().is_bound() {
            return Err(NotNow::State);
        }
        let id = CommandId::UNBIND;
        let sequence = self.window.register(Pending { token: None, id, sent: now });
        self.phase = Phase::Unbinding { give_up_at: now + self.config.unbind };
        pdu::encode(out, id, CommandStatus::ESME_ROK, sequence, &());
        Ok(())
    }

    /// The connection is gone, or is to be cut.
    pub fn cut(&mut self) {
        self.close(CloseReason::Lost);
    }

    /// After the end: one of the requests that were lost with the link, until `None`.
    pub fn poll_lost(&mut self) -> Option<T> {
        if !matches!(self.phase, Phase::Closed(_)) {
            return None;
        }
        loop {
            if let Some(token) = self.window.lose()?.token {
                return Some(token);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do; `None`: never.
    pub fn next_timeout(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Open => after(self.opened, self.config.session_init),
            Phase::Binding { answer_by, .. } => answer_by,
            Phase::Bound { .. } => earliest(
                match self.enquired {
                    Some(enquired) => Some(enquired + self.config.response),
                    None => self.enquiry_due(),
                },
                after(self.heard, self.config.inactivity),
            ),
            Phase::Unbinding { give_up_at } | Phase::Leaving { give_up_at, .. } => Some(give_up_at),
            Phase::Closed(_) => return None,
        };
        earliest(phase, self.window.oldest().map(|sent| sent + self.config.response))
    }

    /// Does what is due at `now`, one thing at a time: call it until `None`.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut BytesMut) -> Option<Elapsed<T>> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match self.phase {
            Phase::Closed(_) => return None,
            Phase::Open if is_due(after(self.opened, self.config.session_init)) => {
                return Some(self.time_out(Timer::SessionInit));
            }
            Phase::Binding { answer_by, .. } if is_due(answer_by) => {
                return Some(match self.config.role {
                    Role::Smsc => self.time_out(Timer::SessionInit),
                    Role::Esme => Elapsed::Closed(self.close(CloseReason::BindUnanswered)),
                });
            }
            Phase::Bound { .. } if is_due(self.enquired.map(|at| at + self.config.response)) => {
                return Some(self.time_out(Timer::EnquireLink));
            }
            Phase::Leaving { sequence, give_up_at } if give_up_at <= now => {
                respond(out, CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence);
                return Some(self.time_out(Timer::Unbind));
            }
            Phase::Unbinding { give_up_at } if give_up_at <= now => {
                return Some(self.time_out(Timer::Unbind));
            }
            _ => {}
        }
        if let Some(limit) = now.checked_sub(self.config.response) {
            while let Some(pending) = self.window.expire(limit) {
                if let Some(token) = pending.token {
                    return Some(Elapsed::Expired(token));
                }
            }
        }
        if !matches!(self.phase, Phase::Bound { .. }) {
            return None;
        }
        if is_due(after(self.heard, self.config.inactivity)) && self.unbind(now, out).is_ok() {
            return Some(Elapsed::Handled(Timer::Inactivity));
        }
        if self.enquired.is_none() && is_due(self.enquiry_due()) {
            let id = CommandId::ENQUIRE_LINK;
            let sequence = self.window.register(Pending { token: None, id, sent: now });
            respond(out, id, CommandStatus::ESME_ROK, sequence);
            self.enquired = Some(now);
            self.enquiry_base = now;
            return Some(Elapsed::Handled(Timer::EnquireLink));
        }
        None
    }

    fn enquiry_due(&self) -> Option<Instant> {
        let since = match (self.config.role, self.config.profile) {
            (Role::Smsc, Profile::TimeToChat) => self.enquiry_base,
            (Role::Smsc, Profile::Standard) | (Role::Esme, _) => self.heard,
        };
        after(since, self.config.enquire_link)
    }

    fn time_out(&mut self, timer: Timer) -> Elapsed<T> {
        Elapsed::Closed(self.close(CloseReason::TimedOut(timer)))
    }

    /// The first reason stays.
    fn close(&mut self, reason: CloseReason) -> CloseReason {
        match self.phase {
            Phase::Closed(reason) => reason,
            _ => {
                self.phase = Phase::Closed(reason);
                reason
            }
        }
    }
}

/// A PDU of a header alone.
fn respond(out: &mut BytesMut, id: CommandId, status: CommandStatus, sequence: SequenceNumber) {
    pdu::encode(out, id, status, sequence, &());
}

fn nack_length(out: &mut BytesMut, sequence: SequenceNumber) {
    respond(out, CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDLEN, sequence);
}

fn refuse<'a, T>(
    header: Header,
    id: CommandId,
    status: CommandStatus,
    error: Option<DecodeError>,
    out: &mut BytesMut,
) -> Event<'a, T> {
    respond(out, id, status, header.sequence_number);
    Event::Refused { header, status, error }
}

/// The body of a response; one that cannot be read does not keep the request waiting.
fn read_response(frame: &[u8]) -> Pdu<'_> {
    match pdu::decode(frame) {
        Ok((_, pdu)) => pdu,
        Err(_) => Pdu::Unknown { body: frame.get(Header::OCTETS..).unwrap_or_default() },
    }
}

/// `None` when the timer is off.
fn after(since: Instant, period: Duration) -> Option<Instant> {
    if period.is_zero() { None } else { since.checked_add(period) }
}

fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
