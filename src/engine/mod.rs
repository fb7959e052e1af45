//! The commit loop: one OS thread that owns the truth, and the handle through which tasks talk to it.
//!
//! Edges [`send`](Engine::send) inputs through a bounded queue; the thread gathers what came while the last batch was being
//! synced, decides, appends, syncs, and puts the effects into the mailboxes of the links. Readers do not wait for it:
//! [`Engine::find`] looks in the live map and then in the tables.

mod admission;
mod call;
mod core;
mod figures;
mod mailbox;
mod queue;
mod read;
mod refuse;
mod run;
mod tail;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use self::call::{Answered, Call};
pub use self::core::{Checkpoint, Config, Core, Failure, ReplayError, StartError};
pub use self::figures::{EndpointStanding, Figures, Health, ServiceFigures, UpstreamStanding};
pub use self::mailbox::Mailbox;
use self::queue::Queue;
pub use self::queue::Stopped;
pub use self::read::{Events, EventsError, Page};
use self::tail::Tail;
use crate::clock::Clock;
use crate::gateway::cold::Cold;
use crate::gateway::id::{LinkId, Outlet, ServiceNo, UpstreamNo};
use crate::gateway::port::{Asker, Effect, Input};
use crate::gateway::settings::Settings;
use crate::gateway::state::Live;
use crate::store::file::Disk;

/// The handle of the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Queue,
    links: Mutex<HashMap<LinkId, Arc<Mailbox>>>,
    calls: Mutex<HashMap<u64, Call>>,
    next: AtomicU64,
    tail: Tail,
    newest: watch::Sender<u64>,
    live: Arc<Live>,
    cold: Arc<dyn Cold>,
    figures: Mutex<Arc<Figures>>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Engine {
    /// Opens the data directory, recovers, and starts the thread. Blocks until the state is there.
    ///
    /// # Errors
    /// [`StartError`]. The caller holds the directory's lock.
    pub fn start(
        disk: Arc<dyn Disk>,
        config: Config,
        settings: Arc<Settings>,
        clock: Arc<Clock>,
    ) -> Result<Self, StartError> {
        let live: Arc<Live> = Arc::default();
        let queue = Queue::new(config.queue_max);
        let origin = clock.instant();
        let now = run::now(&clock, origin);
        let mut core = Core::open(disk, config, settings, Arc::clone(&live), run::chance(), now)?;
        let tail = Tail::default();
        let seen = tail.extend(core.take_events());
        let newest = core.gateway().map_or(0, |g| g.state().counters.event).max(seen);
        let shared = Arc::new(Shared {
            queue,
            links: Mutex::default(),
            calls: Mutex::default(),
            next: AtomicU64::new(1),
            tail,
            newest: watch::Sender::new(newest),
            live,
            cold: core.reader(),
            figures: Mutex::new(Arc::new(Figures::of(&core, None))),
            thread: Mutex::default(),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("engine".into())
            .spawn(move || run::run(core, &theirs, &clock, origin))
            .map_err(StartError::Io)?;
        *shared.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(Self(shared))
    }

    /// A new link and the mailbox in which its effects will be. Say [`Input::UpstreamBound`] or [`Input::EsmeBound`] next;
    /// end with [`close_link`](Self::close_link).
    pub fn open_link(&self) -> (LinkId, Arc<Mailbox>) {
        let link = LinkId(self.0.next.fetch_add(1, Ordering::Relaxed));
        let mailbox = Arc::new(Mailbox::default());
        lock(&self.0.links).insert(link, Arc::clone(&mailbox));
        (link, mailbox)
    }

    /// The link is over: what was under way on it is in doubt. Does not wait.
    pub fn close_link(&self, link: LinkId) {
        lock(&self.0.links).remove(&link);
        self.0.queue.push(Input::LinkClosed { link });
    }

    /// Hands an input to the engine; waits while its queue is full.
    ///
    /// # Errors
    /// [`Stopped`] after [`stop`](Self::stop).
    pub async fn send(&self, input: Input) -> Result<(), Stopped> {
        self.0.queue.send(input).await
    }

    /// The number of a configured service.
    pub fn service(&self, id: &str) -> Option<ServiceNo> {
        let at = self.figures().services.iter().position(|s| s.id == id)?;
        u16::try_from(at).ok().map(ServiceNo)
    }

    /// The number of a configured webhook.
    pub fn outlet(&self, endpoint: &str) -> Option<Outlet> {
        Outlet::endpoint(self.figures().endpoints.iter().position(|e| e.id == endpoint)?)
    }

    /// The number of a configured upstream.
    pub fn upstream(&self, id: &str) -> Option<UpstreamNo> {
        let at = self.figures().upstreams.iter().position(|u| u.id == id)?;
        u16::try_from(at).ok().map(UpstreamNo)
    }

    /// Everything that is counted, as of at most a few hundred milliseconds ago.
    pub fn figures(&self) -> Arc<Figures> {
        Arc::clone(&lock(&self.0.figures))
    }

    /// Takes nothing more, finishes what was handed over, makes a checkpoint and ends the thread. Blocks.
    pub fn stop(&self) {
        self.0.queue.close();
        let thread = lock(&self.0.thread).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the engine's thread ended by a panic");
        }
        lock(&self.0.calls).clear();
    }
}

impl Shared {
    /// Puts effects where they belong.
    fn release(&self, effects: &mut Vec<(Asker, Effect)>, staged: &mut HashMap<LinkId, Vec<Effect>>) {
        for (asker, effect) in effects.drain(..) {
            match asker {
                Asker::Link(link) => staged.entry(link).or_default().push(effect),
                Asker::Call(call) => answer(&mut lock(&self.calls), call, effect),
            }
        }
        let links = lock(&self.links);
        staged.retain(|link, effects| match links.get(link) {
            Some(mailbox) if !effects.is_empty() => {
                mailbox.put(effects);
                true
            }
            Some(_) => true,
            None => false,
        });
    }
}

/// Hands a caller what it waits for. Who asked may have gone; what was decided holds all the same.
fn answer(calls: &mut HashMap<u64, Call>, call: u64, effect: Effect) {
    if let Some(waiting) = calls.get_mut(&call)
        && waiting.answered(Answered::of(effect))
        && let Some(done) = calls.remove(&call)
    {
        done.finish();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
