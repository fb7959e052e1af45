//! Writing bodies. What is written is strict: fields stay within their sizes, lengths are computed.

use bytes::{BufMut, BytesMut};

use super::field::Field;
use super::read::nul;
use super::{Address, CommandId, CommandStatus, Header, LongAddress, SequenceNumber};

/// A body that can be written: what follows the header.
pub trait Write {
    /// Octets that [`write`](Self::write) will add at most. Room is made once for all of them.
    fn octets_max(&self) -> usize;

    /// Appends the body to `out`.
    fn write(&self, out: &mut BytesMut);
}

/// No body: `enquire_link`, `unbind`, `generic_nack`, and a refusal.
impl Write for () {
    #[inline]
    fn octets_max(&self) -> usize {
        0
    }

    #[inline]
    fn write(&self, _: &mut BytesMut) {}
}

/// Appends one whole PDU to `out`; `command_length` is patched in last.
///
/// A refusal without body is `&()`. Allocates only when `out` has no room left.
#[inline]
pub fn encode(
    out: &mut BytesMut,
    id: CommandId,
    status: CommandStatus,
    sequence: SequenceNumber,
    body: &impl Write,
) {
    let begin = out.len();
    out.reserve(Header::OCTETS + body.octets_max());
    let header =
        Header { command_length: 0, command_id: id, command_status: status, sequence_number: sequence };
    out.put_slice(&header.octets());
    body.write(out);
    // Bodies are bounded by their fields' types: 255 octets of text and a few TLVs of 64 KiB at most.
    let length = u32::try_from(out.len() - begin).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(begin..).and_then(<[u8]>::first_chunk_mut::<4>) {
        *place = length.to_be_bytes();
    }
}

/// Appends `octets` and a NUL. What cannot stand in the field (a NUL, too many octets) ends it.
#[inline]
pub(crate) fn put_c_octets(out: &mut BytesMut, field: &Field, octets: &[u8]) {
    debug_assert!(octets.len() < field.limit, "{} has {} octets", field.name, octets.len());
    if let Ok(time) = <&[u8; 16]>::try_from(octets)
        && nul(time).is_none()
        && field.limit > 16
    {
        // Times and many identifiers: a copy of known size again.
        out.put_slice(time);
    } else if !octets.is_empty() {
        let fitting = octets.get(..field.limit - 1).unwrap_or(octets);
        out.put_slice(nul(fitting).and_then(|end| fitting.get(..end)).unwrap_or(fitting));
    }
    out.put_u8(0);
}

/// Appends TON, NPI, the octets and a NUL.
#[inline]
pub(crate) fn put_address(out: &mut BytesMut, address: &Address) {
    let (field, length) = address.octets.parts();
    out.put_slice(&[address.ton.0, address.npi.0]);
    // All 21 octets are copied and the surplus taken back: a copy of known size is a few moves, a call otherwise.
    out.put_slice(field);
    out.truncate(out.len() - (field.len() - length));
    out.put_u8(0);
}

pub(crate) fn put_long_address(out: &mut BytesMut, field: &Field, address: &LongAddress<'_>) {
    out.put_slice(&[address.ton.0, address.npi.0]);
    put_c_octets(out, field, address.octets);
}
