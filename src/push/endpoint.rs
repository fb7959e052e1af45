//! What an endpoint is: plain settings, made by `config`.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;

use super::body::Errors;
use super::breaker::BreakerSettings;
use crate::net::{AllowFrom, Secret};
use crate::vendor::timetochat::Vocabulary;

/// Where a service is told what happens to its messages. Its `Debug` shows the host, and nothing else of the URL.
#[derive(Clone)]
pub struct Endpoint {
    /// Unique over all services: `service/name`, as in the gateway's settings.
    pub id: String,
    /// The service as it knows itself: `username` of a Push_CRA, `service` of a native event.
    pub service: String,
    /// What is sent.
    pub kind: Kind,
    /// Where to.
    pub url: Uri,
    /// Requests at once. 8.
    pub concurrency: u32,
    /// From the beginning of a request to the end of its answer. 10 s.
    pub timeout: Duration,
    /// Addresses outside the public Internet that may be reached. None.
    pub allow_private: Option<AllowFrom>,
    /// Certificates to trust instead of the public ones, in PEM.
    pub ca: Option<PathBuf>,
    /// When it is left alone for a while.
    pub breaker: BreakerSettings,
}

/// What is sent to an endpoint.
#[derive(Clone)]
pub enum Kind {
    /// The vendor's reports (contracts/timetochat.md §3).
    PushCra {
        /// How states are spelled.
        vocabulary: Vocabulary,
        /// What errors of an upstream mean, by the upstream's id.
        errors: Arc<Errors>,
    },
    /// Signed events of the native interface.
    Native {
        /// What they are signed with: one secret, or two while receivers change over; each makes a signature.
        secrets: Vec<Secret>,
    },
}

impl Endpoint {
    /// An endpoint with the usual limits.
    pub fn new(id: impl Into<String>, service: impl Into<String>, kind: Kind, url: Uri) -> Self {
        Self {
            id: id.into(),
            service: service.into(),
            kind,
            url,
            concurrency: 8,
            timeout: Duration::from_secs(10),
            allow_private: None,
            ca: None,
            breaker: BreakerSettings::default(),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("host", &self.url.host())
            .field("concurrency", &self.concurrency)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PushCra { .. } => "PushCra",
            Self::Native { .. } => "Native",
        })
    }
}
