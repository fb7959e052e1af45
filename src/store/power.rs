//! Power cuts: a journal with tables behind it, cut at every boundary, cut again while it recovers, and with
//! every operation failing in every way.
//!
//! The little engine here does what the real one does with these two: append, apply in memory, write the
//! tables behind, retire, reopen after a failure. Its oracle is the list of batches that were acknowledged.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::error::StoreError;
use super::fault::{Cut, Dice, Extent, FaultDisk};
use super::journal::{Journal, JournalConfig, OpenError, Position};
use super::tables::{Day, TableId, Tables, TablesConfig, WriteSet};

/// What is known outside the machine, and so outlives every cut.
#[derive(Clone, Debug, Default)]
struct Outside {
    /// Batches whose append returned `Ok`, or that were found by an opening that returned `Ok`.
    acknowledged: Vec<Vec<u8>>,
    /// The batch whose append nobody has heard the end of.
    in_doubt: Option<Vec<u8>>,
    /// Makes every payload a new one.
    made: u64,
}

/// Why a run ended early: the disk failed. Anything else panics.
#[derive(Debug)]
struct Broken;

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full(_) | StoreError::Io(_) | StoreError::Poisoned => Self,
            StoreError::Corrupt(_) | StoreError::UnknownTable(_) => panic!("{error}"),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl From<OpenError<Infallible>> for Broken {
    fn from(error: OpenError<Infallible>) -> Self {
        match error {
            OpenError::Io(_) => Self,
            other => panic!("{other}"),
        }
    }
}

struct Engine {
    journal: Journal,
    tables: Option<Tables>,
}

/// What each run does: which floors it has and how much of it.
#[derive(Clone, Copy)]
struct Script {
    has_tables: bool,
    batches: u64,
    /// A checkpoint comes after this many batches.
    checkpoint_every: u64,
}

impl Engine {
    /// Starts on what is there and holds it against what is known.
    fn start(disk: &FaultDisk, script: Script, outside: &mut Outside) -> Result<Self, Broken> {
        let disk = Arc::new(disk.clone());
        let tables = match script.has_tables {
            true => Some(Tables::open(disk.clone(), Path::new("/data"), tables_config())?),
            false => None,
        };
        let from = tables.as_ref().map_or(Position::START, Tables::position);
        let mut found = Vec::new();
        let journal = Journal::open(
            disk,
            Path::new("/data/journal"),
            journal_config(),
            from,
            &mut |number, payload| {
                found.push((number.0, payload.to_vec()));
                Ok(())
            },
        )?;

        let mut expected = outside.acknowledged.clone();
        if found.len() as u64 + from.0 > expected.len() as u64 {
            // Nobody was told about it; from now on it counts.
            expected.extend(outside.in_doubt.take());
        }
        let numbered: Vec<_> = (1..).zip(expected.iter().cloned()).skip(number(from)).collect();
        assert_eq!(found, numbered, "replayed from {from}");
        assert_eq!(journal.position().0, expected.len() as u64);
        outside.acknowledged = expected;
        // Dropped by an opening that succeeded: it must never be seen again.
        outside.in_doubt = None;
        let engine = Self { journal, tables };
        engine.hold_tables_against(outside)?;
        Ok(engine)
    }

    fn hold_tables_against(&self, outside: &Outside) -> Result<(), Broken> {
        let Some(tables) = &self.tables else { return Ok(()) };
        let position = tables.position();
        let (state, history) = model(&outside.acknowledged[..number(position)]);
        let rows = tables.range(STATE, .., usize::MAX)?;
        assert_eq!(rows, state.into_iter().collect::<Vec<_>>(), "state at {position}");
        for ((day, key), value) in history {
            // The days are written before the state and may be ahead of it.
            let found = tables.history_get(day, HISTORY, &key)?.expect("history of what the state contains");
            assert!(found >= value, "history at {position}");
        }
        Ok(())
    }

    /// Appends and writes behind. With `stubborn` a failure is answered as the engine does: reopen, go on.
    fn run(&mut self, script: Script, outside: &mut Outside, stubborn: bool) -> Result<(), Broken> {
        for round in 1..=script.batches {
            outside.made += 1;
            let payload = payload(outside.made);
            outside.in_doubt = Some(payload.clone());
            match self.journal.append(&payload) {
                Ok(position) => {
                    outside.acknowledged.push(payload);
                    outside.in_doubt = None;
                    assert_eq!(position.0, outside.acknowledged.len() as u64);
                }
                Err(error) if !stubborn => return Err(error.into()),
                Err(_) => {
                    // One fault was planned, so the second attempt must do.
                    if self.journal.reopen().is_err() {
                        self.journal.reopen().expect("a fault happens once");
                    }
                    // The caller hears that it was refused. It must never be seen again.
                    outside.in_doubt = None;
                }
            }
            if round % script.checkpoint_every == 0 {
                match self.checkpoint(outside) {
                    Ok(()) => {}
                    Err(error) if !stubborn => return Err(error),
                    Err(_) => {
                        if let Some(tables) = &self.tables
                            && tables.is_poisoned()
                            && tables.reopen().is_err()
                        {
                            tables.reopen().expect("a fault happens once");
                        }
                        self.hold_tables_against(outside).expect("a fault happens once");
                        self.checkpoint(outside).expect("a fault happens once");
                    }
                }
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self, outside: &Outside) -> Result<(), Broken> {
        let Some(tables) = &self.tables else { return Ok(()) };
        let mut set = WriteSet::up_to(self.journal.position());
        for (batch, payload) in (1..).zip(&outside.acknowledged).skip(number(tables.position())) {
            for (key, value) in rows_of(batch, payload) {
                match value {
                    Some(value) => set.put(STATE, &key, &value),
                    None => set.remove(STATE, &key),
                }
            }
            let (day, key, value) = past_of(batch, payload);
            set.put_history(day, HISTORY, &key, &value);
        }
        tables.write(&mut set)?;
        self.journal.retire(tables.position())?;
        Ok(())
    }
}

/// One row set and one removed by every batch.
fn rows_of(batch: u64, payload: &[u8]) -> [(Vec<u8>, Option<Vec<u8>>); 2] {
    [
        (vec![b'k', payload[0] % 7], Some([&batch.to_be_bytes(), payload].concat())),
        (vec![b'k', payload[1] % 7 + 7], (payload[1] & 8 == 0).then(|| payload.to_vec())),
    ]
}

fn past_of(batch: u64, payload: &[u8]) -> (Day, Vec<u8>, Vec<u8>) {
    (
        Day(20_000 + u32::try_from(batch / 4 % 2).expect("small")),
        vec![payload[2] % 5],
        batch.to_be_bytes().to_vec(),
    )
}

type State = BTreeMap<Vec<u8>, Vec<u8>>;
type Past = BTreeMap<(Day, Vec<u8>), Vec<u8>>;

fn model(batches: &[Vec<u8>]) -> (State, Past) {
    let (mut state, mut past) = (State::new(), Past::new());
    for (batch, payload) in (1..).zip(batches) {
        for (key, value) in rows_of(batch, payload) {
            match value {
                Some(value) => state.insert(key, value),
                None => state.remove(&key),
            };
        }
        let (day, key, value) = past_of(batch, payload);
        past.insert((day, key), value);
    }
    (state, past)
}

fn payload(made: u64) -> Vec<u8> {
    let mut dice = Dice(made);
    (0..3 + dice.below(90)).map(|_| dice.roll().to_le_bytes()[0]).collect()
}

fn number(position: Position) -> usize {
    usize::try_from(position.0).expect("small")
}

fn journal_config() -> JournalConfig {
    JournalConfig { segment_octets_max: 300, batch_octets_max: 200, salt: 4 }
}

fn tables_config() -> TablesConfig {
    TablesConfig { state: &["state"], history: &["past"], cache_octets: 1 << 20, history_files_max: 1 }
}

const STATE: TableId = TableId(0);
const HISTORY: TableId = TableId(0);

/// Runs the script on `disk` until it ends or the disk fails.
fn live(disk: &FaultDisk, script: Script, outside: &mut Outside) -> Result<(), Broken> {
    Engine::start(disk, script, outside)?.run(script, outside, false)
}

/// Says which run it was when one of the assertions fails on the way.
struct Label(String);

impl Drop for Label {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in the run {}", self.0);
        }
    }
}

/// Cuts the script at every boundary in every mode, and each recovery at boundaries chosen by `again`; returns
/// how many runs that were.
fn cut_everywhere(script: Script, again: impl Fn(u64, u64) -> Vec<u64>) -> u64 {
    let mut runs = 0;
    let whole = FaultDisk::new();
    live(&whole, script, &mut Outside::default()).expect("no fault is planned");
    for boundary in 0..whole.operations() {
        let disk = FaultDisk::new();
        disk.power_off_at(boundary);
        let mut outside = Outside::default();
        // At the very end the run may be over: closing the files was cut.
        let _ = live(&disk, script, &mut outside);
        for mode in Cut::ALL {
            let seed = boundary * 31 + 7;
            let cut = disk.cut(seed, mode);
            let undisturbed = cut.cut(0, Cut::Killed);
            let recovered = {
                let _label = Label(format!("cut at {boundary} {mode:?}, seed {seed}"));
                let mut outside = outside.clone();
                live(&undisturbed, script, &mut outside).expect("the power is back");
                Engine::start(&undisturbed.cut(seed, Cut::Nothing), script, &mut outside)
                    .expect("everything acknowledged was durable");
                undisturbed.operations()
            };
            runs += 1;
            for second in again(boundary, recovered) {
                let disk = cut.cut(0, Cut::Killed);
                disk.power_off_at(second);
                let mut outside = outside.clone();
                let _ = live(&disk, script, &mut outside);
                let second_mode = Cut::ALL[number(Position((second + boundary) % 5))];
                let _label =
                    Label(format!("cut at {boundary} {mode:?}, at {second} {second_mode:?}, seed {seed}"));
                let disk = disk.cut(seed + second, second_mode);
                live(&disk, script, &mut outside).expect("the power is back");
                Engine::start(&disk.cut(seed, Cut::Nothing), script, &mut outside)
                    .expect("everything acknowledged was durable");
                runs += 1;
            }
        }
    }
    runs
}

/// Lets every operation of the script fail once, in every way, and looks at what cuts at the end leave, as many
/// as `cuts` modes of the five.
fn fail_everywhere(script: Script, cuts: usize) -> u64 {
    let mut runs = 0;
    let whole = FaultDisk::new();
    live(&whole, script, &mut Outside::default()).expect("no fault is planned");
    let log = whole.log();
    for (boundary, operation) in (0..).zip(log) {
        for (kind, turn) in [(io::ErrorKind::StorageFull, 0), (io::ErrorKind::Other, 1)] {
            for extent in [Extent::Nothing, Extent::Part(boundary), Extent::Everything] {
                let _label = Label(format!("{operation:?} {boundary} fails {kind:?} {extent:?}"));
                let disk = FaultDisk::new();
                disk.fail(boundary, kind, extent);
                let mut outside = Outside::default();
                let engine = Engine::start(&disk, script, &mut outside)
                    .or_else(|_| Engine::start(&disk, script, &mut outside));
                let mut engine = engine.expect("a fault happens once");
                engine.run(script, &mut outside, true).expect("a fault happens once");
                for (mode, seed) in Cut::ALL
                    .into_iter()
                    .cycle()
                    .skip(number(Position(boundary + turn)) % 5)
                    .take(cuts)
                    .zip(boundary..)
                {
                    let disk = disk.cut(seed, mode);
                    Engine::start(&disk, script, &mut outside.clone())
                        .expect("everything acknowledged was durable");
                    runs += 1;
                }
            }
        }
    }
    runs
}

/// `STORE_POWER=thorough` tries all of it (minutes); otherwise every boundary is cut in every mode and every
/// operation fails in every way, but what comes on top of that is a sample that differs from boundary to
/// boundary.
fn is_thorough() -> bool {
    std::env::var_os("STORE_POWER").is_some_and(|how| how == "thorough")
}

#[test]
fn a_journal_cut_anywhere_and_anywhere_again_has_every_acknowledged_batch() {
    let script = Script { has_tables: false, batches: 9, checkpoint_every: 100 };
    let runs = cut_everywhere(script, |_, recovered| (0..recovered).collect());
    assert!(runs > 5_000, "{runs} runs");
}

#[test]
fn a_journal_whose_every_operation_fails_keeps_every_acknowledged_batch_and_no_refused_one() {
    let script = Script { has_tables: false, batches: 9, checkpoint_every: 100 };
    let runs = fail_everywhere(script, Cut::ALL.len());
    assert!(runs > 500, "{runs} runs");
}

#[test]
fn tables_and_journal_cut_anywhere_agree_on_every_acknowledged_batch() {
    let script = Script { has_tables: true, batches: 4, checkpoint_every: 2 };
    let stride = if is_thorough() { 7 } else { 331 };
    let runs = cut_everywhere(script, |boundary, recovered| {
        (boundary * 13 % stride..recovered).step_by(number(Position(stride))).collect()
    });
    assert!(runs > 500, "{runs} runs");
}

#[test]
fn tables_and_journal_survive_the_failure_of_any_operation() {
    let script = Script { has_tables: true, batches: 4, checkpoint_every: 2 };
    let cuts = if is_thorough() { Cut::ALL.len() } else { 1 };
    let runs = fail_everywhere(script, cuts);
    assert!(runs > 500, "{runs} runs");
}
