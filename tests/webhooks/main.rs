//! Webhooks over real sockets: what is sent, in which order, and what becomes of endpoints that hang, fail, refuse,
//! lead elsewhere, or are killed with us.

mod house;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::hmac;
use base64::Engine as _;
use house::{House, endpoint, mobile, native, push_cra};
use support::gateway::{Site, Wanted, route, service, upstream};
use support::load::LoadEsme;
use support::receiver::{Call, Reaction, Receiver};
use support::smsc::Smsc;
use support::{ms, pass, until};
use trunkline::push::Endpoint;

fn url(receiver: &Receiver) -> String {
    format!("http://{}/hook", receiver.addr)
}

/// The states that were told of each message, in their order.
fn by_message(calls: &[Call], read: impl Fn(&Call) -> (String, String)) -> HashMap<String, Vec<String>> {
    let mut told: HashMap<String, Vec<String>> = HashMap::new();
    for (id, state) in calls.iter().map(read) {
        told.entry(id).or_default().push(state);
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_state_of_a_message_is_pushed_once_and_in_order() {
    let receiver = Receiver::start().await;
    let house = House::with(vec![vec![endpoint("shop0/push", push_cra(), &url(&receiver))]]).await;
    let ids = house.send(0, 200).await;
    let told = by_message(&receiver.taken_at_last(400).await, Call::pushed);
    for id in ids {
        assert_eq!(told[&id.to_string()], ["SENT", "RECEIVED"], "{id}");
    }
    let call = &receiver.calls()[0];
    assert_eq!(call.headers["content-type"], "application/json; charset=utf-8");
    assert!(call.headers["user-agent"].starts_with("trunkline/"), "{call:?}");
    let sms = &call.json()["status_report"]["sms"][0];
    assert_eq!((sms["from"].as_str(), call.path.as_str()), (Some("0930000000"), "/hook"));
    house.stands("nothing is owed", "shop0/push", |e| e.owed == 0 && e.figures.under_way == 0).await;
    assert_eq!(receiver.count(), 400);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_a_mobile_is_answered_and_a_word_of_a_stranger_is_incoming() {
    let receiver = Receiver::start().await;
    let house = House::with(vec![vec![endpoint("shop0/push", push_cra(), &url(&receiver))]]).await;
    let id = house.send(0, 1).await[0].to_string();
    receiver.first(2).await;
    house.receive(&mobile(0), "Merci c'est super").await;
    receiver.first(3).await;
    house.receive("33799999999", "Ceci est un test").await;
    let calls = receiver.first(4).await;
    assert_eq!(calls[2].pushed(), (id, "ANSWERED".to_owned()));
    let sms = &calls[2].json()["status_report"]["sms"][0];
    assert_eq!(sms["ref_externe"], "ref0");
    assert_eq!(sms["status_list"][0]["info"], "Merci c'est super");
    assert_eq!(sms["to"], format!("+{}", mobile(0)));
    assert_eq!(calls[3].pushed(), (String::new(), "INCOMING".to_owned()));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn native_events_are_signed_with_both_secrets_of_a_rotation() {
    let receiver = Receiver::start().await;
    let kind = native(&["new secret of 16 octets", "old secret of 16 octets"]);
    let house = House::with(vec![vec![endpoint("shop0/main", kind, &url(&receiver))]]).await;
    let id = house.send(0, 1).await[0].to_string();
    let calls = receiver.first(2).await;
    for (call, kind) in calls.iter().zip(["message.sent", "message.delivered"]) {
        let event = call.json();
        assert_eq!((&event["type"], &event["data"]["id"]), (&kind.into(), &id.as_str().into()));
        assert_eq!((&event["service"], &event["data"]["reference"]), (&"123456".into(), &"ref0".into()));
        let [webhook_id, timestamp, signatures] =
            ["id", "timestamp", "signature"].map(|name| call.headers[&format!("webhook-{name}")].as_str());
        assert_eq!(event["id"], webhook_id);
        let signed = format!("{webhook_id}.{timestamp}.{}", call.body);
        let expected = ["new secret of 16 octets", "old secret of 16 octets"].map(|secret| {
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
            format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(tag))
        });
        assert_eq!(signatures, expected.join(" "));
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_endpoint_harms_no_other() {
    let (hanging, quick) = (Receiver::with(|_| Reaction::Hang).await, Receiver::start().await);
    let other = Receiver::start().await;
    let house = House::with(vec![
        vec![
            endpoint("shop0/hanging", push_cra(), &url(&hanging)),
            endpoint("shop0/quick", push_cra(), &url(&quick)),
        ],
        vec![endpoint("shop1/other", push_cra(), &url(&other))],
    ])
    .await;
    let begun = trunkline::clock::Clock::system();
    let start = begun.instant();
    house.send(0, 300).await;
    house.send(1, 300).await;
    quick.taken_at_last(600).await;
    other.taken_at_last(600).await;
    println!("1,200 webhooks beside a hanging endpoint took {:?}", begun.instant() - start);
    assert!(hanging.count() <= 20, "{} requests to who does not answer", hanging.count());
    house.stands("nothing is given up", "shop0/hanging", |e| e.owed == 600).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_fails_gets_everything_in_order_once_it_works_again() {
    let fails = Arc::new(AtomicBool::new(true));
    let is_failing = Arc::clone(&fails);
    let mut calls = 0;
    let receiver = Receiver::with(move |_| {
        calls += 1;
        match (is_failing.load(Ordering::SeqCst), calls % 3) {
            (true, 0) => Reaction::Status(503),
            (true, 1) => Reaction::Close,
            (true, _) => Reaction::Status(500),
            // Now and then it still fails.
            (false, 0) => Reaction::Status(502),
            (false, _) => Reaction::Status(200),
        }
    })
    .await;
    let house = House::with(vec![vec![endpoint("shop0/push", push_cra(), &url(&receiver))]]).await;
    let ids = house.send(0, 100).await;
    receiver.first(20).await;
    assert_eq!(receiver.taken().len(), 0);
    fails.store(false, Ordering::SeqCst);
    let told = by_message(&receiver.taken_at_last(200).await, Call::pushed);
    for id in ids {
        assert_eq!(told[&id.to_string()], ["SENT", "RECEIVED"], "{id}");
    }
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_breaker_lets_a_failing_endpoint_rest_and_comes_back_with_one_request() {
    let works = Arc::new(AtomicBool::new(false));
    let is_working = Arc::clone(&works);
    let receiver =
        Receiver::with(move |_| Reaction::Status(if is_working.load(Ordering::SeqCst) { 200 } else { 500 }))
            .await;
    let slow = Endpoint {
        breaker: trunkline::push::BreakerSettings {
            pause: ms(400),
            pause_max: ms(400),
            ..trunkline::push::BreakerSettings::default()
        },
        ..endpoint("shop0/push", push_cra(), &url(&receiver))
    };
    let house = House::with(vec![vec![slow]]).await;
    house.send(0, 500).await;
    house.stands("is left alone", "shop0/push", |e| e.figures.window == 0 && e.owed > 0).await;
    // Five in a row open it; the others of the eight that were under way then may still come.
    let before = receiver.count();
    assert!(before <= 5 + 8 + 1, "{before} requests");
    pass(ms(1_000)).await;
    let trials = receiver.count() - before;
    assert!((1..=6).contains(&trials), "{trials} trials in a second");
    works.store(true, Ordering::SeqCst);
    receiver.taken_at_last(1_000).await;
    house.stands("is sent to fully", "shop0/push", |e| e.figures.window > 1 && e.owed == 0).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_asks_for_rest_is_left_alone_for_so_long() {
    let mut calls = 0;
    let receiver = Receiver::with(move |_| {
        calls += 1;
        match calls {
            1 => Reaction::With(429, "retry-after: 1".to_owned()),
            _ => Reaction::Status(200),
        }
    })
    .await;
    let patient = Endpoint {
        concurrency: 1,
        breaker: trunkline::push::BreakerSettings::default(),
        ..endpoint("shop0/push", push_cra(), &url(&receiver))
    };
    let house = House::with(vec![vec![patient]]).await;
    house.send(0, 10).await;
    receiver.first(1).await;
    pass(ms(700)).await;
    assert_eq!(receiver.count(), 1);
    assert_eq!(receiver.taken_at_last(20).await.len(), 20);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_to_a_private_address_is_not_followed() {
    let inside = Receiver::start().await;
    let location = format!("location: http://{}/admin", inside.addr);
    let receiver = Receiver::with(move |_| Reaction::With(307, location.clone())).await;
    let house = House::with(vec![vec![endpoint("shop0/push", push_cra(), &url(&receiver))]]).await;
    house.send(0, 3).await;
    receiver.first(4).await;
    assert_eq!(inside.count(), 0);
    house.stands("all is still owed", "shop0/push", |e| e.owed == 6).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_whose_name_leads_to_a_private_address_gets_nothing_until_that_is_allowed() {
    let receiver = Receiver::start().await;
    let name = format!("http://localhost:{}/hook", receiver.addr.port());
    let allowed = endpoint("shop0/push", push_cra(), &name);
    let forbidden = Endpoint { allow_private: None, ..allowed.clone() };
    let house = House::with(vec![vec![forbidden]]).await;
    house.send(0, 3).await;
    house.stands("is left alone", "shop0/push", |e| e.figures.window == 0 && e.owed == 6).await;
    assert_eq!(receiver.count(), 0);
    house.push.configure(vec![allowed]).expect("there is no CA");
    receiver.taken_at_last(6).await;
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_becomes_a_dead_letter_and_is_revived_under_the_same_id() {
    for status in [400, 410] {
        let receiver = Receiver::with(move |_| Reaction::Status(status)).await;
        let kind = native(&["secret of 16 octets"]);
        let house = House::with(vec![vec![endpoint("shop0/main", kind, &url(&receiver))]]).await;
        house.send(0, 1).await;
        house.stands("both are dead", "shop0/main", |e| e.dead == 2 && e.owed == 0).await;
        let refused = by_message(&receiver.calls(), Call::event);
        assert_eq!(receiver.count(), 6, "three tries each");
        assert_eq!(refused.len(), 2);
        receiver.conduct(|_| Reaction::Status(200));
        let outlet = house.engine.outlet("shop0/main").expect("it is configured");
        // Listed once a checkpoint holds them.
        let mut dead = 0;
        for _ in 0..600 {
            dead = house.engine.dead(outlet, 10).expect("the tables can be read").len();
            if dead == 2 {
                break;
            }
            pass(ms(50)).await;
        }
        assert_eq!(dead, 2);
        house.engine.revive(outlet).await.expect("the engine works");
        let taken = by_message(&receiver.taken_at_last(2).await, Call::event);
        assert_eq!(taken.len(), 2);
        assert!(taken.keys().all(|id| refused.contains_key(id)), "{taken:?} of {refused:?}");
        house.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_moves_is_followed_and_one_that_goes_is_left() {
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let at = |receiver: &Receiver| endpoint("shop0/push", push_cra(), &url(receiver));
    let house = House::with(vec![vec![at(&first)]]).await;
    house.send(0, 10).await;
    first.taken_at_last(20).await;
    house.push.configure(vec![at(&second)]).expect("there is no CA");
    // The task takes its new settings before the next delivery, or sends one more.
    pass(ms(50)).await;
    house.send(0, 10).await;
    second.taken_at_last(20).await;
    assert_eq!(first.count(), 20);

    house.push.configure(Vec::new()).expect("there is no CA");
    house.stands("nobody sends", "shop0/push", |e| e.figures.links == 0).await;
    house.send(0, 10).await;
    house.stands("it is owed", "shop0/push", |e| e.owed == 20).await;
    house.push.configure(vec![at(&first)]).expect("there is no CA");
    first.taken_at_last(40).await;
    assert_eq!(second.count(), 20);
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_waits_for_what_is_under_way_and_begins_nothing_new() {
    let receiver = Receiver::with(|_| Reaction::Hang).await;
    let house = House::with(vec![vec![endpoint("shop0/push", push_cra(), &url(&receiver))]]).await;
    house.send(0, 50).await;
    receiver.first(8).await;
    let clock = trunkline::clock::Clock::system();
    let begun = clock.instant();
    house.push.stop(ms(5_000)).await;
    let took = clock.instant() - begun;
    assert!(took < ms(3_000), "the endpoint's own time-out ends it: {took:?}");
    let count = receiver.count();
    pass(ms(300)).await;
    assert_eq!(receiver.count(), count);
    house.stands("nobody sends", "shop0/push", |e| e.figures.links == 0 && e.owed == 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_webhook_is_lost_over_kills_under_load() {
    const KILLS: usize = 5;
    let smsc = Smsc::start(None).await;
    let mut calls = 0;
    let receiver = Receiver::with(move |_| {
        calls += 1;
        // At first it fails often enough for the breaker to open and the log to speak of it; each further failure would be
        // a longer pause.
        Reaction::Status(if calls <= 6 { 500 } else { 200 })
    })
    .await;
    let hook = format!(
        "receipts = \"webhook\"\n[[service.webhook]]\nid = \"main\"\nurl = \"{}\"\nsecret_file = \"secret\"\n\
         delay = \"50ms\"\ndelay_max = \"200ms\"\n",
        url(&receiver)
    );
    let hook = hook.replace("/hook", "/hook/s3cr3t-path?token=s3cr3t-query");
    let rest = [service("shop", &hook), upstream("a", smsc.addr, "window = 100"), route(&["a"], "")].concat();
    let wanted = Wanted { http: Some("allow_private = [\"127.0.0.1\"]\n"), rest: &rest, ..Wanted::default() };
    let site = Site::new(&wanted);
    site.write("secret", "a secret of more than 16 octets");
    site.configure(&wanted);
    let esme = LoadEsme::start(site.smpp_tls, Some(site.connector()), "shop", 100, 500);
    let mut gateway = site.start().await;
    for kill in 1..=KILLS {
        esme.set(|book| book.submits = true);
        let (sent, told) = (esme.book().acknowledged.len() + 200, receiver.count() + 200);
        let is_enough = || (esme.book().acknowledged.len() >= sent && receiver.count() >= told).then_some(());
        until(&format!("enough before kill {kill}"), is_enough).await;
        gateway.kill();
        gateway = site.start().await;
    }
    esme.set(|book| book.submits = false);
    gateway.until("everything is told", |metrics| metrics.stages() == [0; 4]).await;
    let doubled = gateway.metrics().await.duplicates("delivery");
    assert!(gateway.terminate().await.success());

    let log = site.log();
    assert!(log.contains("the webhook fails") && !log.contains("s3cr3t"), "{log}");

    let calls = receiver.taken();
    let mut copies: HashMap<String, u64> = HashMap::new();
    let mut ended: HashMap<String, Vec<String>> = HashMap::new();
    for call in &calls {
        let event = call.json();
        *copies.entry(support::receiver::text(&event["id"])).or_default() += 1;
        let (id, kind) = (&event["data"]["id"], &event["type"]);
        ended.entry(support::receiver::text(id)).or_default().push(support::receiver::text(kind));
    }
    let extra: u64 = copies.values().map(|count| count - 1).sum();
    let acknowledged: Vec<String> = esme.book().acknowledged.keys().cloned().collect();
    let silent =
        |id: &String| !ended.get(id).is_some_and(|told| told.iter().any(|kind| kind == "message.delivered"));
    let lost = acknowledged.iter().filter(|id| silent(id)).count();
    println!(
        "{KILLS} kills: {} acknowledged, {} webhooks, {extra} doubled ({doubled} counted), {lost} lost",
        acknowledged.len(),
        calls.len()
    );
    assert_eq!(lost, 0, "acknowledged, and its end was never told");
    assert!(extra <= doubled, "{extra} copies, {doubled} counted");
    // The last word about a message is its end, whatever was repeated.
    for (id, told) in &ended {
        assert_eq!(told.last().map(String::as_str), Some("message.delivered"), "{id}: {told:?}");
    }
}
