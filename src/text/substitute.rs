//! Cheaper ways to write a character: what a person would type on an old keyboard.

use super::alphabet::Alphabet;

/// Something alike that costs one septet per character, `Some("")` for marks that can go unwritten.
///
/// `None` when the character is cheap already or when nothing resembles it. Meant for European text;
/// whole scripts are not transcribed.
#[must_use]
pub const fn substitute(c: char) -> Option<&'static str> {
    Some(match c {
        // Punctuation that word processors put in.
        '\u{2018}' | '\u{2019}' | '\u{201A}' | '\u{201B}' | '\u{2032}' | '`' | '´' | 'ʼ' | '‹' | '›' => {
            "'"
        }
        '\u{201C}' | '\u{201D}' | '\u{201E}' | '\u{201F}' | '\u{2033}' | '«' | '»' => "\"",
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' | '•' | '·' | '~' | '\u{00AD}' => "-",
        '…' => "...",
        '\u{00A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' | '\t' => " ",
        '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{0300}'..='\u{036F}' => "",
        '\u{FE00}'..='\u{FE0F}' => "",
        '\u{2028}' | '\u{2029}' | '\u{0085}' | '\u{000C}' => "\n",
        '[' | '{' => "(",
        ']' | '}' => ")",
        '\\' | '|' | '¦' => "/",
        '^' => "'",
        '×' => "x",
        '÷' => ":",
        '±' => "+/-",
        '≤' => "<=",
        '≥' => ">=",
        '≠' => "<>",
        '→' => "->",
        '←' => "<-",
        '°' | 'º' => "o",
        'ª' => "a",
        '¹' => "1",
        '²' => "2",
        '³' => "3",
        '¼' => "1/4",
        '½' => "1/2",
        '¾' => "3/4",
        '™' => "TM",
        '©' => "(c)",
        '®' => "(R)",
        '№' => "No",
        '¢' => "c",
        // Letters.
        'á' | 'â' | 'ã' | 'ā' | 'ă' | 'ą' => "a",
        'Á' | 'Â' | 'Ã' | 'À' | 'Ā' | 'Ă' | 'Ą' => "A",
        'ç' | 'ć' | 'č' | 'ĉ' | 'ċ' => "c",
        'Ć' | 'Č' | 'Ĉ' | 'Ċ' => "C",
        'ď' | 'đ' | 'ð' => "d",
        'Ď' | 'Đ' | 'Ð' => "D",
        'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'È' | 'Ê' | 'Ë' | 'Ē' | 'Ė' | 'Ę' | 'Ě' => "E",
        'ğ' | 'ģ' => "g",
        'Ğ' | 'Ģ' => "G",
        'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => "i",
        'Ì' | 'Í' | 'Î' | 'Ï' | 'Ī' | 'Į' | 'İ' => "I",
        'ķ' => "k",
        'Ķ' => "K",
        'ł' | 'ĺ' | 'ľ' | 'ļ' => "l",
        'Ł' | 'Ĺ' | 'Ľ' | 'Ļ' => "L",
        'ń' | 'ň' | 'ņ' => "n",
        'Ń' | 'Ň' | 'Ņ' => "N",
        'ó' | 'ô' | 'õ' | 'ō' | 'ő' => "o",
        'Ò' | 'Ó' | 'Ô' | 'Õ' | 'Ō' | 'Ő' => "O",
        'œ' => "oe",
        'Œ' => "OE",
        'ŕ' | 'ř' => "r",
        'Ŕ' | 'Ř' => "R",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'Ś' | 'Š' | 'Ş' | 'Ș' => "S",
        'ẞ' => "SS",
        'ť' | 'ţ' | 'ț' => "t",
        'Ť' | 'Ţ' | 'Ț' => "T",
        'þ' => "th",
        'Þ' => "Th",
        'ú' | 'û' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'Ù' | 'Ú' | 'Û' | 'Ū' | 'Ů' | 'Ű' | 'Ų' => "U",
        'ý' | 'ÿ' => "y",
        'Ý' | 'Ÿ' => "Y",
        'ź' | 'ż' | 'ž' => "z",
        'Ź' | 'Ż' | 'Ž' => "Z",
        // Greek capitals that look like Latin ones.
        'Α' => "A",
        'Β' => "B",
        'Ε' => "E",
        'Ζ' => "Z",
        'Η' => "H",
        'Ι' => "I",
        'Κ' => "K",
        'Μ' => "M",
        'Ν' => "N",
        'Ο' => "O",
        'Ρ' => "P",
        'Τ' => "T",
        'Υ' => "Y",
        'Χ' => "X",
        _ => return None,
    })
}

/// `text` in GSM 7-bit: characters outside it are replaced by their [`substitute`], or by `?` when they
/// have none. Characters of the extension table stay.
#[must_use]
pub fn transliterate(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if Alphabet::Gsm7.units_of(c).is_some() {
            out.push(c);
        } else {
            out.push_str(substitute(c).unwrap_or("?"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_substitute_costs_one_septet_per_character() {
        for c in '\0'..=char::MAX {
            let Some(cheap) = substitute(c) else { continue };
            assert_ne!(Alphabet::Gsm7.units_of(c), Some(1), "{c:?} is cheap already");
            assert!(cheap.chars().all(|c| Alphabet::Gsm7.units_of(c) == Some(1)), "{c:?} -> {cheap:?}");
        }
    }

    #[test]
    fn french_typography_becomes_plain() {
        assert_eq!(
            transliterate("« L’œuvre » du garçon\u{202F}: 10 € [très] bientôt…"),
            "\" L'oeuvre \" du garcon : 10 € [très] bientot..."
        );
    }

    #[test]
    fn what_has_no_likeness_is_a_question_mark() {
        assert_eq!(transliterate("да 😀"), "?? ?");
    }

    proptest! {
        #[test]
        fn whatever_is_transliterated_is_gsm(text in ".{0,100}") {
            prop_assert_eq!(Alphabet::needed(&transliterate(&text)), Alphabet::Gsm7);
        }
    }
}
