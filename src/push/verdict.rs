//! What an endpoint's answer means for the delivery, and what it says about the endpoint.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};
use jiff::Timestamp;

use super::breaker::Sign;
use crate::net::client::{Answer, SendError};
use crate::pdu::CommandStatus;

/// What became of one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Verdict {
    /// For the engine, in the words of deliver_sm_resp: [`CommandStatus::ESME_ROK`] it is done,
    /// [`CommandStatus::ESME_RX_T_APPN`] again, [`CommandStatus::ESME_RX_R_APPN`] a try is spent.
    pub(super) status: CommandStatus,
    /// For the breaker.
    pub(super) sign: Sign,
    /// For metrics and logs.
    pub(super) word: &'static str,
}

impl Verdict {
    /// Of what came back or did not. `now_ms` is UTC, for a Retry-After that is a date.
    pub(super) fn of(result: &Result<Answer, SendError>, now_ms: u64) -> Self {
        match result {
            Ok(answer) => Self::of_answer(answer.status, &answer.headers, now_ms),
            // Whether it arrived or not: rather twice than never, and receivers know a repetition by its id.
            Err(error) => Self::again(Sign::Fails, error.word()),
        }
    }

    /// A body that cannot be written, or a fact that is not for endpoints: trying again does not help.
    pub(super) fn impossible() -> Self {
        Self { status: CommandStatus::ESME_RX_P_APPN, sign: Sign::Works, word: "impossible" }
    }

    fn of_answer(status: StatusCode, headers: &HeaderMap, now_ms: u64) -> Self {
        let rest = || retry_after(headers, now_ms).map_or(Sign::Fails, Sign::AsksForRest);
        match status.as_u16() {
            200..=299 => Self { status: CommandStatus::ESME_ROK, sign: Sign::Works, word: "ok" },
            429 => Self::again(rest(), "throttled"),
            408 | 425 => Self::again(Sign::Fails, "not_now"),
            400..=499 => Self { status: CommandStatus::ESME_RX_R_APPN, sign: Sign::Works, word: "refused" },
            // A redirect is not followed: it could lead where we must not go, and repeats a POST without asking.
            300..=399 => Self::again(Sign::Fails, "redirect"),
            _ => Self::again(rest(), "server_error"),
        }
    }

    fn again(sign: Sign, word: &'static str) -> Self {
        Self { status: CommandStatus::ESME_RX_T_APPN, sign, word }
    }
}

/// Seconds, or a date (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let at: Timestamp = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
    let at_ms = u64::try_from(at.as_millisecond()).ok()?;
    Some(Duration::from_millis(at_ms.saturating_sub(now_ms)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, retry_after: Option<&str>) -> Verdict {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.parse().expect("a header"));
        }
        Verdict::of_answer(StatusCode::from_u16(status).expect("a status"), &headers, 784_111_777_000)
    }

    #[test]
    fn success_is_done_trouble_is_repeated_and_a_refusal_spends_a_try() {
        for status in [200, 201, 202, 204, 299] {
            let got = verdict(status, None);
            assert_eq!((got.status, got.sign), (CommandStatus::ESME_ROK, Sign::Works), "{status}");
        }
        for status in [301, 302, 303, 304, 307, 308, 408, 425, 429, 500, 502, 503, 504, 599, 600, 999] {
            let got = verdict(status, None);
            assert_eq!((got.status, got.sign), (CommandStatus::ESME_RX_T_APPN, Sign::Fails), "{status}");
        }
        for status in [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 451] {
            let got = verdict(status, None);
            assert_eq!((got.status, got.sign), (CommandStatus::ESME_RX_R_APPN, Sign::Works), "{status}");
        }
    }

    #[test]
    fn an_endpoint_says_in_seconds_or_by_a_date_how_long_it_wants_to_rest() {
        let rest = |seconds| Sign::AsksForRest(Duration::from_secs(seconds));
        assert_eq!(verdict(429, Some("7")).sign, rest(7));
        assert_eq!(verdict(503, Some(" 120 ")).sign, rest(120));
        assert_eq!(verdict(429, Some("Sun, 06 Nov 1994 08:49:37 GMT")).sign, rest(0));
        assert_eq!(verdict(429, Some("Sun, 06 Nov 1994 08:50:07 GMT")).sign, rest(30));
        for bad in ["soon", "-1", "", "1.5", "99999999999"] {
            assert_eq!(verdict(429, Some(bad)).sign, Sign::Fails, "{bad}");
        }
        // Who answers 200 has taken it, whatever else it says.
        assert_eq!(verdict(200, Some("7")).sign, Sign::Works);
    }

    #[test]
    fn without_an_answer_it_is_sent_again() {
        for error in [SendError::Timeout { sent: true }, SendError::Lost { sent: true }, SendError::Garbled] {
            let got = Verdict::of(&Err(error), 0);
            assert_eq!((got.status, got.sign), (CommandStatus::ESME_RX_T_APPN, Sign::Fails));
        }
    }
}
