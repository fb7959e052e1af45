//! What does it cost to count, cut and recode the text of one message, in nanoseconds per message?
//!
//! Fixed inputs: a short GSM text, a full eight-part one with escapes at the cuts, and a UCS-2 one with
//! surrogate pairs at the cuts. Throughput is in payload octets. Counting and cutting allocate nothing.

#![allow(missing_docs, reason = "criterion_group! writes public items of its own")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use trunkline::text::packed::{FillBits, Length, Padding, pack, unpack};
use trunkline::text::udh::Header;
use trunkline::text::{Table, UnitKind, count, gsm7, segments_of, split, ucs2};

/// A table that holds the longest input in both alphabets.
const TABLE: Table = Table::STANDARD;

fn inputs() -> Vec<(&'static str, String, UnitKind, Vec<u8>)> {
    let short = "Bonjour, votre commande 4711 est prête; à bientôt".replace(['ê', 'ô'], "e");
    let gsm_long = format!("a{}", "€".repeat(611));
    let ucs_long = format!("a{}", "😀".repeat(260));
    let gsm = |text: &str| gsm7::encode(text).unwrap_or_default();
    vec![
        ("gsm_49", short.clone(), UnitKind::Septets, gsm(&short)),
        ("gsm_1223", gsm_long.clone(), UnitKind::Septets, gsm(&gsm_long)),
        ("ucs2_521", ucs_long.clone(), UnitKind::Ucs2, ucs2::encode(&ucs_long)),
    ]
}

fn payloads(c: &mut Criterion) {
    for (name, text, kind, payload) in inputs() {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(payload.len() as u64));
        group.bench_function("segments_of", |b| b.iter(|| segments_of(black_box(&payload), kind, TABLE)));
        group.bench_function("split", |b| {
            b.iter(|| {
                split(black_box(&payload), kind, TABLE).map(|pieces| pieces.map(<[u8]>::len).sum::<usize>())
            });
        });
        group.bench_function("count_text", |b| b.iter(|| count(black_box(&text), TABLE)));
        match kind {
            UnitKind::Septets | UnitKind::Octets => {
                group.bench_function("encode", |b| b.iter(|| gsm7::encode(black_box(&text))));
                group.bench_function("decode", |b| b.iter(|| gsm7::decode(black_box(&payload))));
                group.bench_function("pack", |b| {
                    b.iter(|| pack(black_box(&payload), FillBits::NONE, Padding::Zero));
                });
                let packed = pack(&payload, FillBits::NONE, Padding::Zero);
                let length = Length::Septets(payload.len());
                group.bench_function("unpack", |b| {
                    b.iter(|| unpack(black_box(&packed), FillBits::NONE, length));
                });
            }
            UnitKind::Ucs2 => {
                group.bench_function("encode", |b| b.iter(|| ucs2::encode(black_box(&text))));
                group.bench_function("decode", |b| b.iter(|| ucs2::decode(black_box(&payload))));
            }
        }
        group.finish();
    }
}

fn header(c: &mut Criterion) {
    let user_data = b"\x0B\x05\x04\x0B\x84\x23\xF0\x00\x03\x07\x02\x02body";
    c.bench_function("udh_concatenation", |b| {
        b.iter(|| Header::read(black_box(user_data)).map(|(header, _)| header.concatenation()));
    });
}

criterion_group!(benches, payloads, header);
criterion_main!(benches);
