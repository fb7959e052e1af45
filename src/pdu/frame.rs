//! Where one PDU ends and the next begins.
//!
//! A read from the socket is not a PDU: it holds part of one, or several. [`split`] looks only at
//! `command_length`, and judges it before anybody waits for that many octets or makes room for them.

use std::fmt;

use super::Header;

/// Why the stream cannot be cut into PDUs any more. The next octet cannot be trusted: answer, close.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FrameError {
    /// `command_length` is smaller than a header.
    TooShort {
        /// As received.
        command_length: u32,
    },
    /// `command_length` is larger than what is taken from this peer.
    TooLong {
        /// As received.
        command_length: u32,
        /// Octets that would have been taken.
        limit: usize,
    },
    /// The octets are an HTTP request or answer: somebody pointed a browser at the port.
    /// Close without an answer.
    Http,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { command_length } => {
                write!(
                    f,
                    "command_length {command_length} is below the {} octets of a header",
                    Header::OCTETS
                )
            }
            Self::TooLong { command_length, limit } => {
                write!(f, "command_length {command_length} is above the limit of {limit} octets")
            }
            Self::Http => f.write_str("the peer speaks HTTP, not SMPP"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Octets of the first whole PDU in `octets`; `Ok(None)` while it is not complete.
///
/// `limit` is the largest `command_length` taken, header included. Never allocates.
///
/// # Errors
/// [`FrameError`] as soon as the four octets of `command_length` are there and cannot be accepted.
#[inline]
pub fn split(octets: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let Some(length) = octets.first_chunk::<4>() else { return Ok(None) };
    let command_length = u32::from_be_bytes(*length);
    let declared = usize::try_from(command_length).unwrap_or(usize::MAX);
    if declared < Header::OCTETS {
        return Err(FrameError::TooShort { command_length });
    }
    if declared > limit {
        // Every one of these words is above a gibibyte when read as a length.
        return Err(match length {
            b"HTTP" | b"GET " | b"POST" | b"HEAD" | b"PUT " | b"OPTI" | b"CONN" | b"DELE" => FrameError::Http,
            _ => FrameError::TooLong { command_length, limit },
        });
    }
    Ok((octets.len() >= declared).then_some(declared))
}
