use std::fmt;

use super::frame::FrameError;
use super::time::TimeError;
use super::{CommandId, CommandStatus, Header, SequenceNumber, Tag};

/// Why a PDU was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DecodeError {
    /// `command_length` cannot be trusted, so neither can the next octet: drop the link.
    Framing(FrameError),
    /// The header stands but a field does not: keep the link, answer if it was a request.
    Field {
        /// The header of the refused PDU.
        header: Header,
        /// The field, as the specification spells it.
        name: &'static str,
        /// Octets from the start of the PDU, header included, to where the field begins.
        offset: usize,
        /// What is wrong with it.
        flaw: Flaw,
        /// What the specification answers to this flaw in this field.
        status: CommandStatus,
    },
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flaw {
    /// The body ends before the field, or in it.
    Missing,
    /// No NUL within the octets that the field may have, the NUL included.
    TooLong {
        /// The specification's size, NUL included.
        limit: usize,
    },
    /// The value is outside of what the specification defines.
    Value(u8),
    /// A time that cannot be read.
    Time(TimeError),
    /// `sm_length` counts more octets than the body has.
    MessageLength {
        /// As received.
        sm_length: u8,
        /// Octets left in the body.
        left: usize,
    },
    /// An optional parameter counts more octets than the body has, or is no parameter at all.
    TlvStream {
        /// The tag, as far as it can be trusted.
        tag: Tag,
    },
    /// An optional parameter has a length that its kind cannot have.
    TlvLength {
        /// Which.
        tag: Tag,
        /// Its length.
        length: u16,
    },
    /// An optional parameter has a value that its kind cannot have.
    TlvValue {
        /// Which.
        tag: Tag,
    },
}

impl DecodeError {
    /// What to refuse the request with: the `_resp` of its operation, its own sequence number and a status.
    ///
    /// `None` for a response, for an operation without answer, and when the link has to go.
    pub fn refusal(&self) -> Option<(CommandId, SequenceNumber, CommandStatus)> {
        match self {
            Self::Framing(_) => None,
            Self::Field { header, status, .. } => header.command_id.is_answerable().then_some((
                header.command_id.response(),
                header.sequence_number,
                *status,
            )),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Framing(_) => f.write_str("the stream cannot be cut into PDUs"),
            Self::Field { header, name, offset, flaw, .. } => {
                write!(f, "{} refused at octet {offset}, {name}: {flaw}", header.command_id)
            }
        }
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Framing(error) => Some(error),
            Self::Field { .. } => None,
        }
    }
}

impl From<FrameError> for DecodeError {
    fn from(error: FrameError) -> Self {
        Self::Framing(error)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the body ends before the field does"),
            Self::TooLong { limit } => write!(f, "no NUL within {limit} octets"),
            Self::Value(value) => write!(f, "the value 0x{value:02X} is not defined"),
            Self::Time(error) => write!(f, "not an SMPP time: {error}"),
            Self::MessageLength { sm_length, left } => {
                write!(f, "sm_length says {sm_length} octets, the body has {left} left")
            }
            Self::TlvStream { tag } => {
                write!(f, "optional parameter {tag} reaches beyond the end of the PDU")
            }
            Self::TlvLength { tag, length } => {
                write!(f, "optional parameter {tag} cannot have {length} octets")
            }
            Self::TlvValue { tag } => write!(f, "optional parameter {tag} has a value that is not defined"),
        }
    }
}
