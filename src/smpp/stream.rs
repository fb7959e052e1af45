//! A connection, with or without TLS, and the octets read from it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// A connection, with or without TLS.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Octets of the peer that have not been taken yet. Small while little comes, larger while much does.
#[derive(Debug)]
pub(super) struct ReadBuffer {
    octets: Vec<u8>,
    start: usize,
    end: usize,
    /// The largest that it becomes.
    most: usize,
}

impl ReadBuffer {
    /// What an idle session holds, in octets.
    const LEAST: usize = 4 * 1024;
    /// What a busy one reads at once, in octets.
    const BUSY: usize = 64 * 1024;

    /// Has room for a PDU of `pdu_octets_max`.
    pub(super) fn new(pdu_octets_max: usize) -> Self {
        Self { octets: Vec::new(), start: 0, end: 0, most: pdu_octets_max.max(Self::BUSY) }
    }

    /// What has been read and not taken.
    pub(super) fn unread(&self) -> &[u8] {
        self.octets.get(self.start..self.end).unwrap_or_default()
    }

    /// `octets` from the front have been taken.
    pub(super) fn take(&mut self, octets: usize) {
        self.start = self.end.min(self.start + octets);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Where the next read goes; never empty while a whole PDU is missing.
    fn room(&mut self) -> &mut [u8] {
        if self.end == self.octets.len() {
            if self.start > 0 {
                self.octets.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            let wanted = (self.octets.len() * 2).clamp(Self::LEAST, self.most);
            if self.end * 2 > self.octets.len() || self.octets.is_empty() {
                self.octets.resize(wanted.max(self.octets.len()), 0);
            }
        }
        self.octets.get_mut(self.end..).unwrap_or_default()
    }

    /// Gives memory back that a quiet session does not need.
    pub(super) fn rest(&mut self) {
        if self.start == self.end && self.octets.len() > Self::LEAST {
            *self = Self::new(self.most);
        }
    }

    /// Reads once. `Ready(0)`: the peer has closed.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>, stream: &mut Stream) -> Poll<io::Result<usize>> {
        let room = self.room();
        let wanted = room.len();
        debug_assert!(wanted > 0, "nobody reads on while a whole PDU waits");
        let mut into = ReadBuf::new(room);
        std::task::ready!(stream.poll_read(cx, &mut into))?;
        let octets = into.filled().len();
        self.end += octets;
        // As much as there was room for: there is more, and a larger read is cheaper.
        if octets == wanted && self.octets.len() < Self::BUSY {
            let larger = (self.octets.len() * 2).min(Self::BUSY);
            self.octets.resize(larger, 0);
        }
        Poll::Ready(Ok(octets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffer: &mut ReadBuffer, octets: &[u8]) {
        for octet in octets {
            let room = buffer.room();
            *room.first_mut().expect("there is room") = *octet;
            buffer.end += 1;
        }
    }

    #[test]
    fn octets_come_out_in_order_whatever_is_taken_between() {
        let mut buffer = ReadBuffer::new(1 << 20);
        let octets: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        let mut taken = Vec::new();
        for chunk in octets.chunks(777) {
            fill(&mut buffer, chunk);
            let some = buffer.unread().len() * 2 / 3;
            taken.extend_from_slice(&buffer.unread()[..some]);
            buffer.take(some);
        }
        taken.extend_from_slice(buffer.unread());
        assert_eq!(taken, octets);
        assert!(buffer.octets.len() <= 16 * 1024, "{} octets are held", buffer.octets.len());
    }

    #[test]
    fn it_grows_to_the_largest_pdu_and_rests_small() {
        let mut buffer = ReadBuffer::new(200_000);
        fill(&mut buffer, &[7; 200_000]);
        assert_eq!(buffer.unread().len(), 200_000);
        buffer.rest();
        assert_eq!(buffer.unread().len(), 200_000, "what is unread stays");
        buffer.take(200_000);
        buffer.rest();
        assert!(buffer.octets.is_empty());
    }
}
