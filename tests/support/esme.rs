//! An ESME that does one thing after the other.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio_rustls::TlsConnector;
use trunkline::pdu::{
    Bind, CommandId, CommandStatus, DeliverSm, DeliverSmResp, MessageState, Pdu, RegisteredDelivery,
    SMPP_3_4, SequenceNumber, SubmitSm, Tag,
};

use super::PATIENCE;
use super::gateway::PASSWORD;
use super::wire::{Frame, Link, digits, number};

/// A `deliver_sm` in owned pieces.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub sequence: SequenceNumber,
    pub source: String,
    pub destination: String,
    pub esm_class: u8,
    pub data_coding: u8,
    pub text: Vec<u8>,
    pub receipted_message_id: Option<String>,
    pub state: Option<MessageState>,
    pub tlvs: Vec<(Tag, Vec<u8>)>,
}

impl Delivery {
    pub fn read(sequence: SequenceNumber, deliver: &DeliverSm<'_>) -> Self {
        let id = deliver.tlvs.find_c_octets(Tag::RECEIPTED_MESSAGE_ID);
        Self {
            sequence,
            source: digits(&deliver.source),
            destination: digits(&deliver.destination),
            esm_class: deliver.esm_class.0,
            data_coding: deliver.data_coding.0,
            text: deliver.message().to_vec(),
            receipted_message_id: id.map(|id| String::from_utf8_lossy(id).into_owned()),
            state: deliver.tlvs.find_u8(Tag::MESSAGE_STATE).map(MessageState),
            tlvs: deliver.tlvs.iter().map(|(tag, value)| (tag, value.to_vec())).collect(),
        }
    }

    pub fn is_receipt(&self) -> bool {
        self.esm_class & 0x3C == 0x04
    }
}

/// A bound (or at least connected) client.
pub struct Esme {
    pub link: Link,
    /// Came while something else was waited for.
    early: VecDeque<Delivery>,
    /// Whether deliver_sm are answered as they come.
    pub answers: bool,
}

impl Esme {
    pub async fn connect(to: SocketAddr, tls: Option<&TlsConnector>) -> Self {
        let link = Link::connect(to, tls).await.expect("the gateway listens");
        Self { link, early: VecDeque::new(), answers: true }
    }

    /// Connects and binds as `service`.
    pub async fn bound(to: SocketAddr, tls: Option<&TlsConnector>, kind: CommandId, service: &str) -> Self {
        let mut esme = Self::connect(to, tls).await;
        assert_eq!(esme.bind(kind, service, PASSWORD).await, CommandStatus::ESME_ROK, "bind as {service}");
        esme
    }

    pub async fn bind(&mut self, kind: CommandId, system_id: &str, password: &str) -> CommandStatus {
        let bind = Bind {
            system_id: system_id.as_bytes(),
            password: password.as_bytes(),
            interface_version: SMPP_3_4,
            ..Bind::default()
        };
        let sequence = self.link.request(kind, &bind).await.expect("it reads");
        self.response(sequence).await.status()
    }

    /// The answer to a request of ours; what comes before it is kept or answered.
    pub async fn response(&mut self, sequence: SequenceNumber) -> Frame {
        loop {
            let frame = self.link.next().await;
            let header = frame.header();
            if header.command_id.is_response() && header.sequence_number == sequence {
                return frame;
            }
            self.unasked(&frame).await;
        }
    }

    async fn unasked(&mut self, frame: &Frame) {
        let header = frame.header();
        match frame.pdu() {
            Pdu::DeliverSm(deliver) => {
                let delivery = Delivery::read(header.sequence_number, &deliver);
                if self.answers {
                    self.answer(&delivery, CommandStatus::ESME_ROK).await;
                }
                self.early.push_back(delivery);
            }
            Pdu::EnquireLink => {
                let id = CommandId::ENQUIRE_LINK_RESP;
                self.link
                    .send(id, CommandStatus::ESME_ROK, header.sequence_number, &())
                    .await
                    .expect("it reads");
            }
            _ if header.command_id.is_response() => {}
            other => panic!("unasked for: {other:?}"),
        }
    }

    pub async fn answer(&mut self, delivery: &Delivery, status: CommandStatus) {
        let body = DeliverSmResp::default();
        let sent = self.link.send(CommandId::DELIVER_SM_RESP, status, delivery.sequence, &body).await;
        sent.expect("it reads");
    }

    /// Sends a `submit_sm` and gives its answer: the id, or the status of a refusal.
    pub async fn submit(&mut self, submit: &SubmitSm<'_>) -> Result<String, CommandStatus> {
        let sequence = self.link.request(CommandId::SUBMIT_SM, submit).await.expect("it reads");
        let frame = self.response(sequence).await;
        match (frame.status(), frame.pdu()) {
            (CommandStatus::ESME_ROK, Pdu::SubmitSmResp(resp)) => {
                Ok(String::from_utf8_lossy(resp.message_id).into_owned())
            }
            (status, _) => Err(status),
        }
    }

    /// [`submit`](Self::submit) of a plain text that asks for a receipt.
    pub async fn send(&mut self, to: &str, text: &str) -> Result<String, CommandStatus> {
        self.submit(&plain(to, text.as_bytes())).await
    }

    /// The next `deliver_sm`; answered unless `answers` is off.
    pub async fn delivery(&mut self) -> Delivery {
        while self.early.is_empty() {
            let frame = self.link.next().await;
            self.unasked(&frame).await;
        }
        self.early.pop_front().expect("the loop ends with one")
    }

    /// The next final or intermediate receipt.
    pub async fn receipt(&mut self) -> Delivery {
        let delivery = self.delivery().await;
        assert!(delivery.is_receipt(), "{delivery:?} is no receipt");
        delivery
    }

    /// Whatever comes within `time`.
    pub async fn deliveries_within(&mut self, time: Duration) -> Vec<Delivery> {
        let reading = async {
            loop {
                let frame = self.link.next().await;
                self.unasked(&frame).await;
            }
        };
        let _: Result<(), _> =
            tokio::time::timeout(time.min(PATIENCE - Duration::from_secs(1)), reading).await;
        self.early.drain(..).collect()
    }

    pub async fn enquire(&mut self) -> io::Result<CommandStatus> {
        let sequence = self.link.request(CommandId::ENQUIRE_LINK, &()).await?;
        Ok(self.response(sequence).await.status())
    }

    /// Any request without a body's worth of fields; its answer.
    pub async fn ask(&mut self, id: CommandId, body: &impl trunkline::pdu::Write) -> Frame {
        let sequence = self.link.request(id, body).await.expect("it reads");
        self.response(sequence).await
    }

    pub async fn unbind(mut self) {
        let sequence = self.link.request(CommandId::UNBIND, &()).await.expect("it reads");
        assert_eq!(self.response(sequence).await.id(), CommandId::UNBIND_RESP);
    }
}

/// A text from the tests' usual sender that asks for a receipt.
pub fn plain<'a>(to: &str, text: &'a [u8]) -> SubmitSm<'a> {
    SubmitSm {
        source: number(SENDER),
        destination: number(to),
        registered_delivery: RegisteredDelivery::RECEIPT,
        short_message: text,
        ..SubmitSm::default()
    }
}

pub const SENDER: &str = "33930000000";
