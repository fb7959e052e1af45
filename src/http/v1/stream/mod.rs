//! Streams of events, very many of them, for readers that may be slow.
//!
//! A stream is a cursor and at most one piece of a page that its connection has not written yet ([`body`]). Pages are
//! encoded once: the newest events of a service stand in its [`feed`], filled by one task as long as somebody listens;
//! what is older is read by [`replay`], within a bound over all streams. A reader who takes nothing is held up by its
//! own connection alone, which the listener cuts when nothing has moved on it for long enough; then it comes back with
//! its cursor, and nothing is missing.

mod body;
mod feed;
mod page;
mod replay;

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(super) use self::body::Stream;
use self::feed::Feed;
pub(super) use self::page::{Draft, Kinds, Reading};
use self::replay::Replay;
use crate::gateway::cold::Lost;
use crate::gateway::id::ServiceNo;

/// How many streams may be open.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Over all services.
    pub streams_max: usize,
    /// For one service.
    pub service_max: usize,
    /// A stream on which nothing happens says so after this long.
    pub heartbeat: Duration,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { streams_max: 12_000, service_max: 12_000, heartbeat: Duration::from_secs(15) }
    }
}

/// Where events are read.
pub(super) trait Source: Debug + Send + Sync + 'static {
    /// Events of `service` after cursor `after`, oldest first, until a page is full. Every event up to the page's `to`
    /// is in it. May read the disk.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    fn read(&self, service: ServiceNo, after: u64) -> Result<Reading, Lost>;

    /// The newest event over all services; changes when there are more, and ends when there will be none.
    fn newest(&self) -> watch::Receiver<u64>;
}

/// All streams.
#[derive(Clone, Debug)]
pub(super) struct Streams(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Arc<dyn Source>,
    replay: Replay,
    limits: StreamLimits,
    stop: CancellationToken,
    open: Mutex<Open>,
    tally: Tally,
}

/// What is counted of streams; the handles are looked up once.
#[derive(Debug)]
struct Tally {
    open: Gauge,
    events: Counter,
    ended: HashMap<Ended, Counter>,
}

/// Why a stream ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Ended {
    /// Its reader went.
    Left,
    /// Its connection ended, or was cut, while its reader had something to read.
    Cut,
    /// It fell behind what is kept.
    TooOld,
    /// Its key opens it no more.
    Key,
    /// We stop.
    Stopped,
}

impl Ended {
    const ALL: [Self; 5] = [Self::Left, Self::Cut, Self::TooOld, Self::Key, Self::Stopped];

    fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Cut => "cut",
            Self::TooOld => "too_old",
            Self::Key => "key",
            Self::Stopped => "stopped",
        }
    }
}

#[derive(Debug, Default)]
struct Open {
    feeds: HashMap<ServiceNo, Listened>,
    streams: usize,
}

/// A feed and how many listen to it.
#[derive(Debug)]
struct Listened {
    feed: Arc<Feed>,
    streams: usize,
}

/// Why there is no stream.
#[derive(Debug)]
pub(super) enum NotOpened {
    /// The service has as many as it may have.
    ServiceFull,
    /// We have.
    Full,
    /// What follows the cursor is not kept any more.
    TooOld {
        /// The oldest event that is.
        oldest: u64,
    },
    /// No event has this number yet.
    Ahead {
        /// The newest one.
        newest: u64,
    },
    /// The tables cannot be read.
    Lost(Lost),
}

/// Whether a stream may go on; asked at each step, and at least as often as it beats.
pub(super) type Still = Box<dyn Fn() -> bool + Send>;

/// From where a stream begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum From {
    /// What happens from now on.
    Now,
    /// What is behind this cursor; 0: from the oldest that is kept.
    After(u64),
}

impl Streams {
    /// No stream is open. All end when `stop` is cancelled.
    pub(super) fn new(source: Arc<dyn Source>, limits: StreamLimits, stop: CancellationToken) -> Self {
        describe();
        let ended = |why: Ended| (why, counter!(ENDED, "reason" => why.name()));
        let tally = Tally {
            open: gauge!(OPEN),
            events: counter!(EVENTS),
            ended: Ended::ALL.into_iter().map(ended).collect(),
        };
        let replay = Replay::new(Arc::clone(&source));
        Self(Arc::new(Inner { source, replay, limits, stop, open: Mutex::default(), tally }))
    }

    /// Opens a stream of `service` with the kinds of `wanted`, which goes on as long as `still` says so.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub(super) async fn open(
        &self,
        service: ServiceNo,
        from: From,
        wanted: Kinds,
        still: Still,
    ) -> Result<Stream, NotOpened> {
        let newest = *self.0.source.newest().borrow();
        let cursor = match from {
            From::Now => newest,
            From::After(cursor) if cursor > newest => return Err(NotOpened::Ahead { newest }),
            From::After(cursor) => cursor,
        };
        // The place is taken before anything is read, so that readings are bounded too.
        let (feed, place) = self.take_place(service, cursor, newest)?;
        let cursor = match feed.look(cursor, wanted) {
            feed::Look::Run(_) | feed::Look::Nothing => cursor,
            feed::Look::Behind => match self.0.replay.oldest_if_gone(service, cursor).await {
                Ok(None) => cursor,
                Ok(Some(oldest)) if cursor == 0 => oldest.saturating_sub(1),
                Ok(Some(oldest)) => return Err(NotOpened::TooOld { oldest }),
                Err(error) => return Err(NotOpened::Lost(error)),
            },
        };
        Ok(Stream::new(feed, place, cursor, wanted, still))
    }

    fn take_place(
        &self,
        service: ServiceNo,
        cursor: u64,
        newest: u64,
    ) -> Result<(Arc<Feed>, Place), NotOpened> {
        let limits = &self.0.limits;
        let mut open = self.lock();
        if open.streams >= limits.streams_max {
            return Err(NotOpened::Full);
        }
        let listened = open.feeds.entry(service).or_insert_with(|| {
            // Who comes back after a restart is a little behind, and does not come alone.
            let from = if newest.saturating_sub(cursor) <= BACK_MAX { cursor } else { newest };
            let feed = Arc::new(Feed::new(from));
            tokio::spawn(self.clone().fill(service, Arc::clone(&feed)));
            Listened { feed, streams: 0 }
        });
        if listened.streams >= limits.service_max {
            return Err(NotOpened::ServiceFull);
        }
        listened.streams += 1;
        let feed = Arc::clone(&listened.feed);
        open.streams += 1;
        self.0.tally.open.increment(1.0);
        Ok((feed, Place { streams: self.clone(), service, ended: Ended::Left }))
    }

    /// Fills a feed until nobody has listened to it for a while.
    async fn fill(self, service: ServiceNo, feed: Arc<Feed>) {
        let mut newest = self.0.source.newest();
        let mut rest = ROUND;
        loop {
            let wanted = *newest.borrow_and_update();
            let mut filled = Filled::Nothing;
            while feed.newest() < wanted {
                match self.fill_once(service, &feed).await {
                    Filled::Failed => {
                        filled = Filled::Failed;
                        break;
                    }
                    Filled::Nothing => {}
                    Filled::Events => filled = Filled::Events,
                }
            }
            // What happens to other services wakes this one too; while it has nothing itself, it looks less often.
            rest = match filled {
                Filled::Events => ROUND,
                Filled::Nothing => (rest * 2).min(ROUND_MAX),
                Filled::Failed => AGAIN,
            };
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
            if filled == Filled::Failed {
                continue;
            }
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                changed = newest.changed() => if changed.is_err() {
                    return;
                },
                () = tokio::time::sleep(LINGER) => {
                    let mut open = self.lock();
                    if open.feeds.get(&service).is_some_and(|listened| listened.streams == 0) {
                        open.feeds.remove(&service);
                        return;
                    }
                }
            }
        }
    }

    /// Reads one page into a feed.
    async fn fill_once(&self, service: ServiceNo, feed: &Feed) -> Filled {
        let (source, after) = (Arc::clone(&self.0.source), feed.newest());
        match tokio::task::spawn_blocking(move || source.read(service, after)).await {
            Ok(Ok(Reading::Page(draft))) if draft.to() > after => {
                let filled = if draft.is_empty() { Filled::Nothing } else { Filled::Events };
                feed.push(draft.finish(after, ()));
                filled
            }
            // More was promised; it may still be on its way.
            Ok(Ok(Reading::Page(_))) => Filled::Failed,
            Ok(Ok(Reading::TooOld { oldest })) => {
                feed.restart(oldest.saturating_sub(1).max(after + 1));
                Filled::Events
            }
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "events cannot be read");
                Filled::Failed
            }
            Err(error) => {
                tracing::error!(%error, "a reader of events has failed");
                Filled::Failed
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a reading has brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Filled {
    Events,
    Nothing,
    Failed,
}

/// One of the streams that may be open; given back when dropped.
#[derive(Debug)]
struct Place {
    streams: Streams,
    service: ServiceNo,
    ended: Ended,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        open.streams = open.streams.saturating_sub(1);
        if let Some(listened) = open.feeds.get_mut(&self.service) {
            listened.streams = listened.streams.saturating_sub(1);
        }
        let tally = &self.streams.0.tally;
        tally.open.decrement(1.0);
        if let Some(counter) = tally.ended.get(&self.ended) {
            counter.increment(1);
        }
    }
}

fn describe() {
    describe_gauge!(OPEN, "Event streams that are open.");
    describe_counter!(EVENTS, "Events handed to the connections of streams.");
    describe_counter!(ENDED, "Event streams that ended; reason: left, cut, too_old, key, stopped.");
}

/// Gauge: streams that are open.
const OPEN: &str = "trunkline_event_streams";
/// Counter: events handed to connections.
const EVENTS: &str = "trunkline_event_streams_events_total";
/// Counter: streams that ended, by `reason`.
const ENDED: &str = "trunkline_event_streams_ended_total";

/// Events over all services that a new feed may begin behind the newest one.
const BACK_MAX: u64 = 10_000;

/// How long a feed gathers what comes together.
const ROUND: Duration = Duration::from_millis(5);

/// The same for a service to which nothing happens.
const ROUND_MAX: Duration = Duration::from_millis(80);

/// How long a feed that nobody listens to is kept, since somebody who lost a connection is soon back.
const LINGER: Duration = Duration::from_secs(30);

/// Rest after a reading that has failed.
const AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
