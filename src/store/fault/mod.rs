//! **A test double**: a disk in memory that forgets what was not synced, and fails when told to.
//!
//! It keeps synced and unsynced octets apart, counts every operation that changes something, fails the ones
//! it is told to fail, and can be cut from its power at any of them: [`FaultDisk::cut`] returns the disk as
//! the next start would find it. The same calls and seeds give the same octets.
//!
//! What it models, on the harsh side of what file systems do:
//! - unsynced writes survive a cut in any combination, each possibly torn at any octet or sector;
//! - so do unsynced changes of a directory, each of them being atomic;
//! - a failed sync marks the unsynced octets as clean: they stay visible, a later sync that returns `Ok` does
//!   not make them durable (what Linux does with a page whose write-back failed);
//! - `kill -9` ([`Cut::Killed`]) keeps everything visible and nothing more durable than it was.
//!
//! Directories themselves are durable as soon as they are made, as [`Disk::create_dir_all`] promises.

mod change;
mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::change::{Change, NameChange, Node};
use self::image::Image;
use super::file::{Disk, File};

/// The disk. Clones are handles to the same one.
#[derive(Clone)]
pub struct FaultDisk {
    inner: Arc<Mutex<Inner>>,
}

/// What an operation that changes something does; see [`FaultDisk::operations`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operation {
    /// A file was made.
    Create,
    /// Octets were written.
    Write,
    /// A file was cut or extended.
    SetLen,
    /// A file was synced.
    Sync,
    /// A file was renamed.
    Rename,
    /// A file was removed.
    Remove,
    /// A directory was synced.
    SyncDir,
}

/// How far an operation that is told to fail gets before it does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent {
    /// Nothing happens.
    Nothing,
    /// A part, chosen by the seed: a prefix of a write, some of the octets waiting for a sync.
    Part(u64),
    /// All of it, and the error is a lie.
    Everything,
}

/// What of the unsynced survives when the power goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cut {
    /// Nothing of it.
    Nothing,
    /// All of it.
    Everything,
    /// The first few changes of each file and directory, in order, the last one torn.
    Torn,
    /// Any of them, some torn.
    Random,
    /// Only the process dies: all of it is visible to the next one and none of it is durable yet.
    Killed,
}

impl Cut {
    /// Every mode, for tests that try them all.
    pub const ALL: [Self; 5] = [Self::Nothing, Self::Everything, Self::Torn, Self::Random, Self::Killed];
}

impl FaultDisk {
    /// An empty disk without a limit and without faults.
    pub fn new() -> Self {
        Self::from(Inner::default())
    }

    /// How many operations that change something were asked for so far. Reading is free.
    pub fn operations(&self) -> u64 {
        self.lock().operations.len() as u64
    }

    /// What those operations were, in order.
    pub fn log(&self) -> Vec<Operation> {
        self.lock().operations.clone()
    }

    /// Lets operation `number` (the first is 0) fail with `kind` after it got as far as `extent`.
    ///
    /// Once: the next operation works again.
    pub fn fail(&self, number: u64, kind: io::ErrorKind, extent: Extent) {
        self.lock().faults.insert(number, (kind, extent));
    }

    /// Lets every sync from now on fail with `kind`, or none when `None`.
    pub fn fail_syncs(&self, kind: Option<io::ErrorKind>) {
        self.lock().failing_syncs = kind;
    }

    /// Takes the power away in the middle of operation `number`: it is asked for, never confirmed, and every
    /// operation and read after it fails. [`cut`](Self::cut) tells what it left.
    pub fn power_off_at(&self, number: u64) {
        self.lock().power_off_at = Some(number);
    }

    /// Limits the room to `octets`, counted in pages of 4096 that were written. A write beyond it stores what
    /// still fits and fails with `StorageFull`.
    pub fn limit(&self, octets: Option<u64>) {
        self.lock().capacity = octets;
    }

    /// Replaces the octets of a file, durable at once, as a failing medium or a stranger would.
    ///
    /// # Errors
    /// `NotFound` when there is no such file.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut inner = self.lock();
        let id = *inner.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let node = inner.node(id);
        let mut octets = vec![0; index(node.live.len())];
        node.live.read(0, &mut octets)?;
        change(&mut octets);
        let mut image = Image::default();
        image.write(0, &octets);
        *node = Node { synced: image.clone(), live: image, unsynced: Vec::new() };
        Ok(())
    }

    /// The disk after a power cut now, with faults, limits and counters cleared. Handles to the old disk keep
    /// to the old one.
    pub fn cut(&self, seed: u64, mode: Cut) -> Self {
        let inner = self.lock();
        let mut dice = Dice(seed);
        let names = match mode {
            Cut::Nothing => inner.synced_names.clone(),
            Cut::Everything | Cut::Killed => inner.names.clone(),
            Cut::Torn | Cut::Random => {
                let mut names = inner.synced_names.clone();
                let kept = dice.below(inner.unsynced_names.len() as u64 + 1);
                for (change, number) in inner.unsynced_names.iter().zip(0..) {
                    let keep = if mode == Cut::Torn { number < kept } else { dice.coin() };
                    if keep {
                        change.apply(&mut names);
                    }
                }
                names
            }
        };
        let mut after = Inner { dirs: inner.dirs.clone(), next: inner.next, ..Inner::default() };
        for id in names.values() {
            let node = inner.nodes.get(id).expect("a name leads to a node");
            after.nodes.insert(*id, node.cut(&mut dice, mode));
        }
        if mode == Cut::Killed {
            // What is visible but not durable stays so, names included.
            after.nodes.clone_from(&inner.nodes);
            after.synced_names.clone_from(&inner.synced_names);
            after.unsynced_names.clone_from(&inner.unsynced_names);
        } else {
            after.synced_names.clone_from(&names);
        }
        after.names = names;
        Self::from(after)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Default for FaultDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Inner> for FaultDisk {
    fn from(inner: Inner) -> Self {
        Self { inner: Arc::new(Mutex::new(inner)) }
    }
}

impl fmt::Debug for FaultDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        f.debug_struct("FaultDisk")
            .field("operations", &inner.operations.len())
            .field("files", &inner.names.keys())
            .finish()
    }
}

impl Disk for FaultDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        inner.powered()?;
        inner.dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn File>> {
        let mut inner = self.lock();
        inner.powered()?;
        let id = match inner.names.get(path) {
            Some(id) => *id,
            None if !create || !path.parent().is_some_and(|dir| inner.dirs.contains(dir)) => {
                return Err(io::ErrorKind::NotFound.into());
            }
            None => {
                let id = inner.next;
                inner.next += 1;
                inner.nodes.insert(id, Node::default());
                inner.change_names(Operation::Create, NameChange::Make(path.to_owned(), id))?;
                id
            }
        };
        Ok(Box::new(FaultFile { inner: Arc::clone(&self.inner), id }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        inner.powered()?;
        if !inner.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        inner.change_names(Operation::Rename, NameChange::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        inner.powered()?;
        if !inner.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        inner.change_names(Operation::Remove, NameChange::Remove(path.to_owned()))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let inner = self.lock();
        inner.powered()?;
        if !inner.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(inner.names.keys().filter(|path| path.parent() == Some(dir)).cloned().collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        let outcome = inner.begin(Operation::SyncDir)?;
        let Inner { unsynced_names, synced_names, .. } = &mut *inner;
        // Unlike octets, names that failed to be synced are still there for a later attempt, and they settle
        // in order: the journal of the file system holds them.
        let mut here =
            unsynced_names.extract_if(.., |change| change.path().parent() == Some(dir)).collect::<Vec<_>>();
        let settled = match outcome.extent {
            Extent::Nothing => 0,
            Extent::Part(seed) => index(Dice(seed).below(here.len() as u64 + 1)),
            Extent::Everything => here.len(),
        };
        here.drain(..settled).for_each(|change| change.apply(synced_names));
        unsynced_names.extend(here);
        outcome.end()
    }

    fn free_octets(&self, _dir: &Path) -> io::Result<u64> {
        let inner = self.lock();
        inner.powered()?;
        Ok(inner.free())
    }
}

#[derive(Debug)]
struct FaultFile {
    inner: Arc<Mutex<Inner>>,
    id: u64,
}

impl File for FaultFile {
    fn len(&self) -> io::Result<u64> {
        let mut inner = lock(&self.inner);
        inner.powered()?;
        Ok(inner.node(self.id).live.len())
    }

    fn read_at(&self, offset: u64, octets: &mut [u8]) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        inner.powered()?;
        inner.node(self.id).live.read(offset, octets)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        let mut outcome = inner.begin(Operation::Write)?;
        let mut octets = match outcome.extent {
            Extent::Nothing => &octets[..0],
            Extent::Part(seed) => &octets[..index(Dice(seed).below(octets.len() as u64 + 1))],
            Extent::Everything => octets,
        };
        let free = inner.free();
        let node = inner.node(self.id);
        if node.live.room_wanted(offset, octets.len()) > free {
            // Whole pages are stored from the front for as long as there is room.
            let mut fits = octets.len() as u64;
            while node.live.room_wanted(offset, index(fits)) > free {
                let page_start = (offset + fits - 1) / image::PAGE as u64 * image::PAGE as u64;
                fits = page_start.saturating_sub(offset);
            }
            octets = &octets[..index(fits)];
            outcome.error = outcome.error.or(Some(io::ErrorKind::StorageFull));
        }
        node.change(Change::Write(offset, octets.into()));
        outcome.end()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        let outcome = inner.begin(Operation::SetLen)?;
        if outcome.happens() {
            inner.node(self.id).change(Change::SetLen(len));
        }
        outcome.end()
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = lock(&self.inner);
        let outcome = inner.begin(Operation::Sync)?;
        let off = inner.off;
        let node = inner.node(self.id);
        if off {
            // In the middle of it: what reached the disk is for the cut to say.
            return outcome.end();
        }
        let mut dice = outcome.dice();
        for change in std::mem::take(&mut node.unsynced) {
            if outcome.reaches(&mut dice) {
                change.apply(&mut node.synced);
            }
        }
        outcome.end()
    }
}

#[derive(Debug, Default)]
struct Inner {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, u64>,
    synced_names: BTreeMap<PathBuf, u64>,
    unsynced_names: Vec<NameChange>,
    operations: Vec<Operation>,
    faults: BTreeMap<u64, (io::ErrorKind, Extent)>,
    failing_syncs: Option<io::ErrorKind>,
    power_off_at: Option<u64>,
    off: bool,
    capacity: Option<u64>,
}

impl Inner {
    fn powered(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    /// Counts an operation and says how far it gets.
    fn begin(&mut self, operation: Operation) -> io::Result<Outcome> {
        self.powered()?;
        let number = self.operations.len() as u64;
        self.operations.push(operation);
        if self.power_off_at == Some(number) {
            self.off = true;
            // Writes and renames are asked for and may survive; a sync settles nothing.
            let extent = match operation {
                Operation::Sync | Operation::SyncDir => Extent::Nothing,
                Operation::Create
                | Operation::Write
                | Operation::SetLen
                | Operation::Rename
                | Operation::Remove => Extent::Everything,
            };
            return Ok(Outcome { error: Some(io::ErrorKind::Other), extent });
        }
        Ok(match (self.faults.remove(&number), self.failing_syncs) {
            (Some((kind, extent)), _) => Outcome { error: Some(kind), extent },
            (None, Some(kind)) if operation == Operation::Sync => {
                Outcome { error: Some(kind), extent: Extent::Part(number) }
            }
            (None, _) => Outcome { error: None, extent: Extent::Everything },
        })
    }

    fn change_names(&mut self, operation: Operation, change: NameChange) -> io::Result<()> {
        let outcome = self.begin(operation)?;
        if outcome.happens() {
            change.apply(&mut self.names);
            self.unsynced_names.push(change);
        }
        outcome.end()
    }

    fn node(&mut self, id: u64) -> &mut Node {
        self.nodes.get_mut(&id).expect("nodes are kept as long as the disk")
    }

    fn free(&self) -> u64 {
        let Some(capacity) = self.capacity else { return u64::MAX };
        let used: u64 =
            self.names.values().filter_map(|id| self.nodes.get(id)).map(|node| node.live.room()).sum();
        capacity.saturating_sub(used)
    }
}

/// How an operation goes.
struct Outcome {
    error: Option<io::ErrorKind>,
    extent: Extent,
}

impl Outcome {
    /// Whether an operation that cannot be done by halves is done.
    fn happens(&self) -> bool {
        match self.extent {
            Extent::Nothing => false,
            Extent::Part(seed) => Dice(seed).coin(),
            Extent::Everything => true,
        }
    }

    fn dice(&self) -> Dice {
        match self.extent {
            Extent::Part(seed) => Dice(seed),
            Extent::Nothing | Extent::Everything => Dice(0),
        }
    }

    /// Whether the next thing waiting for a sync reaches the disk.
    fn reaches(&self, dice: &mut Dice) -> bool {
        match self.extent {
            Extent::Nothing => false,
            Extent::Part(_) => dice.coin(),
            Extent::Everything => true,
        }
    }

    fn end(self) -> io::Result<()> {
        self.error.map_or(Ok(()), |kind| Err(io::Error::new(kind, "a planned fault")))
    }
}

/// Random enough for tests and the same everywhere: the mixing function of splitmix64.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    /// Heads?
    pub fn coin(&mut self) -> bool {
        self.roll() & 1 == 0
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

fn index(octets: u64) -> usize {
    usize::try_from(octets).expect("a test file fits into memory")
}

#[cfg(test)]
mod tests;
