//! The double behaves as its description says.

use super::*;

const DIR: &str = "/d";

fn disk() -> FaultDisk {
    let disk = FaultDisk::new();
    disk.create_dir_all(Path::new(DIR)).expect("no fault is planned");
    disk
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn content(disk: &FaultDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(&path(name), false).ok()?;
    let mut octets = vec![0; index(file.len().expect("powered"))];
    file.read_at(0, &mut octets).expect("within the file");
    Some(octets)
}

fn durable(disk: &FaultDisk, name: &str, octets: &[u8]) -> Box<dyn File> {
    let file = disk.open(&path(name), true).expect("no fault is planned");
    file.write_at(0, octets).expect("no fault is planned");
    file.sync_data().expect("no fault is planned");
    disk.sync_dir(Path::new(DIR)).expect("no fault is planned");
    file
}

#[test]
fn synced_octets_survive_every_cut_and_unsynced_ones_only_some() {
    for mode in Cut::ALL {
        for seed in 0..50 {
            let disk = disk();
            let file = durable(&disk, "f", b"abc");
            file.write_at(3, b"def").expect("no fault is planned");
            let after = disk.cut(seed, mode);
            let found = content(&after, "f").expect("the name is durable");
            assert!(found.starts_with(b"abc"), "seed {seed} {mode:?}: {found:?}");
            match mode {
                Cut::Nothing => assert_eq!(found, b"abc"),
                Cut::Everything => assert_eq!(found, b"abcdef"),
                Cut::Torn | Cut::Random => assert!(found.len() <= 6),
                Cut::Killed => {
                    assert_eq!(found, b"abcdef");
                    assert_eq!(content(&after.cut(seed, Cut::Nothing), "f").expect("durable"), b"abc");
                }
            }
        }
    }
}

#[test]
fn names_that_were_not_synced_may_vanish_and_renames_are_all_or_nothing() {
    let mut seen = BTreeSet::new();
    for seed in 0..50 {
        let disk = disk();
        durable(&disk, "a", b"A");
        durable(&disk, "b", b"B");
        disk.rename(&path("a"), &path("b")).expect("no fault is planned");
        disk.open(&path("c"), true).expect("no fault is planned");
        let after = disk.cut(seed, Cut::Random);
        let state = (content(&after, "a"), content(&after, "b"), content(&after, "c"));
        match &state {
            (Some(a), Some(b), _) => assert_eq!((&a[..], &b[..]), (&b"A"[..], &b"B"[..])),
            (None, Some(b), _) => assert_eq!(b, b"A"),
            (_, None, _) => panic!("seed {seed}: the target of a rename is never missing"),
        }
        seen.insert(state);
    }
    assert_eq!(seen.len(), 4);
}

#[test]
fn a_sync_after_a_failed_one_does_not_bring_the_octets_back() {
    let disk = disk();
    let file = durable(&disk, "f", b"abc");
    disk.fail(disk.operations() + 1, io::ErrorKind::Other, Extent::Nothing);
    file.write_at(0, b"xyz").expect("not this one");
    file.sync_data().expect_err("this one");
    file.write_at(3, b"!").expect("not this one");
    file.sync_data().expect("it says so");
    assert_eq!(content(&disk, "f").expect("it is there"), b"xyz!");
    assert_eq!(content(&disk.cut(0, Cut::Everything), "f").expect("it is there"), b"abc!");
}

#[test]
fn a_full_disk_stores_what_fits_and_has_room_again_after_a_removal() {
    let disk = disk();
    disk.limit(Some(3 * 4096));
    let file = disk.open(&path("f"), true).expect("a name takes no room");
    let error = file.write_at(100, &[7; 20_000]).expect_err("too much");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.len().expect("powered"), 3 * 4096);
    assert_eq!(disk.free_octets(Path::new(DIR)).expect("powered"), 0);
    file.write_at(0, &[8; 4096]).expect("there already");
    disk.remove(&path("f")).expect("it is there");
    assert_eq!(disk.free_octets(Path::new(DIR)).expect("powered"), 3 * 4096);
}

#[test]
fn after_the_power_is_off_nothing_answers() {
    let disk = disk();
    let file = durable(&disk, "f", b"abc");
    disk.power_off_at(disk.operations());
    file.write_at(0, b"x").expect_err("the power goes here");
    file.write_at(0, b"y").expect_err("off");
    file.len().expect_err("off");
    disk.list(Path::new(DIR)).expect_err("off");
    assert_eq!(content(&disk.cut(1, Cut::Everything), "f").expect("durable"), b"xbc");
}

#[test]
fn a_failed_write_gets_as_far_as_it_was_told() {
    for (extent, least, most) in
        [(Extent::Nothing, 0, 0), (Extent::Part(3), 0, 6), (Extent::Everything, 6, 6)]
    {
        let disk = disk();
        let file = disk.open(&path("f"), true).expect("no fault yet");
        disk.fail(disk.operations(), io::ErrorKind::StorageFull, extent);
        let error = file.write_at(0, b"abcdef").expect_err("planned");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!((least..=most).contains(&file.len().expect("powered")), "{extent:?}");
        file.write_at(0, b"abcdef").expect("once only");
    }
}
