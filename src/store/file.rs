//! The one door to the disk: a small trait for files and directories, and the real thing behind it.
//!
//! **Invariant:** nothing else in the store opens, renames or syncs a file, so what the fault-injecting twin
//! in [`super::fault`] proves holds for all of it.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A place that holds directories and files.
///
/// A change to a directory (a file created, renamed or removed) survives a power cut only after
/// [`sync_dir`](Self::sync_dir) returned `Ok`; until then it may have happened or not.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a directory (mode 0700) with its missing parents. They are durable when this returns.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Opens a file for reading and writing; with `create` a missing one is made, empty, mode 0600.
    ///
    /// # Errors
    /// `NotFound` when the file is missing and `create` is false, or when its directory is missing.
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn File>>;

    /// Renames a file within its directory, replacing the target if there is one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Handles that are open keep working.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The files of a directory, without its subdirectories, sorted by name.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Makes the entries of a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Octets that can still be written to the file system holding `dir`.
    fn free_octets(&self, dir: &Path) -> io::Result<u64>;
}

/// An open file.
///
/// Written octets are visible at once and survive a power cut only after [`sync_data`](Self::sync_data)
/// returned `Ok`. After a failed sync nothing is known about what was written since the last good one, and
/// syncing again proves nothing: the caller must write to another file.
pub trait File: Send + Sync + fmt::Debug {
    /// Length in octets.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file holds no octet.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `octets` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends earlier.
    fn read_at(&self, offset: u64, octets: &mut [u8]) -> io::Result<()>;

    /// Writes all of `octets` at `offset`; a gap before it reads as zeros. On an error any part may be written.
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()>;

    /// Cuts the file or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes everything written so far durable, and the length needed to read it.
    fn sync_data(&self) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        let parent = match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        self.create_dir_all(parent)?;
        match DirBuilder::new().mode(0o700).create(dir) {
            Ok(()) => self.sync_dir(parent),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn File>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                files.push(entry.path());
            }
        }
        files.sort();
        Ok(files)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn free_octets(&self, dir: &Path) -> io::Result<u64> {
        let figures = rustix::fs::statvfs(dir)?;
        Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
    }
}

#[derive(Debug)]
struct RealFile(fs::File);

impl File for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, octets: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(octets, offset)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.0.write_all_at(octets, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fault::FaultDisk;
    use std::os::unix::fs::PermissionsExt;

    /// One story told to both disks: they must answer alike.
    fn tell(disk: &dyn Disk, root: &Path) -> Vec<String> {
        let mut said = Vec::new();
        let mut say = |what: &str, result: io::Result<String>| {
            said.push(format!("{what}: {:?}", result.map_err(|error| error.kind())));
        };
        let dir = root.join("a/b");
        let (one, two) = (dir.join("one"), dir.join("two"));
        say("open without a directory", disk.open(&one, true).map(|_| String::new()));
        say("make it", disk.create_dir_all(&dir).map(|()| String::new()));
        say("make it again", disk.create_dir_all(&dir).map(|()| String::new()));
        say("open what is missing", disk.open(&one, false).map(|_| String::new()));
        let file = disk.open(&one, true).expect("the directory is there");
        say("write past the end", file.write_at(5_000, b"abc").map(|()| String::new()));
        let mut octets = [9; 8];
        say("read the gap", file.read_at(4_995, &mut octets).map(|()| String::new()));
        say("octets", Ok(format!("{octets:?}")));
        say("read past the end", file.read_at(4_996, &mut octets).map(|()| String::new()));
        say("cut", file.set_len(5_001).map(|()| String::new()));
        say("grow", file.set_len(5_010).map(|()| String::new()));
        say("read again", file.read_at(4_999, &mut octets).map(|()| String::new()));
        say("octets", Ok(format!("{octets:?}")));
        say("length", file.len().map(|len| len.to_string()));
        say("sync", file.sync_data().map(|()| String::new()));
        say("rename", disk.rename(&one, &two).map(|()| String::new()));
        say("rename what is missing", disk.rename(&one, &two).map(|()| String::new()));
        say("sync the directory", disk.sync_dir(&dir).map(|()| String::new()));
        say("list", disk.list(&dir).map(|files| format!("{}", files == [two.clone()])));
        say("list the parent", disk.list(&root.join("a")).map(|files| files.len().to_string()));
        say("remove", disk.remove(&two).map(|()| String::new()));
        say("remove again", disk.remove(&two).map(|()| String::new()));
        say("write to a removed file", file.write_at(0, b"x").map(|()| String::new()));
        say("list a missing directory", disk.list(&root.join("z")).map(|_| String::new()));
        say("room", disk.free_octets(root).map(|free| (free > 0).to_string()));
        said
    }

    #[test]
    fn the_real_disk_and_its_twin_tell_the_same_story() {
        let real = tempfile::tempdir().expect("a temporary directory");
        let twin = FaultDisk::new();
        twin.create_dir_all(Path::new("/data")).expect("no fault is planned");
        assert_eq!(tell(&RealDisk, real.path()), tell(&twin, Path::new("/data")));
    }

    #[test]
    fn files_and_directories_belong_to_the_owner_alone() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let dir = root.path().join("x/y");
        RealDisk.create_dir_all(&dir).expect("the parent is ours");
        RealDisk.open(&dir.join("f"), true).expect("the directory is ours");
        let mode = |path: &Path| fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&root.path().join("x")), mode(&dir.join("f"))), (0o700, 0o700, 0o600));
    }
}
