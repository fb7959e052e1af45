use bytes::BytesMut;

use super::Address;
use super::field;
use super::read::{Fault, Reader};
use super::write::{Write, put_address, put_c_octets};

/// Body of `cancel_sm`: take back one message, or all between two addresses (SMPP 3.4 §4.9.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CancelSm<'a> {
    /// Limits a cancellation by address to this application, at most 5 octets.
    pub service_type: &'a [u8],
    /// The message; empty for all that match the addresses.
    pub message_id: &'a [u8],
    /// The source that was given with the message.
    pub source: Address,
    /// The destination; may be empty when `message_id` is given.
    pub destination: Address,
}

impl<'a> CancelSm<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(Self {
            service_type: reader.c_octets(field::SERVICE_TYPE)?,
            message_id: reader.c_octets(field::MESSAGE_ID)?,
            source: reader.source()?,
            destination: reader.destination()?,
        })
    }
}

impl Write for CancelSm<'_> {
    fn octets_max(&self) -> usize {
        8 + self.service_type.len()
            + self.message_id.len()
            + self.source.octets.len()
            + self.destination.octets.len()
    }

    fn write(&self, out: &mut BytesMut) {
        put_c_octets(out, field::SERVICE_TYPE, self.service_type);
        put_c_octets(out, field::MESSAGE_ID, self.message_id);
        put_address(out, &self.source);
        put_address(out, &self.destination);
    }
}
