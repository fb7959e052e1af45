use bytes::{BufMut, BytesMut};

use super::field;
use super::read::{Fault, Reader};
use super::write::{Write, put_long_address};
use super::{LongAddress, Tag, Tlvs};

/// Body of `alert_notification`: a mobile can be reached again (SMPP 3.4 §4.12.1). Has no answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AlertNotification<'a> {
    /// The mobile, at most 64 octets.
    pub source: LongAddress<'a>,
    /// The ESME that wanted to know, at most 64 octets.
    pub esme: LongAddress<'a>,
    /// `ms_availability_status`, as a rule.
    pub tlvs: Tlvs<'a>,
}

impl<'a> AlertNotification<'a> {
    /// 0 available, 1 denied, 2 unavailable.
    pub fn ms_availability_status(&self) -> Option<u8> {
        self.tlvs.find_u8(Tag::MS_AVAILABILITY_STATUS)
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(Self {
            source: reader.long_address(
                field::SOURCE_ADDR_TON,
                field::SOURCE_ADDR_NPI,
                field::LONG_SOURCE_ADDR,
            )?,
            esme: reader.long_address(field::ESME_ADDR_TON, field::ESME_ADDR_NPI, field::ESME_ADDR)?,
            tlvs: reader.tlvs()?,
        })
    }
}

impl Write for AlertNotification<'_> {
    fn octets_max(&self) -> usize {
        6 + self.source.octets.len() + self.esme.octets.len() + self.tlvs.as_bytes().len()
    }

    fn write(&self, out: &mut BytesMut) {
        put_long_address(out, field::LONG_SOURCE_ADDR, &self.source);
        put_long_address(out, field::ESME_ADDR, &self.esme);
        out.put_slice(self.tlvs.as_bytes());
    }
}
