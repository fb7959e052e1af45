//! `[rules]`: limits and lifetimes of messages.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::problem::Flaw;
use super::read::Section;
use crate::gateway::settings::Rules;

/// Where months begin and end unless the file says so (SEMANTICS 15).
const TIMEZONE: &str = "Europe/Paris";

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// The rules of a configuration that says nothing about them.
pub fn defaults() -> Rules {
    Rules { timezone: TimeZone::get(TIMEZONE).unwrap_or(TimeZone::UTC), ..Rules::default() }
}

pub(super) fn read(mut section: Section<'_>) -> Rules {
    let usual = defaults();
    let timezone = section.parsed("timezone", |name| {
        let remedy = "write a name of the IANA time zone database, as in \"Europe/Paris\"";
        TimeZone::get(name).map_err(|_| Flaw::new(format!("\"{name}\" is not a time zone"), remedy))
    });
    let country = section.parsed("country", |code| {
        let is_code = (1..=3).contains(&code.len()) && code.bytes().all(|c| c.is_ascii_digit());
        let remedy = "write a country code without + or zeros, as in \"33\"";
        if is_code {
            Ok(code.to_owned())
        } else {
            Err(Flaw::new(format!("\"{code}\" is not a country code"), remedy))
        }
    });
    let rules = Rules {
        validity_default_ms: section.duration_ms(
            "validity_default",
            usual.validity_default_ms,
            MINUTE,
            30 * DAY,
        ),
        validity_max_ms: section.duration_ms("validity_max", usual.validity_max_ms, MINUTE, 30 * DAY),
        receipt_grace_ms: section.duration_ms("receipt_grace", usual.receipt_grace_ms, SECOND, 30 * DAY),
        join_ms: section.duration_ms("join", usual.join_ms, SECOND, DAY),
        joins_max: section.size_of("joins_max", usual.joins_max, 1, 10_000_000),
        delivery_life_ms: section.duration_ms("delivery_life", usual.delivery_life_ms, MINUTE, 365 * DAY),
        delivery_tries: u8::try_from(section.count("delivery_tries", usual.delivery_tries.into(), 1, 255))
            .unwrap_or(u8::MAX),
        delivery_delay_ms: section.duration_ms("delivery_delay", usual.delivery_delay_ms, SECOND / 100, DAY),
        delivery_delay_max_ms: section.duration_ms(
            "delivery_delay_max",
            usual.delivery_delay_max_ms,
            SECOND / 100,
            DAY,
        ),
        early_receipt_ms: section.duration_ms("early_receipt", usual.early_receipt_ms, SECOND, DAY),
        answered_ms: section.duration_ms("answered", usual.answered_ms, MINUTE, 365 * DAY),
        key_life_ms: section.duration_ms("key_life", usual.key_life_ms, MINUTE, 7 * DAY),
        blocked_max: section.size_of("blocked_max", usual.blocked_max, 0, 100_000_000),
        unmatched_max: section.size_of("unmatched_max", usual.unmatched_max, 1, 100_000_000),
        unmatched_life_ms: section.duration_ms("unmatched_life", usual.unmatched_life_ms, MINUTE, 365 * DAY),
        live_max: section.size_of("live_max", usual.live_max, 1_000, 100_000_000),
        timezone: timezone.unwrap_or(usual.timezone),
        country: country.unwrap_or(usual.country),
    };
    if rules.validity_default_ms > rules.validity_max_ms {
        section.refuse(
            "validity_default",
            "is longer than validity_max",
            "raise validity_max, or lower this",
        );
    }
    if rules.delivery_delay_ms > rules.delivery_delay_max_ms {
        section.refuse("delivery_delay", "is longer than delivery_delay_max", "let the delays grow");
    }
    section.end();
    rules
}
