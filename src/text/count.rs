//! What a text costs, and which characters made it dear.

use super::alphabet::Alphabet;
use super::substitute::substitute;
use super::table::Table;

/// What a text costs by one [`Table`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Count {
    /// The cheapest alphabet that holds it.
    pub alphabet: Alphabet,
    /// Septets or UTF-16 code units.
    pub units: usize,
    /// Segments that go on the air, at least 1; pairs are not cut.
    pub sent: u32,
    /// Segments that are billed: [`sent`](Self::sent), but by units alone in the vendor's table.
    pub billed: u32,
    /// Whether the table takes it as one message.
    pub fits: bool,
}

/// Counts `text` by `table`, without encoding it.
#[must_use]
pub fn count(text: &str, table: Table) -> Count {
    let alphabet = Alphabet::needed(text);
    let kind = alphabet.unit_kind();
    let part = table.units_per_part(kind);
    let mut units = 0;
    let mut in_last = 0;
    let mut parts: u32 = 1;
    for width in text.chars().filter_map(|c| alphabet.units_of(c)) {
        units += width;
        in_last += width;
        if in_last > part {
            parts = parts.saturating_add(1);
            in_last = width;
        }
    }
    let is_alone = units <= table.units_alone(kind);
    let sent = if is_alone { 1 } else { parts };
    let billed = match table {
        _ if is_alone => 1,
        Table::TimeToChat => u32::try_from(units.div_ceil(part)).unwrap_or(u32::MAX),
        Table::Standard(_) => sent,
    };
    Count { alphabet, units, sent, billed, fits: billed <= table.parts_max() }
}

/// Why a character is dear.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// It is not in GSM 03.38, so the whole text goes as UCS-2.
    ForcesUcs2,
    /// It is in the extension table and costs two septets.
    TwoSeptets,
}

/// A character that made a text dear.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Dear {
    /// The character.
    pub character: char,
    /// How often it stands in the text.
    pub times: usize,
    /// Why it is dear.
    pub reason: Reason,
    /// What could be written instead: one or more septets of the default table, or nothing at all.
    /// `None` when there is no likeness.
    pub substitute: Option<&'static str>,
}

/// The characters that made `text` dear, in the order of their first appearance.
///
/// In a UCS-2 text these are the ones that forced UCS-2; extension characters cost nothing extra there.
#[must_use]
pub fn dear(text: &str) -> Vec<Dear> {
    let alphabet = Alphabet::needed(text);
    let mut found: Vec<Dear> = Vec::new();
    for character in text.chars() {
        let reason = match (alphabet, Alphabet::Gsm7.units_of(character)) {
            (Alphabet::Ucs2, None) => Reason::ForcesUcs2,
            (Alphabet::Gsm7, Some(2)) => Reason::TwoSeptets,
            _ => continue,
        };
        match found.iter_mut().find(|dear| dear.character == character) {
            Some(dear) => dear.times += 1,
            None => found.push(Dear { character, times: 1, reason, substitute: substitute(character) }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::udh::ReferenceSize;
    use crate::text::{billed_of, fits, segments_of};

    #[test]
    fn counts_a_short_text() {
        let short = count("Test MUG", Table::TimeToChat);
        assert_eq!(short, Count { alphabet: Alphabet::Gsm7, units: 8, sent: 1, billed: 1, fits: true });
    }

    #[test]
    fn a_typographic_apostrophe_costs_a_segment() {
        let plain = "l'agence est ouverte. ".repeat(5);
        let fancy = plain.replace('\'', "’");
        assert_eq!(count(&plain, Table::STANDARD).sent, 1);
        let counted = count(&fancy, Table::STANDARD);
        assert_eq!((counted.alphabet, counted.units, counted.sent), (Alphabet::Ucs2, 110, 2));
        let dear = dear(&fancy);
        assert_eq!(dear.len(), 1);
        assert_eq!(dear.first().map(|d| (d.character, d.times, d.substitute)), Some(('’', 5, Some("'"))));
    }

    #[test]
    fn the_two_tables_differ_at_133_code_units() {
        let text = "ç".repeat(133);
        assert_eq!(count(&text, Table::TimeToChat).sent, 3);
        assert_eq!(count(&text, Table::STANDARD).sent, 2);
        assert_eq!(count(&text, Table::Standard(ReferenceSize::Sixteen)).sent, 3);
    }

    #[test]
    fn extension_characters_are_dear_in_gsm_only() {
        let gsm = dear("[10 €]");
        assert!(gsm.iter().all(|dear| dear.reason == Reason::TwoSeptets));
        assert_eq!(gsm.iter().map(|dear| dear.character).collect::<String>(), "[€]");
        let ucs: String = dear("[10 € ç]").iter().map(|dear| dear.character).collect();
        assert_eq!(ucs, "ç");
    }

    #[test]
    fn twelve_hundred_and_twenty_four_units_of_escapes_are_nine_sent_and_eight_billed() {
        let full = count(&"€".repeat(612), Table::TimeToChat);
        assert_eq!((full.units, full.sent, full.billed, full.fits), (1224, 9, 8, true));
        assert!(!count(&"a".repeat(1225), Table::TimeToChat).fits);
        assert!(count(&"ç".repeat(528), Table::TimeToChat).fits);
        assert!(!count(&"ç".repeat(529), Table::TimeToChat).fits);
    }

    proptest! {
        #[test]
        fn counting_a_text_is_counting_its_octets(text in "[aé€\\[]{0,700}|[aé€😀]{0,700}") {
            for table in [Table::TimeToChat, Table::STANDARD, Table::Standard(ReferenceSize::Sixteen)] {
                let counted = count(&text, table);
                let kind = counted.alphabet.unit_kind();
                let payload = counted.alphabet.encode(&text).unwrap();
                prop_assert_eq!(counted.units * kind.octets_per_unit(), payload.len());
                prop_assert_eq!(counted.sent, segments_of(&payload, kind, table));
                prop_assert_eq!(counted.billed, billed_of(&payload, kind, table));
                prop_assert_eq!(counted.fits, fits(&payload, kind, table));
            }
        }
    }
}
