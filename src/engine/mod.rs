//! The commit loop: one OS thread that owns the truth, and the handle through which tasks talk to it.
//!
//! Edges [`send`](Engine::send) inputs through a bounded queue; the thread gathers what came while the last batch was being
//! synced, decides, appends, syncs, and puts the effects into the mailboxes of the links. Readers do not wait for it:
//! [`Engine::find`] looks in the live map and then in the tables.

mod admission;
mod core;
mod figures;
mod mailbox;
mod queue;
mod refuse;
mod run;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

pub use self::core::{Checkpoint, Config, Core, Failure, ReplayError, StartError};
pub use self::figures::{Figures, Health, ServiceFigures, UpstreamStanding};
pub use self::mailbox::Mailbox;
use self::queue::Queue;
pub use self::queue::Stopped;
use crate::clock::Clock;
use crate::gateway::cold::{Cold, Lost};
use crate::gateway::delivery::Delivery;
use crate::gateway::id::{LinkId, MessageId, ServiceNo, UpstreamNo};
use crate::gateway::port::{Asker, Effect, Found, Input, Refusal, Submission};
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
    calls: Mutex<HashMap<u64, oneshot::Sender<Result<MessageId, Refusal>>>>,
    next: AtomicU64,
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
        let core = Core::open(disk, config, settings, Arc::clone(&live), run::chance(), now)?;
        let shared = Arc::new(Shared {
            queue,
            links: Mutex::default(),
            calls: Mutex::default(),
            next: AtomicU64::new(1),
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

    /// Submits one message and resolves when it is on disk. Dropping the future does not take the message back.
    ///
    /// # Errors
    /// Why it was not accepted; [`Refusal::Unavailable`] when the engine stops.
    pub async fn submit(&self, service: ServiceNo, submission: Submission) -> Result<MessageId, Refusal> {
        let call = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (answer, waiting) = oneshot::channel();
        lock(&self.0.calls).insert(call, answer);
        let input = Input::Submit { from: Asker::Call(call), service, submissions: vec![submission] };
        if self.send(input).await.is_err() {
            lock(&self.0.calls).remove(&call);
            return Err(Refusal::Unavailable);
        }
        waiting.await.unwrap_or(Err(Refusal::Unavailable))
    }

    /// The number of a configured service.
    pub fn service(&self, id: &str) -> Option<ServiceNo> {
        let at = self.figures().services.iter().position(|s| s.id == id)?;
        u16::try_from(at).ok().map(ServiceNo)
    }

    /// The number of a configured upstream.
    pub fn upstream(&self, id: &str) -> Option<UpstreamNo> {
        let at = self.figures().upstreams.iter().position(|u| u.id == id)?;
        u16::try_from(at).ok().map(UpstreamNo)
    }

    /// A message of either direction. Reads the disk if it has to: not for a thread that must not wait.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn find(&self, id: MessageId) -> Result<Option<Found>, Lost> {
        if let Some(message) = self.0.live.get(&id) {
            return Ok(Some(Found::Mt(message.value().clone())));
        }
        if let Some(message) = self.0.cold.message(id)? {
            return Ok(Some(Found::Mt(Box::new(message))));
        }
        Ok(self.0.cold.incoming(id)?.map(|incoming| Found::Mo(Box::new(incoming))))
    }

    /// Dead letters of a service as of the last checkpoint, oldest first. Reads the disk.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn dead(&self, service: ServiceNo, limit: usize) -> Result<Vec<Delivery>, Lost> {
        self.0.cold.dead(service, limit)
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
                Asker::Call(call) => {
                    let answer = match effect {
                        Effect::Accepted { id, .. } => Ok(id),
                        Effect::Refused { refusal, .. } => Err(refusal),
                        _ => continue,
                    };
                    if let Some(waiting) = lock(&self.calls).remove(&call) {
                        // Who asked may have gone; the message is taken all the same.
                        let _ = waiting.send(answer);
                    }
                }
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
