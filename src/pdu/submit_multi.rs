use std::fmt;

use bytes::{BufMut, BytesMut};

use super::field;
use super::read::{Fault, Reader};
use super::write::{Write, put_address, put_c_octets};
use super::{Address, CommandStatus, DataCoding, EsmClass, Flaw, RegisteredDelivery, Tag, Tlvs, tlv};

/// One destination of a `submit_multi` (SMPP 3.4 §4.5.1.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Destination<'a> {
    /// A mobile; `dest_flag` 1.
    Sme(Address),
    /// A list kept at the SMSC, at most 20 octets; `dest_flag` 2.
    DistributionList(&'a [u8]),
}

/// The destinations of a `submit_multi`, 1 to 255 of them, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Destinations<'a> {
    number: u8,
    octets: &'a [u8],
}

impl<'a> Destinations<'a> {
    /// Checks `octets` as `number` destinations, each with its `dest_flag`.
    pub fn new(number: u8, octets: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(octets, octets.len());
        let destinations = Self::read_list(number, &mut reader).ok()?;
        (reader.is_empty() && number > 0).then_some(destinations)
    }

    /// Each destination, in order.
    pub fn iter(&self) -> impl Iterator<Item = Destination<'a>> + use<'a> {
        let mut reader = Reader::new(self.octets, self.octets.len());
        (0..self.number).map_while(move |_| read_destination(&mut reader).ok())
    }

    /// How many there are.
    pub fn number(&self) -> u8 {
        self.number
    }

    fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let number = reader.clone().octet(field::NUMBER_OF_DESTS)?;
        if number == 0 {
            return Err(reader.fault(field::NUMBER_OF_DESTS, Flaw::Value(0)));
        }
        reader.octet(field::NUMBER_OF_DESTS)?;
        Self::read_list(number, reader)
    }

    fn read_list(number: u8, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let all = reader.rest();
        for _ in 0..number {
            read_destination(reader)?;
        }
        Ok(Self { number, octets: all.get(..all.len() - reader.rest().len()).unwrap_or(all) })
    }
}

fn read_destination<'a>(reader: &mut Reader<'a>) -> Result<Destination<'a>, Fault> {
    let flag = reader.clone();
    match reader.octet(field::DEST_FLAG)? {
        1 => Ok(Destination::Sme(reader.destination()?)),
        2 => Ok(Destination::DistributionList(reader.c_octets(field::DL_NAME)?)),
        other => Err(flag.fault(field::DEST_FLAG, Flaw::Value(other))),
    }
}

/// Appends one destination with its flag to a list for [`Destinations::new`].
pub fn put_destination(out: &mut BytesMut, destination: &Destination<'_>) {
    match destination {
        Destination::Sme(address) => {
            out.put_u8(1);
            put_address(out, address);
        }
        Destination::DistributionList(name) => {
            out.put_u8(2);
            put_c_octets(out, field::DL_NAME, name);
        }
    }
}

/// Body of `submit_multi`: one message for several destinations (SMPP 3.4 §4.5.1).
///
/// `Debug` masks numbers and does not show the text.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct SubmitMulti<'a> {
    /// Application of the message, at most 5 octets.
    pub service_type: &'a [u8],
    /// Who it is from.
    pub source: Address,
    /// Who it is for.
    pub destinations: Destinations<'a>,
    /// Mode, kind, UDHI.
    pub esm_class: EsmClass,
    /// GSM's TP-PID.
    pub protocol_id: u8,
    /// 0 (lowest) to 3.
    pub priority_flag: u8,
    /// When to begin; empty is "now".
    pub schedule_delivery_time: &'a [u8],
    /// Until when to try; empty is the SMSC's default.
    pub validity_period: &'a [u8],
    /// Which reports are wanted.
    pub registered_delivery: RegisteredDelivery,
    /// Reserved, zero.
    pub replace_if_present: u8,
    /// Alphabet of the message.
    pub data_coding: DataCoding,
    /// A message kept at the SMSC, 0 for none.
    pub sm_default_msg_id: u8,
    /// The message, at most 254 octets (255 are read).
    pub short_message: &'a [u8],
    /// Optional parameters, unknown ones included.
    pub tlvs: Tlvs<'a>,
}

impl<'a> SubmitMulti<'a> {
    /// The message: `message_payload` when it is there, `short_message` otherwise.
    pub fn message(&self) -> &'a [u8] {
        self.tlvs.find(Tag::MESSAGE_PAYLOAD).unwrap_or(self.short_message)
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(Self {
            service_type: reader.c_octets(field::SERVICE_TYPE)?,
            source: reader.source()?,
            destinations: Destinations::read(reader)?,
            esm_class: EsmClass(reader.octet(field::ESM_CLASS)?),
            protocol_id: reader.octet(field::PROTOCOL_ID)?,
            priority_flag: reader.octet_up_to(field::PRIORITY_FLAG, 3)?,
            schedule_delivery_time: reader.time(field::SCHEDULE_DELIVERY_TIME)?,
            validity_period: reader.time(field::VALIDITY_PERIOD)?,
            registered_delivery: RegisteredDelivery(reader.octet(field::REGISTERED_DELIVERY)?),
            replace_if_present: reader.octet_up_to(field::REPLACE_IF_PRESENT_FLAG, 1)?,
            data_coding: DataCoding(reader.octet(field::DATA_CODING)?),
            sm_default_msg_id: reader.octet(field::SM_DEFAULT_MSG_ID)?,
            short_message: reader.short_message(field::SM_LENGTH)?,
            tlvs: reader.tlvs()?,
        })
    }
}

impl Write for SubmitMulti<'_> {
    fn octets_max(&self) -> usize {
        24 + self.service_type.len()
            + self.source.octets.len()
            + self.destinations.octets.len()
            + self.schedule_delivery_time.len()
            + self.validity_period.len()
            + self.short_message.len()
            + self.tlvs.as_bytes().len()
    }

    /// Appends the body. More than 255 octets of `short_message` are written as `message_payload`.
    fn write(&self, out: &mut BytesMut) {
        put_c_octets(out, field::SERVICE_TYPE, self.service_type);
        put_address(out, &self.source);
        out.put_u8(self.destinations.number);
        out.put_slice(self.destinations.octets);
        out.put_slice(&[self.esm_class.0, self.protocol_id, self.priority_flag]);
        put_c_octets(out, field::SCHEDULE_DELIVERY_TIME, self.schedule_delivery_time);
        put_c_octets(out, field::VALIDITY_PERIOD, self.validity_period);
        let (sm_length, short, payload): (u8, &[u8], &[u8]) = match u8::try_from(self.short_message.len()) {
            Ok(length) => (length, self.short_message, &[]),
            Err(_) => (0, &[], self.short_message),
        };
        out.put_slice(&[
            self.registered_delivery.0,
            self.replace_if_present,
            self.data_coding.0,
            self.sm_default_msg_id,
            sm_length,
        ]);
        out.put_slice(short);
        if !payload.is_empty() {
            tlv::put_octets(out, Tag::MESSAGE_PAYLOAD, payload);
        }
        out.put_slice(self.tlvs.as_bytes());
    }
}

impl fmt::Debug for SubmitMulti<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitMulti")
            .field("service_type", &self.service_type.escape_ascii().to_string())
            .field("source", &self.source)
            .field("destinations", &self.destinations.number)
            .field("esm_class", &self.esm_class)
            .field("registered_delivery", &self.registered_delivery)
            .field("data_coding", &self.data_coding)
            .field("short_message_octets", &self.short_message.len())
            .field("tlvs", &self.tlvs)
            .finish_non_exhaustive()
    }
}

/// One destination to which a `submit_multi` was refused (SMPP 3.4 §4.5.2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct UnsuccessSme {
    /// The destination.
    pub destination: Address,
    /// Why.
    pub error_status_code: CommandStatus,
}

/// The refused destinations of a `submit_multi`, checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UnsuccessSmes<'a> {
    number: u8,
    octets: &'a [u8],
}

impl<'a> UnsuccessSmes<'a> {
    /// Checks `octets` as `number` refused destinations.
    pub fn new(number: u8, octets: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(octets, octets.len());
        let smes = Self::read_list(number, &mut reader).ok()?;
        reader.is_empty().then_some(smes)
    }

    /// Each refused destination, in order.
    pub fn iter(&self) -> impl Iterator<Item = UnsuccessSme> + use<'a> {
        let mut reader = Reader::new(self.octets, self.octets.len());
        (0..self.number).map_while(move |_| read_unsuccess(&mut reader).ok())
    }

    /// How many there are.
    pub fn number(&self) -> u8 {
        self.number
    }

    fn read_list(number: u8, reader: &mut Reader<'a>) -> Result<Self, Fault> {
        let all = reader.rest();
        for _ in 0..number {
            read_unsuccess(reader)?;
        }
        Ok(Self { number, octets: all.get(..all.len() - reader.rest().len()).unwrap_or(all) })
    }
}

fn read_unsuccess(reader: &mut Reader<'_>) -> Result<UnsuccessSme, Fault> {
    Ok(UnsuccessSme {
        destination: reader.destination()?,
        error_status_code: CommandStatus(u32::from_be_bytes(reader.octets(field::ERROR_STATUS_CODE)?)),
    })
}

/// Appends one refused destination to a list for [`UnsuccessSmes::new`].
pub fn put_unsuccess_sme(out: &mut BytesMut, sme: &UnsuccessSme) {
    put_address(out, &sme.destination);
    out.put_u32(sme.error_status_code.0);
}

/// Body of `submit_multi_resp`: one identifier for all destinations (SMPP 3.4 §4.5.2). Empty when it was left out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct SubmitMultiResp<'a> {
    /// The identifier, at most 64 octets.
    pub message_id: &'a [u8],
    /// Who will not get the message.
    pub unsuccess_smes: UnsuccessSmes<'a>,
}

impl<'a> SubmitMultiResp<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        if reader.is_empty() {
            return Ok(Self::default());
        }
        let message_id = reader.c_octets_or_rest(field::MESSAGE_ID)?;
        if reader.is_empty() {
            return Ok(Self { message_id, ..Self::default() });
        }
        let number = reader.octet(field::NO_UNSUCCESS)?;
        Ok(Self { message_id, unsuccess_smes: UnsuccessSmes::read_list(number, reader)? })
    }
}

impl Write for SubmitMultiResp<'_> {
    fn octets_max(&self) -> usize {
        2 + self.message_id.len() + self.unsuccess_smes.octets.len()
    }

    fn write(&self, out: &mut BytesMut) {
        put_c_octets(out, field::MESSAGE_ID, self.message_id);
        out.put_u8(self.unsuccess_smes.number);
        out.put_slice(self.unsuccess_smes.octets);
    }
}
