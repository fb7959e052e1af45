//! The journal as a caller sees it; power cuts at every boundary are in `store/power.rs`.

use std::convert::Infallible;

use super::*;
use crate::store::fault::{Cut, Dice, Extent, FaultDisk};
use proptest::prelude::*;

const DIR: &str = "/data/journal";

type Batches = Vec<(u64, Vec<u8>)>;

fn small() -> JournalConfig {
    JournalConfig { segment_octets_max: 400, batch_octets_max: 300, salt: 99 }
}

fn open(disk: &FaultDisk, from: u64) -> Result<(Journal, Batches), OpenError<Infallible>> {
    let mut batches = Vec::new();
    let journal = Journal::open(
        Arc::new(disk.clone()),
        Path::new(DIR),
        small(),
        Position(from),
        &mut |number, payload| {
            batches.push((number.0, payload.to_vec()));
            Ok(())
        },
    )?;
    Ok((journal, batches))
}

fn payload(number: u64) -> Vec<u8> {
    let mut dice = Dice(number);
    (0..dice.below(120)).map(|_| dice.roll().to_le_bytes()[0]).collect()
}

fn append(journal: &mut Journal, count: u64) {
    for _ in 0..count {
        let number = journal.position().0 + 1;
        assert_eq!(journal.append(&payload(number)).expect("no fault is planned"), Position(number));
    }
}

fn expected(numbers: std::ops::RangeInclusive<u64>) -> Batches {
    numbers.map(|number| (number, payload(number))).collect()
}

fn paths(disk: &FaultDisk) -> Vec<PathBuf> {
    disk.list(Path::new(DIR)).expect("the directory is there")
}

proptest! {
    #[test]
    fn what_was_appended_is_replayed_from_any_position(
        runs in prop::collection::vec(0u64..9, 1..6), from_share in 0u64..=100
    ) {
        let disk = FaultDisk::new();
        let mut total = 0;
        for run in runs {
            let (mut journal, found) = open(&disk, 0).expect("no fault is planned");
            prop_assert_eq!(found, expected(1..=total));
            append(&mut journal, run);
            total += run;
        }
        let from = total * from_share / 100;
        let (journal, found) = open(&disk, from).expect("no fault is planned");
        prop_assert_eq!(found, expected(from + 1..=total));
        prop_assert_eq!(journal.position(), Position(total));
    }

    #[test]
    fn a_changed_octet_is_an_error_or_cuts_the_last_batch_and_never_changes_one(
        count in 1u64..12, place in any::<prop::sample::Index>(), flip in 1u8..=255
    ) {
        let disk = FaultDisk::new();
        append(&mut open(&disk, 0).expect("no fault is planned").0, count);
        let paths = paths(&disk);
        let path = &paths[place.index(paths.len())];
        disk.tamper(path, |octets| {
            let at = place.index(octets.len());
            octets[at] ^= flip;
        }).expect("it is there");
        match open(&disk, 0) {
            Ok((_, found)) => {
                prop_assert!(found == expected(1..=count) || found == expected(1..=count - 1), "{:?}", found);
            }
            Err(OpenError::Corrupt { segment, .. } | OpenError::UnknownVersion { segment, .. }) => {
                prop_assert_eq!(&segment, path);
            }
            Err(other) => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn recovery_of_anything_is_a_prefix_or_an_error(data in prop::collection::vec(any::<u8>(), 0..600)) {
        crate::store::oracle::recovery(&data);
    }
}

#[test]
fn a_damaged_batch_that_others_follow_is_an_error_wherever_it_is_damaged() {
    let disk = FaultDisk::new();
    let (mut journal, _) = open(&disk, 0).expect("no fault is planned");
    for _ in 0..3 {
        journal.append(&[7; 20]).expect("no fault is planned");
    }
    let path = paths(&disk).pop().expect("one segment");
    let batch = BATCH_HEADER_OCTETS + 20;
    for octet in SEGMENT_HEADER_OCTETS..SEGMENT_HEADER_OCTETS + 3 * batch {
        let damaged = disk.cut(0, Cut::Everything);
        damaged.tamper(&path, |octets| octets[octet] ^= 1).expect("it is there");
        let outcome = open(&damaged, 0).map(|(_, found)| found.len());
        let index = (octet - SEGMENT_HEADER_OCTETS) / batch;
        let start = (SEGMENT_HEADER_OCTETS + index * batch) as u64;
        match outcome {
            Ok(found) => assert_eq!((found, index), (2, 2), "octet {octet}"),
            Err(OpenError::Corrupt { offset, .. }) => {
                assert!(index < 2 && offset == start, "octet {octet}: {offset}");
            }
            Err(other) => panic!("octet {octet}: {other:?}"),
        }
    }
}

#[test]
fn a_zeroed_batch_that_others_follow_is_an_error_too() {
    let disk = FaultDisk::new();
    append(&mut open(&disk, 0).expect("no fault is planned").0, 2);
    let path = paths(&disk).pop().expect("one segment");
    disk.tamper(&path, |octets| octets[SEGMENT_HEADER_OCTETS..][..BATCH_HEADER_OCTETS].fill(0))
        .expect("it is there");
    assert!(matches!(open(&disk, 0), Err(OpenError::Corrupt { .. })));
}

#[test]
fn a_torn_tail_is_cut_and_the_next_batch_takes_its_number() {
    for cut in 1..BATCH_HEADER_OCTETS + 20 {
        let disk = FaultDisk::new();
        let (mut journal, _) = open(&disk, 0).expect("no fault is planned");
        append(&mut journal, 1);
        let before = usize::try_from(journal.active.end).expect("small");
        journal.append(&[3; 20]).expect("no fault is planned");
        let path = paths(&disk).pop().expect("one segment");
        disk.tamper(&path, |octets| octets[before + cut..].fill(0)).expect("it is there");
        let (mut journal, found) = open(&disk, 0).expect("a torn tail is no error");
        assert_eq!(found, expected(1..=1), "cut at {cut}");
        append(&mut journal, 2);
        assert_eq!(open(&disk, 0).expect("no fault is planned").1, expected(1..=3), "cut at {cut}");
    }
}

#[test]
fn a_payload_that_looks_like_a_batch_is_only_a_payload() {
    let disk = FaultDisk::new();
    let (mut journal, _) = open(&disk, 0).expect("no fault is planned");
    // What somebody could write who knows the format and the number but not the salt.
    let mut forged = Vec::new();
    format::write_batch(&mut forged, 2, 0, b"forged");
    journal.append(&forged).expect("no fault is planned");
    let path = paths(&disk).pop().expect("one segment");
    disk.tamper(&path, |octets| octets[SEGMENT_HEADER_OCTETS] ^= 1).expect("it is there");
    let (_, found) = open(&disk, 0).expect("the batch is torn and nothing follows it");
    assert_eq!(found, []);
}

#[test]
fn an_append_is_one_write_and_one_sync() {
    use crate::store::fault::Operation::{Sync, Write};
    let disk = FaultDisk::new();
    let (mut journal, _) = open(&disk, 0).expect("no fault is planned");
    let before = disk.log().len();
    journal.append(b"abc").expect("no fault is planned");
    journal.append(b"def").expect("no fault is planned");
    assert_eq!(disk.log()[before..], [Write, Sync, Write, Sync]);
}

#[test]
fn a_batch_above_the_limit_is_refused_and_harms_nothing() {
    let disk = FaultDisk::new();
    let (mut journal, _) = open(&disk, 0).expect("no fault is planned");
    let error = journal.append(&[0; 301]).expect_err("one octet too many");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    journal.append(&[0; 300]).expect("the limit itself is fine");
    assert_eq!(journal.position(), Position(1));
}

#[test]
fn a_batch_larger_than_a_segment_gets_one_of_its_own() {
    let disk = FaultDisk::new();
    let config = JournalConfig { segment_octets_max: 100, batch_octets_max: 5_000, salt: 1 };
    let open = || {
        let mut sizes = Vec::new();
        let journal = Journal::open(
            Arc::new(disk.clone()),
            Path::new(DIR),
            config.clone(),
            Position::START,
            &mut |_, payload: &[u8]| {
                sizes.push(payload.len());
                Ok::<_, Infallible>(())
            },
        );
        (journal.expect("no fault is planned"), sizes)
    };
    let (mut journal, _) = open();
    for octets in [5_000, 10, 5_000] {
        journal.append(&vec![1; octets]).expect("no fault is planned");
    }
    assert_eq!(journal.segments(), 3);
    assert_eq!(open().1, [5_000, 10, 5_000]);
}

#[test]
fn retiring_deletes_what_is_wholly_contained_and_keeps_the_rest() {
    let disk = FaultDisk::new();
    let (mut journal, _) = open(&disk, 0).expect("no fault is planned");
    append(&mut journal, 30);
    assert!(journal.segments() > 3);
    assert_eq!(journal.retire(Position(0)).expect("no fault is planned"), 0);
    assert!(journal.retire(Position(20)).expect("no fault is planned") > 0);
    assert_eq!(open(&disk, 20).expect("no fault is planned").1, expected(21..=30));
    let (mut journal, _) = open(&disk, 20).expect("no fault is planned");
    journal.retire(Position(u64::MAX)).expect("no fault is planned");
    assert_eq!(journal.segments(), 1);
    append(&mut journal, 1);
    assert_eq!(open(&disk, 30).expect("no fault is planned").1, expected(31..=31));
}

#[test]
fn a_gap_between_the_tables_and_the_journal_is_an_error() {
    let disk = FaultDisk::new();
    let (mut journal, _) = open(&disk, 0).expect("no fault is planned");
    append(&mut journal, 30);
    journal.retire(Position(20)).expect("no fault is planned");
    assert!(
        matches!(open(&disk, 0), Err(OpenError::Missing { from: Position(0), last: _, first }) if first > 1)
    );
    assert!(matches!(open(&disk, 31), Err(OpenError::Missing { from: Position(31), last: 30, .. })));
    assert!(matches!(open(&FaultDisk::new(), 1), Err(OpenError::Missing { first: 1, last: 0, .. })));
    let middle = paths(&disk)[1].clone();
    disk.remove(&middle).expect("it is there");
    assert!(matches!(open(&disk, 20), Err(OpenError::Corrupt { .. })));
}

#[test]
fn a_segment_of_a_later_version_is_refused_by_its_number() {
    let disk = FaultDisk::new();
    append(&mut open(&disk, 0).expect("no fault is planned").0, 1);
    let path = paths(&disk).pop().expect("one segment");
    disk.tamper(&path, |octets| octets[8] = 2).expect("it is there");
    assert!(matches!(open(&disk, 0), Err(OpenError::UnknownVersion { version: 2, .. })));
}

#[test]
fn strange_files_in_the_directory_are_left_alone() {
    let disk = FaultDisk::new();
    disk.create_dir_all(Path::new(DIR)).expect("no fault is planned");
    let strangers =
        ["notes.txt", "journal-1.log", "journal-0000000000000000.log", "journal-00000000000000AB.log"];
    for name in strangers {
        disk.open(&Path::new(DIR).join(name), true).expect("no fault is planned");
    }
    append(&mut open(&disk, 0).expect("no fault is planned").0, 1);
    assert_eq!(open(&disk, 0).expect("no fault is planned").1, expected(1..=1));
    assert_eq!(paths(&disk).len(), strangers.len() + 1);
}

#[test]
fn a_refused_batch_does_not_come_back_once_the_journal_was_reopened() {
    for before in [0, 2] {
        for operation in 0..2 {
            for extent in [Extent::Nothing, Extent::Part(5), Extent::Everything] {
                let disk = FaultDisk::new();
                let (mut journal, _) = open(&disk, 0).expect("no fault is planned");
                append(&mut journal, before);
                disk.fail(disk.operations() + operation, io::ErrorKind::StorageFull, extent);
                journal.append(b"refused").expect_err("planned");
                journal.append(b"poisoned").expect_err("not before it was reopened");
                assert!(journal.is_poisoned());
                journal.reopen().expect("the fault is gone");
                for (mode, seed) in Cut::ALL.into_iter().zip(0..) {
                    let after = disk.cut(seed, mode);
                    let found = open(&after, 0).expect("no fault is planned").1;
                    assert_eq!(found, expected(1..=before), "{operation} {extent:?} {mode:?} seed {seed}");
                }
                append(&mut journal, 2);
                assert_eq!(open(&disk, 0).expect("no fault is planned").1, expected(1..=before + 2));
            }
        }
    }
}

#[test]
fn a_failed_file_is_never_synced_again() {
    let disk = FaultDisk::new();
    let (mut journal, _) = open(&disk, 0).expect("no fault is planned");
    append(&mut journal, 1);
    disk.fail_syncs(Some(io::ErrorKind::Other));
    journal.append(b"refused").expect_err("planned");
    let before = disk.log().len();
    journal.append(b"refused").expect_err("poisoned");
    assert_eq!(disk.log().len(), before, "a poisoned journal leaves the disk alone");
    for _ in 0..3 {
        journal.reopen().expect_err("still failing");
    }
    disk.fail_syncs(None);
    journal.reopen().expect("it works again");
    append(&mut journal, 1);
    assert_eq!(open(&disk.cut(3, Cut::Nothing), 0).expect("no fault is planned").1, expected(1..=2));
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let disk = FaultDisk::new();
    let (mut journal, _) = open(&disk, 0).expect("no fault is planned");
    disk.limit(Some(3 * 4096));
    let refused = (0..1_000).find_map(|_| journal.append(&payload(journal.position().0 + 1)).err());
    assert_eq!(refused.expect("it fills up").kind(), io::ErrorKind::StorageFull);
    let last = journal.position();
    assert!(last.0 > 5);
    journal.reopen().expect_err("no room for a segment either");
    disk.limit(None);
    journal.reopen().expect("there is room");
    append(&mut journal, 1);
    assert_eq!(open(&disk, 0).expect("no fault is planned").1, expected(1..=last.0 + 1));
}

#[test]
fn what_the_replay_refuses_is_handed_on() {
    let disk = FaultDisk::new();
    append(&mut open(&disk, 0).expect("no fault is planned").0, 2);
    let outcome =
        Journal::open(Arc::new(disk), Path::new(DIR), small(), Position::START, &mut |number, _| {
            if number.0 == 2 { Err("unknown record") } else { Ok(()) }
        });
    assert!(matches!(outcome, Err(OpenError::Replay("unknown record"))));
}
