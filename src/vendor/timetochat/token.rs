//! `POST /services/{service_id}/token` (§2.1).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Flaw;
use super::json::{self, Loose, Unreadable};

/// What is asked with.
#[derive(Clone, Eq, PartialEq, Serialize)]
pub struct TokenRequest {
    /// The service's password.
    pub password: String,
}

impl TokenRequest {
    /// Reads the body. `{"password": …}` has to be a string; other members are ignored.
    ///
    /// # Errors
    /// A [`Flaw`], for a 400.
    pub fn read(body: &[u8]) -> Result<Self, Flaw> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(default)]
            password: Loose,
        }
        match super::send::members::<Raw>(body)?.password {
            Loose::Text(password) if !password.is_empty() => Ok(Self { password }),
            Loose::Absent | Loose::Text(_) => Err(Flaw::Missing("password")),
            Loose::Flag(_) | Loose::Other => Err(Flaw::Type("password")),
        }
    }

    /// The JSON.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenRequest(…)")
    }
}

/// What comes back.
#[derive(Clone, Eq, PartialEq, Serialize)]
pub struct TokenAnswer {
    /// For `Authorization: Bearer`.
    pub token: String,
}

impl TokenAnswer {
    /// Reads a 201.
    ///
    /// # Errors
    /// [`Unreadable`], also for a token that could not stand in a header.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let token = json::text(&json::object(body, "token")?, "token", TOKEN_OCTETS_MAX)
            .filter(|token| !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic()));
        token.map(|token| Self { token }).ok_or(Unreadable::Member("token"))
    }

    /// The JSON.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// UTC seconds of the token's `exp`, not verified. `None` when it is no JWT: then
    /// [`TOKEN_SECONDS`](super::TOKEN_SECONDS) from its receipt.
    #[must_use]
    pub fn expires(&self) -> Option<u64> {
        #[derive(Deserialize)]
        struct Expiry {
            exp: f64,
        }
        let mut pieces = self.token.split('.');
        let payload = URL_SAFE_NO_PAD.decode(pieces.nth(1)?.trim_end_matches('=')).ok()?;
        pieces.next()?;
        let exp = serde_json::from_slice::<Expiry>(&payload).ok()?.exp;
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        (0.0..1e12).contains(&exp).then_some(exp as u64)
    }
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenAnswer(…)")
    }
}

/// What a token says when we make it: HS256, and these members in this order.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Claims {
    /// Whose it is.
    pub service_id: String,
    /// Of test accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<TokenInfo>,
    /// Made at, UTC seconds.
    pub iat: u64,
    /// Holds until, UTC seconds.
    pub exp: u64,
}

/// `info` of a token. Its meaning is guessed: end of a test account, monthly limit, minutes of validity.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TokenInfo {
    /// The end of a test account.
    pub expiration: Option<String>,
    /// The monthly limit; 0: none.
    pub limit: u64,
    /// Minutes that a token holds.
    pub peremption: u64,
}

/// Longer ones do not go into a header.
const TOKEN_OCTETS_MAX: usize = 8_192;
