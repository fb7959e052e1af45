//! `reload`: asks the daemon to read its configuration again, and shows what came of it.

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::Reload;
use super::ask::{AskError, Asker};
use super::message::word;
use super::{FAILED, WRONG, fail, print};

pub(super) fn reload(reload: &Reload) -> ExitCode {
    let answer = Asker::find(&reload.daemon).and_then(|asker| asker.post("/reload", &json!({})));
    match answer {
        Ok(told) if reload.json => print(&format!("{told}\n")),
        Ok(told) => {
            eprint!("{}", complaints(&told["warnings"], "warning: "));
            print(&done(&told))
        }
        Err(AskError::Refused { body, .. }) if body["problems"].is_array() => {
            if reload.json {
                let _ = print(&format!("{body}\n"));
                return ExitCode::from(WRONG);
            }
            eprint!("{}", complaints(&body["problems"], ""));
            fail(WRONG, word(&body["detail"]))
        }
        Err(error) => fail(FAILED, error),
    }
}

fn done(told: &Value) -> String {
    let mut lines = format!(
        "reloaded: {} service(s), {} upstream(s)\n",
        word(&told["services"]),
        word(&told["upstreams"])
    );
    let keys: Vec<_> = told["needs_restart"].as_array().into_iter().flatten().map(word).collect();
    if !keys.is_empty() {
        let _ = writeln!(lines, "needs a restart: {}", keys.join(", "));
    }
    lines
}

/// As `trunkline check` shows them.
fn complaints(all: &Value, before: &str) -> String {
    let mut lines = String::new();
    for complaint in all.as_array().into_iter().flatten() {
        let _ = write!(lines, "{before}{}", word(&complaint["file"]));
        if complaint["line"].as_u64().is_some_and(|line| line > 0) {
            let _ = write!(lines, ":{}", complaint["line"]);
        }
        let key = complaint["key"].as_str().unwrap_or_default();
        let _ = match key {
            "" => write!(lines, ": {}", word(&complaint["what"])),
            key => write!(lines, ": {key}: {}", word(&complaint["what"])),
        };
        lines.push('\n');
        if let Some(remedy) = complaint["remedy"].as_str().filter(|remedy| !remedy.is_empty()) {
            let _ = writeln!(lines, "    {remedy}");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_of_it_reads_as_a_check_does() {
        let problems = json!([
            { "file": "a.toml", "line": 3, "key": "service.x.rate", "what": "is wrong", "remedy": "mend it" },
            { "file": "b.toml", "line": 0, "key": "", "what": "cannot be read", "remedy": "" },
        ]);
        let expected = "a.toml:3: service.x.rate: is wrong\n    mend it\nb.toml: cannot be read\n";
        assert_eq!(complaints(&problems, ""), expected);
        let told = json!({ "services": 2, "upstreams": 1, "needs_restart": ["smpp.tls"], "warnings": [] });
        assert_eq!(done(&told), "reloaded: 2 service(s), 1 upstream(s)\nneeds a restart: smpp.tls\n");
    }
}
