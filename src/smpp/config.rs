use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::gateway::settings::Profile;
use crate::net::tls::ServerTls;
use crate::net::{AllowFrom, PeerTls, Secret};
use crate::pdu::{Npi, Tag, Ton};

/// What the SMPP server is told, its accounts apart.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Our own name in the answer to a bind, at most 15 octets.
    pub system_id: String,
    /// From the connection (after its TLS handshake) to an accepted bind.
    pub session_init: Duration,
    /// Silence of an ESME after which it is asked whether it is there. Zero: never.
    pub enquire_link: Duration,
    /// Silence of an ESME after which it is unbound. Zero: never.
    pub inactivity: Duration,
    /// How long an ESME's answer may take.
    pub response: Duration,
    /// How long the answer to unbind may take.
    pub unbind: Duration,
    /// How long a TLS handshake may take.
    pub tls_handshake: Duration,
    /// The largest command_length taken, in octets.
    pub pdu_octets_max: usize,
    /// Requests let through per session and not yet answered; beyond it the session is not read.
    pub window: usize,
    /// Delay of the answer to a failed bind, doubled with each further failure from the same address, up to
    /// three quarters of `session_init`.
    pub bind_failure_delay: Duration,
    /// Connections at once, bound or not; more are closed at once.
    pub connections_max: usize,
    /// Connections at once from one address that have not bound.
    pub unbound_per_address_max: usize,
    /// A peer that takes none of our octets for this long is cut.
    pub write_stall: Duration,
    /// When stopping: how long requests that are under way may still be answered before sessions are unbound.
    pub drain: Duration,
    /// TLV that carries the client's reference in profile `timetochat`. `None`: none does.
    pub external_reference: Option<Tag>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            system_id: "trunkline".into(),
            session_init: Duration::from_secs(10),
            enquire_link: Duration::from_secs(30),
            inactivity: Duration::from_secs(300),
            response: Duration::from_secs(30),
            unbind: Duration::from_secs(5),
            tls_handshake: Duration::from_secs(10),
            pdu_octets_max: 128 * 1024,
            window: 1_000,
            bind_failure_delay: Duration::from_secs(1),
            connections_max: 10_000,
            unbound_per_address_max: 1_000,
            write_stall: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            external_reference: Some(EXTERNAL_REFERENCE),
        }
    }
}

/// The TLV of the client's reference unless configured (contracts/timetochat.md §8a).
pub const EXTERNAL_REFERENCE: Tag = Tag(0x1501);

/// One address that the server listens on.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Port 0 picks one.
    pub address: SocketAddr,
    /// `None`: plain. What it shows can be replaced while it is listened on.
    pub tls: Option<Arc<ServerTls>>,
    /// How it behaves towards a peer that has not bound.
    pub profile: Profile,
}

/// Who may bind.
#[derive(Clone, Debug)]
pub struct Account {
    /// Id of the service.
    pub service: String,
    /// The name that it binds with, at most 15 octets.
    pub system_id: String,
    /// The password that it binds with, at most 64 octets.
    pub password: Secret,
    /// Sessions at once.
    pub bind_limit: u32,
    /// submit_sm per second over all its sessions; 0: unlimited.
    pub rate: u32,
    /// How the server behaves towards it.
    pub profile: Profile,
    /// Where it may connect from. `None`: anywhere.
    pub allow_from: Option<AllowFrom>,
    /// Instead of the server's period; profile `timetochat` has its own of one minute.
    pub enquire_link: Option<Duration>,
}

/// An SMSC that we bind to.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// Id of the upstream.
    pub id: String,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// `None`: the connection is not protected.
    pub tls: Option<PeerTls>,
    /// The name that we bind with, at most 15 octets.
    pub system_id: String,
    /// The password that we bind with, at most 64 octets.
    pub password: Secret,
    /// The bind's system_type, at most 12 octets.
    pub system_type: String,
    /// The bind's addr_ton.
    pub addr_ton: Ton,
    /// The bind's addr_npi.
    pub addr_npi: Npi,
    /// The bind's address_range, at most 40 octets.
    pub address_range: String,
    /// Sessions held open; with [`PeerBind::TransmitterAndReceiver`] each way.
    pub sessions: u32,
    /// submit_sm unanswered at once on one session.
    pub window: u32,
    /// Which binds make a session.
    pub bind: PeerBind,
    /// Silence after which we ask whether the SMSC is there. Zero: never.
    pub enquire_link: Duration,
    /// Silence after which the session is unbound. Zero: never.
    pub inactivity: Duration,
    /// How long an answer may take; a submit_sm without answer is in doubt then.
    pub response: Duration,
    /// How long connecting and the TLS handshake may take together.
    pub connect: Duration,
    /// Longest first pause before connecting again; doubled each time.
    pub reconnect_min: Duration,
    /// Longest pause before connecting again.
    pub reconnect_max: Duration,
    /// Longest first pause after a refused system_id or password, which is not hammered; doubled up to ten times this.
    pub refused_min: Duration,
    /// The largest command_length taken, in octets.
    pub pdu_octets_max: usize,
    /// An SMSC that takes none of our octets for this long is cut.
    pub write_stall: Duration,
    /// Tag of the TLV in which our id of a message goes out and comes back with its receipts. `None`: it does not.
    pub external_reference: Option<Tag>,
}

impl Peer {
    /// An upstream `id` at `host` and `port`, without TLS, with the usual timers and one session.
    pub fn new(id: &str, host: &str, port: u16) -> Self {
        Self {
            id: id.to_owned(),
            host: host.to_owned(),
            port,
            tls: None,
            system_id: String::new(),
            password: Secret::new(""),
            system_type: String::new(),
            addr_ton: Ton::UNKNOWN,
            addr_npi: Npi::UNKNOWN,
            address_range: String::new(),
            sessions: 1,
            window: 10,
            bind: PeerBind::Transceiver,
            enquire_link: Duration::from_secs(30),
            inactivity: Duration::from_secs(150),
            response: Duration::from_secs(30),
            connect: Duration::from_secs(10),
            reconnect_min: Duration::from_millis(200),
            reconnect_max: Duration::from_secs(60),
            refused_min: Duration::from_secs(30),
            pdu_octets_max: 128 * 1024,
            write_stall: Duration::from_secs(30),
            external_reference: None,
        }
    }
}

/// Which binds make a session with an SMSC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PeerBind {
    /// One bind_transceiver.
    Transceiver,
    /// A bind_transmitter and a bind_receiver.
    TransmitterAndReceiver,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_does_not_show() {
        let mut peer = Peer::new("smsc", "localhost", 2775);
        peer.password = Secret::new("hunter2");
        assert!(!format!("{peer:?}").contains("hunter2"));
    }
}
