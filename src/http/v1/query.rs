//! Query parameters: each known one read once, every fault told at once.

use std::borrow::Cow;
use std::collections::HashMap;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use super::body::{Faults, utc_ms};
use crate::http::problem::{Fault, Problem};

/// The parameters of a request's query, not looked at yet.
#[derive(Debug)]
pub(in crate::http) struct Parameters {
    given: HashMap<String, String>,
    faults: Faults,
}

impl<S: Send + Sync> FromRequestParts<S> for Given {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let fault = |code, detail: Cow<'static, str>| {
            Problem::invalid(vec![Fault::of_parameter("query", code, detail)])
        };
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| fault("format", rejection.body_text().into()))?;
        if pairs.len() > PARAMETERS_MAX {
            return Err(fault("length", "has too many parameters".into()));
        }
        Ok(Self(pairs))
    }
}

/// Names and values of a query, as they came.
#[derive(Clone, Debug)]
pub(in crate::http) struct Given(Vec<(String, String)>);

impl Given {
    /// To be read one by one.
    pub(in crate::http) fn parameters(self) -> Parameters {
        let faults = Faults::default();
        let mut given = HashMap::new();
        for (name, value) in self.0 {
            if given.insert(name.clone(), value).is_some() {
                faults.add(Fault::of_parameter(name, "repeated", "is given more than once"));
            }
        }
        Parameters { given, faults }
    }
}

impl Parameters {
    /// A fault of one.
    pub(in crate::http) fn fault(
        &self,
        name: &str,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) {
        self.faults.add(Fault::of_parameter(name, code, detail));
    }

    /// One that does not go with another, though each by itself is as it has to be.
    pub(in crate::http) fn relation(&self, name: &str, detail: impl Into<Cow<'static, str>>) {
        self.fault(name, Fault::RELATION, detail);
    }

    /// As it was written; an empty one is a fault.
    pub(in crate::http) fn text(&mut self, name: &str) -> Option<String> {
        let text = self.given.remove(name)?;
        if text.is_empty() {
            self.fault(name, "length", "is empty");
            return None;
        }
        Some(text)
    }

    /// A whole number within `range`.
    pub(in crate::http) fn number(
        &mut self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let text = self.text(name)?;
        let number = text.parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = range.into_inner();
            self.fault(name, "range", format!("has to be a whole number from {least} to {most}"));
        }
        number
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
            self.fault(name, "format", "has to be a time such as 2026-11-22T09:00:00Z (write + as %2B)");
        }
        time
    }

    /// Nothing more is known: what is left over is a fault each. `value` if there was none.
    ///
    /// # Errors
    /// 400 with all faults.
    pub(in crate::http) fn end<T>(self, value: T) -> Result<T, Problem> {
        let mut unknown: Vec<_> = self.given.into_keys().collect();
        unknown.sort_unstable();
        for name in unknown {
            self.faults.add(Fault::of_parameter(name, "unknown", "is not known here"));
        }
        self.faults.none_or(Some(value))
    }
}

/// Parameters that are read of one query.
const PARAMETERS_MAX: usize = 64;
