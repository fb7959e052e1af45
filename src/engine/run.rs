//! The engine's thread: gathers, steps, releases; makes checkpoints through a second thread; mends failures.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::core::{Checkpoint, Core, Failure};
use super::figures::Figures;
use super::{Shared, lock};
use crate::clock::Clock;
use crate::gateway::Now;
use crate::gateway::id::{LinkId, Outlet, ServiceNo};
use crate::gateway::port::{Asker, Effect, Input};
use crate::store::tables::{Day, Tables};

/// How often the figures are brought up to date.
const FIGURES: Duration = Duration::from_millis(100);

/// How often free space is looked at.
const DISK: Duration = Duration::from_millis(500);

/// How long to wait before a failure is tried to be mended again.
const MEND: Duration = Duration::from_millis(500);

/// How often a checkpoint that could not be written is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// The time as the gateway wants it; monotonic time counts from `origin`.
pub(super) fn now(clock: &Clock, origin: Instant) -> Now {
    let mono = clock.instant().saturating_duration_since(origin);
    Now { utc_ms: clock.utc_ms(), mono_us: u64::try_from(mono.as_micros()).unwrap_or(u64::MAX) }
}

/// Five octets of chance.
pub(super) fn chance() -> [u8; 5] {
    let mut octets = [0; 5];
    if aws_lc_rs::rand::fill(&mut octets).is_err() {
        tracing::error!("the system has no random numbers; message ids of two runs may look alike");
    }
    octets
}

/// Runs until the queue is closed and empty.
pub(super) fn run(core: Core, shared: &Arc<Shared>, clock: &Arc<Clock>, origin: Instant) {
    let (to_writer, from_engine) = sync_channel::<Checkpoint>(1);
    let (to_engine, from_writer) = sync_channel::<Checkpoint>(1);
    let tables = Arc::clone(core.tables());
    let writer = std::thread::Builder::new()
        .name("tables".into())
        .spawn(move || write_tables(&tables, &from_engine, &to_engine));
    let writer = match writer {
        Ok(writer) => writer,
        Err(error) => return tracing::error!(%error, "no thread for the tables"),
    };
    let mut engine = Loop {
        core,
        shared,
        clock,
        origin,
        to_writer: Some(to_writer),
        from_writer,
        writing: false,
        failure: None,
        bound: HashMap::new(),
        effects: Vec::new(),
        staged: HashMap::new(),
        checkpoint_at: clock.instant(),
        figures_at: clock.instant(),
        disk_at: clock.instant(),
        mend_at: clock.instant(),
        retired: None,
        batches: 0,
        busy: Duration::ZERO,
        checkpoints: 0,
    };
    engine.run();
    drop(engine.to_writer.take());
    let _ = writer.join();
}

/// Writes checkpoints, each until it is on disk.
fn write_tables(tables: &Tables, from_engine: &Receiver<Checkpoint>, to_engine: &SyncSender<Checkpoint>) {
    while let Ok(mut checkpoint) = from_engine.recv() {
        loop {
            let written = if tables.is_poisoned() { tables.reopen() } else { Ok(()) };
            match written.and_then(|()| tables.write(&mut checkpoint.set)) {
                Ok(()) => break,
                Err(error) => {
                    tracing::error!(%error, "a checkpoint cannot be written; it is tried again");
                    std::thread::sleep(RETRY);
                }
            }
        }
        if to_engine.send(checkpoint).is_err() {
            return;
        }
    }
}

struct Loop<'a> {
    core: Core,
    shared: &'a Arc<Shared>,
    clock: &'a Arc<Clock>,
    origin: Instant,
    to_writer: Option<SyncSender<Checkpoint>>,
    from_writer: Receiver<Checkpoint>,
    /// A checkpoint is under way.
    writing: bool,
    failure: Option<Failure>,
    /// Links that outlive a failure: receivers of services.
    bound: HashMap<LinkId, Bound>,
    effects: Vec<(Asker, Effect)>,
    staged: HashMap<LinkId, Vec<Effect>>,
    checkpoint_at: Instant,
    figures_at: Instant,
    disk_at: Instant,
    mend_at: Instant,
    retired: Option<Day>,
    batches: u64,
    /// Time spent in batches.
    busy: Duration,
    checkpoints: u64,
}

/// A link, as it was told of.
enum Bound {
    Esme(ServiceNo),
    Endpoint(Outlet, u32),
    Upstream,
}

impl Loop<'_> {
    fn run(&mut self) {
        let mut inputs = VecDeque::new();
        let mut wake = Duration::ZERO;
        loop {
            let patience = if inputs.is_empty() { wake } else { Duration::ZERO };
            if !self.shared.queue.take(&mut inputs, patience) && inputs.is_empty() {
                break;
            }
            self.collect_checkpoint();
            if self.failure.is_some() {
                self.mend(&mut inputs);
                wake = MEND / 5;
                self.publish();
                continue;
            }
            self.look_at_disk(&mut inputs);
            inputs.iter().for_each(|input| note_bound(&mut self.bound, input));
            let now = now(self.clock, self.origin);
            let (begun, written) = (self.clock.instant(), self.core.position());
            match self.core.step(&mut inputs, now, &mut self.effects) {
                Ok(at_us) => wake = Duration::from_micros(at_us.saturating_sub(now.mono_us)).min(FIGURES),
                Err(failure) => {
                    tracing::error!(%failure, "a batch failed; nothing of it was acknowledged");
                    self.failure = Some(failure);
                    self.cut_upstreams();
                }
            }
            self.busy += self.clock.instant() - begun;
            self.batches += u64::from(self.core.position() != written);
            // Readers first: whoever is answered may look at once.
            self.tell_events();
            self.shared.release(&mut self.effects, &mut self.staged);
            self.begin_checkpoint(false);
            self.publish();
            let least = Duration::from_millis(self.core.config().batch_ms);
            let gathered = self.clock.instant() - begun;
            if self.core.position() != written && gathered < least {
                std::thread::sleep(least - gathered);
            }
        }
        self.finish();
    }

    /// Shows readers what has happened, now that it is on disk.
    fn tell_events(&mut self) {
        let newest = self.shared.tail.extend(self.core.take_events());
        if newest > 0 {
            self.shared.newest.send_replace(newest);
        }
    }

    /// The state is read anew as soon as disk and tables allow; until then nothing is taken.
    fn mend(&mut self, inputs: &mut VecDeque<Input>) {
        inputs.iter().for_each(|input| note_bound(&mut self.bound, input));
        Core::refuse_all(inputs, &mut self.effects);
        self.shared.release(&mut self.effects, &mut self.staged);
        if self.writing || self.clock.instant() < self.mend_at {
            return;
        }
        self.mend_at = self.clock.instant() + MEND;
        match self.core.reopen(chance(), now(self.clock, self.origin)) {
            Ok(()) => {
                tracing::warn!("the state was read anew; messages are taken again");
                self.failure = None;
                self.shared.tail.clear();
                self.tell_events();
                let bound = |(link, bound): (&LinkId, &Bound)| match bound {
                    Bound::Esme(service) => Some(Input::EsmeBound { link: *link, service: *service }),
                    Bound::Endpoint(outlet, window) => {
                        Some(Input::EndpointBound { link: *link, outlet: *outlet, window: *window })
                    }
                    Bound::Upstream => None,
                };
                inputs.extend(self.bound.iter().filter_map(bound));
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "the state cannot be read anew yet");
            }
        }
    }

    /// What was under way upstream is in doubt now: the sessions begin again.
    fn cut_upstreams(&mut self) {
        let links = self.bound.iter().filter(|(_, b)| matches!(b, Bound::Upstream)).map(|(link, _)| *link);
        self.effects.extend(links.map(|link| (Asker::Link(link), Effect::Unbind)));
        self.bound.retain(|_, b| !matches!(b, Bound::Upstream));
    }

    fn look_at_disk(&mut self, inputs: &mut VecDeque<Input>) {
        if self.clock.instant() < self.disk_at {
            return;
        }
        self.disk_at = self.clock.instant() + DISK;
        match self.core.free_octets() {
            Ok(free) => inputs.push_back(Input::DiskLow(free < self.core.config().disk_reserve_octets)),
            Err(error) => tracing::warn!(%error, "free space cannot be read"),
        }
        let today = Day::of_utc_ms(self.clock.utc_ms());
        if self.retired != Some(today) && !self.writing {
            self.retired = Some(today);
            let days = self.core.config().history_days;
            match self.core.tables().retire_history(today.back(days)) {
                Ok(0) => {}
                Ok(files) => tracing::info!(files, "old history was deleted"),
                Err(error) => tracing::warn!(%error, "old history cannot be deleted"),
            }
        }
    }

    fn begin_checkpoint(&mut self, last: bool) {
        if self.writing || self.failure.is_some() {
            return;
        }
        let due = self.clock.instant() >= self.checkpoint_at
            || self.core.since_checkpoint() >= self.core.config().checkpoint_octets
            || self.core.is_crowded();
        if !(due || last) {
            return;
        }
        self.checkpoint_at = self.clock.instant() + Duration::from_millis(self.core.config().checkpoint_ms);
        let Some(checkpoint) = self.core.checkpoint() else { return };
        if let Some(writer) = &self.to_writer
            && writer.send(checkpoint).is_ok()
        {
            self.writing = true;
        }
    }

    fn collect_checkpoint(&mut self) {
        match self.from_writer.try_recv() {
            Ok(checkpoint) => self.checkpointed(checkpoint),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
    }

    fn checkpointed(&mut self, checkpoint: Checkpoint) {
        self.writing = false;
        self.checkpoints += 1;
        self.shared.tail.stored(checkpoint.event());
        if let Err(error) = self.core.checkpointed(checkpoint) {
            tracing::warn!(%error, "old journal segments cannot be removed yet");
        }
    }

    /// The queue is closed: everything handed over was decided; what is true goes into the tables.
    fn finish(&mut self) {
        for _ in 0..2 {
            if self.writing {
                match self.from_writer.recv_timeout(Duration::from_secs(20)) {
                    Ok(checkpoint) => self.checkpointed(checkpoint),
                    Err(_) => {
                        return tracing::warn!(
                            "the last checkpoint is not written; the journal holds everything"
                        );
                    }
                }
            }
            self.begin_checkpoint(true);
        }
        if self.writing
            && let Ok(checkpoint) = self.from_writer.recv_timeout(Duration::from_secs(20))
        {
            self.checkpointed(checkpoint);
        }
        self.figures_at = self.clock.instant();
        self.publish();
    }

    fn publish(&mut self) {
        if self.clock.instant() < self.figures_at {
            return;
        }
        self.figures_at = self.clock.instant() + FIGURES;
        let mut figures = Figures::of(&self.core, self.failure.as_ref());
        if self.failure.is_some() {
            // What was true before the failure is still the best there is to say.
            let before = lock(&self.shared.figures);
            figures = Figures { health: figures.health, ..Figures::clone(&before) };
        }
        figures.batches = self.batches;
        figures.busy_us = u64::try_from(self.busy.as_micros()).unwrap_or(u64::MAX);
        figures.checkpoints = self.checkpoints;
        *self.shared.figures.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(figures);
    }
}

fn note_bound(bound: &mut HashMap<LinkId, Bound>, input: &Input) {
    match input {
        Input::EsmeBound { link, service } => drop(bound.insert(*link, Bound::Esme(*service))),
        Input::EndpointBound { link, outlet, window } => {
            bound.insert(*link, Bound::Endpoint(*outlet, *window));
        }
        Input::UpstreamBound { link, .. } => drop(bound.insert(*link, Bound::Upstream)),
        Input::LinkClosed { link } => drop(bound.remove(link)),
        _ => {}
    }
}
