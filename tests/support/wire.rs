//! PDUs over a socket, plain or TLS.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use trunkline::pdu::{self, Address, CommandId, CommandStatus, Header, Npi, Pdu, SequenceNumber, Ton, frame};

use super::{PATIENCE, tls};

pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A whole PDU as received.
#[derive(Clone, Debug)]
pub struct Frame(pub BytesMut);

impl Frame {
    pub fn header(&self) -> Header {
        Header::read(&self.0).expect("a whole frame has a header")
    }

    pub fn id(&self) -> CommandId {
        self.header().command_id
    }

    pub fn status(&self) -> CommandStatus {
        self.header().command_status
    }

    pub fn pdu(&self) -> Pdu<'_> {
        pdu::decode(&self.0).unwrap_or_else(|error| panic!("{error:?}: {:02x?}", &self.0[..])).1
    }
}

/// One end of a connection. Reading is safe to drop and begin again.
pub struct Link {
    stream: Box<dyn Duplex>,
    input: BytesMut,
    sequence: u32,
}

impl Link {
    pub fn over(stream: impl Duplex + 'static) -> Self {
        Self { stream: Box::new(stream), input: BytesMut::new(), sequence: 0 }
    }

    pub async fn connect(to: SocketAddr, tls: Option<&TlsConnector>) -> io::Result<Self> {
        let socket = TcpStream::connect(to).await?;
        socket.set_nodelay(true)?;
        Ok(match tls {
            None => Self::over(socket),
            Some(tls) => Self::over(tls.connect(tls::localhost(), socket).await?),
        })
    }

    /// The next PDU; `None` when the peer has closed.
    pub async fn read(&mut self) -> io::Result<Option<Frame>> {
        loop {
            let whole = frame::split(&self.input, 1 << 20).map_err(io::Error::other)?;
            if let Some(octets) = whole {
                return Ok(Some(Frame(self.input.split_to(octets))));
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next PDU, which has to come.
    pub async fn next(&mut self) -> Frame {
        let read = tokio::time::timeout(PATIENCE, self.read()).await.expect("a PDU comes in time");
        read.expect("the connection lives").expect("the peer has not closed")
    }

    /// Waits until the peer has closed; what it still says is given back.
    pub async fn closed(&mut self) -> Vec<Frame> {
        let mut said = Vec::new();
        let rest = async {
            while let Ok(Some(frame)) = self.read().await {
                said.push(frame);
            }
        };
        tokio::time::timeout(PATIENCE, rest).await.expect("the peer closes in time");
        said
    }

    pub async fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.write_all(octets).await?;
        self.stream.flush().await
    }

    /// Sends a request under the next sequence number.
    pub async fn request(&mut self, id: CommandId, body: &impl pdu::Write) -> io::Result<SequenceNumber> {
        self.sequence += 1;
        let sequence = SequenceNumber(self.sequence);
        self.send(id, CommandStatus::ESME_ROK, sequence, body).await?;
        Ok(sequence)
    }

    pub async fn send(
        &mut self,
        id: CommandId,
        status: CommandStatus,
        sequence: SequenceNumber,
        body: &impl pdu::Write,
    ) -> io::Result<()> {
        let mut out = BytesMut::new();
        pdu::encode(&mut out, id, status, sequence, body);
        self.write(&out).await
    }
}

/// An international number.
pub fn number(digits: &str) -> Address {
    Address::new(Ton::INTERNATIONAL, Npi::ISDN, digits.as_bytes()).expect("at most twenty digits")
}

/// An address as text.
pub fn digits(address: &Address) -> String {
    String::from_utf8_lossy(address.as_bytes()).into_owned()
}
