//! The rest of the native API: the blacklist, how webhooks stand, usage and limits.

mod support;

use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use support::api::{Api, Wanted};
use trunkline::gateway::settings::{Endpoint, EndpointKind};
use trunkline::http::v1::{Config, Quota, Webhook};

/// A service with a webhook and limits.
fn wanted() -> Wanted {
    let mut wanted = Wanted::default();
    let endpoint = Endpoint::new("shop/main", EndpointKind::Native);
    if let (Some(service), Some(access)) = (wanted.services.first_mut(), wanted.config.services.first_mut()) {
        service.monthly_limit = Some(1_000);
        service.waiting_max = 50;
        access.quota = Quota::of(service);
        access.webhooks = vec![Webhook::of(&endpoint, "shop.example")];
        service.receipts = trunkline::gateway::settings::Channels::Webhook;
        service.endpoints = vec![endpoint];
    }
    let timezone = TimeZone::get("Europe/Paris").expect("it is known");
    Wanted { config: Config { timezone, ..wanted.config }, ..wanted }
}

async fn send(api: &Api, to: &str) -> String {
    let body = json!({ "to": to, "from": "SHOP", "text": "hello" });
    let sent = api.ask("POST", "/v1/messages", Some(body)).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    sent.json()["id"].as_str().expect("an id").to_owned()
}

/// All events, once there are `count`.
async fn events(api: &Api, count: usize) -> Vec<Value> {
    for _ in 0..2_000 {
        let page = api.ask("GET", "/v1/events?after=0", None).await.json();
        let events = page["events"].as_array().expect("a list");
        if events.len() >= count {
            assert_eq!(events.len(), count, "{events:?}");
            return events.clone();
        }
        support::pass(support::ms(5)).await;
    }
    panic!("never {count} events");
}

#[tokio::test]
async fn a_blocked_number_is_refused_until_it_is_not_blocked_any_more() {
    let api = Api::start().await;
    let path = "/v1/blacklist/0612345678";
    assert_eq!(
        api.ask("GET", path, None).await.json(),
        json!({ "number": "+33612345678", "blocked": false })
    );
    for _ in 0..2 {
        let put = api.ask("PUT", path, None).await;
        assert_eq!((put.status, put.json()), (200, json!({ "number": "+33612345678", "blocked": true })));
    }
    send(&api, "+33612345678").await;
    let events = events(&api, 3).await;
    assert_eq!(
        (&events[0]["type"], &events[0]["number"]),
        (&json!("number.blocked"), &json!("+33612345678"))
    );
    assert_eq!(events[2]["type"], "message.refused", "{events:?}");
    let data = api.stop().await;
    let api = Api::on(data, Wanted::default()).await;
    assert_eq!(api.ask("GET", path, None).await.json()["blocked"], true, "it is kept");
    for number in ["+33600000001", "+33600000002", "+33600000003"] {
        assert_eq!(api.ask("PUT", &format!("/v1/blacklist/{number}"), None).await.status, 200);
    }
    let page = api.ask("GET", "/v1/blacklist?limit=3", None).await.json();
    assert_eq!(page["numbers"], json!(["+33600000001", "+33600000002", "+33600000003"]));
    let cursor = page["next"].as_str().expect("there is more");
    let rest = api.ask("GET", &format!("/v1/blacklist?cursor={cursor}"), None).await.json();
    assert_eq!(rest, json!({ "numbers": ["+33612345678"] }));
    let other = [("Authorization", "Bearer other-secret")];
    assert_eq!(api.raw("GET", path, &other, b"").await.json()["blocked"], false, "of this service alone");
    for _ in 0..2 {
        assert_eq!(api.ask("DELETE", path, None).await.status, 204);
    }
    assert_eq!(api.ask("GET", path, None).await.json()["blocked"], false);
    assert_eq!(api.ask("PUT", "/v1/blacklist/SHOP", None).await.code(), "invalid");
}

#[tokio::test]
async fn a_webhook_is_shown_without_its_address_and_told_again_on_request() {
    let api = Api::with(wanted()).await;
    let hooks = api.ask("GET", "/v1/webhooks", None).await.json();
    assert_eq!(
        hooks,
        json!({ "webhooks": [{
            "id": "main", "kind": "native", "host": "shop.example",
            "events": ["message.sent", "message.delivered", "message.refused", "message.expired", "message.cancelled",
                       "message.unknown", "message.late_receipt", "message.received"],
            "waiting": 0, "under_way": 0, "dead": 0, "paused": true,
        }] })
    );
    send(&api, "+33612345678").await;
    let cursor = events(&api, 3).await[2]["seq"].clone();
    let replayed = api.ask("POST", "/v1/webhooks/main/replay", Some(json!({ "after": 0 }))).await;
    assert_eq!((replayed.status, replayed.json()), (202, json!({ "owed": 2 })), "sent and delivered");
    let ahead = api.ask("POST", "/v1/webhooks/main/replay", Some(json!({ "after": cursor }))).await;
    assert_eq!(ahead.json(), json!({ "owed": 0 }));
    let waiting = async || {
        // Figures are drawn anew as time passes.
        api.clock.advance(Duration::from_millis(100));
        api.ask("GET", "/v1/webhooks", None).await.json()["webhooks"][0]["waiting"].clone()
    };
    let mut tries = 0;
    // Two when it happened, two again: nobody takes them here.
    while waiting().await != 4 {
        tries += 1;
        assert!(tries < 400, "{}", waiting().await);
        support::pass(support::ms(5)).await;
    }
    assert_eq!(api.ask("GET", "/v1/webhooks/main/dead", None).await.json(), json!({ "dead": [] }));
    let retried = api.ask("POST", "/v1/webhooks/main/retry", None).await;
    assert_eq!((retried.status, retried.json()), (202, json!({ "dead": 0 })));
    for (method, path, body) in [
        ("GET", "/v1/webhooks/other/dead", None),
        ("POST", "/v1/webhooks/other/retry", None),
        ("POST", "/v1/webhooks/other/replay", Some(json!({ "after": 0 }))),
    ] {
        assert_eq!(api.ask(method, path, body).await.code(), "not_found", "{path}");
    }
    for wrong in [json!({}), json!({ "after": -1 }), json!({ "after": 0, "until": 1 }), json!([])] {
        assert_eq!(api.ask("POST", "/v1/webhooks/main/replay", Some(wrong)).await.code(), "invalid");
    }
}

#[tokio::test]
async fn a_service_reads_what_it_has_used_and_what_it_may_use() {
    let api = Api::with(wanted()).await;
    send(&api, "+33612345678").await;
    events(&api, 3).await;
    let mut tries = 0;
    let service = loop {
        // Figures are drawn anew as time passes.
        api.clock.advance(Duration::from_millis(100));
        let service = api.ask("GET", "/v1/service", None).await.json();
        if service["ended"]["delivered"] == 1 {
            break service;
        }
        tries += 1;
        assert!(tries < 400, "{service}");
        support::pass(support::ms(5)).await;
    };
    assert_eq!(
        service["month"],
        json!({ "name": "2026-11", "timezone": "Europe/Paris", "used": 1, "limit": 1000, "left": 999 })
    );
    assert_eq!(
        (&service["id"], &service["accepted"], &service["waiting_max"]),
        (&json!("shop"), &json!(1), &json!(50))
    );
    assert_eq!(service["senders"], json!(["+33930000000", "SHOP"]));
    assert_eq!(service["scopes"].as_array().map(Vec::len), Some(5));
}
