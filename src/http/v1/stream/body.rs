//! One stream: a cursor that moves when its connection has written what it was given.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream as Pieces;
use tokio::sync::{oneshot, watch};

use super::feed::{Feed, Look};
use super::page::{Kinds, Run};
use super::replay::Past;
use super::{AGAIN, Ended, Place, Still};

/// The body of an answer with events.
///
/// What it yields next is decided when the connection has let go of what it was given before: a stream never has more
/// than one piece on its way, whatever its connection would be willing to buffer.
pub(in crate::http::v1) struct Stream {
    at: At,
}

enum At {
    /// Somebody has to ask for more.
    Rest(Box<Cursor>),
    /// More is waited for.
    Step(Pin<Box<Step>>),
    /// It is over.
    End,
}

/// A cursor on its way to the next piece.
type Step = dyn Future<Output = (Option<Bytes>, Box<Cursor>)> + Send;

struct Cursor {
    feed: Arc<Feed>,
    place: Place,
    more: watch::Receiver<u64>,
    at: u64,
    wanted: Kinds,
    still: Still,
    /// Ends when the connection has written the last piece.
    under_way: Option<oneshot::Receiver<()>>,
    opened: bool,
    over: bool,
}

impl Stream {
    pub(super) fn new(feed: Arc<Feed>, place: Place, at: u64, wanted: Kinds, still: Still) -> Self {
        let more = feed.subscribe();
        let cursor =
            Cursor { feed, place, more, at, wanted, still, under_way: None, opened: false, over: false };
        Self { at: At::Rest(Box::new(cursor)) }
    }
}

impl Pieces for Stream {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut step = match std::mem::replace(&mut self.at, At::End) {
            At::Rest(mut cursor) => Box::pin(async move {
                let piece = cursor.next().await;
                (piece, cursor)
            }),
            At::Step(step) => step,
            At::End => return Poll::Ready(None),
        };
        match step.as_mut().poll(cx) {
            Poll::Pending => {
                self.at = At::Step(step);
                Poll::Pending
            }
            Poll::Ready((None, _)) => Poll::Ready(None),
            Poll::Ready((Some(piece), cursor)) => {
                self.at = At::Rest(cursor);
                Poll::Ready(Some(Ok(piece)))
            }
        }
    }
}

impl Cursor {
    /// The next piece; `None`: the stream is over.
    async fn next(&mut self) -> Option<Bytes> {
        let streams = self.place.streams.clone();
        let stop = &streams.0.stop;
        if let Some(under_way) = &mut self.under_way {
            tokio::select! {
                // Nothing is ever sent: it ends when the piece has gone.
                _ = under_way => {}
                () = stop.cancelled() => {
                    self.place.ended = Ended::Stopped;
                    return None;
                }
            }
        }
        self.under_way = None;
        self.place.ended = Ended::Left;
        if self.over {
            self.place.ended = Ended::TooOld;
            return None;
        }
        if !(self.still)() {
            self.place.ended = Ended::Key;
            return None;
        }
        if !std::mem::replace(&mut self.opened, true) {
            // An id without data is remembered by an event source and announced to nobody (WHATWG HTML §9.2.6): who loses
            // the connection before the first event comes back to here.
            return Some(self.give(format!("retry: 1000\nid: {}\n\n", self.at).into()));
        }
        let heartbeat = tokio::time::sleep(streams.0.limits.heartbeat);
        let news = async {
            loop {
                match self.look().await {
                    Some(Run { octets, events, to }) => {
                        self.at = to;
                        if events > 0 {
                            self.place.streams.0.tally.events.increment(events as u64);
                            return octets;
                        }
                    }
                    None => {
                        self.over = true;
                        return Bytes::from_static(TOO_OLD);
                    }
                }
            }
        };
        let octets = tokio::select! {
            octets = news => octets,
            // The cursor has moved past what the reader does not want: it need not be read again after a restart.
            () = heartbeat => format!(":\nid: {}\n\n", self.at).into(),
            () = stop.cancelled() => {
                self.place.ended = Ended::Stopped;
                return None;
            }
        };
        Some(self.give(octets))
    }

    /// What comes after the cursor, when there is something; `None`: it is not kept any more.
    async fn look(&mut self) -> Option<Run> {
        loop {
            self.more.borrow_and_update();
            match self.feed.look(self.at, self.wanted) {
                Look::Run(run) => return Some(run),
                Look::Nothing => {
                    // An engine that has ended tells nothing more; the stream ends with the process.
                    if self.more.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                Look::Behind => {
                    let past = self.place.streams.0.replay.page(self.place.service, self.at).await;
                    match past {
                        Ok(Past::Page(page)) if page.to > self.at => {
                            return Some(page.run(self.at, self.wanted));
                        }
                        Ok(Past::TooOld { .. }) => return None,
                        Ok(Past::Page(_)) => {}
                        Err(error) => {
                            tracing::error!(
                                error = &error as &dyn std::error::Error,
                                "events cannot be read"
                            );
                        }
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// A piece that tells when the connection has let go of it.
    fn give(&mut self, octets: Bytes) -> Bytes {
        let (gone, under_way) = oneshot::channel();
        self.under_way = Some(under_way);
        self.place.ended = Ended::Cut;
        Bytes::from_owner(Piece { octets, _gone: gone })
    }
}

struct Piece {
    octets: Bytes,
    /// Dropped with it.
    _gone: oneshot::Sender<()>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

/// The last words to a reader that has fallen behind what is kept: it has to list again what it wants to know.
const TOO_OLD: &[u8] = b"event: cursor_too_old\ndata: {\"code\":\"cursor_too_old\"}\n\n";
