//! What the vendor's API and its pushes are counted as.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

/// Counter: calls by `upstream`, `method` (`token`, `send`, `read`) and `result`.
pub const CALLS_TOTAL: &str = "trunkline_timetochat_calls_total";
/// Histogram: seconds from a call's first octet to its answer, by `upstream` and `method`.
pub const CALL_SECONDS: &str = "trunkline_timetochat_call_seconds";
/// Gauge: calls that wait for their turn in the budget, by `upstream`.
pub const WAITING: &str = "trunkline_timetochat_calls_waiting";
/// Counter: status reads that were not made because too many waited, by `upstream`.
pub const INQUIRIES_DROPPED_TOTAL: &str = "trunkline_timetochat_inquiries_dropped_total";
/// Counter: reports and messages in pushes, by `upstream` and `kind` (`report`, `message`, `odd`).
pub const PUSHED_TOTAL: &str = "trunkline_timetochat_pushed_total";

/// Describes them, once.
pub fn describe() {
    describe_counter!(CALLS_TOTAL, "Calls of the vendor's API, by upstream, method and result.");
    describe_histogram!(CALL_SECONDS, "Seconds that an answer took, by upstream and method.");
    describe_gauge!(WAITING, "Calls that wait for their turn, by upstream.");
    describe_counter!(INQUIRIES_DROPPED_TOTAL, "Status reads that were left out, by upstream.");
    describe_counter!(PUSHED_TOTAL, "What pushes held, by upstream and kind.");
}

/// What a call is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    Token,
    Send,
    Read,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Send => "send",
            Self::Read => "read",
        }
    }
}

/// Those of one upstream.
pub(super) struct Metrics {
    upstream: String,
    pub(super) waiting: Gauge,
    pub(super) inquiries_dropped: Counter,
    seconds: [Histogram; 3],
}

impl Metrics {
    pub(super) fn new(upstream: &str) -> Self {
        let name = || upstream.to_owned();
        let seconds = [Method::Token, Method::Send, Method::Read]
            .map(|method| histogram!(CALL_SECONDS, "upstream" => name(), "method" => method.name()));
        Self {
            waiting: gauge!(WAITING, "upstream" => name()),
            inquiries_dropped: counter!(INQUIRIES_DROPPED_TOTAL, "upstream" => name()),
            seconds,
            upstream: name(),
        }
    }

    /// A call has ended so: an HTTP status, or a word for why there is none.
    pub(super) fn called(&self, method: Method, result: String, took: Duration) {
        counter!(CALLS_TOTAL, "upstream" => self.upstream.clone(), "method" => method.name(), "result" => result)
            .increment(1);
        let [token, send, read] = &self.seconds;
        match method {
            Method::Token => token,
            Method::Send => send,
            Method::Read => read,
        }
        .record(took.as_secs_f64());
    }

    /// A push held this.
    pub(super) fn pushed(&self, kind: &'static str) {
        counter!(PUSHED_TOTAL, "upstream" => self.upstream.clone(), "kind" => kind).increment(1);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}
