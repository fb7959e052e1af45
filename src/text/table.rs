//! The two tables by which segments are counted.

use super::alphabet::UnitKind;
use super::udh::ReferenceSize;

/// How much a segment holds, and how many a message may have.
///
/// | table | septets alone / part | UCS-2 units alone / part | octets alone / part | parts |
/// |---|---|---|---|---|
/// | `TimeToChat` | 160 / 153 | 70 / 66 | 140 / 134 | 8 |
/// | `Standard(Eight)` | 160 / 153 | 70 / 67 | 140 / 134 | 255 |
/// | `Standard(Sixteen)` | 160 / 152 | 70 / 66 | 140 / 133 | 255 |
///
/// `TimeToChat` is the vendor's price list (contract §6): it limits and bills by units, 1,224 septets
/// or 528 code units, whatever escape pairs do to the cutting. `Standard` is 3GPP TS 23.040 §9.2.3.24.
/// The vendor says nothing of binary messages; they follow the usual sizes here.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Table {
    /// The vendor's own table.
    TimeToChat,
    /// The usual one, with the given size of concatenation reference.
    Standard(ReferenceSize),
}

impl Table {
    /// The usual table with the usual reference of one octet.
    pub const STANDARD: Self = Self::Standard(ReferenceSize::Eight);

    /// Units that fit in a message of one segment.
    #[must_use]
    pub const fn units_alone(self, kind: UnitKind) -> usize {
        match kind {
            UnitKind::Septets => 160,
            UnitKind::Ucs2 => 70,
            UnitKind::Octets => 140,
        }
    }

    /// Units that fit in each segment of a message of several.
    #[must_use]
    pub const fn units_per_part(self, kind: UnitKind) -> usize {
        match (kind, self.reference_size(kind)) {
            (UnitKind::Septets, ReferenceSize::Eight) => 153,
            (UnitKind::Septets, ReferenceSize::Sixteen) => 152,
            (UnitKind::Ucs2, ReferenceSize::Eight) => 67,
            (UnitKind::Ucs2, ReferenceSize::Sixteen) => 66,
            (UnitKind::Octets, ReferenceSize::Eight) => 134,
            (UnitKind::Octets, ReferenceSize::Sixteen) => 133,
        }
    }

    /// Payload octets that fit in a message of one segment: one per septet, two per code unit.
    #[must_use]
    pub const fn octets_alone(self, kind: UnitKind) -> usize {
        self.units_alone(kind) * kind.octets_per_unit()
    }

    /// Payload octets that fit in each segment of a message of several.
    #[must_use]
    pub const fn octets_per_part(self, kind: UnitKind) -> usize {
        self.units_per_part(kind) * kind.octets_per_unit()
    }

    /// Segments a message may have; `TimeToChat` counts billed ones.
    #[must_use]
    pub const fn parts_max(self) -> u32 {
        match self {
            Self::TimeToChat => 8,
            Self::Standard(_) => 255,
        }
    }

    /// Size of the concatenation reference that leaves the room this table promises.
    ///
    /// The vendor's 153 septets go with a reference of one octet, its 66 code units with one of two.
    #[must_use]
    pub const fn reference_size(self, kind: UnitKind) -> ReferenceSize {
        match (self, kind) {
            (Self::Standard(size), _) => size,
            (Self::TimeToChat, UnitKind::Ucs2) => ReferenceSize::Sixteen,
            (Self::TimeToChat, UnitKind::Septets | UnitKind::Octets) => ReferenceSize::Eight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_and_its_header_fill_140_octets() {
        for size in [ReferenceSize::Eight, ReferenceSize::Sixteen] {
            let table = Table::Standard(size);
            let room = 140 - size.header_octets();
            assert_eq!(table.units_per_part(UnitKind::Octets), room);
            assert_eq!(table.units_per_part(UnitKind::Ucs2), room / 2);
            assert_eq!(table.units_per_part(UnitKind::Septets), room * 8 / 7);
        }
    }

    #[test]
    fn the_vendor_takes_1224_septets_and_528_code_units() {
        let table = Table::TimeToChat;
        assert_eq!(table.units_per_part(UnitKind::Septets) * 8, 1224);
        assert_eq!(table.units_per_part(UnitKind::Ucs2) * 8, 528);
        assert_eq!(table.parts_max(), 8);
    }
}
