//! UCS-2, which every handset treats as UTF-16 big endian.

/// Writes `text` as UTF-16 big endian; characters beyond the BMP become surrogate pairs.
#[must_use]
pub fn encode(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 2);
    for unit in text.encode_utf16() {
        out.extend_from_slice(&unit.to_be_bytes());
    }
    out
}

/// Reads UTF-16 big endian. Nothing is refused: a lone surrogate, and a last octet without its
/// partner, become U+FFFD.
#[must_use]
pub fn decode(octets: &[u8]) -> String {
    let (pairs, rest) = octets.as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    let mut text: String =
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    if !rest.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_big_endian_and_surrogate_pairs() {
        assert_eq!(encode("é😀"), [0x00, 0xE9, 0xD8, 0x3D, 0xDE, 0x00]);
    }

    #[test]
    fn a_lone_surrogate_is_the_replacement_character() {
        assert_eq!(decode(&[0xD8, 0x3D, 0x00, 0x41]), "\u{FFFD}A");
        assert_eq!(decode(&[0xDE, 0x00]), "\u{FFFD}");
    }

    #[test]
    fn an_octet_without_its_partner_is_the_replacement_character() {
        assert_eq!(decode(&[0x00, 0x41, 0x00]), "A\u{FFFD}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in ".{0,200}") {
            prop_assert_eq!(decode(&encode(&text)), text);
        }
    }
}
