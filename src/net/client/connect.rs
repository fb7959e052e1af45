//! From a URL to a connection: names, the guard, TCP, TLS.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use super::error::SendError;
use crate::net::guard::Guard;
use crate::net::tls::{PeerTls, TlsError, client_config};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;

/// Makes connections for the pool.
#[derive(Clone)]
pub(super) struct Connector(Arc<Settings>);

struct Settings {
    tls: TlsConnector,
    server_name: Option<String>,
    guard: Guard,
    limit: Duration,
}

impl Connector {
    pub(super) fn new(tls: &PeerTls, guard: Guard, limit: Duration) -> Result<Self, TlsError> {
        let mut config = rustls::ClientConfig::clone(&*client_config(tls)?);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let settings = Settings {
            tls: TlsConnector::from(Arc::new(config)),
            server_name: tls.server_name.clone(),
            guard,
            limit,
        };
        Ok(Self(Arc::new(settings)))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, SendError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let settings = Arc::clone(&self.0);
        Box::pin(async move {
            timeout(settings.limit, settings.connect(&uri))
                .await
                .unwrap_or(Err(SendError::Timeout { sent: false }))
        })
    }
}

impl Settings {
    async fn connect(&self, uri: &Uri) -> Result<Stream, SendError> {
        let is_tls = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or(SendError::Uri)?;
        // An IPv6 address stands in brackets in a URL and nowhere else.
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });

        let found = tokio::net::lookup_host((host, port)).await.map_err(SendError::Resolve)?;
        // What is checked is what is connected to: the name is not asked again.
        let addresses = self.guard.choose(found).map_err(|refused| match refused {
            Some(address) => SendError::Forbidden(address),
            None => SendError::Resolve(io::Error::from(io::ErrorKind::NotFound)),
        })?;
        let tcp = self.connect_to_one_of(&addresses).await?;
        if !is_tls {
            return Ok(Stream::Plain(TokioIo::new(tcp)));
        }
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|_| SendError::Uri)?;
        let tls = self.tls.connect(name, tcp).await.map_err(SendError::Tls)?;
        Ok(Stream::Tls(Box::new(TokioIo::new(tls))))
    }

    async fn connect_to_one_of(&self, addresses: &[SocketAddr]) -> Result<TcpStream, SendError> {
        let count = addresses.len().clamp(1, ADDRESSES_MAX);
        // One that does not answer must not take the time of the others.
        let each = self.limit / u32::try_from(count).unwrap_or(1);
        let mut last = io::Error::from(io::ErrorKind::TimedOut);
        for address in addresses.iter().take(count) {
            match timeout(each, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    // Requests are written whole; nothing is gained by waiting for more.
                    tcp.set_nodelay(true).map_err(SendError::Connect)?;
                    return Ok(tcp);
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::from(io::ErrorKind::TimedOut),
            }
        }
        Err(SendError::Connect(last))
    }
}

/// A connection, with TLS or without.
pub(super) enum Stream {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, octets),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }
}
