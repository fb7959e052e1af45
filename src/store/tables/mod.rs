//! The tables, written behind the journal: what must outlive memory, with the position it stands for.
//!
//! `state.redb` holds the named tables of the present and the [`Position`] of the last batch they contain;
//! `history-YYYYMMDD.redb` holds what is over, one file per day, so that retention deletes files. A
//! [`WriteSet`] is written in one step as far as anybody can see: the days first, then the state together with
//! its position. After a crash between the two the same batches are replayed and write the same rows again.
//!
//! **Invariant:** every commit is durable and records the allocator state (redb's *quick repair*, which commits
//! in two phases), so opening after a crash does not walk the file, whatever its size.
//!
//! **Invariant:** a file has at most one open database in this process, and after a failed write none of its
//! handles is used again: [`Tables::reopen`] waits for the readers, closes everything and starts over.

mod apply;
mod backend;
mod day;
mod history;
mod write_set;

use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableDefinition, TableError};

pub use self::day::Day;
use self::history::History;
pub use self::write_set::{TableId, WriteSet};
use super::error::StoreError;
use super::file::Disk;
use super::journal::Position;

/// What the tables may use.
#[derive(Clone, Debug)]
pub struct TablesConfig {
    /// Names of the tables in `state.redb`; a [`TableId`] is an index into this list. Names once used stay.
    pub state: &'static [&'static str],
    /// Names of the tables in every history file, with a [`TableId`] counting from 0 of their own.
    pub history: &'static [&'static str],
    /// Octets of page cache over all files: three quarters for the state, the rest shared by the open history
    /// files. Default 256 MiB. Pages of a set being written are part of it.
    pub cache_octets: usize,
    /// History files open at a time; the one used longest ago is closed first. Default 8.
    pub history_files_max: usize,
}

impl Default for TablesConfig {
    fn default() -> Self {
        Self { state: &[], history: &[], cache_octets: 256 << 20, history_files_max: 8 }
    }
}

/// A row: key and value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// The open tables. One thread writes, any number read; readers see the last set written whole.
#[derive(Debug)]
pub struct Tables {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    config: TablesConfig,
    /// Read-locked while a database is used, write-locked while all of them are exchanged.
    files: RwLock<Option<Files>>,
    position: AtomicU64,
    poisoned: AtomicBool,
}

#[derive(Debug)]
struct Files {
    state: Database,
    history: History,
}

impl Tables {
    /// Opens the tables in `dir` (made if missing), empty at [`Position::START`] if there are none.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a file that is not ours, otherwise what the disk says. Opening again after an
    /// error is always possible.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, config: TablesConfig) -> Result<Self, StoreError> {
        disk.create_dir_all(dir)?;
        let (files, position) = Files::open(&disk, dir, &config)?;
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            config,
            files: RwLock::new(Some(files)),
            position: AtomicU64::new(position.0),
            poisoned: AtomicBool::new(false),
        })
    }

    /// Drops every handle and opens the files again, as at start; due after a failed [`write`](Self::write).
    /// Waits for readers.
    ///
    /// # Errors
    /// As [`open`](Self::open). Until it succeeds, reading fails as well.
    pub fn reopen(&self) -> Result<(), StoreError> {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        self.poisoned.store(true, Ordering::Release);
        // Closed before anything is opened: one database per file. What closing says is of no use any more.
        drop(files.take());
        let (opened, position) = Files::open(&self.disk, &self.dir, &self.config)?;
        *files = Some(opened);
        self.position.store(position.0, Ordering::Release);
        self.poisoned.store(false, Ordering::Release);
        Ok(())
    }

    /// Writes a set, durable when this returns `Ok`. Sorts the set's rows; the last word on a key counts.
    ///
    /// The journal up to the set's position may be [retired](super::journal::Journal::retire) after an `Ok`, and
    /// only then.
    ///
    /// # Errors
    /// Any error leaves the state as it was and the tables [poisoned](StoreError::Poisoned) until
    /// [`reopen`](Self::reopen); history rows of the set may be there already. After a failed sync, `reopen`
    /// tells by its [`position`](Self::position) whether the set arrived after all.
    pub fn write(&self, set: &mut WriteSet) -> Result<(), StoreError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(StoreError::Poisoned);
        }
        set.check(self.config.state.len(), self.config.history.len())?;
        let files = self.files();
        let files = files.as_ref().ok_or(StoreError::Poisoned)?;
        let written = self.write_files(files, set);
        match written {
            Ok(()) => self.position.store(set.position.0, Ordering::Release),
            Err(_) => self.poisoned.store(true, Ordering::Release),
        }
        written
    }

    fn write_files(&self, files: &Files, set: &mut WriteSet) -> Result<(), StoreError> {
        set.sort();
        for (day, rows) in set.days() {
            let database = files.history.database(day, true)?.ok_or(StoreError::Poisoned)?;
            apply::commit(&database, self.config.history, rows, None)?;
        }
        apply::commit(&files.state, self.config.state, set.state_rows(), Some(set.position))
    }

    /// The last batch that the state contains.
    pub fn position(&self) -> Position {
        Position(self.position.load(Ordering::Acquire))
    }

    /// Whether a write failed and [`reopen`](Self::reopen) is due.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// The value of `key` in a state table.
    pub fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name_of(self.config.state, table)?;
        let files = self.files();
        read(&files.as_ref().ok_or(StoreError::Poisoned)?.state, name, |rows| value_of(rows, key))
            .map(Option::flatten)
    }

    /// The first `limit` rows of a state table whose keys lie in `range`, in the order of their keys.
    pub fn range<'k>(
        &self,
        table: TableId,
        range: impl RangeBounds<&'k [u8]> + 'k,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let name = name_of(self.config.state, table)?;
        let files = self.files();
        read(&files.as_ref().ok_or(StoreError::Poisoned)?.state, name, |rows| entries(rows, range, limit))
            .map(Option::unwrap_or_default)
    }

    /// The number of rows in a state table. Does not count them.
    pub fn rows(&self, table: TableId) -> Result<u64, StoreError> {
        let name = name_of(self.config.state, table)?;
        let files = self.files();
        read(&files.as_ref().ok_or(StoreError::Poisoned)?.state, name, |rows| Ok(rows.len()?))
            .map(Option::unwrap_or_default)
    }

    /// The value of `key` in a history table of `day`; `None` too when there is no history of that day.
    pub fn history_get(&self, day: Day, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read_history(day, table, |rows| value_of(rows, key)).map(Option::flatten)
    }

    /// As [`range`](Self::range), of one day.
    pub fn history_range<'k>(
        &self,
        day: Day,
        table: TableId,
        range: impl RangeBounds<&'k [u8]> + 'k,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.read_history(day, table, |rows| entries(rows, range, limit)).map(Option::unwrap_or_default)
    }

    /// The last `limit` rows of one day whose keys lie in `range`, in the opposite order of their keys.
    pub fn history_range_back<'k>(
        &self,
        day: Day,
        table: TableId,
        range: impl RangeBounds<&'k [u8]> + 'k,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let look = |rows: &RowsOfTable| {
            let rows = rows.range::<&[u8]>(range)?.rev().take(limit);
            rows.map(|row| {
                row.map(|(k, v)| (k.value().to_vec(), v.value().to_vec())).map_err(StoreError::from)
            })
            .collect()
        };
        self.read_history(day, table, look).map(Option::unwrap_or_default)
    }

    /// The days of which there is history, oldest first.
    pub fn history_days(&self) -> Result<Vec<Day>, StoreError> {
        let files = self.files();
        files.as_ref().ok_or(StoreError::Poisoned)?.history.days()
    }

    /// Deletes the history of all days before `oldest` and returns how many files went. A file that is being
    /// read stays until the next call.
    pub fn retire_history(&self, oldest: Day) -> Result<usize, StoreError> {
        let files = self.files();
        files.as_ref().ok_or(StoreError::Poisoned)?.history.retire(oldest)
    }

    fn read_history<T>(
        &self,
        day: Day,
        table: TableId,
        look: impl FnOnce(&RowsOfTable) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let name = name_of(self.config.history, table)?;
        let files = self.files();
        match files.as_ref().ok_or(StoreError::Poisoned)?.history.database(day, false)? {
            Some(database) => read(&database, name, look),
            None => Ok(None),
        }
    }

    fn files(&self) -> RwLockReadGuard<'_, Option<Files>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn open(disk: &Arc<dyn Disk>, dir: &Path, config: &TablesConfig) -> Result<(Self, Position), StoreError> {
        // A file may have got its name just before the last process died, with the name not yet durable: what
        // is written into it from now on must not vanish with the name.
        disk.sync_dir(dir)?;
        // The files of the present are there for good; the share of the past is divided among the open days.
        let history_cache = config.cache_octets / 4;
        let state_cache = config.cache_octets - history_cache;
        let days_max = config.history_files_max.max(1);
        let history = History::open(Arc::clone(disk), dir, days_max, history_cache / days_max)?;
        let path = dir.join(STATE_FILE);
        let state = match backend::open(&**disk, &path, state_cache)? {
            Some(state) => state,
            None => backend::create(&**disk, &path, state_cache)?,
        };
        let position = read(&state, apply::META_TABLE, |rows| value_of(rows, apply::POSITION_KEY))?.flatten();
        let position = match position.as_deref().map(<[u8; 8]>::try_from) {
            None => Position::START,
            Some(Ok(octets)) => Position(u64::from_le_bytes(octets)),
            Some(Err(_)) => {
                return Err(StoreError::Corrupt("the position of the tables has no 8 octets".into()));
            }
        };
        Ok((Self { state, history }, position))
    }
}

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;
type RowsOfTable = redb::ReadOnlyTable<&'static [u8], &'static [u8]>;

fn definition(name: &'static str) -> Definition {
    Definition::new(name)
}

fn name_of(names: &'static [&'static str], table: TableId) -> Result<&'static str, StoreError> {
    names.get(usize::from(table.0)).copied().ok_or(StoreError::UnknownTable(table.0))
}

/// Looks into a table as of the last commit; `None` when nothing was ever written to it.
fn read<T>(
    database: &Database,
    name: &'static str,
    look: impl FnOnce(&RowsOfTable) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let transaction = database.begin_read()?;
    match transaction.open_table(definition(name)) {
        Ok(rows) => look(&rows).map(Some),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn value_of(rows: &RowsOfTable, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(rows.get(key)?.map(|value| value.value().to_vec()))
}

fn entries<'k>(
    rows: &RowsOfTable,
    range: impl RangeBounds<&'k [u8]> + 'k,
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for row in rows.range::<&[u8]>(range)?.take(limit) {
        let (key, value) = row?;
        entries.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(entries)
}

const STATE_FILE: &str = "state.redb";

#[cfg(test)]
mod tests;
