//! What is counted of the REST methods. Handles are made once: no name is looked up per request.

use metrics::{Counter, counter, describe_counter};

/// Counter: answers, by `method` and `status`.
const REQUESTS: &str = "trunkline_mug_requests_total";
/// Counter: token calls with a wrong password or for no account.
const LOGINS_FAILED: &str = "trunkline_mug_logins_failed_total";
/// Counter: calls beyond a rate, by whose (`service`, `address`).
const LIMITED: &str = "trunkline_mug_limited_total";

/// One of the vendor's methods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    Token,
    Send,
    Read,
}

impl Method {
    const ALL: [Self; 3] = [Self::Token, Self::Send, Self::Read];

    const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Send => "send",
            Self::Read => "read",
        }
    }
}

/// To be made after the recorder is installed.
#[derive(Debug)]
pub(super) struct Metrics {
    answers: [[Counter; STATUSES.len()]; Method::ALL.len()],
    pub(super) logins_failed: Counter,
    pub(super) limited_service: Counter,
    pub(super) limited_address: Counter,
}

impl Metrics {
    pub(super) fn new() -> Self {
        describe_counter!(REQUESTS, "Calls of the TimeToChat methods, by method and status.");
        describe_counter!(LOGINS_FAILED, "Token calls with a wrong password or for no account.");
        describe_counter!(LIMITED, "Calls beyond a rate; by: service, address (without a token).");
        let of = |method: Method| {
            STATUSES.map(|(_, status)| counter!(REQUESTS, "method" => method.name(), "status" => status))
        };
        Self {
            answers: Method::ALL.map(of),
            logins_failed: counter!(LOGINS_FAILED),
            limited_service: counter!(LIMITED, "by" => "service"),
            limited_address: counter!(LIMITED, "by" => "address"),
        }
    }

    pub(super) fn answered(&self, method: Method, status: u16) {
        let at = STATUSES.iter().position(|(number, _)| *number == status);
        let counters = self.answers.get(method as usize);
        if let Some(counter) = counters.and_then(|counters| counters.get(at?)) {
            counter.increment(1);
        }
    }
}

/// All that is answered.
const STATUSES: [(u16, &str); 10] = [
    (201, "201"),
    (200, "200"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (408, "408"),
    (413, "413"),
    (429, "429"),
    (503, "503"),
];
