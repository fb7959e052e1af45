use std::fmt;

use bytes::BytesMut;

use super::field;
use super::read::{Fault, Reader};
use super::write::{Write, put_c_octets};

/// Body of `outbind`: an SMSC asks an ESME to bind as receiver (SMPP 3.4 §4.1.7).
///
/// `Debug` does not show the password.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Outbind<'a> {
    /// The SMSC's name, at most 15 octets.
    pub system_id: &'a [u8],
    /// The SMSC's password; up to 64 octets are read.
    pub password: &'a [u8],
}

impl<'a> Outbind<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(Self {
            system_id: reader.c_octets(field::SYSTEM_ID)?,
            password: reader.c_octets(field::PASSWORD)?,
        })
    }
}

impl Write for Outbind<'_> {
    fn octets_max(&self) -> usize {
        2 + self.system_id.len() + self.password.len()
    }

    fn write(&self, out: &mut BytesMut) {
        put_c_octets(out, field::SYSTEM_ID, self.system_id);
        put_c_octets(out, field::PASSWORD, self.password);
    }
}

impl fmt::Debug for Outbind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbind")
            .field("system_id", &format_args!("\"{}\"", self.system_id.escape_ascii()))
            .field("password", &format_args!("***"))
            .finish()
    }
}
