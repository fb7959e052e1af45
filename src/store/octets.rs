//! Values as octets and back: the alphabet in which records and rows are written.

use crate::pdu::{Address, Npi, Ton};

/// Stored octets that do not say what they should.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Garbled(pub &'static str);

impl std::fmt::Display for Garbled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stored octets do not hold {}", self.0)
    }
}

impl std::error::Error for Garbled {}

/// Writes values. Integers are little-endian; `var` is LEB128.
pub(super) trait Put {
    fn put(&mut self, octets: &[u8]);
    fn u8(&mut self, value: u8) {
        self.put(&[value]);
    }
    fn u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }
    fn u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }
    fn u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }
    fn var(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.u8(u8::try_from(value & 0x7F).unwrap_or(0) | 0x80);
            value >>= 7;
        }
        self.u8(u8::try_from(value).unwrap_or(0));
    }
    fn octets(&mut self, octets: &[u8]) {
        self.var(octets.len() as u64);
        self.put(octets);
    }
    fn address(&mut self, address: &Address) {
        self.put(&[address.ton.0, address.npi.0]);
        self.octets(address.octets.as_bytes());
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, octets: &[u8]) {
        self.extend_from_slice(octets);
    }
}

/// Reads values; only shrinks.
pub(super) struct Take<'a>(pub &'a [u8]);

impl<'a> Take<'a> {
    pub(super) fn take(&mut self, octets: usize) -> Result<&'a [u8], Garbled> {
        let (head, rest) =
            self.0.split_at_checked(octets).ok_or(Garbled("as many octets as they announce"))?;
        self.0 = rest;
        Ok(head)
    }
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Garbled> {
        self.take(N)?.try_into().map_err(|_| Garbled("an array"))
    }
    pub(super) fn u8(&mut self) -> Result<u8, Garbled> {
        Ok(self.array::<1>()?[0])
    }
    pub(super) fn bool(&mut self) -> Result<bool, Garbled> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Garbled("a yes or no")),
        }
    }
    pub(super) fn u16(&mut self) -> Result<u16, Garbled> {
        Ok(u16::from_le_bytes(self.array()?))
    }
    pub(super) fn u32(&mut self) -> Result<u32, Garbled> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    pub(super) fn u64(&mut self) -> Result<u64, Garbled> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    pub(super) fn var(&mut self) -> Result<u64, Garbled> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let octet = self.u8()?;
            value |= u64::from(octet & 0x7F) << shift;
            if octet < 0x80 {
                return Ok(value);
            }
        }
        Err(Garbled("a number"))
    }
    pub(super) fn count(&mut self) -> Result<usize, Garbled> {
        usize::try_from(self.var()?).map_err(|_| Garbled("a count"))
    }
    pub(super) fn octets(&mut self) -> Result<&'a [u8], Garbled> {
        let count = self.count()?;
        self.take(count)
    }
    pub(super) fn boxed(&mut self) -> Result<Box<[u8]>, Garbled> {
        Ok(self.octets()?.into())
    }
    pub(super) fn text(&mut self) -> Result<String, Garbled> {
        String::from_utf8(self.octets()?.to_vec()).map_err(|_| Garbled("text"))
    }
    pub(super) fn address(&mut self) -> Result<Address, Garbled> {
        let [ton, npi] = self.array()?;
        Address::new(Ton(ton), Npi(npi), self.octets()?).map_err(|_| Garbled("an address"))
    }
    pub(super) fn end(&self) -> Result<(), Garbled> {
        if self.0.is_empty() { Ok(()) } else { Err(Garbled("an end where it should be")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_and_octets_come_back(numbers in prop::collection::vec(any::<u64>(), 0..8), octets: Vec<u8>) {
            let mut out = Vec::new();
            numbers.iter().for_each(|&n| out.var(n));
            out.octets(&octets);
            let mut take = Take(&out);
            for n in numbers {
                prop_assert_eq!(take.var(), Ok(n));
            }
            prop_assert_eq!(take.octets(), Ok(&octets[..]));
            prop_assert_eq!(take.end(), Ok(()));
        }
    }
}
