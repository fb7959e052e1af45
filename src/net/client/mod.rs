//! HTTP requests to others: guarded, limited, and sure about whether a request can have arrived.
//!
//! Redirects are not followed: they are answers like any other. No proxy is taken from the environment.

mod connect;
mod error;

use std::fmt;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode, Uri};
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use self::connect::Connector;
pub use self::error::SendError;
use super::guard::Guard;
use super::tls::{PeerTls, TlsError};

/// How a [`Client`] connects, and what it puts up with.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// How the certificates of `https` servers are checked.
    pub tls: PeerTls,
    /// Which addresses may be connected to. The public Internet.
    pub guard: Guard,
    /// From the name to the end of the TLS handshake. 5 s.
    pub connect_timeout: Duration,
    /// From the call to the end of the answer, connecting included. 10 s. A request can have its own.
    pub timeout: Duration,
    /// Octets of an answer's body that are kept; when it has more the connection is closed. 64 KiB.
    pub answer_octets_max: usize,
    /// Connections that are kept for the next request, per scheme, host and port. 8.
    pub idle_per_host: usize,
    /// How long they are kept. 30 s.
    pub idle_timeout: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            tls: PeerTls::default(),
            guard: Guard::default(),
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            answer_octets_max: 64 << 10,
            idle_per_host: 8,
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// One request. Its `Debug` shows the method and the host: paths, headers and bodies may hold secrets.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// An absolute `http` or `https` URL without user name.
    pub uri: Uri,
    /// Headers. `Host` and `Content-Length` are added.
    pub headers: HeaderMap,
    /// The body; may be empty.
    pub body: Bytes,
    /// Instead of [`ClientConfig::timeout`].
    pub timeout: Option<Duration>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, headers: HeaderMap::new(), body: Bytes::new(), timeout: None }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("host", &self.uri.host())
            .finish_non_exhaustive()
    }
}

/// What came back: any status, redirects too. Its `Debug` shows no header and no body.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or as much of it as there is.
    pub body: Bytes,
    /// The body was longer than allowed, or broke off, or did not end in time: `body` is its beginning.
    pub truncated: bool,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("octets", &self.body.len())
            .field("truncated", &self.truncated)
            .finish_non_exhaustive()
    }
}

/// An HTTP/1.1 client. Cheap to clone; clones share their idle connections.
#[derive(Clone)]
pub struct Client {
    inner: hyper_util::client::legacy::Client<Connector, Full<Bytes>>,
    timeout: Duration,
    answer_octets_max: usize,
}

/// Octets of a head that is still an answer.
const HEAD_OCTETS_MAX: usize = 32 << 10;

impl Client {
    /// A client without connections.
    ///
    /// # Errors
    /// [`TlsError`] when the CA of `config.tls` cannot be used.
    pub fn new(config: ClientConfig) -> Result<Self, TlsError> {
        let connector = Connector::new(&config.tls, config.guard, config.connect_timeout)?;
        let inner = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(config.idle_timeout)
            .pool_max_idle_per_host(config.idle_per_host)
            .http1_max_buf_size(HEAD_OCTETS_MAX)
            .build(connector);
        Ok(Self { inner, timeout: config.timeout, answer_octets_max: config.answer_octets_max })
    }

    /// Sends one request and reads its answer. A request that an idle connection did not take before it was closed is
    /// sent again on a new one; nothing else is repeated.
    ///
    /// # Errors
    /// [`SendError`], which knows whether the request can have arrived.
    pub async fn send(&self, request: Request) -> Result<Answer, SendError> {
        let limit = request.timeout.unwrap_or(self.timeout);
        let mut outgoing = hyper::Request::new(Full::new(request.body));
        *outgoing.method_mut() = request.method;
        *outgoing.uri_mut() = checked(request.uri)?;
        *outgoing.headers_mut() = request.headers;
        // Filled in when a connection has been found for the request: from then on it may be on its way.
        let connection = capture_connection(&mut outgoing);
        let is_sent = || connection.connection_metadata().is_some();

        // Both outlive the exchange: when its time runs out, what has been read by then is an answer.
        let (mut head, mut body) = (None, Body::default());
        let exchange = async {
            let response = self
                .inner
                .request(outgoing)
                .await
                .map_err(|error| SendError::from_client(&error, is_sent()))?;
            let (parts, incoming) = response.into_parts();
            head = Some(parts);
            body.read(incoming, self.answer_octets_max).await;
            Ok(())
        };
        let ended = tokio::time::timeout(limit, Box::pin(exchange)).await;
        match (head, ended) {
            (Some(head), _) => Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: body.octets.freeze(),
                truncated: !body.is_whole,
            }),
            (None, Ok(Err(error))) => Err(error),
            (None, Ok(Ok(())) | Err(_)) => Err(SendError::Timeout { sent: is_sent() }),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// What has been read of a body.
#[derive(Default)]
struct Body {
    octets: BytesMut,
    /// Its end has been seen.
    is_whole: bool,
}

impl Body {
    async fn read(&mut self, mut incoming: hyper::body::Incoming, octets_max: usize) {
        while let Some(frame) = incoming.frame().await {
            let Ok(frame) = frame else { return };
            let Some(data) = frame.data_ref() else { continue };
            let room = octets_max.saturating_sub(self.octets.len());
            if let Some(kept) = data.get(..room.min(data.len())) {
                self.octets.extend_from_slice(kept);
            }
            if data.len() > room {
                // Dropping an unread body makes hyper close its connection.
                return;
            }
        }
        self.is_whole = true;
    }
}

/// An absolute URL of a scheme that we speak, without a user name that would be sent to nobody.
fn checked(uri: Uri) -> Result<Uri, SendError> {
    let speaks = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    match speaks && !has_user && uri.host().is_some_and(|host| !host.is_empty()) {
        true => Ok(uri),
        false => Err(SendError::Uri),
    }
}

#[cfg(test)]
mod tests;
