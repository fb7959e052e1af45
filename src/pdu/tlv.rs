//! Optional parameters: reading them in place, and helpers that write one.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::{Flaw, Tag};

/// The optional parameters of a PDU, in the order in which they came, unknown ones included (SMPP 3.4 §3.2.4).
///
/// They have been checked when the PDU was decoded; reading them again costs no check.
/// `Debug` shows tags and lengths, never values: `message_payload` is somebody's text.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Tlvs<'a>(&'a [u8]);

impl<'a> Tlvs<'a> {
    /// None at all.
    pub const EMPTY: Self = Tlvs(&[]);

    /// Checks `octets` as a row of optional parameters.
    ///
    /// One to three octets after the last one are left out: some peers pad.
    ///
    /// # Errors
    /// Where the flaw is, counted from the start of `octets`, and which: [`Flaw::TlvStream`],
    /// [`Flaw::TlvLength`] or [`Flaw::TlvValue`]. Unknown tags have no rules.
    #[inline]
    pub fn read(octets: &'a [u8]) -> Result<Self, (usize, Flaw)> {
        let mut rest = octets;
        while let [t0, t1, l0, l1, after @ ..] = rest {
            let tag = Tag(u16::from_be_bytes([*t0, *t1]));
            let length = u16::from_be_bytes([*l0, *l1]);
            let Some((value, after)) = after.split_at_checked(usize::from(length)) else {
                return Err((octets.len() - rest.len(), Flaw::TlvStream { tag }));
            };
            if let Some(flaw) = tag.flaw(length, value) {
                return Err((octets.len() - rest.len(), flaw));
            }
            rest = after;
        }
        Ok(Tlvs(octets.get(..octets.len() - rest.len()).unwrap_or(octets)))
    }

    /// The good ones at the start of `octets`.
    pub fn read_as_far_as_good(octets: &'a [u8]) -> Self {
        match Self::read(octets) {
            Ok(tlvs) => tlvs,
            Err((at, _)) => Tlvs(octets.get(..at).unwrap_or_default()),
        }
    }

    /// Each parameter, in order.
    #[inline]
    pub fn iter(&self) -> Iter<'a> {
        Iter(self.0)
    }

    /// The value of the first parameter with this tag.
    #[inline]
    pub fn find(&self, tag: Tag) -> Option<&'a [u8]> {
        self.iter().find_map(|(found, value)| (found == tag).then_some(value))
    }

    /// The value of the first parameter with this tag that is one octet.
    pub fn find_u8(&self, tag: Tag) -> Option<u8> {
        match self.find(tag) {
            Some([octet]) => Some(*octet),
            _ => None,
        }
    }

    /// The value of the first parameter with this tag that is two octets.
    pub fn find_u16(&self, tag: Tag) -> Option<u16> {
        match self.find(tag) {
            Some([high, low]) => Some(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// The value of the first parameter with this tag, without a NUL at its end.
    pub fn find_c_octets(&self, tag: Tag) -> Option<&'a [u8]> {
        self.find(tag).map(|value| match value {
            [string @ .., 0] => string,
            string => string,
        })
    }

    /// All of them as on the wire.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Tlvs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(tag, value)| (tag, value.len()))).finish()
    }
}

impl<'a> IntoIterator for Tlvs<'a> {
    type Item = (Tag, &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Goes through [`Tlvs`].
#[derive(Clone, Debug)]
pub struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = (Tag, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(Tag, &'a [u8])> {
        let [t0, t1, l0, l1, after @ ..] = self.0 else { return None };
        let length = u16::from_be_bytes([*l0, *l1]);
        let (value, rest) = after.split_at_checked(usize::from(length))?;
        self.0 = rest;
        Some((Tag(u16::from_be_bytes([*t0, *t1])), value))
    }
}

/// Appends a parameter of one octet.
#[inline]
pub fn put_u8(out: &mut BytesMut, tag: Tag, value: u8) {
    put_octets(out, tag, &[value]);
}

/// Appends a parameter of two octets.
#[inline]
pub fn put_u16(out: &mut BytesMut, tag: Tag, value: u16) {
    put_octets(out, tag, &value.to_be_bytes());
}

/// Appends a parameter of four octets.
#[inline]
pub fn put_u32(out: &mut BytesMut, tag: Tag, value: u32) {
    put_octets(out, tag, &value.to_be_bytes());
}

/// Appends a parameter with this value. At most 65,535 octets fit; more would be a fault of ours.
#[inline]
pub fn put_octets(out: &mut BytesMut, tag: Tag, value: &[u8]) {
    put_parts(out, tag, value, &[]);
}

/// Appends a parameter with this value and a NUL after it.
#[inline]
pub fn put_c_octets(out: &mut BytesMut, tag: Tag, value: &[u8]) {
    put_parts(out, tag, value, &[0]);
}

#[inline]
fn put_parts(out: &mut BytesMut, tag: Tag, value: &[u8], end: &[u8]) {
    debug_assert!(value.len() + end.len() <= usize::from(u16::MAX), "{tag} has {} octets", value.len());
    let room = usize::from(u16::MAX) - end.len();
    let value = value.get(..room).unwrap_or(value);
    let length = u16::try_from(value.len() + end.len()).unwrap_or(u16::MAX);
    let [t0, t1] = tag.0.to_be_bytes();
    let [l0, l1] = length.to_be_bytes();
    out.reserve(4 + value.len() + end.len());
    out.put_slice(&[t0, t1, l0, l1]);
    out.put_slice(value);
    out.put_slice(end);
}
