//! `client`: a small SMPP client that binds, sends one message, and says what comes back.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;

use super::args::Client;
use super::{FAILED, fail, print};
use crate::clock::Clock;
use crate::config::read_secret_file;
use crate::http::address_of;
use crate::net::PeerTls;
use crate::net::tls::client_config;
use crate::pdu::receipt::Receipt;
use crate::pdu::{
    Address, Bind, CommandId, CommandStatus, DataCoding, DeliverSm, DeliverSmResp, EsmClass, Header, Pdu,
    RegisteredDelivery, SMPP_3_4, SequenceNumber, SubmitSm, Tag, Tlvs, decode, encode, frame, tlv,
};
use crate::text::{Alphabet, gsm7, latin1, ucs2};

/// The largest PDU that is read.
const PDU_OCTETS_MAX: usize = 128 << 10;

/// Octets of short_message; longer texts go as message_payload.
const SHORT_OCTETS_MAX: usize = 254;

/// Silence after which nothing more is expected, once the receipt and a message have come.
const QUIET: Duration = Duration::from_secs(1);

/// How long connecting, and each single read, may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(args: &Client) -> ExitCode {
    match talk(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(FAILED, error),
    }
}

/// Why the talk ended early.
#[derive(Debug)]
enum Broken {
    /// The arguments cannot be used.
    Argument(String),
    /// The connection could not be made, or ended.
    Io(io::Error),
    /// The SMSC refused.
    Refused(&'static str, CommandStatus),
    /// The SMSC says something that is not SMPP.
    Garbled(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(what) => f.write_str(what),
            Self::Io(error) => write!(f, "the connection has failed: {error}"),
            Self::Refused(what, status) => match status.meaning() {
                Some(meaning) => write!(f, "{what} was refused with {status}: {meaning}"),
                None => write!(f, "{what} was refused with {status}"),
            },
            Self::Garbled(what) => write!(f, "what came is not SMPP: {what}"),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn talk(args: &Client) -> Result<(), Broken> {
    let password = read_secret_file(&args.password_file).map_err(Broken::Argument)?.secret;
    let clock = Clock::system();
    let mut link = Link::connect(args)?;
    say(format_args!("connected to {}{}", args.connect, if args.plain { "" } else { " over TLS" }));

    let bind = Bind {
        system_id: args.user.as_bytes(),
        password: password.reveal().as_bytes(),
        interface_version: SMPP_3_4,
        ..Bind::default()
    };
    let bound = link.request(CommandId::BIND_TRANSCEIVER, &bind)?;
    say(format_args!("→ bind_transceiver as {}", args.user));
    let mut talk = Talk { bound, id: None, is_bound: false, is_receipted: false, has_mo: false };
    let until = clock.instant() + PATIENCE;
    while !talk.is_bound {
        talk.next(&mut link, &clock, until)?
            .ok_or_else(|| Broken::Garbled("no answer to the bind".into()))?;
    }

    if let (Some(to), Some(text)) = (&args.to, &args.text) {
        link.submit(&args.from, to, text)?;
        say(format_args!("→ submit_sm to {to}"));
    }
    let until = clock.instant() + Duration::from_secs(args.wait.into());
    while !talk.is_over() && talk.next(&mut link, &clock, until)?.is_some() {}
    // The mobile may have written before; what it answers to this message comes at about the same time.
    while talk.is_over() && talk.next(&mut link, &clock, until.min(clock.instant() + QUIET))?.is_some() {}

    link.request(CommandId::UNBIND, &())?;
    say(format_args!("→ unbind"));
    // Its answer is good manners; whether it comes changes nothing any more.
    let until = clock.instant() + Duration::from_secs(2);
    while let Ok(Some(id)) = talk.next(&mut link, &clock, until) {
        if id == CommandId::UNBIND.response() {
            break;
        }
    }
    Ok(())
}

/// What has happened so far.
struct Talk {
    bound: SequenceNumber,
    /// What was submitted is called this. `None`: nothing, or it is not answered yet.
    id: Option<Vec<u8>>,
    is_bound: bool,
    is_receipted: bool,
    has_mo: bool,
}

impl Talk {
    /// What was sent has been answered by the network and by the mobile.
    fn is_over(&self) -> bool {
        self.is_receipted && self.has_mo
    }

    /// Reads one PDU, answers it, and says what it is; `None` when nothing came until `until`.
    fn next(&mut self, link: &mut Link, clock: &Clock, until: Instant) -> Result<Option<CommandId>, Broken> {
        let Some(octets) = link.read(clock, until)? else { return Ok(None) };
        let (header, pdu) = decode(&octets).map_err(|error| Broken::Garbled(error.to_string()))?;
        let status = header.command_status;
        match pdu {
            Pdu::BindTransceiverResp(_) if header.sequence_number == self.bound => {
                if status != CommandStatus::ESME_ROK {
                    return Err(Broken::Refused("the bind", status));
                }
                self.is_bound = true;
                say(format_args!("← bind_transceiver_resp {status}"));
            }
            Pdu::SubmitSmResp(response) => {
                if status != CommandStatus::ESME_ROK {
                    return Err(Broken::Refused("the message", status));
                }
                self.id = Some(response.message_id.to_vec());
                say(format_args!(
                    "← submit_sm_resp {status}, message_id {}",
                    response.message_id.escape_ascii()
                ));
            }
            Pdu::DeliverSm(deliver) => {
                link.answer(&header, CommandStatus::ESME_ROK, &DeliverSmResp::default())?;
                self.delivered(&deliver);
            }
            Pdu::EnquireLink => link.answer(&header, CommandStatus::ESME_ROK, &())?,
            Pdu::Unbind => {
                link.answer(&header, CommandStatus::ESME_ROK, &())?;
                return Err(Broken::Garbled("the SMSC has unbound us".into()));
            }
            Pdu::GenericNack => return Err(Broken::Refused("a PDU of ours", status)),
            _ => say(format_args!("← {:?} {status}", header.command_id)),
        }
        Ok(Some(header.command_id))
    }

    fn delivered(&mut self, deliver: &DeliverSm<'_>) {
        if let Some(receipt) = Receipt::from_deliver(deliver) {
            let state =
                receipt.state.map_or_else(|| "without a state".to_owned(), |state| format!("{state:?}"));
            let id = receipt.id().unwrap_or_default();
            let is_last = receipt.state.is_some_and(crate::pdu::MessageState::is_final);
            self.is_receipted |= is_last && self.id.as_deref() == Some(id);
            say(format_args!("← deliver_sm: receipt of {}: {state}", id.escape_ascii()));
            return;
        }
        self.has_mo = true;
        let from = deliver.source.as_bytes().escape_ascii();
        say(format_args!("← deliver_sm: message from {from}: {}", text_of(deliver)));
    }
}

/// The text of a message, as far as its alphabet is known.
fn text_of(deliver: &DeliverSm<'_>) -> String {
    let message = deliver.message();
    match deliver.data_coding {
        _ if deliver.esm_class.has_udhi() => format!("{} octets, a part of a longer one", message.len()),
        DataCoding::DEFAULT => gsm7::decode(message),
        DataCoding::UCS2 => ucs2::decode(message),
        DataCoding::LATIN_1 => latin1::decode(message),
        other => format!("{} octets of {other:?}", message.len()),
    }
}

/// A connection to an SMSC.
struct Link {
    stream: Stream,
    unread: BytesMut,
    sequence: u32,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.get_ref(),
        }
    }
}

impl Link {
    fn connect(args: &Client) -> Result<Self, Broken> {
        let mut addresses = args.connect.to_socket_addrs()?;
        let address = addresses.next().ok_or_else(|| Broken::Argument("the host has no address".into()))?;
        let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let stream = if args.plain {
            Stream::Plain(socket)
        } else {
            Stream::Tls(Box::new(Self::secured(args, socket)?))
        };
        Ok(Self { stream, unread: BytesMut::new(), sequence: 0 })
    }

    fn secured(args: &Client, socket: TcpStream) -> Result<StreamOwned<ClientConnection, TcpStream>, Broken> {
        let (host, _) =
            args.connect.rsplit_once(':').ok_or_else(|| Broken::Argument("--connect is HOST:PORT".into()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name =
            ServerName::try_from(host).map_err(|_| Broken::Argument("--connect names no host".into()))?;
        let tls = PeerTls { ca: args.ca.clone(), ..PeerTls::default() };
        let config = client_config(&tls).map_err(|error| Broken::Argument(super::whole(&error)))?;
        let connection = ClientConnection::new(Arc::clone(&config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        stream.sock.set_read_timeout(Some(PATIENCE))?;
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    fn request(&mut self, id: CommandId, body: &impl crate::pdu::Write) -> Result<SequenceNumber, Broken> {
        self.sequence += 1;
        let sequence = SequenceNumber(self.sequence);
        self.write(id, CommandStatus::ESME_ROK, sequence, body)?;
        Ok(sequence)
    }

    fn answer(
        &mut self,
        to: &Header,
        status: CommandStatus,
        body: &impl crate::pdu::Write,
    ) -> Result<(), Broken> {
        self.write(to.command_id.response(), status, to.sequence_number, body)
    }

    fn write(
        &mut self,
        id: CommandId,
        status: CommandStatus,
        sequence: SequenceNumber,
        body: &impl crate::pdu::Write,
    ) -> Result<(), Broken> {
        let mut out = BytesMut::new();
        encode(&mut out, id, status, sequence, body);
        match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(&out)?,
            Stream::Tls(tls) => {
                tls.write_all(&out)?;
                tls.flush()?;
            }
        }
        Ok(())
    }

    fn submit(&mut self, from: &str, to: &str, text: &str) -> Result<SequenceNumber, Broken> {
        let address = |written: &str| {
            address_of(written, "")
                .map_err(|error| Broken::Argument(format!("{written} is no address: {error}")))
        };
        let alphabet = Alphabet::needed(text);
        let payload = alphabet.encode(text).unwrap_or_default();
        let mut tlvs = BytesMut::new();
        if payload.len() > SHORT_OCTETS_MAX {
            tlv::put_octets(&mut tlvs, Tag::MESSAGE_PAYLOAD, &payload);
        }
        let submit = SubmitSm {
            source: if from.is_empty() { Address::EMPTY } else { address(from)? },
            destination: address(to)?,
            esm_class: EsmClass::DEFAULT,
            registered_delivery: RegisteredDelivery::RECEIPT,
            data_coding: match alphabet {
                Alphabet::Gsm7 => DataCoding::DEFAULT,
                Alphabet::Ucs2 => DataCoding::UCS2,
            },
            short_message: if payload.len() > SHORT_OCTETS_MAX { &[] } else { &payload },
            tlvs: Tlvs::read_as_far_as_good(&tlvs),
            ..SubmitSm::default()
        };
        self.request(CommandId::SUBMIT_SM, &submit)
    }

    /// The next PDU; `None` when it has not come whole by `until`.
    fn read(&mut self, clock: &Clock, until: Instant) -> Result<Option<BytesMut>, Broken> {
        loop {
            let whole = frame::split(&self.unread, PDU_OCTETS_MAX);
            if let Some(length) = whole.map_err(|error| Broken::Garbled(error.to_string()))? {
                return Ok(Some(self.unread.split_to(length)));
            }
            let left = until.saturating_duration_since(clock.instant());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.socket().set_read_timeout(Some(left))?;
            let mut octets = [0; 4096];
            let read = match &mut self.stream {
                Stream::Plain(socket) => socket.read(&mut octets),
                Stream::Tls(tls) => tls.read(&mut octets),
            };
            match read {
                Ok(0) => return Err(Broken::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.unread.extend_from_slice(octets.get(..count).unwrap_or_default()),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn say(line: fmt::Arguments<'_>) {
    print(&format!("{line}\n"));
}
