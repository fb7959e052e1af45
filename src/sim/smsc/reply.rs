//! What a mobile writes back.

use crate::pdu::{DataCoding, EsmClass};

/// A part of a reply: the octets of `short_message`, header of user data included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Part {
    /// Of this part.
    pub(super) esm_class: EsmClass,
    /// Of the reply, as of what is answered.
    pub(super) data_coding: DataCoding,
    /// At most 140 octets for UCS-2, 160 for others.
    pub(super) short_message: Vec<u8>,
}

/// The reply to `text`: "You wrote: …" as far as it fits, or three parts if it begins with "long".
///
/// The parts do not come in order, so that somebody has to sort them. `number` tells replies in parts apart.
pub(super) fn reply(text: &[u8], data_coding: DataCoding, number: u8) -> Vec<Part> {
    let alphabet = Alphabet::of(data_coding);
    let mut whole = alphabet.write("You wrote: ");
    whole.extend_from_slice(text);
    if !text.starts_with(&alphabet.write("long")) {
        let short_message = alphabet.cut(&whole, alphabet.octets_alone()).to_vec();
        return vec![Part { esm_class: EsmClass::DEFAULT, data_coding, short_message }];
    }
    let mut whole = alphabet.cut(&whole, alphabet.octets_per_part()).to_vec();
    let end = alphabet.write(" The end.");
    while whole.len() <= 2 * alphabet.octets_per_part() {
        whole.extend(alphabet.write(" This reply comes in three parts."));
    }
    whole.extend(end);
    let mut parts = Vec::new();
    let mut rest = &whole[..];
    for sequence in 1..=3 {
        let (piece, after) = rest.split_at(alphabet.cut(rest, alphabet.octets_per_part()).len());
        rest = after;
        let short_message = [&[5, 0, 3, number, 3, sequence], piece].concat();
        parts.push(Part { esm_class: EsmClass::UDHI, data_coding, short_message });
    }
    parts.rotate_right(1);
    parts
}

/// How octets stand for characters, as far as it matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Alphabet {
    /// One octet per character, and 0x1B with its follower is one: GSM 7-bit as SMPP carries it, Latin-1, ASCII.
    Octets,
    /// Two octets per code unit.
    Ucs2,
}

impl Alphabet {
    fn of(data_coding: DataCoding) -> Self {
        if data_coding.is_ucs2() { Self::Ucs2 } else { Self::Octets }
    }

    fn octets_alone(self) -> usize {
        match self {
            Self::Octets => 160,
            Self::Ucs2 => 140,
        }
    }

    fn octets_per_part(self) -> usize {
        match self {
            Self::Octets => 153,
            Self::Ucs2 => 134,
        }
    }

    /// Letters, digits, blanks, colons and full stops are alike in GSM 7-bit, Latin-1 and ASCII.
    fn write(self, plain: &str) -> Vec<u8> {
        match self {
            Self::Octets => plain.bytes().collect(),
            Self::Ucs2 => plain.bytes().flat_map(|octet| [0, octet]).collect(),
        }
    }

    /// As much of `octets` as fits into `limit` without cutting a character in two.
    fn cut(self, octets: &[u8], limit: usize) -> &[u8] {
        let fitting = &octets[..limit.min(octets.len())];
        let cut_in_two = match self {
            Self::Octets if fitting.len() < octets.len() => {
                usize::from(fitting.iter().rev().take_while(|octet| **octet == 0x1B).count() % 2 == 1)
            }
            Self::Octets => 0,
            Self::Ucs2 => match fitting {
                [.., 0xD8..=0xDB, _] => 2,
                _ => fitting.len() % 2,
            },
        };
        &fitting[..fitting.len() - cut_in_two]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_repeated_as_it_was_written() {
        let gsm = reply(b"5\x1Be and \0", DataCoding::DEFAULT, 1);
        assert_eq!(gsm.len(), 1);
        assert_eq!(gsm[0].short_message, b"You wrote: 5\x1Be and \0");
        let ucs2 = reply(&[0x04, 0x14], DataCoding::UCS2, 1);
        assert_eq!(ucs2[0].short_message[..4], [0, b'Y', 0, b'o']);
        assert_eq!(ucs2[0].short_message[22..], [0x04, 0x14]);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let escapes = [b"x".as_slice(), &b"\x1Be".repeat(200)].concat();
        let gsm = &reply(&escapes, DataCoding::DEFAULT, 1)[0].short_message;
        assert_eq!((gsm.len(), gsm.last()), (160, Some(&b'e')));
        let escapes = b"\x1Be".repeat(200);
        let gsm = &reply(&escapes, DataCoding::DEFAULT, 1)[0].short_message;
        assert_eq!((gsm.len(), gsm.last()), (159, Some(&b'e')));
        let trains: Vec<u8> = [0xD8, 0x3D, 0xDE, 0x82].repeat(60);
        let ucs2 = &reply(&trains, DataCoding::UCS2, 1)[0].short_message;
        assert_eq!((ucs2.len(), &ucs2[ucs2.len() - 2..]), (138, &[0xDE, 0x82][..]));
    }

    #[test]
    fn long_is_answered_in_three_parts_out_of_order() {
        for coding in [DataCoding::DEFAULT, DataCoding::UCS2] {
            let text = Alphabet::of(coding).write("long please");
            let mut parts = reply(&text, coding, 9);
            assert_eq!(parts.iter().map(|part| part.short_message[5]).collect::<Vec<_>>(), [3, 1, 2]);
            parts.sort_by_key(|part| part.short_message[5]);
            let whole: Vec<u8> = parts.iter().flat_map(|part| &part.short_message[6..]).copied().collect();
            assert!(whole.starts_with(&Alphabet::of(coding).write("You wrote: long please")));
            assert!(whole.ends_with(&Alphabet::of(coding).write("The end.")));
            for part in &parts {
                assert_eq!(part.short_message[..5], [5, 0, 3, 9, 3]);
                assert!(part.esm_class.has_udhi() && part.short_message.len() <= 160);
                assert!(part.short_message.len() > 6, "a part is empty");
            }
        }
    }
}
