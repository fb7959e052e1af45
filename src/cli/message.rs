//! `send`, `status` and `dead-letters`: asked of the daemon, shown as lines or as its JSON.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{DeadLetters, Send, Status};
use super::ask::{AskError, Asker};
use super::table::{Terminal, tone_of};
use super::{FAILED, fail, print};

/// How often `--watch` looks.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn send(send: &Send) -> ExitCode {
    let mut body = json!({ "to": send.to, "text": send.text });
    for (name, value) in [("from", &send.from), ("service", &send.service)] {
        if let Some(value) = value {
            body[name] = value.as_str().into();
        }
    }
    let answer = Asker::find(&send.daemon).and_then(|asker| asker.post("/messages", &body));
    shown(answer, send.json, |sent| {
        format!(
            "{}  accepted for service {}: {}, {} segment(s)\n",
            word(&sent["id"]),
            word(&sent["service"]),
            word(&sent["alphabet"]),
            word(&sent["segments"]),
        )
    })
}

pub(super) fn status(status: &Status) -> ExitCode {
    let Some(id) = &status.id else { return super::list::overview(status) };
    let is_word = id.bytes().all(|c| c.is_ascii_alphanumeric());
    if id.is_empty() || !is_word {
        return fail(super::WRONG, "a message id has 24 hexadecimal digits; `last` is the message sent last");
    }
    let asker = match Asker::find(&status.daemon) {
        Ok(asker) => asker,
        Err(error) => return fail(FAILED, error),
    };
    let path = format!("/messages/{id}");
    if !status.watch {
        return shown(asker.get(&path), status.json, |message| {
            format!("{}{}", head(message), events(message, 0))
        });
    }
    let mut seen = None;
    loop {
        let message = match asker.get(&path) {
            Ok(message) => message,
            Err(error) => return fail(FAILED, error),
        };
        let count = message["history"].as_array().map_or(0, Vec::len);
        match seen {
            _ if status.json && seen == Some(count) => {}
            _ if status.json => drop(print(&format!("{message}\n"))),
            None => drop(print(&format!("{}{}", head(&message), events(&message, 0)))),
            Some(before) => drop(print(&events(&message, before))),
        }
        seen = Some(count);
        if message["final"] == true {
            let state = word(&message["state"]);
            return if status.json {
                ExitCode::SUCCESS
            } else {
                print(&format!("{}\n", Terminal::of_stdout().paint(&state, tone_of(&state))))
            };
        }
        std::thread::sleep(LOOK);
    }
}

pub(super) fn dead_letters(dead: &DeadLetters) -> ExitCode {
    let asker = match Asker::find(&dead.daemon) {
        Ok(asker) => asker,
        Err(error) => return fail(FAILED, error),
    };
    match &dead.revive {
        Some(service) if !service.bytes().all(|c| c.is_ascii_graphic() && !b"/?#%".contains(&c)) => {
            fail(super::WRONG, "that is not the id of a service")
        }
        Some(service) => shown(asker.post(&format!("/dead/{service}"), &json!({})), dead.json, |told| {
            format!(
                "{} dead letter(s) of {} are tried again\n",
                word(&told["dead_letters"]),
                word(&told["service"])
            )
        }),
        None => shown(asker.get("/dead"), dead.json, |letters| match letters.as_array() {
            Some(letters) if !letters.is_empty() => letters.iter().map(letter).collect(),
            _ => "no dead letters\n".to_owned(),
        }),
    }
}

/// Prints an answer as it came, or in words; or why there is none.
pub(super) fn shown(
    answer: Result<Value, AskError>,
    as_json: bool,
    in_words: impl FnOnce(&Value) -> String,
) -> ExitCode {
    match answer {
        Ok(value) if as_json => print(&format!("{value}\n")),
        Ok(value) => print(&in_words(&value)),
        Err(error) => fail(FAILED, error),
    }
}

/// What a message is, without what happened to it.
fn head(message: &Value) -> String {
    let state = word(&message["state"]);
    let mut lines =
        format!("{}  {}\n", word(&message["id"]), Terminal::of_stdout().paint(&state, tone_of(&state)));
    for (label, member) in [
        ("from", "from"),
        ("to", "to"),
        ("service", "service"),
        ("upstream", "upstream"),
        ("segments", "segments"),
        ("accepted", "accepted"),
        ("arrived", "arrived"),
        ("expires", "expires"),
    ] {
        if !message[member].is_null() {
            let _ = writeln!(lines, "  {label:<9} {}", word(&message[member]));
        }
    }
    for part in message["parts"].as_array().into_iter().flatten() {
        if !part["upstream_id"].is_null() {
            let _ = writeln!(
                lines,
                "  part {:<4} {} as {}",
                word(&part["part"]),
                word(&part["state"]),
                word(&part["upstream_id"])
            );
        }
    }
    lines
}

/// What happened to a message, without the first `seen` events.
fn events(message: &Value, seen: usize) -> String {
    let mut lines = String::new();
    for event in message["history"].as_array().into_iter().flatten().skip(seen) {
        let _ = write!(lines, "  {}  {}", word(&event["at"]), word(&event["what"]));
        if !event["part"].is_null() {
            let _ = write!(lines, " (part {})", word(&event["part"]));
        }
        if !event["detail"].is_null() {
            let _ = write!(lines, ": {}", word(&event["detail"]));
        }
        lines.push('\n');
    }
    lines
}

pub(super) fn letter(letter: &Value) -> String {
    format!(
        "{}  {}  message {}  {} {}  refused {} time(s)\n",
        word(&letter["since"]),
        word(&letter["service"]),
        word(&letter["message"]),
        word(&letter["kind"]),
        word(&letter["detail"]),
        word(&letter["refused"]),
    )
}

/// A value without the quotes of a text.
pub(super) fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_in_lines() {
        let message = json!({
            "id": "66018af8c8ab4e0ca97532f1", "state": "delivered", "final": true, "service": "shop", "from": null,
            "to": "33612345678", "parts": [{ "part": 1, "state": "DELIVERED", "upstream_id": "a1" }],
            "history": [
                { "at": "2026-11-22T10:00:00.000Z", "what": "accepted", "detail": null, "part": null },
                { "at": "2026-11-22T10:00:01.000Z", "what": "receipt", "detail": "DELIVERED", "part": 1 },
            ],
        });
        let told = format!("{}{}", head(&message), events(&message, 0));
        let expected = "\
66018af8c8ab4e0ca97532f1  delivered
  to        33612345678
  service   shop
  part 1    DELIVERED as a1
  2026-11-22T10:00:00.000Z  accepted
  2026-11-22T10:00:01.000Z  receipt (part 1): DELIVERED
";
        assert_eq!(told, expected);
        assert_eq!(events(&message, 1).lines().count(), 1);
    }
}
