//! What the gateway does for services that use HTTP: endpoints, keys, blacklists, cancelling, upstreams that reconcile.

mod world;

use trunkline::gateway::cold::{By, Query};
use trunkline::gateway::event::EventKind;
use trunkline::gateway::id::{LinkId, MessageId, Outlet};
use trunkline::gateway::message::{End, Interface, Reason, Stage, What};
use trunkline::gateway::port::{
    Arrival, Arrived, Asker, DeliveryAnswer, Input, Key, NotCancelled, Once, Outcome, Refusal, Submission,
    When,
};
use trunkline::gateway::record::Report;
use trunkline::gateway::settings::{Channels, Endpoint, EndpointKind, OptOut, Settings, Unknown};
use trunkline::pdu::{CommandStatus, MessageState};
use world::moves::{self, MINUTE, TO, answer, arrives, gateway, message, mo, only_id, restart, step, wait};
use world::{SERVICE, UPSTREAM, World, content, settings};

const HOOK: Outlet = Outlet(0x8000);

/// A service with one endpoint, watched.
fn hooked() -> Settings {
    let mut s = settings();
    let service = &mut s.services[0];
    service.endpoints = vec![Endpoint::new("demo/crm", EndpointKind::Native)];
    service.watched = true;
    service.incoming = Channels::Webhook;
    s
}

fn with(settings: Settings) -> World {
    let mut w = moves::with(settings, 10);
    bind_hook(&mut w, 10);
    w
}

fn bind_hook(w: &mut World, window: u32) {
    if w.hook == LinkId(u64::MAX) {
        w.hook = w.link();
    }
    w.inputs.push_back(Input::EndpointBound { link: w.hook, outlet: HOOK, window });
    step(w);
}

fn native(text: &str) -> Submission {
    Submission::new(content(text, TO), Interface::Native)
}

fn hook_says(w: &mut World, status: CommandStatus) {
    let at = w.undelivered.iter().position(|(link, _)| *link == w.hook).expect("something was sent there");
    let (link, no) = w.undelivered.remove(at).expect("it is there");
    w.inputs.push_back(Input::DeliveryAnswers {
        link,
        answers: vec![DeliveryAnswer { no, status: Some(status) }],
    });
    step(w);
}

fn events(w: &mut World) -> Vec<(u64, EventKind)> {
    w.checkpoint().expect("the disk works");
    let cold = w.core().reader();
    let events = cold.events(SERVICE, 0, 1_000).expect("readable").expect("all are kept");
    events.into_iter().map(|e| (e.seq, e.kind)).collect()
}

#[test]
fn an_endpoint_is_told_in_order_and_the_esme_is_not() {
    let mut w = with(hooked());
    w.submit_with(native("hello"));
    step(&mut w);
    let id = only_id(&w);
    w.smsc_answers(1);
    step(&mut w);
    w.smsc_delivers(1);
    step(&mut w);
    assert_eq!(w.ledger.told, [(id, MessageState::ENROUTE, 1)], "the end waits until that is acknowledged");
    hook_says(&mut w, CommandStatus::ESME_ROK);
    assert_eq!(w.ledger.told.last(), Some(&(id, MessageState::DELIVERED, 1)));
    assert!(!message(&mut w, id).is_finished());
    hook_says(&mut w, CommandStatus::ESME_ROK);
    assert!(message(&mut w, id).is_finished());
    assert!(w.ledger.receipts.is_empty());
    let kinds: Vec<_> = events(&mut w).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [EventKind::Accepted, EventKind::Sent, EventKind::Ended(End::Delivered)]);
}

#[test]
fn what_an_endpoint_has_not_acknowledged_survives_restarts_and_refusals() {
    for checkpoint in [false, true] {
        let mut w = with(hooked());
        w.submit_with(native("hello"));
        step(&mut w);
        let id = only_id(&w);
        w.smsc_answers(1);
        step(&mut w);
        restart(&mut w, checkpoint);
        w.hook = LinkId(u64::MAX);
        w.ledger.told.clear();
        bind_hook(&mut w, 1);
        assert_eq!(w.ledger.told, [(id, MessageState::ENROUTE, 1)], "checkpoint {checkpoint}");
        hook_says(&mut w, CommandStatus::ESME_RX_T_APPN);
        assert_eq!(w.ledger.told.len(), 1, "put off");
        wait(&mut w, 5_000, 500);
        assert_eq!(w.ledger.told.last(), Some(&(id, MessageState::ENROUTE, 2)));
        for _ in 0..3 {
            hook_says(&mut w, CommandStatus::ESME_RSUBMITFAIL);
            wait(&mut w, 20_000, 1_000);
        }
        let dead = gateway(&mut w).state().dead(HOOK, 10).expect("readable");
        assert_eq!(dead.len(), 1, "three tries");
        assert_eq!(gateway(&mut w).state().counters.outlets[0].dead, 1);
        w.inputs.push_back(Input::Revive { outlet: HOOK });
        step(&mut w);
        hook_says(&mut w, CommandStatus::ESME_ROK);
        assert_eq!(gateway(&mut w).state().counters.outlets[0].dead, 0);
        assert_eq!(gateway(&mut w).state().counters.outlets[0].owed, 0);
    }
}

#[test]
fn a_paused_endpoint_gets_nothing_and_holds_up_nobody() {
    let mut w = with(hooked());
    bind_hook(&mut w, 0);
    w.submit_with(native("one"));
    w.submit(content("two", TO));
    step(&mut w);
    w.smsc_answers(2);
    step(&mut w);
    w.smsc_delivers(2);
    step(&mut w);
    assert!(w.ledger.told.is_empty());
    assert_eq!(w.ledger.receipts.len(), 1, "the ESME has the receipt of what it sent");
    bind_hook(&mut w, 5);
    assert_eq!(w.ledger.told.len(), 1);
}

#[test]
fn a_key_brings_the_same_message_again_and_refuses_another_body() {
    for checkpoint in [false, true] {
        let mut w = with(hooked());
        let keyed = |text: &str, digest: u8| Submission {
            key: Some(Key { key: [1; 16], digest: [digest; 16] }),
            ..native(text)
        };
        w.submit_with(keyed("hello", 1));
        w.submit_with(keyed("hello", 1));
        step(&mut w);
        let id = only_id(&w);
        restart(&mut w, checkpoint);
        w.submit_with(keyed("hello", 1));
        w.submit_with(keyed("other", 2));
        step(&mut w);
        assert_eq!(only_id(&w), id);
        assert_eq!(w.ledger.refused.iter().map(|r| r.1).collect::<Vec<_>>(), [Refusal::KeyReused]);
        assert_eq!(moves::totals(&mut w).accepted, 1);
        w.pass(25 * moves::HOUR);
        w.submit_with(keyed("other", 2));
        step(&mut w);
        assert_eq!(w.ledger.acked.len(), 2, "a key lives for a day");
    }
}

#[test]
fn a_message_is_taken_back_while_it_has_not_left() {
    let mut w = with(hooked());
    let later = When::In(10 * MINUTE);
    w.submit_with(Submission { schedule: Some(later), ..native("later") });
    step(&mut w);
    let id = only_id(&w);
    let cancel = |w: &mut World, id| {
        w.inputs.push_back(Input::Cancel { from: Asker::Call(1), service: SERVICE, id });
        step(w);
        w.ledger.cancelled.pop().expect("it is answered")
    };
    assert_eq!(cancel(&mut w, MessageId([1; 12])), Err(NotCancelled::Unknown));
    assert_eq!(cancel(&mut w, id), Ok(()));
    assert_eq!(cancel(&mut w, id), Err(NotCancelled::Ended(End::Cancelled)));
    wait(&mut w, 11 * MINUTE, MINUTE);
    assert!(w.ledger.at_smsc.is_empty(), "it never left");
    assert_eq!(w.ledger.told.last(), Some(&(id, MessageState::DELETED, 1)));
    w.submit_with(native("now"));
    step(&mut w);
    let sent = *w.ledger.acked.keys().find(|&&other| other != id).expect("accepted");
    assert_eq!(cancel(&mut w, sent), Err(NotCancelled::Left));
}

#[test]
fn a_word_of_the_mobile_keeps_further_messages_from_it() {
    let mut s = hooked();
    s.services[0].opt_out = Some(OptOut {
        stop: ["STOP".into(), "ARRÊT".into()].into(),
        start: ["START".into()].into(),
        stop_text: Some("Vous ne recevrez plus de messages.".into()),
        start_text: None,
    });
    let mut w = with(s);
    arrives(&mut w, Arrived::Mo(mo(" stop! ")));
    let mobile = 33_600_000_000;
    assert!(gateway(&mut w).state().is_blocked(SERVICE, mobile));
    assert_eq!(
        w.ledger.at_smsc["Vous ne recevrez plus de messages."], 1,
        "the confirmation goes all the same"
    );
    restart(&mut w, true);
    w.bind_upstream(10);
    w.submit_with(Submission::new(content("ad", "33600000000"), Interface::Native));
    step(&mut w);
    assert!(!w.ledger.at_smsc.contains_key("ad"));
    let id = *w.ledger.acked.keys().last().expect("it is accepted, then refused");
    let m = message(&mut w, id);
    assert_eq!(m.history.last().map(|e| e.what), Some(What::Ended(End::Refused, Reason::Blacklist)));
    arrives(&mut w, Arrived::Mo(mo("START")));
    assert!(!gateway(&mut w).state().is_blocked(SERVICE, mobile));
    let kinds: Vec<_> = events(&mut w).into_iter().map(|(_, kind)| kind).collect();
    assert!(kinds.contains(&EventKind::Blocked) && kinds.contains(&EventKind::Unblocked), "{kinds:?}");
}

#[test]
fn a_full_blacklist_takes_no_more() {
    let mut s = hooked();
    s.rules.blocked_max = 1;
    let mut w = with(s);
    for number in [1, 2] {
        let from = Asker::Call(1);
        w.inputs.push_back(Input::Block { from, service: SERVICE, number, blocked: true });
    }
    step(&mut w);
    assert_eq!(w.ledger.done, [1, 0]);
}

fn reconciling() -> Settings {
    let mut s = hooked();
    let upstream = &mut s.upstreams[0];
    (upstream.unknown, upstream.reconcile_ms) = (Unknown::Reconcile, 10 * MINUTE);
    upstream.inquire_after_ms = 20 * MINUTE;
    s
}

fn report(id: MessageId, upstream_id: &str, state: MessageState) -> Arrived {
    let about = content("", TO);
    Arrived::Receipt(Report {
        upstream_id: upstream_id.as_bytes().into(),
        other_id: Box::default(),
        source: about.destination,
        destination: about.source,
        state,
        error: 0,
        message: Some(id),
    })
}

fn unknown(w: &mut World) -> MessageId {
    w.submit_with(native("hello"));
    step(w);
    let id = only_id(w);
    let (link, ticket, _) = w.unanswered.pop_front().expect("it was sent");
    answer(w, link, ticket, Outcome::Unknown);
    id
}

#[test]
fn an_unknown_outcome_is_waited_for_and_never_sent_twice() {
    let mut w = with(reconciling());
    let id = unknown(&mut w);
    assert_eq!(message(&mut w, id).stage, Stage::Sent);
    wait(&mut w, 11 * MINUTE, MINUTE);
    assert_eq!(w.ledger.at_smsc["hello"], 1);
    let m = message(&mut w, id);
    assert_eq!(m.history.last().map(|e| e.what), Some(What::Ended(End::Unknown, Reason::NoReport)));
    assert_eq!(w.ledger.told.last(), Some(&(id, MessageState::UNKNOWN, 1)), "its service is told");
}

#[test]
fn a_report_with_our_own_id_ends_the_doubt() {
    for restarted in [false, true] {
        let mut w = with(reconciling());
        let id = unknown(&mut w);
        if restarted {
            restart(&mut w, true);
            w.bind_upstream(10);
            step(&mut w);
        }
        arrives(&mut w, report(id, "abc", MessageState::ENROUTE));
        assert_eq!(*message(&mut w, id).parts[0].upstream_id, *b"abc");
        wait(&mut w, 11 * MINUTE, MINUTE);
        assert_eq!(message(&mut w, id).stage, Stage::Sent, "nothing is in doubt any more");
        wait(&mut w, 11 * MINUTE, MINUTE);
        assert_eq!(w.ledger.inquired, [id], "it is asked about after twenty minutes");
        arrives(&mut w, report(id, "abc", MessageState::DELIVERED));
        assert_eq!(message(&mut w, id).stage, Stage::Ended(End::Delivered));
        assert_eq!(w.ledger.at_smsc["hello"], 1);
    }
}

#[test]
fn what_was_under_way_at_a_restart_is_not_sent_again_by_an_upstream_that_reconciles() {
    let mut w = with(reconciling());
    w.submit_with(native("hello"));
    step(&mut w);
    let id = only_id(&w);
    restart(&mut w, false);
    w.bind_upstream(10);
    step(&mut w);
    assert_eq!(w.ledger.at_smsc["hello"], 1);
    assert_eq!(message(&mut w, id).history.last().map(|e| e.what), Some(What::Unsure));
}

#[test]
fn an_mo_that_was_pushed_twice_is_one_message_across_restarts() {
    let mut w = with(hooked());
    let push = |w: &mut World, key: u8, also: u8| {
        let once = Some(Once { key: [key; 16], also: vec![[also; 16]] });
        let arrivals = vec![Arrival { reply: 900_001, what: Arrived::Mo(mo("Bonjour")), once }];
        w.inputs.push_back(Input::Arrivals { link: w.up, upstream: UPSTREAM, arrivals });
        step(w);
    };
    push(&mut w, 1, 9);
    push(&mut w, 1, 9);
    push(&mut w, 2, 1);
    assert_eq!(moves::totals(&mut w).incoming, 1);
    for checkpoint in [false, true] {
        restart(&mut w, checkpoint);
        w.bind_upstream(10);
        push(&mut w, 1, 9);
        assert_eq!(moves::totals(&mut w).incoming, 1, "checkpoint {checkpoint}");
    }
    push(&mut w, 3, 4);
    assert_eq!(moves::totals(&mut w).incoming, 2);
}

#[test]
fn an_mo_names_the_message_that_it_answers() {
    for checkpoint in [false, true] {
        let mut w = with(hooked());
        let asked = Submission::new(content("Quand ?", "33600000000"), Interface::Native);
        w.submit_with(asked);
        step(&mut w);
        let id = only_id(&w);
        w.settle().expect("the disk works");
        if checkpoint {
            w.checkpoint().expect("the disk works");
            w.checkpoint().expect("the disk works");
        }
        arrives(&mut w, Arrived::Mo(mo("Demain")));
        let fact = w.ledger.hooked.pop().expect("the endpoint gets it");
        assert_eq!(fact.answers.map(|(id, _)| id), Some(id), "checkpoint {checkpoint}");
        w.pass(8 * moves::DAY);
        arrives(&mut w, Arrived::Mo(mo("Trop tard")));
        let fact = w.ledger.hooked.pop().expect("the endpoint gets it");
        assert!(fact.answers.is_none(), "after seven days it answers nothing");
    }
}

#[test]
fn lists_find_messages_by_time_number_and_reference() {
    let mut w = with(hooked());
    let mut c = content("first", TO);
    c.reference = b"order-7"[..].into();
    w.submit_with(Submission::new(c, Interface::Native));
    step(&mut w);
    let first = only_id(&w);
    w.pass(2 * moves::DAY);
    w.submit_with(native("second"));
    step(&mut w);
    let second = *w.ledger.acked.keys().last().expect("accepted");
    arrives(&mut w, Arrived::Mo(mo("Bonjour")));
    w.checkpoint().expect("the disk works");
    let cold = w.core().reader();
    let query =
        |by| Query { by, from_ms: 0, until_ms: u64::MAX, after: None, newest_first: false, limit: 10 };
    let list = |q: Query| -> Vec<_> {
        cold.list(SERVICE, &q).expect("readable").into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(list(query(By::Messages)), [first, second]);
    assert_eq!(list(Query { newest_first: true, ..query(By::Messages) }), [second, first]);
    assert_eq!(list(Query { after: Some(first), ..query(By::Messages) }), [second]);
    assert_eq!(list(Query { newest_first: true, after: Some(second), ..query(By::Messages) }), [first]);
    assert_eq!(list(Query { limit: 1, ..query(By::Messages) }), [first]);
    assert_eq!(list(Query { until_ms: world::START_MS + 1_000, ..query(By::Messages) }), [first]);
    assert_eq!(list(query(By::Reference(b"order-7".to_vec()))), [first]);
    assert_eq!(list(query(By::Reference(b"order-8".to_vec()))), [MessageId([0; 12]); 0]);
    assert_eq!(list(query(By::Number(33_612_345_678))), [first, second]);
    assert_eq!(list(query(By::Incoming)).len(), 1);
    assert_eq!(list(query(By::Number(33_600_000_000))), list(query(By::Incoming)));
}

#[test]
fn events_keep_their_numbers_through_restarts() {
    let mut w = with(hooked());
    for text in ["a", "b", "c"] {
        w.submit_with(native(text));
        step(&mut w);
        w.smsc_answers(1);
        step(&mut w);
        if text == "b" {
            restart(&mut w, true);
            w.bind_upstream(10);
            step(&mut w);
        }
    }
    let before = events(&mut w);
    restart(&mut w, false);
    assert_eq!(events(&mut w), before);
    let numbers: Vec<u64> = before.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, (1..=6).collect::<Vec<_>>());
    let cold = w.core().reader();
    let page = cold.events(SERVICE, 2, 3).expect("readable").expect("kept");
    assert_eq!(page.iter().map(|e| e.seq).collect::<Vec<_>>(), [3, 4, 5]);
}

#[test]
fn what_happened_before_is_told_again_when_asked_for() {
    let mut w = with(hooked());
    w.submit_with(native("hello"));
    step(&mut w);
    let id = only_id(&w);
    w.smsc_answers(1);
    step(&mut w);
    hook_says(&mut w, CommandStatus::ESME_ROK);
    w.smsc_delivers(1);
    step(&mut w);
    hook_says(&mut w, CommandStatus::ESME_ROK);
    w.checkpoint().expect("the disk works");
    w.checkpoint().expect("the disk works");
    let owed = trunkline::gateway::delivery::Owed::Receipt {
        id,
        state: MessageState::DELIVERED,
        error: 0,
        part: (1, 1),
        at_ms: w.now.utc_ms,
        intermediate: false,
    };
    w.ledger.told.clear();
    w.inputs.push_back(Input::Replay { from: Asker::Call(1), outlet: HOOK, owed: vec![owed] });
    step(&mut w);
    assert_eq!(w.ledger.told, [(id, MessageState::DELIVERED, 1)]);
    assert_eq!(w.ledger.done, [1]);
    hook_says(&mut w, CommandStatus::ESME_ROK);
    assert!(message(&mut w, id).is_finished());
}

#[test]
fn what_is_put_off_is_not_overtaken_by_what_came_later_of_its_message() {
    for restarted in [false, true] {
        let mut w = with(hooked());
        w.submit_with(native("hello"));
        step(&mut w);
        let id = only_id(&w);
        w.smsc_answers(1);
        step(&mut w);
        hook_says(&mut w, CommandStatus::ESME_RX_T_APPN);
        w.smsc_delivers(1);
        step(&mut w);
        assert_eq!(w.ledger.told, [(id, MessageState::ENROUTE, 1)], "the end waits for what is put off");
        if restarted {
            restart(&mut w, true);
            w.hook = LinkId(u64::MAX);
            bind_hook(&mut w, 10);
        }
        wait(&mut w, 5_000, 500);
        assert_eq!(w.ledger.told.last(), Some(&(id, MessageState::ENROUTE, 2)), "restarted {restarted}");
        assert_eq!(w.ledger.told.len(), 2);
        hook_says(&mut w, CommandStatus::ESME_ROK);
        assert_eq!(w.ledger.told.last(), Some(&(id, MessageState::DELIVERED, 1)));
    }
}
