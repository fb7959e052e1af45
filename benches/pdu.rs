//! How long does it take to decode and to encode a PDU, all fields and TLVs validated, and does it allocate?
//!
//! Over the 1,000 varied PDUs of `benches/data/mixed.hex` and over 1,000 submit_sm of exactly 150 octets
//! (`submit_sm_150.hex`), both written by `benches/data/generate.py`. `memcpy` copies the same 1,000 frames in
//! the same run: the ratio to it travels better between machines than nanoseconds. Allocations are counted
//! before anything is timed, and one is a failure. Times are for 1,000 PDUs: 60 µs is 60 ns each.

use std::hint::black_box;

use bytes::{BufMut, BytesMut};
use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use trunkline::pdu::{Header, Pdu, decode, encode, receipt::Receipt};

/// The PDUs of a file of hex lines.
fn frames(hex: &str) -> Vec<Vec<u8>> {
    let frame = |line: &str| -> Vec<u8> {
        line.as_bytes()
            .chunks(2)
            .map(|pair| {
                let pair = std::str::from_utf8(pair).expect("the file is ASCII");
                u8::from_str_radix(pair, 16).expect("the file is hex")
            })
            .collect()
    };
    hex.lines().map(frame).collect()
}

fn decode_all(frames: &[Vec<u8>]) {
    for frame in frames {
        black_box(decode(black_box(frame)).expect("the files hold good PDUs"));
    }
}

fn encode_all(pdus: &[(Header, Pdu<'_>)], out: &mut BytesMut) {
    for (header, pdu) in pdus {
        out.clear();
        let Header { command_id, command_status, sequence_number, .. } = *header;
        // What a caller writes is known to it by type, so the hot bodies are taken out of the enum.
        match black_box(pdu) {
            Pdu::SubmitSm(body) => encode(out, command_id, command_status, sequence_number, body),
            Pdu::DeliverSm(body) => encode(out, command_id, command_status, sequence_number, body),
            Pdu::SubmitSmResp(body) => encode(out, command_id, command_status, sequence_number, body),
            other => encode(out, command_id, command_status, sequence_number, other),
        }
        black_box(&out);
    }
}

fn copy_all(frames: &[Vec<u8>], out: &mut BytesMut) {
    for frame in frames {
        out.clear();
        out.put_slice(black_box(frame));
        black_box(&out);
    }
}

/// The receipts among the PDUs.
fn receipts_of(pdus: &[(Header, Pdu<'_>)]) -> usize {
    let read = |pdu: &Pdu<'_>| match pdu {
        Pdu::DeliverSm(deliver) => Receipt::from_deliver(black_box(deliver)).is_some(),
        _ => false,
    };
    pdus.iter().filter(|(_, pdu)| black_box(read(pdu))).count()
}

fn without_allocation(what: &str, work: impl FnMut()) {
    let counted = allocation_counter::measure(work);
    println!("{what}: {} allocations", counted.count_total);
    assert_eq!(counted.count_total, 0, "{what} allocates");
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, hex: &str) {
    let frames = frames(hex);
    let pdus: Vec<_> = frames.iter().map(|frame| decode(frame).expect("the files hold good PDUs")).collect();
    let mut out = BytesMut::with_capacity(1 << 16);
    without_allocation(&format!("decode 1,000 {name}"), || decode_all(&frames));
    without_allocation(&format!("encode 1,000 {name}"), || encode_all(&pdus, &mut out));

    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function(format!("{name}/memcpy"), |b| b.iter(|| copy_all(&frames, &mut out)));
    group.bench_function(format!("{name}/decode"), |b| b.iter(|| decode_all(&frames)));
    group.bench_function(format!("{name}/encode"), |b| b.iter(|| encode_all(&pdus, &mut out)));
    if pdus.iter().any(|(_, pdu)| matches!(pdu, Pdu::DeliverSm(_))) {
        println!("{} receipts among them", receipts_of(&pdus));
        without_allocation("read the receipts", || {
            receipts_of(&pdus);
        });
        group.bench_function(format!("{name}/receipts"), |b| b.iter(|| receipts_of(&pdus)));
    }
}

fn pdu(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pdu");
    bench(&mut group, "submit_sm_150", include_str!("data/submit_sm_150.hex"));
    bench(&mut group, "mixed", include_str!("data/mixed.hex"));
    group.finish();
}

criterion_group!(benches, pdu);
criterion_main!(benches);
