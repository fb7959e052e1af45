//! The tables as a caller sees them; power cuts at every boundary are in `store/power.rs`.

use std::collections::BTreeMap;
use std::io;

use super::*;
use crate::store::fault::{Cut, Extent, FaultDisk};
use crate::store::file::RealDisk;
use proptest::prelude::*;

const DIR: &str = "/data";
const ONE: TableId = TableId(0);
const TWO: TableId = TableId(1);

fn config() -> TablesConfig {
    TablesConfig { state: &["one", "two"], history: &["past"], cache_octets: 4 << 20, history_files_max: 2 }
}

fn open(disk: &FaultDisk) -> Tables {
    Tables::open(Arc::new(disk.clone()), Path::new(DIR), config()).expect("no fault is planned")
}

fn set(position: u64) -> WriteSet {
    WriteSet::up_to(Position(position))
}

fn names(disk: &FaultDisk) -> Vec<String> {
    let files = disk.list(Path::new(DIR)).expect("the directory is there");
    files.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
}

#[test]
fn what_is_written_is_read_and_found_again_with_its_position() {
    let disk = FaultDisk::new();
    let tables = open(&disk);
    assert_eq!(tables.position(), Position::START);
    assert_eq!(tables.get(ONE, b"a").expect("no fault is planned"), None);
    let mut rows = set(7);
    rows.put(ONE, b"b", b"2");
    rows.put(ONE, b"a", b"1");
    rows.put(TWO, b"a", b"");
    rows.put(ONE, b"c", b"wrong");
    rows.put(ONE, b"c", b"3");
    rows.put(ONE, b"d", b"4");
    rows.remove(ONE, b"d");
    rows.remove(TWO, b"never there");
    rows.put_history(Day(20_000), ONE, b"x", b"long ago");
    tables.write(&mut rows).expect("no fault is planned");
    for tables in [tables, open(&disk.cut(0, Cut::Nothing))] {
        assert_eq!(tables.position(), Position(7));
        assert_eq!(tables.get(TWO, b"a").expect("no fault is planned"), Some(Vec::new()));
        let row = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
        let all = [row(b"a", b"1"), row(b"b", b"2"), row(b"c", b"3")];
        assert_eq!(tables.range(ONE, .., 9).expect("no fault is planned"), all);
        assert_eq!(tables.range(ONE, &b"b"[..].., 1).expect("no fault is planned"), all[1..2]);
        assert_eq!(tables.range(ONE, &b"a"[..]..&b"c"[..], 9).expect("no fault is planned"), all[..2]);
        assert_eq!(tables.rows(ONE).expect("no fault is planned"), 3);
        let past = tables.history_get(Day(20_000), ONE, b"x").expect("no fault is planned");
        assert_eq!(past.as_deref(), Some(&b"long ago"[..]));
        assert_eq!(tables.history_range(Day(20_000), ONE, .., 9).expect("no fault is planned").len(), 1);
        assert_eq!(tables.history_get(Day(20_001), ONE, b"x").expect("no fault is planned"), None);
    }
    assert_eq!(names(&disk), ["history-20241004.redb", "state.redb"]);
}

#[test]
fn an_empty_set_moves_the_position() {
    let disk = FaultDisk::new();
    open(&disk).write(&mut set(3)).expect("no fault is planned");
    assert_eq!(open(&disk).position(), Position(3));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn tables_are_a_sorted_map(
        sets in prop::collection::vec(
            prop::collection::vec((0u16..400, prop::option::weighted(0.8, 0usize..60)), 0..300), 1..5)
    ) {
        let disk = FaultDisk::new();
        let mut tables = open(&disk);
        let mut model = BTreeMap::new();
        for (position, deeds) in (1..).zip(sets) {
            let mut rows = set(position);
            for (key, value) in deeds {
                let key = key.to_be_bytes().to_vec();
                match value {
                    Some(octets) => {
                        rows.put(ONE, &key, &vec![position.to_le_bytes()[0]; octets]);
                        model.insert(key, vec![position.to_le_bytes()[0]; octets]);
                    }
                    None => {
                        rows.remove(ONE, &key);
                        model.remove(&key);
                    }
                }
            }
            tables.write(&mut rows).expect("no fault is planned");
            let found = tables.range(ONE, .., usize::MAX).expect("no fault is planned");
            prop_assert_eq!(found, model.clone().into_iter().collect::<Vec<_>>());
            if position % 2 == 0 {
                drop(tables);
                tables = open(&disk);
            }
        }
    }
}

#[test]
fn a_table_that_was_not_declared_is_refused_before_anything_is_written() {
    let disk = FaultDisk::new();
    let tables = open(&disk);
    let mut rows = set(1);
    rows.put(ONE, b"a", b"1");
    rows.put_history(Day(1), TWO, b"a", b"1");
    assert!(matches!(tables.write(&mut rows), Err(StoreError::UnknownTable(1))));
    assert!(matches!(tables.get(TableId(2), b"a"), Err(StoreError::UnknownTable(2))));
    assert!(!tables.is_poisoned());
    assert_eq!(
        (tables.position(), tables.get(ONE, b"a").expect("no fault is planned")),
        (Position::START, None)
    );
}

#[test]
fn few_history_files_are_open_and_the_oldest_are_deleted() {
    let disk = FaultDisk::new();
    let tables = open(&disk);
    for day in 1..=5 {
        let mut rows = set(u64::from(day));
        rows.put_history(Day(day), ONE, b"k", &day.to_le_bytes());
        tables.write(&mut rows).expect("no fault is planned");
    }
    let open_days = |tables: &Tables| tables.files().as_ref().expect("open").history.open_days();
    assert_eq!(open_days(&tables), [Day(4), Day(5)]);
    for day in 1..=5 {
        let found = tables.history_get(Day(day), ONE, b"k").expect("no fault is planned");
        assert_eq!(found, Some(day.to_le_bytes().to_vec()));
    }
    tables.history_get(Day(4), ONE, b"k").expect("no fault is planned");
    assert_eq!(open_days(&tables), [Day(5), Day(4)]);
    assert_eq!(tables.retire_history(Day(5)).expect("no fault is planned"), 4);
    assert_eq!(open_days(&tables), [Day(5)]);
    assert_eq!(tables.history_days().expect("no fault is planned"), [Day(5)]);
    assert_eq!(tables.history_get(Day(4), ONE, b"k").expect("no fault is planned"), None);
    assert_eq!(open(&disk.cut(0, Cut::Nothing)).history_days().expect("no fault is planned"), [Day(5)]);
}

#[test]
fn a_full_disk_poisons_and_is_recovered_from_when_there_is_room() {
    let disk = FaultDisk::new();
    let tables = open(&disk);
    let mut rows = set(1);
    rows.put(ONE, b"a", b"1");
    tables.write(&mut rows).expect("no fault is planned");
    disk.limit(Some(100_000));
    let mut rows = set(2);
    for key in 0..1_000u32 {
        rows.put(ONE, &key.to_be_bytes(), &[1; 300]);
    }
    assert!(matches!(tables.write(&mut rows), Err(StoreError::Full(_))));
    assert!(matches!(tables.write(&mut rows), Err(StoreError::Poisoned)));
    assert!(tables.is_poisoned());
    disk.limit(None);
    tables.reopen().expect("there is room");
    assert_eq!(tables.position(), Position(1));
    assert_eq!(tables.range(ONE, .., 9).expect("no fault is planned").len(), 1);
    tables.write(&mut rows).expect("there is room");
    assert_eq!(tables.rows(ONE).expect("no fault is planned"), 1_001);
}

#[test]
fn a_failed_sync_is_not_tried_again_on_the_same_handle() {
    let disk = FaultDisk::new();
    let tables = open(&disk);
    disk.fail_syncs(Some(io::ErrorKind::Other));
    let mut rows = set(1);
    rows.put(ONE, b"a", b"1");
    assert!(matches!(tables.write(&mut rows), Err(StoreError::Io(_))));
    let before = disk.operations();
    drop(tables);
    assert_eq!(disk.operations(), before, "a failed file is left alone, even when it is closed");
    disk.fail_syncs(None);
    let tables = open(&disk);
    tables.write(&mut rows).expect("it works again");
    assert_eq!(open(&disk.cut(0, Cut::Nothing)).position(), Position(1));
}

#[test]
fn reading_goes_on_while_another_thread_writes_and_reopens() {
    let disk = FaultDisk::new();
    let tables = open(&disk);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while tables.position().0 < 30 {
                    let rows = tables.range(ONE, .., 100).expect("nothing fails for good");
                    // A set is seen whole or not at all.
                    assert!(
                        rows.iter().all(|(_, value)| Some(value) == rows.first().map(|(_, value)| value))
                    );
                    tables.history_get(Day(1), ONE, b"k").expect("nothing fails for good");
                }
            });
        }
        for position in 1..=30u64 {
            let mut rows = set(position);
            for key in 0..5u8 {
                rows.put(ONE, &[key], &position.to_le_bytes());
            }
            rows.put_history(Day(u32::try_from(position % 4).expect("small")), ONE, b"k", b"v");
            tables.write(&mut rows).expect("no fault is planned");
            if position % 5 == 0 {
                tables.reopen().expect("no fault is planned");
            }
        }
    });
}

#[test]
fn files_that_are_not_ours_are_an_error() {
    for content in [&b""[..], b"short", &[0x55; 9_000]] {
        let disk = FaultDisk::new();
        drop(open(&disk));
        disk.tamper(&Path::new(DIR).join("state.redb"), |octets| *octets = content.to_vec())
            .expect("it is there");
        let outcome = Tables::open(Arc::new(disk), Path::new(DIR), config());
        assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
    }
}

#[test]
fn an_unfinished_file_is_swept_away() {
    let disk = FaultDisk::new();
    disk.create_dir_all(Path::new(DIR)).expect("no fault is planned");
    for name in ["state.new", "history-20240101.new"] {
        let file = disk.open(&Path::new(DIR).join(name), true).expect("no fault is planned");
        file.write_at(0, b"half of something").expect("no fault is planned");
    }
    drop(open(&disk));
    assert_eq!(names(&disk), ["state.redb"]);
}

#[test]
fn a_failing_history_file_leaves_the_state_as_it_was() {
    let disk = FaultDisk::new();
    let tables = open(&disk);
    disk.fail(disk.operations() + 3, io::ErrorKind::Other, Extent::Nothing);
    let mut rows = set(1);
    rows.put(ONE, b"a", b"1");
    rows.put_history(Day(1), ONE, b"k", b"v");
    assert!(matches!(tables.write(&mut rows), Err(StoreError::Io(_))));
    tables.reopen().expect("the fault is over");
    assert_eq!((tables.position(), tables.rows(ONE).expect("no fault is planned")), (Position::START, 0));
    tables.write(&mut rows).expect("the fault is over");
    assert_eq!(tables.position(), Position(1));
}

#[test]
fn the_real_disk_holds_them_too() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let open = || Tables::open(Arc::new(RealDisk), dir.path(), config()).expect("an empty directory");
    let mut rows = set(1);
    rows.put(ONE, b"a", b"1");
    rows.put_history(Day(1), ONE, b"k", b"v");
    open().write(&mut rows).expect("there is room");
    let tables = open();
    assert_eq!(tables.position(), Position(1));
    assert_eq!(tables.get(ONE, b"a").expect("it can be read"), Some(b"1".to_vec()));
    assert_eq!(tables.history_get(Day(1), ONE, b"k").expect("it can be read"), Some(b"v".to_vec()));
}
