//! `kill -9` under load, twenty times, two of them while the gateway recovers from the kill before.
//!
//! The tests' own SMSC and ESME keep their side and count every id. At each kill at least a hundred messages are in each
//! of four stages: accepted and waiting, dispatched and unanswered, answered and without a receipt, receipted and not yet
//! taken by the ESME.

mod support;

use support::gateway::{Gateway, Site, Wanted, route, service, upstream};
use support::load::LoadEsme;
use support::metrics::{Metrics, STAGES};
use support::smsc::Smsc;
use support::{ms, pass, until};

const KILLS: usize = 20;
/// These kills come while the gateway recovers, so many milliseconds after its start.
const DURING_RECOVERY: [(usize, u64); 2] = [(7, 15), (14, 40)];
const AT_LEAST: u64 = 100;
const SESSIONS: u64 = 2;
const WINDOW: u64 = 100;
const DELIVER_WINDOW: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_over_twenty_kills_under_load() {
    let smsc = Smsc::start(None).await;
    let site =
        Site::new(&Wanted { rest: &configuration(&smsc), store: "segment = \"1MiB\"", ..Wanted::default() });
    let esme = LoadEsme::start(site.smpp_tls, Some(site.connector()), "shop", 200, 2_000);
    let mut gateway = site.start().await;
    let mut at_kill = [0; 4];

    for kill in 1..=KILLS {
        let recovering = DURING_RECOVERY.iter().find(|(nth, _)| *nth == kill);
        if recovering.is_none() {
            at_kill = fill_every_stage(&gateway, &smsc, &esme).await;
        }
        assert!(at_kill.iter().all(|count| *count >= AT_LEAST), "kill {kill}: {at_kill:?}");
        let pid = gateway.pid();
        gateway.kill();
        let stages: Vec<String> =
            STAGES.iter().zip(at_kill).map(|(stage, count)| format!("{stage} {count}")).collect();
        let when = if recovering.is_some() { " while it recovered" } else { "" };
        println!("kill {kill:>2} of {pid}{when}: {}", stages.join(", "));

        let next = DURING_RECOVERY.iter().find(|(nth, _)| *nth == kill + 1);
        match next {
            Some((_, after)) => {
                gateway = site.spawn();
                pass(ms(*after)).await;
            }
            None => gateway = site.start().await,
        }
        if next.is_none() {
            flow(&smsc, &esme);
            until("the ESME is bound again", || esme.book().is_bound.then_some(())).await;
            until("the SMSC is bound again", || (smsc.book().sessions == SESSIONS).then_some(())).await;
            gateway.metrics().await.add_up();
            some_load(&esme).await;
        }
    }

    // The end: no more texts, everything drains.
    esme.set(|book| book.submits = false);
    flow(&smsc, &esme);
    gateway.until("everything drained", |metrics| metrics.stages() == [0; 4]).await;
    until("every receipt came", || (esme.book().unreceipted() == 0).then_some(())).await;
    let last = gateway.metrics().await;
    last.add_up();
    let [dispatches, deliveries] = ["dispatch", "delivery"].map(|kind| last.duplicates(kind));
    assert!(gateway.terminate().await.success(), "SIGTERM ends with status 0");

    let (esme, smsc) = (esme.book(), smsc.book());
    let lost = esme.acknowledged.values().filter(|text| !smsc.copies.contains_key(text.as_bytes())).count();
    let (again_up, again_down) = (smsc.extra_copies(), esme.extra_receipts());
    let kills = KILLS as u64;
    println!(
        "chaos: {} acknowledged, {} unknown, {lost} lost, {} without receipt; {again_up} sent again to the SMSC \
         ({} counted), {again_down} receipts delivered again ({} counted), over {} binds",
        esme.acknowledged.len(),
        esme.unknown,
        esme.unreceipted(),
        dispatches,
        deliveries,
        esme.binds,
    );
    assert!(esme.acknowledged.len() as u64 > 4 * AT_LEAST * (kills - 3), "too little load to mean anything");
    assert_eq!(lost, 0, "acknowledged, and never at the SMSC");
    assert_eq!(esme.repeated_ids, [""; 0], "ids given out twice");
    let foreign = esme.receipts.keys().filter(|id| !esme.acknowledged.contains_key(*id)).count() as u64;
    assert!(foreign <= esme.unknown, "{foreign} receipts for {} unknown outcomes", esme.unknown);
    // SEMANTICS 1: doubt is bounded by the windows at each kill, and counted.
    assert!(again_up <= dispatches, "{again_up} copies, {} counted", dispatches);
    assert!(dispatches <= kills * SESSIONS * WINDOW, "{} counted", dispatches);
    assert!(again_down <= deliveries, "{again_down} receipts again, {} counted", deliveries);
    assert!(deliveries <= kills * DELIVER_WINDOW, "{} counted", deliveries);
}

fn configuration(smsc: &Smsc) -> String {
    [
        service("shop", &format!("deliver_window = {DELIVER_WINDOW}")),
        upstream("a", smsc.addr, &format!("sessions = {SESSIONS}\nwindow = {WINDOW}")),
        route(&["a"], ""),
    ]
    .concat()
}

/// Everything runs.
fn flow(smsc: &Smsc, esme: &LoadEsme) {
    smsc.set(|book| (book.holds_answers, book.holds_deliveries) = (false, false));
    esme.set(|book| book.holds_answers = false);
}

/// Texts are taken and receipts come for a while.
async fn some_load(esme: &LoadEsme) {
    let counts = || {
        let book = esme.book();
        (book.acknowledged.len(), book.receipts.len())
    };
    let before = counts();
    let more = 4 * usize::try_from(AT_LEAST).expect("a small number");
    let has_grown = || {
        let now = counts();
        (now.0 >= before.0 + more && now.1 >= before.1 + more).then_some(())
    };
    until("hundreds more went through", has_grown).await;
}

/// Lets each stage fill while texts keep coming, the last one first: what the ESME has answered already, or the
/// metrics have not seen yet, may empty a stage again, so the first that is short decides what flows.
async fn fill_every_stage(gateway: &Gateway, smsc: &Smsc, esme: &LoadEsme) -> [u64; 4] {
    esme.set(|book| (book.submits, book.holds_answers) = (true, true));
    let step = |metrics: &Metrics| {
        let [waiting, dispatched, sent, notify] = metrics.stages();
        let is_short = |count: u64| count < AT_LEAST + 20;
        smsc.set(|book| {
            book.holds_deliveries = !is_short(notify);
            book.holds_answers = book.holds_deliveries && !is_short(sent);
        });
        !is_short(notify) && !is_short(sent) && dispatched >= AT_LEAST && waiting >= AT_LEAST
    };
    gateway.until("enough in every stage", step).await.stages()
}
