//! What was changed and is not durable yet, and what of it a cut leaves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::image::Image;
use super::{Cut, Dice, index};

/// A file: what is durable, what is visible, and the changes between them.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) synced: Image,
    pub(super) live: Image,
    pub(super) unsynced: Vec<Change>,
}

impl Node {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.unsynced.push(change);
    }

    pub(super) fn cut(&self, dice: &mut Dice, mode: Cut) -> Self {
        let mut synced = self.synced.clone();
        match mode {
            Cut::Killed => return self.clone(),
            Cut::Nothing => {}
            Cut::Everything => {
                for change in &self.unsynced {
                    change.apply(&mut synced);
                }
            }
            Cut::Torn => {
                let kept = index(dice.below(self.unsynced.len() as u64 + 1));
                for change in &self.unsynced[..kept] {
                    change.apply(&mut synced);
                }
                if let Some(change) = self.unsynced.get(kept) {
                    change.tear(&mut synced, dice);
                }
            }
            Cut::Random => {
                for change in &self.unsynced {
                    match dice.below(4) {
                        0 => change.tear(&mut synced, dice),
                        1 => {}
                        _ => change.apply(&mut synced),
                    }
                }
            }
        }
        Self { live: synced.clone(), synced, unsynced: Vec::new() }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write(u64, Arc<[u8]>),
    SetLen(u64),
}

impl Change {
    pub(super) fn apply(&self, image: &mut Image) {
        match self {
            Self::Write(offset, octets) => image.write(*offset, octets),
            Self::SetLen(len) => image.set_len(*len),
        }
    }

    /// Applies a part: the front up to any octet, or any of the sectors.
    fn tear(&self, image: &mut Image, dice: &mut Dice) {
        match self {
            Self::Write(offset, octets) if dice.coin() => {
                let kept = index(dice.below(octets.len() as u64 + 1));
                image.write(*offset, &octets[..kept]);
            }
            Self::Write(offset, octets) => {
                // The length may have grown before any of the octets arrived.
                if dice.coin() {
                    image.set_len(image.len().max(offset + octets.len() as u64));
                }
                let mut at = 0;
                while at < octets.len() {
                    let sector_end = (offset + at as u64) / SECTOR * SECTOR + SECTOR;
                    let end = index(sector_end - offset).min(octets.len());
                    if dice.coin() {
                        image.write(offset + at as u64, &octets[at..end]);
                    }
                    at = end;
                }
            }
            Self::SetLen(len) => {
                if dice.coin() {
                    image.set_len(*len);
                }
            }
        }
    }
}

/// A change of a directory. One that finds nothing to change (an earlier one was lost) changes nothing.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Make(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl NameChange {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Make(path, _) | Self::Rename(_, path) | Self::Remove(path) => path,
        }
    }

    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Make(path, id) => {
                names.insert(path.clone(), *id);
            }
            Self::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

const SECTOR: u64 = 512;
