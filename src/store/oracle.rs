//! What the fuzz targets of the store hold against it.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use super::fault::FaultDisk;
use super::file::Disk;
use super::journal::{Journal, JournalConfig, OpenError, Position};

/// Lets anything happen to the octets of a journal and opens it.
///
/// The first octet chooses what `data` is: the tail after good batches, octets written over good batches, the
/// whole next segment, or a whole segment in place of a good one; the second where. Whatever it is, opening
/// must not panic and must hand out batches that were appended, from the first on without a gap, or say that
/// the journal is damaged. What was opened must take an append and hand the same batches out again.
///
/// # Panics
/// When any of this does not hold.
pub fn recovery(data: &[u8]) {
    let [manner, place, octets @ ..] = data else { return };
    let place = usize::from(*place);
    let disk = FaultDisk::new();
    let (mut journal, _) = open(&disk).expect("an empty disk can be opened");
    let appended: Vec<Vec<u8>> = (1..=7u8).map(|number| vec![number; usize::from(number) * 9]).collect();
    for payload in &appended {
        journal.append(payload).expect("no fault is planned");
    }
    drop(journal);

    let segments = disk.list(Path::new(DIR)).expect("no fault is planned");
    let last = segments.last().expect("there is one");
    match manner % 4 {
        0 => disk.tamper(last, |file| {
            let end = file.iter().rposition(|octet| *octet != 0).map_or(0, |at| at + 1);
            file.splice(end.., octets.iter().copied());
        }),
        1 => disk.tamper(&segments[place % segments.len()], |file| {
            for (octet, new) in file.iter_mut().skip(place * 2).zip(octets) {
                *octet = *new;
            }
        }),
        2 => write(&disk, &Path::new(DIR).join(format!("journal-{:016x}.log", 1 + place % 10)), octets),
        _ => disk.tamper(&segments[place % segments.len()], |file| *file = octets.to_vec()),
    }
    .expect("no fault is planned");

    let Ok((mut journal, found)) = open(&disk) else { return };
    assert!(appended.starts_with(&found), "what was handed out is not what was appended: {found:?}");
    assert_eq!(journal.position(), Position(found.len() as u64));
    journal.append(b"after").expect("an opened journal takes appends");
    drop(journal);
    let (_, again) = open(&disk).expect("what was opened can be opened again");
    assert_eq!(again.split_last(), Some((&b"after".to_vec(), &found[..])));
}

fn open(disk: &FaultDisk) -> Result<(Journal, Vec<Vec<u8>>), OpenError<Infallible>> {
    let mut found = Vec::new();
    let config = JournalConfig { segment_octets_max: 256, batch_octets_max: 128, salt: 0x5EED };
    let journal =
        Journal::open(Arc::new(disk.clone()), Path::new(DIR), config, Position::START, &mut |_, payload| {
            found.push(payload.to_vec());
            Ok(())
        })?;
    Ok((journal, found))
}

fn write(disk: &FaultDisk, path: &Path, octets: &[u8]) -> std::io::Result<()> {
    disk.open(path, true)?;
    disk.tamper(path, |file| *file = octets.to_vec())
}

const DIR: &str = "/data";
