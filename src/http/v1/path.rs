//! Pieces of a path.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use crate::gateway::settings::normalise;
use crate::http::problem::{Fault, Problem};

/// The piece of a path that stands for something, decoded.
#[derive(Debug)]
pub(super) struct Piece(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Piece {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let piece = Path::<String>::from_request_parts(parts, state).await;
        piece.map(|Path(text)| Self(text)).map_err(|_| Problem::not_found("there is nothing under this path"))
    }
}

impl Piece {
    /// The digits of the telephone number that it is.
    ///
    /// # Errors
    /// 400 when it is none.
    pub(super) fn number(&self, country: &str) -> Result<u64, Problem> {
        digits_of(&self.0, country).ok_or_else(|| {
            let detail = "has to be a number of 3 to 15 digits, with or without + before it";
            Problem::invalid(vec![Fault::of_parameter("number", "format", detail)])
        })
    }
}

/// A telephone number as digits; `None` when `written` is none.
pub(super) fn digits_of(written: &str, country: &str) -> Option<u64> {
    let number = normalise(written, country);
    let is_number = (3..=15).contains(&number.len()) && number.bytes().all(|c| c.is_ascii_digit());
    number.parse().ok().filter(|&digits| is_number && digits > 0 && !number.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_of_a_country() {
        for (written, digits) in [
            ("+33612345678", Some(33_612_345_678)),
            ("0612345678", Some(33_612_345_678)),
            ("36000", Some(36_000)),
            ("SHOP", None),
            ("", None),
            ("+", None),
            ("000", None),
            ("1234567890123456", None),
            ("٣٣٦", None),
        ] {
            assert_eq!(digits_of(written, "33"), digits, "{written}");
        }
    }
}
