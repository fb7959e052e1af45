//! An ESME under load that keeps its side across restarts of the gateway: what was acknowledged, and what came for it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use trunkline::pdu::{Bind, CommandId, CommandStatus, DeliverSmResp, Pdu, SMPP_3_4, SequenceNumber};

use super::esme::{Delivery, plain};
use super::gateway::PASSWORD;
use super::ms;
use super::wire::{Frame, Link};

/// What is counted.
#[derive(Debug, Default)]
pub struct Book {
    /// Texts made so far.
    pub made: u64,
    /// id → text of every submit_sm that got ESME_ROK.
    pub acknowledged: HashMap<String, String>,
    /// Ids that were given out twice: must stay empty.
    pub repeated_ids: Vec<String>,
    /// Submits whose answer was lost with the connection.
    pub unknown: u64,
    pub refused: HashMap<String, u64>,
    /// id → copies of its final receipt.
    pub receipts: HashMap<String, u32>,
    pub mo: HashMap<Vec<u8>, u32>,
    pub binds: u64,
    pub is_bound: bool,
    /// New texts are made.
    pub submits: bool,
    /// deliver_sm are not answered until this is switched off again.
    pub holds_answers: bool,
}

impl Book {
    /// Acknowledged, and without a final receipt.
    pub fn unreceipted(&self) -> usize {
        self.acknowledged.keys().filter(|id| !self.receipts.contains_key(*id)).count()
    }

    /// Copies of receipts beyond the first.
    pub fn extra_receipts(&self) -> u64 {
        self.receipts.values().map(|copies| u64::from(copies - 1)).sum()
    }
}

pub struct LoadEsme {
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    to: SocketAddr,
    tls: Option<TlsConnector>,
    service: &'static str,
    book: Mutex<Book>,
    changed: watch::Sender<u64>,
    /// submit_sm unanswered at once.
    window: usize,
    /// Texts per second.
    rate: u64,
}

impl LoadEsme {
    /// Begins to bind (again and again), and to submit once [`Book::submits`] is set.
    pub fn start(
        to: SocketAddr,
        tls: Option<TlsConnector>,
        service: &'static str,
        window: usize,
        rate: u64,
    ) -> Self {
        let shared = Arc::new(Shared {
            to,
            tls,
            service,
            book: Mutex::default(),
            changed: watch::Sender::new(0),
            window,
            rate,
        });
        Self { task: tokio::spawn(run(shared.clone())), shared }
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.shared.book()
    }

    /// Changes what is held back, and wakes the session.
    pub fn set(&self, change: impl FnOnce(&mut Book)) {
        change(&mut self.book());
        self.shared.changed.send_modify(|changes| *changes += 1);
    }
}

impl Drop for LoadEsme {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(shared: Arc<Shared>) {
    loop {
        if let Ok(mut link) = Link::connect(shared.to, shared.tls.as_ref()).await
            && bind(&shared, &mut link).await
        {
            let mut session =
                Session { shared: shared.clone(), link, open: HashMap::new(), held: Vec::new() };
            {
                let mut book = shared.book();
                book.binds += 1;
                book.is_bound = true;
            }
            let _ = session.run().await;
            let mut book = shared.book();
            book.is_bound = false;
            book.unknown += session.open.len() as u64;
        }
        tokio::time::sleep(ms(20)).await;
    }
}

async fn bind(shared: &Shared, link: &mut Link) -> bool {
    let bind = Bind {
        system_id: shared.service.as_bytes(),
        password: PASSWORD.as_bytes(),
        interface_version: SMPP_3_4,
        ..Bind::default()
    };
    if link.request(CommandId::BIND_TRANSCEIVER, &bind).await.is_err() {
        return false;
    }
    let answer = tokio::time::timeout(Duration::from_secs(10), link.read()).await;
    matches!(answer, Ok(Ok(Some(frame))) if frame.status() == CommandStatus::ESME_ROK)
}

struct Session {
    shared: Arc<Shared>,
    link: Link,
    /// Submits without an answer.
    open: HashMap<SequenceNumber, String>,
    /// deliver_sm without an answer.
    held: Vec<SequenceNumber>,
}

impl Session {
    async fn run(&mut self) -> io::Result<()> {
        let mut changed = self.shared.changed.subscribe();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let per_tick = (u128::from(self.shared.rate) * TICK.as_millis()).div_ceil(1000);
        loop {
            tokio::select! {
                frame = self.link.read() => {
                    let Some(frame) = frame? else { return Ok(()) };
                    self.handle(&frame).await?;
                }
                _ = tick.tick() => {
                    for _ in 0..per_tick {
                        self.submit().await?;
                    }
                }
                _ = changed.changed() => self.let_out().await?,
            }
        }
    }

    async fn submit(&mut self) -> io::Result<()> {
        let text = {
            let mut book = self.shared.book();
            if !book.submits || self.open.len() >= self.shared.window {
                return Ok(());
            }
            book.made += 1;
            format!("{:012} of the run", book.made)
        };
        // A thousand mobiles, none of them special.
        let to = format!("3367{:08}", text[..12].parse::<u64>().expect("digits") % 1000 * 100 + 10);
        let sequence = self.link.request(CommandId::SUBMIT_SM, &plain(&to, text.as_bytes())).await?;
        self.open.insert(sequence, text);
        Ok(())
    }

    async fn handle(&mut self, frame: &Frame) -> io::Result<()> {
        let header = frame.header();
        let sequence = header.sequence_number;
        match frame.pdu() {
            Pdu::SubmitSmResp(resp) => {
                let text = self.open.remove(&sequence).expect("an answer to a request of ours, once");
                let mut book = self.shared.book();
                if header.command_status == CommandStatus::ESME_ROK {
                    let id = String::from_utf8_lossy(resp.message_id).into_owned();
                    if book.acknowledged.insert(id.clone(), text).is_some() {
                        book.repeated_ids.push(id);
                    }
                } else {
                    *book.refused.entry(format!("{:?}", header.command_status)).or_default() += 1;
                }
            }
            Pdu::DeliverSm(deliver) => {
                let delivery = Delivery::read(sequence, &deliver);
                let holds = {
                    let mut book = self.shared.book();
                    if delivery.is_receipt() {
                        let id = delivery.receipted_message_id.expect("our receipts carry the id");
                        if delivery.state.is_some_and(trunkline::pdu::MessageState::is_final) {
                            *book.receipts.entry(id).or_default() += 1;
                        }
                    } else {
                        *book.mo.entry(delivery.text).or_default() += 1;
                    }
                    book.holds_answers
                };
                self.held.push(sequence);
                if !holds {
                    self.let_out().await?;
                }
            }
            Pdu::EnquireLink => {
                let id = CommandId::ENQUIRE_LINK_RESP;
                self.link.send(id, CommandStatus::ESME_ROK, sequence, &()).await?;
            }
            Pdu::Unbind => {
                self.link.send(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence, &()).await?;
            }
            other => panic!("the gateway sent {other:?}"),
        }
        Ok(())
    }

    async fn let_out(&mut self) -> io::Result<()> {
        if self.shared.book().holds_answers {
            return Ok(());
        }
        for sequence in std::mem::take(&mut self.held) {
            let body = DeliverSmResp::default();
            self.link.send(CommandId::DELIVER_SM_RESP, CommandStatus::ESME_ROK, sequence, &body).await?;
        }
        Ok(())
    }
}

const TICK: Duration = Duration::from_millis(10);
