//! GSM 7-bit default alphabet and its extension table (3GPP TS 23.038 §6.2.1), one septet per octet.
//!
//! This is the unpacked form that SMPP carries. For the packed form see [`super::packed`].
//! `@` is 0x00: a payload is never a C string.

use std::fmt;

/// The septet that leads into the extension table.
pub const ESCAPE: u8 = 0x1B;

/// Carriage return: a character, and the padding of [`super::packed`].
pub const CR: u8 = 0x0D;

/// How one character is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Code {
    /// One septet of the default table.
    Basic(u8),
    /// [`ESCAPE`] and this septet of the extension table.
    Extended(u8),
}

impl Code {
    /// Septets on the air: 1 or 2.
    #[must_use]
    pub const fn septets(self) -> usize {
        match self {
            Self::Basic(_) => 1,
            Self::Extended(_) => 2,
        }
    }
}

/// A character that GSM 7-bit does not have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotGsm {
    /// The character.
    pub character: char,
    /// Its offset in the text, in octets of UTF-8.
    pub offset: usize,
}

impl fmt::Display for NotGsm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X} is not in the GSM 7-bit alphabet", u32::from(self.character))
    }
}

impl std::error::Error for NotGsm {}

/// How `c` is written, or `None` when it is in neither table.
#[must_use]
pub fn code(c: char) -> Option<Code> {
    let septet = match c {
        '@' => 0x00,
        '$' => 0x02,
        '_' => 0x11,
        '\n' | '\r' | ' '..='#' | '%'..='?' | 'A'..='Z' | 'a'..='z' => u8::try_from(c).ok()?,
        '£' => 0x01,
        '¥' => 0x03,
        'è' => 0x04,
        'é' => 0x05,
        'ù' => 0x06,
        'ì' => 0x07,
        'ò' => 0x08,
        'Ç' => 0x09,
        'Ø' => 0x0B,
        'ø' => 0x0C,
        'Å' => 0x0E,
        'å' => 0x0F,
        'Δ' => 0x10,
        'Φ' => 0x12,
        'Γ' => 0x13,
        'Λ' => 0x14,
        'Ω' => 0x15,
        'Π' => 0x16,
        'Ψ' => 0x17,
        'Σ' => 0x18,
        'Θ' => 0x19,
        'Ξ' => 0x1A,
        'Æ' => 0x1C,
        'æ' => 0x1D,
        'ß' => 0x1E,
        'É' => 0x1F,
        '¤' => 0x24,
        '¡' => 0x40,
        'Ä' => 0x5B,
        'Ö' => 0x5C,
        'Ñ' => 0x5D,
        'Ü' => 0x5E,
        '§' => 0x5F,
        '¿' => 0x60,
        'ä' => 0x7B,
        'ö' => 0x7C,
        'ñ' => 0x7D,
        'ü' => 0x7E,
        'à' => 0x7F,
        _ => return extended(c).map(Code::Extended),
    };
    Some(Code::Basic(septet))
}

/// Writes `text` as unpacked septets, one per octet.
///
/// # Errors
/// [`NotGsm`] names the first character that is in neither table.
pub fn encode(text: &str) -> Result<Vec<u8>, NotGsm> {
    let mut out = Vec::with_capacity(text.len());
    for (offset, character) in text.char_indices() {
        match code(character) {
            Some(Code::Basic(septet)) => out.push(septet),
            Some(Code::Extended(septet)) => out.extend_from_slice(&[ESCAPE, septet]),
            None => return Err(NotGsm { character, offset }),
        }
    }
    Ok(out)
}

/// Reads unpacked septets. Nothing is refused:
///
/// - an escape before a septet that the extension table lacks is read as the character of the default
///   table (3GPP TS 23.038 §6.2.1.1);
/// - an escape before an escape, or at the end, is a space;
/// - an octet above 0x7F is no septet and becomes U+FFFD. [`is_septets`] asks beforehand.
#[must_use]
pub fn decode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut octets = octets.iter().copied();
    while let Some(octet) = octets.next() {
        let c = if octet == ESCAPE {
            match octets.next() {
                None | Some(ESCAPE) => ' ',
                Some(follower) => extension(follower).unwrap_or_else(|| basic(follower)),
            }
        } else {
            basic(octet)
        };
        text.push(c);
    }
    text
}

/// Whether every octet is a septet, that is at most 0x7F.
#[must_use]
pub fn is_septets(octets: &[u8]) -> bool {
    octets.is_ascii()
}

/// The default table, U+FFFD above 0x7F.
fn basic(octet: u8) -> char {
    DEFAULT.get(usize::from(octet)).copied().unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn extended(c: char) -> Option<u8> {
    EXTENSION.iter().find(|(_, character)| *character == c).map(|(septet, _)| *septet)
}

fn extension(septet: u8) -> Option<char> {
    EXTENSION.iter().find(|(code, _)| *code == septet).map(|(_, character)| *character)
}

/// 3GPP TS 23.038 §6.2.1. 0x1B stands for the escape; read alone it is a space.
const DEFAULT: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', //
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', ' ', 'Æ', 'æ', 'ß', 'É', //
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', //
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', //
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', //
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', //
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', //
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// 3GPP TS 23.038 §6.2.1.1.
const EXTENSION: [(u8, char); 10] = [
    (0x65, '€'),
    (0x28, '{'),
    (0x29, '}'),
    (0x3C, '['),
    (0x3E, ']'),
    (0x2F, '\\'),
    (0x3D, '~'),
    (0x40, '|'),
    (0x14, '^'),
    (0x0A, '\u{000C}'),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_septet_of_the_default_table_is_written_as_it_is_read() {
        for (septet, c) in (0_u8..=0x7F).zip(DEFAULT).filter(|(septet, _)| *septet != ESCAPE) {
            assert_eq!(code(c), Some(Code::Basic(septet)), "{c:?}");
        }
    }

    #[test]
    fn no_character_outside_the_two_tables_has_a_code() {
        let known = ('\0'..=char::MAX).filter(|c| code(*c).is_some()).count();
        assert_eq!(known, 127 + EXTENSION.len());
    }

    #[test]
    fn writes_the_examples_of_the_specification() {
        assert_eq!(encode("@£$ Ç"), Ok(vec![0x00, 0x01, 0x02, 0x20, 0x09]));
        assert_eq!(encode("[€]"), Ok(vec![0x1B, 0x3C, 0x1B, 0x65, 0x1B, 0x3E]));
    }

    #[test]
    fn names_the_first_character_that_does_not_fit() {
        let error = encode("été français 😀").unwrap_err();
        assert_eq!(error, NotGsm { character: 'ç', offset: 10 });
        assert_eq!(error.to_string(), "U+00E7 is not in the GSM 7-bit alphabet");
    }

    #[test]
    fn an_unknown_escape_falls_back_to_the_default_table() {
        assert_eq!(decode(&[ESCAPE, b'A', b'b']), "Ab");
        assert_eq!(decode(&[ESCAPE, CR]), "\r");
    }

    #[test]
    fn an_escape_with_nothing_to_escape_is_a_space() {
        assert_eq!(decode(&[b'a', ESCAPE]), "a ");
        assert_eq!(decode(&[ESCAPE, ESCAPE, 0x65]), " e");
    }

    #[test]
    fn an_octet_above_7f_is_the_replacement_character() {
        assert_eq!(decode(&[b'a', 0xE9, ESCAPE, 0xFF]), "a\u{FFFD}\u{FFFD}");
        assert!(!is_septets(&[b'a', 0xE9]));
        assert!(is_septets(&[0x00, 0x7F]));
    }

    proptest! {
        #[test]
        fn what_is_read_can_be_written_and_reads_the_same(
            septets in proptest::collection::vec(0_u8..=0x7F, 0..400)
        ) {
            let text = decode(&septets);
            let written = encode(&text).unwrap();
            prop_assert!(is_septets(&written));
            prop_assert_eq!(decode(&written), text);
        }
    }
}
