//! `messages` and `status` without an id: what the daemon has, as tables.

use std::process::ExitCode;

use serde_json::Value;

use super::args::{Messages, Status};
use super::ask::{AskError, Asker, encoded};
use super::message::{shown, word};
use super::table::{Table, Terminal, Tone, tone_of};
use super::{WRONG, fail};
use crate::config::duration;

pub(super) fn messages(asked: &Messages) -> ExitCode {
    let mut query = vec![format!("limit={}", asked.limit)];
    for (name, value) in [
        ("service", &asked.service),
        ("number", &asked.number),
        ("reference", &asked.reference),
        ("state", &asked.state),
    ] {
        query.extend(value.as_ref().map(|value| format!("{name}={}", encoded(value))));
    }
    if asked.incoming {
        query.push("incoming=true".into());
    }
    if let Some(since) = &asked.since {
        match since_ms(since) {
            Ok(ms) => query.push(format!("since_ms={ms}")),
            Err(why) => return fail(WRONG, why),
        }
    }
    let path = format!("/messages?{}", query.join("&"));
    shown(Asker::find(&asked.daemon).and_then(|asker| asker.get(&path)), asked.json, |answer| {
        listed(answer, Terminal::of_stdout())
    })
}

/// `30m` ago, or a time as RFC 3339 has it, in UTC milliseconds.
fn since_ms(since: &str) -> Result<u64, String> {
    if let Ok(ago) = duration(since) {
        let now = crate::clock::Clock::system().utc_ms();
        return Ok(now.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)));
    }
    let time: jiff::Timestamp = since
        .parse()
        .map_err(|_| format!("--since {since}: write 30m, 24h, 7d, or a time as 2026-11-22T10:00:00Z"))?;
    Ok(u64::try_from(time.as_millisecond()).unwrap_or(0))
}

fn listed(answer: &Value, terminal: Terminal) -> String {
    let all = answer["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut table = Table::new(&["time", "id", "state", "service", "from", "to", "reference"]);
    for message in all {
        let state = word(&message["state"]);
        let tone = tone_of(&state);
        let reference = message["reference"].as_str().unwrap_or_default();
        table.row(vec![
            (word(&message["at"]), Tone::Dim),
            (word(&message["id"]), Tone::Plain),
            (state, tone),
            (word(&message["service"]), Tone::Plain),
            (word(&message["from"]), Tone::Plain),
            (word(&message["to"]), Tone::Plain),
            (reference.to_owned(), Tone::Dim),
        ]);
    }
    let mut lines = if all.is_empty() { "no messages\n".to_owned() } else { table.render(terminal) };
    if answer["more"] == true {
        lines.push_str("there are more: narrow it with --since, --number, --state, or raise --limit\n");
    }
    let unlisted: Vec<_> = answer["unlisted"].as_array().into_iter().flatten().map(word).collect();
    if !unlisted.is_empty() {
        lines.push_str(&format!(
            "not listed, since they do not use HTTP: {} (`trunkline status ID` shows any message)\n",
            unlisted.join(", ")
        ));
    }
    lines
}

/// `status` without an id.
pub(super) fn overview(status: &Status) -> ExitCode {
    let asked = Asker::find(&status.daemon).and_then(|asker| asker.overview());
    shown(asked, status.json, |answer| tables(answer, Terminal::of_stdout()))
}

impl Asker {
    fn overview(&self) -> Result<Value, AskError> {
        Ok(serde_json::json!({
            "services": self.get("/services")?,
            "upstreams": self.get("/upstreams")?,
            "webhooks": self.get("/webhooks")?,
        }))
    }
}

fn tables(answer: &Value, terminal: Terminal) -> String {
    let rows = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let number = |value: &Value| (word(value), Tone::Plain);
    let worth_a_look = |value: &Value| {
        let tone = if value.as_u64().is_some_and(|count| count > 0) { Tone::Bad } else { Tone::Plain };
        (word(value), tone)
    };
    let mut services = Table::new(&[
        "service",
        "accepted>",
        "delivered>",
        "refused>",
        "expired>",
        "unknown>",
        "waiting>",
        "owed>",
        "dead>",
        "month>",
    ]);
    for s in rows("services") {
        services.row(vec![
            (word(&s["id"]), if s["configured"] == true { Tone::Plain } else { Tone::Dim }),
            number(&s["accepted"]),
            number(&s["delivered"]),
            number(&s["refused"]),
            number(&s["expired"]),
            number(&s["unknown"]),
            number(&s["waiting"]),
            number(&s["deliveries_owed"]),
            worth_a_look(&s["dead_letters"]),
            number(&s["month_segments"]),
        ]);
    }
    let mut upstreams = Table::new(&["upstream", "state", "sessions>", "in flight>", "window>", "paused>"]);
    for u in rows("upstreams") {
        let state = if u["sessions"].as_u64().is_some_and(|sessions| sessions > 0) { "up" } else { "down" };
        upstreams.row(vec![
            (word(&u["id"]), Tone::Plain),
            (state.to_owned(), tone_of(state)),
            number(&u["sessions"]),
            number(&u["in_flight"]),
            number(&u["window"]),
            number(&u["paused"]),
        ]);
    }
    let mut parts = vec![services.render(terminal), upstreams.render(terminal)];
    if !rows("webhooks").is_empty() {
        parts.push(super::webhooks::table(&answer["webhooks"], terminal));
    }
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn messages_are_told_in_a_table() {
        let answer = json!({
            "messages": [{
                "id": "66018af8c8ab4e0ca97532f1", "state": "delivered", "service": "shop", "from": "SHOP",
                "to": "33612345678", "reference": "order 7", "at": "2026-11-22T10:00:00.000Z",
            }],
            "more": true, "unlisted": ["old"],
        });
        let expected = "\
time                      id                        state      service  from  to           reference
2026-11-22T10:00:00.000Z  66018af8c8ab4e0ca97532f1  delivered  shop     SHOP  33612345678  order 7
there are more: narrow it with --since, --number, --state, or raise --limit
not listed, since they do not use HTTP: old (`trunkline status ID` shows any message)
";
        assert_eq!(listed(&answer, Terminal::default()), expected);
        assert_eq!(listed(&json!({ "messages": [] }), Terminal::default()), "no messages\n");
    }

    #[test]
    fn a_time_is_written_as_it_is_or_as_how_long_ago() {
        assert_eq!(since_ms("2026-11-22T00:00:00Z"), Ok(1_795_305_600_000));
        assert!(since_ms("30m").is_ok() && since_ms("yesterday").is_err());
    }
}
