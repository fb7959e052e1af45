//! How much CPU does one message's whole life cost in the engine alone: decide, records, journal, checkpoints?
//!
//! A real disk in the system's temporary directory (or `TRUNKLINE_BENCH_DIR`), batches of 500, no sockets.

#[path = "../tests/world/mod.rs"]
mod world;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use trunkline::engine::{Config, Core};
use trunkline::gateway::Now;
use trunkline::gateway::id::LinkId;
use trunkline::gateway::port::{Answer, Arrival, Arrived, Asker, DeliveryAnswer, Effect, Input, Outcome};
use trunkline::gateway::record::Report;
use trunkline::pdu::{CommandStatus, MessageState};
use trunkline::store::file::RealDisk;

const BATCH: u32 = 500;

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn main() {
    let messages: u32 = std::env::var("MESSAGES").ok().and_then(|m| m.parse().ok()).unwrap_or(200_000);
    let base = std::env::var_os("TRUNKLINE_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let dir = tempfile::tempdir_in(base).expect("a directory for the bench");
    let config = Config { data_dir: dir.path().join("data"), disk_reserve_octets: 0, ..Config::default() };
    let mut settings = world::settings();
    settings.services[0].deliver_window = BATCH * 4;
    let mut now = Now { utc_ms: world::START_MS, mono_us: 0 };
    let mut core = Core::open(Arc::new(RealDisk), config, Arc::new(settings), Arc::default(), [1; 5], now)
        .expect("opens");
    let (up, down) = (LinkId(1), LinkId(2));
    let mut inputs = VecDeque::from([
        Input::UpstreamBound { link: up, upstream: world::UPSTREAM, window: BATCH * 4 },
        Input::EsmeBound { link: down, service: world::SERVICE },
    ]);
    let (mut accepted, mut told, mut upstream_id) = (0, 0, 0_u64);
    let (mut effects, mut batches) = (Vec::new(), 0);
    let (start, cpu) = (Instant::now(), cpu_us());
    let mut checkpoint_us = 0;
    let mut next_checkpoint = 2_000;
    while told < messages {
        if accepted < messages {
            let submissions = (0..BATCH)
                .map(|n| {
                    let number = accepted + n;
                    let text = format!("{number:012} the quick brown fox jumps over the lazy dog and runs on for a hundred octets or so");
                    world::submission(n, world::content(&text, &format!("44770090{:04}", number % 10_000)))
                })
                .collect();
            accepted += BATCH;
            inputs.push_back(Input::Submit { from: Asker::Link(down), service: world::SERVICE, submissions });
        }
        while !inputs.is_empty() {
            core.step(&mut inputs, now, &mut effects).expect("the disk works");
            batches += 1;
        }
        let (mut answers, mut arrivals, mut delivered) = (Vec::new(), Vec::new(), Vec::new());
        for (_, effect) in effects.drain(..) {
            match effect {
                Effect::Dispatch(d) => {
                    upstream_id += 1;
                    let id = format!("{upstream_id:019}");
                    answers.push(Answer { ticket: d.ticket, outcome: Outcome::Taken(id.as_bytes().into()) });
                    let report = Report {
                        upstream_id: id.as_bytes().into(),
                        other_id: Box::default(),
                        source: d.content.destination,
                        destination: d.content.source,
                        state: MessageState::DELIVERED,
                        error: 0,
                        message: None,
                    };
                    arrivals.push(Arrival { reply: 1, what: Arrived::Receipt(report), once: None });
                }
                Effect::Deliver(d) => {
                    delivered.push(DeliveryAnswer { no: d.no, status: Some(CommandStatus::ESME_ROK) });
                    told += 1;
                }
                _ => {}
            }
        }
        if !answers.is_empty() {
            inputs.push_back(Input::Answers { link: up, answers });
            inputs.push_back(Input::Arrivals { link: up, upstream: world::UPSTREAM, arrivals });
        }
        if !delivered.is_empty() {
            inputs.push_back(Input::DeliveryAnswers { link: down, answers: delivered });
        }
        let elapsed = start.elapsed();
        let ms = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let us = |d: std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        now = Now { utc_ms: world::START_MS + ms(elapsed), mono_us: us(elapsed) };
        if elapsed.as_millis() >= next_checkpoint {
            let begun = cpu_us();
            core.checkpoint_now().expect("the disk works");
            checkpoint_us += cpu_us() - begun;
            next_checkpoint += 2_000;
        }
    }
    let begun = cpu_us();
    core.checkpoint_now().expect("the disk works");
    checkpoint_us += cpu_us() - begun;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_us() - cpu);
    println!(
        "engine: {messages} messages, {batches} batches, {:.0} messages/s, CPU {:.2} µs a message, of it checkpoints {:.2}",
        f64::from(messages) / seconds,
        cpu as f64 / f64::from(messages),
        checkpoint_us as f64 / f64::from(messages),
    );
}

/// User and system time of this process in microseconds.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    (ticks(11) + ticks(12)) * 10_000
}
