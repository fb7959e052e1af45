//! redb on our own files, so that the faults and power cuts of the tests reach into it.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use redb::{Builder, Database, StorageBackend};

use super::apply;
use crate::store::error::StoreError;
use crate::store::file::{Disk, File};
use crate::store::journal::Position;

/// Opens a database; `None` when there is no such file.
pub(super) fn open(
    disk: &dyn Disk,
    path: &Path,
    cache_octets: usize,
) -> Result<Option<Database>, StoreError> {
    let file = match disk.open(path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if file.is_empty()? {
        // Files get their name when they are complete; redb would take this one for a new database.
        return Err(StoreError::Corrupt(format!("{} is empty", path.display())));
    }
    database(file, cache_octets).map(Some)
}

/// Makes an empty database. It appears under its name, durable, only when it is complete.
pub(super) fn create(disk: &dyn Disk, path: &Path, cache_octets: usize) -> Result<Database, StoreError> {
    let unfinished = path.with_extension(UNFINISHED);
    match disk.remove(&unfinished) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let database = database(disk.open(&unfinished, true)?, cache_octets)?;
    apply::commit(&database, &[], std::iter::empty(), Some(Position::START))?;
    disk.rename(&unfinished, path)?;
    if let Some(dir) = path.parent() {
        disk.sync_dir(dir)?;
    }
    Ok(database)
}

fn database(file: Box<dyn File>, cache_octets: usize) -> Result<Database, StoreError> {
    let backend = Backend { file, failed: AtomicBool::new(false), unsynced: AtomicUsize::new(0) };
    Ok(Builder::new().set_cache_size(cache_octets).create_with_backend(backend)?)
}

/// Lets redb at a [`File`] until the first thing goes wrong. After that nothing is written or synced through this
/// handle: what a failed sync left is unknown and a second one would not tell.
#[derive(Debug)]
struct Backend {
    file: Box<dyn File>,
    failed: AtomicBool,
    /// Octets written since the last sync.
    unsynced: AtomicUsize,
}

/// Octets after which what was written is synced at once. A checkpoint's one large sync would hold up the journal's small
/// ones on the same disk for tens of milliseconds; several of this size do not.
const SYNC_OCTETS: usize = 1 << 20;

impl Backend {
    fn change(&self, deed: impl FnOnce(&dyn File) -> io::Result<()>) -> io::Result<()> {
        if self.failed.load(Ordering::Acquire) {
            return Err(io::Error::other("an earlier write to this file failed"));
        }
        deed(&*self.file).inspect_err(|_| self.failed.store(true, Ordering::Release))
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|file| file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.unsynced.store(0, Ordering::Relaxed);
        self.change(|file| file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(|file| file.write_at(offset, data))?;
        let unsynced = self.unsynced.fetch_add(data.len(), Ordering::Relaxed) + data.len();
        if unsynced < SYNC_OCTETS {
            return Ok(());
        }
        self.sync_data()
    }
}

/// redb has an error type per call; they all come down to these.
impl<E: Into<redb::Error> + RedbError> From<E> for StoreError {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::Io(error)
                if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                Self::Corrupt(error.to_string())
            }
            redb::Error::Io(error) => error.into(),
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => Self::Poisoned,
            redb::Error::Corrupted(what) => Self::Corrupt(what),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

/// The error types of redb that we meet.
trait RedbError {}
impl RedbError for redb::Error {}
impl RedbError for redb::DatabaseError {}
impl RedbError for redb::TransactionError {}
impl RedbError for redb::TableError {}
impl RedbError for redb::StorageError {}
impl RedbError for redb::CommitError {}
impl RedbError for redb::CursorError {}
impl RedbError for redb::SetDurabilityError {}

const UNFINISHED: &str = "new";
