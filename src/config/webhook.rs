//! `push_url` and `[[service.webhook]]`: where a service is told what happens.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::Uri;

use super::Context;
use super::problem::Flaw;
use super::read::Section;
use super::secret::{Names, read_secret};
use super::tls::with_cause;
use crate::gateway::settings::{Endpoint, EndpointKind};
use crate::net::tls::client_config;
use crate::net::{PeerTls, Secret};

/// A webhook, as far as sending to it is concerned.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Unique over all services: `service/name`.
    pub id: String,
    /// Where it is.
    pub url: Uri,
    /// What is sent there.
    pub kind: EndpointKind,
    /// What the native kind is signed with.
    pub secret: Option<Secret>,
    /// What it was signed with before, while receivers change over.
    pub secret_old: Option<Secret>,
    /// Deliveries under way at once.
    pub concurrency: u32,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Certificates to trust instead of the public ones, in PEM.
    pub ca: Option<PathBuf>,
}

/// Deliveries under way to an endpoint that names no number.
const CONCURRENCY: u32 = 8;
/// How long an endpoint's answer may take, unless the file says so.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The name of the endpoint that `push_url` makes.
const PUSH: &str = "push";

/// Octets of a secret that signs or opens something, at the least.
pub(super) const SECRET_OCTETS_MIN: usize = 16;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// Reads `push_url` and what goes with it.
pub(super) fn read_push(
    section: &mut Section<'_>,
    service: &str,
    context: &Context<'_>,
) -> Option<(Endpoint, Webhook)> {
    let url = section.parsed("push_url", |url| check_url(url, context));
    let concurrency = section.count_u32("push_concurrency", CONCURRENCY, 1, 1_000);
    let timeout = section.duration("push_timeout", TIMEOUT, SECOND / 10, 60 * SECOND);
    let ca = read_ca(section, "push_ca");
    if !section.has("push_url") {
        for key in ["push_concurrency", "push_timeout", "push_ca"] {
            if section.has(key) {
                section.warn(key, "has no effect: there is no push_url that it is about", "add push_url");
            }
        }
    }
    let id = format!("{service}/{PUSH}");
    let endpoint = Endpoint::new(&id, EndpointKind::PushCra);
    let kind = EndpointKind::PushCra;
    Some((
        endpoint,
        Webhook { id, url: url?, kind, secret: None, secret_old: None, concurrency, timeout, ca },
    ))
}

/// Reads one `[[service.webhook]]`.
pub(super) fn read(
    mut section: Section<'_>,
    service: &str,
    context: &Context<'_>,
) -> Option<(Endpoint, Webhook)> {
    let name = section.required_text("id", "main");
    let id = format!("{service}/{name}");
    check_name(&section, &name);
    if name == PUSH {
        section.refuse("id", "\"push\" is the webhook of push_url", "give it another id");
    }
    let url = if section.required_text("url", "https://app.example.com/sms").is_empty() {
        None
    } else {
        section.parsed("url", |url| check_url(url, context))
    };
    let secret = read_secret(&mut section, &SECRET, context.environment);
    let secret_old = read_secret(&mut section, &SECRET_OLD, context.environment);
    for (key, secret) in [("secret_file", &secret), ("secret_old_file", &secret_old)] {
        if secret.as_ref().is_some_and(|secret| secret.reveal().len() < SECRET_OCTETS_MIN) {
            let what = format!("the secret has less than {SECRET_OCTETS_MIN} octets");
            section.refuse(key, what, "make one with: openssl rand -hex 32");
        }
    }
    let mut endpoint = Endpoint::new(&id, EndpointKind::Native);
    if let Some(events) = section.read("events", |value| {
        let known = ["sent", "receipts", "incoming"];
        let items = value.as_array().ok_or_else(|| not_events(&known))?;
        let each = items.iter().map(|item| match item.get_ref().as_str() {
            Some(name) if known.contains(&name) => Ok(name.to_owned()),
            _ => Err(not_events(&known)),
        });
        let events: Vec<String> = each.collect::<Result<_, _>>()?;
        if events.is_empty() { Err(not_events(&known)) } else { Ok(events) }
    }) {
        let has = |name: &str| events.iter().any(|event| event == name);
        (endpoint.sent, endpoint.receipts, endpoint.incoming) =
            (has("sent"), has("receipts"), has("incoming"));
    }
    endpoint.delay_ms = section.duration_ms("delay", endpoint.delay_ms, 10 * MS, DAY);
    endpoint.delay_max_ms = section.duration_ms("delay_max", endpoint.delay_max_ms, 10 * MS, DAY);
    if endpoint.delay_max_ms < endpoint.delay_ms {
        section.refuse("delay_max", "is shorter than delay", "let the delays grow");
    }
    let concurrency = section.count_u32("concurrency", CONCURRENCY, 1, 1_000);
    let timeout = section.duration("timeout", TIMEOUT, SECOND / 10, 60 * SECOND);
    let ca = read_ca(&mut section, "ca");
    section.end();
    let octets = |secret: Option<super::Secret>| secret.map(|s| Secret::new(s.reveal().to_owned()));
    let webhook = Webhook {
        id,
        url: url?,
        kind: EndpointKind::Native,
        secret: octets(secret),
        secret_old: octets(secret_old),
        concurrency,
        timeout,
        ca,
    };
    Some((endpoint, webhook))
}

/// A name that stands in paths and metrics.
pub(super) fn check_name(section: &Section<'_>, name: &str) {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.len() > 64 || !name.chars().all(is_plain) {
        section.refuse(
            "id",
            format!("\"{name}\" is no plain name"),
            "write at most 64 letters, digits, -, _ and .",
        );
    }
}

fn not_events(known: &[&str]) -> Flaw {
    let list: Vec<_> = known.iter().map(|name| format!("\"{name}\"")).collect();
    Flaw::new("is not a list of events", format!("list some of {}", list.join(", ")))
}

fn read_ca(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    let ca = section.path(key)?;
    match client_config(&PeerTls { ca: Some(ca.clone()), ..PeerTls::default() }) {
        Ok(_) => Some(ca),
        Err(error) => {
            section.refuse(key, with_cause(&error), "name a file of certificates in PEM");
            None
        }
    }
}

/// Checks what can be checked of a webhook's URL before its host is looked up: its scheme, that it carries no
/// credentials, and that an address of a private network is one that is allowed.
fn check_url(text: &str, context: &Context<'_>) -> Result<Uri, Flaw> {
    let example = "write it as in \"https://app.example.com/sms\"";
    let flaw = |what: &str| Flaw::new(format!("\"{text}\" {what}"), example);
    let uri: Uri = text.parse().map_err(|_| flaw("is not a URL"))?;
    let authority = uri.authority().ok_or_else(|| flaw("names no host"))?;
    if authority.as_str().contains('@') {
        return Err(Flaw::new(
            "the URL holds a user or a password",
            "leave it out: calls are signed instead",
        ));
    }
    if text.contains('#') {
        return Err(flaw("ends in a fragment, which is never sent"));
    }
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let address: Option<IpAddr> = match bare {
        "localhost" => Some(IpAddr::from([127, 0, 0, 1])),
        bare => bare.parse().ok(),
    };
    let is_listed = address.is_some_and(|address| {
        context.allow_private.as_ref().is_some_and(|allowed| allowed.contains(address))
    });
    if let Some(address) = address
        && !is_listed
        && !crate::net::is_public(address)
    {
        let remedy = format!("add \"{address}\" or its network to http.allow_private");
        return Err(Flaw::new(format!("\"{text}\" is in a private network"), remedy));
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if is_listed => Ok(uri),
        Some("http") => Err(Flaw::new(
            format!("\"{text}\" is not protected"),
            "write https://…; plain http:// is for addresses that http.allow_private lists",
        )),
        _ => Err(flaw("is neither https nor http")),
    }
}

const SECRET: Names =
    Names { what: "secret", plain: "secret", file: "secret_file", env: "secret_env", is_required: true };
const SECRET_OLD: Names = Names {
    what: "secret",
    plain: "secret_old",
    file: "secret_old_file",
    env: "secret_old_env",
    is_required: false,
};
