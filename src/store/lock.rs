//! One process per data directory.

use std::fs::{self, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// The exclusive right to a data directory, given back when dropped or when the process ends, however it ends.
///
/// It is an advisory lock (`flock`) on the file `lock` in the directory; the file stays behind and holds the
/// number of the process that had the lock last.
#[derive(Debug)]
pub struct DataLock {
    // Held, never read: closing it gives the lock back.
    _file: fs::File,
}

/// Why the data directory could not be taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process works in this directory.
    Held {
        /// The directory.
        dir: PathBuf,
        /// What the other process wrote about itself: its number, or nothing.
        holder: String,
    },
    /// The lock file could not be opened or locked.
    Io {
        /// The directory.
        dir: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

impl DataLock {
    /// Takes `dir`, which must exist, without waiting.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process (or another `DataLock` of this one) has it.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let failed = |error| LockError::Io { dir: dir.to_owned(), error };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(LOCK_FILE))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Only a courtesy for the message, and only a few octets of it are trusted.
                let mut holder = Vec::new();
                let _ = file.take(20).read_to_end(&mut holder);
                let holder = holder.into_iter().filter(u8::is_ascii_digit).map(char::from).collect();
                return Err(LockError::Held { dir: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // A courtesy too: on a full disk the lock still holds, only without a name on it.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { dir, holder } if holder.is_empty() => {
                write!(f, "the data directory {} is in use by another process", dir.display())
            }
            Self::Held { dir, holder } => {
                write!(f, "the data directory {} is in use by process {holder}", dir.display())
            }
            Self::Io { dir, .. } => write!(f, "the data directory {} cannot be locked", dir.display()),
        }
    }
}

impl std::error::Error for LockError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Held { .. } => None,
            Self::Io { error, .. } => Some(error),
        }
    }
}

const LOCK_FILE: &str = "lock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_and_told_the_directory() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = DataLock::acquire(dir.path()).expect("nobody else is here");
        let error = DataLock::acquire(dir.path()).expect_err("the first still holds it");
        let said = error.to_string();
        assert!(said.contains(&dir.path().display().to_string()), "{said}");
        assert!(said.contains(&std::process::id().to_string()), "{said}");
        drop(first);
        DataLock::acquire(dir.path()).expect("the first gave it back");
    }

    #[test]
    fn a_missing_directory_is_an_error_that_names_it() {
        let error = DataLock::acquire(Path::new("/nowhere/at/all")).expect_err("there is no such place");
        assert!(matches!(&error, LockError::Io { .. }));
        assert!(error.to_string().contains("/nowhere/at/all"));
    }
}
