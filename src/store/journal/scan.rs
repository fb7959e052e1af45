//! Reading a segment from front to back without trusting a word of it.

use std::io;
use std::ops::Range;
use std::path::Path;

use super::format::{
    BATCH_HEADER_OCTETS, BATCH_OCTETS_MAX, BatchHeader, HeaderFlaw, SEGMENT_HEADER_OCTETS, SegmentHeader,
};
use super::index;
use crate::store::file::{Disk, File};

/// A segment file and a window on it.
#[derive(Debug)]
pub(super) struct Scan {
    file: Box<dyn File>,
    len: u64,
    /// The octets of the file from `start` on.
    window: Vec<u8>,
    start: u64,
}

impl Scan {
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path, false)?;
        let len = file.len()?;
        Ok(Self { file, len, window: Vec::new(), start: 0 })
    }

    pub(super) fn header(&mut self) -> io::Result<Result<SegmentHeader, HeaderFlaw>> {
        Ok(match self.octets(0, SEGMENT_HEADER_OCTETS)? {
            Some(range) => SegmentHeader::read(&self.window[range]),
            None => Err(HeaderFlaw::Damaged),
        })
    }

    /// The payload of batch `number` at `offset`, if it lies there whole.
    pub(super) fn batch(&mut self, offset: u64, number: u64, salt: u64) -> io::Result<Option<&[u8]>> {
        let Some(header) = self.batch_header(offset, salt)? else { return Ok(None) };
        if header.number != number {
            return Ok(None);
        }
        self.payload(offset, header, salt)
    }

    /// Whether a batch that comes after `number` lies anywhere from `offset` on.
    ///
    /// If so, what is wrong at `offset` is not a torn tail: nothing is written after a batch that is not whole.
    pub(super) fn has_batch_after(&mut self, offset: u64, number: u64, salt: u64) -> io::Result<bool> {
        for candidate in offset..self.len {
            let Some(header) = self.batch_header(candidate, salt)? else { break };
            // There is room for only so many batches; this leaves hardly a candidate by chance.
            let room = (self.len - offset) / BATCH_HEADER_OCTETS as u64;
            let is_later = header.number > number && header.number - number <= room;
            if is_later && self.payload(candidate, header, salt)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn batch_header(&mut self, offset: u64, salt: u64) -> io::Result<Option<BatchHeader>> {
        let range = self.octets(offset, BATCH_HEADER_OCTETS)?;
        Ok(range.and_then(|range| BatchHeader::read(&self.window[range], salt)))
    }

    fn payload(&mut self, offset: u64, header: BatchHeader, salt: u64) -> io::Result<Option<&[u8]>> {
        // Checked against the limit here and against the file below, before memory is taken.
        if header.len > BATCH_OCTETS_MAX {
            return Ok(None);
        }
        let Some(range) = self.octets(offset + BATCH_HEADER_OCTETS as u64, header.len)? else {
            return Ok(None);
        };
        let payload = &self.window[range];
        Ok(header.fits(payload, salt).then_some(payload))
    }

    /// Moves the window so that `len` octets from `offset` on are in it, and says where. `None` past the end.
    fn octets(&mut self, offset: u64, len: usize) -> io::Result<Option<Range<usize>>> {
        let Some(end) = offset.checked_add(len as u64).filter(|end| *end <= self.len) else {
            return Ok(None);
        };
        if offset < self.start || end > self.start + self.window.len() as u64 {
            let wanted = (len.max(WINDOW_OCTETS) as u64).min(self.len - offset);
            // Nothing of the window is valid while it is being read.
            self.start = offset;
            self.window.clear();
            let mut window = std::mem::take(&mut self.window);
            window.resize(index(wanted), 0);
            self.file.read_at(offset, &mut window)?;
            self.window = window;
        }
        let from = index(offset - self.start);
        Ok(Some(from..from + len))
    }
}

const WINDOW_OCTETS: usize = 1 << 20;
