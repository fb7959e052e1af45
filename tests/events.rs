//! Events over HTTP: page by page and as streams, from any cursor, for many and for slow readers.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::api::{Api, KEY, Wanted, key};
use support::sse::Stream;
use trunkline::http::v1::{Config, Scopes, StreamLimits};

async fn send(api: &Api, to: &str) -> String {
    let body = json!({ "to": to, "from": "SHOP", "text": "hello", "reference": "order-1" });
    let sent = api.ask("POST", "/v1/messages", Some(body)).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    sent.json()["id"].as_str().expect("an id").to_owned()
}

/// All events from a page's cursor on, until there are no more for now.
async fn pages(api: &Api, mut after: u64, query: &str) -> (Vec<Value>, u64) {
    let mut all = Vec::new();
    loop {
        let page = api.ask("GET", &format!("/v1/events?after={after}&{query}"), None).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        all.extend(page["events"].as_array().expect("a list").iter().cloned());
        after = page["cursor"].as_u64().expect("a cursor");
        if page["more"] == false {
            return (all, after);
        }
    }
}

/// The same once there are `count` of them.
async fn pages_of(api: &Api, count: usize, query: &str) -> (Vec<Value>, u64) {
    for _ in 0..2_000 {
        let (events, cursor) = pages(api, 0, query).await;
        if events.len() >= count {
            assert_eq!(events.len(), count, "{events:?}");
            return (events, cursor);
        }
        support::pass(support::ms(5)).await;
    }
    panic!("never {count} events");
}

fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().expect("a number")).collect()
}

#[tokio::test]
async fn a_messages_life_is_told_in_order_with_its_key_fields() {
    let api = Api::start().await;
    let id = send(&api, "+33612345678").await;
    let (events, _) = pages_of(&api, 3, "").await;
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().expect("a word")).collect();
    assert_eq!(kinds, ["message.accepted", "message.sent", "message.delivered"]);
    let last = &events[2];
    assert_eq!(last["at"], "2026-11-22T09:00:00.000Z");
    assert_eq!(
        last["message"],
        json!({
            "id": id, "direction": "mt", "from": "SHOP", "to": "+33612345678", "state": "delivered",
            "reference": "order-1", "segments": 1,
        })
    );
}

#[tokio::test]
async fn what_a_mobile_sends_is_an_event_with_its_text() {
    let api = Api::start().await;
    let asked = send(&api, "+33612345678").await;
    pages_of(&api, 3, "").await;
    api.receive("33612345678", "33930000000", "Thank you!").await;
    let (events, _) = pages_of(&api, 1, "types=message.received").await;
    let message = &events[0]["message"];
    assert_eq!((&message["direction"], &message["text"]), (&json!("mo"), &json!("Thank you!")));
    assert_eq!((&message["from"], &message["parts_total"]), (&json!("+33612345678"), &json!(1)));
    let id = message["id"].as_str().expect("an id");
    let shown = api.ask("GET", &format!("/v1/incoming/{id}"), None).await.json();
    assert_eq!((&shown["text"], &shown["direction"]), (&json!("Thank you!"), &json!("mo")));
    let listed = api.ask("GET", "/v1/incoming", None).await.json();
    assert_eq!(listed["messages"][0]["id"], *id);
    assert_eq!(api.ask("GET", &format!("/v1/incoming/{asked}"), None).await.code(), "not_found");
    let foreign = [("Authorization", "Bearer other-secret")];
    assert_eq!(api.raw("GET", &format!("/v1/incoming/{id}"), &foreign, b"").await.code(), "not_found");
}

#[tokio::test]
async fn a_conversation_is_both_directions_in_order_and_nobody_elses() {
    let api = Api::start().await;
    let first = send(&api, "+33612345678").await;
    pages_of(&api, 3, "").await;
    api.receive("33612345678", "33930000000", "Yes?").await;
    pages_of(&api, 4, "").await;
    let second = send(&api, "0612345678").await;
    send(&api, "+33687654321").await;
    let all = api.ask("GET", "/v1/conversations/0612345678?order=oldest", None).await.json();
    let ids: Vec<_> = all["messages"].as_array().expect("a list").iter().map(|m| m["id"].clone()).collect();
    assert_eq!((ids.len(), &ids[0], &ids[2]), (3, &json!(first), &json!(second)), "{all}");
    let page = api.ask("GET", "/v1/conversations/+33612345678?limit=2", None).await.json();
    let newest: Vec<_> =
        page["messages"].as_array().expect("a list").iter().map(|m| m["id"].clone()).collect();
    assert_eq!(newest, [ids[2].clone(), ids[1].clone()]);
    let cursor = page["next"].as_str().expect("there is more");
    let rest = api.ask("GET", &format!("/v1/conversations/+33612345678?cursor={cursor}"), None).await.json();
    assert_eq!((&rest["messages"][0]["id"], &rest["next"]), (&ids[0], &Value::Null));
    assert_eq!(api.ask("GET", "/v1/conversations/nobody", None).await.code(), "invalid");
    let other = [("Authorization", "Bearer other-secret")];
    let theirs = api.raw("GET", "/v1/conversations/0612345678", &other, b"").await.json();
    assert_eq!(theirs["messages"], json!([]));
}

#[tokio::test]
async fn a_stream_replays_from_a_cursor_and_goes_on_with_what_happens() {
    let api = Api::start().await;
    for _ in 0..5 {
        send(&api, "+33612345678").await;
    }
    let (events, _) = pages_of(&api, 15, "").await;
    let after = events[6]["seq"].as_u64().expect("a number");
    let mut stream =
        Stream::open(api.addr, &format!("/v1/events?after={after}"), KEY, None).await.expect("a stream");
    for event in &events[7..] {
        let told = stream.next().await.expect("the stream goes on");
        assert_eq!((&told.data, Some(told.event.as_str())), (event, event["type"].as_str()));
        assert_eq!(Some(told.id), event["seq"].as_u64());
    }
    send(&api, "+33612345678").await;
    let told = stream.next().await.expect("the stream goes on");
    assert_eq!(told.event, "message.accepted");
    // What a browser sends when it comes back goes before what the address says.
    let mut again =
        Stream::open(api.addr, "/v1/events?after=0", KEY, Some(told.id - 1)).await.expect("a stream");
    assert_eq!(again.next().await.expect("the stream goes on").id, told.id);
}

#[tokio::test]
async fn nothing_is_missed_between_a_page_and_the_stream_that_follows_it() {
    let api = Api::start().await;
    let writer = async {
        for n in 0..60 {
            send(&api, &format!("+336{n:08}")).await;
        }
    };
    let reader = async {
        let mut told = Vec::new();
        while told.len() < 180 {
            let page = api.ask("GET", "/v1/events?after=0&limit=1000", None).await.json();
            told = seqs(page["events"].as_array().expect("a list"));
            let cursor = page["cursor"].as_u64().expect("a cursor");
            let path = format!("/v1/events?after={cursor}");
            let mut stream = Stream::open(api.addr, &path, KEY, None).await.expect("a stream");
            while told.len() < 180 {
                // Comes back at every seventh event, with the cursor that it has.
                let event = stream.next().await.expect("the stream goes on");
                told.push(event.id);
                if told.len() % 7 == 0 {
                    stream = Stream::open(api.addr, &path, KEY, Some(event.id)).await.expect("a stream");
                }
            }
        }
        told
    };
    let ((), told) = tokio::join!(writer, reader);
    let (events, _) = pages(&api, 0, "").await;
    assert_eq!(told, seqs(&events)[..180], "each once and in order");
}

#[tokio::test]
async fn only_the_types_that_are_asked_for_come() {
    let api = Api::start().await;
    for _ in 0..3 {
        send(&api, "+33612345678").await;
    }
    let (_, cursor) = pages_of(&api, 9, "").await;
    let (only, at) = pages(&api, 0, "types=message.delivered,message.refused&limit=2").await;
    assert_eq!((only.len(), at), (3, cursor));
    let mut stream =
        Stream::open(api.addr, "/v1/events?after=0&types=message.sent", KEY, None).await.expect("a stream");
    for _ in 0..3 {
        assert_eq!(stream.next().await.expect("the stream goes on").event, "message.sent");
    }
    let wrong = api.ask("GET", "/v1/events?types=message.lost", None).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "invalid"));
}

#[tokio::test]
async fn a_service_sees_its_own_events_alone() {
    let api = Api::start().await;
    send(&api, "+33612345678").await;
    pages_of(&api, 3, "").await;
    let other = [("Authorization", "Bearer other-secret")];
    let theirs = api.raw("GET", "/v1/events?after=0", &other, b"").await.json();
    assert_eq!((&theirs["events"], &theirs["more"]), (&json!([]), &json!(false)));
}

#[tokio::test]
async fn a_cursor_of_the_future_and_one_that_is_none_are_refused() {
    let api = Api::start().await;
    send(&api, "+33612345678").await;
    for wrong in ["after=99999999", "after=-1", "after=x", "after=1&after=2", "after=", "limit=0", "cursor=1"]
    {
        let reply = api.ask("GET", &format!("/v1/events?{wrong}"), None).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid"), "{wrong}");
    }
    let (status, _) =
        Stream::open(api.addr, "/v1/events?after=99999999", KEY, None).await.expect_err("no stream");
    assert_eq!(status, 400);
    let now = api.ask("GET", "/v1/events", None).await.json();
    assert_eq!(now["events"], json!([]), "without a cursor a page tells where now is");
}

#[tokio::test]
async fn events_want_their_scope() {
    let wanted = Wanted::default();
    let config = Config { keys: vec![key("shop", KEY, Scopes::MESSAGES_READ)], ..wanted.config };
    let api = Api::with(Wanted { config, ..Wanted::default() }).await;
    for path in ["/v1/events", "/v1/service", "/v1/blacklist", "/v1/webhooks"] {
        let reply = api.ask("GET", path, None).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{path}");
    }
    assert_eq!(api.ask("GET", "/v1/incoming", None).await.status, 200);
}

#[tokio::test]
async fn streams_beyond_the_limit_are_told_when_to_come_back() {
    let wanted = Wanted::default();
    let streams = StreamLimits { streams_max: 3, service_max: 2, ..StreamLimits::default() };
    let api = Api::with(Wanted { config: Config { streams, ..wanted.config }, ..Wanted::default() }).await;
    let first = Stream::open(api.addr, "/v1/events", KEY, None).await.expect("a stream");
    let _second = Stream::open(api.addr, "/v1/events", KEY, None).await.expect("a stream");
    let (status, said) = Stream::open(api.addr, "/v1/events", KEY, None).await.expect_err("no third");
    assert!(status == 429 && said.contains("streams_full") && said.contains("retry-after: 5"), "{said}");
    let _other = Stream::open(api.addr, "/v1/events", "other-secret", None).await.expect("a stream");
    let (status, _) =
        Stream::open(api.addr, "/v1/events", "other-secret", None).await.expect_err("no fourth");
    assert_eq!(status, 503);
    drop(first);
    let mut tries = 0;
    while Stream::open(api.addr, "/v1/events", KEY, None).await.is_err() {
        tries += 1;
        assert!(tries < 1_000, "the place of the one that went is free again");
        support::pass(support::ms(5)).await;
    }
}

#[tokio::test]
async fn streams_end_with_the_process_and_with_their_key() {
    let limits = StreamLimits { heartbeat: Duration::from_millis(50), ..StreamLimits::default() };
    let config = || Config { streams: limits, ..Wanted::default().config };
    let api = Api::with(Wanted { config: config(), ..Wanted::default() }).await;
    let mut stream = Stream::open(api.addr, "/v1/events", KEY, None).await.expect("a stream");
    let mut other = Stream::open(api.addr, "/v1/events", "other-secret", None).await.expect("a stream");
    api.v1.configure(Config { keys: vec![key("other", "other-secret", Scopes::ALL)], ..config() });
    assert_eq!(stream.next().await, None, "its key is gone");
    api.v1.end_streams();
    assert_eq!(other.next().await, None, "the process stops");
}

#[tokio::test]
async fn the_same_events_are_told_after_a_restart_and_the_cursor_goes_on() {
    let api = Api::start().await;
    for _ in 0..4 {
        send(&api, "+33612345678").await;
    }
    let (before, cursor) = pages_of(&api, 12, "").await;
    let data = api.stop().await;
    let api = Api::on(data, Wanted::default()).await;
    let (after, same) = pages(&api, 0, "").await;
    assert_eq!((&after, same), (&before, cursor));
    let mut stream =
        Stream::open(api.addr, "/v1/events", KEY, Some(before[5]["seq"].as_u64().expect("a number")))
            .await
            .expect("a stream");
    send(&api, "+33612345678").await;
    let mut told = Vec::new();
    for _ in 0..7 {
        told.push(stream.next().await.expect("the stream goes on").id);
    }
    assert_eq!(told[..6], seqs(&before)[6..]);
    assert!(told[6] > cursor);
}

#[tokio::test]
async fn a_thousand_readers_that_do_not_read_hold_nobody_up_and_keep_little() {
    let api = Api::start().await;
    let mut slow = Vec::new();
    for _ in 0..1_000 {
        slow.push(Stream::open(api.addr, "/v1/events", KEY, None).await.expect("a stream"));
    }
    let mut quick = Stream::open(api.addr, "/v1/events", KEY, None).await.expect("a stream");
    let before = resident_kib();
    // 3,000 events of about 350 octets to each of them: a gigabyte, if each had its own copy.
    let count = 1_000;
    let body = json!({ "messages": (0..count).map(|n| json!({
        "to": format!("+336{n:07}1"), "from": "SHOP", "text": "hello", "reference": "order-1"
    })).collect::<Vec<_>>() });
    let sent = api.ask("POST", "/v1/messages/batch", Some(body)).await;
    assert_eq!(sent.status, 200, "{sent:?}");
    let mut told = Vec::new();
    while told.len() < 3 * count {
        told.push(quick.next().await.expect("the stream goes on").id);
    }
    assert!(told.is_sorted_by(|a, b| a < b));
    let grown = resident_kib().saturating_sub(before);
    println!("1,001 streams, 3,000 events: {grown} KiB more");
    assert!(grown < 200 << 10, "{grown} KiB more");
    // They come to what they have not read yet, whole and in order.
    for stream in slow.iter_mut().step_by(200) {
        for id in told.iter().take(500) {
            assert_eq!(stream.next().await.expect("the stream goes on").id, *id);
        }
    }
}

/// Memory of this process, which is server and readers at once.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
