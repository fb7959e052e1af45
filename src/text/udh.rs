//! User data header (3GPP TS 23.040 §9.2.3.24): reading any, writing concatenations.
//!
//! ```text
//! UDHL | IEI IEDL data… | IEI IEDL data… | body
//!   05 |  00  03  ref total sequence     |        8-bit reference
//!   06 |  08  04  ref ref total sequence |        16-bit reference
//! ```

use std::fmt;

use nom::IResult;
use nom::Parser;
use nom::combinator::all_consuming;
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16};

/// Element identifier of a concatenation with a reference of one octet (§9.2.3.24.1).
pub const CONCATENATED_8: u8 = 0x00;

/// Element identifier of a concatenation with a reference of two octets (§9.2.3.24.8).
pub const CONCATENATED_16: u8 = 0x08;

/// How wide the reference of a concatenation is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ReferenceSize {
    /// One octet; the header takes six.
    Eight,
    /// Two octets; the header takes seven.
    Sixteen,
}

impl ReferenceSize {
    /// Octets of a header that holds nothing but the concatenation, its length octet included.
    #[must_use]
    pub const fn header_octets(self) -> usize {
        match self {
            Self::Eight => 6,
            Self::Sixteen => 7,
        }
    }

    /// `number` cut to this size, as a counter of references wants it.
    #[must_use]
    pub const fn reference(self, number: u16) -> Reference {
        let [_, low] = number.to_be_bytes();
        match self {
            Self::Eight => Reference::Eight(low),
            Self::Sixteen => Reference::Sixteen(number),
        }
    }
}

/// The number that the parts of one message share. 8-bit 7 and 16-bit 7 are two different ones.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Reference {
    /// Of one octet. 0 is legal.
    Eight(u8),
    /// Of two octets. 0 is legal.
    Sixteen(u16),
}

impl Reference {
    /// Its size.
    #[must_use]
    pub const fn size(self) -> ReferenceSize {
        match self {
            Self::Eight(_) => ReferenceSize::Eight,
            Self::Sixteen(_) => ReferenceSize::Sixteen,
        }
    }

    /// Its number, widened.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Eight(number) => u16::from(number),
            Self::Sixteen(number) => number,
        }
    }
}

/// One part's place in a message: `1 ≤ sequence ≤ total`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Concatenation {
    reference: Reference,
    total: u8,
    sequence: u8,
}

impl Concatenation {
    /// `None` when total or sequence is 0, or sequence is above total: such a part is passed on as a
    /// plain message (§9.2.3.24.1 has the element ignored).
    #[must_use]
    pub const fn new(reference: Reference, total: u8, sequence: u8) -> Option<Self> {
        if sequence == 0 || sequence > total {
            return None;
        }
        Some(Self { reference, total, sequence })
    }

    /// What the parts share.
    #[must_use]
    pub const fn reference(self) -> Reference {
        self.reference
    }

    /// Parts in all, at least 1.
    #[must_use]
    pub const fn total(self) -> u8 {
        self.total
    }

    /// Number of this part, from 1.
    #[must_use]
    pub const fn sequence(self) -> u8 {
        self.sequence
    }

    /// A header that holds this and nothing else, its length octet included.
    #[must_use]
    pub const fn header(self) -> HeaderOctets {
        let Self { total, sequence, .. } = self;
        match self.reference {
            Reference::Eight(number) => HeaderOctets::Eight([5, CONCATENATED_8, 3, number, total, sequence]),
            Reference::Sixteen(number) => {
                let [high, low] = number.to_be_bytes();
                HeaderOctets::Sixteen([6, CONCATENATED_16, 4, high, low, total, sequence])
            }
        }
    }
}

/// A written concatenation header; lives on the stack.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HeaderOctets {
    /// With a reference of one octet.
    Eight([u8; 6]),
    /// With a reference of two octets.
    Sixteen([u8; 7]),
}

impl HeaderOctets {
    /// The octets, to be put before the body.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Eight(octets) => octets,
            Self::Sixteen(octets) => octets,
        }
    }
}

/// Why user data that claims to begin with a header does not. The header is then to be ignored whole
/// and the user data passed on as it came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UdhError {
    /// There is no length octet.
    Empty,
    /// The length octet promises more than there is.
    Cut {
        /// Octets promised.
        declared: u8,
        /// Octets present after the length octet.
        present: usize,
    },
    /// An element does not end where the header ends.
    Element,
}

impl fmt::Display for UdhError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("user data header without a length octet"),
            Self::Cut { declared, present } => {
                write!(f, "user data header of {declared} octets where {present} are present")
            }
            Self::Element => f.write_str("user data header element reaches past its header"),
        }
    }
}

impl std::error::Error for UdhError {}

/// One information element.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element<'a> {
    /// Information element identifier.
    pub iei: u8,
    /// Its data.
    pub data: &'a [u8],
}

/// A header whose elements are known to be whole; borrowed from the user data.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header<'a> {
    elements: &'a [u8],
}

impl<'a> Header<'a> {
    /// Takes the header off `user_data`; the second value is the body after it.
    ///
    /// # Errors
    /// [`UdhError`] when the header is not whole (§9.2.3.24 has it ignored then).
    pub fn read(user_data: &'a [u8]) -> Result<(Self, &'a [u8]), UdhError> {
        let (&declared, present) = user_data.split_first().ok_or(UdhError::Empty)?;
        let header: IResult<&[u8], &[u8]> = length_data(be_u8).parse(user_data);
        let Ok((body, elements)) = header else {
            return Err(UdhError::Cut { declared, present: present.len() });
        };
        let mut rest = elements;
        while !rest.is_empty() {
            (rest, _) = element(rest).map_err(|_| UdhError::Element)?;
        }
        Ok((Self { elements }, body))
    }

    /// The elements in the order they came.
    pub fn elements(self) -> impl Iterator<Item = Element<'a>> {
        let mut rest = self.elements;
        std::iter::from_fn(move || {
            let (tail, found) = element(rest).ok()?;
            rest = tail;
            Some(found)
        })
    }

    /// The concatenation, whatever stands around it. Of several legal ones, of either size, the last
    /// counts (§9.2.3.24); one with an impossible total or sequence does not.
    #[must_use]
    pub fn concatenation(self) -> Option<Concatenation> {
        self.elements().filter_map(concatenation).last()
    }

    /// Octets of the header, its length octet included.
    #[must_use]
    pub const fn octets(self) -> usize {
        1 + self.elements.len()
    }
}

fn element(input: &[u8]) -> IResult<&[u8], Element<'_>> {
    let (rest, (iei, data)) = (be_u8, length_data(be_u8)).parse(input)?;
    Ok((rest, Element { iei, data }))
}

fn concatenation(element: Element<'_>) -> Option<Concatenation> {
    let parsed: IResult<&[u8], (Reference, u8, u8)> = match element.iei {
        CONCATENATED_8 => all_consuming((be_u8.map(Reference::Eight), be_u8, be_u8)).parse(element.data),
        CONCATENATED_16 => all_consuming((be_u16.map(Reference::Sixteen), be_u8, be_u8)).parse(element.data),
        _ => return None,
    };
    let (_, (reference, total, sequence)) = parsed.ok()?;
    Concatenation::new(reference, total, sequence)
}

/// Writes elements as a header; the counterpart of [`Header::read`] for tests and simulators.
///
/// `None` when they need more than 255 octets.
#[must_use]
pub fn write<'a>(elements: impl IntoIterator<Item = Element<'a>>) -> Option<Vec<u8>> {
    let mut out = vec![0];
    for element in elements {
        out.extend_from_slice(&[element.iei, u8::try_from(element.data.len()).ok()?]);
        out.extend_from_slice(element.data);
    }
    let declared = u8::try_from(out.len() - 1).ok()?;
    *out.first_mut()? = declared;
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn concatenation_in(user_data: &[u8]) -> Option<Concatenation> {
        Header::read(user_data).unwrap().0.concatenation()
    }

    #[test]
    fn reads_a_reference_of_one_octet() {
        let (header, body) = Header::read(b"\x05\x00\x03\xA7\x02\x01hello").unwrap();
        assert_eq!(header.concatenation(), Concatenation::new(Reference::Eight(0xA7), 2, 1));
        assert_eq!((body, header.octets()), (&b"hello"[..], 6));
    }

    #[test]
    fn reads_a_reference_of_two_octets() {
        let read = concatenation_in(b"\x06\x08\x04\x12\x34\x03\x02x");
        assert_eq!(read, Concatenation::new(Reference::Sixteen(0x1234), 3, 2));
    }

    #[test]
    fn reference_0_is_legal() {
        assert!(concatenation_in(b"\x05\x00\x03\x00\x02\x01").is_some());
        assert!(concatenation_in(b"\x06\x08\x04\x00\x00\x02\x01").is_some());
    }

    #[test]
    fn other_elements_may_stand_around_the_concatenation() {
        // Port addressing before, national language shift after.
        let read = concatenation_in(b"\x0E\x05\x04\x0B\x84\x23\xF0\x00\x03\x07\x02\x02\x24\x01\x01body");
        assert_eq!(read, Concatenation::new(Reference::Eight(7), 2, 2));
    }

    #[test]
    fn an_impossible_part_is_no_concatenation() {
        for (total, sequence) in [(0, 0), (0, 1), (2, 0), (2, 3)] {
            assert_eq!(concatenation_in(&[5, 0, 3, 1, total, sequence, b'x']), None);
            assert_eq!(concatenation_in(&[6, 8, 4, 0, 1, total, sequence, b'x']), None);
        }
    }

    #[test]
    fn a_concatenation_of_the_wrong_length_is_no_concatenation() {
        assert_eq!(concatenation_in(b"\x04\x00\x02\x01\x01"), None);
        assert_eq!(concatenation_in(b"\x06\x00\x04\x01\x01\x02\x01"), None);
    }

    #[test]
    fn of_two_concatenations_the_last_legal_one_counts() {
        let read = concatenation_in(b"\x0F\x00\x03\x01\x02\x01\x00\x03\x09\x02\x02\x00\x03\x05\x00\x00");
        assert_eq!(read, Concatenation::new(Reference::Eight(9), 2, 2));
    }

    #[test]
    fn a_header_longer_than_the_user_data_is_cut() {
        assert_eq!(Header::read(&[]), Err(UdhError::Empty));
        let error = Header::read(b"\x05\x00\x03").unwrap_err();
        assert_eq!(error, UdhError::Cut { declared: 5, present: 2 });
        assert_eq!(error.to_string(), "user data header of 5 octets where 2 are present");
    }

    #[test]
    fn a_header_with_half_an_element_is_ignored_whole() {
        assert_eq!(Header::read(b"\x06\x00\x03\x01\x02\x01\x24body"), Err(UdhError::Element));
        assert_eq!(Header::read(b"\x05\x00\x09\x01\x02\x01body"), Err(UdhError::Element));
    }

    #[test]
    fn an_empty_header_is_legal() {
        let (header, body) = Header::read(b"\x00body").unwrap();
        assert_eq!((header.concatenation(), body), (None, &b"body"[..]));
    }

    #[test]
    fn a_reference_is_cut_to_its_size() {
        assert_eq!(ReferenceSize::Eight.reference(0x1234), Reference::Eight(0x34));
        assert_eq!(ReferenceSize::Sixteen.reference(0x1234), Reference::Sixteen(0x1234));
        assert_ne!(Reference::Eight(7), Reference::Sixteen(7));
    }

    proptest! {
        #[test]
        fn a_written_concatenation_is_read(
            number: u16, wide: bool, total in 1_u8.., at: proptest::sample::Index, body: Vec<u8>
        ) {
            let sequence = 1 + u8::try_from(at.index(usize::from(total))).unwrap();
            let size = if wide { ReferenceSize::Sixteen } else { ReferenceSize::Eight };
            let written = Concatenation::new(size.reference(number), total, sequence).unwrap();
            let mut user_data = written.header().as_bytes().to_vec();
            prop_assert_eq!(user_data.len(), size.header_octets());
            user_data.extend_from_slice(&body);
            let (header, rest) = Header::read(&user_data).unwrap();
            prop_assert_eq!(header.concatenation(), Some(written));
            prop_assert_eq!(rest, &body[..]);
        }

        #[test]
        fn any_octets_are_read_or_refused_and_what_is_read_is_written_alike(user_data: Vec<u8>) {
            if let Ok((header, body)) = Header::read(&user_data) {
                let mut written = write(header.elements()).unwrap();
                written.extend_from_slice(body);
                prop_assert_eq!(written, user_data);
            }
        }
    }
}
