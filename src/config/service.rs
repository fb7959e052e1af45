//! `[[service]]`: one of our customers.

use std::collections::HashSet;
use std::fs;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::de::DeValue;

use super::Context;
use super::network;
use super::problem::Flaw;
use super::read::{Section, text};
use super::rest::{self, HttpService};
use super::secret::read_password;
use crate::gateway::settings::{self, LongMode, Profile, normalise};
use crate::http::address_of;
use crate::net;
use crate::smpp;

/// Requests per second of a service that names no rate.
pub const RATE: u32 = 20;
/// Sessions of a service that names no limit.
pub const BIND_LIMIT: u32 = 10;
/// Messages of a service that may wait, if it names no number.
pub const WAITING_MAX: u64 = 1_000_000;
/// deliver_sm unanswered on one session, if the service names no number.
pub const DELIVER_WINDOW: u32 = 100;

pub(super) const LONG_MODES: &[(&str, LongMode)] =
    &[("payload", LongMode::Payload), ("udh", LongMode::Udh), ("sar", LongMode::Sar)];
pub(super) const PROFILES: &[(&str, Profile)] =
    &[("standard", Profile::Standard), ("timetochat", Profile::TimeToChat)];

/// The service as the gateway, SMPP and HTTP know it.
pub(super) fn read(
    mut section: Section<'_>,
    context: &Context<'_>,
) -> (settings::Service, smpp::Account, HttpService) {
    let country = &context.country;
    let id = section.required_text("id", "shop");
    let system_id = section.text("system_id").unwrap_or_else(|| id.clone());
    if system_id.len() > 15 {
        section.refuse("system_id", "is longer than 15 octets", "an SMPP system_id has at most 15");
    }
    let password = read_password(&mut section, context.environment);
    let octets = password.as_ref().map_or(0, |password| password.reveal().len());
    if octets > 64 {
        section.refuse("password_file", "the password is longer than 64 octets", "SMPP 3.4 allows 8");
    } else if octets > 8 {
        section.warn(
            "password_file",
            "the password is longer than 8 octets",
            "SMPP 3.4 allows 8; some client libraries cut or refuse a longer one",
        );
    }
    let profile = section.choice("profile", Profile::Standard, PROFILES);
    let senders = section.read("senders", |value| senders(value, country)).flatten();
    let default_sender = section.parsed("default_sender", |sender| {
        let remedy = "a sender has at most 20 characters";
        address_of(sender, country)
            .map_err(|error| Flaw::new(format!("\"{sender}\" is no sender: {error}"), remedy))
    });
    if let (Some(sender), Some(senders)) = (&default_sender, &senders)
        && !std::str::from_utf8(sender.as_bytes()).is_ok_and(|sender| senders.contains(sender))
    {
        section.refuse("default_sender", "is none of the senders", "add it to senders, or take one of them");
    }
    if !section.has("senders") {
        section.refuse(
            "senders",
            "is missing",
            "list the senders that the service may use, or write senders = \"any\"",
        );
    }
    let mut blacklist: HashSet<String> = section
        .list("blacklist")
        .unwrap_or_default()
        .iter()
        .map(|number| normalise(number, country))
        .collect();
    if let Some(path) = section.path("blacklist_file") {
        match fs::read_to_string(&path) {
            Ok(lines) => blacklist.extend(numbers(&lines).map(|number| normalise(number, country))),
            Err(error) => {
                let what = format!("{} cannot be read: {error}", path.display());
                section.refuse("blacklist_file", what, "it holds one number a line; # begins a comment");
            }
        }
    }
    let ends_at_ms = section.read("ends", |value| end_of(value, &context.timezone));
    let (http, told) = rest::read(&mut section, &id, profile, password.as_ref(), context);
    let service = settings::Service {
        profile,
        senders,
        default_sender,
        blacklist,
        monthly_limit: section.count_if("monthly_limit", 1, u64::MAX),
        ends_at_ms,
        waiting_max: section.count("waiting_max", WAITING_MAX, 1, 1_000_000_000),
        strict_order: section.flag("strict_order", false),
        deliver_long: section.choice("deliver_long", LongMode::Payload, LONG_MODES),
        deliver_window: section.count_u32("deliver_window", DELIVER_WINDOW, 1, 100_000),
        weight: section.count_u32("weight", 1, 1, 1_000),
        watched: http.is_used(),
        endpoints: told.endpoints,
        receipts: told.receipts,
        incoming: told.incoming,
        opt_out: told.opt_out,
        id: id.clone(),
    };
    let allow_from = network::read_allow_from(&mut section, "allow_from");
    let account = smpp::Account {
        service: id,
        system_id,
        password: net::Secret::new(password.map(|secret| secret.reveal().to_owned()).unwrap_or_default()),
        bind_limit: section.count_u32("bind_limit", BIND_LIMIT, 1, 10_000),
        rate: section.count_u32("rate", RATE, 0, 1_000_000),
        profile,
        allow_from,
        enquire_link: None,
    };
    section.end();
    (service, account, http)
}

/// `"any"` or a list of senders, normalised.
fn senders(value: &DeValue<'_>, country: &str) -> Result<Option<HashSet<String>>, Flaw> {
    let remedy = "write senders = [\"33930000000\", \"SHOP\"], or senders = \"any\"";
    match value {
        DeValue::String(word) if word == "any" => Ok(None),
        DeValue::Array(items) if items.is_empty() => {
            Err(Flaw::new("is empty, so nothing could be sent", remedy))
        }
        DeValue::Array(items) => {
            let each = |item: &toml::Spanned<DeValue<'_>>| {
                text(item.get_ref()).map(|sender| normalise(sender, country))
            };
            items.iter().map(each).collect::<Result<_, _>>().map(Some)
        }
        _ => Err(Flaw::new("is neither a list nor \"any\"", remedy)),
    }
}

/// The first millisecond after the day `value`, in the configured time zone.
pub(super) fn end_of(value: &DeValue<'_>, timezone: &TimeZone) -> Result<u64, Flaw> {
    let flaw = || Flaw::new("is not a date", "write the last day, as in ends = 2027-12-31");
    let written = match value {
        DeValue::Datetime(date) => date.to_string(),
        other => text(other).map_err(|_| flaw())?.to_owned(),
    };
    let day: Date = written.parse().map_err(|_| flaw())?;
    let end = day.tomorrow().and_then(|next| next.to_zoned(timezone.clone())).map_err(|_| flaw())?;
    u64::try_from(end.timestamp().as_millisecond()).map_err(|_| flaw())
}

/// The numbers of a file: one a line, `#` begins a comment.
fn numbers(lines: &str) -> impl Iterator<Item = &str> {
    lines
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|number| !number.is_empty())
}
