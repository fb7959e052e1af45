//! Secrets of ours in the data directory: made once, kept, readable by their owner alone.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The text of the file at `path`, trimmed; the first time, or if it is empty, what `make` gives is put there.
///
/// # Errors
/// When the file cannot be read or written, and those of `make`.
pub(super) fn kept(path: &Path, make: impl FnOnce() -> io::Result<String>) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let made = make()?;
    // Written aside and renamed, so that a reader never sees half of it.
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    writeln!(file, "{made}")?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    Ok(made)
}
