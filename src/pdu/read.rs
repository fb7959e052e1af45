//! The shrinking reader under every body: checked access only, no copy, no allocation.

use super::field::{self, Field, SHORT_MESSAGE};
use super::{Address, COctets, CommandStatus, Flaw, LongAddress, Npi, Tlvs, Ton, time};

/// What is wrong in a body and where; the header joins it in [`DecodeError`](super::DecodeError).
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) offset: usize,
    pub(crate) flaw: Flaw,
    pub(crate) status: CommandStatus,
}

/// What is left of a PDU, from the front.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Octets of the PDU, header included: offsets are counted from its start.
    whole: usize,
}

impl<'a> Reader<'a> {
    /// Reads `body`, the end of a PDU of `whole` octets.
    #[inline]
    pub(crate) fn new(body: &'a [u8], whole: usize) -> Self {
        Self { rest: body, whole }
    }

    /// Whether nothing is left.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Octets from the start of the PDU.
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.whole - self.rest.len()
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn fault(&self, field: &Field, flaw: Flaw) -> Fault {
        // A body that ends early contradicts its `command_length`, whatever field it ends in.
        let status = match flaw {
            Flaw::Missing => CommandStatus::ESME_RINVCMDLEN,
            _ => field.status,
        };
        Fault { name: field.name, offset: self.offset(), flaw, status }
    }

    /// One octet, any value.
    #[inline]
    pub(crate) fn octet(&mut self, field: &Field) -> Result<u8, Fault> {
        match self.rest {
            [octet, rest @ ..] => {
                self.rest = rest;
                Ok(*octet)
            }
            [] => Err(self.fault(field, Flaw::Missing)),
        }
    }

    /// One octet, at most `largest`.
    #[inline]
    pub(crate) fn octet_up_to(&mut self, field: &Field, largest: u8) -> Result<u8, Fault> {
        match self.rest {
            [octet, rest @ ..] if *octet <= largest => {
                self.rest = rest;
                Ok(*octet)
            }
            [octet, ..] => Err(self.fault(field, Flaw::Value(*octet))),
            [] => Err(self.fault(field, Flaw::Missing)),
        }
    }

    /// `N` octets.
    #[inline]
    pub(crate) fn octets<const N: usize>(&mut self, field: &Field) -> Result<[u8; N], Fault> {
        match self.rest.split_first_chunk::<N>() {
            Some((octets, rest)) => {
                self.rest = rest;
                Ok(*octets)
            }
            None => Err(self.fault(field, Flaw::Missing)),
        }
    }

    /// A C-octet string of at most `field.limit` octets with its NUL; gives it without.
    #[inline]
    pub(crate) fn c_octets(&mut self, field: &Field) -> Result<&'a [u8], Fault> {
        if let [0, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(&[]);
        }
        let window = self.rest.get(..field.limit).unwrap_or(self.rest);
        let Some(length) = nul(window) else { return Err(self.without_nul(field)) };
        let (string, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, &[]));
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(string)
    }

    /// A C-octet string kept by value.
    #[inline]
    pub(crate) fn kept<const N: usize>(&mut self, field: &Field) -> Result<COctets<N>, Fault> {
        if let Some(window) = self.rest.first_chunk::<N>() {
            // The whole window is copied: a copy of known size is a few moves, a call otherwise.
            let length = nul_within(window);
            if length >= N {
                return Err(self.without_nul(field));
            }
            self.rest = self.rest.get(length + 1..).unwrap_or_default();
            return Ok(COctets::keep(*window, u8::try_from(length).unwrap_or(u8::MAX)));
        }
        let string = self.c_octets(field)?;
        COctets::try_from(string).map_err(|_| self.fault(field, Flaw::TooLong { limit: field.limit }))
    }

    /// A C-octet string that may lack its NUL when it is the last thing in a response.
    #[inline]
    pub(crate) fn c_octets_or_rest(&mut self, field: &Field) -> Result<&'a [u8], Fault> {
        if self.rest.len() < field.limit && nul(self.rest).is_none() {
            return Ok(std::mem::take(&mut self.rest));
        }
        self.c_octets(field)
    }

    /// `source_addr_ton`, `source_addr_npi`, `source_addr`.
    #[inline]
    pub(crate) fn source(&mut self) -> Result<Address, Fault> {
        Ok(Address {
            ton: Ton(self.octet(field::SOURCE_ADDR_TON)?),
            npi: Npi(self.octet(field::SOURCE_ADDR_NPI)?),
            octets: self.kept(field::SOURCE_ADDR)?,
        })
    }

    /// `dest_addr_ton`, `dest_addr_npi`, `destination_addr`.
    #[inline]
    pub(crate) fn destination(&mut self) -> Result<Address, Fault> {
        Ok(Address {
            ton: Ton(self.octet(field::DEST_ADDR_TON)?),
            npi: Npi(self.octet(field::DEST_ADDR_NPI)?),
            octets: self.kept(field::DESTINATION_ADDR)?,
        })
    }

    /// TON, NPI and an address of up to 64 octets.
    pub(crate) fn long_address(
        &mut self,
        ton: &Field,
        npi: &Field,
        field: &Field,
    ) -> Result<LongAddress<'a>, Fault> {
        Ok(LongAddress {
            ton: Ton(self.octet(ton)?),
            npi: Npi(self.octet(npi)?),
            octets: self.c_octets(field)?,
        })
    }

    /// A time that can be read, or nothing.
    #[inline]
    pub(crate) fn time(&mut self, field: &Field) -> Result<&'a [u8], Fault> {
        if let [0, rest @ ..] = self.rest {
            self.rest = rest;
            return Ok(&[]);
        }
        let before = self.clone();
        let time = self.c_octets(field)?;
        match time::parse(time) {
            Ok(_) => Ok(time),
            Err(error) => Err(before.fault(field, Flaw::Time(error))),
        }
    }

    /// `sm_length` and as many octets.
    #[inline]
    pub(crate) fn short_message(&mut self, sm_length: &Field) -> Result<&'a [u8], Fault> {
        let length = self.octet(sm_length)?;
        match self.rest.split_at_checked(usize::from(length)) {
            Some((message, rest)) => {
                self.rest = rest;
                Ok(message)
            }
            None => {
                let left = self.rest.len();
                Err(self.fault(SHORT_MESSAGE, Flaw::MessageLength { sm_length: length, left }))
            }
        }
    }

    /// All that is left as optional parameters, every known one of them checked.
    #[inline]
    pub(crate) fn tlvs(&mut self) -> Result<Tlvs<'a>, Fault> {
        if self.rest.is_empty() {
            return Ok(Tlvs::EMPTY);
        }
        let begin = self.offset();
        match Tlvs::read(std::mem::take(&mut self.rest)) {
            Ok(tlvs) => Ok(tlvs),
            Err((at, flaw)) => Err(tlv_fault(begin + at, flaw)),
        }
    }

    /// As many good optional parameters as there are. For responses: nobody can be told that the
    /// rest is broken, and the identifier before them must not be lost.
    pub(crate) fn tlvs_as_far_as_good(&mut self) -> Tlvs<'a> {
        Tlvs::read_as_far_as_good(std::mem::take(&mut self.rest))
    }

    #[cold]
    #[inline(never)]
    fn without_nul(&self, field: &Field) -> Fault {
        let cut = self.rest.len() < field.limit;
        self.fault(field, if cut { Flaw::Missing } else { Flaw::TooLong { limit: field.limit } })
    }
}

#[cold]
#[inline(never)]
fn tlv_fault(offset: usize, flaw: Flaw) -> Fault {
    let (name, status) = match flaw {
        Flaw::TlvLength { tag, .. } => (tag.name(), CommandStatus::ESME_RINVPARLEN),
        Flaw::TlvValue { tag } => (tag.name(), CommandStatus::ESME_RINVOPTPARAMVAL),
        _ => (None, CommandStatus::ESME_RINVOPTPARSTREAM),
    };
    Fault { name: name.unwrap_or("optional_parameters"), offset, flaw, status }
}

/// Where the first NUL is. Eight octets at a time: strings here have 0 to 20.
#[inline]
pub(crate) fn nul(octets: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let (words, tail) = octets.as_chunks::<8>();
    let mut before = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        // The lowest bit set is exact; a borrow can only mark octets above a NUL.
        let nuls = word.wrapping_sub(ONES) & !word & HIGHS;
        if nuls != 0 {
            return Some(before + nuls.trailing_zeros() as usize / 8);
        }
        before += 8;
    }
    tail.iter().position(|octet| *octet == 0).map(|at| before + at)
}

/// Where the first NUL is, `N` when there is none. Without a branch where `N` is the size of an address:
/// lengths of addresses differ from PDU to PDU, and a wrong guess costs more than the search.
#[inline]
fn nul_within<const N: usize>(octets: &[u8; N]) -> usize {
    const ONES: u128 = 0x0101_0101_0101_0101_0101_0101_0101_0101;
    const HIGHS: u128 = ONES << 7;
    let (Some(head), Some(tail)) = (octets.first_chunk::<16>(), octets.last_chunk::<8>()) else {
        return nul(octets).unwrap_or(N);
    };
    if !(16..24).contains(&N) {
        return nul(octets).unwrap_or(N);
    }
    let head = u128::from_le_bytes(*head);
    // The last octets that `head` has not seen; the shift brings a NUL in after them.
    let tail = u128::from(u64::from_le_bytes(*tail)) >> ((24 - N) * 8);
    let nuls_of = |word: u128| word.wrapping_sub(ONES) & !word & HIGHS;
    let in_head = nuls_of(head).trailing_zeros() as usize / 8;
    let in_tail = nuls_of(tail).trailing_zeros() as usize / 8;
    if in_head < 16 { in_head } else { 16 + in_tail }
}

#[cfg(test)]
mod tests {
    use super::{nul, nul_within};

    #[test]
    fn finds_the_first_nul_of_a_window() {
        for length in 0..=21 {
            for filler in [1, 0x80, 0xFF] {
                let mut octets = [filler; 21];
                for octet in octets.iter_mut().skip(length) {
                    *octet = 0;
                }
                assert_eq!(nul_within(&octets), length);
                for octet in octets.iter_mut().skip(length + 1) {
                    *octet = 1;
                }
                assert_eq!(nul_within(&octets), length, "{octets:?}");
            }
        }
    }

    #[test]
    fn finds_the_first_nul_and_no_other() {
        for length in 0..40 {
            for first in 0..=length {
                let mut octets = vec![1_u8; length];
                for octet in octets.iter_mut().skip(first) {
                    *octet = 0;
                }
                assert_eq!(nul(&octets), (first < length).then_some(first), "{octets:?}");
                for octet in octets.iter_mut().skip(first + 1) {
                    *octet = 0x80;
                }
                assert_eq!(nul(&octets), (first < length).then_some(first), "{octets:?}");
            }
        }
    }
}
