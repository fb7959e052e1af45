//! `[[upstream]]` of kind `timetochat`: the vendor's REST API and its pushes.

use std::collections::HashMap;
use std::num::NonZeroU32;

use hyper::Uri;

use super::{
    Context, DAY, Flaw, HOUR, MS, SECOND, Secret, Section, defaults, network, read_failures, read_file,
    read_password, read_tls, settings, text, value,
};
use crate::gateway::settings::{LongMode, Unknown};
use crate::pdu::MessageState;
use crate::remote::timetochat::{Inlet, Peer};
use std::time::Duration;

/// Characters of a push path, at the least: shorter ones can be guessed.
const PATH_CHARS_MIN: usize = 16;

/// At the most.
const PATH_CHARS_MAX: usize = 128;

pub(super) fn read(
    mut section: Section<'_>,
    context: &Context<'_>,
) -> (settings::Upstream, Peer, Option<Inlet>) {
    let id = section.required_text("id", "sfr");
    let url = read_url(&mut section);
    let service_id = section.required_text("service_id", "123456");
    let usual = Peer::new(&id, &url, &service_id);
    let password = read_password(&mut section, context.environment);
    let tls = read_tls(&mut section, !url.starts_with("http://"), "vendor", "https://");
    let rate = section.count_u32("rate", usual.rate, 2, 10_000);
    let reserve = section.count_u32("reserve", usual.reserve, 1, 1_000);
    if reserve >= rate {
        section.refuse("reserve", "leaves nothing to send with", "keep it below rate");
    }
    let peer = Peer {
        password: Secret::new(password.map(|secret| secret.reveal().to_owned()).unwrap_or_default()),
        tls,
        window: section.count_u32("window", usual.window, 1, 1_000),
        rate,
        reserve,
        response: section.duration("response", usual.response, SECOND, HOUR),
        connect: section.duration("connect", usual.connect, SECOND, HOUR),
        reconnect_min: section.duration("reconnect_min", usual.reconnect_min, 10 * MS, HOUR),
        reconnect_max: section.duration("reconnect_max", usual.reconnect_max, 10 * MS, DAY),
        refused_min: section.duration("refused_min", usual.refused_min, 10 * MS, DAY),
        states: read_states(&mut section, context),
        ..usual
    };
    if peer.reconnect_max < peer.reconnect_min {
        section.refuse("reconnect_max", "is shorter than reconnect_min", "let the pauses grow");
    }
    let inlet = read_inlet(&mut section, &id);
    let usual = settings::Upstream { reconcile_ms: 600_000, inquire_after_ms: 600_000, ..defaults(id) };
    let upstream = settings::Upstream {
        // What is kept free for reading is not sent with.
        rate: NonZeroU32::new(rate.saturating_sub(reserve).max(1)),
        long: LongMode::Payload,
        unknown: Unknown::Reconcile,
        reconcile_ms: section.duration_ms("reconcile", usual.reconcile_ms, SECOND, 7 * DAY),
        inquire_after_ms: section.duration_ms("inquire_after", usual.inquire_after_ms, Duration::ZERO, DAY),
        ..read_failures(&mut section, context, usual)
    };
    section.end();
    (upstream, peer, inlet)
}

/// The base of all paths, without a slash at its end.
fn read_url(section: &mut Section<'_>) -> String {
    const EXAMPLE: &str = "https://www.dmc.sfr-sh.fr/mug/api/V1";
    if section.required_text("url", EXAMPLE).is_empty() {
        return EXAMPLE.to_owned();
    }
    let read = section.parsed("url", |url| {
        let flaw = || {
            Flaw::new(format!("\"{url}\" is not the URL of the API"), format!("write it as in \"{EXAMPLE}\""))
        };
        let parsed: Uri = url.parse().map_err(|_| flaw())?;
        let is_plain = match parsed.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return Err(flaw()),
        };
        let authority = parsed.authority().ok_or_else(flaw)?;
        if parsed.query().is_some() || authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(flaw());
        }
        let host = authority.host().trim_matches(['[', ']']);
        let is_near = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        Ok((url.trim_end_matches('/').to_owned(), is_plain && !is_near))
    });
    let Some((url, is_bare)) = read else { return EXAMPLE.to_owned() };
    if is_bare {
        section.warn(
            "url",
            "the password, numbers and texts cross the network unprotected",
            "write https://…",
        );
    }
    url
}

/// `[upstream.states]`: a word of the vendor's, and the state that it means.
fn read_states(section: &mut Section<'_>, context: &Context<'_>) -> HashMap<String, MessageState> {
    let mut states = HashMap::new();
    for (place, word, value) in section.pairs("states") {
        match text(value).and_then(|state| value::choice(state, STATES)) {
            Ok(state) => {
                let upper = word.to_ascii_uppercase();
                let bare = upper.strip_prefix(crate::vendor::timetochat::LONG_PREFIX).unwrap_or(&upper);
                states.insert(bare.to_owned(), state);
            }
            Err(flaw) => {
                context.notes.problem(&place, &format!("{}.states.{word}", section.name), flaw);
            }
        }
    }
    states
}

const STATES: &[(&str, MessageState)] = &[
    ("enroute", MessageState::ENROUTE),
    ("delivered", MessageState::DELIVERED),
    ("expired", MessageState::EXPIRED),
    ("undeliverable", MessageState::UNDELIVERABLE),
    ("rejected", MessageState::REJECTED),
    ("unknown", MessageState::UNKNOWN),
];

/// Where the vendor pushes to. Without it states come from reads alone, and messages from mobiles not at all.
fn read_inlet(section: &mut Section<'_>, id: &str) -> Option<Inlet> {
    let allow_from = network::read_allow_from(section, "push_allow_from");
    let Some(path) = section.path("push_path_file") else {
        if !section.has("push_path_file") {
            let remedy = "put some 32 random letters and digits into a file of mode 0600, name it here, and give the vendor https://<your host>/hooks/timetochat/<what is in the file>";
            let what =
                "is missing: messages from mobiles do not come, and reports only when they are asked for";
            section.warn("push_path_file", what, remedy);
        }
        return None;
    };
    let read = match read_file(&path) {
        Ok(read) => read,
        Err(what) => {
            section.refuse(
                "push_path_file",
                what,
                "it holds the last part of the hook's path in its first line",
            );
            return None;
        }
    };
    if read.open_to_others {
        let what = format!("{} can be read by others", path.display());
        section.warn("push_path_file", what, format!("chmod 600 {}", path.display()));
    }
    let secret = read.secret.reveal();
    let is_plain = secret.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'));
    if !is_plain || !(PATH_CHARS_MIN..=PATH_CHARS_MAX).contains(&secret.len()) {
        let what = format!("does not hold {PATH_CHARS_MIN} to {PATH_CHARS_MAX} letters, digits, - and _");
        section.refuse("push_path_file", what, "make it long and random: whoever knows it can push");
        return None;
    }
    Some(Inlet { upstream: id.to_owned(), path: Secret::new(secret.to_owned()), allow_from })
}
