//! Forms of numbers (§4).

/// Whether `POST messages` takes this `to` (§8a): `06`/`07` and eight digits, or `+` and 8 to 15 digits.
#[must_use]
pub fn is_recipient(to: &str) -> bool {
    match to.as_bytes() {
        [b'+', digits @ ..] => (8..=15).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit),
        [b'0', b'6' | b'7', rest @ ..] => rest.len() == 8 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// International digits without `+`: `0930000000`, `+33930000000`, `0033930000000` and `33930000000` are one number.
///
/// `None` for what is no number: other characters, fewer than 3 or more than 15 digits.
#[must_use]
pub fn international(number: &str) -> Option<String> {
    let bare = number.strip_prefix('+').or_else(|| number.strip_prefix("00"));
    let digits = match (bare, number.strip_prefix('0')) {
        (Some(digits), _) => digits.to_owned(),
        (None, Some(national)) if national.len() == 9 => format!("33{national}"),
        (None, _) => number.to_owned(),
    };
    let is_number = (3..=15).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then_some(digits)
}

/// The French national form of international digits: `33930000000` is `0930000000`. `None` for other countries.
#[must_use]
pub fn national(digits: &str) -> Option<String> {
    digits.strip_prefix("33").filter(|rest| rest.len() == 9).map(|rest| format!("0{rest}"))
}

/// Whether two senders are the same: as numbers if both are, else to the letter.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    match (international(one), international(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_french_mobiles_or_international() {
        for good in ["0601020304", "0701020304", "+33600000000", "+32123456789", "+12345678"] {
            assert!(is_recipient(good), "{good}");
        }
        for bad in [
            "",
            "+",
            "0501020304",
            "060102030",
            "06010203040",
            "06 01 02 03 04",
            "06.01.02.03.04",
            "33600000000",
            "+1234567",
            "+1234567890123456",
            "+3360000000a",
            "++33600000000",
            "060102030٤",
            "0601020304 ",
        ] {
            assert!(!is_recipient(bad), "{bad}");
        }
    }

    #[test]
    fn four_forms_are_one_number() {
        for form in ["0930000000", "+33930000000", "0033930000000", "33930000000"] {
            assert_eq!(international(form).as_deref(), Some("33930000000"), "{form}");
        }
        assert_eq!(national("33930000000").as_deref(), Some("0930000000"));
        assert_eq!(national("32930000000"), None);
        assert_eq!(international("Mug"), None);
        assert!(is_same("0930000000", "+33930000000") && is_same("Mug", "Mug"));
        assert!(!is_same("Mug", "MUG") && !is_same("0930000000", "0930000001"));
    }
}
