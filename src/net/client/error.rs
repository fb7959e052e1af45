//! Why there is no answer, and whether the request can have arrived.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::IpAddr;

/// Why there is no answer. Nothing in it shows a path or a query.
#[derive(Debug)]
pub enum SendError {
    /// The URL is not an absolute `http` or `https` one, or has a user name.
    Uri,
    /// The name leads only to addresses that we must not reach; one of them.
    Forbidden(IpAddr),
    /// The name leads nowhere.
    Resolve(io::Error),
    /// No address took the connection.
    Connect(io::Error),
    /// There is a peer, but not one that we trust, or it does not speak TLS.
    Tls(io::Error),
    /// Too late.
    Timeout {
        /// The request may have arrived.
        sent: bool,
    },
    /// The connection ended before the answer.
    Lost {
        /// The request may have arrived.
        sent: bool,
    },
    /// What came back is not HTTP.
    Garbled,
}

impl SendError {
    /// Whether the request can have reached the peer. If not it can be repeated without doubt.
    pub fn is_sent(&self) -> bool {
        match self {
            Self::Uri | Self::Forbidden(_) | Self::Resolve(_) | Self::Connect(_) | Self::Tls(_) => false,
            Self::Timeout { sent } | Self::Lost { sent } => *sent,
            Self::Garbled => true,
        }
    }

    /// A word for metrics and logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Uri => "bad_url",
            Self::Forbidden(_) => "forbidden",
            Self::Resolve(_) => "resolve",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Lost { .. } => "lost",
            Self::Garbled => "garbled",
        }
    }

    /// Of an error of hyper's client: ours from the connector, wherever it is wrapped, or what became of the request.
    pub(super) fn from_client(error: &hyper_util::client::legacy::Error, sent: bool) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(error) = cause {
            if let Some(ours) = error.downcast_ref::<Self>() {
                return ours.again();
            }
            if let Some(theirs) = error.downcast_ref::<hyper::Error>()
                && theirs.is_parse()
            {
                return Self::Garbled;
            }
            cause = error.source();
        }
        Self::Lost { sent: sent && !error.is_connect() }
    }

    /// The same once more: hyper only lends its causes.
    fn again(&self) -> Self {
        let copy = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Self::Uri => Self::Uri,
            Self::Forbidden(address) => Self::Forbidden(*address),
            Self::Resolve(error) => Self::Resolve(copy(error)),
            Self::Connect(error) => Self::Connect(copy(error)),
            Self::Tls(error) => Self::Tls(copy(error)),
            Self::Timeout { sent } => Self::Timeout { sent: *sent },
            Self::Lost { sent } => Self::Lost { sent: *sent },
            Self::Garbled => Self::Garbled,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri => f.write_str("the URL is not an absolute http or https one without a user name"),
            Self::Forbidden(address) => write!(f, "{address} is not an address of the public Internet"),
            Self::Resolve(_) => f.write_str("the host's name cannot be resolved"),
            Self::Connect(_) => f.write_str("no connection to the host"),
            Self::Tls(_) => f.write_str("the TLS handshake failed"),
            Self::Timeout { sent: false } => f.write_str("no connection in time"),
            Self::Timeout { sent: true } => f.write_str("no answer in time"),
            Self::Lost { sent: false } => f.write_str("the connection was lost before the request was sent"),
            Self::Lost { sent: true } => f.write_str("the connection was lost before the answer"),
            Self::Garbled => f.write_str("the answer is not HTTP"),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Resolve(error) | Self::Connect(error) | Self::Tls(error) => Some(error),
            Self::Uri | Self::Forbidden(_) | Self::Timeout { .. } | Self::Lost { .. } | Self::Garbled => None,
        }
    }
}
