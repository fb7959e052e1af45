//! Numbers of messages, as people read them.

use crate::pdu::{Address, Ton};

/// A number or name: international digits get their `+`, or are written in the national form (`0612345678`) if that is
/// wanted and they are of `country`.
pub(super) fn number_shown(address: &Address, national: bool, country: &str) -> String {
    let text = address.as_bytes().escape_ascii().to_string();
    if address.ton == Ton::ALPHANUMERIC || text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return text;
    }
    match text.strip_prefix(country) {
        Some(rest) if national && rest.len() == NATIONAL_DIGITS => format!("0{rest}"),
        _ if text.len() >= INTERNATIONAL_DIGITS && !text.starts_with('0') => format!("+{text}"),
        _ => text,
    }
}

/// Digits of a French number after its leading 0.
const NATIONAL_DIGITS: usize = 9;

/// Digits of the shortest international number; shorter ones are short codes.
const INTERNATIONAL_DIGITS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::Npi;

    #[test]
    fn a_number_is_shown_in_the_form_that_is_wanted() {
        for (ton, octets, national, shown) in [
            (Ton::INTERNATIONAL, "33601020304", false, "+33601020304"),
            (Ton::INTERNATIONAL, "33601020304", true, "0601020304"),
            (Ton::INTERNATIONAL, "32471020304", true, "+32471020304"),
            (Ton::UNKNOWN, "0601020304", false, "0601020304"),
            (Ton::UNKNOWN, "+33601020304", false, "+33601020304"),
            (Ton::NETWORK_SPECIFIC, "36000", false, "36000"),
            (Ton::ALPHANUMERIC, "123456789", false, "123456789"),
            (Ton::ALPHANUMERIC, "SHOP", true, "SHOP"),
        ] {
            let address = Address::new(ton, Npi::UNKNOWN, octets.as_bytes()).expect(octets);
            assert_eq!(number_shown(&address, national, "33"), shown);
        }
    }
}
