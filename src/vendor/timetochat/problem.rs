//! Error bodies: `{"code":"…","message":"…"}`. All codes but `AUTHENTICATION_FAILED` are invented (§2.2).

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::json;

/// An error body as we write it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// For programs.
    pub code: Cow<'static, str>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Cow<'static, str>>,
}

impl Problem {
    /// 401: wrong password, unknown service, token absent, forged, stale or another service's. The vendor's own.
    pub const AUTHENTICATION_FAILED: Self = Self::bare("AUTHENTICATION_FAILED");
    /// 403: the period of a test account is over. Invented.
    pub const ACCOUNT_EXPIRED: Self = Self::bare("ACCOUNT_EXPIRED");
    /// 403: no more messages this month. Invented.
    pub const MONTHLY_LIMIT_REACHED: Self = Self::bare("MONTHLY_LIMIT_REACHED");
    /// 403: `from` is none of the service's. Invented.
    pub const FORBIDDEN_SENDER: Self = Self::bare("FORBIDDEN_SENDER");
    /// 404: no such message, or another service's. Invented.
    pub const MESSAGE_NOT_FOUND: Self = Self::bare("MESSAGE_NOT_FOUND");
    /// 429: more calls than [`CALLS_PER_SECOND`](super::CALLS_PER_SECOND). The message is the vendor's, the code invented.
    pub const TOO_MANY_REQUEST: Self = Self::new("TOO_MANY_REQUEST", "Too many request");

    const fn bare(code: &'static str) -> Self {
        Self { code: Cow::Borrowed(code), message: None }
    }

    /// With a word for people.
    #[must_use]
    pub const fn new(code: &'static str, message: &'static str) -> Self {
        Self { code: Cow::Borrowed(code), message: Some(Cow::Borrowed(message)) }
    }

    /// The JSON.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// An answer that is not 2xx, as we read it: never depend on `code`.
#[derive(Clone, Eq, PartialEq)]
pub struct ErrorAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `code`, when the body is a JSON object with such a string.
    pub code: Option<String>,
    /// `message`, likewise.
    pub message: Option<String>,
    /// The first [`RAW_OCTETS_MAX`](Self::RAW_OCTETS_MAX) octets of the body.
    pub raw: Vec<u8>,
}

/// What the status says about the call (§2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Remedy {
    /// 4xx: this message will never be taken.
    Never,
    /// 401: with another token.
    Token,
    /// 429, and 3xx, which are not followed: not taken, the same again later, after a second at least.
    Later,
    /// 5xx, 408, and what cannot be understood: the message may have been taken.
    Unknown,
}

impl ErrorAnswer {
    /// What is kept of a body.
    pub const RAW_OCTETS_MAX: usize = 2_048;

    /// From the status and the body, or as much of it as was read.
    #[must_use]
    pub fn read(status: u16, body: &[u8]) -> Self {
        let raw = body.get(..Self::RAW_OCTETS_MAX).unwrap_or(body).to_vec();
        let members = json::object(body, "code").unwrap_or_default();
        let word = |name| match members.get(name) {
            Some(serde_json::Value::String(text)) if text.len() <= Self::RAW_OCTETS_MAX => Some(text.clone()),
            _ => None,
        };
        Self { status, code: word("code"), message: word("message"), raw }
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> Remedy {
        match self.status {
            401 => Remedy::Token,
            300..=399 | 429 => Remedy::Later,
            408 => Remedy::Unknown,
            400..=499 => Remedy::Never,
            _ => Remedy::Unknown,
        }
    }
}

impl fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {}", code.escape_debug())?;
        }
        match &self.message {
            Some(message) => write!(f, " ({})", message.escape_debug()),
            None => Ok(()),
        }
    }
}

/// The body stays out of logs: it may repeat what was sent.
impl fmt::Debug for ErrorAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorAnswer")
            .field("status", &self.status)
            .field("code", &self.code)
            .field("message", &self.message)
            .field("raw_octets", &self.raw.len())
            .finish()
    }
}
