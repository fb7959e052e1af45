use std::fmt;

use bytes::{BufMut, BytesMut};

use super::field;
use super::read::{Fault, Reader};
use super::write::{Write, put_address, put_c_octets};
use super::{Address, RegisteredDelivery};

/// Body of `replace_sm`: new text and times for a waiting message (SMPP 3.4 §4.10.1).
///
/// `Debug` does not show the text.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct ReplaceSm<'a> {
    /// The message to replace.
    pub message_id: &'a [u8],
    /// The source that was given with it.
    pub source: Address,
    /// New schedule, empty to keep the old one.
    pub schedule_delivery_time: &'a [u8],
    /// New validity, empty to keep the old one.
    pub validity_period: &'a [u8],
    /// Which reports are wanted.
    pub registered_delivery: RegisteredDelivery,
    /// A message kept at the SMSC, 0 for none.
    pub sm_default_msg_id: u8,
    /// The new text, at most 254 octets (255 are read).
    pub short_message: &'a [u8],
}

impl<'a> ReplaceSm<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(Self {
            message_id: reader.c_octets(field::MESSAGE_ID)?,
            source: reader.source()?,
            schedule_delivery_time: reader.time(field::SCHEDULE_DELIVERY_TIME)?,
            validity_period: reader.time(field::VALIDITY_PERIOD)?,
            registered_delivery: RegisteredDelivery(reader.octet(field::REGISTERED_DELIVERY)?),
            sm_default_msg_id: reader.octet(field::SM_DEFAULT_MSG_ID)?,
            short_message: reader.short_message(field::SM_LENGTH)?,
        })
    }
}

impl Write for ReplaceSm<'_> {
    fn octets_max(&self) -> usize {
        9 + self.message_id.len()
            + self.source.octets.len()
            + self.schedule_delivery_time.len()
            + self.validity_period.len()
            + self.short_message.len()
    }

    /// Appends the body. The operation has no `message_payload`: at most 255 octets of text can be said.
    fn write(&self, out: &mut BytesMut) {
        debug_assert!(self.short_message.len() <= 255, "replace_sm carries at most 255 octets");
        put_c_octets(out, field::MESSAGE_ID, self.message_id);
        put_address(out, &self.source);
        put_c_octets(out, field::SCHEDULE_DELIVERY_TIME, self.schedule_delivery_time);
        put_c_octets(out, field::VALIDITY_PERIOD, self.validity_period);
        let text = self.short_message.get(..255).unwrap_or(self.short_message);
        let sm_length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        out.put_slice(&[self.registered_delivery.0, self.sm_default_msg_id, sm_length]);
        out.put_slice(text);
    }
}

impl fmt::Debug for ReplaceSm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplaceSm")
            .field("message_id", &self.message_id.escape_ascii().to_string())
            .field("source", &self.source)
            .field("schedule_delivery_time", &self.schedule_delivery_time.escape_ascii().to_string())
            .field("validity_period", &self.validity_period.escape_ascii().to_string())
            .field("registered_delivery", &self.registered_delivery)
            .field("sm_default_msg_id", &self.sm_default_msg_id)
            .field("short_message_octets", &self.short_message.len())
            .finish()
    }
}
