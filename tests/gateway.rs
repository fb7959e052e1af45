//! The gateway from outside: what goes in, what comes out, at which time.

mod world;

use trunkline::gateway::message::{End, Stage};
use trunkline::gateway::port::{Refusal, When};
use trunkline::gateway::settings::{LongMode, Profile};
use trunkline::pdu::{CommandStatus, MessageState};
use world::{World, content, settings, submission};

fn ready() -> World {
    let mut w = World::new(settings());
    w.bind_upstream(10);
    w.bind_esme();
    w.step().expect("the disk works");
    w
}

#[test]
fn a_message_lives_from_submit_to_acknowledged_receipt() {
    let mut w = ready();
    w.submit(content("hello", "33612345678"));
    w.step().unwrap();
    assert_eq!(w.ledger.acked.len(), 1);
    assert_eq!(w.ledger.at_smsc["hello"], 1);
    w.settle().unwrap();
    assert_eq!(w.ledger.receipts.len(), 1);
    assert_eq!(w.ledger.receipts[0].1, MessageState::DELIVERED);
    w.check("a life");
}

#[test]
fn survives_a_restart_at_every_stage() {
    for stage in 0..5 {
        let mut w = ready();
        w.submit(content("hello", "33612345678"));
        for _ in 0..stage {
            w.step().unwrap();
            w.smsc_answers(1);
            w.smsc_delivers(1);
        }
        w.step().unwrap();
        if stage % 2 == 0 {
            w.checkpoint().unwrap();
        }
        let disk = w.disk.cut(1, trunkline::store::fault::Cut::Killed);
        w.restart_on(disk).unwrap();
        w.settle().unwrap();
        w.check(&format!("stage {stage}"));
    }
}

#[test]
fn keeps_the_window_of_an_upstream() {
    let mut w = World::new(settings());
    w.bind_upstream(3);
    w.bind_esme();
    for n in 0..10 {
        w.submit(content(&format!("m{n}"), &format!("3361234567{n}")));
    }
    w.step().unwrap();
    assert_eq!((w.ledger.acked.len(), w.unanswered.len()), (10, 3));
    w.smsc_answers(1);
    w.step().unwrap();
    assert_eq!(w.unanswered.len(), 3);
    w.settle().unwrap();
    w.check("window");
}

#[test]
fn paces_an_upstream_to_its_rate() {
    let mut s = settings();
    s.upstreams[0].rate = std::num::NonZeroU32::new(20);
    let mut w = World::new(s);
    w.bind_upstream(100);
    w.bind_esme();
    for n in 0..100 {
        w.submit(content(&format!("m{n}"), "33612345678"));
    }
    for _ in 0..1_000 {
        w.step().unwrap();
        w.pass(1);
    }
    assert!((18..=20).contains(&w.unanswered.len()), "{} in the first second", w.unanswered.len());
}

#[test]
fn keeps_the_order_of_one_destination_when_throttled() {
    let mut w = World::new(settings());
    w.bind_upstream(1);
    w.bind_esme();
    for n in 0..3 {
        w.submit(content(&format!("m{n}"), "33612345678"));
    }
    w.step().unwrap();
    w.smsc_refuses(CommandStatus::ESME_RTHROTTLED);
    w.step().unwrap();
    assert!(w.unanswered.is_empty(), "the bind is paused");
    w.pass(1_100);
    w.step().unwrap();
    assert_eq!(&*w.unanswered[0].2.payload, b"m0");
    w.settle().unwrap();
    w.check("throttled");
}

#[test]
fn a_full_queue_delays_only_its_message() {
    let mut w = World::new(settings());
    w.bind_upstream(1);
    w.bind_esme();
    w.submit(content("m0", "33612345678"));
    w.submit(content("m1", "33612345679"));
    w.step().unwrap();
    let first = w.unanswered[0].2.payload.clone();
    w.smsc_refuses(CommandStatus::ESME_RMSGQFUL);
    w.step().unwrap();
    assert_ne!(w.unanswered[0].2.payload, first, "the other one goes on");
    w.smsc_answers(1);
    w.step().unwrap();
    w.pass(1_100);
    w.step().unwrap();
    assert_eq!(w.unanswered[0].2.payload, first);
    w.settle().unwrap();
    w.check("queue full");
}

#[test]
fn a_permanent_error_ends_the_message_and_tells_its_service() {
    let mut w = ready();
    w.submit(content("m0", "33612345678"));
    w.step().unwrap();
    w.smsc_refuses(CommandStatus::ESME_RINVDSTADR);
    w.settle().unwrap();
    assert_eq!(w.ledger.receipts[0].1, MessageState::REJECTED);
    w.check("permanent");
}

#[test]
fn an_expired_message_is_not_sent() {
    let mut w = World::new(settings());
    w.bind_esme();
    let mut s = submission(0, content("m0", "33612345678"));
    s.validity = Some(When::In(2_000));
    w.submit_with(s);
    w.step().unwrap();
    w.pass(3_000);
    w.step().unwrap();
    w.bind_upstream(10);
    w.settle().unwrap();
    assert!(w.ledger.at_smsc.is_empty());
    assert_eq!(w.ledger.receipts[0].1, MessageState::EXPIRED);
}

#[test]
fn without_a_receipt_a_message_becomes_unknown_and_a_late_one_is_forwarded() {
    let mut s = settings();
    s.rules.receipt_grace_ms = 10_000;
    let mut w = World::new(s);
    w.bind_upstream(10);
    w.bind_esme();
    let mut sub = submission(0, content("m0", "33612345678"));
    sub.validity = Some(When::In(5_000));
    w.submit_with(sub);
    w.step().unwrap();
    w.smsc_answers(1);
    w.step().unwrap();
    w.checkpoint().unwrap();
    w.pass(16_000);
    w.step().unwrap();
    w.esme_answers(1);
    w.step().unwrap();
    assert_eq!(w.ledger.receipts.last().unwrap().1, MessageState::UNKNOWN);
    w.checkpoint().unwrap();
    w.settle().unwrap();
    assert_eq!(w.ledger.receipts.last().unwrap().1, MessageState::DELIVERED);
    assert_eq!(w.core().gateway().unwrap().state().counters.totals[0].ended[End::Unknown as usize], 1);
}

#[test]
fn a_receipt_before_its_response_is_matched() {
    let mut w = ready();
    w.submit(content("m0", "33612345678"));
    w.step().unwrap();
    let held = std::mem::take(&mut w.inputs);
    w.smsc_answers(1);
    let response = std::mem::replace(&mut w.inputs, held);
    w.smsc_delivers(1);
    w.step().unwrap();
    assert!(w.ledger.receipts.is_empty());
    w.inputs = response;
    w.step().unwrap();
    assert_eq!(w.ledger.receipts.len(), 1);
    w.settle().unwrap();
    w.check("early receipt");
}

#[test]
fn long_messages_are_cut_for_an_upstream_that_wants_segments() {
    for long in [LongMode::Udh, LongMode::Sar] {
        let mut s = settings();
        s.upstreams[0].long = long;
        let mut w = World::new(s);
        w.bind_upstream(2);
        w.bind_esme();
        w.submit(content(&"x".repeat(400), "33612345678"));
        w.step().unwrap();
        assert_eq!(w.unanswered.len(), 2, "the window holds for segments");
        w.smsc_answers(2);
        w.step().unwrap();
        assert_eq!(w.unanswered.len(), 1);
        w.settle().unwrap();
        assert_eq!(w.ledger.receipts.len(), 1, "one receipt for the whole");
        assert_eq!(w.core().gateway().unwrap().state().counters.totals[0].used, 3);
    }
}

#[test]
fn timetochat_gives_one_receipt_for_each_part() {
    let mut s = settings();
    s.services[0].profile = Profile::TimeToChat;
    let mut w = World::new(s);
    w.bind_upstream(10);
    w.bind_esme();
    w.submit(content(&"x".repeat(400), "0612345678"));
    w.settle().unwrap();
    assert_eq!(w.ledger.receipts.len(), 3);
}

#[test]
fn refuses_what_may_not_be_sent_before_anything_is_stored() {
    let mut s = settings();
    s.services[0].senders = Some(["33930000000".to_owned()].into());
    s.services[0].monthly_limit = Some(2);
    let mut w = World::new(s);
    w.bind_esme();
    let mut wrong = content("m", "33612345678");
    wrong.source = world::address("999");
    w.submit(wrong);
    w.submit(content("m", "abc"));
    w.submit(content(&"x".repeat(40_000), "33612345678"));
    w.submit(content("1", "33612345678"));
    w.submit(content(&"y".repeat(200), "33612345678"));
    w.submit(content("2", "33612345678"));
    w.submit(content("3", "33612345678"));
    w.step().unwrap();
    let refusals: Vec<_> = w.ledger.refused.iter().map(|r| r.1).collect();
    use Refusal::{Destination, Length, MonthlyLimit, Sender};
    assert_eq!(refusals, [Sender, Destination, Length, MonthlyLimit, MonthlyLimit]);
    assert_eq!(w.ledger.acked.len(), 2);
}

#[test]
fn a_blacklisted_recipient_is_accepted_and_rejected() {
    let mut s = settings();
    s.services[0].blacklist = ["33612345678".to_owned()].into();
    let mut w = World::new(s);
    w.bind_upstream(10);
    w.bind_esme();
    w.submit(content("m", "0612345678"));
    w.settle().unwrap();
    assert_eq!(w.ledger.acked.len(), 1);
    assert_eq!(w.ledger.receipts[0].1, MessageState::REJECTED);
    assert!(w.ledger.at_smsc.is_empty());
}

#[test]
fn receipts_and_mo_wait_for_a_receiver_and_drain_in_order() {
    let mut w = World::new(settings());
    w.bind_upstream(10);
    for n in 0..50 {
        w.mo(&format!("mo{n:02}"));
    }
    w.smsc_delivers(50);
    w.step().unwrap();
    assert_eq!(w.ledger.stored.len(), 50);
    w.checkpoint().unwrap();
    let disk = w.disk.cut(3, trunkline::store::fault::Cut::Nothing);
    w.restart_on(disk).unwrap();
    w.settle().unwrap();
    assert_eq!(w.ledger.mo, (0..50).map(|n| format!("mo{n:02}")).collect::<Vec<_>>());
}

#[test]
fn a_lost_esme_session_gets_its_deliveries_again() {
    let mut w = ready();
    for n in 0..5 {
        w.mo(&format!("mo{n}"));
    }
    w.smsc_delivers(5);
    w.step().unwrap();
    assert_eq!(w.ledger.mo.len(), 5);
    w.inputs.push_back(trunkline::gateway::port::Input::LinkClosed { link: w.down });
    w.undelivered.clear();
    w.bind_esme();
    w.settle().unwrap();
    assert_eq!(w.ledger.mo.len(), 10);
    assert_eq!(w.core().gateway().unwrap().state().counters.delivery_doubts.iter().sum::<u64>(), 5);
}

#[test]
fn a_service_with_a_million_waiting_does_not_hold_up_another() {
    let mut s = settings();
    s.services.push(world::service("other"));
    s.upstreams[0].rate = std::num::NonZeroU32::new(20);
    let mut w = World::new(s);
    w.bind_esme();
    for n in 0..5_000 {
        w.submit(content(&format!("m{n}"), &format!("336{n:08}")));
    }
    w.step().unwrap();
    w.checkpoint().unwrap();
    let from = trunkline::gateway::port::Asker::Link(w.down);
    w.inputs.push_back(trunkline::gateway::port::Input::Submit {
        from,
        service: trunkline::gateway::id::ServiceNo(1),
        submissions: vec![submission(9_999, content("other", "33612345678"))],
    });
    w.bind_upstream(1_000);
    for _ in 0..200 {
        w.pass(5);
        w.step().unwrap();
    }
    assert!(w.ledger.at_smsc.contains_key("other"));
}

#[test]
fn a_backlog_leaves_the_memory_and_comes_back_in_order() {
    let mut s = settings();
    s.rules.live_max = 500;
    let mut w = World::new(s);
    w.bind_esme();
    for n in 0..6_000 {
        w.submit(content(&format!("m{n:05}"), "33612345678"));
        if n % 1_000 == 999 {
            w.step().unwrap();
            w.checkpoint().unwrap();
        }
    }
    assert!(w.core().gateway().unwrap().state().live_len() <= 500);
    let disk = w.disk.cut(3, trunkline::store::fault::Cut::Nothing);
    w.core = None;
    w.disk = disk;
    w.start().unwrap();
    w.bind_upstream(1);
    w.bind_esme();
    let mut order = Vec::new();
    for _ in 0..20_000 {
        if order.len() == 6_000 {
            break;
        }
        w.step().unwrap();
        order.extend(w.unanswered.iter().map(|u| String::from_utf8_lossy(&u.2.payload).into_owned()));
        w.smsc_answers(10);
        if order.len() % 500 == 0 {
            w.step().unwrap();
            order.extend(w.unanswered.iter().map(|u| String::from_utf8_lossy(&u.2.payload).into_owned()));
            w.smsc_answers(10);
            w.checkpoint().unwrap();
        }
    }
    assert_eq!(order.len(), 6_000);
    assert!(order.is_sorted(), "acceptance order");
    w.settle().unwrap();
    w.check("backlog");
}

#[test]
fn parts_of_a_long_mo_are_joined_in_any_order() {
    use trunkline::gateway::port::{Arrival, Arrived, Input};
    use trunkline::gateway::record::MoContent;
    let mut w = ready();
    for (reply, number, text) in [(1, 2, "world"), (2, 2, "world"), (3, 1, "hello ")] {
        let mo = MoContent {
            source: world::address("33600000000"),
            destination: world::address("33930000000"),
            esm_class: trunkline::pdu::EsmClass(0),
            protocol_id: 0,
            data_coding: trunkline::pdu::DataCoding(0),
            payload: text.as_bytes().into(),
            tlvs: Box::default(),
        };
        let what = Arrived::MoPart { reference: 7, wide: false, total: 2, number, mo };
        w.inputs.push_back(Input::Arrivals {
            link: w.up,
            upstream: world::UPSTREAM,
            arrivals: vec![Arrival { reply, what, once: None }],
        });
        w.step().unwrap();
    }
    assert_eq!(w.ledger.mo, ["hello world"]);
    assert_eq!(w.ledger.stored.len(), 3);
}

#[test]
fn waiting_messages_go_to_the_next_upstream_of_their_route() {
    let mut s = settings();
    s.upstreams.push(world::upstream("second"));
    s.routes[0].upstreams = vec!["smsc".into(), "second".into()];
    let mut w = World::new(s);
    w.bind_esme();
    w.submit(content("m0", "33612345678"));
    w.step().unwrap();
    w.up = w.link();
    let (link, upstream) = (w.up, trunkline::gateway::id::UpstreamNo(1));
    w.inputs.push_back(trunkline::gateway::port::Input::UpstreamBound { link, upstream, window: 10 });
    w.step().unwrap();
    assert!(w.unanswered.is_empty(), "the first has its time");
    for _ in 0..30 {
        w.pass(300);
        w.step().unwrap();
    }
    assert_eq!(w.unanswered.len(), 1);
    let id = *w.ledger.acked.keys().next().unwrap();
    let m = w.core().gateway().unwrap().state().message(id).unwrap().unwrap();
    assert_eq!((m.stage, m.upstream.0), (Stage::Dispatched, 1));
}

#[test]
fn a_delivery_that_timed_out_is_not_sent_again_on_that_session() {
    use trunkline::gateway::port::{DeliveryAnswer, Input};
    let mut w = ready();
    w.mo("mo");
    w.smsc_delivers(1);
    w.step().expect("works");
    let (link, no) = w.undelivered.pop_front().expect("one is under way");
    w.inputs.push_back(Input::DeliveryAnswers { link, answers: vec![DeliveryAnswer { no, status: None }] });
    for _ in 0..200 {
        w.step().expect("works");
        w.pass(1_000);
    }
    assert_eq!(w.ledger.mo.len(), 1, "it waits for another session");
    w.bind_esme();
    w.settle().expect("works");
    assert_eq!(w.ledger.mo.len(), 2);
}
