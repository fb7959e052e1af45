//! The commit loop's body, one batch at a time: inputs → records → one append and sync → effects.
//!
//! **Invariant:** an effect leaves [`Core::step`] only after the records of its batch are on disk.
//!
//! **Invariant:** after a failed append no effect of the batch leaves; whoever waited for one is told to come again, and
//! the state is dropped and read anew, as at a start.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::admission::Admission;
use super::refuse::{Claims, refuse};
use crate::gateway::cold::{Cold, Log, Lost};
use crate::gateway::event::Event;
use crate::gateway::port::{Asker, Effect, Input};
use crate::gateway::record::Record;
use crate::gateway::settings::Settings;
use crate::gateway::state::{Live, Shipped};
use crate::gateway::{Gateway, Now, Turn};
use crate::store::error::StoreError;
use crate::store::file::Disk;
use crate::store::journal::{Journal, JournalConfig, OpenError, Position};
use crate::store::record::{self, RecordError};
use crate::store::rows::{HISTORY_TABLES, RowReader, RowWriter, STATE_TABLES};
use crate::store::tables::{Tables, TablesConfig, WriteSet};

/// What the engine may use of disk and memory.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where journal and tables are.
    pub data_dir: PathBuf,
    /// Octets of a journal segment.
    pub segment_octets_max: u64,
    /// Octets of page cache for the tables.
    pub cache_octets: usize,
    /// Milliseconds from the beginning of one batch to that of the next at the least: more gathers for one sync, which
    /// halves the CPU of a message at moderate load. 0: at once.
    pub batch_ms: u64,
    /// Milliseconds between checkpoints.
    pub checkpoint_ms: u64,
    /// Octets of journal after which a checkpoint is made early.
    pub checkpoint_octets: u64,
    /// New messages are refused when less than this is free (SEMANTICS 17).
    pub disk_reserve_octets: u64,
    /// Inputs that may wait for the engine; more make their senders wait.
    pub queue_max: usize,
    /// Days of history that are kept.
    pub history_days: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            segment_octets_max: 64 << 20,
            cache_octets: 64 << 20,
            batch_ms: 1,
            checkpoint_ms: 5_000,
            checkpoint_octets: 64 << 20,
            disk_reserve_octets: 512 << 20,
            queue_max: 4_096,
            history_days: 30,
        }
    }
}

/// Why the engine cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The tables cannot be opened.
    Tables(StoreError),
    /// The journal cannot be opened or replayed.
    Journal(OpenError<ReplayError>),
    /// The state cannot be read.
    State(Lost),
    /// The first batch cannot be written.
    Io(std::io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tables(_) => f.write_str("the tables cannot be opened"),
            Self::Journal(_) => f.write_str("the journal cannot be opened"),
            Self::State(_) => f.write_str("the state cannot be read"),
            Self::Io(_) => f.write_str("the data directory cannot be written"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(match self {
            Self::Tables(e) => e,
            Self::Journal(e) => e,
            Self::State(e) => e,
            Self::Io(e) => e,
        })
    }
}

/// Why a batch of the journal cannot be replayed.
#[derive(Debug)]
pub enum ReplayError {
    /// It holds something that is no record of this release.
    Record(RecordError),
    /// What it is about cannot be read.
    Lost(Lost),
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Record(e) => e.fmt(f),
            Self::Lost(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for ReplayError {}

/// Why a batch did not become true.
#[derive(Debug)]
pub enum Failure {
    /// It could not be written.
    Io(std::io::Error),
    /// What it needed could not be read.
    Lost(Lost),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(e) => write!(f, "the journal cannot be written: {e}"),
            Self::Lost(e) => match std::error::Error::source(e) {
                Some(source) => write!(f, "{e}: {source}"),
                None => e.fmt(f),
            },
        }
    }
}

/// Gateway, journal and tables, without threads or clock.
#[derive(Debug)]
pub struct Core {
    disk: Arc<dyn Disk>,
    config: Config,
    settings: Arc<Settings>,
    live: Arc<Live>,
    tables: Arc<Tables>,
    journal: Option<Journal>,
    gateway: Option<Gateway>,
    batch: Batch,
    effects: Vec<(Asker, Effect)>,
    /// Octets of journal since the last checkpoint.
    since_checkpoint: u64,
    /// The next checkpoint, as far as its rows are final.
    next: (RowWriter, Shipped),
    admission: Admission,
}

/// The records of a batch, as they are written.
#[derive(Debug, Default)]
struct Batch(Vec<u8>);

impl Log for Batch {
    fn write(&mut self, record: &Record) {
        record::write(&mut self.0, record);
    }
}

/// Octets of records after which a batch takes no further inputs.
const BATCH_FULL: usize = 1 << 20;

/// The first of the waiting submissions, at most `room` of them.
fn take_submits(later: &mut VecDeque<Input>, room: usize) -> Option<Input> {
    if room == 0 {
        return None;
    }
    let Some(Input::Submit { from, service, mut submissions }) = later.pop_front() else { return None };
    if submissions.len() > room {
        let rest = submissions.split_off(room);
        later.push_front(Input::Submit { from, service, submissions: rest });
    }
    Some(Input::Submit { from, service, submissions })
}

/// How many times `live_max` messages are in memory when a checkpoint is made early, and when new ones are taken slowly.
/// At four times they are refused (by the gateway).
const CROWDED: usize = 2;
const FULL: usize = 3;

/// Memory that a batch's buffer may keep.
const BATCH_KEPT: usize = 4 << 20;

/// A checkpoint on its way to the disk.
#[derive(Debug)]
pub struct Checkpoint {
    /// What to write.
    pub set: WriteSet,
    shipped: Shipped,
}

impl Checkpoint {
    /// The newest event that it holds.
    pub fn event(&self) -> u64 {
        self.shipped.event
    }
}

impl Core {
    /// Opens the data directory and brings the state to where the journal ends.
    ///
    /// `run` is five octets of chance, new at every start.
    ///
    /// # Errors
    /// [`StartError`]. The caller holds the directory's lock.
    pub fn open(
        disk: Arc<dyn Disk>,
        config: Config,
        settings: Arc<Settings>,
        live: Arc<Live>,
        run: [u8; 5],
        now: Now,
    ) -> Result<Self, StartError> {
        let tables_config = TablesConfig {
            state: STATE_TABLES,
            history: HISTORY_TABLES,
            cache_octets: config.cache_octets,
            ..TablesConfig::default()
        };
        let dir = config.data_dir.join("tables");
        let tables = Tables::open(Arc::clone(&disk), &dir, tables_config).map_err(StartError::Tables)?;
        let mut core = Self {
            disk,
            config,
            settings,
            live,
            tables: Arc::new(tables),
            journal: None,
            gateway: None,
            batch: Batch::default(),
            effects: Vec::new(),
            since_checkpoint: 0,
            next: Default::default(),
            admission: Admission::default(),
        };
        core.recover(run, now)?;
        Ok(core)
    }

    /// Reads tables and journal, and writes the first batch.
    fn recover(&mut self, run: [u8; 5], now: Now) -> Result<(), StartError> {
        self.gateway = None;
        self.journal = None;
        self.next = Default::default();
        let cold = self.reader();
        let settings = Arc::clone(&self.settings);
        let mut gateway =
            Gateway::open(settings, cold, Arc::clone(&self.live), run, now).map_err(StartError::State)?;
        let journal_config =
            JournalConfig { segment_octets_max: self.config.segment_octets_max, ..JournalConfig::default() };
        let dir = self.journal_dir();
        let mut replayed = 0;
        let mut replay = |_: Position, batch: &[u8]| {
            replayed += batch.len() as u64;
            let mut result = Ok(());
            record::read_all(batch, &mut |record| {
                if result.is_ok() {
                    result = gateway.replay(record);
                }
            })
            .map_err(ReplayError::Record)?;
            result.map_err(ReplayError::Lost)
        };
        let disk = Arc::clone(&self.disk);
        let mut journal = Journal::open(disk, &dir, journal_config, self.tables.position(), &mut replay)
            .map_err(StartError::Journal)?;
        self.since_checkpoint = replayed;
        self.batch.0.clear();
        let mut turn = Turn { log: &mut self.batch, effects: &mut self.effects, now };
        gateway.begin(&mut turn).map_err(StartError::State)?;
        self.effects.clear();
        if !self.batch.0.is_empty() {
            journal.append(&self.batch.0).map_err(StartError::Io)?;
        }
        self.journal = Some(journal);
        self.gateway = Some(gateway);
        Ok(())
    }

    /// After a failure: makes sure that the refused batch cannot come back, then reads everything anew.
    ///
    /// # Errors
    /// As [`Core::open`]; may be tried again. No checkpoint may be under way.
    pub fn reopen(&mut self, run: [u8; 5], now: Now) -> Result<(), StartError> {
        self.gateway = None;
        if let Some(journal) = &mut self.journal
            && journal.is_poisoned()
        {
            journal.reopen().map_err(StartError::Io)?;
        }
        if self.tables.is_poisoned() {
            self.tables.reopen().map_err(StartError::Tables)?;
        }
        self.recover(run, now)
    }

    /// Takes inputs from the front of `inputs` until they are used up or the batch is full, makes the batch durable, and
    /// appends what is to be done to `out`. Returns the monotonic microsecond at which to step again at the latest.
    ///
    /// # Errors
    /// [`Failure`]: nothing became true, `out` holds refusals for whoever waited, and [`Core::reopen`] is due.
    pub fn step(
        &mut self,
        inputs: &mut VecDeque<Input>,
        now: Now,
        out: &mut Vec<(Asker, Effect)>,
    ) -> Result<u64, Failure> {
        let mut claims = Claims::default();
        let result = self.decide(inputs, now, &mut claims);
        let result =
            result.map_err(Failure::Lost).and_then(|wake| self.write().map(|()| wake).map_err(Failure::Io));
        match result {
            Ok(_) => {
                out.append(&mut self.effects);
                if let Some(gateway) = &mut self.gateway {
                    gateway.state_mut().drain_finished(&mut self.next.0, &mut self.next.1);
                }
            }
            Err(_) => {
                self.effects.clear();
                self.gateway = None;
                claims.refuse(out);
            }
        }
        self.batch.0.clear();
        self.batch.0.shrink_to(BATCH_KEPT);
        result
    }

    fn decide(&mut self, inputs: &mut VecDeque<Input>, now: Now, claims: &mut Claims) -> Result<u64, Lost> {
        let Some(gateway) = &mut self.gateway else {
            return Err(Lost("the state was not reopened".into()));
        };
        // What is under way goes first; new messages follow as far as there is room for them, and slowly while memory waits
        // for a checkpoint.
        let full = gateway.state().live_len() > gateway.settings().rules.live_max.saturating_mul(FULL);
        let room = if full { Admission::LEAST } else { self.admission.room() };
        let (mut taken, mut answered, mut arrived) = (0, 0, 0);
        let mut later = VecDeque::new();
        while self.batch.0.len() < BATCH_FULL {
            let input = match inputs.pop_front() {
                Some(input @ Input::Submit { .. }) => {
                    later.push_back(input);
                    continue;
                }
                Some(input) => input,
                None => match take_submits(&mut later, room.saturating_sub(taken)) {
                    Some(input) => input,
                    None => break,
                },
            };
            match &input {
                Input::Submit { submissions, .. } => taken += submissions.len(),
                Input::Arrivals { arrivals, .. } => arrived += arrivals.len(),
                Input::Answers { answers, .. } => answered += answers.len(),
                _ => {}
            }
            claims.note(&input);
            if let Input::Configure(settings) = &input {
                self.settings = Arc::clone(settings);
            }
            let mut turn = Turn { log: &mut self.batch, effects: &mut self.effects, now };
            gateway.handle(input, &mut turn)?;
        }
        if taken + answered + arrived > 0 {
            self.admission.batch(taken, answered, arrived, !later.is_empty());
        }
        later.append(inputs);
        *inputs = later;
        gateway.settle(&mut Turn { log: &mut self.batch, effects: &mut self.effects, now })
    }

    fn write(&mut self) -> std::io::Result<()> {
        if self.batch.0.is_empty() {
            return Ok(());
        }
        let journal = self.journal.as_mut().ok_or_else(|| std::io::Error::other("no journal"))?;
        journal.append(&self.batch.0)?;
        self.since_checkpoint += self.batch.0.len() as u64;
        Ok(())
    }

    /// Refuses inputs while the state is not there.
    pub fn refuse_all(inputs: &mut VecDeque<Input>, out: &mut Vec<(Asker, Effect)>) {
        inputs.drain(..).for_each(|input| refuse(&input, out));
    }

    /// What a checkpoint has to write, if anything has changed. [`Core::checkpointed`] follows.
    pub fn checkpoint(&mut self) -> Option<Checkpoint> {
        let position = self.journal.as_ref()?.position();
        let state = self.gateway.as_mut()?.state_mut();
        if self.since_checkpoint == 0 && !state.is_dirty() {
            return None;
        }
        self.since_checkpoint = 0;
        let (mut writer, mut shipped) = std::mem::take(&mut self.next);
        writer.set.position = position;
        state.drain(&mut writer, &mut shipped);
        Some(Checkpoint { set: writer.set, shipped })
    }

    /// The tables hold the checkpoint: memory and journal segments that it makes needless go.
    ///
    /// # Errors
    /// When old segments cannot be removed; they are removed later.
    pub fn checkpointed(&mut self, checkpoint: Checkpoint) -> std::io::Result<()> {
        if let Some(gateway) = &mut self.gateway {
            gateway.checkpointed(checkpoint.shipped);
        }
        match &mut self.journal {
            Some(journal) => journal.retire(checkpoint.set.position).map(drop),
            None => Ok(()),
        }
    }

    /// Makes a checkpoint here and now.
    ///
    /// # Errors
    /// What the tables say; the state is as it was.
    pub fn checkpoint_now(&mut self) -> Result<(), StoreError> {
        let Some(mut checkpoint) = self.checkpoint() else { return Ok(()) };
        self.tables.write(&mut checkpoint.set)?;
        self.checkpointed(checkpoint).map_err(StoreError::from)
    }

    /// Events that became true since the last call; their batches are on disk.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.gateway.as_mut().map(|g| g.state_mut().take_events()).unwrap_or_default()
    }

    /// Octets of journal since the last checkpoint.
    pub fn since_checkpoint(&self) -> u64 {
        self.since_checkpoint
    }

    /// Memory holds twice what it should: an early checkpoint lets it go.
    pub fn is_crowded(&self) -> bool {
        let crowded =
            |g: &Gateway| g.state().live_len() > g.settings().rules.live_max.saturating_mul(CROWDED);
        self.gateway.as_ref().is_some_and(crowded)
    }

    /// The gateway, unless a failure was not mended yet.
    pub fn gateway(&self) -> Option<&Gateway> {
        self.gateway.as_ref()
    }

    /// The tables.
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Rows as the gateway reads them.
    pub fn reader(&self) -> Arc<dyn Cold> {
        Arc::new(RowReader::new(Arc::clone(&self.tables), self.config.history_days))
    }

    /// Octets free for us.
    ///
    /// # Errors
    /// What the disk says.
    pub fn free_octets(&self) -> std::io::Result<u64> {
        self.disk.free_octets(&self.config.data_dir)
    }

    /// The last batch on disk.
    pub fn position(&self) -> Position {
        self.journal.as_ref().map_or(Position::START, Journal::position)
    }

    /// Octets of journal on disk.
    pub fn journal_octets(&self) -> u64 {
        self.journal.as_ref().map_or(0, Journal::octets)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    fn journal_dir(&self) -> PathBuf {
        Path::new(&self.config.data_dir).join("journal")
    }
}
