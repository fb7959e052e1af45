//! What Trunkline means by its words: promises about order, long messages, receipts, limits and lifetimes, each kept in a
//! world with a virtual clock and over restarts.

mod world;

use std::sync::Arc;

use trunkline::gateway::id::ServiceNo;
use trunkline::gateway::message::{Content, End, Reason, What};
use trunkline::gateway::port::{Arrived, Asker, DeliveryAnswer, Input, Outcome, Refusal, When};
use trunkline::gateway::settings::{LongMode, Route, Settings};
use trunkline::pdu::{CommandStatus, MessageState, RegisteredDelivery};
use trunkline::store::fault::Cut;
use world::moves::*;
use world::{SERVICE, START_MS, UPSTREAM, World, address, content, service, settings, submission};

// Validity, order, room (3, 4, 5).

#[test]
fn a_validity_beyond_the_maximum_is_cut_to_it() {
    let asked: [(Option<When>, Option<When>, u64); 5] = [
        (Some(When::In(30 * DAY)), None, 7 * DAY),
        (Some(When::At(START_MS + 30 * DAY)), None, 7 * DAY),
        (Some(When::In(6 * DAY)), None, 6 * DAY),
        (None, None, 2 * DAY),
        (Some(When::In(30 * DAY)), Some(When::In(DAY)), 8 * DAY),
    ];
    for (validity, schedule, after_ms) in asked {
        let mut w = World::new(settings());
        let mut s = submission(0, content("m", TO));
        (s.validity, s.schedule) = (validity, schedule);
        w.submit_with(s);
        step(&mut w);
        let id = only_id(&w);
        assert_eq!(message(&mut w, id).expires_ms, START_MS + after_ms, "{validity:?} {schedule:?}");
        wait(&mut w, after_ms - 1_000, HOUR);
        w.pass(1_000);
        step(&mut w);
        assert_eq!(ended(&mut w, End::Expired), 1);
        adds_up(&mut w);
    }
}

fn strict() -> Settings {
    let mut s = settings();
    s.services[0].strict_order = true;
    s
}

#[test]
fn a_strict_service_keeps_its_order_behind_a_message_that_was_put_off() {
    let mut w = with(strict(), 10);
    for n in 0..3 {
        w.submit(content(&format!("m{n}"), TO));
    }
    step(&mut w);
    assert_eq!(under_way(&w), ["m0"], "the next one leaves when this one is taken");
    refuses(&mut w, CommandStatus::ESME_RMSGQFUL);
    assert!(w.unanswered.is_empty(), "nobody passes");
    wait(&mut w, 1_200, 100);
    assert_eq!(under_way(&w), ["m0"], "it is the first to go again");
    takes(&mut w, "a");
    assert_eq!(under_way(&w), ["m1"]);
    w.settle().unwrap();
    adds_up(&mut w);
}

#[test]
fn a_strict_service_keeps_its_order_over_a_restart() {
    for checkpoint in [false, true] {
        let mut w = with(strict(), 1);
        for n in 0..3 {
            w.submit(content(&format!("m{n}"), TO));
        }
        step(&mut w);
        refuses(&mut w, CommandStatus::ESME_RMSGQFUL);
        restart(&mut w, checkpoint);
        w.bind_upstream(10);
        step(&mut w);
        assert!(w.unanswered.is_empty(), "nobody passes");
        for n in 0..3 {
            wait(&mut w, 1_100, 100);
            assert_eq!(under_way(&w), [format!("m{n}")]);
            takes(&mut w, &format!("id{n}"));
        }
        adds_up(&mut w);
    }
}

#[test]
fn a_strict_service_does_not_hold_up_another_in_its_lane() {
    let mut s = strict();
    s.services.push(service("other"));
    let mut w = with(s, 10);
    w.submit(content("strict", TO));
    step(&mut w);
    refuses(&mut w, CommandStatus::ESME_RMSGQFUL);
    // Enough recipients to be in every lane.
    let submissions: Vec<_> =
        (0..400).map(|n| submission(n, content("other", &format!("3362{n:07}")))).collect();
    w.inputs.push_back(Input::Submit { from: Asker::Link(w.down), service: ServiceNo(1), submissions });
    step(&mut w);
    for _ in 0..400 {
        if w.unanswered.is_empty() {
            break;
        }
        takes(&mut w, "");
    }
    assert_eq!(w.ledger.at_smsc["other"], 400);
    assert_eq!(w.ledger.at_smsc["strict"], 1);
    adds_up(&mut w);
}

#[test]
fn segments_of_one_message_leave_together_though_the_window_is_smaller() {
    let mut s = settings();
    s.upstreams[0].long = LongMode::Udh;
    let mut w = with(s, 2);
    w.submit(content("before", TO));
    w.submit(content(&"x".repeat(700), TO));
    for n in 0..4 {
        w.submit(content(&format!("behind{n}"), TO));
        w.submit(content(&format!("elsewhere{n}"), &format!("3361234567{n}")));
    }
    step(&mut w);
    let mut sent = Vec::new();
    for _ in 0..40 {
        let Some((link, ticket, content)) = w.unanswered.pop_front() else { break };
        sent.push(content.payload.to_vec());
        answer(&mut w, link, ticket, Outcome::Taken(format!("id{}", sent.len()).as_bytes().into()));
    }
    assert_eq!(sent.len(), 5 + 9);
    let first = sent.iter().position(|p| p.first() == Some(&5)).unwrap();
    let numbers: Vec<_> = sent[first..first + 5].iter().map(|p| p[..6].to_vec()).collect();
    for (n, header) in (1..).zip(&numbers) {
        assert_eq!(header[4..], [5, n], "nothing gets between the segments, and they are in order");
    }
    let texts: Vec<_> = sent.iter().filter(|p| p.starts_with(b"b")).map(|p| p.as_slice()).collect();
    assert_eq!(texts, [&b"before"[..], b"behind0", b"behind1", b"behind2", b"behind3"]);
    adds_up(&mut w);
}

#[test]
fn a_service_may_have_waiting_max_messages_waiting_and_room_comes_back() {
    let mut s = settings();
    s.services[0].waiting_max = 3;
    let mut w = World::new(s);
    for n in 0..5 {
        w.submit(content(&format!("m{n}"), TO));
    }
    step(&mut w);
    let refusals: Vec<_> = w.ledger.refused.iter().map(|r| r.1).collect();
    assert_eq!((w.ledger.acked.len(), refusals), (3, vec![Refusal::QueueFull; 2]));
    restart(&mut w, true);
    w.submit(content("still full", TO));
    step(&mut w);
    assert_eq!(w.ledger.acked.len(), 3, "the limit holds over a restart");
    w.bind_upstream(10);
    w.bind_esme();
    step(&mut w);
    takes(&mut w, "a");
    w.submit(content("m5", TO));
    w.submit(content("m6", TO));
    step(&mut w);
    assert_eq!((w.ledger.acked.len(), w.ledger.refused.len()), (4, 4), "room for one");
    w.settle().unwrap();
    w.submit(content("m7", TO));
    w.settle().unwrap();
    assert_eq!(w.ledger.acked.len(), 5);
    adds_up(&mut w);
}

// Long messages (6, 7).

#[test]
fn later_parts_follow_the_route_of_their_first_although_it_has_changed() {
    let mut w = World::new(two_upstreams());
    w.bind_esme();
    w.submit(client_part(9, 3, 1, TO));
    step(&mut w);
    let mut changed = two_upstreams();
    changed.routes = vec![route_to(&["second"])];
    w.inputs.push_back(Input::Configure(Arc::new(changed)));
    w.submit(client_part(9, 3, 2, TO));
    w.submit(client_part(9, 3, 3, TO));
    w.submit(client_part(10, 3, 1, TO));
    step(&mut w);
    let ids: Vec<_> = w.ledger.acked.keys().copied().collect();
    let upstreams: Vec<_> = ids.iter().map(|&id| message(&mut w, id).upstream.0).collect();
    assert_eq!(upstreams, [0, 0, 0, 1], "another reference is another message");
    adds_up(&mut w);
}

#[test]
fn a_reference_used_again_later_follows_its_new_first_part() {
    let mut w = World::new(two_upstreams());
    w.submit(client_part(9, 2, 1, TO));
    step(&mut w);
    wait(&mut w, HOUR, MINUTE);
    let mut changed = two_upstreams();
    changed.routes = vec![route_to(&["second"])];
    w.inputs.push_back(Input::Configure(Arc::new(changed)));
    w.submit(client_part(9, 2, 1, TO));
    step(&mut w);
    w.inputs.push_back(Input::Configure(Arc::new(two_upstreams())));
    w.submit(client_part(9, 2, 2, TO));
    step(&mut w);
    let ids: Vec<_> = w.ledger.acked.keys().copied().collect();
    let upstreams: Vec<_> = ids.iter().map(|&id| message(&mut w, id).upstream.0).collect();
    assert_eq!(upstreams, [0, 1, 1]);
    adds_up(&mut w);
}

#[test]
fn a_refused_segment_ends_the_message_and_the_rest_is_not_sent() {
    for (long, checkpoint) in [(LongMode::Udh, false), (LongMode::Sar, true)] {
        let mut s = settings();
        s.upstreams[0].long = long;
        let mut w = with(s, 1);
        w.submit(content(&"x".repeat(700), TO));
        w.submit(content("next", TO));
        step(&mut w);
        takes(&mut w, "one");
        refuses(&mut w, CommandStatus::ESME_RINVDSTADR);
        assert_eq!(under_way(&w), ["next"], "three segments stay here");
        let id = *w.ledger.acked.keys().next().unwrap();
        let m = message(&mut w, id);
        let refused = m.history.iter().find(|e| matches!(e.what, What::Refused(_))).expect("in the history");
        assert_eq!(refused.part, 2, "the part is named");
        assert_eq!(w.ledger.receipts, [(id, MessageState::REJECTED)]);
        adds_up(&mut w);
        restart(&mut w, checkpoint);
        w.bind_upstream(10);
        w.bind_esme();
        w.settle().unwrap();
        assert_eq!(ended(&mut w, End::Refused), 1);
        let segments: u32 = w.ledger.at_smsc.iter().filter(|(t, _)| t.contains("xx")).map(|(_, n)| n).sum();
        assert_eq!(segments, 2, "the rest does not go after a restart either");
        adds_up(&mut w);
    }
}

#[test]
fn segments_under_way_when_another_is_refused_give_their_window_slots_back() {
    let outcomes: [fn() -> Outcome; 3] = [
        || Outcome::Taken(b"late".as_slice().into()),
        || Outcome::Refused(CommandStatus::ESME_RINVDSTADR),
        || Outcome::TimedOut,
    ];
    for outcome in outcomes {
        let mut s = settings();
        s.upstreams[0].long = LongMode::Udh;
        let mut w = with(s, 3);
        let mut long = content(&"x".repeat(700), TO);
        long.registered_delivery = RegisteredDelivery(0);
        w.submit(long);
        step(&mut w);
        refuses(&mut w, CommandStatus::ESME_RINVDSTADR);
        w.checkpoint().unwrap();
        step(&mut w);
        assert_eq!(w.unanswered.len(), 2);
        while let Some((link, ticket, _)) = w.unanswered.pop_front() {
            answer(&mut w, link, ticket, outcome());
        }
        assert_eq!(gateway(&mut w).upstream_figures()[0].in_flight, 0, "{:?}", outcome());
        w.checkpoint().unwrap();
        step(&mut w);
        assert_eq!(gateway(&mut w).state().live_len(), 0, "and it leaves the memory");
        assert_eq!(gateway(&mut w).state().counters.dispatch_doubts, [0; 3], "nothing is sent twice");
        for n in 0..3 {
            w.submit(content(&format!("m{n}"), TO));
        }
        step(&mut w);
        assert_eq!(under_way(&w), ["m0", "m1", "m2"]);
        adds_up(&mut w);
    }
}

#[test]
fn a_partial_set_goes_out_at_its_time_and_late_parts_go_alone() {
    let mut w = ready();
    part(&mut w, 3, 3, "three");
    part(&mut w, 3, 1, "one ");
    wait(&mut w, 29 * MINUTE, MINUTE);
    assert!(w.ledger.mo.is_empty(), "it still waits");
    wait(&mut w, 2 * MINUTE, MINUTE);
    assert_eq!(newest_mo(&mut w), ("one three".into(), (2, 3), false));
    part(&mut w, 3, 1, "one ");
    assert_eq!(w.ledger.mo.len(), 1, "a repeated part is dropped");
    part(&mut w, 3, 2, "two ");
    assert_eq!(newest_mo(&mut w), ("two ".into(), (1, 3), true));
    part(&mut w, 3, 2, "two ");
    assert_eq!(w.ledger.mo.len(), 2);
    assert_eq!(gateway(&mut w).counts.mo_repeated, 2);
    wait(&mut w, 31 * MINUTE, MINUTE);
    assert_eq!((w.ledger.mo.len(), gateway(&mut w).state().sets_len()), (2, 0), "out once, then forgotten");
    w.settle().unwrap();
    assert_eq!((totals(&mut w).owed, totals(&mut w).incoming), (0, 2));
    adds_up(&mut w);
}

#[test]
fn other_content_under_a_known_number_closes_the_set_and_opens_a_new_one() {
    for whole in [false, true] {
        let mut w = ready();
        part(&mut w, 2, 1, "old one ");
        if whole {
            part(&mut w, 2, 2, "old two");
            assert_eq!(newest_mo(&mut w), ("old one old two".into(), (2, 2), false));
        }
        part(&mut w, 2, 1, "new one ");
        if !whole {
            assert_eq!(newest_mo(&mut w), ("old one ".into(), (1, 2), false));
        }
        assert_eq!(w.ledger.mo.len(), 1);
        part(&mut w, 2, 2, "new two");
        assert_eq!(newest_mo(&mut w), ("new one new two".into(), (2, 2), false));
        assert_eq!(w.ledger.mo.len(), 2);
        adds_up(&mut w);
    }
}

#[test]
fn joins_go_on_over_a_restart() {
    for checkpoint in [false, true] {
        let mut w = ready();
        part(&mut w, 3, 2, "two ");
        restart(&mut w, checkpoint);
        w.bind_upstream(10);
        w.bind_esme();
        part(&mut w, 3, 2, "two ");
        part(&mut w, 3, 1, "one ");
        restart(&mut w, checkpoint);
        w.bind_upstream(10);
        w.bind_esme();
        wait(&mut w, 31 * MINUTE, MINUTE);
        assert_eq!(newest_mo(&mut w), ("one two ".into(), (2, 3), false));
        w.esme_answers(1);
        step(&mut w);
        restart(&mut w, checkpoint);
        w.bind_upstream(10);
        w.bind_esme();
        part(&mut w, 3, 1, "one ");
        part(&mut w, 3, 3, "three");
        assert_eq!(newest_mo(&mut w), ("three".into(), (1, 3), true));
        assert_eq!(w.ledger.mo.len(), 2, "the repeated one is still known");
        w.settle().unwrap();
        assert_eq!(totals(&mut w).owed, 0);
        adds_up(&mut w);
    }
}

#[test]
fn more_sets_than_joins_max_send_the_oldest_out_as_it_is() {
    let mut s = settings();
    s.rules.joins_max = 2;
    let mut w = with(s, 10);
    for reference in 1..=3 {
        let mo = mo(&format!("set {reference}"));
        arrives(&mut w, Arrived::MoPart { reference, wide: true, total: 2, number: 1, mo });
    }
    assert_eq!(newest_mo(&mut w), ("set 1".into(), (1, 2), false));
    assert_eq!((w.ledger.mo.len(), gateway(&mut w).state().sets_len()), (1, 2));
}

#[test]
fn an_mo_repeated_after_its_link_has_gone_is_dropped_and_on_a_live_one_it_is_kept() {
    let mut w = ready();
    arrives(&mut w, Arrived::Mo(mo("yes")));
    arrives(&mut w, Arrived::Mo(mo("yes")));
    assert_eq!(w.ledger.mo.len(), 2, "people do say things twice");
    w.inputs.push_back(Input::LinkClosed { link: w.up });
    w.bind_upstream(10);
    arrives(&mut w, Arrived::Mo(mo("yes")));
    assert_eq!((w.ledger.mo.len(), gateway(&mut w).counts.mo_repeated), (2, 1));
    arrives(&mut w, Arrived::Mo(mo("no")));
    assert_eq!(w.ledger.mo.len(), 3);
    arrives(&mut w, Arrived::Mo(mo("yes")));
    assert_eq!(w.ledger.mo.len(), 4, "after its repetition on the new link it is new again");
    w.inputs.push_back(Input::LinkClosed { link: w.up });
    w.bind_upstream(10);
    wait(&mut w, 61_000, 1_000);
    arrives(&mut w, Arrived::Mo(mo("yes")));
    assert_eq!(w.ledger.mo.len(), 5, "a minute later it is no repetition");
}

#[test]
fn an_mo_repeated_after_a_restart_is_dropped() {
    let mut w = ready();
    arrives(&mut w, Arrived::Mo(mo("yes")));
    w.esme_answers(1);
    step(&mut w);
    restart(&mut w, false);
    w.bind_upstream(10);
    w.bind_esme();
    arrives(&mut w, Arrived::Mo(mo("yes")));
    assert_eq!((w.ledger.mo.len(), gateway(&mut w).counts.mo_repeated), (1, 1));
    assert_eq!(totals(&mut w).incoming, 1);
}

#[test]
fn without_mo_dedupe_nothing_is_dropped() {
    let mut s = settings();
    s.upstreams[0].mo_dedupe_ms = 0;
    let mut w = with(s, 10);
    arrives(&mut w, Arrived::Mo(mo("yes")));
    w.inputs.push_back(Input::LinkClosed { link: w.up });
    w.bind_upstream(10);
    arrives(&mut w, Arrived::Mo(mo("yes")));
    assert_eq!(w.ledger.mo.len(), 2);
}

// Dead letters (9, 12).

/// One receipt and one MO that the ESME refuses for good.
fn with_dead_letters() -> World {
    let mut w = ready();
    w.submit(content("m", TO));
    step(&mut w);
    let m = takes(&mut w, "a");
    receipt(&mut w, UPSTREAM, "a", &m);
    arrives(&mut w, Arrived::Mo(mo("mo")));
    for n in 0..3 {
        assert_eq!((w.undelivered.len(), dead(&mut w)), (2, 0), "try {n}");
        esme_says(&mut w, CommandStatus::ESME_RSUBMITFAIL);
        esme_says(&mut w, CommandStatus::ESME_RSUBMITFAIL);
        wait(&mut w, 2 * MINUTE, 1_000);
    }
    assert_eq!((w.undelivered.len(), dead(&mut w), totals(&mut w).owed), (0, 2, 0));
    adds_up(&mut w);
    w
}

#[test]
fn a_dead_letter_is_listed_and_revived_over_checkpoints_and_restarts() {
    for (first, second) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut w = with_dead_letters();
        restart(&mut w, first);
        assert_eq!((dead(&mut w), totals(&mut w).owed), (2, 0));
        revive(&mut w);
        assert_eq!((dead(&mut w), totals(&mut w).owed), (0, 2));
        restart(&mut w, second);
        assert_eq!((dead(&mut w), totals(&mut w).owed), (0, 2));
        w.ledger.receipts.clear();
        w.ledger.mo.clear();
        w.bind_upstream(10);
        w.bind_esme();
        step(&mut w);
        assert_eq!((w.ledger.receipts.len(), w.ledger.mo.as_slice()), (1, &["mo".to_owned()][..]));
        w.settle().unwrap();
        assert_eq!((dead(&mut w), totals(&mut w).owed), (0, 0));
        restart(&mut w, true);
        assert_eq!((dead(&mut w), totals(&mut w).owed), (0, 0), "it does not come back");
        assert_eq!(ended(&mut w, End::Delivered), 1);
        adds_up(&mut w);
    }
}

#[test]
fn dead_letters_are_revived_once_though_a_checkpoint_is_under_way() {
    let mut w = with_dead_letters();
    w.checkpoint().unwrap();
    w.ledger.mo.clear();
    revive(&mut w);
    let mut taken = w.core().checkpoint().expect("something has changed");
    assert_eq!(dead(&mut w), 0, "the tables still hold them");
    revive(&mut w);
    assert_eq!(totals(&mut w).owed, 2);
    w.core().tables().write(&mut taken.set).expect("works");
    w.core().checkpointed(taken).expect("works");
    revive(&mut w);
    assert_eq!((w.ledger.mo.len(), dead(&mut w), totals(&mut w).owed), (1, 0, 2));
    w.settle().unwrap();
    w.checkpoint().unwrap();
    assert_eq!((dead(&mut w), totals(&mut w).owed), (0, 0));
}

#[test]
fn a_delivery_without_a_receiver_is_a_dead_letter_after_seven_days() {
    for checkpoint in [false, true] {
        let mut w = World::new(settings());
        w.bind_upstream(10);
        step(&mut w);
        arrives(&mut w, Arrived::Mo(mo("mo")));
        wait(&mut w, 7 * DAY - 2 * HOUR, HOUR);
        restart(&mut w, checkpoint);
        assert_eq!((dead(&mut w), totals(&mut w).owed), (0, 1));
        wait(&mut w, 3 * HOUR, HOUR);
        assert_eq!((dead(&mut w), totals(&mut w).owed), (1, 0));
        w.bind_esme();
        step(&mut w);
        assert!(w.ledger.mo.is_empty());
        revive(&mut w);
        assert_eq!(w.ledger.mo, ["mo"]);
        w.settle().unwrap();
        assert_eq!((dead(&mut w), totals(&mut w).owed), (0, 0));
    }
}

#[test]
fn a_delivery_put_off_for_seven_days_is_a_dead_letter() {
    let mut w = ready();
    arrives(&mut w, Arrived::Mo(mo("mo")));
    for _ in 0..8 * 24 {
        if w.undelivered.is_empty() {
            break;
        }
        esme_says(&mut w, CommandStatus::ESME_RMSGQFUL);
        wait(&mut w, HOUR, HOUR / 2);
    }
    assert!((7 * 24 - 1..=7 * 24 + 1).contains(&w.ledger.mo.len()), "{} tries", w.ledger.mo.len());
    assert_eq!((dead(&mut w), totals(&mut w).owed), (1, 0));
}

#[test]
fn a_delivery_that_its_only_session_left_unanswered_is_a_dead_letter_after_seven_days() {
    let mut w = ready();
    arrives(&mut w, Arrived::Mo(mo("mo")));
    let (link, no) = w.undelivered.pop_front().unwrap();
    w.inputs.push_back(Input::DeliveryAnswers { link, answers: vec![DeliveryAnswer { no, status: None }] });
    step(&mut w);
    wait(&mut w, 7 * DAY + HOUR, HOUR);
    assert_eq!((w.ledger.mo.len(), dead(&mut w), totals(&mut w).owed), (1, 1, 0));
}

// Receipts and their messages (10, 11).

/// A message that the SMSC has taken under this id.
fn taken(w: &mut World, text: &str, to: &str, id: &str) -> Content {
    w.submit(content(text, to));
    step(w);
    takes(w, id)
}

fn kept(w: &mut World) -> usize {
    gateway(w).state().parked().len()
}

#[test]
fn a_transformed_id_needs_swapped_addresses() {
    for (id, said) in
        [("70BA8A69", "1891273321"), ("0000436949", "6AAD5"), ("abcdef", "ABCDEF"), ("00042", "42")]
    {
        let mut w = ready();
        let m = taken(&mut w, "m", TO, id);
        let mut stranger = m.clone();
        stranger.destination = address("33699999999");
        receipt(&mut w, UPSTREAM, said, &stranger);
        let mut stranger = m.clone();
        stranger.source = address("33930000001");
        receipt(&mut w, UPSTREAM, said, &stranger);
        let mut reversed = m.clone();
        (reversed.source, reversed.destination) = (m.destination, m.source);
        receipt(&mut w, UPSTREAM, said, &reversed);
        assert_eq!((w.ledger.receipts.len(), kept(&mut w)), (0, 3), "{id} {said}");
        receipt(&mut w, UPSTREAM, said, &m);
        assert_eq!((w.ledger.receipts.len(), kept(&mut w)), (1, 3), "{id} {said}");
        assert_eq!(gateway(&mut w).counts.receipts_transformed, 1);
        w.settle().unwrap();
        adds_up(&mut w);
    }
}

#[test]
fn an_exact_id_needs_no_addresses_and_wins() {
    let mut w = ready();
    let m = taken(&mut w, "exact", TO, "10");
    taken(&mut w, "hexadecimal", TO, "A");
    let mut stranger = m;
    stranger.destination = address("33699999999");
    receipt(&mut w, UPSTREAM, "10", &stranger);
    assert_eq!((w.ledger.receipts.len(), kept(&mut w)), (1, 0));
    let id = w.ledger.receipts[0].0;
    assert_eq!(w.ledger.acked[&id], "exact");
}

#[test]
fn a_receipt_that_two_messages_could_be_meant_by_is_unmatched() {
    let mut w = ready();
    let m = taken(&mut w, "decimal", TO, "10");
    taken(&mut w, "hexadecimal", TO, "A");
    receipt(&mut w, UPSTREAM, "010", &m);
    assert_eq!((w.ledger.receipts.len(), kept(&mut w)), (0, 1));
    assert_eq!(gateway(&mut w).counts.receipts_ambiguous, 1);
    assert_eq!(gateway(&mut w).state().counters.forms, []);
    adds_up(&mut w);
}

#[test]
fn a_form_is_learned_after_twenty_matches_and_kept_over_a_restart() {
    for checkpoint in [false, true] {
        let mut w = ready();
        for n in 0..20_u32 {
            assert_eq!(gateway(&mut w).state().counters.forms, [], "after {n}");
            let id = 0x1000_00A0 + n;
            let m = taken(&mut w, &format!("m{n}"), TO, &format!("{id:08X}"));
            receipt(&mut w, UPSTREAM, &id.to_string(), &m);
            w.esme_answers(1);
        }
        assert_eq!(w.ledger.receipts.len(), 20);
        let learned = gateway(&mut w).state().counters.forms.clone();
        assert_eq!(learned.len(), 1);
        step(&mut w);
        restart(&mut w, checkpoint);
        assert_eq!(gateway(&mut w).state().counters.forms, learned);
        w.bind_upstream(10);
        w.bind_esme();
        step(&mut w);
        // What was ambiguous is not any more, and no other form is tried.
        let m = taken(&mut w, "decimal", TO, "10");
        taken(&mut w, "hexadecimal", TO, "A");
        receipt(&mut w, UPSTREAM, "010", &m);
        let id = w.ledger.receipts[20].0;
        assert_eq!(w.ledger.acked[&id], "hexadecimal");
        taken(&mut w, "zeros", TO, "0077");
        receipt(&mut w, UPSTREAM, "77", &m);
        assert_eq!((w.ledger.receipts.len(), kept(&mut w)), (21, 1));
        // It is that upstream's form and no other's.
        assert!(learned.iter().all(|(u, _)| *u == UPSTREAM));
        adds_up(&mut w);
    }
}

#[test]
fn another_form_in_between_begins_the_count_anew() {
    let mut w = ready();
    for n in 0..38_u32 {
        let id = 0x1000_00A0 + n;
        let id16 = format!("{id:08X}");
        let m = taken(&mut w, &format!("m{n}"), TO, &id16);
        let said = if n == 18 { format!("00{id16}") } else { id.to_string() };
        receipt(&mut w, UPSTREAM, &said, &m);
        w.esme_answers(1);
    }
    assert_eq!(w.ledger.receipts.len(), 38);
    assert_eq!(gateway(&mut w).state().counters.forms, [], "eighteen, one other, nineteen");
}

#[test]
fn ids_filled_with_zeros_to_any_width_are_found_after_a_restart() {
    let mut w = ready();
    let m = taken(&mut w, "m", TO, "0000006AAD5F");
    restart(&mut w, true);
    w.bind_upstream(10);
    w.bind_esme();
    receipt(&mut w, UPSTREAM, &0x006A_AD5F_u32.to_string(), &m);
    assert_eq!((w.ledger.receipts.len(), kept(&mut w)), (1, 0));
}

#[test]
fn of_too_many_unmatched_receipts_the_oldest_are_dropped_and_counted() {
    let mut s = settings();
    s.rules.unmatched_max = 3;
    let mut w = with(s, 10);
    let stranger = content("", TO);
    for n in 0..5 {
        receipt(&mut w, UPSTREAM, &format!("unknown{n}"), &stranger);
    }
    wait(&mut w, 300, 300);
    let ids = |w: &mut World| -> Vec<String> {
        let parked = gateway(w).state().parked();
        parked.map(|p| String::from_utf8_lossy(&p.report.upstream_id).into_owned()).collect()
    };
    assert_eq!(ids(&mut w), ["unknown2", "unknown3", "unknown4"]);
    assert_eq!(gateway(&mut w).state().counters.unmatched_dropped, 2);
    restart(&mut w, true);
    assert_eq!(ids(&mut w), ["unknown2", "unknown3", "unknown4"]);
    assert_eq!(gateway(&mut w).state().counters.unmatched_dropped, 2);
    wait(&mut w, 31 * DAY, DAY);
    assert_eq!(kept(&mut w), 0, "and after thirty days all");
    assert_eq!(gateway(&mut w).state().counters.unmatched_dropped, 5);
    restart(&mut w, true);
    assert_eq!(kept(&mut w), 0);
}

#[test]
fn a_receipt_parked_for_more_than_ten_minutes_is_not_that_of_a_new_message_with_its_id() {
    for (after, found) in [(9 * MINUTE, 1), (11 * MINUTE, 0)] {
        let mut w = ready();
        receipt(&mut w, UPSTREAM, "reused", &content("", TO));
        wait(&mut w, after, MINUTE);
        taken(&mut w, "m", TO, "reused");
        assert_eq!((w.ledger.receipts.len(), kept(&mut w)), (found, 1 - found), "after {after} ms");
        adds_up(&mut w);
    }
}

#[test]
fn the_same_id_from_two_upstreams_is_two_messages() {
    for checkpoint in [false, true] {
        let mut s = two_upstreams();
        s.routes.insert(0, Route { destination: "3370".into(), ..route_to(&["second"]) });
        let mut w = with(s, 10);
        bind_second(&mut w, 10);
        let first = taken(&mut w, "first", TO, "same");
        let second = taken(&mut w, "second", "33700000000", "same");
        if checkpoint {
            restart(&mut w, true);
            w.bind_upstream(10);
            bind_second(&mut w, 10);
            w.bind_esme();
        }
        // Addresses do not matter where the id is exact.
        receipt(&mut w, SECOND_UPSTREAM, "same", &first);
        let told: Vec<_> = w.ledger.receipts.iter().map(|r| w.ledger.acked[&r.0].clone()).collect();
        assert_eq!(told, ["second"]);
        receipt(&mut w, UPSTREAM, "same", &second);
        let told: Vec<_> = w.ledger.receipts.iter().map(|r| w.ledger.acked[&r.0].clone()).collect();
        assert_eq!(told, ["second", "first"]);
        assert_eq!((kept(&mut w), ended(&mut w, End::Delivered)), (0, 2));
        adds_up(&mut w);
    }
}

// Monthly limit (15).

fn limited() -> World {
    let mut s = settings();
    s.services[0].monthly_limit = Some(10);
    World::new(s)
}

/// A hundred submissions, some at a time. Stops at the first failure.
fn hundred(w: &mut World) -> Result<(), ()> {
    for wave in 0..25 {
        for n in 0..4 {
            w.submit(content(&format!("m{wave}-{n}"), &format!("336{wave:04}{n:04}")));
        }
        w.step()?;
        if wave == 1 {
            w.checkpoint()?;
        }
    }
    Ok(())
}

#[test]
fn a_hundred_submissions_against_ten_left_accept_ten_whenever_the_power_goes() {
    let mut whole = limited();
    let start = whole.disk.operations();
    hundred(&mut whole).unwrap();
    assert_eq!((whole.ledger.acked.len(), whole.ledger.refused.len()), (10, 90));
    let end = whole.disk.operations();
    assert!(end > start && end - start < 500);
    for at in start..=end {
        for mode in Cut::ALL {
            let mut w = limited();
            w.disk.power_off_at(at);
            let _ = hundred(&mut w);
            w.disk = w.disk.cut(at, mode);
            w.core = None;
            w.inputs.clear();
            w.start().unwrap();
            hundred(&mut w).unwrap();
            let t = totals(&mut w);
            assert_eq!((t.accepted, t.used), (10, 10), "{mode:?} at operation {at}");
            assert!(w.ledger.acked.len() <= 10, "{mode:?} at operation {at}");
            adds_up(&mut w);
        }
    }
}

#[test]
fn all_at_once_against_ten_left_accept_ten_and_the_next_month_ten_more() {
    let mut w = limited();
    for month in 1..=2 {
        let submissions = (0..100).map(|n| submission(n, content("m", TO))).collect();
        w.inputs.push_back(Input::Submit { from: Asker::Link(w.down), service: SERVICE, submissions });
        step(&mut w);
        assert_eq!(w.ledger.acked.len(), 10 * month);
        let refusals: Vec<_> = w.ledger.refused.drain(..).map(|r| r.1).collect();
        assert_eq!(refusals, [Refusal::MonthlyLimit; 90]);
        wait(&mut w, 31 * DAY, DAY);
    }
    assert_eq!(ended(&mut w, End::Expired), 20);
    adds_up(&mut w);
}

// Removed from the settings (21).

#[test]
fn messages_of_a_removed_service_finish() {
    for checkpoint in [false, true] {
        let mut w = World::new(settings());
        for n in 0..3 {
            w.submit(content(&format!("m{n}"), TO));
        }
        step(&mut w);
        let mut without = settings();
        without.services = vec![service("other")];
        without.mo_routes.clear();
        restart_with(&mut w, checkpoint, Arc::new(without));
        w.bind_upstream(1);
        step(&mut w);
        for n in 0..3 {
            let m = takes(&mut w, &format!("id{n}"));
            assert_eq!(*m.payload, *format!("m{n}").as_bytes());
            receipt(&mut w, UPSTREAM, &format!("id{n}"), &m);
        }
        assert_eq!((ended(&mut w, End::Delivered), totals(&mut w).owed), (3, 3), "receipts wait for it");
        w.submit(content("new", TO));
        step(&mut w);
        assert_eq!(w.ledger.refused.last().unwrap().1, Refusal::Unavailable);
        adds_up(&mut w);
        restart_with(&mut w, checkpoint, Arc::new(settings()));
        w.bind_esme();
        step(&mut w);
        assert_eq!(w.ledger.receipts.len(), 3, "it is the same service if it comes back");
    }
}

#[test]
fn messages_of_a_removed_upstream_go_to_the_next_of_their_route() {
    for checkpoint in [false, true] {
        let mut w = World::new(two_upstreams());
        for n in 0..3 {
            w.submit(content(&format!("m{n}"), TO));
        }
        step(&mut w);
        let mut without = two_upstreams();
        without.upstreams.remove(0);
        without.routes = vec![route_to(&["second"])];
        restart_with(&mut w, checkpoint, Arc::new(without));
        wait(&mut w, MINUTE, 1_000);
        assert_eq!(totals(&mut w).queued, 3, "they wait for it to bind");
        w.up = bind_second(&mut w, 10);
        wait(&mut w, 1_000, 250);
        assert_eq!(under_way(&w), ["m0", "m1", "m2"]);
        w.bind_esme();
        for n in 0..3 {
            let m = takes(&mut w, &format!("id{n}"));
            receipt(&mut w, SECOND_UPSTREAM, &format!("id{n}"), &m);
        }
        assert_eq!((ended(&mut w, End::Delivered), w.ledger.receipts.len()), (3, 3));
        adds_up(&mut w);
    }
}

#[test]
fn messages_without_any_upstream_left_are_refused_with_a_receipt() {
    for checkpoint in [false, true] {
        let mut s = two_upstreams();
        s.upstreams[0].long = LongMode::Udh;
        let mut w = with(s, 1);
        w.submit(content(&"x".repeat(400), TO));
        w.submit(content("m", TO));
        step(&mut w);
        takes(&mut w, "first segment");
        let mut without = two_upstreams();
        without.upstreams.remove(0);
        without.routes.clear();
        restart_with(&mut w, checkpoint, Arc::new(without));
        w.bind_esme();
        wait(&mut w, 2_000, 250);
        let states: Vec<_> = w.ledger.receipts.iter().map(|r| r.1).collect();
        assert_eq!(states, [MessageState::REJECTED; 2], "one that was begun, too");
        let ids: Vec<_> = w.ledger.acked.keys().copied().collect();
        for id in ids {
            let m = message(&mut w, id);
            let why = m.history.iter().any(|e| e.what == What::Ended(End::Refused, Reason::NoRoute));
            assert!(why, "{:?}", m.history);
        }
        assert_eq!((ended(&mut w, End::Refused), totals(&mut w).queued), (2, 0));
        w.submit(content("new", TO));
        step(&mut w);
        assert_eq!(w.ledger.refused.last().unwrap().1, Refusal::NoRoute);
        adds_up(&mut w);
    }
}

#[test]
fn a_message_that_cannot_go_elsewhere_does_not_keep_others_from_it() {
    let mut s = two_upstreams();
    s.services.push(service("other"));
    s.routes = vec![
        Route { service: Some("demo".into()), destination: "3361".into(), ..route_to(&["smsc"]) },
        route_to(&["smsc", "second"]),
    ];
    let mut w = World::new(s);
    w.bind_esme();
    // In every lane one that has to stay, then one that need not, of the same service and of another.
    for n in 0..200 {
        w.submit(content("stays", &format!("3361{n:07}")));
    }
    for n in 0..200 {
        w.submit(content("goes", &format!("3370{n:07}")));
    }
    let submissions =
        (0..10).map(|n| submission(9_000 + n, content("other", &format!("3371{n:07}")))).collect();
    w.inputs.push_back(Input::Submit { from: Asker::Link(w.down), service: ServiceNo(1), submissions });
    step(&mut w);
    bind_second(&mut w, 1_000);
    wait(&mut w, 30_000, 250);
    assert_eq!(w.ledger.at_smsc.get("goes"), Some(&200));
    assert_eq!(w.ledger.at_smsc.get("other"), Some(&10));
    assert_eq!(w.ledger.at_smsc.get("stays"), None);
    w.bind_upstream(1_000);
    step(&mut w);
    assert_eq!(w.ledger.at_smsc.get("stays"), Some(&200));
    adds_up(&mut w);
}
