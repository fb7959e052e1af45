//! Cutting a payload into segments, and counting them without cutting.

use std::fmt;
use std::iter::FusedIterator;

use super::alphabet::UnitKind;
use super::gsm7::ESCAPE;
use super::table::Table;

/// Why a payload cannot be sent as one message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SegmentError {
    /// It needs more segments than the table allows.
    TooMany {
        /// Segments it would need.
        needed: u32,
        /// Segments allowed.
        max: u32,
    },
}

impl fmt::Display for SegmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { needed, max } => write!(f, "needs {needed} segments where {max} are allowed"),
        }
    }
}

impl std::error::Error for SegmentError {}

/// Segments that `payload` is sent as, at least 1.
///
/// Allocates nothing; constant time for one segment, otherwise a look at each cut. Beyond the table's
/// maximum it counts on: ask [`fits`] too.
#[must_use]
pub fn segments_of(payload: &[u8], kind: UnitKind, table: Table) -> u32 {
    if payload.len() <= table.octets_alone(kind) {
        return 1;
    }
    let capacity = table.octets_per_part(kind);
    let mut rest = payload;
    let mut segments: u32 = 1;
    while rest.len() > capacity {
        rest = rest.get(cut_before(rest, capacity, kind)..).unwrap_or_default();
        segments = segments.saturating_add(1);
    }
    segments
}

/// Segments that `payload` is billed as, at least 1; constant time for the vendor's table.
///
/// `TimeToChat` bills by units, so a text whose escape pairs need one part more than its units is
/// billed one less than is sent. Elsewhere billed is sent.
#[must_use]
pub fn billed_of(payload: &[u8], kind: UnitKind, table: Table) -> u32 {
    match table {
        Table::Standard(_) => segments_of(payload, kind, table),
        Table::TimeToChat if payload.len() <= table.octets_alone(kind) => 1,
        Table::TimeToChat => {
            u32::try_from(payload.len().div_ceil(table.octets_per_part(kind))).unwrap_or(u32::MAX)
        }
    }
}

/// Whether the table takes `payload` as one message: [`billed_of`] within [`Table::parts_max`].
#[must_use]
pub fn fits(payload: &[u8], kind: UnitKind, table: Table) -> bool {
    billed_of(payload, kind, table) <= table.parts_max()
}

/// Cuts `payload` into its segments, without their concatenation headers.
///
/// An empty payload is one empty segment. No escape pair and no surrogate pair is cut in two; a last
/// odd octet of UCS-2 stays at the end. The number of pieces is [`segments_of`].
///
/// # Errors
/// [`SegmentError::TooMany`] when the payload does not [`fits`] the table.
pub fn split(payload: &[u8], kind: UnitKind, table: Table) -> Result<Split<'_>, SegmentError> {
    let needed = billed_of(payload, kind, table);
    if needed > table.parts_max() {
        return Err(SegmentError::TooMany { needed, max: table.parts_max() });
    }
    let alone = table.octets_alone(kind);
    let capacity = if payload.len() <= alone { alone } else { table.octets_per_part(kind) };
    Ok(Split { rest: Some(payload), capacity, kind })
}

/// The pieces of a payload in order; made by [`split`].
#[derive(Clone)]
pub struct Split<'a> {
    rest: Option<&'a [u8]>,
    capacity: usize,
    kind: UnitKind,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        if rest.len() <= self.capacity {
            return Some(rest);
        }
        let (piece, tail) = rest.split_at_checked(cut_before(rest, self.capacity, self.kind))?;
        self.rest = Some(tail);
        Some(piece)
    }
}

impl FusedIterator for Split<'_> {}

impl fmt::Debug for Split<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets_left = self.rest.map_or(0, <[u8]>::len);
        f.debug_struct("Split").field("octets_left", &octets_left).field("kind", &self.kind).finish()
    }
}

/// Where to cut `rest`, which is longer than `capacity` and starts between two characters.
fn cut_before(rest: &[u8], capacity: usize, kind: UnitKind) -> usize {
    let cuts_a_pair = match kind {
        UnitKind::Octets => false,
        // In a run of escapes each odd one takes the next along, so only the run at the cut matters.
        UnitKind::Septets => {
            let head = rest.get(..capacity).unwrap_or(rest);
            head.iter().rev().take_while(|octet| **octet == ESCAPE).count() % 2 == 1
        }
        UnitKind::Ucs2 => {
            let high = rest.get(capacity.saturating_sub(2)).copied();
            let low = rest.get(capacity).copied();
            // A low surrogate whose second octet is missing is no pair.
            let is_whole = rest.len() >= capacity + 2;
            matches!((high, low), (Some(0xD8..=0xDB), Some(0xDC..=0xDF))) && is_whole
        }
    };
    if cuts_a_pair { capacity - kind.octets_per_unit() } else { capacity }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text::udh::ReferenceSize;
    use crate::text::{gsm7, ucs2};

    const TABLES: [Table; 3] =
        [Table::TimeToChat, Table::Standard(ReferenceSize::Eight), Table::Standard(ReferenceSize::Sixteen)];
    const KINDS: [UnitKind; 3] = [UnitKind::Septets, UnitKind::Ucs2, UnitKind::Octets];

    fn lengths(payload: &[u8], kind: UnitKind, table: Table) -> Vec<usize> {
        split(payload, kind, table).unwrap().map(<[u8]>::len).collect()
    }

    #[test]
    fn the_vendors_table_is_the_printed_one() {
        let upper_septets = [160, 306, 459, 612, 765, 918, 1071, 1224];
        let upper_units = [70, 132, 198, 264, 330, 396, 462, 528];
        for (segments, (septets, units)) in (1_u32..).zip(upper_septets.into_iter().zip(upper_units)) {
            let gsm = vec![b'a'; septets + 1];
            assert_eq!(segments_of(&gsm[..septets], UnitKind::Septets, Table::TimeToChat), segments);
            assert_eq!(segments_of(&gsm, UnitKind::Septets, Table::TimeToChat), segments + 1);
            let ucs = vec![0; units * 2 + 2];
            assert_eq!(segments_of(&ucs[..units * 2], UnitKind::Ucs2, Table::TimeToChat), segments);
            assert_eq!(segments_of(&ucs, UnitKind::Ucs2, Table::TimeToChat), segments + 1);
        }
    }

    #[test]
    fn the_usual_table_depends_on_the_size_of_the_reference() {
        let eight = Table::Standard(ReferenceSize::Eight);
        let sixteen = Table::Standard(ReferenceSize::Sixteen);
        assert_eq!(lengths(&[b'a'; 161], UnitKind::Septets, eight), [153, 8]);
        assert_eq!(lengths(&[b'a'; 161], UnitKind::Septets, sixteen), [152, 9]);
        assert_eq!(lengths(&[0; 142], UnitKind::Ucs2, eight), [134, 8]);
        assert_eq!(lengths(&[0; 142], UnitKind::Ucs2, sixteen), [132, 10]);
        assert_eq!(lengths(&[0; 141], UnitKind::Octets, eight), [134, 7]);
        assert_eq!(lengths(&[0; 141], UnitKind::Octets, sixteen), [133, 8]);
    }

    #[test]
    fn an_empty_payload_is_one_empty_segment() {
        for kind in KINDS {
            assert_eq!(segments_of(&[], kind, Table::STANDARD), 1);
            assert_eq!(lengths(&[], kind, Table::STANDARD), [0]);
        }
    }

    #[test]
    fn an_escape_pair_moves_to_the_next_segment() {
        let mut payload = vec![b'a'; 152];
        payload.extend_from_slice(&[ESCAPE, 0x65]);
        payload.resize(306, b'b');
        assert_eq!(lengths(&payload, UnitKind::Septets, Table::STANDARD), [152, 153, 1]);
        assert_eq!(billed_of(&payload, UnitKind::Septets, Table::TimeToChat), 2);
        assert_eq!(segments_of(&payload, UnitKind::Septets, Table::TimeToChat), 3);
    }

    #[test]
    fn a_run_of_escapes_is_cut_between_its_pairs() {
        let even = vec![ESCAPE; 306];
        assert_eq!(lengths(&even, UnitKind::Septets, Table::STANDARD), [152, 152, 2]);
        let mut odd = vec![b'a'];
        odd.extend_from_slice(&even);
        assert_eq!(lengths(&odd, UnitKind::Septets, Table::STANDARD), [153, 152, 2]);
    }

    #[test]
    fn a_full_text_of_escapes_is_sent_as_nine_and_billed_as_eight() {
        let text = "€".repeat(612);
        let payload = gsm7::encode(&text).unwrap();
        assert_eq!(payload.len(), 1224);
        assert!(fits(&payload, UnitKind::Septets, Table::TimeToChat));
        assert_eq!(billed_of(&payload, UnitKind::Septets, Table::TimeToChat), 8);
        assert_eq!(segments_of(&payload, UnitKind::Septets, Table::TimeToChat), 9);
        assert_eq!(split(&payload, UnitKind::Septets, Table::TimeToChat).unwrap().count(), 9);
    }

    #[test]
    fn the_1225th_septet_and_the_529th_code_unit_are_too_many() {
        let refused = SegmentError::TooMany { needed: 9, max: 8 };
        let gsm = [b'a'; 1225];
        assert_eq!(split(&gsm, UnitKind::Septets, Table::TimeToChat).unwrap_err(), refused);
        assert_eq!(split(&[0; 1058], UnitKind::Ucs2, Table::TimeToChat).unwrap_err(), refused);
        assert!(fits(&gsm[..1224], UnitKind::Septets, Table::TimeToChat));
        assert_eq!(refused.to_string(), "needs 9 segments where 8 are allowed");
    }

    #[test]
    fn the_usual_table_stops_at_255_parts() {
        let payload = vec![b'a'; 255 * 153 + 1];
        assert_eq!(
            split(&payload, UnitKind::Septets, Table::STANDARD).unwrap_err(),
            SegmentError::TooMany { needed: 256, max: 255 }
        );
        assert!(split(&payload[1..], UnitKind::Septets, Table::STANDARD).is_ok());
    }

    #[test]
    fn a_surrogate_pair_moves_to_the_next_segment() {
        let payload = ucs2::encode(&format!("{}😀{}", "a".repeat(66), "b".repeat(20)));
        assert_eq!(lengths(&payload, UnitKind::Ucs2, Table::STANDARD), [132, 44]);
    }

    /// Payloads with many pairs, so that cuts meet them.
    fn payload() -> impl Strategy<Value = Vec<u8>> {
        let octet = any::<u8>().prop_map(|octet| match octet % 10 {
            0..=2 => ESCAPE,
            3 | 4 => 0xD8,
            5 | 6 => 0xDC,
            _ => octet,
        });
        proptest::collection::vec(octet, 0..1300)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn payload_split_is_payload_joined(payload in payload()) {
            for (kind, table) in KINDS.into_iter().flat_map(|kind| TABLES.map(|table| (kind, table))) {
                let counted = segments_of(&payload, kind, table);
                let Ok(pieces) = split(&payload, kind, table) else {
                    prop_assert!(!fits(&payload, kind, table));
                    continue;
                };
                let pieces: Vec<&[u8]> = pieces.collect();
                prop_assert_eq!(pieces.len(), usize::try_from(counted).unwrap());
                prop_assert_eq!(pieces.concat(), payload.clone());
                if pieces.len() > 1 {
                    prop_assert!(pieces.iter().all(|piece| piece.len() <= table.octets_per_part(kind)));
                }
            }
        }

        #[test]
        fn no_piece_of_a_text_loses_half_a_character(text in "[aé€\\[😀𝄞ç]{0,900}") {
            for table in TABLES {
                let gsm = gsm7::encode(&text.replace(['😀', '𝄞', 'ç'], "€")).unwrap();
                if let Ok(pieces) = split(&gsm, UnitKind::Septets, table) {
                    let read: String = pieces.map(gsm7::decode).collect();
                    prop_assert_eq!(read, gsm7::decode(&gsm));
                }
                if let Ok(pieces) = split(&ucs2::encode(&text), UnitKind::Ucs2, table) {
                    let read: String = pieces.map(ucs2::decode).collect();
                    prop_assert_eq!(read, text.clone());
                }
            }
        }
    }
}
