//! What comes from the vendor, on its way to the disk: pushes, and what status reads say.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::api::Standing;
use super::convert::{self, Said};
use super::states::Fold;
use crate::engine::{Engine, Mailbox};
use crate::gateway::id::LinkId;
use crate::gateway::port::{Arrival, Arrived, Effect, Input, Once};
use crate::vendor::timetochat::push;

/// Bodies that may be on their way to the disk at once; more have to come again.
const BODIES_MAX: usize = 64;

/// How long the disk may take. The vendor does not say how long it waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a push.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pushed {
    /// All of it is on disk.
    Stored,
    /// What was understood of it is on disk; the rest is worth a look, for this reason.
    Odd(String),
    /// It could not be put on disk: it has to come again.
    Unavailable,
    /// It is no push, for this reason.
    Unreadable(String),
}

/// Takes the vendor's pushes for one upstream. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Inbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    standing: Arc<Standing>,
    engine: Engine,
    /// A link that sends nothing: what comes in is acknowledged on it whether or not the API can be reached.
    link: LinkId,
    room: Semaphore,
    next: AtomicU32,
    waiting: Mutex<HashMap<u32, oneshot::Sender<bool>>>,
    fold: Mutex<Fold>,
    /// Cancelled when nobody has the inbox any more.
    gone: CancellationToken,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.gone.cancel();
        self.engine.close_link(self.link);
    }
}

impl Inbox {
    /// Opens it. It works as long as somebody has it.
    pub(super) fn open(standing: Arc<Standing>, engine: &Engine, runtime: &Handle) -> Self {
        let (link, mailbox) = engine.open_link();
        let shared = Arc::new(Shared {
            standing,
            engine: engine.clone(),
            link,
            room: Semaphore::new(BODIES_MAX),
            next: AtomicU32::new(0),
            waiting: Mutex::default(),
            fold: Mutex::default(),
            gone: CancellationToken::new(),
        });
        runtime.spawn(acknowledge(Arc::downgrade(&shared), mailbox, shared.gone.clone()));
        Self(shared)
    }

    /// Takes the body of a push; resolves when its outcome is known.
    pub async fn receive(&self, body: &[u8]) -> Pushed {
        let reports = match push::read(body) {
            Ok(reports) => reports,
            Err(flaw) => return Pushed::Unreadable(flaw.to_string()),
        };
        let Ok(_place) = self.0.room.try_acquire() else { return Pushed::Unavailable };
        let Said { arrivals, odd } = self.said(&reports);
        for (arrived, _) in &arrivals {
            let kind = if matches!(arrived, Arrived::Receipt(_)) { "report" } else { "message" };
            self.0.standing.metrics.pushed(kind);
        }
        if !self.hand_over(arrivals).await {
            return Pushed::Unavailable;
        }
        match odd {
            None => Pushed::Stored,
            Some(why) => {
                self.0.standing.metrics.pushed("odd");
                Pushed::Odd(why)
            }
        }
    }

    fn said(&self, reports: &[crate::vendor::timetochat::Report]) -> Said {
        let mut said = Said::default();
        let peer = &self.0.standing.peer;
        let mut fold = lock(&self.0.fold);
        for report in reports {
            if !report.username.is_empty() && report.username != peer.service_id {
                // Its numbers decide whose it is all the same: it came to our address.
                said.odd = Some("it names another service".into());
            }
            convert::said(report, &mut fold, &peer.states, &mut said);
        }
        said
    }

    /// Hands arrivals to the engine; says whether all of them are on disk.
    pub(super) async fn hand_over(&self, arrived: Vec<(Arrived, Option<Once>)>) -> bool {
        if arrived.is_empty() {
            return true;
        }
        let Some(upstream) = self.0.engine.upstream(&self.0.standing.peer.id) else { return false };
        let mut claims = Claims { shared: &self.0, replies: Vec::with_capacity(arrived.len()) };
        let mut answers = Vec::with_capacity(arrived.len());
        let mut arrivals = Vec::with_capacity(arrived.len());
        for (what, once) in arrived {
            let reply = self.0.next.fetch_add(1, Ordering::Relaxed);
            let (answer, waiting) = oneshot::channel();
            lock(&self.0.waiting).insert(reply, answer);
            claims.replies.push(reply);
            answers.push(waiting);
            arrivals.push(Arrival { reply, what, once });
        }
        let stored = async {
            let input = Input::Arrivals { link: self.0.link, upstream, arrivals };
            if self.0.engine.send(input).await.is_err() {
                return false;
            }
            for answer in answers {
                if answer.await != Ok(true) {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(PATIENCE, stored).await.unwrap_or(false)
    }
}

/// Passes on what the engine acknowledges, until the inbox is `gone`.
async fn acknowledge(shared: Weak<Shared>, mailbox: Arc<Mailbox>, gone: CancellationToken) {
    let mut effects = Vec::new();
    loop {
        tokio::select! {
            () = gone.cancelled() => return,
            () = mailbox.ready() => {}
        }
        mailbox.take(&mut effects);
        let Some(shared) = shared.upgrade() else { return };
        let mut waiting = lock(&shared.waiting);
        for effect in effects.drain(..) {
            if let Effect::Acknowledge { reply, stored } = effect
                && let Some(answer) = waiting.remove(&reply)
            {
                // Who pushed may have been told already that it took too long.
                let _ = answer.send(stored);
            }
        }
    }
}

/// Answers that are waited for; whoever stops waiting leaves none behind.
struct Claims<'a> {
    shared: &'a Shared,
    replies: Vec<u32>,
}

impl Drop for Claims<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.shared.waiting);
        for reply in &self.replies {
            waiting.remove(reply);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
