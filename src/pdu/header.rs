use std::fmt;

use super::CommandStatus;

/// The number that pairs a response with its request.
///
/// A peer may send any value and it is echoed untouched; the ones that we issue stay in
/// `1..=0x7FFF_FFFF` (SMPP 3.4 §5.1.4). `0` stands in a `generic_nack` for a header that could not be read.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SequenceNumber(pub u32);

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which operation a PDU belongs to, and whether it asks or answers (SMPP 3.4 §5.1.2.1).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CommandId(pub u32);

/// Bit 31 of a `command_id` marks a response.
const RESPONSE: u32 = 0x8000_0000;

macro_rules! command_ids {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        impl CommandId {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The specification's name, `None` for a reserved or vendor value.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

command_ids! {
    /// Answer to something that could not be read or is not known (§4.3).
    GENERIC_NACK = 0x8000_0000, "generic_nack";
    /// Opens a session that takes messages from the SMSC (§4.1.3).
    BIND_RECEIVER = 0x0000_0001, "bind_receiver";
    /// Answer to `bind_receiver` (§4.1.4).
    BIND_RECEIVER_RESP = 0x8000_0001, "bind_receiver_resp";
    /// Opens a session that hands messages to the SMSC (§4.1.1).
    BIND_TRANSMITTER = 0x0000_0002, "bind_transmitter";
    /// Answer to `bind_transmitter` (§4.1.2).
    BIND_TRANSMITTER_RESP = 0x8000_0002, "bind_transmitter_resp";
    /// Asks for the state of a message (§4.8.1).
    QUERY_SM = 0x0000_0003, "query_sm";
    /// Answer to `query_sm` (§4.8.2).
    QUERY_SM_RESP = 0x8000_0003, "query_sm_resp";
    /// Hands over a message for a mobile (§4.4.1).
    SUBMIT_SM = 0x0000_0004, "submit_sm";
    /// Answer to `submit_sm` (§4.4.2).
    SUBMIT_SM_RESP = 0x8000_0004, "submit_sm_resp";
    /// Hands a message or a receipt to an ESME (§4.6.1).
    DELIVER_SM = 0x0000_0005, "deliver_sm";
    /// Answer to `deliver_sm` (§4.6.2).
    DELIVER_SM_RESP = 0x8000_0005, "deliver_sm_resp";
    /// Ends a session (§4.2.1).
    UNBIND = 0x0000_0006, "unbind";
    /// Answer to `unbind` (§4.2.2).
    UNBIND_RESP = 0x8000_0006, "unbind_resp";
    /// Replaces a waiting message (§4.10.1).
    REPLACE_SM = 0x0000_0007, "replace_sm";
    /// Answer to `replace_sm` (§4.10.2).
    REPLACE_SM_RESP = 0x8000_0007, "replace_sm_resp";
    /// Cancels one or more waiting messages (§4.9.1).
    CANCEL_SM = 0x0000_0008, "cancel_sm";
    /// Answer to `cancel_sm` (§4.9.2).
    CANCEL_SM_RESP = 0x8000_0008, "cancel_sm_resp";
    /// Opens a session for both directions (§4.1.5).
    BIND_TRANSCEIVER = 0x0000_0009, "bind_transceiver";
    /// Answer to `bind_transceiver` (§4.1.6).
    BIND_TRANSCEIVER_RESP = 0x8000_0009, "bind_transceiver_resp";
    /// An SMSC asks an ESME to bind as receiver (§4.1.7). Has no answer.
    OUTBIND = 0x0000_000B, "outbind";
    /// Is the peer still there (§4.11.1).
    ENQUIRE_LINK = 0x0000_0015, "enquire_link";
    /// Answer to `enquire_link` (§4.11.2).
    ENQUIRE_LINK_RESP = 0x8000_0015, "enquire_link_resp";
    /// One message for several destinations (§4.5.1).
    SUBMIT_MULTI = 0x0000_0021, "submit_multi";
    /// Answer to `submit_multi` (§4.5.2).
    SUBMIT_MULTI_RESP = 0x8000_0021, "submit_multi_resp";
    /// A mobile can be reached again (§4.12.1). Has no answer.
    ALERT_NOTIFICATION = 0x0000_0102, "alert_notification";
    /// A message in either direction, its content in TLVs (§4.7.1).
    DATA_SM = 0x0000_0103, "data_sm";
    /// Answer to `data_sm` (§4.7.2).
    DATA_SM_RESP = 0x8000_0103, "data_sm_resp";
}

impl CommandId {
    /// Whether this answers a request. An answer is never answered.
    pub const fn is_response(self) -> bool {
        self.0 & RESPONSE != 0
    }

    /// The `_resp` that belongs to this request; a response gives itself.
    pub const fn response(self) -> Self {
        Self(self.0 | RESPONSE)
    }

    /// Whether the specification has an answer to this request. False for `outbind`,
    /// `alert_notification`, responses and unknown values.
    pub const fn is_answerable(self) -> bool {
        !self.is_response() && self.response().name().is_some() && self.name().is_some()
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "0x{:08X}", self.0),
        }
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The sixteen octets before every body (SMPP 3.4 §5.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// Octets of the whole PDU, these sixteen included.
    pub command_length: u32,
    /// The operation.
    pub command_id: CommandId,
    /// Outcome in a response; zero, and ignored, in a request.
    pub command_status: CommandStatus,
    /// Pairs the response with its request.
    pub sequence_number: SequenceNumber,
}

impl Header {
    /// Octets of a header.
    pub const OCTETS: usize = 16;

    /// Reads the header at the start of `octets`, without judging any of its values.
    ///
    /// `None` when fewer than sixteen octets are there.
    #[inline]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let ([l0, l1, l2, l3, i0, i1, i2, i3, s0, s1, s2, s3, q0, q1, q2, q3], _) =
            octets.split_first_chunk::<{ Self::OCTETS }>()?;
        Some(Self {
            command_length: u32::from_be_bytes([*l0, *l1, *l2, *l3]),
            command_id: CommandId(u32::from_be_bytes([*i0, *i1, *i2, *i3])),
            command_status: CommandStatus(u32::from_be_bytes([*s0, *s1, *s2, *s3])),
            sequence_number: SequenceNumber(u32::from_be_bytes([*q0, *q1, *q2, *q3])),
        })
    }

    /// The sixteen octets on the wire.
    #[inline]
    pub fn octets(&self) -> [u8; Self::OCTETS] {
        let [l0, l1, l2, l3] = self.command_length.to_be_bytes();
        let [i0, i1, i2, i3] = self.command_id.0.to_be_bytes();
        let [s0, s1, s2, s3] = self.command_status.0.to_be_bytes();
        let [q0, q1, q2, q3] = self.sequence_number.0.to_be_bytes();
        [l0, l1, l2, l3, i0, i1, i2, i3, s0, s1, s2, s3, q0, q1, q2, q3]
    }
}
