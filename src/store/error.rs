//! What can go wrong below the tables, sorted by what the caller can do about it.

use std::{fmt, io};

/// Why the store did not do what it was asked.
#[derive(Debug)]
pub enum StoreError {
    /// The disk or the quota is full. Nothing was stored; the same request may pass once there is room.
    Full(io::Error),
    /// The operating system refused a read, a write or a sync. What was being written counts as not written,
    /// and the store wants to be reopened before it is used again.
    Io(io::Error),
    /// A file holds something that this program did not write.
    Corrupt(String),
    /// An earlier write failed: the store takes no more of them until it has been reopened.
    Poisoned,
    /// The caller named a table that was not declared when the store was opened.
    UnknownTable(u8),
}

impl StoreError {
    /// Whether the same request may pass later without anybody repairing a file.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Full(_) | Self::Io(_) | Self::Poisoned => true,
            Self::Corrupt(_) | Self::UnknownTable(_) => false,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the disk is full"),
            Self::Io(_) => f.write_str("a file of the store could not be read or written"),
            Self::Corrupt(what) => write!(f, "the store is damaged: {what}"),
            Self::Poisoned => f.write_str("an earlier write failed and the store was not reopened since"),
            Self::UnknownTable(id) => write!(f, "table {id} was not declared"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Full(error) | Self::Io(error) => Some(error),
            Self::Corrupt(_) | Self::Poisoned | Self::UnknownTable(_) => None,
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        if is_full(&error) { Self::Full(error) } else { Self::Io(error) }
    }
}

/// Whether `error` says that the disk or the quota is full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
