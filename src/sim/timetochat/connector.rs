//! One session of the SMPP connector (§7): the protocol is `session`'s with profile `timetochat`, here is what its
//! requests mean.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::chance::How;
use super::store::{Via, measure};
use super::world::{Draft, FAULT_SEND_AFTER, FAULT_SEND_BEFORE, World, is_same};
use crate::pdu::time::{self, SmppTime};
use crate::pdu::{
    Address, Bind, CommandId, CommandStatus, DataCoding, Header, SequenceNumber, SubmitSm, SubmitSmResp, Tag,
    Tlvs, frame,
};
use crate::session::{Config, Elapsed, Event, Profile, Role, Session};
use crate::sim::listen::{Duplex, write_out};
use crate::sim::post::{AGAIN_AFTER, Letter};
use crate::text::{gsm7, ucs2};
use crate::vendor::timetochat::number;

/// Serves one peer until the session is over.
///
/// # Errors
/// Those of the socket.
pub(super) async fn run(world: &World, stream: Box<dyn Duplex>) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut bound = Connector::new(world);
    let mut input = BytesMut::with_capacity(READ_OCTETS);
    let ended = loop {
        let may_read = bound.out.len() < OUT_OCTETS_MAX;
        let may_deliver = bound.receiver.is_some() && bound.session.outstanding() < WINDOW && may_read;
        let alarm = async {
            match bound.session.next_timeout() {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = alarm => bound.handle_timeouts(),
            read = reader.read_buf(&mut input), if may_read => match read {
                Err(error) => break Err(error),
                Ok(0) => break Ok(()),
                Ok(_) => bound.handle_octets(&mut input),
            },
            written = write_out(&mut writer, &mut bound.out, &mut bound.unflushed),
                if !bound.out.is_empty() || bound.unflushed => {
                if let Err(error) = written {
                    break Err(error);
                }
            }
            letter = bound.inbox.recv(), if may_deliver => {
                if let Some(letter) = letter {
                    bound.deliver(letter);
                }
            }
        }
        if bound.is_cut {
            break Ok(());
        }
        if bound.session.close_reason().is_some() {
            let last = tokio::time::timeout(LAST_WORDS, async {
                write_out(&mut writer, &mut bound.out, &mut bound.unflushed).await?;
                writer.shutdown().await
            });
            break last.await.unwrap_or(Err(io::ErrorKind::TimedOut.into()));
        }
    };
    bound.leave();
    ended
}

struct Connector<'a> {
    world: &'a World,
    session: Session<u64>,
    /// Under way, by the token of their request.
    unanswered: HashMap<u64, Letter>,
    delivered: u64,
    /// Its number at the post office, once bound.
    receiver: Option<u64>,
    /// Kept so that the channel does not close before the session is known as a receiver.
    inbox_for_post: mpsc::Sender<Letter>,
    inbox: mpsc::Receiver<Letter>,
    out: BytesMut,
    unflushed: bool,
    /// A switch says that the connection is to break.
    is_cut: bool,
}

impl<'a> Connector<'a> {
    fn new(world: &'a World) -> Self {
        let switches = world.switches();
        let config = Config {
            session_init: SESSION_INIT,
            enquire_link: Duration::from_secs(switches.enquire_link_seconds),
            // The vendor's server is not known to unbind the silent.
            inactivity: Duration::ZERO,
            response: Duration::from_secs(switches.response_seconds.max(1)),
            window: WINDOW,
            profile: Profile::TimeToChat,
            ..Config::new(Role::Smsc)
        };
        let (inbox_for_post, inbox) = mpsc::channel(WINDOW);
        Self {
            world,
            session: Session::new(config, world.clock.instant()),
            unanswered: HashMap::new(),
            delivered: 0,
            receiver: None,
            inbox_for_post,
            inbox,
            out: BytesMut::new(),
            unflushed: false,
            is_cut: false,
        }
    }

    fn handle_octets(&mut self, input: &mut BytesMut) {
        while !self.is_cut {
            // What profile and specification leave open is a switch of ours.
            if let Ok(Some(octets)) = frame::split(input, PDU_OCTETS_MAX)
                && Header::read(input).is_some_and(|header| header.command_id == CommandId::BIND_RECEIVER)
                && self.world.switches().bind_receiver_ignored
            {
                input.advance(octets);
                continue;
            }
            let now = self.world.clock.instant();
            let Some((octets, event)) = self.session.handle_octets(input, now, &mut self.out) else { break };
            match event {
                Event::Bind { bind, .. } => self.bind(&bind),
                Event::Submit { sequence, submit_sm } => self.submit(sequence, &submit_sm),
                Event::Answered { token, status, .. } => {
                    let letter = self.unanswered.remove(&token);
                    let again = letter.filter(|_| Letter::comes_again_after(status));
                    self.world.post.post(now + AGAIN_AFTER, again);
                }
                Event::Deliver { sequence, .. } => {
                    let status = CommandStatus::ESME_RDELIVERYFAILURE;
                    self.session.refuse(sequence, CommandId::DELIVER_SM_RESP, status, &mut self.out);
                }
                // What the session has answered, or nobody answers.
                Event::Handled(_)
                | Event::Bound(_)
                | Event::BindRefused(_)
                | Event::Late { .. }
                | Event::Stray(_)
                | Event::Refused { .. }
                | Event::Ignored(_)
                | Event::Closed(_) => {}
            }
            input.advance(octets);
        }
        input.reserve(READ_OCTETS);
    }

    fn handle_timeouts(&mut self) {
        let now = self.world.clock.instant();
        while let Some(elapsed) = self.session.handle_timeout(now, &mut self.out) {
            // A deliver_sm that was not answered in time comes again.
            if let Elapsed::Expired(token) = elapsed {
                self.world.post.post(now, self.unanswered.remove(&token));
            }
        }
    }

    fn bind(&mut self, bind: &Bind<'_>) {
        let config = &self.world.config;
        let is_known = bind.system_id == config.service.as_bytes();
        if !is_known || !is_same(bind.password, config.password.octets()) {
            return self.session.refuse_bind(CommandStatus::ESME_RBINDFAIL, &mut self.out);
        }
        self.session.accept_bind(SYSTEM_ID, self.world.clock.instant(), &mut self.out);
        self.receiver = Some(self.world.post.join(self.inbox_for_post.clone()));
    }

    fn submit(&mut self, sequence: SequenceNumber, submit: &SubmitSm<'_>) {
        let id = CommandId::SUBMIT_SM_RESP;
        let taken = if self.world.takes_call(Via::Smpp) {
            self.take(submit)
        } else {
            Err(Some(CommandStatus::ESME_RTHROTTLED))
        };
        match taken {
            Ok(message_id) => {
                let body = SubmitSmResp { message_id: message_id.as_bytes(), tlvs: Tlvs::EMPTY };
                self.session.answer(sequence, id, CommandStatus::ESME_ROK, &body, &mut self.out);
            }
            Err(Some(status)) => self.session.refuse(sequence, id, status, &mut self.out),
            Err(None) => {}
        }
    }

    /// Takes a message: its id. `Err(None)`: it gets no answer.
    fn take(&mut self, submit: &SubmitSm<'_>) -> Result<String, Option<CommandStatus>> {
        self.fail(FAULT_SEND_BEFORE)?;
        let draft = self.draft(submit).ok_or(Some(CommandStatus::ESME_RSUBMITFAIL))?;
        let taken = self.world.take(draft).map_err(|_| Some(CommandStatus::ESME_RSUBMITFAIL));
        let id = taken?;
        self.fail(FAULT_SEND_AFTER)?;
        Ok(id)
    }

    fn fail(&mut self, name: &'static str) -> Result<(), Option<CommandStatus>> {
        match self.world.fault(name) {
            None => Ok(()),
            Some(How::Status(429)) => Err(Some(CommandStatus::ESME_RTHROTTLED)),
            Some(How::Status(_)) => Err(Some(CommandStatus::ESME_RSUBMITFAIL)),
            Some(How::Hang) => Err(None),
            Some(How::Cut) => {
                self.is_cut = true;
                Err(None)
            }
        }
    }

    /// The fields of §7's table; `None` when one of them is not good enough.
    fn draft(&self, submit: &SubmitSm<'_>) -> Option<Draft> {
        let to = written(&submit.destination)?;
        // Any number will do that is international, or national and French.
        number::international(&to).filter(|digits| digits.len() >= DIGITS_MIN)?;
        let payload = submit.message();
        if payload.is_empty() {
            return None;
        }
        let is_unicode = submit.data_coding.is_ucs2();
        let text = if is_unicode { ucs2::decode(payload) } else { gsm7::decode(payload) };
        if !measure(&text, is_unicode).fits {
            return None;
        }
        let now_ms = self.world.clock.utc_ms();
        let validity_ms = match submit.validity_period {
            [] => None,
            field => Some(until(field, now_ms).filter(|until| *until > now_ms)?),
        };
        let is_shown = submit.tlvs.find_u8(Tag::DEST_ADDR_SUBUNIT) == Some(DISPLAY);
        let sender = self.world.switches().senders.first().cloned().unwrap_or_default();
        Some(Draft {
            via: Via::Smpp,
            addresses: Some((submit.source, submit.destination)),
            from: written(&submit.source).filter(|from| !from.is_empty()).unwrap_or(sender),
            to,
            text,
            unicode: is_unicode,
            flash: is_shown || submit.data_coding == DataCoding::GSM7_CLASS_0,
            reference: submit.tlvs.find(self.world.config.reference_tag).map(<[u8]>::to_vec),
            validity_ms,
        })
    }

    fn deliver(&mut self, letter: Letter) {
        let now = self.world.clock.instant();
        self.delivered += 1;
        let sent =
            self.session.request(self.delivered, CommandId::DELIVER_SM, &letter.body(), now, &mut self.out);
        match sent {
            Ok(_) => drop(self.unanswered.insert(self.delivered, letter)),
            Err(_) => self.world.post.post(now, [letter]),
        }
    }

    /// What was on its way to the peer waits for another bind.
    fn leave(mut self) {
        if let Some(number) = self.receiver {
            self.world.post.leave(number);
        }
        self.session.cut();
        self.inbox.close();
        let mut back: Vec<_> = self.unanswered.drain().collect();
        back.sort_unstable_by_key(|(token, _)| *token);
        let mut letters: Vec<Letter> = back.into_iter().map(|(_, letter)| letter).collect();
        while let Ok(letter) = self.inbox.try_recv() {
            letters.push(letter);
        }
        self.world.post.post(self.world.clock.instant(), letters);
    }
}

/// UTC milliseconds of a validity_period.
fn until(field: &[u8], now_ms: u64) -> Option<u64> {
    let now = i64::try_from(now_ms).ok()?;
    let utc_ms = match time::parse(field).ok()? {
        SmppTime::Absolute { utc_ms } => utc_ms,
        SmppTime::Relative(span) => span.after(now),
    };
    u64::try_from(utc_ms).ok()
}

/// An address as text: digits as they are, TON and NPI are not read.
fn written(address: &Address) -> Option<String> {
    address.octets.as_str().map(str::to_owned)
}

/// What the connector calls itself. Invented.
const SYSTEM_ID: &[u8] = b"timetochat";

/// `deliver_sm` unanswered at once. Invented.
const WINDOW: usize = 10;

/// dest_addr_subunit: the mobile's display.
const DISPLAY: u8 = 0x01;

/// Digits of the shortest number.
const DIGITS_MIN: usize = 8;

/// Largest PDU taken: a message_payload of 64 KiB fits.
const PDU_OCTETS_MAX: usize = 128 * 1024;

/// Room for one read.
const READ_OCTETS: usize = 16 * 1024;

/// Octets that may wait to be written; then nothing is read until some have left.
const OUT_OCTETS_MAX: usize = 256 * 1024;

/// For a bind to come.
const SESSION_INIT: Duration = Duration::from_secs(30);

/// For the last answer to leave.
const LAST_WORDS: Duration = Duration::from_secs(2);
