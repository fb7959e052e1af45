//! `webhooks`: how they stand, what they did not take, and telling them again.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{Webhook, Webhooks};
use super::ask::{AskError, Asker};
use super::message::{letter, shown, word};
use super::table::{Table, Terminal, Tone, tone_of};
use super::{FAILED, WRONG, fail, print};

/// How often `--watch` looks.
const LOOK: Duration = Duration::from_millis(200);

pub(super) fn webhooks(asked: &Webhooks) -> ExitCode {
    let asker = match Asker::find(&asked.daemon) {
        Ok(asker) => asker,
        Err(error) => return fail(FAILED, error),
    };
    match &asked.command {
        None => shown(asker.get("/webhooks"), asked.json, |webhooks| match webhooks.as_array() {
            Some(all) if !all.is_empty() => table(webhooks, Terminal::of_stdout()),
            _ => "no webhooks\n".to_owned(),
        }),
        Some(Webhook::Dead { endpoint }) => with(endpoint, |path| {
            shown(asker.get(&format!("{path}/dead")), asked.json, |letters| match letters.as_array() {
                Some(letters) if !letters.is_empty() => letters.iter().map(letter).collect(),
                _ => "no dead letters\n".to_owned(),
            })
        }),
        Some(Webhook::Retry { endpoint, watch }) => with(endpoint, |path| {
            let told = asker.post(&format!("{path}/retry"), &json!({}));
            let is_done = told.is_ok();
            let code = shown(told, asked.json, |told| {
                format!(
                    "{} dead letter(s) of {} are tried again\n",
                    word(&told["dead_letters"]),
                    word(&told["id"])
                )
            });
            if is_done && *watch { follow(&asker, endpoint, asked.json) } else { code }
        }),
        Some(Webhook::Replay { endpoint, after, watch }) => with(endpoint, |path| {
            let told = asker.post(&format!("{path}/replay"), &json!({ "after": after }));
            let is_done = told.is_ok();
            let code = shown(told, asked.json, |told| match told["owed"].as_u64() {
                Some(owed) => format!("{owed} event(s) go to {} again\n", word(&told["id"])),
                None => format!(
                    "many events go to {} again; `trunkline webhooks` shows how far\n",
                    word(&told["id"])
                ),
            });
            if is_done && *watch { follow(&asker, endpoint, asked.json) } else { code }
        }),
    }
}

/// Does something with the path of an endpoint, which is called `service/name`.
fn with(endpoint: &str, work: impl FnOnce(&str) -> ExitCode) -> ExitCode {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-_./".contains(&c);
    if endpoint.matches('/').count() != 1 || !endpoint.bytes().all(is_plain) {
        return fail(WRONG, "a webhook is called service/name; `trunkline webhooks` lists them");
    }
    work(&format!("/webhooks/{endpoint}"))
}

/// Shows how what is owed to a webhook gets less, until nothing is.
fn follow(asker: &Asker, endpoint: &str, as_json: bool) -> ExitCode {
    let mut progress = Progress::new();
    loop {
        let all = match asker.get("/webhooks") {
            Ok(all) => all,
            Err(error) => return fail(FAILED, error),
        };
        let one = all.as_array().into_iter().flatten().find(|one| one["id"] == endpoint);
        let Some(one) = one else { return fail(FAILED, AskError::gone(endpoint)) };
        let left = one["waiting"].as_u64().unwrap_or(0) + one["under_way"].as_u64().unwrap_or(0);
        progress.show(&format!(
            "{endpoint}: {} waiting, {} under way, {} dead",
            word(&one["waiting"]),
            word(&one["under_way"]),
            word(&one["dead"])
        ));
        if left == 0 {
            progress.end();
            return if as_json { print(&format!("{one}\n")) } else { ExitCode::SUCCESS };
        }
        std::thread::sleep(LOOK);
    }
}

/// One line that is written over on a terminal; elsewhere, a line for each change.
struct Progress {
    is_terminal: bool,
    last: String,
}

impl Progress {
    fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), last: String::new() }
    }

    fn show(&mut self, line: &str) {
        if line == self.last {
            return;
        }
        let mut err = std::io::stderr().lock();
        let _ = if self.is_terminal { write!(err, "\r\x1b[K{line}") } else { writeln!(err, "{line}") };
        let _ = err.flush();
        line.clone_into(&mut self.last);
    }

    fn end(&self) {
        if self.is_terminal {
            eprintln!();
        }
    }
}

pub(super) fn table(webhooks: &Value, terminal: Terminal) -> String {
    let mut table =
        Table::new(&["webhook", "state", "waiting>", "under way>", "window>", "dead>", "breaker"]);
    for hook in webhooks.as_array().into_iter().flatten() {
        let state = word(&hook["state"]);
        let is_dead = hook["dead"].as_u64().is_some_and(|dead| dead > 0);
        table.row(vec![
            (word(&hook["id"]), Tone::Plain),
            (state.clone(), tone_of(&state)),
            (word(&hook["waiting"]), Tone::Plain),
            (word(&hook["under_way"]), Tone::Plain),
            (word(&hook["window"]), Tone::Plain),
            (word(&hook["dead"]), if is_dead { Tone::Bad } else { Tone::Plain }),
            (hook["breaker"].as_str().unwrap_or_default().to_owned(), Tone::Dim),
        ]);
    }
    table.render(terminal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_are_told_in_a_table() {
        let hooks = json!([{ "id": "shop/push", "state": "paused", "waiting": 12, "under_way": 0, "window": 0,
                             "dead": 3, "breaker": "open" }]);
        let expected = "\
webhook    state   waiting  under way  window  dead  breaker
shop/push  paused       12          0       0     3  open
";
        assert_eq!(table(&hooks, Terminal::default()), expected);
    }

    #[test]
    fn a_webhook_is_named_with_its_service() {
        for wrong in ["shop", "shop/push/x", "shop/a b", "../push?"] {
            assert_eq!(with(wrong, |_| ExitCode::SUCCESS), ExitCode::from(WRONG), "{wrong}");
        }
        let mut path = String::new();
        let _ = with("shop/push", |found| {
            path = found.to_owned();
            ExitCode::SUCCESS
        });
        assert_eq!(path, "/webhooks/shop/push");
    }
}
