//! One session of the simulated SMSC.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::super::listen::write_out;
use super::super::post::{AGAIN_AFTER, Letter};
use super::Smsc;
use super::conduct::{Conduct, Outcome, error_of};
use super::reply::reply;
use crate::pdu::receipt::ReceiptText;
use crate::pdu::{
    self, Bind, BindResp, CommandId, CommandStatus, DataCoding, DecodeError, EsmClass, Header, MessageState,
    Pdu, SMPP_3_4, SequenceNumber, SubmitSm, SubmitSmResp, Tag, Tlvs, frame, time, tlv,
};

/// Serves one peer until it leaves, falls silent or breaks the framing.
///
/// # Errors
/// Those of the socket.
pub(super) async fn run(smsc: &Smsc, stream: impl AsyncRead + AsyncWrite) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut session = Session::new(smsc);
    let mut input = BytesMut::with_capacity(READ_OCTETS);
    let ended = loop {
        let may_read = session.out.len() < OUT_OCTETS_MAX;
        let may_deliver = session.receives() && session.unanswered.len() < smsc.config.window && may_read;
        tokio::select! {
            read = tokio::time::timeout(session.patience(), reader.read_buf(&mut input)), if may_read => match read {
                Err(_silence) => break Err(io::ErrorKind::TimedOut.into()),
                Ok(Err(error)) => break Err(error),
                Ok(Ok(0)) => break Ok(()),
                Ok(Ok(_)) => session.handle_octets(&mut input),
            },
            written = write_out(&mut writer, &mut session.out, &mut session.unflushed),
                if !session.out.is_empty() || session.unflushed => {
                if let Err(error) = written {
                    break Err(error);
                }
            }
            letter = session.inbox.recv(), if may_deliver => {
                if let Some(letter) = letter {
                    session.deliver(letter);
                }
            }
        }
        if session.is_over {
            let last = tokio::time::timeout(LAST_WORDS, async {
                write_out(&mut writer, &mut session.out, &mut session.unflushed).await?;
                writer.shutdown().await
            });
            break last.await.unwrap_or(Err(io::ErrorKind::TimedOut.into()));
        }
    };
    session.leave();
    ended
}

struct Session<'a> {
    smsc: &'a Smsc,
    bound: Option<Bound>,
    /// Kept so that the channel does not close before the session is known as a receiver.
    inbox_for_post: mpsc::Sender<Letter>,
    inbox: mpsc::Receiver<Letter>,
    unanswered: HashMap<SequenceNumber, Letter>,
    sequence: u32,
    out: BytesMut,
    unflushed: bool,
    is_over: bool,
}

#[derive(Clone, Copy)]
struct Bound {
    transmits: bool,
    /// Its number at the post office.
    receiver: Option<u64>,
}

impl<'a> Session<'a> {
    fn new(smsc: &'a Smsc) -> Self {
        let (inbox_for_post, inbox) = mpsc::channel(smsc.config.window.max(1));
        Self {
            smsc,
            bound: None,
            inbox_for_post,
            inbox,
            unanswered: HashMap::new(),
            sequence: 0,
            out: BytesMut::new(),
            unflushed: false,
            is_over: false,
        }
    }

    fn receives(&self) -> bool {
        self.bound.is_some_and(|bound| bound.receiver.is_some())
    }

    fn patience(&self) -> Duration {
        if self.bound.is_some() { INACTIVITY } else { SESSION_INIT }
    }

    /// What was on its way to the peer waits for another receiver.
    fn leave(mut self) {
        if let Some(number) = self.bound.and_then(|bound| bound.receiver) {
            self.smsc.post.leave(number);
        }
        self.inbox.close();
        let mut back: Vec<_> = self.unanswered.drain().collect();
        back.sort_unstable_by_key(|(sequence, _)| *sequence);
        let mut letters: Vec<Letter> = back.into_iter().map(|(_, letter)| letter).collect();
        while let Ok(letter) = self.inbox.try_recv() {
            letters.push(letter);
        }
        self.smsc.post.post(self.smsc.clock.instant(), letters);
    }

    fn handle_octets(&mut self, input: &mut BytesMut) {
        while !self.is_over {
            match frame::split(input, PDU_OCTETS_MAX) {
                Ok(None) => break,
                Ok(Some(length)) => {
                    let frame = input.split_to(length);
                    self.handle_frame(&frame);
                }
                Err(error) => {
                    if !matches!(error, frame::FrameError::Http) {
                        self.refuse(
                            CommandId::GENERIC_NACK,
                            SequenceNumber(0),
                            CommandStatus::ESME_RINVCMDLEN,
                        );
                    }
                    self.is_over = true;
                }
            }
        }
        input.reserve(READ_OCTETS);
    }

    fn handle_frame(&mut self, frame: &[u8]) {
        match pdu::decode(frame) {
            Ok((header, body)) => self.handle(header, body),
            Err(error) => {
                if let Some((id, sequence, status)) = error.refusal() {
                    self.refuse(id, sequence, status);
                }
                self.is_over |= matches!(error, DecodeError::Framing(_));
            }
        }
    }

    fn handle(&mut self, header: Header, body: Pdu<'_>) {
        let sequence = header.sequence_number;
        let response = header.command_id.response();
        match body {
            Pdu::BindReceiver(bind) => self.bind(header, &bind, false, true),
            Pdu::BindTransmitter(bind) => self.bind(header, &bind, true, false),
            Pdu::BindTransceiver(bind) => self.bind(header, &bind, true, true),
            Pdu::EnquireLink => self.answer(response, sequence, &()),
            Pdu::Unbind => {
                self.answer(response, sequence, &());
                self.is_over = true;
            }
            Pdu::SubmitSm(submit) if self.bound.is_some_and(|bound| bound.transmits) => {
                self.submit(sequence, &submit)
            }
            Pdu::DeliverSmResp(_) | Pdu::GenericNack => self.delivered(sequence, header.command_status),
            Pdu::Unknown { .. } if header.command_id.is_response() => {}
            Pdu::Unknown { .. } => {
                self.refuse(CommandId::GENERIC_NACK, sequence, CommandStatus::ESME_RINVCMDID)
            }
            _ if header.command_id.is_answerable() => {
                let status = match self.bound {
                    Some(_) if header.command_id != CommandId::SUBMIT_SM => CommandStatus::ESME_RINVCMDID,
                    _ => CommandStatus::ESME_RINVBNDSTS,
                };
                self.refuse(response, sequence, status);
            }
            _ => {}
        }
    }

    fn bind(&mut self, header: Header, bind: &Bind<'_>, transmits: bool, receives: bool) {
        let (response, sequence) = (header.command_id.response(), header.sequence_number);
        let config = &self.smsc.config;
        if self.bound.is_some() {
            return self.refuse(response, sequence, CommandStatus::ESME_RALYBND);
        }
        if bind.system_id != config.system_id.as_bytes() {
            return self.refuse(response, sequence, CommandStatus::ESME_RINVSYSID);
        }
        if bind.password != config.password.as_bytes() {
            return self.refuse(response, sequence, CommandStatus::ESME_RINVPASWD);
        }
        let receiver = receives.then(|| self.smsc.post.join(self.inbox_for_post.clone()));
        self.bound = Some(Bound { transmits, receiver });
        let mut tlvs = BytesMut::new();
        tlv::put_u8(&mut tlvs, Tag::SC_INTERFACE_VERSION, SMPP_3_4);
        self.answer(
            response,
            sequence,
            &BindResp { system_id: SYSTEM_ID, tlvs: Tlvs::read_as_far_as_good(&tlvs) },
        );
    }

    fn submit(&mut self, sequence: SequenceNumber, submit: &SubmitSm<'_>) {
        let response = CommandId::SUBMIT_SM_RESP;
        let number = submit.destination.octets;
        let refused = self.smsc.refusals(&number);
        let outcome = match Conduct::of(number.as_bytes()).after(refused) {
            Outcome::Taken(_) if !self.smsc.post.has_room() => Outcome::Refused(CommandStatus::ESME_RMSGQFUL),
            outcome => outcome,
        };
        let states = match outcome {
            Outcome::Taken(states) => states,
            Outcome::Refused(status) => {
                self.smsc.count_refusal(number, false);
                return self.refuse(response, sequence, status);
            }
        };
        if refused > 0 {
            self.smsc.count_refusal(number, true);
        }
        let id = self.smsc.next_id.fetch_add(1, Ordering::Relaxed);
        let id = format!("{id:016x}");
        self.answer(response, sequence, &SubmitSmResp { message_id: id.as_bytes(), tlvs: Tlvs::EMPTY });

        let config = &self.smsc.config;
        let now = self.smsc.clock.instant();
        for (nth, state) in (1..).zip(states) {
            if submit.registered_delivery.wants_receipt_for(*state == MessageState::DELIVERED)
                || !state.is_final()
            {
                let letter = self.receipt(submit, id.as_bytes(), *state);
                self.smsc.post.post(now + config.receipt_delay * nth, [letter]);
            }
        }
        let part = part_of(submit);
        if let (Some(delay), true, 1) = (config.reply_delay, states.contains(&MessageState::DELIVERED), part)
        {
            let reference = id.bytes().fold(0u8, |sum, octet| sum.wrapping_mul(31).wrapping_add(octet));
            let letters =
                reply(text_of(submit), submit.data_coding, reference).into_iter().map(|part| Letter {
                    source: submit.destination,
                    destination: submit.source,
                    esm_class: part.esm_class,
                    data_coding: part.data_coding,
                    short_message: part.short_message,
                    tlvs: Vec::new(),
                });
            self.smsc.post.post(now + delay, letters);
        }
    }

    fn receipt(&self, submit: &SubmitSm<'_>, id: &[u8], state: MessageState) -> Letter {
        let date = time::date10(i64::try_from(self.smsc.clock.utc_ms()).unwrap_or(i64::MAX));
        let is_plain = !submit.data_coding.is_ucs2() && !submit.data_coding.is_binary();
        let text = ReceiptText {
            id: Some(id),
            sub: Some(b"001"),
            dlvrd: None,
            submit_date: Some(&date),
            done_date: Some(&date),
            stat: Some(state.stat().as_bytes()),
            err: Some(error_of(state)),
            text: Some(if is_plain { text_of(submit) } else { b"" }),
        };
        let mut short_message = BytesMut::new();
        text.write(&mut short_message);
        let mut tlvs = BytesMut::new();
        tlv::put_c_octets(&mut tlvs, Tag::RECEIPTED_MESSAGE_ID, id);
        tlv::put_u8(&mut tlvs, Tag::MESSAGE_STATE, state.0);
        Letter {
            source: submit.destination,
            destination: submit.source,
            esm_class: EsmClass::DELIVERY_RECEIPT,
            data_coding: DataCoding::DEFAULT,
            short_message: short_message.to_vec(),
            tlvs: tlvs.to_vec(),
        }
    }

    fn deliver(&mut self, letter: Letter) {
        self.sequence = if self.sequence < 0x7FFF_FFFF { self.sequence + 1 } else { 1 };
        let sequence = SequenceNumber(self.sequence);
        pdu::encode(&mut self.out, CommandId::DELIVER_SM, CommandStatus::ESME_ROK, sequence, &letter.body());
        self.unanswered.insert(sequence, letter);
    }

    fn delivered(&mut self, sequence: SequenceNumber, status: CommandStatus) {
        let Some(letter) = self.unanswered.remove(&sequence) else { return };
        if Letter::comes_again_after(status) {
            self.smsc.post.post(self.smsc.clock.instant() + AGAIN_AFTER, [letter]);
        }
    }

    fn answer(&mut self, id: CommandId, sequence: SequenceNumber, body: &impl pdu::Write) {
        pdu::encode(&mut self.out, id, CommandStatus::ESME_ROK, sequence, body);
    }

    fn refuse(&mut self, id: CommandId, sequence: SequenceNumber, status: CommandStatus) {
        pdu::encode(&mut self.out, id, status, sequence, &());
    }
}

/// Which part of a longer message this is; 1 if it is whole.
fn part_of(submit: &SubmitSm<'_>) -> u8 {
    match (submit.tlvs.find_u8(Tag::SAR_SEGMENT_SEQNUM), submit.esm_class.has_udhi(), submit.message()) {
        (Some(number), _, _) => number,
        (None, true, [5, 0, 3, _, _, number, ..] | [6, 8, 4, _, _, _, number, ..]) => *number,
        _ => 1,
    }
}

/// The message without its header.
fn text_of<'a>(submit: &SubmitSm<'a>) -> &'a [u8] {
    match submit.message() {
        [octets, rest @ ..] if submit.esm_class.has_udhi() => {
            rest.get(usize::from(*octets)..).unwrap_or_default()
        }
        whole => whole,
    }
}

/// What the simulated SMSC calls itself.
const SYSTEM_ID: &[u8] = b"simulator";

/// Largest PDU taken: a message_payload of 64 KiB fits.
const PDU_OCTETS_MAX: usize = 70_000;

/// Room for one read.
const READ_OCTETS: usize = 16 * 1024;

/// Octets that may wait to be written; then nothing is read until some have left.
const OUT_OCTETS_MAX: usize = 256 * 1024;

/// For a bind to come.
const SESSION_INIT: Duration = Duration::from_secs(30);

/// Silence after which a bound peer is taken for dead.
const INACTIVITY: Duration = Duration::from_secs(300);

/// For the last answer to leave.
const LAST_WORDS: Duration = Duration::from_secs(2);
