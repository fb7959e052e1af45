use bytes::{BufMut, BytesMut};

use super::field;
use super::read::{Fault, Reader};
use super::write::{Write, put_address, put_c_octets};
use super::{Address, MessageState};

/// Body of `query_sm`: where is a message (SMPP 3.4 §4.8.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct QuerySm<'a> {
    /// The identifier that the SMSC gave, at most 64 octets.
    pub message_id: &'a [u8],
    /// The source that was given with the message.
    pub source: Address,
}

impl<'a> QuerySm<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        Ok(Self { message_id: reader.c_octets(field::MESSAGE_ID)?, source: reader.source()? })
    }
}

impl Write for QuerySm<'_> {
    fn octets_max(&self) -> usize {
        4 + self.message_id.len() + self.source.octets.len()
    }

    fn write(&self, out: &mut BytesMut) {
        put_c_octets(out, field::MESSAGE_ID, self.message_id);
        put_address(out, &self.source);
    }
}

/// Body of `query_sm_resp` (SMPP 3.4 §4.8.2). When it was left out, the state reads `UNKNOWN`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QuerySmResp<'a> {
    /// The identifier that was asked for.
    pub message_id: &'a [u8],
    /// When a final state was reached, as SMPP writes times; empty before that.
    pub final_date: &'a [u8],
    /// Where the message is.
    pub message_state: MessageState,
    /// A network's or the SMSC's own code, 0 for none.
    pub error_code: u8,
}

impl<'a> QuerySmResp<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Fault> {
        if reader.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self {
            message_id: reader.c_octets(field::MESSAGE_ID)?,
            final_date: reader.c_octets(field::FINAL_DATE)?,
            message_state: MessageState(reader.octet(field::MESSAGE_STATE)?),
            error_code: reader.octet(field::ERROR_CODE)?,
        })
    }
}

impl Default for QuerySmResp<'_> {
    fn default() -> Self {
        Self { message_id: &[], final_date: &[], message_state: MessageState::UNKNOWN, error_code: 0 }
    }
}

impl Write for QuerySmResp<'_> {
    fn octets_max(&self) -> usize {
        4 + self.message_id.len() + self.final_date.len()
    }

    fn write(&self, out: &mut BytesMut) {
        put_c_octets(out, field::MESSAGE_ID, self.message_id);
        put_c_octets(out, field::FINAL_DATE, self.final_date);
        out.put_slice(&[self.message_state.0, self.error_code]);
    }
}
