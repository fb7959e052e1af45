use std::fmt;

use bytes::{BufMut, BytesMut};

use super::field;
use super::message::message_id_body;
use super::read::{Fault, Reader};
use super::write::{Write, put_c_octets, put_long_address};
use super::{DataCoding, EsmClass, LongAddress, RegisteredDelivery, Tag, Tlvs};

/// Body of `data_sm`: a message in either direction, its content in `message_payload` (SMPP 3.4 §4.7.1).
///
/// `Debug` masks numbers and does not show the text.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct DataSm<'a> {
    /// Application of the message, at most 5 octets.
    pub service_type: &'a [u8],
    /// Who it is from, at most 64 octets.
    pub source: LongAddress<'a>,
    /// Who it is for, at most 64 octets.
    pub destination: LongAddress<'a>,
    /// Mode, kind, UDHI.
    pub esm_class: EsmClass,
    /// Which reports are wanted.
    pub registered_delivery: RegisteredDelivery,
    /// Alphabet of the message.
    pub data_coding: DataCoding,
    /// Optional parameters, unknown ones included.
    pub tlvs: Tlvs<'a>,
}

impl<'a> DataSm<'a> {
    /// The message, empty without `message_payload`.
    pub fn message(&self) -> &'a [u8] {
        self.tlvs.find(Tag::MESSAGE_PAYLOAD).unwrap_or_default()
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(Self {
            service_type: reader.c_octets(field::SERVICE_TYPE)?,
            source: reader.long_address(
                field::SOURCE_ADDR_TON,
                field::SOURCE_ADDR_NPI,
                field::LONG_SOURCE_ADDR,
            )?,
            destination: reader.long_address(
                field::DEST_ADDR_TON,
                field::DEST_ADDR_NPI,
                field::LONG_DESTINATION_ADDR,
            )?,
            esm_class: EsmClass(reader.octet(field::ESM_CLASS)?),
            registered_delivery: RegisteredDelivery(reader.octet(field::REGISTERED_DELIVERY)?),
            data_coding: DataCoding(reader.octet(field::DATA_CODING)?),
            tlvs: reader.tlvs()?,
        })
    }
}

impl Write for DataSm<'_> {
    fn octets_max(&self) -> usize {
        10 + self.service_type.len()
            + self.source.octets.len()
            + self.destination.octets.len()
            + self.tlvs.as_bytes().len()
    }

    fn write(&self, out: &mut BytesMut) {
        put_c_octets(out, field::SERVICE_TYPE, self.service_type);
        put_long_address(out, field::LONG_SOURCE_ADDR, &self.source);
        put_long_address(out, field::LONG_DESTINATION_ADDR, &self.destination);
        out.put_slice(&[self.esm_class.0, self.registered_delivery.0, self.data_coding.0]);
        out.put_slice(self.tlvs.as_bytes());
    }
}

impl fmt::Debug for DataSm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataSm")
            .field("service_type", &self.service_type.escape_ascii().to_string())
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("esm_class", &self.esm_class)
            .field("registered_delivery", &self.registered_delivery)
            .field("data_coding", &self.data_coding)
            .field("tlvs", &self.tlvs)
            .finish()
    }
}

message_id_body! {
    /// Body of `data_sm_resp` (SMPP 3.4 §4.7.2). Empty when it was left out.
    DataSmResp
}
