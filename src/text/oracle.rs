//! What must hold for any octets at all; a fuzz target calls it, and so does a property below.

use super::packed::{FillBits, Length, Padding, pack, unpack};
use super::udh::{Concatenation, Header, ReferenceSize, write};
use super::{
    Alphabet, Arrival, Parts, Table, UnitKind, billed_of, count, dear, fits, gsm7, segments_of, split,
    transliterate, ucs2,
};

/// Checks the rules of this module on arbitrary octets.
///
/// # Panics
/// When a rule is broken: packed is not unpacked, what was read is not written alike, pieces are not the
/// payload, a pair is cut, a count is not the number of pieces, a header is not written as it was read.
pub fn oracle(data: &[u8]) {
    septets(data);
    code_units(data);
    headers(data);
    for table in [Table::TimeToChat, Table::STANDARD, Table::Standard(ReferenceSize::Sixteen)] {
        for kind in [UnitKind::Septets, UnitKind::Ucs2, UnitKind::Octets] {
            pieces(data, kind, table);
        }
        if let Ok(text) = std::str::from_utf8(data) {
            counts(text, table);
        }
    }
}

fn septets(data: &[u8]) {
    let septets: Vec<u8> = data.iter().map(|octet| octet & 0x7F).collect();
    let fill = FillBits::after_header(data.len());
    let packed = pack(&septets, fill, Padding::Zero);
    assert_eq!(unpack(&packed, fill, Length::Septets(septets.len())), septets, "packed is not unpacked");

    let padded = pack(&septets, fill, Padding::CarriageReturn);
    let mut read = unpack(&padded, fill, Length::CarriageReturnPadded);
    if read.len() > septets.len() {
        assert_eq!(septets.last(), Some(&gsm7::CR), "padding was not taken off");
        assert_eq!(read.pop(), Some(gsm7::CR), "something else than padding was added");
    }
    assert_eq!(read, septets, "padded is not unpadded");

    // Arbitrary packed octets: septets out, the same bits back in.
    let bits_whole = unpack(data, FillBits::NONE, Length::Septets(usize::MAX));
    assert_eq!(bits_whole.len(), data.len() * 8 / 7, "septets were lost or invented");
    assert!(gsm7::is_septets(&bits_whole), "a septet has eight bits");

    let text = gsm7::decode(&septets);
    match gsm7::encode(&text) {
        Ok(written) => assert_eq!(gsm7::decode(&written), text, "a text reads differently"),
        Err(error) => panic!("septets were read as what they cannot hold: {error}"),
    }
    // Nothing is refused, whatever the eighth bit says.
    let replaced = gsm7::decode(data).chars().filter(|c| *c == char::REPLACEMENT_CHARACTER).count();
    assert_eq!(replaced, data.iter().filter(|octet| **octet > 0x7F).count(), "an octet went missing");
}

fn code_units(data: &[u8]) {
    let text = ucs2::decode(data);
    assert_eq!(ucs2::decode(&ucs2::encode(&text)), text, "a text reads differently");
}

fn pieces(payload: &[u8], kind: UnitKind, table: Table) {
    let counted = segments_of(payload, kind, table);
    let billed = billed_of(payload, kind, table);
    assert!(billed <= counted, "more is billed than is sent");
    let Ok(cut) = split(payload, kind, table) else {
        assert!(!fits(payload, kind, table), "refused though it fits");
        return;
    };
    let cut: Vec<&[u8]> = cut.collect();
    assert_eq!(u32::try_from(cut.len()), Ok(counted), "the count is not the number of pieces");
    let room = if cut.len() == 1 { table.octets_alone(kind) } else { table.octets_per_part(kind) };

    let total = u8::try_from(cut.len()).expect("a payload that fits has at most 255 pieces");
    let mut parts = Parts::new(total);
    for (sequence, piece) in (1..=total).zip(cut.iter().copied()).rev() {
        assert!(piece.len() <= room, "a piece is too long");
        assert!(cut.len() == 1 || !piece.is_empty(), "a piece is empty");
        if sequence < total {
            assert!(ends_between_characters(piece, kind, cut.get(usize::from(sequence)).copied()));
        }
        assert_eq!(parts.insert(sequence, piece), Arrival::New);
        assert_eq!(parts.insert(sequence, piece), Arrival::Repeated);
    }
    assert!(parts.is_complete(), "a piece is missing");
    assert_eq!(parts.joined(), payload, "the pieces are not the payload");
}

/// Told from the start of the piece, not from its end as the cutting does it.
fn ends_between_characters(piece: &[u8], kind: UnitKind, next: Option<&[u8]>) -> bool {
    match kind {
        UnitKind::Octets => true,
        UnitKind::Septets => {
            let mut octets = piece.iter();
            while let Some(octet) = octets.next() {
                if *octet == gsm7::ESCAPE && octets.next().is_none() {
                    return false;
                }
            }
            true
        }
        UnitKind::Ucs2 => {
            let high = matches!(piece.last_chunk(), Some([0xD8..=0xDB, _]));
            let low = matches!(next.and_then(<[u8]>::first_chunk), Some([0xDC..=0xDF, _]));
            piece.len().is_multiple_of(2) && !(high && low)
        }
    }
}

fn headers(data: &[u8]) {
    if let Ok((header, body)) = Header::read(data) {
        let written = write(header.elements()).expect("a header that was read is short enough");
        assert_eq!([&written, body].concat(), data, "a header is not written as it was read");
        if let Some(read) = header.concatenation() {
            concatenation(read, body);
        }
    }
    if let [high, low, total, sequence, body @ ..] = data {
        let number = u16::from_be_bytes([*high, *low]);
        for size in [ReferenceSize::Eight, ReferenceSize::Sixteen] {
            match Concatenation::new(size.reference(number), *total, *sequence) {
                Some(made) => concatenation(made, body),
                None => {
                    assert!(*total == 0 || *sequence == 0 || sequence > total, "a legal part was refused")
                }
            }
        }
    }
}

fn concatenation(part: Concatenation, body: &[u8]) {
    assert!(part.sequence() >= 1 && part.sequence() <= part.total(), "an impossible part");
    let user_data = [part.header().as_bytes(), body].concat();
    let read = Header::read(&user_data).expect("a written header is whole");
    assert_eq!((read.0.concatenation(), read.1), (Some(part), body), "a part is not read as it was written");
}

fn counts(text: &str, table: Table) {
    let counted = count(text, table);
    let kind = counted.alphabet.unit_kind();
    let payload = counted.alphabet.encode(text).expect("the needed alphabet holds the text");
    assert_eq!(counted.units * kind.octets_per_unit(), payload.len(), "units are not octets");
    assert_eq!(counted.sent, segments_of(&payload, kind, table), "a text counts unlike its octets");
    assert_eq!(counted.billed, billed_of(&payload, kind, table), "a text is billed unlike its octets");
    assert_eq!(Alphabet::needed(&transliterate(text)), Alphabet::Gsm7, "a transliteration is not GSM");
    let must_be_dear = counted.alphabet == Alphabet::Ucs2;
    assert!(!must_be_dear || !dear(text).is_empty(), "UCS-2 for no reason");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rules_hold_at_the_borders() {
        for octet in [0x00, gsm7::CR, gsm7::ESCAPE, b'a', 0xD8, 0xDC, 0xFF] {
            for len in (0..20).chain(130..170).chain(260..320).chain([1224, 1225, 39_015, 39_016]) {
                oracle(&vec![octet; len]);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn the_rules_hold_for_any_octets(data in proptest::collection::vec(any::<u8>(), 0..1300)) {
            oracle(&data);
        }

        #[test]
        fn the_rules_hold_for_any_text(text in ".{0,400}") {
            oracle(text.as_bytes());
        }
    }
}
