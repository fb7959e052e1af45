//! Bodies and queries: read within bounds, checked member by member, every fault told at once.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value};

use crate::http::problem::{Fault, Problem};

/// A JSON body, not looked at yet. At most as large as the router's limit, and no deeper than [`DEPTH_MAX`].
#[derive(Debug)]
pub(in crate::http) struct JsonBody(pub(in crate::http) Value);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "the Content-Type has to be application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        let octets =
            Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "too_large",
                    "the body is larger than is read",
                ),
                _ => Problem::bad_request("json", "the body did not come whole"),
            })?;
        read(&octets).map(Self)
    }
}

/// JSON within bounds.
fn read(octets: &[u8]) -> Result<Value, Problem> {
    let text = std::str::from_utf8(octets).map_err(|error| {
        Problem::bad_request("json", format!("the body is not UTF-8 from octet {} on", error.valid_up_to()))
    })?;
    if depth(text) > DEPTH_MAX {
        return Err(Problem::bad_request("json", format!("the body nests deeper than {DEPTH_MAX}")));
    }
    serde_json::from_str(text)
        .map_err(|error| Problem::bad_request("json", format!("the body is no JSON: {error}")))
}

/// How deep arrays and objects nest, without parsing.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for octet in text.bytes() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Arrays and objects in each other that are read.
pub(in crate::http) const DEPTH_MAX: usize = 16;

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// Collects faults while a request is read, so that all are told at once.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Faults(Rc<RefCell<Vec<Fault>>>);

impl Faults {
    /// One more.
    pub(in crate::http) fn add(&self, fault: Fault) {
        self.0.borrow_mut().push(fault);
    }

    /// `value` if there was no fault.
    ///
    /// # Errors
    /// 400 with all faults.
    pub(in crate::http) fn none_or<T>(self, value: Option<T>) -> Result<T, Problem> {
        let faults = self.0.take();
        match value {
            Some(value) if faults.is_empty() => Ok(value),
            _ => Err(Problem::invalid(faults)),
        }
    }
}

/// An object of a body while it is read: each member is taken once, what is left over is a fault.
#[derive(Debug)]
pub(in crate::http) struct Members {
    members: Map<String, Value>,
    pointer: String,
    faults: Faults,
}

impl Members {
    /// The object that `value` is; `None` and a fault if it is something else.
    pub(in crate::http) fn of(value: Value, pointer: impl Into<String>, faults: &Faults) -> Option<Self> {
        let pointer = pointer.into();
        match value {
            Value::Object(members) => Some(Self { members, pointer, faults: faults.clone() }),
            _ => {
                faults.add(Fault::of_body(pointer, "type", "has to be an object"));
                None
            }
        }
    }

    /// The JSON pointer of a member.
    pub(in crate::http) fn at(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, name.replace('~', "~0").replace('/', "~1"))
    }

    /// A fault of a member.
    pub(in crate::http) fn fault(
        &self,
        name: &str,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) {
        self.faults.add(Fault::of_body(self.at(name), code, detail));
    }

    /// A member that does not go with another one, though each by itself is as it has to be.
    pub(in crate::http) fn relation(&self, name: &str, detail: impl Into<Cow<'static, str>>) {
        self.fault(name, Fault::RELATION, detail);
    }

    /// A member; `null` counts as absent.
    pub(in crate::http) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.shift_remove(name).filter(|value| !value.is_null())
    }

    /// A string.
    pub(in crate::http) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            _ => {
                self.fault(name, "type", "has to be a string");
                None
            }
        }
    }

    /// A string that has to be there.
    pub(in crate::http) fn needed_text(&mut self, name: &str) -> Option<String> {
        if self.members.get(name).is_none_or(Value::is_null) {
            self.members.shift_remove(name);
            self.fault(name, "required", "is missing");
            return None;
        }
        self.text(name)
    }

    /// A whole number within `range` that has to be there.
    pub(in crate::http) fn needed_number(
        &mut self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        if self.members.get(name).is_none_or(Value::is_null) {
            self.members.shift_remove(name);
            self.fault(name, "required", "is missing");
            return None;
        }
        self.number(name, range)
    }

    /// A whole number within `range`.
    pub(in crate::http) fn number(
        &mut self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let number = whole(&self.take(name)?).filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = range.into_inner();
            self.fault(name, "range", format!("has to be a whole number from {least} to {most}"));
        }
        number
    }

    /// `true` or `false`.
    pub(in crate::http) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            _ => {
                self.fault(name, "type", "has to be true or false");
                None
            }
        }
    }

    /// One of several words.
    pub(in crate::http) fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.fault(name, "value", format!("has to be one of {}", known.join(", ")));
        }
        found
    }

    /// A time by RFC 3339, as UTC milliseconds.
    pub(in crate::http) fn time(&mut self, name: &str) -> Option<u64> {
        let text = self.text(name)?;
        let time = utc_ms(&text);
        if time.is_none() {
            self.fault(name, "format", "has to be a time such as 2026-11-22T09:00:00Z");
        }
        time
    }

    /// Octets written as base64, at most `octets_max` of them.
    pub(in crate::http) fn octets(&mut self, name: &str, octets_max: usize) -> Option<Vec<u8>> {
        use base64::Engine as _;
        let text = self.text(name)?;
        let Ok(octets) = base64::engine::general_purpose::STANDARD.decode(text) else {
            self.fault(name, "format", "has to be base64 (RFC 4648 §4, padded)");
            return None;
        };
        if octets.len() > octets_max {
            self.fault(name, "length", format!("has more than {octets_max} octets"));
            return None;
        }
        Some(octets)
    }

    /// Nothing more is known: what is left over is a fault each.
    pub(in crate::http) fn end(self) {
        for name in self.members.keys().take(UNKNOWN_TOLD_MAX) {
            self.faults.add(Fault::of_body(self.at(name), "unknown", "is not known here"));
        }
    }
}

/// Unknown members that are told of one object.
const UNKNOWN_TOLD_MAX: usize = 20;

/// A number without a fraction, however it is written: JSON does not tell `1` from `1.0`.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let float = value.as_f64().filter(|float| float.fract() == 0.0 && (0.0..9.0e15).contains(float))?;
        format!("{float:.0}").parse().ok()
    })
}

/// A time by RFC 3339 as UTC milliseconds, 0 when it is before 1970; `None` when it is none.
pub(in crate::http) fn utc_ms(text: &str) -> Option<u64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(u64::try_from(time.as_millisecond()).unwrap_or(0))
}

/// UTC milliseconds by RFC 3339.
pub(in crate::http) fn rfc3339(utc_ms: u64) -> String {
    let time = i64::try_from(utc_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| utc_ms.to_string(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults_of(body: Value, read: impl FnOnce(&mut Members)) -> Value {
        let faults = Faults::default();
        if let Some(mut members) = Members::of(body, "", &faults) {
            read(&mut members);
            members.end();
        }
        faults.none_or::<()>(None).expect_err("nothing was read").to_value()["errors"].clone()
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        let body = json!({ "to": 1, "n": 9, "a/b": true, "when": "noon", "kind": "x" });
        let faults = faults_of(body, |members| {
            members.needed_text("from");
            members.needed_text("to");
            members.number("n", 0..=3);
            members.time("when");
            members.word("kind", &[("a", 1), ("b", 2)]);
        });
        let places: Vec<_> = faults
            .as_array()
            .expect("faults")
            .iter()
            .map(|f| (f["pointer"].clone(), f["code"].clone()))
            .collect();
        let expected = [
            ("/from", "required"),
            ("/to", "type"),
            ("/n", "range"),
            ("/when", "format"),
            ("/kind", "value"),
            ("/a~1b", "unknown"),
        ];
        assert_eq!(places, expected.map(|(pointer, code)| (json!(pointer), json!(code))));
    }

    #[test]
    fn what_is_no_json_of_bounded_depth_is_refused() {
        let deep = format!("{}{}", "[".repeat(17), "]".repeat(17));
        for bad in [&b"\xFF\xFE{}"[..], b"{", b"", deep.as_bytes(), &b"[".repeat(100_000)] {
            let problem = read(bad).expect_err("it cannot be read").to_value();
            assert_eq!((&problem["status"], &problem["code"]), (&json!(400), &json!("json")));
        }
        assert!(read(format!("{}{}", "[".repeat(16), "]".repeat(16)).as_bytes()).is_ok());
        assert_eq!(depth(r#"{"a":"[[[[\"[[["}"#), 1, "brackets in strings do not nest");
    }

    #[test]
    fn times_are_utc_and_read_back() {
        assert_eq!(utc_ms("2026-11-22T10:00:00+01:00"), utc_ms("2026-11-22T09:00:00Z"));
        assert_eq!(rfc3339(1_795_338_000_123), "2026-11-22T09:00:00.123Z");
        assert_eq!(utc_ms("1969-12-31T23:59:59Z"), Some(0));
        assert_eq!(utc_ms("2026-11-22"), None);
    }

    #[test]
    fn a_number_is_whole_however_it_is_written() {
        assert_eq!(whole(&json!(3.0)), Some(3));
        for wrong in [json!(-1), json!(1.5), json!("1"), json!(1e300)] {
            assert_eq!(whole(&wrong), None, "{wrong}");
        }
    }
}
