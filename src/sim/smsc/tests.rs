use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Config, Running, start};
use crate::clock::Clock;
use crate::pdu::{
    self, Address, Bind, CommandId, CommandStatus, DeliverSmResp, Header, MessageState, Npi, Pdu,
    RegisteredDelivery, SMPP_3_4, SequenceNumber, SubmitSm, Tag, Ton, frame,
};

const PATIENCE: Duration = Duration::from_secs(10);
const FAST: Duration = Duration::from_millis(10);

async fn smsc(config: Config) -> Running {
    start(config, Clock::system()).await.expect("a loopback socket")
}

fn quick() -> Config {
    Config { receipt_delay: FAST, reply_delay: None, ..Config::loopback("gateway", "secret") }
}

/// The other end: one plain socket.
struct Esme {
    socket: TcpStream,
    input: BytesMut,
    sequence: u32,
}

impl Esme {
    async fn connect(smsc: &Running) -> Self {
        let socket = TcpStream::connect(smsc.addr).await.expect("it listens");
        Self { socket, input: BytesMut::new(), sequence: 0 }
    }

    async fn bound(smsc: &Running, kind: CommandId) -> Self {
        let mut esme = Self::connect(smsc).await;
        assert_eq!(esme.bind(kind, b"gateway", b"secret").await, CommandStatus::ESME_ROK);
        esme
    }

    async fn bind(&mut self, kind: CommandId, system_id: &[u8], password: &[u8]) -> CommandStatus {
        let bind = Bind { system_id, password, interface_version: SMPP_3_4, ..Bind::default() };
        self.send(kind, &bind).await;
        self.receive().await.0.command_status
    }

    async fn send(&mut self, id: CommandId, body: &impl pdu::Write) {
        self.sequence += 1;
        let mut out = BytesMut::new();
        pdu::encode(&mut out, id, CommandStatus::ESME_ROK, SequenceNumber(self.sequence), body);
        self.socket.write_all(&out).await.expect("it reads");
    }

    /// The next PDU; a `deliver_sm` is answered.
    async fn receive(&mut self) -> (Header, BytesMut) {
        loop {
            if let Some(length) = frame::split(&self.input, 70_000).expect("it frames") {
                let frame = self.input.split_to(length);
                let header = Header::read(&frame).expect("it is whole");
                return (header, frame);
            }
            let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.input)).await;
            assert_ne!(read.expect("it answers in time").expect("it lives"), 0, "it closed");
        }
    }

    async fn answer(&mut self, header: Header, status: CommandStatus) {
        let mut out = BytesMut::new();
        let id = header.command_id.response();
        pdu::encode(&mut out, id, status, header.sequence_number, &DeliverSmResp::default());
        self.socket.write_all(&out).await.expect("it reads");
    }

    async fn submit(&mut self, destination: &str, text: &[u8]) -> CommandStatus {
        let number =
            |digits: &str| Address::new(Ton::INTERNATIONAL, Npi::ISDN, digits.as_bytes()).expect("short");
        let submit = SubmitSm {
            source: number("12025550199"),
            destination: number(destination),
            registered_delivery: RegisteredDelivery::RECEIPT,
            short_message: text,
            ..SubmitSm::default()
        };
        self.send(CommandId::SUBMIT_SM, &submit).await;
        let (header, _) = self.receive().await;
        assert_eq!(header.command_id, CommandId::SUBMIT_SM_RESP);
        header.command_status
    }

    /// The next `deliver_sm`, answered: its state if it is a receipt, and its text.
    async fn delivery(&mut self) -> (Option<MessageState>, Vec<u8>) {
        let (header, frame) = self.receive().await;
        let Ok((_, Pdu::DeliverSm(deliver))) = pdu::decode(&frame) else {
            panic!("{header:?} is no deliver_sm")
        };
        let state = deliver.tlvs.find_u8(Tag::MESSAGE_STATE).map(MessageState);
        let text = deliver.message().to_vec();
        self.answer(header, CommandStatus::ESME_ROK).await;
        (state, text)
    }

    async fn is_closed(&mut self) -> bool {
        let mut rest = [0; 64];
        matches!(tokio::time::timeout(PATIENCE, self.socket.read(&mut rest)).await, Ok(Ok(0) | Err(_)))
    }
}

#[tokio::test]
async fn takes_a_message_reports_it_and_writes_back() {
    let smsc = smsc(Config { reply_delay: Some(FAST * 5), ..quick() }).await;
    let mut esme = Esme::bound(&smsc, CommandId::BIND_TRANSCEIVER).await;
    assert_eq!(esme.submit("447700900123", b"Hello").await, CommandStatus::ESME_ROK);
    let (state, text) = esme.delivery().await;
    assert_eq!(state, Some(MessageState::DELIVERED));
    assert!(text.ends_with(b" stat:DELIVRD err:000 text:Hello"), "{}", text.escape_ascii());
    assert_eq!(esme.delivery().await, (None, b"You wrote: Hello".to_vec()));
    esme.send(CommandId::ENQUIRE_LINK, &()).await;
    assert_eq!(esme.receive().await.0.command_id, CommandId::ENQUIRE_LINK_RESP);
    esme.send(CommandId::UNBIND, &()).await;
    assert_eq!(esme.receive().await.0.command_id, CommandId::UNBIND_RESP);
    assert!(esme.is_closed().await);
    smsc.stop().await;
}

#[tokio::test]
async fn refuses_strangers_and_what_comes_before_a_bind() {
    let smsc = smsc(quick()).await;
    let mut esme = Esme::connect(&smsc).await;
    let kind = CommandId::BIND_TRANSMITTER;
    assert_eq!(esme.submit("447700900123", b"early").await, CommandStatus::ESME_RINVBNDSTS);
    assert_eq!(esme.bind(kind, b"somebody", b"secret").await, CommandStatus::ESME_RINVSYSID);
    assert_eq!(esme.bind(kind, b"gateway", b"wrong").await, CommandStatus::ESME_RINVPASWD);
    assert_eq!(esme.bind(kind, b"gateway", b"secret").await, CommandStatus::ESME_ROK);
    assert_eq!(esme.bind(kind, b"gateway", b"secret").await, CommandStatus::ESME_RALYBND);
    assert_eq!(esme.submit("447700900123", b"late").await, CommandStatus::ESME_ROK);
}

#[tokio::test]
async fn special_numbers_fail_in_their_ways() {
    use CommandStatus as Status;
    let smsc = smsc(quick()).await;
    let mut esme = Esme::bound(&smsc, CommandId::BIND_TRANSCEIVER).await;
    for (number, refusals, states) in [
        ("447700900101", &[][..], &[MessageState::UNDELIVERABLE][..]),
        ("447700900102", &[], &[MessageState::EXPIRED]),
        ("447700900103", &[], &[]),
        ("447700900104", &[Status::ESME_RTHROTTLED], &[MessageState::DELIVERED]),
        ("447700900105", &[Status::ESME_RMSGQFUL; 2], &[MessageState::DELIVERED]),
        ("447700900107", &[], &[MessageState::ENROUTE, MessageState::DELIVERED]),
        ("447700900108", &[], &[MessageState::DELIVERED; 2]),
        ("447700900109", &[], &[MessageState::REJECTED]),
        ("447700900104", &[Status::ESME_RTHROTTLED], &[MessageState::DELIVERED]),
    ] {
        for refusal in refusals {
            assert_eq!(esme.submit(number, b"x").await, *refusal, "{number}");
        }
        assert_eq!(esme.submit(number, b"x").await, Status::ESME_ROK, "{number}");
        for state in states {
            assert_eq!(esme.delivery().await.0, Some(*state), "{number}");
        }
    }
    for _ in 0..3 {
        assert_eq!(esme.submit("447700900106", b"x").await, Status::ESME_RINVDSTADR);
    }
}

#[tokio::test]
async fn receipts_wait_for_a_receiver_and_come_again_when_it_dies() {
    let smsc = smsc(quick()).await;
    let mut transmitter = Esme::bound(&smsc, CommandId::BIND_TRANSMITTER).await;
    for text in [&b"one"[..], b"two"] {
        assert_eq!(transmitter.submit("447700900123", text).await, CommandStatus::ESME_ROK);
    }
    let mut dying = Esme::bound(&smsc, CommandId::BIND_RECEIVER).await;
    dying.receive().await; // Not answered.
    drop(dying);
    let mut receiver = Esme::bound(&smsc, CommandId::BIND_RECEIVER).await;
    let mut texts = [receiver.delivery().await.1, receiver.delivery().await.1];
    texts.sort_by_key(|text| text.ends_with(b"two"));
    assert!(texts[0].ends_with(b"text:one") && texts[1].ends_with(b"text:two"), "{texts:?}");
}

#[tokio::test]
async fn a_delivery_refused_for_now_comes_again() {
    let smsc = smsc(quick()).await;
    let mut esme = Esme::bound(&smsc, CommandId::BIND_TRANSCEIVER).await;
    assert_eq!(esme.submit("447700900123", b"again").await, CommandStatus::ESME_ROK);
    let (header, _) = esme.receive().await;
    esme.answer(header, CommandStatus::ESME_RSYSERR).await;
    assert_eq!(esme.delivery().await.0, Some(MessageState::DELIVERED));
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let smsc = smsc(Config { waiting_max: 2, ..quick() }).await;
    let mut transmitter = Esme::bound(&smsc, CommandId::BIND_TRANSMITTER).await;
    for expected in [CommandStatus::ESME_ROK, CommandStatus::ESME_ROK, CommandStatus::ESME_RMSGQFUL] {
        assert_eq!(transmitter.submit("447700900123", b"x").await, expected);
    }
}

#[tokio::test]
async fn corrupt_framing_ends_the_session_and_nothing_else() {
    let smsc = Arc::new(smsc(quick()).await);
    for octets in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 16], &[0xFF; 16]] {
        let mut stranger = Esme::connect(&smsc).await;
        stranger.socket.write_all(octets).await.expect("it reads");
        let mut said = Vec::new();
        let _ =
            tokio::time::timeout(PATIENCE, stranger.socket.read_to_end(&mut said)).await.expect("it closes");
        assert_eq!(said.is_empty(), octets.starts_with(b"GET"), "{said:?}");
    }
    Esme::bound(&smsc, CommandId::BIND_TRANSCEIVER).await;
}
