//! A service's HTTP side: its REST login, its API keys, its webhooks, its opt-out words.

use std::collections::HashSet;

use super::Context;
use super::problem::Flaw;
use super::read::{Section, text};
use super::secret::{Names, read_secret};
use super::service::end_of;
use super::webhook::{self, SECRET_OCTETS_MIN, Webhook, check_name};
use crate::gateway::settings::{Channels, Endpoint, OptOut, Profile};
use crate::http::v1::{ApiKey, Scopes, sha256};
use crate::net::{AllowFrom, Secret};

/// A service, as far as HTTP is concerned; one for each, in their order.
#[derive(Clone, Debug)]
pub struct HttpService {
    /// Its id.
    pub service: String,
    /// Which table counts its segments.
    pub profile: Profile,
    /// Requests per second of each HTTP interface; 0: no limit.
    pub rate: u32,
    /// Addresses it may come from. `None`: any.
    pub allow_from: Option<AllowFrom>,
    /// Its login at the TimeToChat interface, if it may use that.
    pub rest: Option<Rest>,
    /// What opens the native interface.
    pub keys: Vec<ApiKey>,
    /// Where it is told what happens.
    pub webhooks: Vec<Webhook>,
}

impl HttpService {
    /// Whether HTTP has anything to do with it.
    pub(super) fn is_used(&self) -> bool {
        self.rest.is_some() || !self.keys.is_empty() || !self.webhooks.is_empty()
    }
}

/// A login at the TimeToChat interface.
#[derive(Clone, Debug)]
pub struct Rest {
    /// The `service_id` of its paths.
    pub id: String,
    /// What a token is asked for with.
    pub password: Secret,
    /// States are written as `CRA_SMS_SENT` and the like.
    pub long_states: bool,
    /// What becomes of a text that GSM 03.38 does not hold and that was not said to be Unicode.
    pub outside_gsm: OutsideGsm,
}

/// What becomes of a character outside GSM 03.38 with `unicode: false` (SEMANTICS 19).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OutsideGsm {
    /// The text goes as UCS-2.
    #[default]
    Promote,
    /// It is refused.
    Refuse,
    /// It is written in GSM 03.38, as well as that goes.
    Transliterate,
}

/// What the gateway has to know of it.
pub(super) struct Told {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) receipts: Channels,
    pub(super) incoming: Channels,
    pub(super) opt_out: Option<OptOut>,
}

/// Reads the HTTP side of `[[service]]`; `password` is the one that it binds with.
pub(super) fn read(
    section: &mut Section<'_>,
    service: &str,
    profile: Profile,
    password: Option<&super::Secret>,
    context: &Context<'_>,
) -> (HttpService, Told) {
    let rest = read_rest(section, service, password, context);
    let keys: Vec<ApiKey> =
        section.tables("key").into_iter().filter_map(|key| read_key(key, service, context)).collect();
    let mut hooks: Vec<_> = webhook::read_push(section, service, context).into_iter().collect();
    hooks.extend(
        section.tables("webhook").into_iter().filter_map(|hook| webhook::read(hook, service, context)),
    );
    let (endpoints, webhooks): (Vec<_>, Vec<_>) = hooks.into_iter().unzip();
    let receipts = section.choice("receipts", Channels::Same, CHANNELS);
    let incoming = section.choice("mo", Channels::Same, CHANNELS);
    for (key, channels, fits) in [
        ("receipts", receipts, endpoints.iter().any(|endpoint: &Endpoint| endpoint.receipts)),
        ("mo", incoming, endpoints.iter().any(|endpoint: &Endpoint| endpoint.incoming)),
    ] {
        if matches!(channels, Channels::Webhook | Channels::Both) && !fits {
            section.refuse(
                key,
                "there is no webhook that takes them",
                "add push_url or a [[service.webhook]]",
            );
        }
    }
    let opts_out = section.has("opt_out");
    let opt_out = read_opt_out(section.table("opt_out"));
    let http = HttpService {
        service: service.to_owned(),
        profile,
        rate: section.count_u32("http_rate", super::service::RATE, 0, 1_000_000),
        allow_from: super::network::read_allow_from(section, "http_allow_from"),
        rest,
        keys,
        webhooks,
    };
    (http, Told { endpoints, receipts, incoming, opt_out: opts_out.then_some(opt_out) })
}

fn read_rest(
    section: &mut Section<'_>,
    service: &str,
    password: Option<&super::Secret>,
    context: &Context<'_>,
) -> Option<Rest> {
    let is_wanted = section.flag("rest", false);
    let id = section.text("rest_id").unwrap_or_else(|| service.to_owned());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if is_wanted && (id.is_empty() || id.len() > 64 || !id.chars().all(is_plain)) {
        let remedy = "write rest_id = \"…\" with at most 64 letters, digits, -, _ and .";
        section.refuse("rest_id", format!("\"{id}\" does not fit into a path"), remedy);
    }
    let own = read_secret(section, &REST_PASSWORD, context.environment);
    let long_states = section.choice("rest_states", false, &[("short", false), ("long", true)]);
    let outside_gsm = section.choice("outside_gsm", OutsideGsm::Promote, OUTSIDE_GSM);
    if !is_wanted {
        for key in ["rest_id", "rest_password_file", "rest_password_env", "rest_states", "outside_gsm"] {
            if section.has(key) {
                section.warn(key, "has no effect: the service has no REST login", "add rest = true");
            }
        }
        return None;
    }
    let password = own.as_ref().or(password)?;
    let password = Secret::new(password.reveal().to_owned());
    Some(Rest { id, password, long_states, outside_gsm })
}

fn read_key(mut section: Section<'_>, service: &str, context: &Context<'_>) -> Option<ApiKey> {
    let id = section.required_text("id", "backend");
    check_name(&section, &id);
    let secret = read_secret(&mut section, &KEY, context.environment);
    if secret.as_ref().is_some_and(|secret| secret.reveal().len() < SECRET_OCTETS_MIN) {
        let what = format!("the key has less than {SECRET_OCTETS_MIN} octets");
        section.refuse("key_file", what, "make one with: openssl rand -hex 32");
    }
    let scopes = section.read("scopes", |value| {
        let remedy = || {
            let all: Vec<_> = Scopes::NAMED.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            format!("list some of {}", all.join(", "))
        };
        let items = value.as_array().ok_or_else(|| Flaw::new("is not a list of scopes", remedy()))?;
        let mut scopes = Scopes::NONE;
        for item in items.iter() {
            let name = text(item.get_ref())?;
            let scope = Scopes::named(name)
                .ok_or_else(|| Flaw::new(format!("\"{name}\" is not a scope"), remedy()))?;
            scopes = scopes | scope;
        }
        if scopes == Scopes::NONE {
            Err(Flaw::new("is empty: it would open nothing", remedy()))
        } else {
            Ok(scopes)
        }
    });
    let not_after_ms = section.read("ends", |value| end_of(value, &context.timezone));
    section.end();
    let secret_sha256 = sha256(secret?.reveal().as_bytes());
    Some(ApiKey {
        id,
        service: service.to_owned(),
        secret_sha256,
        scopes: scopes.unwrap_or(Scopes::ALL),
        not_after_ms,
    })
}

fn read_opt_out(mut section: Section<'_>) -> OptOut {
    let mut words = |key, usual: &[&str]| -> HashSet<String> {
        let word = |word: &str| word.trim().to_uppercase();
        match section.list(key) {
            Some(words) => words.iter().map(|w| word(w)).filter(|word| !word.is_empty()).collect(),
            None => usual.iter().map(|w| word(w)).collect(),
        }
    };
    let (stop, start) = (words("stop", STOP), words("start", START));
    if let Some(both) = stop.intersection(&start).next() {
        section.refuse("start", format!("\"{both}\" is in stop as well"), "take it out of one of them");
    }
    let opt_out =
        OptOut { stop, start, stop_text: section.text("stop_text"), start_text: section.text("start_text") };
    section.end();
    opt_out
}

/// Words by which people leave, in English and French.
const STOP: &[&str] = &[
    "STOP",
    "STOPALL",
    "STOP ALL",
    "UNSUBSCRIBE",
    "CANCEL",
    "END",
    "QUIT",
    "STOP SMS",
    "ARRET",
    "ARRÊT",
    "ARRETER",
    "ARRÊTER",
    "DESABO",
    "DÉSABO",
    "DESABONNER",
    "DÉSABONNER",
    "DESABONNEMENT",
    "DÉSABONNEMENT",
    "DESINSCRIPTION",
    "DÉSINSCRIPTION",
    "DESINSCRIRE",
    "DÉSINSCRIRE",
];

/// Words by which they come back. Neither "yes" nor "oui": these answer other questions too.
const START: &[&str] =
    &["START", "UNSTOP", "SUBSCRIBE", "REABO", "RÉABO", "REABONNEMENT", "RÉABONNEMENT", "REPRISE"];

const CHANNELS: &[(&str, Channels)] = &[
    ("same", Channels::Same),
    ("smpp", Channels::Smpp),
    ("webhook", Channels::Webhook),
    ("both", Channels::Both),
];

const OUTSIDE_GSM: &[(&str, OutsideGsm)] = &[
    ("promote", OutsideGsm::Promote),
    ("refuse", OutsideGsm::Refuse),
    ("transliterate", OutsideGsm::Transliterate),
];

const REST_PASSWORD: Names = Names {
    what: "password",
    plain: "rest_password",
    file: "rest_password_file",
    env: "rest_password_env",
    is_required: false,
};

const KEY: Names = Names { what: "key", plain: "key", file: "key_file", env: "key_env", is_required: true };
