//! The power goes at every boundary of a scripted run, and again during recovery: every acknowledgement is found again.

mod world;

use std::collections::BTreeSet;

use trunkline::gateway::event::EventKind;
use trunkline::gateway::id::Outlet;
use trunkline::gateway::message::{End, Interface};
use trunkline::gateway::port::{Input, Key, Submission};
use trunkline::gateway::settings::{Endpoint, EndpointKind};
use trunkline::store::fault::{Cut, Extent};
use world::{SERVICE, World, content, settings};

/// A run in which messages are in every stage at once, with checkpoints and segment changes in between.
/// Stops at the first failure.
fn script(w: &mut World) -> Result<(), ()> {
    w.bind_upstream(5);
    w.bind_esme();
    for round in 0..8 {
        for n in 0..3 {
            w.submit(content(&format!("r{round}n{n}"), &format!("3361234567{n}")));
        }
        w.mo(&format!("mo{round}"));
        w.step()?;
        w.smsc_answers(2);
        w.smsc_delivers(2);
        w.step()?;
        w.esme_answers(1);
        w.pass(20);
        w.step()?;
        if round % 3 == 2 {
            w.checkpoint()?;
        }
    }
    Ok(())
}

/// One of the modes, in turn.
fn mode_of(n: u64) -> Cut {
    let modes = Cut::ALL.len() as u64;
    Cut::ALL[usize::try_from(n % modes).expect("small")]
}

fn fresh() -> World {
    World::new(settings())
}

/// Operations of the whole script.
fn boundaries() -> u64 {
    let mut w = fresh();
    script(&mut w).expect("nothing fails");
    w.disk.operations()
}

#[test]
fn every_acknowledgement_survives_a_power_cut_at_every_boundary() {
    let start = fresh().disk.operations();
    let mut cuts = 0;
    for at in start..boundaries() {
        for mode in Cut::ALL {
            let why = format!("cut {mode:?} at operation {at}");
            let mut w = fresh();
            w.disk.power_off_at(at);
            let _ = script(&mut w);
            let disk = w.disk.cut(at, mode);
            w.restart_on(disk).unwrap_or_else(|e| panic!("{why}: {e:?}"));
            w.settle().unwrap_or_else(|()| panic!("{why}: failed after recovery"));
            w.check(&why);
            cuts += 1;
        }
    }
    println!("{cuts} power cuts");
}

#[test]
fn every_acknowledgement_survives_a_second_cut_during_recovery() {
    let start = fresh().disk.operations();
    let mut cuts = 0;
    for at in (start..boundaries()).step_by(3) {
        let mode = mode_of(at);
        for again in 0..12 {
            let why = format!("cut {mode:?} at operation {at}, again {again} operations into recovery");
            let mut w = fresh();
            w.disk.power_off_at(at);
            let _ = script(&mut w);
            let disk = w.disk.cut(at, mode);
            disk.power_off_at(disk.operations() + again);
            let recovered = w.restart_on(disk).is_ok();
            if recovered {
                let _ = w.step();
            }
            let mode = mode_of(at + again);
            let disk = w.disk.cut(at ^ again, mode);
            w.restart_on(disk).unwrap_or_else(|e| panic!("{why}: {e:?}"));
            w.settle().unwrap_or_else(|()| panic!("{why}: failed after recovery"));
            w.check(&why);
            cuts += 1;
        }
    }
    println!("{cuts} double power cuts");
}

#[test]
fn a_failing_write_or_sync_acknowledges_nothing_and_loses_nothing() {
    let start = fresh().disk.operations();
    for at in start..boundaries() {
        for (extent, kind) in [
            (Extent::Nothing, std::io::ErrorKind::StorageFull),
            (Extent::Part(at), std::io::ErrorKind::StorageFull),
            (Extent::Everything, std::io::ErrorKind::Other),
        ] {
            let why = format!("operation {at} fails with {kind:?} after {extent:?}");
            let mut w = fresh();
            w.disk.fail(at, kind, extent);
            if script(&mut w).is_err() {
                let disk = w.disk.cut(at, Cut::Killed);
                w.restart_on(disk).unwrap_or_else(|e| panic!("{why}: {e:?}"));
            }
            w.settle().unwrap_or_else(|()| panic!("{why}: failed after recovery"));
            w.check(&why);
        }
    }
}

#[test]
fn goes_on_in_the_same_process_after_a_failed_sync() {
    let mut w = fresh();
    w.bind_upstream(5);
    w.bind_esme();
    w.submit(content("before", "33612345678"));
    w.step().expect("works");
    w.disk.fail_syncs(Some(std::io::ErrorKind::StorageFull));
    w.submit(content("during", "33612345678"));
    let mut core = w.core.take().expect("open");
    let mut effects = Vec::new();
    assert!(core.step(&mut w.inputs, w.now, &mut effects).is_err());
    assert_eq!(effects.len(), 1, "one refusal");
    assert!(core.reopen([9; 5], w.now).is_err(), "the disk is still full");
    w.disk.fail_syncs(None);
    core.reopen([9; 5], w.now).expect("the disk was freed");
    w.core = Some(core);
    w.unanswered.clear();
    w.bind_upstream(5);
    w.bind_esme();
    w.submit(content("after", "33612345678"));
    w.settle().expect("works again");
    assert!(!w.ledger.at_smsc.contains_key("during"), "what was refused does not come back");
    assert_eq!(w.ledger.acked.len(), 2);
    w.check("after a failed sync");
}

// ------------------------------------------------------------------- services that use HTTP

/// A service with a webhook, listing and events.
fn hooked() -> World {
    let mut s = settings();
    s.services[0].endpoints = vec![Endpoint::new("demo/crm", EndpointKind::Native)];
    s.services[0].watched = true;
    World::new(s)
}

fn bind_hook(w: &mut World) {
    w.hook = w.link();
    w.inputs.push_back(Input::EndpointBound { link: w.hook, outlet: Outlet(0x8000), window: 5 });
}

fn keyed(n: u8) -> Submission {
    let key = Some(Key { key: [n; 16], digest: [n; 16] });
    Submission { key, ..Submission::new(content(&format!("k{n}"), "33612345678"), Interface::Native) }
}

/// Stops at the first failure. Returns what was acknowledged for each key in the ledger.
fn hooked_script(w: &mut World) -> Result<(), ()> {
    w.bind_upstream(5);
    w.bind_esme();
    bind_hook(w);
    for round in 0..6 {
        w.submit_with(keyed(2 * round));
        w.submit_with(keyed(2 * round + 1));
        w.mo(&format!("mo{round}"));
        w.step()?;
        w.smsc_answers(2);
        w.smsc_delivers(2);
        w.step()?;
        w.esme_answers(2);
        w.pass(20);
        w.step()?;
        if round % 2 == 1 {
            w.checkpoint()?;
        }
    }
    Ok(())
}

#[test]
fn keys_webhooks_and_events_survive_a_power_cut_at_every_boundary() {
    let start = hooked().disk.operations();
    let mut whole = hooked();
    hooked_script(&mut whole).expect("nothing fails");
    let mut cuts = 0;
    for at in start..whole.disk.operations() {
        let mode = mode_of(at);
        let why = format!("cut {mode:?} at operation {at}");
        let mut w = hooked();
        w.disk.power_off_at(at);
        let _ = hooked_script(&mut w);
        let acked = w.ledger.acked.clone();
        let disk = w.disk.cut(at, mode);
        w.restart_on(disk).unwrap_or_else(|e| panic!("{why}: {e:?}"));
        bind_hook(&mut w);
        // A client that never got its answer repeats all of its requests; those that it got bring the same ids.
        for n in 0..12 {
            w.submit_with(keyed(n));
        }
        w.settle().unwrap_or_else(|()| panic!("{why}: failed after recovery"));
        for (id, text) in &acked {
            assert_eq!(w.ledger.acked.get(id), Some(text), "{why}: {text} has another id now");
        }
        assert_eq!(w.ledger.acked.len(), 12, "{why}");
        let told: BTreeSet<_> =
            w.ledger.told.iter().filter(|(_, state, _)| state.is_final()).map(|(id, ..)| *id).collect();
        assert!(w.ledger.acked.keys().all(|id| told.contains(id)), "{why}: a webhook is missing");
        w.checkpoint().unwrap_or_else(|()| panic!("{why}: no checkpoint"));
        let cold = w.core().reader();
        let events = cold.events(SERVICE, 0, 10_000).expect("readable").expect("kept");
        let numbers: Vec<u64> = events.iter().map(|e| e.seq).collect();
        let newest = w.core().gateway().expect("open").state().counters.event;
        assert_eq!(numbers, (1..=newest).collect::<Vec<_>>(), "{why}: events are missing or doubled");
        for id in w.ledger.acked.keys() {
            let kinds: Vec<_> = events.iter().filter(|e| e.id == *id).map(|e| e.kind).collect();
            assert_eq!(kinds.first(), Some(&EventKind::Accepted), "{why}");
            assert_eq!(kinds.last(), Some(&EventKind::Ended(End::Delivered)), "{why}: {kinds:?}");
        }
        cuts += 1;
    }
    println!("{cuts} power cuts with webhooks");
}
