//! `POST /services/{service_id}/messages` (§2.2), with the order of checks of §8a.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::json::{self, Loose, Unreadable};
use super::{Problem, number, read_date};

/// One message to send.
///
/// The order of checks of §8a, for a server: [`read`](Self::read), then [`check`](Self::check), each of which looks at
/// the body alone; account, limit and sender are the server's.
#[derive(Clone, Eq, PartialEq, Serialize)]
pub struct SendRequest {
    /// The sender.
    pub from: String,
    /// The recipient.
    pub to: String,
    /// The client's reference, at most [`EXT_REF_CHARS_MAX`] characters.
    #[serde(rename = "extRef", skip_serializing_if = "Option::is_none")]
    pub ext_ref: Option<String>,
    /// Until when to try: RFC 3339, UTC, milliseconds.
    #[serde(rename = "validityDate", skip_serializing_if = "Option::is_none")]
    pub validity_date: Option<String>,
    /// The text.
    pub text: String,
    /// UCS-2 on air.
    pub unicode: bool,
    /// Class 0: shown and not stored.
    pub flash: bool,
}

/// What is wrong with a body. Each is a 400.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    /// No JSON object, or not UTF-8.
    NotAnObject,
    /// A required member is absent, null or empty.
    Missing(&'static str),
    /// A member is of another JSON type.
    Type(&'static str),
    /// `to` is no number.
    Number,
    /// `extRef` is too long.
    ExtRef,
    /// The text has more than 1,224 septets or 528 code units.
    TextTooLong,
    /// `validityDate` is no date.
    DateFormat,
    /// `validityDate` is over.
    DatePast,
}

impl Flaw {
    /// The body of the 400. Invented.
    #[must_use]
    pub fn problem(self) -> Problem {
        let (code, message) = match self {
            Self::NotAnObject => ("INVALID_PARAMETER", "the body is not a JSON object".to_owned()),
            Self::Missing(name) => ("MISSING_PARAMETER", format!("{name} is required")),
            Self::Type(name) => ("INVALID_PARAMETER", format!("{name} is of another type")),
            Self::Number => {
                ("INVALID_NUMBER", "to has to be 06 or 07 and 8 digits, or + and 8 to 15 digits".to_owned())
            }
            Self::ExtRef => {
                ("INVALID_EXTREF", format!("extRef has more than {EXT_REF_CHARS_MAX} characters"))
            }
            Self::TextTooLong => {
                ("TEXT_TOO_LONG", "text has more than 1224 GSM units, or more than 528 as unicode".to_owned())
            }
            Self::DateFormat => ("INVALID_VALIDITY_DATE", "bad format".to_owned()),
            Self::DatePast => ("INVALID_VALIDITY_DATE", "date is in the past".to_owned()),
        };
        Problem { code: code.into(), message: Some(message.into()) }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.problem().message.as_deref().unwrap_or_default())
    }
}

impl std::error::Error for Flaw {}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    from: Loose,
    #[serde(default)]
    to: Loose,
    #[serde(default, rename = "extRef")]
    ext_ref: Loose,
    #[serde(default, rename = "validityDate")]
    validity_date: Loose,
    #[serde(default)]
    text: Loose,
    #[serde(default)]
    unicode: Loose,
    #[serde(default)]
    flash: Loose,
}

impl SendRequest {
    /// Reads a body: a JSON object; then `to`, `text` and `from` present and not empty; then the types of all members.
    /// Null is absent, unknown members are ignored.
    ///
    /// # Errors
    /// The first [`Flaw`] in that order.
    pub fn read(body: &[u8]) -> Result<Self, Flaw> {
        let raw: Raw = members(body)?;
        for (name, member) in [("to", &raw.to), ("text", &raw.text), ("from", &raw.from)] {
            if matches!(member, Loose::Absent) || matches!(member, Loose::Text(text) if text.is_empty()) {
                return Err(Flaw::Missing(name));
            }
        }
        let text = |name, member| optional(name, member)?.ok_or(Flaw::Missing(name));
        Ok(Self {
            to: text("to", raw.to)?,
            text: text("text", raw.text)?,
            from: text("from", raw.from)?,
            // The client sees its own reference again, or none: an empty one is none.
            ext_ref: optional("extRef", raw.ext_ref)?.filter(|reference| !reference.is_empty()),
            validity_date: optional("validityDate", raw.validity_date)?,
            unicode: flag("unicode", &raw.unicode)?,
            flash: flag("flash", &raw.flash)?,
        })
    }

    /// Checks forms and lengths, in the order of §8a: `to`, `extRef`, text, `validityDate`.
    ///
    /// `fits` says whether the text is short enough: which alphabet it goes in is not decided here. Gives
    /// `validityDate` in UTC milliseconds, later than `now_ms`.
    ///
    /// # Errors
    /// The first [`Flaw`] in that order.
    pub fn check(&self, now_ms: u64, fits: impl FnOnce(&Self) -> bool) -> Result<Option<u64>, Flaw> {
        if !number::is_recipient(&self.to) {
            return Err(Flaw::Number);
        }
        if self.ext_ref.as_ref().is_some_and(|reference| reference.chars().nth(EXT_REF_CHARS_MAX).is_some()) {
            return Err(Flaw::ExtRef);
        }
        if !fits(self) {
            return Err(Flaw::TextTooLong);
        }
        let Some(date) = &self.validity_date else { return Ok(None) };
        let until = read_date(date, true).ok_or(Flaw::DateFormat)?;
        if until > now_ms { Ok(Some(until)) } else { Err(Flaw::DatePast) }
    }

    /// The JSON, members in the order of the document's example.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Neither the number nor the text is shown.
impl fmt::Debug for SendRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendRequest")
            .field("text_octets", &self.text.len())
            .field("validity_date", &self.validity_date)
            .field("unicode", &self.unicode)
            .field("flash", &self.flash)
            .finish_non_exhaustive()
    }
}

/// A 201.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct SendAnswer {
    /// The message's id: 24 lower-case hexadecimal digits, as we write it.
    pub id: String,
    /// The client's reference, if it gave one.
    #[serde(rename = "extRef", skip_serializing_if = "Option::is_none")]
    pub ext_ref: Option<String>,
}

impl SendAnswer {
    /// Reads a 201. The id is not looked into, only bounded.
    ///
    /// # Errors
    /// [`Unreadable`]: the message was taken all the same.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let members = json::object(body, "id")?;
        let id = json::text(&members, "id", ID_OCTETS_MAX).filter(|id| !id.is_empty());
        let ext_ref = json::text(&members, "extRef", REFERENCE_OCTETS_MAX);
        id.map(|id| Self { id, ext_ref }).ok_or(Unreadable::Member("id"))
    }

    /// The JSON.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// A request's members.
pub(super) fn members<T: DeserializeOwned>(body: &[u8]) -> Result<T, Flaw> {
    // A derived reader would also take an array of its members in their order.
    let begins = body.iter().find(|octet| !octet.is_ascii_whitespace());
    if begins != Some(&b'{') {
        return Err(Flaw::NotAnObject);
    }
    serde_json::from_slice(body).map_err(|_| Flaw::NotAnObject)
}

fn optional(name: &'static str, member: Loose) -> Result<Option<String>, Flaw> {
    match member {
        Loose::Absent => Ok(None),
        Loose::Text(text) => Ok(Some(text)),
        Loose::Flag(_) | Loose::Other => Err(Flaw::Type(name)),
    }
}

fn flag(name: &'static str, member: &Loose) -> Result<bool, Flaw> {
    match member {
        Loose::Absent => Ok(false),
        Loose::Flag(flag) => Ok(*flag),
        Loose::Text(_) | Loose::Other => Err(Flaw::Type(name)),
    }
}

/// Characters of an `extRef`.
pub const EXT_REF_CHARS_MAX: usize = 150;

/// An id longer than this is none.
pub(super) const ID_OCTETS_MAX: usize = 64;

/// 150 characters of four octets.
pub(super) const REFERENCE_OCTETS_MAX: usize = 600;
