//! What does a durable batch cost, and what a row written behind?
//!
//! `cargo bench --bench store`. Journal: one append (one write, one `fdatasync`) of 10, 100 and 1,000 records of
//! 150 octets. Tables: one set of 20,000 rows of 300 octets, durable, into tables that already hold rows: keys
//! that follow one another, keys scattered among the old ones, and rows that are there already. Reads: one key
//! out of them, transaction included. Files lie under `TMPDIR` or `/tmp`: name a real disk to measure one.

use std::convert::Infallible;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use trunkline::store::file::RealDisk;
use trunkline::store::journal::{Journal, JournalConfig, Position};
use trunkline::store::tables::{TableId, Tables, TablesConfig, WriteSet};

const RECORD_OCTETS: usize = 150;
const ROWS: u64 = 20_000;
const VALUE: [u8; 300] = [0x5A; 300];
/// Rows that are there before the first set; `STORE_BENCH_ROWS` says otherwise.
const ROWS_BEFORE: u64 = 1_000_000;
const TABLE: TableId = TableId(0);

fn journal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("journal_append");
    for records in [10, 100, 1_000] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut journal = open_journal(dir.path());
        let payload = vec![7; records * RECORD_OCTETS];
        group.throughput(Throughput::Elements(records as u64));
        group.bench_function(format!("{records}_records"), |bencher| {
            bencher.iter(|| {
                let position = journal.append(&payload).expect("there is room");
                // Keeps the disk from filling; one removal per segment.
                journal.retire(position).expect("the segment is ours");
            });
        });
    }
    group.finish();
}

fn open_journal(dir: &Path) -> Journal {
    Journal::open(Arc::new(RealDisk), dir, JournalConfig::default(), Position::START, &mut |_, _| {
        Ok::<_, Infallible>(())
    })
    .expect("an empty directory")
}

fn tables(criterion: &mut Criterion) {
    let rows_before =
        std::env::var("STORE_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(ROWS_BEFORE);
    let mut group = criterion.benchmark_group("tables");
    group.sample_size(10).measurement_time(Duration::from_secs(10)).throughput(Throughput::Elements(ROWS));
    type Key = fn(u64, u64) -> u64;
    let sets: [(&str, Key); 3] = [
        // As message ids do: all of them after what is there.
        ("write_20k_following", |row, _| row),
        // As telephone numbers do. The factor is odd, so no key comes twice.
        ("write_20k_scattered", |row, _| row.wrapping_mul(0x9E37_79B9_7F4A_7C15)),
        ("write_20k_there_already", |row, before| (row.wrapping_mul(7_919)) % before),
    ];
    for (name, key) in sets {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let config = TablesConfig { state: &["rows"], ..TablesConfig::default() };
        let tables = Tables::open(Arc::new(RealDisk), dir.path(), config).expect("an empty directory");
        let mut next = 0;
        while next < rows_before {
            let mut set = filled(next, (rows_before - next).min(200_000), |row| key(row, u64::MAX));
            tables.write(&mut set).expect("there is room");
            next += 200_000;
        }
        next = rows_before;
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || {
                    let set = filled(next, ROWS, |row| key(row, rows_before));
                    next += ROWS;
                    set
                },
                |set| tables.write(set).expect("there is room"),
                BatchSize::PerIteration,
            );
        });
        if name == "write_20k_scattered" {
            group.throughput(Throughput::Elements(1));
            let mut row = 0;
            group.bench_function("get", |bencher| {
                bencher.iter(|| {
                    row = (row + 7_919) % rows_before;
                    let found = tables.get(TABLE, &key(row, rows_before).to_be_bytes());
                    black_box(found.expect("it can be read")).expect("it was written")
                });
            });
            group.throughput(Throughput::Elements(ROWS));
        }
    }
    group.finish();
}

fn filled(first: u64, rows: u64, key: impl Fn(u64) -> u64) -> WriteSet {
    let mut set = WriteSet::up_to(Position(first));
    for row in first..first + rows {
        set.put(TABLE, &key(row).to_be_bytes(), &VALUE);
    }
    set
}

criterion_group!(benches, journal, tables);
criterion_main!(benches);
