//! ISO 8859-1: the octet is the code point. What many peers mean by data_coding 0, and all by 3.

/// Writes `text` one octet per character, or `None` when a character is above U+00FF.
#[must_use]
pub fn encode(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

/// Reads one character per octet; every octet is one.
#[must_use]
pub fn decode(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_survives_a_round_trip() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(encode(&decode(&all)), Some(all));
    }

    #[test]
    fn the_euro_is_not_in_latin_1() {
        assert_eq!(encode("10 €"), None);
        assert_eq!(encode("été"), Some(vec![0xE9, b't', 0xE9]));
    }
}
