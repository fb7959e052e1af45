//! GSM 7-bit packed: eight septets in seven octets (3GPP TS 23.038 §6.1.2).
//!
//! After a user data header the first septet starts on a septet boundary, so [`FillBits`] zero bits
//! stand before it. Where no septet count travels with the octets, seven spare bits at the end look
//! like an `@`: [`Padding::CarriageReturn`] is the rule against it (§6.1.2.3.1).

use super::gsm7::CR;

/// Zero bits between a user data header and the first septet: 0 to 6.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FillBits(u8);

impl FillBits {
    /// No header, no fill.
    pub const NONE: Self = Self(0);

    /// The fill after a header of `octets`, its length octet included (3GPP TS 23.040 §9.2.3.24).
    #[must_use]
    pub const fn after_header(octets: usize) -> Self {
        // 8 bits per octet is 1 modulo 7.
        match octets % 7 {
            1 => Self(6),
            2 => Self(5),
            3 => Self(4),
            4 => Self(3),
            5 => Self(2),
            6 => Self(1),
            _ => Self(0),
        }
    }

    /// The number of bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// What fills the last octet when writing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Padding {
    /// Zero bits: the number of septets travels beside the octets.
    Zero,
    /// A carriage return when seven bits are spare, and a second one when the text itself ends in a
    /// carriage return on an octet boundary, because a reader removes the last one there.
    CarriageReturn,
}

/// How a reader knows where the text ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Length {
    /// So many septets; fewer when the octets do not hold them.
    Septets(usize),
    /// Unknown; the writer used [`Padding::CarriageReturn`].
    CarriageReturnPadded,
    /// Unknown; the writer left zero bits, so an `@` that ends on an octet boundary is padding.
    ZeroPadded,
}

/// Packs septets (one per octet; bit 8 is ignored) behind `fill`.
#[must_use]
pub fn pack(septets: &[u8], fill: FillBits, padding: Padding) -> Vec<u8> {
    let bits_used = usize::from(fill.0) + 7 * septets.len();
    let ends_on_boundary = bits_used.is_multiple_of(8);
    let extra = match padding {
        Padding::Zero => None,
        // Seven spare bits: one bit of the last octet is used.
        Padding::CarriageReturn if bits_used % 8 == 1 => Some(CR),
        Padding::CarriageReturn if ends_on_boundary && septets.last() == Some(&CR) => Some(CR),
        Padding::CarriageReturn => None,
    };

    let mut out = Vec::with_capacity(bits_used / 8 + 1);
    let mut held: u16 = 0;
    let mut held_bits = fill.0;
    for septet in septets.iter().copied().chain(extra) {
        held |= u16::from(septet & 0x7F) << held_bits;
        held_bits += 7;
        if held_bits >= 8 {
            let [low, high] = held.to_le_bytes();
            out.push(low);
            held = u16::from(high);
            held_bits -= 8;
        }
    }
    if held_bits > 0 {
        let [low, _] = held.to_le_bytes();
        out.push(low);
    }
    out
}

/// Unpacks into one septet per octet. Never fails: bits that make no septet are dropped.
#[must_use]
pub fn unpack(octets: &[u8], fill: FillBits, length: Length) -> Vec<u8> {
    let bits = (octets.len() * 8).saturating_sub(usize::from(fill.0));
    let whole = bits / 7;
    let wanted = match length {
        Length::Septets(count) => count.min(whole),
        Length::CarriageReturnPadded | Length::ZeroPadded => whole,
    };

    let mut septets = Vec::with_capacity(wanted);
    let mut octets = octets.iter().copied();
    let mut held: u16 = 0;
    let mut held_bits: u8 = 0;
    if fill.0 > 0 {
        held = u16::from(octets.next().unwrap_or(0)) >> fill.0;
        held_bits = 8 - fill.0;
    }
    while septets.len() < wanted {
        if held_bits < 7 {
            held |= u16::from(octets.next().unwrap_or(0)) << held_bits;
            held_bits += 8;
        }
        let [low, _] = held.to_le_bytes();
        septets.push(low & 0x7F);
        held >>= 7;
        held_bits -= 7;
    }

    let pad = match length {
        Length::Septets(_) => None,
        Length::CarriageReturnPadded => Some(CR),
        Length::ZeroPadded => Some(0x00),
    };
    if bits.is_multiple_of(7) && pad.is_some() && septets.last().copied() == pad {
        septets.pop();
    }
    septets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packs_hellohello() {
        // Worked out by hand; also the example most tutorials print.
        let packed = pack(b"hellohello", FillBits::NONE, Padding::Zero);
        assert_eq!(packed, [0xE8, 0x32, 0x9B, 0xFD, 0x46, 0x97, 0xD9, 0xEC, 0x37]);
        assert_eq!(unpack(&packed, FillBits::NONE, Length::Septets(10)), b"hellohello");
    }

    #[test]
    fn a_six_octet_header_leaves_one_fill_bit_and_a_seven_octet_one_none() {
        assert_eq!(FillBits::after_header(6).bits(), 1);
        assert_eq!(FillBits::after_header(7).bits(), 0);
        for octets in 0..200 {
            let fill = usize::from(FillBits::after_header(octets).bits());
            assert!(fill < 7 && (octets * 8 + fill).is_multiple_of(7), "{octets} octets");
        }
    }

    #[test]
    fn seven_spare_bits_hold_a_carriage_return_and_no_at_sign() {
        let packed = pack(b"1234567", FillBits::NONE, Padding::CarriageReturn);
        assert_eq!(packed.len(), 7);
        assert_eq!(packed.last(), Some(&(CR << 1)));
        assert_eq!(unpack(&packed, FillBits::NONE, Length::CarriageReturnPadded), b"1234567");

        let zeroed = pack(b"1234567", FillBits::NONE, Padding::Zero);
        assert_eq!(unpack(&zeroed, FillBits::NONE, Length::ZeroPadded), b"1234567");
        assert_eq!(unpack(&zeroed, FillBits::NONE, Length::CarriageReturnPadded), b"1234567\0");
    }

    #[test]
    fn a_carriage_return_on_the_boundary_is_doubled() {
        let packed = pack(b"1234567\r", FillBits::NONE, Padding::CarriageReturn);
        assert_eq!(packed.len(), 8);
        assert_eq!(unpack(&packed, FillBits::NONE, Length::CarriageReturnPadded), b"1234567\r\r");
    }

    #[test]
    fn more_septets_than_there_are_bits_for_are_not_invented() {
        assert_eq!(unpack(&[0xE8], FillBits::NONE, Length::Septets(200)), [0x68]);
        assert_eq!(unpack(&[], FillBits::after_header(6), Length::Septets(3)), [0_u8; 0]);
    }

    proptest! {
        #[test]
        fn packed_is_unpacked(
            septets in proptest::collection::vec(0_u8..=0x7F, 0..200), header in 0_usize..30
        ) {
            let fill = FillBits::after_header(header);
            let packed = pack(&septets, fill, Padding::Zero);
            prop_assert_eq!(packed.len(), (usize::from(fill.bits()) + 7 * septets.len()).div_ceil(8));
            prop_assert_eq!(unpack(&packed, fill, Length::Septets(septets.len())), septets);
        }

        #[test]
        fn padding_is_taken_off_again(
            septets in proptest::collection::vec(0_u8..=0x7F, 0..200), header in 0_usize..30
        ) {
            let fill = FillBits::after_header(header);
            let packed = pack(&septets, fill, Padding::CarriageReturn);
            let mut read = unpack(&packed, fill, Length::CarriageReturnPadded);
            if read.len() == septets.len() + 1 && septets.last() == Some(&CR) {
                // <CR><CR> means the same as <CR>.
                prop_assert_eq!(read.pop(), Some(CR));
            }
            prop_assert_eq!(read, septets);
        }
    }
}
