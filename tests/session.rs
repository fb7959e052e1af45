//! Sessions in pairs on a virtual clock: latency, lost links and peers that misbehave. Hours pass in milliseconds.
#![allow(missing_docs)]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use trunkline::clock::Clock;
use trunkline::pdu::frame::FrameError;
use trunkline::pdu::{
    self, Bind, CommandId, CommandStatus, DeliverSm, DeliverSmResp, Header, SequenceNumber, SubmitSm,
    SubmitSmResp, Write,
};
use trunkline::session::{
    BindMode, CloseReason, Config, Elapsed, Event, NotNow, Profile, Role, Session, State, Timer,
};

const SESSION_INIT: Duration = secs(10);
const ENQUIRE_LINK: Duration = secs(30);
const INACTIVITY: Duration = secs(300);
const RESPONSE: Duration = secs(20);
const UNBIND: Duration = secs(5);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn config(role: Role) -> Config {
    Config {
        role,
        session_init: SESSION_INIT,
        enquire_link: ENQUIRE_LINK,
        inactivity: INACTIVITY,
        response: RESPONSE,
        unbind: UNBIND,
        window: 10,
        pdu_octets_max: 70_000,
        profile: Profile::Standard,
    }
}

/// What an application saw, without what it borrowed.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Seen {
    Bind(BindMode),
    Bound,
    BindRefused(CommandStatus),
    Submit(SequenceNumber),
    Deliver(SequenceNumber),
    Answered(u64, CommandStatus),
    Late(u64, CommandStatus),
    Expired(u64),
    Stray(CommandId),
    Refused(CommandId, CommandStatus),
    Ignored(CommandId),
    Closed(CloseReason),
}

/// One end: a session, and an application that answers at once unless told to keep quiet.
struct End {
    session: Session,
    out: BytesMut,
    unread: BytesMut,
    seen: Vec<Seen>,
    is_quiet: bool,
}

impl End {
    fn new(config: Config, now: Instant) -> Self {
        let session = Session::new(config, now);
        Self { session, out: BytesMut::new(), unread: BytesMut::new(), seen: Vec::new(), is_quiet: false }
    }

    fn receive(&mut self, octets: &[u8], now: Instant) {
        self.unread.extend_from_slice(octets);
        let unread = std::mem::take(&mut self.unread);
        let mut rest = &unread[..];
        while let Some((taken, event)) = self.session.handle_octets(rest, now, &mut self.out) {
            let seen = match event {
                Event::Handled(_) => None,
                Event::Bind { mode, .. } => Some(Seen::Bind(mode)),
                Event::Bound(_) => Some(Seen::Bound),
                Event::BindRefused(status) => Some(Seen::BindRefused(status)),
                Event::Submit { sequence, .. } => Some(Seen::Submit(sequence)),
                Event::Deliver { sequence, .. } => Some(Seen::Deliver(sequence)),
                Event::Answered { token, status, .. } => Some(Seen::Answered(token, status)),
                Event::Late { token, status, .. } => Some(Seen::Late(token, status)),
                Event::Stray(header) => Some(Seen::Stray(header.command_id)),
                Event::Refused { header, status, .. } => Some(Seen::Refused(header.command_id, status)),
                Event::Ignored(header) => Some(Seen::Ignored(header.command_id)),
                Event::Closed(reason) => Some(Seen::Closed(reason)),
            };
            match seen {
                Some(Seen::Bind(_)) if !self.is_quiet => {
                    self.session.accept_bind(b"smsc", now, &mut self.out)
                }
                Some(Seen::Submit(sequence)) if !self.is_quiet => self.answer_submit(sequence),
                Some(Seen::Deliver(sequence)) if !self.is_quiet => self.answer_deliver(sequence),
                _ => {}
            }
            self.seen.extend(seen);
            rest = &rest[taken..];
        }
        self.unread = BytesMut::from(rest);
    }

    fn answer_submit(&mut self, sequence: SequenceNumber) {
        let (id, body) =
            (CommandId::SUBMIT_SM_RESP, SubmitSmResp { message_id: b"1", ..SubmitSmResp::default() });
        self.session.answer(sequence, id, CommandStatus::ESME_ROK, &body, &mut self.out);
    }

    fn answer_deliver(&mut self, sequence: SequenceNumber) {
        let (id, body) = (CommandId::DELIVER_SM_RESP, DeliverSmResp::default());
        self.session.answer(sequence, id, CommandStatus::ESME_ROK, &body, &mut self.out);
    }

    fn let_time_pass(&mut self, now: Instant) {
        while let Some(elapsed) = self.session.handle_timeout(now, &mut self.out) {
            match elapsed {
                Elapsed::Expired(token) => self.seen.push(Seen::Expired(token)),
                Elapsed::Closed(reason) => self.seen.push(Seen::Closed(reason)),
                Elapsed::Handled(_) => {}
            }
        }
    }

    fn saw(&mut self) -> Vec<Seen> {
        std::mem::take(&mut self.seen)
    }
}

/// An ESME and an SMSC, and a line between them that takes its time.
struct Link {
    now: Instant,
    esme: End,
    smsc: End,
    latency: Duration,
    /// Octets on their way: when they arrive, whether at the SMSC, what.
    line: VecDeque<(Instant, bool, Vec<u8>)>,
    /// Nothing arrives any more, and nobody is told.
    is_cut: bool,
}

impl Link {
    fn new() -> Self {
        Self::with(config(Role::Esme), config(Role::Smsc))
    }

    fn with(esme: Config, smsc: Config) -> Self {
        let now = Clock::standing(0).instant();
        let (esme, smsc) = (End::new(esme, now), End::new(smsc, now));
        Self { now, esme, smsc, latency: ms(50), line: VecDeque::new(), is_cut: false }
    }

    /// Bound as transceiver.
    fn bound() -> Self {
        let mut link = Self::new();
        link.bind(BindMode::Transceiver);
        link
    }

    fn bind(&mut self, mode: BindMode) {
        let Self { esme, now, .. } = self;
        esme.session.bind(mode, &Bind::default(), *now, &mut esme.out).expect("it is open");
        self.run_for(secs(1));
        assert_eq!((self.esme.saw(), self.smsc.saw()), (vec![Seen::Bound], vec![Seen::Bind(mode)]));
    }

    fn submit(&mut self, token: u64) -> Result<SequenceNumber, NotNow> {
        let Self { esme, now, .. } = self;
        esme.session.request(token, CommandId::SUBMIT_SM, &SubmitSm::default(), *now, &mut esme.out)
    }

    fn deliver(&mut self, token: u64) -> Result<SequenceNumber, NotNow> {
        let Self { smsc, now, .. } = self;
        smsc.session.request(token, CommandId::DELIVER_SM, &DeliverSm::default(), *now, &mut smsc.out)
    }

    /// Puts octets on the line as if the ESME had written them.
    fn forge(&mut self, octets: &[u8]) {
        self.line.push_back((self.now + self.latency, true, octets.to_vec()));
    }

    /// Runs both ends and the line for `time`, from one thing that happens to the next.
    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            for (is_to_smsc, from) in [(true, &mut self.esme), (false, &mut self.smsc)] {
                if !from.out.is_empty() {
                    let octets = from.out.split().to_vec();
                    self.line.push_back((self.now + self.latency, is_to_smsc, octets));
                }
            }
            let timers = [self.esme.session.next_timeout(), self.smsc.session.next_timeout()];
            let arrival = self.line.iter().map(|(at, ..)| *at).min();
            let next = timers.into_iter().flatten().chain(arrival).min().unwrap_or(end).min(end);
            self.now = self.now.max(next);
            let due = self.line.iter().position(|(at, ..)| *at <= self.now);
            if let Some((_, is_to_smsc, octets)) = due.and_then(|place| self.line.remove(place)) {
                if !self.is_cut {
                    let to = if is_to_smsc { &mut self.smsc } else { &mut self.esme };
                    // One read is not one PDU: the first octets come alone.
                    let (head, tail) = octets.split_at(octets.len().min(7));
                    to.receive(head, self.now);
                    to.receive(tail, self.now);
                }
                continue;
            }
            self.esme.let_time_pass(self.now);
            self.smsc.let_time_pass(self.now);
            if self.now >= end && self.esme.out.is_empty() && self.smsc.out.is_empty() {
                return;
            }
        }
    }
}

fn octets(id: CommandId, status: CommandStatus, sequence: u32, body: &impl Write) -> BytesMut {
    let mut out = BytesMut::new();
    pdu::encode(&mut out, id, status, SequenceNumber(sequence), body);
    out
}

/// An SMSC end alone, bound in `mode`, its peer played by the test.
fn bound_smsc(mode: BindMode, profile: Profile) -> (End, Instant) {
    let now = Clock::standing(0).instant();
    let mut smsc = End::new(config(Role::Smsc), now);
    smsc.receive(&octets(mode.command_id(), CommandStatus::ESME_ROK, 1, &Bind::default()), now);
    assert!(smsc.session.state().is_bound());
    smsc.session.set_profile(profile);
    smsc.out.clear();
    smsc.saw();
    (smsc, now)
}

/// All PDUs in what an end has written.
fn written(out: &mut BytesMut) -> Vec<(CommandId, CommandStatus, u32)> {
    let mut all = Vec::new();
    while let Some(header) = Header::read(out) {
        all.push((header.command_id, header.command_status, header.sequence_number.0));
        out.advance(usize::try_from(header.command_length).expect("a small PDU"));
    }
    all
}

#[test]
fn a_message_goes_each_way() {
    let mut link = Link::bound();
    link.submit(7).expect("room in the window");
    link.deliver(8).expect("room in the window");
    link.run_for(secs(1));
    assert_eq!(
        link.esme.saw(),
        [Seen::Deliver(SequenceNumber(1)), Seen::Answered(7, CommandStatus::ESME_ROK)]
    );
    assert_eq!(
        link.smsc.saw(),
        [Seen::Submit(SequenceNumber(2)), Seen::Answered(8, CommandStatus::ESME_ROK)]
    );
}

#[test]
fn each_mode_lets_through_what_table_2_1_allows() {
    for (mode, transmits, receives) in [
        (BindMode::Transmitter, true, false),
        (BindMode::Receiver, false, true),
        (BindMode::Transceiver, true, true),
    ] {
        let mut link = Link::new();
        link.bind(mode);
        assert_eq!(link.submit(1).is_ok(), transmits, "{mode:?}");
        assert_eq!(link.deliver(2).is_ok(), receives, "{mode:?}");
    }
    let mut link = Link::new();
    assert_eq!(
        (link.submit(1), link.deliver(2)),
        (Err(NotNow::State), Err(NotNow::State)),
        "before the bind"
    );
    assert!(link.esme.out.is_empty() && link.smsc.out.is_empty());
}

#[test]
fn refuses_submit_sm_before_bind() {
    let now = Clock::standing(0).instant();
    let mut smsc = End::new(config(Role::Smsc), now);
    smsc.receive(&octets(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, 5, &SubmitSm::default()), now);
    assert_eq!(written(&mut smsc.out), [(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_RINVBNDSTS, 5)]);
    assert_eq!(smsc.session.state(), State::Open, "and the link lives on");
}

#[test]
fn refuses_submit_sm_from_a_receiver() {
    let (mut smsc, now) = bound_smsc(BindMode::Receiver, Profile::Standard);
    smsc.receive(&octets(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, 5, &SubmitSm::default()), now);
    assert_eq!(written(&mut smsc.out), [(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_RINVBNDSTS, 5)]);
}

#[test]
fn a_second_bind_is_told_that_it_is_bound() {
    let (mut smsc, now) = bound_smsc(BindMode::Transceiver, Profile::Standard);
    smsc.receive(&octets(CommandId::BIND_RECEIVER, CommandStatus::ESME_ROK, 9, &Bind::default()), now);
    assert_eq!(written(&mut smsc.out), [(CommandId::BIND_RECEIVER_RESP, CommandStatus::ESME_RALYBND, 9)]);
    assert_eq!(smsc.session.state(), State::BoundTrx);
}

#[test]
fn a_refused_bind_may_be_tried_again() {
    let mut link = Link::new();
    link.smsc.is_quiet = true;
    for status in [CommandStatus::ESME_RINVPASWD, CommandStatus::ESME_RALYBND] {
        let Link { esme, now, .. } = &mut link;
        esme.session.bind(BindMode::Transceiver, &Bind::default(), *now, &mut esme.out).expect("it is open");
        link.run_for(secs(1));
        link.smsc.session.refuse_bind(status, &mut link.smsc.out);
        link.run_for(secs(1));
        assert_eq!(link.esme.saw(), [Seen::BindRefused(status)]);
    }
    link.smsc.is_quiet = false;
    link.smsc.saw();
    link.bind(BindMode::Transmitter);
}

#[test]
fn peers_sequence_numbers_are_echoed_whatever_they_are() {
    let (mut smsc, now) = bound_smsc(BindMode::Transceiver, Profile::Standard);
    for sequence in [0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xA285_9F22, 0x806A_179B, 0x9F88_F124, u32::MAX] {
        smsc.receive(&octets(CommandId::ENQUIRE_LINK, CommandStatus::ESME_ROK, sequence, &()), now);
        smsc.receive(
            &octets(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, sequence, &SubmitSm::default()),
            now,
        );
        let answers = [
            (CommandId::ENQUIRE_LINK_RESP, CommandStatus::ESME_ROK, sequence),
            (CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, sequence),
        ];
        assert_eq!(written(&mut smsc.out), answers);
    }
}

#[test]
fn our_sequence_numbers_wrap_to_one() {
    let now = Clock::standing(0).instant();
    let mut esme: Session =
        Session::with_first_sequence(config(Role::Esme), now, SequenceNumber(0x7FFF_FFFE));
    let mut out = BytesMut::new();
    esme.bind(BindMode::Transceiver, &Bind::default(), now, &mut out).expect("it is open");
    let resp = octets(CommandId::BIND_TRANSCEIVER_RESP, CommandStatus::ESME_ROK, 0x7FFF_FFFE, &());
    assert!(matches!(esme.handle_frame(&resp, now, &mut out), Event::Bound(_)));
    let mut issued = Vec::new();
    for token in 0..3 {
        issued.push(
            esme.request(token, CommandId::SUBMIT_SM, &SubmitSm::default(), now, &mut out).expect("room").0,
        );
    }
    assert_eq!(issued, [0x7FFF_FFFF, 1, 2]);
    for (token, sequence) in [(1, 1), (2, 2), (0, 0x7FFF_FFFF)] {
        let resp = octets(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, sequence, &());
        assert!(
            matches!(esme.handle_frame(&resp, now, &mut out), Event::Answered { token: t, .. } if t == token)
        );
    }
}

#[test]
fn the_window_holds_and_opens_with_each_answer() {
    let mut link = Link::bound();
    link.smsc.is_quiet = true;
    for token in 0..10 {
        link.submit(token).expect("room in the window");
    }
    assert_eq!(link.submit(10), Err(NotNow::Window));
    link.run_for(ms(200));
    let sequences: Vec<_> = link.smsc.saw();
    assert_eq!((sequences.len(), link.smsc.session.unanswered()), (10, 10));
    // The last first: answers come in any order.
    for seen in sequences.iter().rev() {
        let Seen::Submit(sequence) = seen else { panic!("{seen:?}") };
        link.smsc.answer_submit(*sequence);
    }
    link.run_for(ms(200));
    let answered: Vec<_> =
        (0..10).rev().map(|token| Seen::Answered(token, CommandStatus::ESME_ROK)).collect();
    assert_eq!(link.esme.saw(), answered);
    assert_eq!((link.esme.session.outstanding(), link.smsc.session.unanswered()), (0, 0));
    link.submit(11).expect("room again");
}

#[test]
fn responses_without_a_body_and_refusals_with_one_are_both_fine() {
    let mut link = Link::bound();
    link.smsc.is_quiet = true;
    let (first, second) = (link.submit(1).expect("room").0, link.submit(2).expect("room").0);
    let now = link.now;
    link.esme.receive(&octets(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, first, &()), now);
    let body = SubmitSmResp { message_id: b"some id", ..SubmitSmResp::default() };
    link.esme.receive(&octets(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_RTHROTTLED, second, &body), now);
    let answers =
        [Seen::Answered(1, CommandStatus::ESME_ROK), Seen::Answered(2, CommandStatus::ESME_RTHROTTLED)];
    assert_eq!(link.esme.saw(), answers);
}

#[test]
fn a_response_that_cannot_be_read_still_ends_its_request() {
    let mut link = Link::bound();
    let sequence = link.submit(1).expect("room").0;
    let now = link.now;
    let body = &[b'x'; 500][..];
    link.esme.receive(&octets(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, sequence, &body), now);
    assert_eq!(link.esme.saw(), [Seen::Answered(1, CommandStatus::ESME_ROK)]);
}

#[test]
fn one_late_response_does_not_drop_the_link() {
    let mut link = Link::bound();
    link.smsc.is_quiet = true;
    let sequence = link.submit(1).expect("room");
    link.run_for(RESPONSE + ms(1));
    assert_eq!(link.esme.saw(), [Seen::Expired(1)]);
    assert_eq!(link.esme.session.outstanding(), 0, "its place in the window is free");
    link.smsc.answer_submit(sequence);
    link.run_for(secs(1));
    assert_eq!(link.esme.saw(), [Seen::Late(1, CommandStatus::ESME_ROK)]);
    assert_eq!(link.esme.session.state(), State::BoundTrx);
    // And a third time it is nobody's.
    let now = link.now;
    link.esme.receive(&octets(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, sequence.0, &()), now);
    assert_eq!(link.esme.saw(), [Seen::Stray(CommandId::SUBMIT_SM_RESP)]);
}

#[test]
fn what_is_unanswered_when_the_link_is_lost_is_told_once() {
    let mut link = Link::bound();
    link.smsc.is_quiet = true;
    for token in 1..=3 {
        link.submit(token).expect("room");
    }
    link.esme.session.cut();
    let mut lost = Vec::new();
    while let Some(token) = link.esme.session.poll_lost() {
        lost.push(token);
    }
    assert_eq!(lost, [1, 2, 3]);
    assert_eq!(link.esme.session.close_reason(), Some(CloseReason::Lost));
    assert_eq!(link.submit(4), Err(NotNow::State));
}

#[test]
fn session_init_timer_closes_a_peer_that_does_not_bind() {
    let mut link = Link::new();
    link.run_for(SESSION_INIT - ms(1));
    assert_eq!(link.smsc.session.state(), State::Open);
    link.run_for(ms(2));
    assert_eq!(link.smsc.saw(), [Seen::Closed(CloseReason::TimedOut(Timer::SessionInit))]);
}

#[test]
fn a_bind_that_is_not_answered_is_given_up() {
    let mut link = Link::new();
    link.is_cut = true;
    let Link { esme, now, .. } = &mut link;
    esme.session.bind(BindMode::Transceiver, &Bind::default(), *now, &mut esme.out).expect("it is open");
    link.run_for(RESPONSE + ms(1));
    assert_eq!(link.esme.saw(), [Seen::Closed(CloseReason::BindUnanswered)]);
}

#[test]
fn enquire_link_timer_keeps_an_idle_link_alive_for_hours() {
    let mut link = Link::bound();
    link.run_for(secs(3 * 3_600));
    assert!(link.esme.session.state().is_bound() && link.smsc.session.state().is_bound());
    assert_eq!((link.esme.saw(), link.smsc.saw()), (vec![], vec![]));
}

#[test]
fn an_unanswered_enquire_link_ends_the_session() {
    let mut link = Link::bound();
    link.submit(1).expect("room");
    link.is_cut = true;
    link.run_for(ENQUIRE_LINK + RESPONSE + secs(1));
    assert_eq!(link.smsc.saw(), [Seen::Closed(CloseReason::TimedOut(Timer::EnquireLink))]);
    let esme = link.esme.saw();
    assert_eq!(esme, [Seen::Expired(1), Seen::Closed(CloseReason::TimedOut(Timer::EnquireLink))]);
}

#[test]
fn any_pdu_of_the_peer_counts_as_life() {
    let (mut smsc, mut now) = bound_smsc(BindMode::Transceiver, Profile::Standard);
    // The peer never answers enquire_link, but speaks now and then.
    for _ in 0..100 {
        now += ENQUIRE_LINK + RESPONSE - ms(1);
        smsc.let_time_pass(now);
        smsc.receive(&octets(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, 5, &SubmitSm::default()), now);
        assert!(smsc.session.state().is_bound());
    }
    assert!(smsc.saw().iter().all(|seen| matches!(seen, Seen::Submit(_))));
}

#[test]
fn inactivity_timer_unbinds_where_nobody_enquires() {
    let mut quiet = config(Role::Smsc);
    quiet.enquire_link = Duration::ZERO;
    let mut esme = config(Role::Esme);
    esme.enquire_link = Duration::ZERO;
    esme.inactivity = Duration::ZERO;
    let mut link = Link::with(esme, quiet);
    link.bind(BindMode::Receiver);
    link.run_for(INACTIVITY - secs(2));
    assert!(link.smsc.session.state().is_bound());
    link.run_for(secs(3));
    assert_eq!(link.smsc.saw(), [Seen::Closed(CloseReason::Unbound)]);
    assert_eq!(link.esme.saw(), [Seen::Closed(CloseReason::PeerUnbound)]);
}

#[test]
fn unbind_timer_closes_when_the_peer_does_not_agree() {
    let mut link = Link::bound();
    link.is_cut = true;
    let Link { smsc, now, .. } = &mut link;
    smsc.session.unbind(*now, &mut smsc.out).expect("it is bound");
    link.run_for(UNBIND + ms(1));
    assert_eq!(link.smsc.saw(), [Seen::Closed(CloseReason::TimedOut(Timer::Unbind))]);
}

#[test]
fn unbind_is_answered_after_what_came_before_it() {
    let mut link = Link::bound();
    link.smsc.is_quiet = true;
    let sequence = link.submit(1).expect("room");
    let Link { esme, now, .. } = &mut link;
    esme.session.unbind(*now, &mut esme.out).expect("it is bound");
    link.run_for(secs(1));
    assert_eq!(link.smsc.session.state(), State::Leaving);
    link.smsc.answer_submit(sequence);
    assert_eq!(link.smsc.session.close_reason(), Some(CloseReason::PeerUnbound));
    link.run_for(secs(1));
    let esme = link.esme.saw();
    assert_eq!(esme, [Seen::Answered(1, CommandStatus::ESME_ROK), Seen::Closed(CloseReason::Unbound)]);
}

#[test]
fn a_peer_that_unbinds_is_let_go_though_we_owe_answers() {
    let mut link = Link::bound();
    link.smsc.is_quiet = true;
    link.submit(1).expect("room");
    let Link { esme, now, .. } = &mut link;
    esme.session.unbind(*now, &mut esme.out).expect("it is bound");
    link.run_for(UNBIND + secs(1));
    assert_eq!(
        link.smsc.saw(),
        [Seen::Submit(SequenceNumber(2)), Seen::Closed(CloseReason::TimedOut(Timer::Unbind))]
    );
}

#[test]
fn enquire_link_is_answered_while_unbinding_and_submit_sm_is_put_off() {
    let (mut smsc, now) = bound_smsc(BindMode::Transceiver, Profile::Standard);
    smsc.session.unbind(now, &mut smsc.out).expect("it is bound");
    smsc.out.clear();
    smsc.receive(&octets(CommandId::ENQUIRE_LINK, CommandStatus::ESME_ROK, 3, &()), now);
    smsc.receive(&octets(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, 4, &SubmitSm::default()), now);
    let answers = [
        (CommandId::ENQUIRE_LINK_RESP, CommandStatus::ESME_ROK, 3),
        (CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_RSYSERR, 4),
    ];
    assert_eq!(written(&mut smsc.out), answers);
}

#[test]
fn two_unbinds_that_cross_end_both_sessions() {
    let mut link = Link::bound();
    let Link { esme, smsc, now, .. } = &mut link;
    esme.session.unbind(*now, &mut esme.out).expect("it is bound");
    smsc.session.unbind(*now, &mut smsc.out).expect("it is bound");
    link.run_for(secs(1));
    assert_eq!(link.esme.session.state(), State::Closed);
    assert_eq!(link.smsc.session.state(), State::Closed);
}

#[test]
fn an_unknown_command_is_nacked_and_the_link_lives_on() {
    let mut link = Link::bound();
    link.forge(&octets(CommandId(0x0001_0203), CommandStatus::ESME_ROK, 0x9F88_F124, &&b"vendor"[..]));
    link.run_for(secs(1));
    assert_eq!(link.smsc.saw(), [Seen::Refused(CommandId(0x0001_0203), CommandStatus::ESME_RINVCMDID)]);
    assert_eq!(link.esme.saw(), [Seen::Stray(CommandId::GENERIC_NACK)], "with the sender's own number");
    link.submit(1).expect("bound");
    link.run_for(secs(1));
    assert_eq!(link.esme.saw(), [Seen::Answered(1, CommandStatus::ESME_ROK)]);
}

#[test]
fn a_response_is_never_answered() {
    let (mut smsc, now) = bound_smsc(BindMode::Transceiver, Profile::Standard);
    for id in
        [0x8000_0000, 0x8000_0003, 0x8000_0004, 0x8000_0005, 0x8000_0006, 0x8000_0015, 0x8001_0203, u32::MAX]
    {
        smsc.receive(&octets(CommandId(id), CommandStatus::ESME_RSYSERR, 77, &&b"\x01\xFF"[..]), now);
    }
    assert!(smsc.out.is_empty());
    assert!(smsc.saw().iter().all(|seen| matches!(seen, Seen::Stray(_))));
    assert_eq!(smsc.session.state(), State::BoundTrx);
}

#[test]
fn a_bad_length_is_nacked_and_closes() {
    for (octets, sequence) in [
        (&b"\x00\x00\x00\x0F\x00\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x09"[..], 0),
        (b"\x00\x00\x00\x00", 0),
        (b"\x7F\xFF\xFF\xFF", 0),
        (b"\x7F\xFF\xFF\xFF\x00\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x09", 9),
    ] {
        let (mut smsc, now) = bound_smsc(BindMode::Transceiver, Profile::Standard);
        smsc.receive(octets, now);
        let nack = (CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDLEN, sequence);
        assert_eq!(written(&mut smsc.out), [nack], "{octets:?}");
        assert!(matches!(smsc.session.close_reason(), Some(CloseReason::Framing(_))));
        smsc.receive(b"more", now);
        assert!(smsc.out.is_empty(), "nothing is read after the end");
    }
}

#[test]
fn a_response_with_a_bad_length_closes_in_silence() {
    let (mut smsc, now) = bound_smsc(BindMode::Transceiver, Profile::Standard);
    smsc.receive(b"\x7F\xFF\xFF\xFF\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x09", now);
    assert!(smsc.out.is_empty());
    assert!(matches!(smsc.session.close_reason(), Some(CloseReason::Framing(FrameError::TooLong { .. }))));
}

#[test]
fn http_is_closed_quietly() {
    for request in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"POST /x HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n"] {
        let now = Clock::standing(0).instant();
        let mut smsc = End::new(config(Role::Smsc), now);
        smsc.receive(request, now);
        assert_eq!(smsc.saw(), [Seen::Closed(CloseReason::Http)]);
        assert!(smsc.out.is_empty());
    }
}

#[test]
fn a_bad_field_is_refused_by_the_operations_own_response() {
    let (mut smsc, now) = bound_smsc(BindMode::Transceiver, Profile::Standard);
    smsc.receive(&octets(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, 3, &&b"toolong\0"[..]), now);
    assert_eq!(written(&mut smsc.out), [(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_RINVSERTYP, 3)]);
    smsc.receive(&octets(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, 4, &SubmitSm::default()), now);
    assert_eq!(smsc.saw().last(), Some(&Seen::Submit(SequenceNumber(4))), "and the session lives on");
    assert_eq!(smsc.session.unanswered(), 0);
}

#[test]
fn timetochat_says_rqueryfail_to_a_malformed_submit_sm() {
    let (mut smsc, now) = bound_smsc(BindMode::Transceiver, Profile::TimeToChat);
    smsc.receive(&octets(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, 3, &&b"toolong\0"[..]), now);
    assert_eq!(written(&mut smsc.out), [(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_RQUERYFAIL, 3)]);
}

#[test]
fn timetochat_ignores_what_its_table_does_not_list() {
    let (mut smsc, now) = bound_smsc(BindMode::Transceiver, Profile::TimeToChat);
    for id in [CommandId::ALERT_NOTIFICATION, CommandId(0x0A), CommandId(0x0001_0203)] {
        smsc.receive(&octets(id, CommandStatus::ESME_ROK, 3, &()), now);
        assert_eq!(smsc.saw(), [Seen::Ignored(id)]);
    }
    assert!(smsc.out.is_empty());
    smsc.receive(&octets(CommandId::OUTBIND, CommandStatus::ESME_ROK, 4, &()), now);
    assert_eq!(written(&mut smsc.out), [(CommandId::GENERIC_NACK, CommandStatus::ESME_RBINDFAIL, 4)]);
}

#[test]
fn timetochat_binds_transceivers_only() {
    let mut smsc_config = config(Role::Smsc);
    smsc_config.profile = Profile::TimeToChat;
    for mode in [BindMode::Transmitter, BindMode::Receiver] {
        let mut link = Link::with(config(Role::Esme), smsc_config.clone());
        let Link { esme, now, .. } = &mut link;
        esme.session.bind(mode, &Bind::default(), *now, &mut esme.out).expect("it is open");
        link.run_for(secs(1));
        assert_eq!(link.esme.saw(), [Seen::BindRefused(CommandStatus::ESME_RBINDFAIL)]);
    }
    Link::with(config(Role::Esme), smsc_config).bind(BindMode::Transceiver);
}

#[test]
fn timetochat_enquires_every_minute_and_closes_at_an_error() {
    let (mut smsc, mut now) = bound_smsc(BindMode::Transceiver, Profile::TimeToChat);
    smsc.session.set_enquire_link(trunkline::session::TIMETOCHAT_ENQUIRE_LINK);
    for minute in 1..=3 {
        // Traffic does not put it off.
        for _ in 0..60 {
            now += secs(1);
            smsc.receive(
                &octets(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, 5, &SubmitSm::default()),
                now,
            );
            smsc.let_time_pass(now);
        }
        let sent = written(&mut smsc.out);
        let enquiries: Vec<_> = sent.iter().filter(|(id, ..)| *id == CommandId::ENQUIRE_LINK).collect();
        assert_eq!(enquiries.len(), 1, "minute {minute}");
        let status = if minute < 3 { CommandStatus::ESME_ROK } else { CommandStatus::ESME_RSYSERR };
        smsc.receive(&octets(CommandId::ENQUIRE_LINK_RESP, status, enquiries[0].2, &()), now);
    }
    let reason = CloseReason::EnquireLinkRefused(CommandStatus::ESME_RSYSERR);
    assert_eq!(smsc.session.close_reason(), Some(reason));
}

#[test]
fn standard_forgives_an_enquire_link_answered_with_an_error() {
    let (mut smsc, mut now) = bound_smsc(BindMode::Transceiver, Profile::Standard);
    now += ENQUIRE_LINK;
    smsc.let_time_pass(now);
    let sequence = written(&mut smsc.out)[0].2;
    smsc.receive(&octets(CommandId::ENQUIRE_LINK_RESP, CommandStatus::ESME_RSYSERR, sequence, &()), now);
    assert_eq!(smsc.session.state(), State::BoundTrx);
}

#[test]
fn an_older_esme_is_answered_without_tlvs() {
    for (version, octets_of_answer) in [(0x33, 16 + 5), (0x34, 16 + 5 + 5), (0x00, 16 + 5 + 5)] {
        let now = Clock::standing(0).instant();
        let mut smsc = End::new(config(Role::Smsc), now);
        let bind = Bind { interface_version: version, ..Bind::default() };
        smsc.receive(&octets(CommandId::BIND_TRANSCEIVER, CommandStatus::ESME_ROK, 1, &bind), now);
        assert_eq!(smsc.out.len(), octets_of_answer, "interface_version {version:#x}");
        assert_eq!(smsc.session.peer_is_older(), version == 0x33);
    }
}

#[test]
fn a_pair_under_load_with_latency_and_a_lost_link_counts_every_request_once() {
    let mut link = Link::bound();
    let (mut begun, mut ended) = (0_u64, 0);
    for round in 0..200 {
        while link.submit(begun).is_ok() {
            begun += 1;
        }
        if round == 100 {
            // For a while the other side does not answer.
            link.smsc.is_quiet = true;
        }
        if round == 150 {
            link.smsc.is_quiet = false;
        }
        link.run_for(secs(1));
        ended += link
            .esme
            .saw()
            .iter()
            .filter(|seen| matches!(seen, Seen::Answered(..) | Seen::Expired(_)))
            .count();
    }
    link.esme.session.cut();
    let mut lost = 0;
    while link.esme.session.poll_lost().is_some() {
        lost += 1;
    }
    assert_eq!(usize::try_from(begun).expect("few"), ended + lost);
    assert!(begun > 1_000, "{begun}");
}
