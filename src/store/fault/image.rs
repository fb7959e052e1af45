//! The octets of one file in memory, cheap to copy and sparse where nothing was written.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// What a file holds: pages that were written, zeros elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    len: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE]>>,
}

/// Octets in a page, which is also the unit in which room on the disk is counted.
pub(super) const PAGE: usize = 4096;

impl Image {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Octets of the pages that exist.
    pub(super) fn room(&self) -> u64 {
        (self.pages.len() * PAGE) as u64
    }

    /// Octets of the pages that writing `len` octets at `offset` would add.
    pub(super) fn room_wanted(&self, offset: u64, len: usize) -> u64 {
        if len == 0 {
            return 0;
        }
        let pages = page_of(offset)..=page_of(offset + len as u64 - 1);
        (pages.filter(|page| !self.pages.contains_key(page)).count() * PAGE) as u64
    }

    pub(super) fn read(&self, offset: u64, octets: &mut [u8]) -> io::Result<()> {
        if offset.checked_add(octets.len() as u64).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (at, inner, count) in spans(offset, octets.len()) {
            let part = &mut octets[at..at + count];
            match self.pages.get(&page_of(offset + at as u64)) {
                Some(page) => part.copy_from_slice(&page[inner..inner + count]),
                None => part.fill(0),
            }
        }
        Ok(())
    }

    pub(super) fn write(&mut self, offset: u64, octets: &[u8]) {
        for (at, inner, count) in spans(offset, octets.len()) {
            let page = self.pages.entry(page_of(offset + at as u64)).or_insert_with(|| Arc::new([0; PAGE]));
            Arc::make_mut(page)[inner..inner + count].copy_from_slice(&octets[at..at + count]);
        }
        if !octets.is_empty() {
            self.len = self.len.max(offset + octets.len() as u64);
        }
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.len {
            let kept = len.div_ceil(PAGE as u64);
            self.pages.split_off(&kept);
            let inner = usize::try_from(len % PAGE as u64).expect("less than a page");
            if inner != 0
                && let Some(page) = self.pages.get_mut(&page_of(len))
            {
                Arc::make_mut(page)[inner..].fill(0);
            }
        }
        self.len = len;
    }
}

fn page_of(offset: u64) -> u64 {
    offset / PAGE as u64
}

/// Cuts `len` octets at `offset` into pieces that lie in one page each: position among the octets, position in
/// the page, count.
fn spans(offset: u64, len: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at == len {
            return None;
        }
        let inner = usize::try_from((offset + at as u64) % PAGE as u64).expect("less than a page");
        let count = (PAGE - inner).min(len - at);
        let span = (at, inner, count);
        at += count;
        Some(span)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_image_is_a_plain_row_of_octets(
            deeds in prop::collection::vec((0u64..20_000, prop::collection::vec(any::<u8>(), 0..9_000), any::<bool>()), 1..12)
        ) {
            let mut image = Image::default();
            let mut plain = Vec::new();
            for (offset, octets, cut) in deeds {
                let offset_index = usize::try_from(offset).expect("small");
                if cut {
                    image.set_len(offset);
                    plain.resize(offset_index, 0);
                } else {
                    image.write(offset, &octets);
                    if !octets.is_empty() && plain.len() < offset_index + octets.len() {
                        plain.resize(offset_index + octets.len(), 0);
                    }
                    if !octets.is_empty() {
                        plain[offset_index..offset_index + octets.len()].copy_from_slice(&octets);
                    }
                }
                let mut read = vec![1; plain.len()];
                prop_assert_eq!(image.len(), plain.len() as u64);
                image.read(0, &mut read).expect("within the file");
                prop_assert_eq!(&read, &plain);
                prop_assert!(image.read(1, &mut read).is_err() || read.is_empty());
            }
        }
    }
}
