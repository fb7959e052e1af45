//! The history files: one per day, opened when needed, a few at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::Database;

use super::{Day, backend};
use crate::store::error::StoreError;
use crate::store::file::Disk;

#[derive(Debug)]
pub(super) struct History {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    files_max: usize,
    /// Per file.
    cache_octets: usize,
    /// The one used last is last. Handles are given out under this lock only, so one that nobody else has
    /// while it is held is safe to close: a file never has two databases.
    open: Mutex<Vec<(Day, Arc<Database>)>>,
}

impl History {
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        files_max: usize,
        cache_octets: usize,
    ) -> Result<Self, StoreError> {
        let history =
            Self { disk, dir: dir.to_owned(), files_max, cache_octets, open: Mutex::new(Vec::new()) };
        for path in history.disk.list(dir)? {
            if day_of(&path, UNFINISHED).is_some() {
                history.disk.remove(&path)?;
            }
        }
        Ok(history)
    }

    /// The database of a day; without `create` only if there is one.
    pub(super) fn database(&self, day: Day, create: bool) -> Result<Option<Arc<Database>>, StoreError> {
        let mut open = self.lock();
        if let Some(found) = open.iter().position(|(other, _)| *other == day) {
            let entry = open.remove(found);
            let database = Arc::clone(&entry.1);
            open.push(entry);
            return Ok(Some(database));
        }
        let path = self.dir.join(format!("{PREFIX}{day}.{EXTENSION}"));
        let database = match backend::open(&*self.disk, &path, self.cache_octets)? {
            Some(database) => database,
            None if create => backend::create(&*self.disk, &path, self.cache_octets)?,
            None => return Ok(None),
        };
        // More may be open for a moment when all of them are being read.
        if open.len() >= self.files_max
            && let Some(idle) = open.iter().position(|(_, database)| Arc::strong_count(database) == 1)
        {
            open.remove(idle);
        }
        let database = Arc::new(database);
        open.push((day, Arc::clone(&database)));
        Ok(Some(database))
    }

    /// The days that have a file, oldest first.
    pub(super) fn days(&self) -> Result<Vec<Day>, StoreError> {
        let mut days: Vec<_> =
            self.disk.list(&self.dir)?.iter().filter_map(|path| day_of(path, EXTENSION)).collect();
        days.sort();
        Ok(days)
    }

    /// Deletes the files of days before `oldest` that nobody is reading; returns how many.
    pub(super) fn retire(&self, oldest: Day) -> Result<usize, StoreError> {
        let mut open = self.lock();
        let mut retired = 0;
        for path in self.disk.list(&self.dir)? {
            let Some(day) = day_of(&path, EXTENSION).filter(|day| *day < oldest) else { continue };
            if let Some(found) = open.iter().position(|(other, _)| *other == day) {
                if open.get(found).is_some_and(|(_, database)| Arc::strong_count(database) > 1) {
                    continue;
                }
                open.remove(found);
            }
            self.disk.remove(&path)?;
            retired += 1;
        }
        if retired > 0 {
            self.disk.sync_dir(&self.dir)?;
        }
        Ok(retired)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Day, Arc<Database>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn open_days(&self) -> Vec<Day> {
        self.lock().iter().map(|(day, _)| *day).collect()
    }
}

fn day_of(path: &Path, extension: &str) -> Option<Day> {
    let name = path.file_name()?.to_str()?;
    Day::parse(name.strip_prefix(PREFIX)?.strip_suffix(extension)?.strip_suffix('.')?)
}

const PREFIX: &str = "history-";
const EXTENSION: &str = "redb";
const UNFINISHED: &str = "new";
