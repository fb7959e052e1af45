//! How an upstream of kind `timetochat` is reached.

use std::collections::HashMap;
use std::time::Duration;

use crate::net::{AllowFrom, PeerTls, Secret};
use crate::pdu::MessageState;

/// The vendor's API as one service of it uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// Id of the upstream.
    pub id: String,
    /// Base of all paths, `https://www.dmc.sfr-sh.fr/mug/api/V1`, without a slash at the end.
    pub url: String,
    /// The service's number at the vendor.
    pub service_id: String,
    /// Its password.
    pub password: Secret,
    /// How the server's certificate is checked.
    pub tls: PeerTls,
    /// `POST messages` unanswered at once.
    pub window: u32,
    /// Calls per second of the three methods together.
    pub rate: u32,
    /// Of these, kept free for reading statuses; the gateway paces sends by the rest.
    pub reserve: u32,
    /// How long an answer may take, connecting included; a message without answer has an unknown outcome then.
    pub response: Duration,
    /// How long connecting and the TLS handshake may take together.
    pub connect: Duration,
    /// Longest first pause before another try to get a token; doubled each time.
    pub reconnect_min: Duration,
    /// Longest such pause.
    pub reconnect_max: Duration,
    /// Longest first pause after a refused password, which is not hammered; doubled up to ten times this.
    pub refused_min: Duration,
    /// What states mean that the contract does not know, or means otherwise; by name in upper case, without prefix.
    pub states: HashMap<String, MessageState>,
}

impl Peer {
    /// The service `service_id` at `url`, with the vendor's rate and the usual timers.
    pub fn new(id: &str, url: &str, service_id: &str) -> Self {
        Self {
            id: id.to_owned(),
            url: url.trim_end_matches('/').to_owned(),
            service_id: service_id.to_owned(),
            password: Secret::new(""),
            tls: PeerTls::default(),
            window: 10,
            rate: crate::vendor::timetochat::CALLS_PER_SECOND,
            reserve: 2,
            response: Duration::from_secs(30),
            connect: Duration::from_secs(10),
            reconnect_min: Duration::from_millis(200),
            reconnect_max: Duration::from_secs(60),
            refused_min: Duration::from_secs(30),
            states: HashMap::new(),
        }
    }
}

/// Where the vendor pushes to for one upstream.
#[derive(Clone, Debug)]
pub struct Inlet {
    /// Id of the upstream.
    pub upstream: String,
    /// The last part of the path, which nobody else knows.
    pub path: Secret,
    /// Where pushes may come from. `None`: anywhere.
    pub allow_from: Option<AllowFrom>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_password_does_not_show() {
        let mut peer = Peer::new("sfr", "https://vendor.example/mug/api/V1/", "123456");
        peer.password = Secret::new("hunter2");
        assert!(!format!("{peer:?}").contains("hunter2"));
        assert_eq!(peer.url, "https://vendor.example/mug/api/V1");
    }
}
