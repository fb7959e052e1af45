//! How the `trunkline` command finds the process that runs.
//!
//! Each process writes `admin.json` into its data directory, and where that directory is into the user's runtime or
//! cache directory. So `trunkline send` needs no address, and no right but that of reading the data directory.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What a process says about itself in its data directory.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Sign {
    /// Where its admin listener is.
    pub admin: SocketAddr,
    /// Its process number.
    pub pid: u32,
}

/// Where the newest process keeps its data.
#[derive(Debug, Deserialize, Serialize)]
struct Pointer {
    data_dir: PathBuf,
    pid: u32,
}

/// A process's sign, taken down when dropped.
#[derive(Debug)]
pub struct Beacon {
    sign: PathBuf,
    pointer: Option<PathBuf>,
}

impl Beacon {
    /// Writes both files. That the second cannot be written is no reason not to start.
    ///
    /// # Errors
    /// When the data directory cannot be written.
    pub fn light(data_dir: &Path, admin: SocketAddr) -> io::Result<Self> {
        let data_dir = fs::canonicalize(data_dir)?;
        let pid = std::process::id();
        let sign = data_dir.join(SIGN_FILE);
        write_private(&sign, &serde_json::to_vec(&Sign { admin, pid })?)?;
        let pointer = pointer_path().filter(|path| {
            let written = serde_json::to_vec(&Pointer { data_dir: data_dir.clone(), pid })
                .map_err(io::Error::from)
                .and_then(|text| write_pointer(path, &text));
            written.inspect_err(|error| tracing::debug!(%error, path = %path.display(), "no pointer")).is_ok()
        });
        Ok(Self { sign, pointer })
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.sign);
        // Only if no other process has put its own there.
        if let Some(path) = &self.pointer
            && read_pointer(path).is_some_and(|pointer| pointer.pid == std::process::id())
        {
            let _ = fs::remove_file(path);
        }
    }
}

/// Reads the sign in a data directory.
///
/// # Errors
/// When there is none, which means that no process works there, or it cannot be read.
pub fn read_sign(data_dir: &Path) -> io::Result<Sign> {
    let text = fs::read(data_dir.join(SIGN_FILE))?;
    serde_json::from_slice(&text).map_err(io::Error::from)
}

/// The data directory of the process that was started last, if this user has started one.
pub fn newest_data_dir() -> Option<PathBuf> {
    pointer_path().and_then(|path| read_pointer(&path)).map(|pointer| pointer.data_dir)
}

fn read_pointer(path: &Path) -> Option<Pointer> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// `$XDG_RUNTIME_DIR/trunkline/daemon.json`, or the same in the user's cache.
fn pointer_path() -> Option<PathBuf> {
    let dir = |name: &str| std::env::var_os(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let base = dir("XDG_RUNTIME_DIR")
        .filter(|dir| dir.is_dir())
        .or_else(|| dir("XDG_CACHE_HOME"))
        .or_else(|| dir("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("trunkline").join("daemon.json"))
}

fn write_pointer(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    write_private(path, text)
}

/// Writes a file that only its owner can read, whole or not at all.
pub(super) fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

const SIGN_FILE: &str = "admin.json";

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_sign_is_read_back_and_taken_down() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let admin = "127.0.0.1:8081".parse().expect("an address");
        let beacon = Beacon { sign: dir.path().join(SIGN_FILE), pointer: None };
        let text = serde_json::to_vec(&Sign { admin, pid: 7 }).expect("it can be written");
        write_private(&beacon.sign, &text).expect("the directory is ours");
        assert_eq!(read_sign(dir.path()).expect("it is there"), Sign { admin, pid: 7 });
        let mode = fs::metadata(&beacon.sign).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(beacon);
        assert!(read_sign(dir.path()).is_err());
    }
}
