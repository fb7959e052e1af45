//! Push_CRA: reports and incoming messages that the vendor posts (§3).
//!
//! `to` is always the mobile and `from` always the service's number, for incoming messages too.

use std::fmt;

use serde_json::{Map, Value, json};

use super::json::{self, Unreadable};
use super::send::REFERENCE_OCTETS_MAX;
use super::{Part, State, Vocabulary, read_date, write_date_s};

/// Reports in one body; beyond it the body is refused.
pub const REPORTS_MAX: usize = 1_000;

/// One thing that happened: an entry of a `status_list` with what its `sms` says.
#[derive(Clone, Eq, PartialEq)]
pub struct Report {
    /// The service id, empty if it was not said.
    pub username: String,
    /// The mobile, empty if it was not said.
    pub to: String,
    /// The service's number, empty if it was not said.
    pub from: String,
    /// When it happened, UTC milliseconds.
    pub date_ms: Option<u64>,
    /// Id of the message that was sent; `None` for an incoming one.
    pub call_id: Option<String>,
    /// The client's reference.
    pub ref_externe: Option<String>,
    /// What happened.
    pub kind: State,
    /// The text of an incoming message.
    pub info: Option<String>,
    /// Of which part.
    pub part: Option<Part>,
}

/// Reads a body, whatever its content type: one [`Report`] for each entry of each `status_list`.
///
/// An `sms` without entries is one report of its `status`. A single object is taken for an array of one. What is of
/// another type or too long to be what it should be counts as absent; an entry without any state is passed over.
///
/// # Errors
/// [`Unreadable`]: no JSON, or no `sms` in it, or more than [`REPORTS_MAX`] entries.
pub fn read(body: &[u8]) -> Result<Vec<Report>, Unreadable> {
    let top = json::object(body, "status_report")?;
    let report = match top.get("status_report") {
        Some(Value::Object(report)) => report,
        Some(_) => return Err(Unreadable::Member("status_report")),
        None => &top,
    };
    let username = json::text(report, "username", FIELD_OCTETS_MAX).unwrap_or_default();
    let all = json::list(report.get("sms"));
    if all.is_empty() && !matches!(report.get("sms"), Some(Value::Array(_))) {
        return Err(Unreadable::Member("sms"));
    }
    let mut reports = Vec::new();
    for sms in all.iter().filter_map(Value::as_object) {
        let word = |name| json::text(sms, name, FIELD_OCTETS_MAX);
        let whole = Report {
            username: username.clone(),
            to: word("to").unwrap_or_default(),
            from: word("from").unwrap_or_default(),
            date_ms: word("date").and_then(|date| read_date(&date, false)),
            call_id: word("call_id").filter(|id| !id.is_empty()),
            ref_externe: json::text(sms, "ref_externe", REFERENCE_OCTETS_MAX).filter(|id| !id.is_empty()),
            kind: State::New,
            info: None,
            part: part_of(sms),
        };
        let entries = json::list(sms.get("status_list"));
        if entries.is_empty()
            && let Some(status) = word("status")
        {
            let info = json::text(sms, "info", usize::MAX);
            reports.push(Report { kind: State::read(&status), info, ..whole.clone() });
        }
        for entry in entries.iter().filter_map(Value::as_object) {
            let word = |name| json::text(entry, name, FIELD_OCTETS_MAX);
            let Some(kind) = word("type").or_else(|| word("status")) else { continue };
            if reports.len() >= REPORTS_MAX {
                return Err(Unreadable::TooMany);
            }
            reports.push(Report {
                kind: State::read(&kind),
                date_ms: word("date").and_then(|date| read_date(&date, false)).or(whole.date_ms),
                info: json::text(entry, "info", usize::MAX),
                part: part_of(entry).or(whole.part),
                ..whole.clone()
            });
        }
        if reports.len() > REPORTS_MAX {
            return Err(Unreadable::TooMany);
        }
    }
    Ok(reports)
}

fn part_of(members: &Map<String, Value>) -> Option<Part> {
    Part::read(&json::text(members, "part", FIELD_OCTETS_MAX)?)
}

/// Numbers, references and texts are not shown.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("username", &self.username)
            .field("call_id", &self.call_id)
            .field("kind", &self.kind)
            .field("date_ms", &self.date_ms)
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}

/// One state to push: an `sms` whose `status_list` has one entry, as in the document's examples.
#[derive(Clone, Copy)]
pub struct Pushed<'a> {
    /// The mobile, `+33…`.
    pub to: &'a str,
    /// The service's number, `093…`.
    pub from: &'a str,
    /// When it happened, UTC milliseconds; written in seconds.
    pub date_ms: u64,
    /// Id of the message that was sent, empty for an incoming one.
    pub call_id: &'a str,
    /// The client's reference.
    pub ref_externe: Option<&'a str>,
    /// What happened.
    pub state: &'a State,
    /// The text of an incoming message.
    pub info: Option<&'a str>,
    /// Of which part. Invented: the document shows none.
    pub part: Option<Part>,
}

/// Writes one push with these states, usually one.
#[must_use]
pub fn write(username: &str, all: &[Pushed<'_>], vocabulary: Vocabulary) -> Vec<u8> {
    let sms: Vec<Value> = all.iter().map(|sms| sms.value(vocabulary)).collect();
    let body = json!({ "status_report": { "username": username, "sms": sms } });
    serde_json::to_vec(&body).unwrap_or_default()
}

impl Pushed<'_> {
    fn value(&self, vocabulary: Vocabulary) -> Value {
        let date = write_date_s(self.date_ms);
        let state = self.state.write(vocabulary);
        let mut entry = Map::new();
        entry.insert("date".to_owned(), json!(date));
        entry.insert("type".to_owned(), json!(state));
        if let Some(info) = self.info {
            entry.insert("info".to_owned(), json!(info));
        }
        if let Some(part) = self.part {
            entry.insert("part".to_owned(), json!(part.to_string()));
        }
        let mut sms = Map::new();
        sms.insert("to".to_owned(), json!(self.to));
        sms.insert("from".to_owned(), json!(self.from));
        sms.insert("date".to_owned(), json!(date));
        sms.insert("call_id".to_owned(), json!(self.call_id));
        if let Some(reference) = self.ref_externe {
            sms.insert("ref_externe".to_owned(), json!(reference));
        }
        sms.insert("status_list".to_owned(), json!([entry]));
        sms.insert("status".to_owned(), json!(state));
        Value::Object(sms)
    }
}

/// A number, an id, a date or a state longer than this is none.
const FIELD_OCTETS_MAX: usize = 128;
