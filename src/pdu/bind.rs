use std::fmt;

use bytes::{BufMut, BytesMut};

use super::field;
use super::read::{Fault, Reader};
use super::write::{Write, put_c_octets};
use super::{Npi, Tag, Tlvs, Ton};

/// The version of SMPP spoken here, as `interface_version` and `sc_interface_version` say it.
pub const SMPP_3_4: u8 = 0x34;

/// Body of `bind_transmitter`, `bind_receiver` and `bind_transceiver` (SMPP 3.4 §4.1.1, §4.1.3, §4.1.5).
///
/// `Debug` does not show the password.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Bind<'a> {
    /// Who wants in, at most 15 octets.
    pub system_id: &'a [u8],
    /// At most 8 octets in the specification; up to 64 are read, what is taken is the configuration's.
    pub password: &'a [u8],
    /// Category of the ESME, at most 12 octets.
    pub system_type: &'a [u8],
    /// 0x34 for 3.4; below it the peer knows no optional parameters.
    pub interface_version: u8,
    /// Type of number of `address_range`.
    pub addr_ton: Ton,
    /// Numbering plan of `address_range`.
    pub addr_npi: Npi,
    /// Addresses served, at most 40 octets.
    pub address_range: &'a [u8],
}

impl<'a> Bind<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(Self {
            system_id: reader.c_octets(field::SYSTEM_ID)?,
            password: reader.c_octets(field::PASSWORD)?,
            system_type: reader.c_octets(field::SYSTEM_TYPE)?,
            interface_version: reader.octet(field::INTERFACE_VERSION)?,
            addr_ton: Ton(reader.octet(field::ADDR_TON)?),
            addr_npi: Npi(reader.octet(field::ADDR_NPI)?),
            address_range: reader.c_octets(field::ADDRESS_RANGE)?,
        })
    }
}

impl Write for Bind<'_> {
    fn octets_max(&self) -> usize {
        7 + self.system_id.len() + self.password.len() + self.system_type.len() + self.address_range.len()
    }

    fn write(&self, out: &mut BytesMut) {
        put_c_octets(out, field::SYSTEM_ID, self.system_id);
        put_c_octets(out, field::PASSWORD, self.password);
        put_c_octets(out, field::SYSTEM_TYPE, self.system_type);
        out.put_slice(&[self.interface_version, self.addr_ton.0, self.addr_npi.0]);
        put_c_octets(out, field::ADDRESS_RANGE, self.address_range);
    }
}

impl fmt::Debug for Bind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bind")
            .field("system_id", &format_args!("\"{}\"", self.system_id.escape_ascii()))
            .field("password", &format_args!("***"))
            .field("system_type", &format_args!("\"{}\"", self.system_type.escape_ascii()))
            .field("interface_version", &format_args!("0x{:02X}", self.interface_version))
            .field("addr_ton", &self.addr_ton)
            .field("addr_npi", &self.addr_npi)
            .field("address_range", &format_args!("\"{}\"", self.address_range.escape_ascii()))
            .finish()
    }
}

/// Body of the answer to a bind (SMPP 3.4 §4.1.2, §4.1.4, §4.1.6). Empty when it was left out.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct BindResp<'a> {
    /// The SMSC's name.
    pub system_id: &'a [u8],
    /// `sc_interface_version`, as a rule.
    pub tlvs: Tlvs<'a>,
}

impl<'a> BindResp<'a> {
    /// The SMSC's version. `None` means that it knows no optional parameters (SMPP 3.4 §3.4).
    pub fn sc_interface_version(&self) -> Option<u8> {
        self.tlvs.find_u8(Tag::SC_INTERFACE_VERSION)
    }

    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(Self { system_id: reader.c_octets_or_rest(field::SYSTEM_ID)?, tlvs: reader.tlvs_as_far_as_good() })
    }
}

impl Write for BindResp<'_> {
    fn octets_max(&self) -> usize {
        1 + self.system_id.len() + self.tlvs.as_bytes().len()
    }

    fn write(&self, out: &mut BytesMut) {
        put_c_octets(out, field::SYSTEM_ID, self.system_id);
        out.put_slice(self.tlvs.as_bytes());
    }
}

impl fmt::Debug for BindResp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BindResp")
            .field("system_id", &format_args!("\"{}\"", self.system_id.escape_ascii()))
            .field("tlvs", &self.tlvs)
            .finish()
    }
}
