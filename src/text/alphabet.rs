//! Which alphabet a text needs, and what its units are.

use super::{gsm7, ucs2};

/// An alphabet in which a text can go on the air (3GPP TS 23.038 §4).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Alphabet {
    /// GSM 7-bit default alphabet with its extension table; the unit is the septet.
    Gsm7,
    /// UCS-2, in truth UTF-16 big endian; the unit is the code unit of two octets.
    Ucs2,
}

impl Alphabet {
    /// The cheapest alphabet that holds every character of `text`.
    #[must_use]
    pub fn needed(text: &str) -> Self {
        if text.chars().all(|c| gsm7::code(c).is_some()) { Self::Gsm7 } else { Self::Ucs2 }
    }

    /// Units that `c` occupies in this alphabet: 1 or 2, `None` when the alphabet lacks it.
    #[must_use]
    pub fn units_of(self, c: char) -> Option<usize> {
        match self {
            Self::Gsm7 => gsm7::code(c).map(gsm7::Code::septets),
            Self::Ucs2 => Some(c.len_utf16()),
        }
    }

    /// The kind of unit that a payload in this alphabet is made of.
    #[must_use]
    pub const fn unit_kind(self) -> UnitKind {
        match self {
            Self::Gsm7 => UnitKind::Septets,
            Self::Ucs2 => UnitKind::Ucs2,
        }
    }

    /// `text` as payload octets: unpacked septets or UTF-16 big endian.
    ///
    /// `None` when the alphabet lacks a character of it.
    #[must_use]
    pub fn encode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Gsm7 => gsm7::encode(text).ok(),
            Self::Ucs2 => Some(ucs2::encode(text)),
        }
    }
}

/// How the octets of a payload are to be read when it is counted or cut.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum UnitKind {
    /// One septet per octet (GSM 7-bit unpacked, as SMPP carries it). 0x1B and its follower are one.
    Septets,
    /// Two octets per code unit, big endian. A surrogate pair is one.
    Ucs2,
    /// Eight-bit data; may be cut anywhere.
    Octets,
}

impl UnitKind {
    /// Octets of payload per unit.
    #[must_use]
    pub const fn octets_per_unit(self) -> usize {
        match self {
            Self::Septets | Self::Octets => 1,
            Self::Ucs2 => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capital_cedilla_is_gsm_and_a_small_one_is_not() {
        assert_eq!(Alphabet::needed("GARÇON"), Alphabet::Gsm7);
        assert_eq!(Alphabet::needed("garçon"), Alphabet::Ucs2);
    }

    #[test]
    fn the_euro_is_two_septets_and_one_code_unit() {
        assert_eq!(Alphabet::needed("10 €"), Alphabet::Gsm7);
        assert_eq!(Alphabet::Gsm7.units_of('€'), Some(2));
        assert_eq!(Alphabet::Ucs2.units_of('€'), Some(1));
        assert_eq!(Alphabet::Ucs2.units_of('😀'), Some(2));
        assert_eq!(Alphabet::Gsm7.units_of('😀'), None);
    }

    #[test]
    fn an_empty_text_is_gsm() {
        assert_eq!(Alphabet::needed(""), Alphabet::Gsm7);
    }
}
