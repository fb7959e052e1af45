//! The sections that there is one of: `[smpp]`, `[http]`, `[admin]`, `[store]`, `[log]` and the top of the file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::read::Section;
use super::value::listen_address;
use crate::telemetry;

/// The SMPP server.
#[derive(Clone, Debug)]
pub struct SmppServer {
    /// Where TLS is spoken. `None`: nowhere.
    pub tls: Option<SocketAddr>,
    /// Where plain SMPP is spoken. `None`: nowhere.
    pub plain: Option<SocketAddr>,
    /// Certificate chain in PEM, the server's first.
    pub certificate: PathBuf,
    /// The certificate's private key in PEM.
    pub key: PathBuf,
    /// Connections open at once; more are closed at once.
    pub connections_max: usize,
    /// How long a new connection may take to bind, TLS handshake included.
    pub session_init: Duration,
    /// Silence after which an ESME is asked whether it is there.
    pub enquire_link: Duration,
    /// Silence after which a session is ended.
    pub inactivity: Duration,
    /// How long an ESME may take to answer.
    pub response: Duration,
    /// Requests of an ESME that may wait for their answer before no more are read.
    pub requests_max: usize,
    /// Largest PDU taken, in octets.
    pub pdu_octets_max: usize,
    /// How long the answer to a failed bind is held back.
    pub bind_failure_delay: Duration,
    /// How long a peer may take nothing of what is written to it before it is cut.
    pub write_stall: Duration,
    /// Tag of the TLV `external_reference` of the profile `timetochat`.
    pub reference_tag: u16,
}

impl Default for SmppServer {
    fn default() -> Self {
        Self {
            tls: Some(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5772))),
            plain: None,
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            connections_max: 4_096,
            session_init: Duration::from_secs(10),
            enquire_link: Duration::from_secs(60),
            inactivity: Duration::from_secs(300),
            response: Duration::from_secs(30),
            requests_max: 1_000,
            pdu_octets_max: 128 << 10,
            bind_failure_delay: Duration::from_secs(1),
            write_stall: Duration::from_secs(30),
            reference_tag: 0x1501,
        }
    }
}

/// Where data lives and what it may take.
#[derive(Clone, Debug)]
pub struct Store {
    /// Room that new messages leave free on the disk, in octets (SEMANTICS 17).
    pub disk_reserve: u64,
    /// Size at which the journal begins its next file, in octets.
    pub segment: u64,
    /// How often the tables are made durable.
    pub checkpoint_every: Duration,
    /// Journal octets after which the tables are made durable earlier.
    pub checkpoint_octets: u64,
    /// Memory that the tables may keep, in octets.
    pub cache: u64,
    /// Inputs that may wait for the engine; beyond, sessions read no more.
    pub queue: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            disk_reserve: 512 << 20,
            segment: 64 << 20,
            checkpoint_every: Duration::from_secs(5),
            checkpoint_octets: 64 << 20,
            cache: 64 << 20,
            queue: 4_096,
        }
    }
}

/// The process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Everything that is kept: journal, tables, the admin token.
    pub data_dir: PathBuf,
    /// Threads for sockets; the engine has its own beside.
    pub threads: usize,
    /// How long stopping may wait for answers that are under way.
    pub drain: Duration,
}

/// How long stopping may take unless the file says so.
pub const DRAIN: Duration = Duration::from_secs(10);
/// Where the admin listener is unless the file says so.
pub const ADMIN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
/// Where the façade is unless the file says so.
pub const HTTP: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Threads for sockets unless the file says so: two, or one on a machine with one core.
pub fn usual_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2))
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

pub(super) fn read_process(top: &mut Section<'_>) -> Process {
    if top.required_text("data_dir", "/var/lib/trunkline").is_empty() {
        return Process { data_dir: PathBuf::new(), threads: 1, drain: DRAIN };
    }
    Process {
        data_dir: top.path("data_dir").unwrap_or_default(),
        threads: top.size_of("threads", usual_threads(), 1, 256),
        drain: top.duration("drain", DRAIN, Duration::ZERO, HOUR),
    }
}

pub(super) fn read_smpp(mut section: Section<'_>) -> SmppServer {
    let usual = SmppServer::default();
    let tls = listener(&mut section, "tls", usual.tls);
    let plain = listener(&mut section, "plain", usual.plain);
    let certificate = section.path("certificate");
    let key = section.path("key");
    if tls.is_some() {
        for (name, path) in [("certificate", &certificate), ("key", &key)] {
            match path {
                None if section.has(name) => {}
                None => {
                    let remedy = format!("add {name} = \"….pem\", or switch TLS off with tls = \"off\"");
                    section.refuse(name, format!("{name} is missing"), remedy);
                }
                Some(path) => {
                    if let Err(error) = std::fs::File::open(path) {
                        let what = format!("{} cannot be read: {error}", path.display());
                        section.refuse(name, what, "name a readable PEM file");
                    }
                }
            }
        }
    } else if plain.is_none() {
        section.warn(
            "tls",
            "the SMPP server has no listener",
            "set tls or plain, unless nobody is to connect",
        );
    }
    if plain.is_some_and(|plain| !plain.ip().is_loopback()) {
        section.warn(
            "plain",
            "passwords and texts cross the network unprotected",
            "use tls, or listen on 127.0.0.1",
        );
    }
    let server = SmppServer {
        tls,
        plain,
        certificate: certificate.unwrap_or_default(),
        key: key.unwrap_or_default(),
        connections_max: section.size_of("connections_max", usual.connections_max, 1, 1_000_000),
        session_init: section.duration("session_init", usual.session_init, SECOND, HOUR),
        enquire_link: section.duration("enquire_link", usual.enquire_link, SECOND, HOUR),
        inactivity: section.duration("inactivity", usual.inactivity, SECOND, DAY),
        response: section.duration("response", usual.response, SECOND, HOUR),
        requests_max: section.size_of("requests_max", usual.requests_max, 1, 100_000),
        pdu_octets_max: usize::try_from(section.size("pdu_max", usual.pdu_octets_max as u64, 4 * KIB, MIB))
            .unwrap_or(usual.pdu_octets_max),
        bind_failure_delay: section.duration(
            "bind_failure_delay",
            usual.bind_failure_delay,
            Duration::ZERO,
            HOUR,
        ),
        write_stall: section.duration("write_stall", usual.write_stall, SECOND, HOUR),
        reference_tag: u16::try_from(section.count(
            "reference_tag",
            usual.reference_tag.into(),
            0x1400,
            0x3FFF,
        ))
        .unwrap_or(usual.reference_tag),
    };
    if server.inactivity <= server.enquire_link {
        section.refuse(
            "inactivity",
            "is not longer than enquire_link",
            "leave time for an answer to enquire_link",
        );
    }
    section.end();
    server
}

pub(super) fn read_http(mut section: Section<'_>) -> Option<SocketAddr> {
    let listen = listener(&mut section, "listen", Some(HTTP));
    section.end();
    listen
}

pub(super) fn read_admin(mut section: Section<'_>) -> SocketAddr {
    let listen = section.parsed("listen", listen_address).unwrap_or(ADMIN);
    if !listen.ip().is_loopback() {
        section.warn(
            "listen",
            "the admin listener speaks plain HTTP beyond this machine",
            "listen on 127.0.0.1",
        );
    }
    section.end();
    listen
}

pub(super) fn read_store(mut section: Section<'_>) -> Store {
    let usual = Store::default();
    let store = Store {
        disk_reserve: section.size("disk_reserve", usual.disk_reserve, 0, 1024 * GIB),
        segment: section.size("segment", usual.segment, MIB, GIB),
        checkpoint_every: section.duration("checkpoint_every", usual.checkpoint_every, SECOND / 10, HOUR),
        checkpoint_octets: section.size("checkpoint_octets", usual.checkpoint_octets, MIB, 16 * GIB),
        cache: section.size("cache", usual.cache, MIB, 1024 * GIB),
        queue: section.size_of("queue", usual.queue, 16, 1_000_000),
    };
    section.end();
    store
}

pub(super) fn read_log(mut section: Section<'_>) -> telemetry::Config {
    let usual = telemetry::Config::default();
    let formats = [("text", telemetry::Format::Text), ("json", telemetry::Format::Json)];
    let log = telemetry::Config {
        format: section.choice("format", usual.format, &formats),
        level: section
            .parsed("level", |level| {
                telemetry::check_level(level).map_err(|what| super::problem::Flaw::new(what, LEVELS))
            })
            .unwrap_or(usual.level),
    };
    section.end();
    log
}

/// An address, `"off"`, or nothing said.
fn listener(section: &mut Section<'_>, key: &'static str, usual: Option<SocketAddr>) -> Option<SocketAddr> {
    section
        .parsed(key, |text| if text == "off" { Ok(None) } else { listen_address(text).map(Some) })
        .unwrap_or(usual)
}

const LEVELS: &str = "write error, warn, info, debug or trace, or as \"info,trunkline::smpp=debug\"";
