//! Numbers and names as people write them, to addresses.

use crate::gateway::settings::normalise;
use crate::pdu::{Address, COctetsError, Npi, Ton};

/// Digits of the shortest number that is taken for an international one; shorter ones are short codes.
const INTERNATIONAL_DIGITS: usize = 8;

/// The address that `written` names: an international number, a short code, or a name.
///
/// `country` is the code that a national number belongs to.
///
/// # Errors
/// [`COctetsError`] when it has more than 20 octets, or a NUL.
pub fn address_of(written: &str, country: &str) -> Result<Address, COctetsError> {
    let number = normalise(written, country);
    let is_number = !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit());
    let (ton, npi) = match number.len() {
        _ if !is_number => (Ton::ALPHANUMERIC, Npi::UNKNOWN),
        INTERNATIONAL_DIGITS.. => (Ton::INTERNATIONAL, Npi::ISDN),
        _ => (Ton::NETWORK_SPECIFIC, Npi::UNKNOWN),
    };
    Address::new(ton, npi, number.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_codes_and_names_are_told_apart() {
        for (written, ton, octets) in [
            ("+33930000000", Ton::INTERNATIONAL, "33930000000"),
            ("0930000000", Ton::INTERNATIONAL, "33930000000"),
            ("36000", Ton::NETWORK_SPECIFIC, "36000"),
            ("SHOP", Ton::ALPHANUMERIC, "SHOP"),
        ] {
            let address = address_of(written, "33").expect(written);
            assert_eq!((address.ton, address.as_bytes()), (ton, octets.as_bytes()), "{written}");
        }
        assert!(address_of("123456789012345678901", "33").is_err());
    }
}
