//! `[[upstream]]` of kind `smpp`: an SMSC that we bind to.

use super::{
    Context, DAY, Flaw, HOUR, LONG_MODES, MS, SECOND, Secret, Section, defaults, pdu_max, read_failures,
    read_password, read_tls, settings,
};
use crate::gateway::settings::LongMode;
use crate::pdu::{Npi, Tag, Ton};
use crate::smpp::{Peer, PeerBind};
use std::num::NonZeroU32;
use std::time::Duration;

/// `smpp://` or `smpps://`, host and port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

pub(super) fn read(mut section: Section<'_>, context: &Context<'_>) -> (settings::Upstream, Peer) {
    let id = section.required_text("id", "carrier");
    let profile = section.choice("profile", Profile::Standard, PROFILES);
    let usual = profile.handling(defaults(id.clone()));
    let target = read_target(&mut section);
    let system_id = section.required_text("system_id", "trunkline");
    if system_id.len() > 15 {
        section.refuse("system_id", "is longer than 15 octets", "an SMPP system_id has at most 15");
    }
    let password = read_password(&mut section, context.environment);
    if password.as_ref().is_some_and(|password| password.reveal().len() > 64) {
        section.refuse("password_file", "the password is longer than 64 octets", "SMPP 3.4 allows 8");
    }
    let usual_peer = profile.peer(Peer::new(&id, &target.host, target.port));

    let tls = read_tls(&mut section, target.tls, "SMSC", "smpps://");
    let system_type = section.text("system_type").unwrap_or_default();
    if system_type.len() > 12 {
        section.refuse("system_type", "is longer than 12 octets", "an SMPP system_type has at most 12");
    }
    let address_range = section.text("address_range").unwrap_or_default();
    if address_range.len() > 40 {
        section.refuse("address_range", "is longer than 40 octets", "an SMPP address_range has at most 40");
    }
    let peer = Peer {
        tls: target.tls.then_some(tls),
        system_id,
        password: Secret::new(password.map(|secret| secret.reveal().to_owned()).unwrap_or_default()),
        system_type,
        addr_ton: Ton(octet(&mut section, "addr_ton", usual_peer.addr_ton.0)),
        addr_npi: Npi(octet(&mut section, "addr_npi", usual_peer.addr_npi.0)),
        address_range,
        sessions: section.count_u32("sessions", usual_peer.sessions, 1, 64),
        window: section.count_u32("window", usual_peer.window, 1, 10_000),
        bind: section.choice("bind", usual_peer.bind, BINDS),
        enquire_link: section.duration("enquire_link", usual_peer.enquire_link, Duration::ZERO, HOUR),
        inactivity: section.duration("inactivity", usual_peer.inactivity, Duration::ZERO, DAY),
        response: section.duration("response", usual_peer.response, SECOND, HOUR),
        connect: section.duration("connect", usual_peer.connect, SECOND, HOUR),
        reconnect_min: section.duration("reconnect_min", usual_peer.reconnect_min, 10 * MS, HOUR),
        reconnect_max: section.duration("reconnect_max", usual_peer.reconnect_max, 10 * MS, DAY),
        refused_min: section.duration("refused_min", usual_peer.refused_min, 10 * MS, DAY),
        pdu_octets_max: pdu_max(&mut section, usual_peer.pdu_octets_max),
        write_stall: section.duration("write_stall", usual_peer.write_stall, SECOND, HOUR),
        external_reference: read_reference(&mut section),
        ..usual_peer
    };
    if peer.reconnect_max < peer.reconnect_min {
        section.refuse("reconnect_max", "is shorter than reconnect_min", "let the pauses grow");
    }
    let upstream = settings::Upstream {
        rate: section.rate("rate", usual.rate),
        burst: section.count_u32("burst", usual.burst, 1, 10_000),
        long: section.choice("long", usual.long, LONG_MODES),
        mo_dedupe_ms: section.duration_ms("mo_dedupe", usual.mo_dedupe_ms, Duration::ZERO, HOUR),
        ..read_failures(&mut section, context, usual)
    };
    profile.check(&section, &upstream, &peer);
    section.end();
    (upstream, peer)
}

/// The habits of one kind of SMSC, as defaults.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Profile {
    Standard,
    /// The vendor's connector (contracts/timetochat.md §7).
    TimeToChat,
}

const PROFILES: &[(&str, Profile)] = &[("standard", Profile::Standard), ("timetochat", Profile::TimeToChat)];

impl Profile {
    fn handling(self, usual: settings::Upstream) -> settings::Upstream {
        match self {
            Self::Standard => usual,
            // It redelivers an MO whose answer comes late.
            Self::TimeToChat => {
                settings::Upstream { rate: NonZeroU32::new(20), mo_dedupe_ms: 60_000, ..usual }
            }
        }
    }

    fn peer(self, usual: Peer) -> Peer {
        match self {
            Self::Standard => usual,
            // It asks every minute itself; what it does not know it ignores, so answers are not waited for as long.
            Self::TimeToChat => {
                Peer { enquire_link: Duration::from_secs(60), response: Duration::from_secs(10), ..usual }
            }
        }
    }

    fn check(self, section: &Section<'_>, upstream: &settings::Upstream, peer: &Peer) {
        if self == Self::Standard {
            return;
        }
        if upstream.long != LongMode::Payload {
            let remedy = "leave it out: this SMSC reads message_payload, and neither headers nor sar_*";
            section.refuse("long", "is not understood by this SMSC", remedy);
        }
        if peer.bind != PeerBind::Transceiver {
            section.refuse("bind", "is refused by this SMSC", "leave it out: it takes bind_transceiver only");
        }
        if peer.sessions > 1 {
            section.warn("sessions", "the vendor does not say that it takes several", "use one");
        }
    }
}

/// Tag of the TLV in which our id goes out and comes back; 0, the default: none does.
fn read_reference(section: &mut Section<'_>) -> Option<Tag> {
    let tag = u16::try_from(section.count("external_reference", 0, 0, 0x3FFF)).unwrap_or(0);
    if tag != 0 && !Tag(tag).is_vendor() {
        let remedy = "take one from 0x1400 to 0x3FFF, or 0 for none";
        section.refuse("external_reference", "is no vendor's tag", remedy);
    }
    (tag != 0).then_some(Tag(tag))
}

fn octet(section: &mut Section<'_>, key: &'static str, usual: u8) -> u8 {
    u8::try_from(section.count(key, usual.into(), 0, 255)).unwrap_or(usual)
}

fn read_target(section: &mut Section<'_>) -> Target {
    let nowhere = Target { tls: true, host: String::new(), port: 0 };
    if section.required_text("url", "smpps://smsc.example.com:3550").is_empty() {
        return nowhere;
    }
    let target = section.parsed("url", |url| {
        if url.contains('@') || url.contains('?') {
            let remedy = "write scheme, host and port only; system_id, password_file and the rest have keys of their own";
            return Err(Flaw::new(format!("\"{url}\" says more than where to connect"), remedy));
        }
        parse_target(url)
    });
    target.unwrap_or(nowhere)
}

/// Reads `smpp://host[:port]` or `smpps://host[:port]`.
pub(crate) fn parse_target(url: &str) -> Result<Target, Flaw> {
    let flaw = || {
        Flaw::new(
            format!("\"{url}\" is not the URL of an SMSC"),
            "write smpps://host:port, or smpp://host:port without TLS",
        )
    };
    let (tls, rest) = match url.split_once("://") {
        Some(("smpp", rest)) => (false, rest),
        Some(("smpps", rest)) => (true, rest),
        _ => return Err(flaw()),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    // Registered or customary: 2775 is assigned to SMPP, 3550 to SMPP over TLS.
    let usual = if tls { 3550 } else { 2775 };
    let (host, port) = match rest.strip_prefix('[') {
        Some(v6) => {
            let (host, after) = v6.split_once(']').ok_or_else(flaw)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| flaw())?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(flaw)?) })
        }
        None => match rest.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or_else(flaw)?,
        None => usual,
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(is_part) {
        return Err(flaw());
    }
    Ok(Target { tls, host: host.to_owned(), port })
}

const BINDS: &[(&str, PeerBind)] =
    &[("transceiver", PeerBind::Transceiver), ("transmitter+receiver", PeerBind::TransmitterAndReceiver)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_a_scheme_a_host_and_perhaps_a_port() {
        let target = |url: &str| parse_target(url).map(|t| (t.tls, t.host, t.port));
        assert_eq!(target("smpp://smsc.example.com"), Ok((false, "smsc.example.com".into(), 2775)));
        assert_eq!(target("smpps://10.0.0.1:5772/"), Ok((true, "10.0.0.1".into(), 5772)));
        assert_eq!(target("smpps://[2001:db8::1]:5772"), Ok((true, "2001:db8::1".into(), 5772)));
        assert_eq!(target("smpps://[2001:db8::1]"), Ok((true, "2001:db8::1".into(), 3550)));
        for bad in [
            "",
            "smsc",
            "http://a:1",
            "smpp://",
            "smpp://a:0",
            "smpp://a:b",
            "smpp://a b:1",
            "smpp://[x]:1",
            "smpp://2001:db8::1",
        ] {
            assert!(parse_target(bad).is_err(), "{bad}");
        }
    }
}
