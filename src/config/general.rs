//! The sections that there is one of: `[smpp]`, `[admin]`, `[store]`, `[log]` and the top of the file.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::read::Section;
use super::service::PROFILES;
use super::tls;
use super::value::listen_address;
use crate::gateway::settings::Profile;
use crate::net::tls::Inside;
use crate::pdu::Tag;
use crate::{engine, smpp, telemetry};

/// The process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Threads for sockets; the engine has its own beside.
    pub threads: usize,
    /// How long stopping may wait for answers that are under way.
    pub drain: Duration,
}

/// Where the admin listener is unless the file says so.
pub const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);

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
    Process {
        threads: top.size_of("threads", usual_threads(), 1, 256),
        drain: top.duration("drain", smpp::Config::default().drain, Duration::ZERO, HOUR),
    }
}

/// Where everything is kept: journal, tables, the admin token.
pub(super) fn read_data_dir(top: &mut Section<'_>) -> PathBuf {
    if top.required_text("data_dir", "/var/lib/trunkline").is_empty() {
        return PathBuf::new();
    }
    top.path("data_dir").unwrap_or_default()
}

/// Where the server listens with TLS unless the file says otherwise.
const SMPP_TLS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5772);

pub(super) fn read_smpp(mut section: Section<'_>, drain: Duration) -> smpp::Config {
    let usual = smpp::Config::default();
    let profile = section.choice("profile", Profile::Standard, PROFILES);
    let tls = listener(&mut section, "tls", Some(SMPP_TLS));
    let plain = listener(&mut section, "plain", None);
    let shown = tls::read(&mut section, tls.is_some(), Inside::Smpp, "switch TLS off with tls = \"off\"");
    if tls.is_none() && plain.is_none() {
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
    let mut listeners = Vec::new();
    if let (Some(address), Some(shown)) = (tls, shown) {
        listeners.push(smpp::Listener { address, tls: Some(Arc::new(shown)), profile });
    }
    listeners.extend(plain.map(|address| smpp::Listener { address, tls: None, profile }));

    let system_id = section.text("system_id").unwrap_or(usual.system_id);
    if system_id.is_empty() || system_id.len() > 15 {
        section.refuse("system_id", "has not 1 to 15 octets", "an SMPP system_id has at most 15");
    }
    let server = smpp::Config {
        listeners,
        system_id,
        session_init: section.duration("session_init", usual.session_init, SECOND, HOUR),
        enquire_link: section.duration("enquire_link", usual.enquire_link, Duration::ZERO, HOUR),
        inactivity: section.duration("inactivity", usual.inactivity, Duration::ZERO, DAY),
        response: section.duration("response", usual.response, SECOND, HOUR),
        unbind: section.duration("unbind", usual.unbind, SECOND, HOUR),
        tls_handshake: section.duration("tls_handshake", usual.tls_handshake, SECOND, HOUR),
        pdu_octets_max: pdu_max(&mut section, usual.pdu_octets_max),
        window: section.size_of("window", usual.window, 1, 100_000),
        bind_failure_delay: section.duration(
            "bind_failure_delay",
            usual.bind_failure_delay,
            Duration::ZERO,
            HOUR,
        ),
        connections_max: section.size_of("connections_max", usual.connections_max, 1, 1_000_000),
        unbound_per_address_max: section.size_of(
            "unbound_per_address_max",
            usual.unbound_per_address_max,
            1,
            1_000_000,
        ),
        write_stall: section.duration("write_stall", usual.write_stall, SECOND, HOUR),
        drain,
        external_reference: read_reference(&mut section).unwrap_or(usual.external_reference),
    };
    if !server.inactivity.is_zero() && server.inactivity <= server.enquire_link {
        section.refuse(
            "inactivity",
            "is not longer than enquire_link",
            "leave time for an answer to enquire_link",
        );
    }
    section.end();
    server
}

/// The largest PDU of either side.
pub(super) fn pdu_max(section: &mut Section<'_>, usual: usize) -> usize {
    let usual_octets = u64::try_from(usual).unwrap_or(u64::MAX);
    usize::try_from(section.size("pdu_max", usual_octets, 4 * KIB, MIB)).unwrap_or(usual)
}

/// The tag of `external_reference`, or `0` for none.
fn read_reference(section: &mut Section<'_>) -> Option<Option<Tag>> {
    let number = section.count_if("external_reference", 0, 0x3FFF)?;
    match u16::try_from(number) {
        Ok(0) => Some(None),
        Ok(tag @ 0x1400..) => Some(Some(Tag(tag))),
        Ok(_) | Err(_) => {
            section.refuse(
                "external_reference",
                "is not a vendor's tag",
                "write a number from 0x1400 to 0x3FFF, or 0",
            );
            None
        }
    }
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

pub(super) fn read_store(mut section: Section<'_>, data_dir: PathBuf) -> engine::Config {
    let usual = engine::Config::default();
    let usual_cache = u64::try_from(usual.cache_octets).unwrap_or(u64::MAX);
    let store = engine::Config {
        data_dir,
        disk_reserve_octets: section.size("disk_reserve", usual.disk_reserve_octets, 0, 1024 * GIB),
        segment_octets_max: section.size("segment", usual.segment_octets_max, MIB, GIB),
        batch_ms: section.duration_ms("batch_every", usual.batch_ms, Duration::ZERO, SECOND / 10),
        checkpoint_ms: section.duration_ms("checkpoint_every", usual.checkpoint_ms, SECOND / 10, HOUR),
        checkpoint_octets: section.size("checkpoint_octets", usual.checkpoint_octets, MIB, 16 * GIB),
        cache_octets: usize::try_from(section.size("cache", usual_cache, MIB, 1024 * GIB))
            .unwrap_or(usual.cache_octets),
        queue_max: section.size_of("queue", usual.queue_max, 16, 1_000_000),
        history_days: section.count_u32("history_days", usual.history_days, 1, 3_650),
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
pub(super) fn listener(
    section: &mut Section<'_>,
    key: &'static str,
    usual: Option<SocketAddr>,
) -> Option<SocketAddr> {
    section
        .parsed(key, |text| if text == "off" { Ok(None) } else { listen_address(text).map(Some) })
        .unwrap_or(usual)
}

const LEVELS: &str = "write error, warn, info, debug or trace, or as \"info,trunkline::smpp=debug\"";
