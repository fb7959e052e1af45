//! What was pushed and could not be read, for a person to look at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::clock::Clock;

/// Files kept; the oldest go.
pub const FILES_MAX: usize = 100;

/// A folder of at most [`FILES_MAX`] bodies, as they came. Cheap to clone.
///
/// Their names begin with the UTC milliseconds of arrival, so they sort by time. Nobody but the daemon's user can read
/// them: they may hold numbers and texts.
#[derive(Clone, Debug)]
pub struct Rejected {
    folder: Arc<Folder>,
    clock: Arc<Clock>,
}

#[derive(Debug)]
struct Folder {
    dir: PathBuf,
    next: AtomicU64,
    /// One at a time, so that the count holds.
    turn: Mutex<()>,
}

impl Rejected {
    /// Keeps them in `dir`, which is made when there is something to keep.
    pub fn new(dir: PathBuf, clock: Arc<Clock>) -> Self {
        Self { folder: Arc::new(Folder { dir, next: AtomicU64::new(0), turn: Mutex::default() }), clock }
    }

    /// Keeps one. A disk that does not take it is logged: it is a help, no promise.
    pub(super) async fn keep(&self, hook: &str, body: Bytes) {
        let hook: String =
            hook.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
        let no = self.folder.next.fetch_add(1, Ordering::Relaxed) % 10_000;
        let name = format!("{:013}-{no:04}-{hook}.body", self.clock.utc_ms());
        let folder = Arc::clone(&self.folder);
        let kept = tokio::task::spawn_blocking(move || folder.write(&name, &body)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, dir = %self.folder.dir.display(), "a push could not be kept");
        }
    }
}

impl Folder {
    fn write(&self, name: &str, body: &[u8]) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        make_private(&self.dir)?;
        fs::write(self.dir.join(name), body)?;
        let mut names: Vec<_> = fs::read_dir(&self.dir)?
            .filter_map(|entry| Some(entry.ok()?.file_name()))
            .filter(|name| name.to_str().is_some_and(|name| name.ends_with(".body")))
            .collect();
        names.sort();
        let surplus = names.len().saturating_sub(FILES_MAX);
        names.iter().take(surplus).try_for_each(|name| fs::remove_file(self.dir.join(name)))
    }
}

fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_give_way_and_names_stay_inside_the_folder() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let rejected = Rejected::new(dir.path().join("kept"), Clock::standing(1_700_000_000_000));
        for n in 0..FILES_MAX + 5 {
            rejected.keep("../sfr", Bytes::from(n.to_string())).await;
        }
        let mut names: Vec<_> = fs::read_dir(dir.path().join("kept"))
            .expect("it was made")
            .map(|e| e.expect("listed").file_name().into_string().expect("plain"))
            .collect();
        names.sort();
        assert_eq!(names.len(), FILES_MAX);
        assert_eq!(names.first().map(String::as_str), Some("1700000000000-0005-sfr.body"));
        let first = fs::read(dir.path().join("kept").join(&names[0])).expect("ours");
        assert_eq!(first, b"5");
    }
}
