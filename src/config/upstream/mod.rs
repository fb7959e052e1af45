//! `[[upstream]]`: where messages go. What an upstream is, is its `kind`: each has keys of its own, and some that all have.

mod smpp;
mod timetochat;

use std::collections::HashMap;
use std::time::Duration;

use super::Context;
use super::general::pdu_max;
use super::network;
use super::problem::Flaw;
use super::read::{Section, text};
use super::secret::{read_file, read_password};
use super::service::LONG_MODES;
use super::tls::with_cause;
use super::value;
use crate::gateway::settings::{self, Policy};
use crate::net::tls::client_config;
use crate::net::{PeerTls, Secret};
use crate::pdu::CommandStatus;
use crate::remote;

pub(crate) use self::smpp::parse_target;

/// What the gateway is told of an upstream of which only the name is known.
pub(crate) fn defaults(id: String) -> settings::Upstream {
    settings::Upstream::new(&id)
}

/// How an upstream is reached.
pub(super) enum Reached {
    /// By SMPP.
    Smpp(crate::smpp::Peer),
    /// By the vendor's REST API, and where its pushes come in.
    TimeToChat(remote::timetochat::Peer, Option<remote::timetochat::Inlet>),
}

#[derive(Clone, Copy)]
enum Kind {
    Smpp,
    TimeToChat,
}

const KINDS: &[(&str, Kind)] = &[("smpp", Kind::Smpp), ("timetochat", Kind::TimeToChat)];

pub(super) fn read(mut section: Section<'_>, context: &Context<'_>) -> (settings::Upstream, Reached) {
    match section.choice("kind", Kind::Smpp, KINDS) {
        Kind::Smpp => {
            let (upstream, peer) = smpp::read(section, context);
            (upstream, Reached::Smpp(peer))
        }
        Kind::TimeToChat => {
            let (upstream, peer, inlet) = timetochat::read(section, context);
            (upstream, Reached::TimeToChat(peer, inlet))
        }
    }
}

/// Reads the keys about refusals and failures, which all kinds have.
fn read_failures(
    section: &mut Section<'_>,
    context: &Context<'_>,
    usual: settings::Upstream,
) -> settings::Upstream {
    let attempts_max = section.count("attempts_max", usual.attempts_max.into(), 1, 255);
    settings::Upstream {
        attempts_max: u8::try_from(attempts_max).unwrap_or(u8::MAX),
        delay_ms: section.duration_ms("delay", usual.delay_ms, 10 * MS, HOUR),
        delay_max_ms: section.duration_ms("delay_max", usual.delay_max_ms, 10 * MS, DAY),
        throttle_pause_ms: section.duration_ms("throttle_pause", usual.throttle_pause_ms, 10 * MS, HOUR),
        failover_after_ms: section.duration_ms(
            "failover_after",
            usual.failover_after_ms,
            Duration::ZERO,
            DAY,
        ),
        policies: read_policies(section, context, usual.policies),
        ..usual
    }
}

/// Reads how the other side's certificate is checked; `is_tls` says whether it shows one, `url` how its URL begins then.
fn read_tls(section: &mut Section<'_>, is_tls: bool, whose: &str, url: &str) -> PeerTls {
    let ca = section.path("ca");
    let server_name = section.text("server_name");
    let insecure = section.flag("insecure", false);
    if !is_tls {
        for key in ["ca", "server_name", "insecure"] {
            if section.has(key) {
                let remedy = format!("write the url as {url}…, or leave this out");
                section.refuse(key, "has no meaning without TLS", remedy);
            }
        }
    }
    if insecure {
        let what = format!("any certificate is taken for the {whose}'s");
        section.warn("insecure", what, "name its certificate with ca = \"…\" instead");
    }
    if ca.is_some()
        && let Err(error) = client_config(&PeerTls { ca: ca.clone(), ..PeerTls::default() })
    {
        section.refuse("ca", with_cause(&error), "name a file of certificates in PEM");
    }
    PeerTls { ca, server_name, insecure }
}

fn read_policies(
    section: &mut Section<'_>,
    context: &Context<'_>,
    mut policies: HashMap<CommandStatus, Policy>,
) -> HashMap<CommandStatus, Policy> {
    for (place, name, value) in section.pairs("policy") {
        let key = format!("{}.policy.{name}", section.name);
        let read =
            value::status(name).and_then(|status| Ok((status, value::choice(text(value)?, POLICIES)?)));
        match read {
            Ok((CommandStatus::ESME_ROK, _)) => {
                context.notes.problem(&place, &key, Flaw::new("ESME_ROK is no error", "leave it out"));
            }
            Ok((status, policy)) => {
                policies.insert(status, policy);
            }
            Err(flaw) => context.notes.problem(&place, &key, flaw),
        }
    }
    policies
}

const POLICIES: &[(&str, Policy)] =
    &[("throttle", Policy::Throttle), ("delay", Policy::Delay), ("final", Policy::Final)];

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
