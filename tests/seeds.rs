//! The fuzz targets' seeds, and what fuzzing has found, are replayed by every `cargo test`.

use std::path::Path;

fn replay(target: &str, oracle: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(&folder).expect("every target has a folder of seeds") {
        let path = entry.expect("the folder can be read").path();
        let octets = std::fs::read(&path).expect("the seed can be read");
        if let Err(why) = std::panic::catch_unwind(|| oracle(&octets)) {
            eprintln!("{}", path.display());
            std::panic::resume_unwind(why);
        }
        seeds += 1;
    }
    assert!(seeds > 0, "{} is empty", folder.display());
}

#[test]
fn pdu_roundtrip_holds_for_its_seeds() {
    replay("pdu_roundtrip", trunkline::pdu::oracle::roundtrip);
}

#[test]
fn frame_split_holds_for_its_seeds() {
    replay("frame_split", trunkline::pdu::oracle::framing);
}

#[test]
fn receipt_text_holds_for_its_seeds() {
    replay("receipt_text", trunkline::pdu::oracle::receipt_text);
}

#[test]
fn gsm7_holds_for_its_seeds() {
    replay("gsm7", trunkline::text::oracle);
}

#[test]
fn session_ops_holds_for_its_seeds() {
    replay("session_ops", trunkline::session::oracle);
}

#[test]
fn journal_recovery_holds_for_its_seeds() {
    replay("journal_recovery", trunkline::store::oracle::recovery);
}

#[test]
fn vendor_json_holds_for_its_seeds() {
    replay("vendor_json", trunkline::vendor::timetochat::oracle);
}

#[test]
fn every_fuzz_target_is_replayed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = include_str!("seeds.rs");
    for entry in std::fs::read_dir(root.join("fuzz/fuzz_targets")).expect("there are targets") {
        let path = entry.expect("the folder can be read").path();
        let target = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
        assert!(here.contains(&format!("replay(\"{target}\"")), "{target} has no replay here");
    }
}
