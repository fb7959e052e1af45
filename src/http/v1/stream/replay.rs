//! What lies further back than a feed's window: read page by page, shared by streams at the same cursor, bounded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::Source;
use super::page::{Page, Reading};
use crate::gateway::cold::Lost;
use crate::gateway::id::ServiceNo;

/// Pages of the past in memory at once, over all streams: 64 MiB. A stream whose reader is slow keeps one; when all are
/// taken, further streams wait for one, and their heartbeats go on.
const PAGES_MAX: usize = 4_096;

/// Pages that are read at once: they are the threads that may wait for the disk.
const READERS_MAX: usize = 4;

/// Pages that are kept for the next stream. After a restart everybody comes back with nearly the same cursor.
const KEPT: usize = 64;

/// What was read.
#[derive(Debug)]
pub(super) enum Past {
    /// This follows.
    Page(Page),
    /// What follows is not kept any more.
    TooOld {
        /// The oldest event that is.
        oldest: u64,
    },
}

#[derive(Debug)]
pub(super) struct Replay {
    source: Arc<dyn Source>,
    readers: Semaphore,
    room: Arc<Semaphore>,
    kept: Mutex<VecDeque<(ServiceNo, Page)>>,
}

impl Replay {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self {
            source,
            readers: Semaphore::new(READERS_MAX),
            room: Arc::new(Semaphore::new(PAGES_MAX)),
            kept: Mutex::default(),
        }
    }

    /// What follows `after`; waits for memory and for other readers.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub(super) async fn page(&self, service: ServiceNo, after: u64) -> Result<Past, Lost> {
        if let Some(page) = self.kept(service, after) {
            return Ok(Past::Page(page));
        }
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(closed)?;
        self.read(service, after, Some(room)).await
    }

    /// Whether what follows `after` is kept; if not, the oldest event that is. Waits for other readers only: who holds
    /// all the memory shall not keep others from beginning.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub(super) async fn oldest_if_gone(&self, service: ServiceNo, after: u64) -> Result<Option<u64>, Lost> {
        if self.kept(service, after).is_some() {
            return Ok(None);
        }
        let room = Arc::clone(&self.room).try_acquire_owned().ok();
        match self.read(service, after, room).await? {
            Past::Page(_) => Ok(None),
            Past::TooOld { oldest } => Ok(Some(oldest)),
        }
    }

    async fn read(
        &self,
        service: ServiceNo,
        after: u64,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<Past, Lost> {
        let _reader = self.readers.acquire().await.map_err(closed)?;
        // Whoever read before us may have wanted the same.
        if let Some(page) = self.kept(service, after) {
            return Ok(Past::Page(page));
        }
        let source = Arc::clone(&self.source);
        let reading = tokio::task::spawn_blocking(move || source.read(service, after));
        let reading = reading.await.map_err(|error| Lost(Box::new(error)))??;
        Ok(match reading {
            Reading::TooOld { oldest } => Past::TooOld { oldest },
            Reading::Page(draft) => {
                let has_room = room.is_some();
                let page = draft.finish(after, room);
                if has_room {
                    let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push_back((service, page.clone()));
                    if kept.len() > KEPT {
                        kept.pop_front();
                    }
                }
                Past::Page(page)
            }
        })
    }

    /// A page that holds what follows `after`.
    fn kept(&self, service: ServiceNo, after: u64) -> Option<Page> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |of: ServiceNo, page: &Page| of == service && page.after <= after && after < page.to;
        kept.iter().rev().find(|(of, page)| fits(*of, page)).map(|(_, page)| page.clone())
    }
}

fn closed(_: AcquireError) -> Lost {
    Lost("the readers of events have ended".into())
}
