//! The octets of a segment file.
//!
//! ```text
//! segment  magic 8 · version u32 · salt u64 · first batch u64 · CRC32C of these u32 · batches … · zeros
//! batch    payload length u32 · CRC32C u32 · number ^ salt u64 · payload
//! ```
//!
//! All numbers are little-endian. A batch's CRC covers length, number and payload and is seeded with the salt.
//! The salt is random and never leaves the file: octets that a stranger put into a payload cannot pass for a
//! batch when a torn write is searched for what follows it.

/// Octets before the first batch.
pub(super) const SEGMENT_HEADER_OCTETS: usize = 32;
/// Octets before a batch's payload.
pub(super) const BATCH_HEADER_OCTETS: usize = 16;
/// The largest payload that any configuration allows.
pub(super) const BATCH_OCTETS_MAX: usize = 64 << 20;

const MAGIC: [u8; 8] = *b"TLJOURNL";
const VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct SegmentHeader {
    pub(super) first: u64,
    pub(super) salt: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HeaderFlaw {
    Damaged,
    Version(u32),
}

impl SegmentHeader {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        let crc = crc32c::crc32c(&out[start..]);
        out.extend_from_slice(&crc.to_le_bytes());
    }

    pub(super) fn read(octets: &[u8]) -> Result<Self, HeaderFlaw> {
        let mut fields = Fields(octets);
        let (magic, version, salt, first, crc) =
            (|| Some((fields.take::<8>()?, fields.u32()?, fields.u64()?, fields.u64()?, fields.u32()?)))()
                .ok_or(HeaderFlaw::Damaged)?;
        if magic != MAGIC {
            return Err(HeaderFlaw::Damaged);
        }
        if version != VERSION {
            return Err(HeaderFlaw::Version(version));
        }
        let covered = octets.get(..SEGMENT_HEADER_OCTETS - 4).ok_or(HeaderFlaw::Damaged)?;
        if crc32c::crc32c(covered) != crc || first == 0 {
            return Err(HeaderFlaw::Damaged);
        }
        Ok(Self { first, salt })
    }
}

/// What stands before a payload; believed only when the CRC fits.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchHeader {
    pub(super) len: usize,
    pub(super) number: u64,
    crc: u32,
    covered: [u8; 12],
}

impl BatchHeader {
    /// Reads a header, whatever it says. `None` when there are fewer than 16 octets.
    pub(super) fn read(octets: &[u8], salt: u64) -> Option<Self> {
        let mut fields = Fields(octets);
        let (len, crc, number) = (fields.take::<4>()?, fields.u32()?, fields.take::<8>()?);
        let mut covered = [0; 12];
        covered[..4].copy_from_slice(&len);
        covered[4..].copy_from_slice(&number);
        Some(Self {
            len: usize::try_from(u32::from_le_bytes(len)).ok()?,
            number: u64::from_le_bytes(number) ^ salt,
            crc,
            covered,
        })
    }

    pub(super) fn fits(&self, payload: &[u8], salt: u64) -> bool {
        payload.len() == self.len && checksum(&self.covered, payload, salt) == self.crc
    }
}

/// Appends a whole batch to `out`. The payload is within [`BATCH_OCTETS_MAX`].
pub(super) fn write_batch(out: &mut Vec<u8>, number: u64, salt: u64, payload: &[u8]) {
    let len = u32::try_from(payload.len()).expect("the limit is far below 4 GiB").to_le_bytes();
    let number = (number ^ salt).to_le_bytes();
    let mut covered = [0; 12];
    covered[..4].copy_from_slice(&len);
    covered[4..].copy_from_slice(&number);
    out.extend_from_slice(&len);
    out.extend_from_slice(&checksum(&covered, payload, salt).to_le_bytes());
    out.extend_from_slice(&number);
    out.extend_from_slice(payload);
}

/// The salt of the segment that begins with batch `first`.
pub(super) fn salt_of(seed: u64, first: u64) -> u64 {
    let mut mixed = seed ^ first.rotate_left(32);
    for _ in 0..2 {
        mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    }
    mixed ^ (mixed >> 32)
}

fn checksum(covered: &[u8; 12], payload: &[u8], salt: u64) -> u32 {
    let seed = crc32c::crc32c(&salt.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(seed, covered), payload)
}

/// What is left to read.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_header_is_read_back_and_no_damaged_one_is() {
        let header = SegmentHeader { first: 7, salt: 0x0123_4567_89AB_CDEF };
        let mut octets = Vec::new();
        header.write(&mut octets);
        assert_eq!(octets.len(), SEGMENT_HEADER_OCTETS);
        assert_eq!(SegmentHeader::read(&octets), Ok(header));
        for at in 0..octets.len() {
            let mut damaged = octets.clone();
            damaged[at] ^= 0x10;
            assert!(SegmentHeader::read(&damaged).is_err(), "octet {at}");
            assert_eq!(SegmentHeader::read(&octets[..at]), Err(HeaderFlaw::Damaged), "cut at {at}");
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let mut octets = Vec::new();
        SegmentHeader { first: 1, salt: 2 }.write(&mut octets);
        octets[8] = 2;
        assert_eq!(SegmentHeader::read(&octets), Err(HeaderFlaw::Version(2)));
    }

    #[test]
    fn a_batch_has_the_octets_it_had_when_the_format_was_made() {
        let mut octets = Vec::new();
        write_batch(&mut octets, 3, 0, b"123456789");
        assert_eq!(octets.len(), BATCH_HEADER_OCTETS + 9);
        assert_eq!(octets[..4], [9, 0, 0, 0]);
        assert_eq!(octets[8..16], [3, 0, 0, 0, 0, 0, 0, 0]);
        let header = BatchHeader::read(&octets, 0).expect("long enough");
        assert!(header.fits(b"123456789", 0));
        assert!(!header.fits(b"123456788", 0));
        assert!(!header.fits(b"123456789", 1));
    }
}
