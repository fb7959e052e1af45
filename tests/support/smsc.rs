//! An SMSC that keeps its side across restarts of the gateway, counts what it gets, and holds back what a test wants held.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use trunkline::clock::Clock;
use trunkline::pdu::{
    BindResp, CommandId, CommandStatus, DeliverSm, EsmClass, MessageState, Pdu, SMPP_3_4, SequenceNumber,
    SubmitSm, SubmitSmResp, Tag, Tlvs, tlv,
};

use super::gateway::{PASSWORD, free_addresses};
use super::until;
use super::wire::{Frame, Link, digits, number};

/// A `submit_sm` as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub session: u64,
    pub source: String,
    pub destination: String,
    pub esm_class: u8,
    pub data_coding: u8,
    /// short_message as it stood there.
    pub short_message: Vec<u8>,
    /// The message: payload or short_message, its header taken off.
    pub text: Vec<u8>,
    pub tlvs: Vec<(Tag, Vec<u8>)>,
    pub validity_period: Vec<u8>,
    /// The id it was given, if it was taken.
    pub id: String,
}

/// A `deliver_sm` that is owed.
#[derive(Clone, Debug)]
pub struct Owed {
    pub source: String,
    pub destination: String,
    pub esm_class: EsmClass,
    pub data_coding: u8,
    pub text: Vec<u8>,
    pub tlvs: Vec<u8>,
}

/// What to answer to a `submit_sm`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// ESME_ROK, and receipts with these states.
    Take(Vec<MessageState>),
    Refuse(CommandStatus),
    /// Never.
    Silence,
    /// Half of a submit_sm_resp, then the connection is cut.
    CutHalfWay,
}

impl Answer {
    pub fn delivered() -> Self {
        Self::Take(vec![MessageState::DELIVERED])
    }
}

type Conduct = Box<dyn FnMut(&Seen) -> Answer + Send>;

/// What is counted, and what is held back.
#[derive(Default)]
pub struct Book {
    /// In the order of arrival.
    pub seen: Vec<Seen>,
    /// Copies of each text that was taken.
    pub copies: HashMap<Vec<u8>, u32>,
    /// Owed and on no session.
    pub owed: VecDeque<Owed>,
    pub deliveries_answered: u64,
    pub deliveries_refused: Vec<CommandStatus>,
    pub sessions: u64,
    pub sessions_made: u64,
    pub binds_refused: u32,
    pub enquire_links: u64,
    /// Answers are kept back until this is switched off again.
    pub holds_answers: bool,
    /// Receipts and MO are kept back likewise.
    pub holds_deliveries: bool,
    /// Binds get this.
    pub bind_status: CommandStatus,
    /// Nothing is read.
    pub is_deaf: bool,
    next_id: u64,
}

impl Book {
    /// Texts that came more than once, counted without their first copy.
    pub fn extra_copies(&self) -> u64 {
        self.copies.values().map(|copies| u64::from(copies - 1)).sum()
    }
}

/// The SMSC; its sessions live until it is dropped.
pub struct Smsc {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

struct Shared {
    book: Mutex<Book>,
    conduct: Mutex<Conduct>,
    changed: watch::Sender<u64>,
    /// Sessions end when this grows.
    cut: watch::Sender<u64>,
    window: usize,
    clock: Arc<Clock>,
    tls: Option<TlsAcceptor>,
    /// Distinguishes the ids of several SMSCs.
    name: &'static str,
}

impl Smsc {
    /// Takes and delivers everything.
    pub async fn start(tls: Option<TlsAcceptor>) -> Self {
        Self::with(tls, "A", |_| Answer::delivered()).await
    }

    pub async fn with(
        tls: Option<TlsAcceptor>,
        name: &'static str,
        conduct: impl FnMut(&Seen) -> Answer + Send + 'static,
    ) -> Self {
        let [addr] = free_addresses();
        let shared = Arc::new(Shared {
            book: Mutex::default(),
            conduct: Mutex::new(Box::new(conduct)),
            changed: watch::Sender::new(0),
            cut: watch::Sender::new(0),
            window: 50,
            clock: Clock::system(),
            tls,
            name,
        });
        let listener = TcpListener::bind(addr).await.expect("the address was free");
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { addr, shared, accepting }
    }

    /// From now on.
    pub fn conduct(&self, conduct: impl FnMut(&Seen) -> Answer + Send + 'static) {
        *self.shared.conduct.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(conduct);
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book()
    }

    /// Changes what is held back, and wakes the sessions.
    pub fn set(&self, change: impl FnOnce(&mut Book)) {
        change(&mut self.book());
        self.shared.wake();
    }

    /// Stops listening and cuts every session; what was counted stays.
    pub async fn go_away(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
        self.cut();
        until("the sessions are over", || (self.book().sessions == 0).then_some(())).await;
    }

    /// Listens again where it did.
    pub async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.addr).await.expect("the address is ours");
        self.accepting = tokio::spawn(accept(listener, self.shared.clone()));
    }

    /// Cuts every session without a word.
    pub fn cut(&self) {
        self.shared.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Sends an MO from a mobile.
    pub fn mo(&self, from: &str, to: &str, text: &[u8]) {
        let owed = Owed {
            source: from.to_owned(),
            destination: to.to_owned(),
            esm_class: EsmClass::DEFAULT,
            data_coding: 0,
            text: text.to_vec(),
            tlvs: Vec::new(),
        };
        self.deliver(owed);
    }

    /// Sends any deliver_sm.
    pub fn deliver(&self, owed: Owed) {
        self.set(|book| book.owed.push_back(owed));
    }

    /// Waits until `count` submit_sm came; gives them all.
    pub async fn seen(&self, count: usize) -> Vec<Seen> {
        until(&format!("{count} submit_sm"), || {
            let book = self.book();
            (book.seen.len() >= count).then(|| book.seen.clone())
        })
        .await
    }

    /// Waits until this many sessions are bound.
    pub async fn bound(&self, sessions: u64) {
        until("bound", || (self.book().sessions == sessions).then_some(())).await;
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        tokio::spawn(serve(socket, shared.clone()));
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let _ = socket.set_nodelay(true);
    let mut cut = shared.cut.subscribe();
    cut.mark_unchanged();
    let link = match &shared.tls {
        None => Link::over(socket),
        Some(tls) => match tls.accept(socket).await {
            Ok(stream) => Link::over(stream),
            Err(_) => return,
        },
    };
    let mut session =
        Session { shared: shared.clone(), link, number: None, held: Vec::new(), sent: HashMap::new() };
    tokio::select! {
        _ = cut.changed() => {}
        _ = session.run() => {}
    }
    session.leave();
}

struct Session {
    shared: Arc<Shared>,
    link: Link,
    /// Its number once bound.
    number: Option<u64>,
    /// Answers that wait to be let out.
    held: Vec<(SequenceNumber, CommandStatus, String, Vec<Owed>)>,
    /// deliver_sm without an answer.
    sent: HashMap<SequenceNumber, Owed>,
}

impl Session {
    async fn run(&mut self) -> io::Result<()> {
        let mut changed = self.shared.changed.subscribe();
        loop {
            if self.number.is_some() {
                self.let_out().await?;
            }
            let is_deaf = self.shared.book().is_deaf;
            tokio::select! {
                frame = self.link.read(), if !is_deaf => {
                    let Some(frame) = frame? else { return Ok(()) };
                    if !self.handle(&frame).await? {
                        return Ok(());
                    }
                }
                _ = changed.changed() => {}
            }
        }
    }

    /// What was on its way waits for the next session.
    fn leave(self) {
        let mut book = self.shared.book();
        let mut sent: Vec<_> = self.sent.into_iter().collect();
        sent.sort_unstable_by_key(|(sequence, _)| *sequence);
        for (_, owed) in sent.into_iter().rev() {
            book.owed.push_front(owed);
        }
        // The gateway never heard that these were taken; their receipts come all the same.
        for (_, _, _, owed) in self.held {
            book.owed.extend(owed);
        }
        if self.number.is_some() {
            book.sessions -= 1;
        }
        drop(book);
        self.shared.wake();
    }

    /// Answers and deliveries that nothing holds back any more.
    async fn let_out(&mut self) -> io::Result<()> {
        if !self.held.is_empty() && !self.shared.book().holds_answers {
            for (sequence, status, id, owed) in std::mem::take(&mut self.held) {
                self.answer(sequence, status, &id, owed).await?;
            }
        }
        while self.sent.len() < self.shared.window {
            let owed = {
                let mut book = self.shared.book();
                if book.holds_deliveries { None } else { book.owed.pop_front() }
            };
            let Some(owed) = owed else { break };
            let body = DeliverSm {
                source: number(&owed.source),
                destination: number(&owed.destination),
                esm_class: owed.esm_class,
                data_coding: trunkline::pdu::DataCoding(owed.data_coding),
                short_message: &owed.text,
                tlvs: Tlvs::read_as_far_as_good(&owed.tlvs),
                ..DeliverSm::default()
            };
            match self.link.request(CommandId::DELIVER_SM, &body).await {
                Ok(sequence) => drop(self.sent.insert(sequence, owed)),
                Err(error) => {
                    self.shared.book().owed.push_front(owed);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Whether the session goes on.
    async fn handle(&mut self, frame: &Frame) -> io::Result<bool> {
        let header = frame.header();
        let (sequence, response) = (header.sequence_number, header.command_id.response());
        const ROK: CommandStatus = CommandStatus::ESME_ROK;
        match frame.pdu() {
            Pdu::BindTransceiver(bind) | Pdu::BindTransmitter(bind) | Pdu::BindReceiver(bind) => {
                assert_eq!(bind.password, PASSWORD.as_bytes(), "the gateway's password");
                let status = self.shared.book().bind_status;
                if status != ROK {
                    self.shared.book().binds_refused += 1;
                    self.link.send(response, status, sequence, &()).await?;
                    return Ok(false);
                }
                {
                    let mut book = self.shared.book();
                    book.sessions += 1;
                    book.sessions_made += 1;
                    self.number = Some(book.sessions_made);
                }
                let mut tlvs = bytes::BytesMut::new();
                tlv::put_u8(&mut tlvs, Tag::SC_INTERFACE_VERSION, SMPP_3_4);
                let body = BindResp { system_id: b"test", tlvs: Tlvs::read_as_far_as_good(&tlvs) };
                self.link.send(response, ROK, sequence, &body).await?;
            }
            Pdu::EnquireLink => {
                self.shared.book().enquire_links += 1;
                self.link.send(response, ROK, sequence, &()).await?;
            }
            Pdu::Unbind => {
                self.link.send(response, ROK, sequence, &()).await?;
                return Ok(false);
            }
            Pdu::SubmitSm(submit) => return self.submit(sequence, &submit).await,
            Pdu::DeliverSmResp(_) => {
                let mut book = self.shared.book();
                match self.sent.remove(&sequence) {
                    Some(_) if header.command_status == ROK => book.deliveries_answered += 1,
                    Some(owed) => {
                        book.deliveries_refused.push(header.command_status);
                        book.owed.push_back(owed);
                    }
                    None => panic!("deliver_sm_resp {sequence} answers nothing"),
                }
            }
            other => panic!("the gateway sent {other:?}"),
        }
        Ok(true)
    }

    async fn submit(&mut self, sequence: SequenceNumber, submit: &SubmitSm<'_>) -> io::Result<bool> {
        let mut seen = self.seen(submit);
        let answer = (self.shared.conduct.lock().unwrap_or_else(PoisonError::into_inner))(&seen);
        let (status, states) = match answer {
            Answer::Take(states) => (CommandStatus::ESME_ROK, states),
            Answer::Refuse(status) => (status, Vec::new()),
            Answer::Silence => {
                self.shared.book().seen.push(seen);
                return Ok(true);
            }
            Answer::CutHalfWay => {
                self.shared.book().seen.push(seen);
                self.link.write(&[0, 0, 0, 40, 0x80, 0, 0, 4, 0, 0]).await?;
                return Ok(false);
            }
        };
        let holds = {
            let mut book = self.shared.book();
            book.next_id += 1;
            seen.id = format!("{}{:x}", self.shared.name, book.next_id);
            if status == CommandStatus::ESME_ROK {
                *book.copies.entry(seen.text.clone()).or_default() += 1;
            }
            book.seen.push(seen.clone());
            book.holds_answers
        };
        let owed = states.iter().map(|state| receipt(&seen, *state)).collect();
        if holds {
            self.held.push((sequence, status, seen.id, owed));
        } else {
            self.answer(sequence, status, &seen.id, owed).await?;
        }
        Ok(true)
    }

    async fn answer(
        &mut self,
        sequence: SequenceNumber,
        status: CommandStatus,
        id: &str,
        owed: Vec<Owed>,
    ) -> io::Result<()> {
        // Owed from now on, whether the answer arrives or not.
        self.shared.book().owed.extend(owed);
        let response = CommandId::SUBMIT_SM_RESP;
        if status == CommandStatus::ESME_ROK {
            let body = SubmitSmResp { message_id: id.as_bytes(), tlvs: Tlvs::EMPTY };
            self.link.send(response, status, sequence, &body).await?;
        } else {
            self.link.send(response, status, sequence, &()).await?;
        }
        self.shared.wake();
        Ok(())
    }

    fn seen(&self, submit: &SubmitSm<'_>) -> Seen {
        let text = match submit.message() {
            [octets, rest @ ..] if submit.esm_class.has_udhi() => {
                rest.get(usize::from(*octets)..).expect("a header within the message")
            }
            whole => whole,
        };
        Seen {
            at: self.shared.clock.instant(),
            session: self.number.expect("submit_sm only after the bind"),
            source: digits(&submit.source),
            destination: digits(&submit.destination),
            esm_class: submit.esm_class.0,
            data_coding: submit.data_coding.0,
            short_message: submit.short_message.to_vec(),
            text: text.to_vec(),
            tlvs: submit.tlvs.iter().map(|(tag, value)| (tag, value.to_vec())).collect(),
            validity_period: submit.validity_period.to_vec(),
            id: String::new(),
        }
    }
}

/// A receipt as Appendix B writes it, with both TLVs.
pub fn receipt(seen: &Seen, state: MessageState) -> Owed {
    let mut tlvs = bytes::BytesMut::new();
    tlv::put_c_octets(&mut tlvs, Tag::RECEIPTED_MESSAGE_ID, seen.id.as_bytes());
    tlv::put_u8(&mut tlvs, Tag::MESSAGE_STATE, state.0);
    Owed { tlvs: tlvs.to_vec(), ..text_receipt(seen, state) }
}

/// The same without TLVs.
pub fn text_receipt(seen: &Seen, state: MessageState) -> Owed {
    let text = format!(
        "id:{} sub:001 dlvrd:001 submit date:2611221200 done date:2611221201 stat:{} err:000 text:",
        seen.id,
        state.stat()
    );
    Owed {
        source: seen.destination.clone(),
        destination: seen.source.clone(),
        esm_class: EsmClass::DELIVERY_RECEIPT,
        data_coding: 0,
        text: text.into_bytes(),
        tlvs: Vec::new(),
    }
}
