//! The session against a model small enough to be believed: for fuzzing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::{BindMode, Config, Elapsed, Event, Profile, Role, Session, State};
use crate::clock::Clock;
use crate::pdu::{self, Bind, CommandId, CommandStatus, Header, SequenceNumber, SubmitSm, SubmitSmResp};

/// What must be true of a session, kept by other means than its own.
#[derive(Debug, Default)]
struct Model {
    /// Tokens of requests that have not ended, with the number each was given.
    open: BTreeSet<(u64, u32)>,
    /// Tokens of requests that have expired.
    expired: BTreeSet<(u64, u32)>,
    /// Requests of the peer that wait for us.
    unanswered: Vec<SequenceNumber>,
    /// How many requests ended, and how.
    begun: usize,
    answered: usize,
    timed_out: usize,
    lost: usize,
}

/// Does what `data` says to a session, and checks it against a model after each step. Panics on a difference.
///
/// Held: every request ends exactly once; an expired one may be answered late, once; what is written are whole PDUs, an
/// answer for each request of the peer that has one and none for a response; sequence numbers stay in range; time that
/// passes in the session's own steps never leaves it with something due.
#[doc(hidden)]
pub fn oracle(data: &[u8]) {
    let Some((&[kind, start], steps)) = data.split_first_chunk::<2>() else { return };
    let mut now = Clock::standing(0).instant();
    let role = if kind & 1 == 0 { Role::Smsc } else { Role::Esme };
    let mut config = Config::new(role);
    config.profile = if kind & 2 == 0 { Profile::Standard } else { Profile::TimeToChat };
    config.window = 1 + usize::from(kind >> 4);
    config.pdu_octets_max = 512;
    let window = config.window;
    // Near the place where sequence numbers wrap, as often as not.
    let first = if kind & 4 == 0 { u32::from(start) } else { 0x7FFF_FFFF - u32::from(start & 15) };
    let mut session = Session::<u64>::with_first_sequence(config, now, SequenceNumber(first));
    let mut model = Model::default();
    let mut out = BytesMut::new();
    let mut token = 0;

    let mut steps = steps.iter().copied();
    while let Some(step) = steps.next() {
        let mut next = || steps.next().unwrap_or(0);
        let was = session.state();
        out.clear();
        match step % 8 {
            0 => {
                token += 1;
                let id = if role == Role::Esme { CommandId::SUBMIT_SM } else { CommandId::DELIVER_SM };
                let result = session.request(token, id, &SubmitSm::default(), now, &mut out);
                let may = super::may_issue(role, id, was) && model.open.len() < window;
                assert_eq!(result.is_ok(), may, "request in {was:?} with {} open", model.open.len());
                if let Ok(SequenceNumber(sequence)) = result {
                    assert!((1..=0x7FFF_FFFF).contains(&sequence), "{sequence:#x} is out of range");
                    model.open.insert((token, sequence));
                    model.begun += 1;
                }
            }
            1 => {
                // An answer to one of ours, by place, or to nothing.
                let at = usize::from(next());
                let known: Vec<u32> =
                    model.open.iter().chain(&model.expired).map(|(_, sequence)| *sequence).collect();
                let sequence = known.get(at).copied().unwrap_or(u32::from(step));
                let id =
                    if role == Role::Esme { CommandId::SUBMIT_SM_RESP } else { CommandId::DELIVER_SM_RESP };
                let status = CommandStatus(u32::from(next() & 1) * 0x58);
                let mut frame = BytesMut::new();
                pdu::encode(&mut frame, id, status, SequenceNumber(sequence), &SubmitSmResp::default());
                feed(&mut session, &mut model, &frame, now, &mut out);
                assert!(out.is_empty(), "a response was answered");
            }
            2 => {
                // Any request of the peer, with a body that may or may not do.
                let id = CommandId(u32::from(next() & 0x3F));
                let octets = usize::from(next() & 0x3F);
                let sequence = SequenceNumber(u32::from(next()) << 24 | 5);
                let body: Vec<u8> = (0..octets).map(|_| next() & 0x83).collect();
                let mut frame = BytesMut::new();
                pdu::encode(&mut frame, id, CommandStatus::ESME_ROK, sequence, &body.as_slice());
                feed(&mut session, &mut model, &frame, now, &mut out);
            }
            3 => {
                let octets: Vec<u8> = (0..next() & 31).map(|_| next()).collect();
                if let Some((dropped, event)) = session.handle_octets(&octets, now, &mut out) {
                    assert!(dropped <= octets.len());
                    note(event, &mut model, was, &out);
                }
            }
            4 => {
                now += Duration::from_millis(u64::from(next()) * 500);
                pass_time(&mut session, &mut model, now, &mut out);
            }
            5 => match model.unanswered.pop() {
                Some(sequence) => {
                    let id = if role == Role::Esme {
                        CommandId::DELIVER_SM_RESP
                    } else {
                        CommandId::SUBMIT_SM_RESP
                    };
                    session.answer(sequence, id, CommandStatus::ESME_ROK, &SubmitSmResp::default(), &mut out);
                    assert_eq!(out.is_empty(), was == State::Closed);
                }
                None => set_up(&mut session, role, now, &mut out),
            },
            6 => set_up(&mut session, role, now, &mut out),
            _ => match next() % 16 {
                0 => session.cut(),
                1 => _ = session.unbind(now, &mut out),
                _ => {
                    let mut frame = BytesMut::new();
                    let id = if step & 8 == 0 { CommandId::SUBMIT_SM } else { CommandId::DELIVER_SM };
                    pdu::encode(
                        &mut frame,
                        id,
                        CommandStatus::ESME_ROK,
                        SequenceNumber(9),
                        &SubmitSm::default(),
                    );
                    feed(&mut session, &mut model, &frame, now, &mut out);
                }
            },
        }
        assert_whole(&out);
        check(&session, &model);
    }
    session.cut();
    while let Some(token) = session.poll_lost() {
        end(&mut model, token);
        model.lost += 1;
    }
    assert!(model.open.is_empty(), "requests without an end: {:?}", model.open);
    assert_eq!(model.begun, model.answered + model.timed_out + model.lost, "each request ends once");
}

fn set_up(session: &mut Session, role: Role, now: Instant, out: &mut BytesMut) {
    match role {
        Role::Esme => _ = session.bind(BindMode::Transceiver, &Bind::default(), now, out),
        Role::Smsc => session.accept_bind(b"model", now, out),
    }
    if let (Role::Esme, State::Binding) = (role, session.state()) {
        let sequence = Header::read(out).map_or(SequenceNumber(0), |header| header.sequence_number);
        let mut frame = BytesMut::new();
        pdu::encode(&mut frame, CommandId::BIND_TRANSCEIVER_RESP, CommandStatus::ESME_ROK, sequence, &());
        session.handle_frame(&frame, now, &mut BytesMut::new());
    }
}

fn feed(session: &mut Session, model: &mut Model, frame: &[u8], now: Instant, out: &mut BytesMut) {
    let was = session.state();
    let Some((dropped, event)) = session.handle_octets(frame, now, out) else {
        assert_eq!(was, State::Closed, "a whole PDU is taken by a session that is not over");
        return;
    };
    assert_eq!(dropped, frame.len());
    note(event, model, was, out);
}

fn note(event: Event<'_, u64>, model: &mut Model, was: State, out: &[u8]) {
    match event {
        Event::Submit { sequence, .. } | Event::Deliver { sequence, .. } => {
            assert!(was.is_bound(), "a message came through in {was:?}");
            assert!(out.is_empty(), "answered before the application has seen it");
            model.unanswered.push(sequence);
        }
        Event::Answered { token, .. } => {
            end(model, token);
            model.answered += 1;
        }
        Event::Late { token, .. } => {
            let known: Vec<_> =
                model.expired.iter().copied().filter(|(expired, _)| *expired == token).collect();
            assert_eq!(known.len(), 1, "token {token} was late without having expired, or twice");
            known.iter().for_each(|entry| _ = model.expired.remove(entry));
        }
        Event::Refused { header, status, .. } => {
            let answer = Header::read(out).expect("a refusal is written");
            assert_eq!(answer.sequence_number, header.sequence_number, "the sequence number is echoed");
            assert_eq!(answer.command_status, status);
            assert!(!header.command_id.is_response() && status != CommandStatus::ESME_ROK);
        }
        Event::Ignored(_) | Event::Stray(_) => assert!(out.is_empty(), "silence is silent"),
        Event::Handled(_)
        | Event::Bind { .. }
        | Event::Bound(_)
        | Event::BindRefused(_)
        | Event::Closed(_) => {}
    }
}

fn pass_time(session: &mut Session, model: &mut Model, now: Instant, out: &mut BytesMut) {
    while let Some(elapsed) = session.handle_timeout(now, out) {
        if let Elapsed::Expired(token) = elapsed {
            let sequence = end(model, token);
            model.expired.insert((token, sequence));
            model.timed_out += 1;
        }
    }
    assert!(session.next_timeout().is_none_or(|at| at > now), "something is due and not done");
}

fn end(model: &mut Model, token: u64) -> u32 {
    let known = model.open.iter().copied().find(|(open, _)| *open == token);
    let (_, sequence) = known.expect("a request ends once");
    model.open.remove(&(token, sequence));
    sequence
}

fn check(session: &Session, model: &Model) {
    assert_eq!(session.outstanding(), model.open.len());
    if session.state() != State::Closed {
        assert_eq!(session.unanswered(), model.unanswered.len());
        assert!(session.next_timeout().is_some(), "a session without a deadline may live for ever");
    }
}

fn assert_whole(mut out: &[u8]) {
    while !out.is_empty() {
        let octets =
            pdu::frame::split(out, usize::MAX).expect("we write good lengths").expect("and whole PDUs");
        let (frame, rest) = out.split_at(octets);
        pdu::decode(frame).expect("that can be read");
        out = rest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::oracle;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_session_does_what_its_model_says(data in proptest::collection::vec(any::<u8>(), 0..400)) {
            oracle(&data);
        }
    }
}
