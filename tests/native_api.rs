//! The native API over HTTP: who may ask, what is sent, what is told, and what a repetition is.

mod support;

use serde_json::{Value, json};
use support::api::{Api, KEY, NOW_MS, Reply, Wanted, access_of, key};
use trunkline::http::v1::{ApiKey, Config, Scopes, ServiceAccess};
use trunkline::net::AllowFrom;

fn text(text: &str) -> Value {
    json!({ "to": "+33612345678", "from": "SHOP", "text": text })
}

async fn send(api: &Api, body: Value) -> String {
    let sent = api.ask("POST", "/v1/messages", Some(body)).await;
    assert_eq!(sent.status, 201, "{sent:?}");
    sent.json()["id"].as_str().expect("an id").to_owned()
}

/// The message once it stands in `state`.
async fn once(api: &Api, id: &str, state: &str) -> Value {
    for _ in 0..1_000 {
        let message = api.ask("GET", &format!("/v1/messages/{id}"), None).await.json();
        if message["state"] == state {
            return message;
        }
        support::pass(support::ms(5)).await;
    }
    panic!("{id} is never {state}");
}

#[tokio::test]
async fn a_message_is_taken_sent_and_shown_with_all_that_happened() {
    let api = Api::start().await;
    let sent = api.ask("POST", "/v1/messages", Some(text("Your parcel is here."))).await;
    let taken = sent.json();
    let id = taken["id"].as_str().expect("an id");
    assert_eq!((sent.status, sent.header("location")), (201, Some(format!("/v1/messages/{id}").as_str())));
    assert_eq!(
        taken,
        json!({ "id": id, "state": "accepted", "segments": 1, "alphabet": "gsm", "units": 20 })
    );
    let message = once(&api, id, "delivered").await;
    assert_eq!((&message["text"], &message["to"]), (&json!("Your parcel is here."), &json!("+33612345678")));
    let history: Vec<_> =
        message["history"].as_array().expect("a history").iter().map(|e| e["event"].clone()).collect();
    assert_eq!(history[..4], ["accepted", "sending", "sent", "receipt"].map(Value::from), "{message}");
}

#[tokio::test]
async fn a_status_read_right_after_the_201_sees_the_message() {
    let api = Api::with(Wanted { upstream: false, ..Wanted::default() }).await;
    for n in 0..20 {
        let id = send(&api, text(&format!("{n}"))).await;
        assert_eq!(api.ask("GET", &format!("/v1/messages/{id}"), None).await.json()["state"], "accepted");
    }
}

#[tokio::test]
async fn nobody_without_a_key_is_answered() {
    let api = Api::start().await;
    for authorization in
        ["", "Basic c2hvcDp4", "Bearer ", "Bearer wrong", "Bearer shop-secret2", "shop-secret"]
    {
        let headers: &[_] = if authorization.is_empty() { &[] } else { &[("Authorization", authorization)] };
        let reply = api.raw("GET", "/v1/messages", headers, b"").await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "unauthorized"), "{authorization}");
        assert!(reply.header("www-authenticate").is_some_and(|it| it.starts_with("Bearer")), "{reply:?}");
    }
    let twice = [("Authorization", "Bearer shop-secret"), ("Authorization", "Bearer shop-secret")];
    assert_eq!(api.raw("GET", "/v1/messages", &twice, b"").await.status, 401);
    assert_eq!(
        api.raw("GET", "/v1/nothing", &[], b"").await.status,
        401,
        "what is there is not told to strangers"
    );
    assert_eq!(api.raw("GET", "/v1/openapi.json", &[], b"").await.status, 200, "but how to ask is");
}

#[tokio::test]
async fn strangers_spend_their_addresss_tokens_and_not_the_services() {
    let wanted = Wanted::default();
    let services = vec![ServiceAccess { rate: 5, ..access_of("shop") }];
    let config = Config { services, strangers_rate: 3, ..wanted.config };
    let api = Api::with(Wanted { config, ..Wanted::default() }).await;
    for expected in [401, 401, 401, 429, 429] {
        assert_eq!(api.raw("GET", "/v1/messages", &[], b"").await.status, expected);
    }
    let refused = api.raw("GET", "/v1/messages", &[], b"").await;
    assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("rate_limit", Some("1")));
    for left in ["4", "3", "2", "1", "0"] {
        let reply = api.ask("GET", "/v1/messages", None).await;
        assert_eq!(
            (reply.status, reply.header("ratelimit")),
            (200, Some(format!("\"service\";r={left};t=1").as_str()))
        );
    }
    let refused = api.ask("GET", "/v1/messages", None).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"service\";q=5;w=1"));
}

#[tokio::test]
async fn a_batch_spends_a_token_per_message() {
    let wanted = Wanted::default();
    let services = vec![ServiceAccess { rate: 10, ..access_of("shop") }];
    let api = Api::with(Wanted { config: Config { services, ..wanted.config }, ..Wanted::default() }).await;
    let batch = |n: usize| json!({ "messages": vec![text("x"); n] });
    assert_eq!(api.ask("POST", "/v1/messages/batch", Some(batch(7))).await.status, 200);
    assert_eq!(api.ask("POST", "/v1/messages/batch", Some(batch(4))).await.status, 429, "three are left");
    assert_eq!(api.ask("POST", "/v1/messages/batch", Some(batch(3))).await.status, 200);
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_say() {
    let wanted = Wanted::default();
    let config = Config { keys: vec![key("shop", KEY, Scopes::MESSAGES_READ)], ..wanted.config };
    let api = Api::with(Wanted { config, ..Wanted::default() }).await;
    assert_eq!(api.ask("GET", "/v1/messages", None).await.status, 200);
    for (path, body) in
        [("/v1/messages", text("x")), ("/v1/messages/batch", json!({ "messages": [text("x")] }))]
    {
        let refused = api.ask("POST", path, Some(body)).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"));
        assert!(
            refused.header("www-authenticate").is_some_and(|it| it.contains("messages:send")),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn keys_are_rotated_without_a_moment_without_any() {
    let wanted = Wanted::default();
    let (old, new) = (key("shop", KEY, Scopes::ALL), key("shop", "new-secret", Scopes::ALL));
    let config = |keys: Vec<ApiKey>| Config { keys, ..wanted.config.clone() };
    let api = Api::with(Wanted { config: config(vec![old.clone()]), ..Wanted::default() }).await;
    let ask = async |secret: &str| {
        let authorization = format!("Bearer {secret}");
        api.raw("GET", "/v1/messages", &[("Authorization", authorization.as_str())], b"").await
    };
    assert_eq!([ask(KEY).await.status, ask("new-secret").await.status], [200, 401]);
    api.v1.configure(config(vec![old.clone(), new.clone()]));
    assert_eq!([ask(KEY).await.status, ask("new-secret").await.status], [200, 200]);
    api.v1.configure(config(vec![ApiKey { not_after_ms: Some(NOW_MS), ..old }, new.clone()]));
    assert_eq!((ask(KEY).await.code().as_str(), ask("new-secret").await.status), ("key_expired", 200));
    api.v1.configure(config(vec![new]));
    assert_eq!([ask(KEY).await.status, ask("new-secret").await.status], [401, 200]);
}

#[tokio::test]
async fn a_key_is_of_no_use_from_a_foreign_address() {
    let wanted = Wanted::default();
    let only = |allowed: bool| {
        let allow_from = Some(AllowFrom::new(move |_| allowed));
        vec![ServiceAccess { allow_from, ..access_of("shop") }]
    };
    let config = Config { services: only(false), ..wanted.config.clone() };
    let api = Api::with(Wanted { config, ..Wanted::default() }).await;
    assert_eq!(api.ask("GET", "/v1/messages", None).await.code(), "address_not_allowed");
    api.v1.configure(Config { services: only(true), ..wanted.config });
    assert_eq!(api.ask("GET", "/v1/messages", None).await.status, 200);
}

#[tokio::test]
async fn another_services_message_is_not_there() {
    let api = Api::start().await;
    let id = send(&api, text("x")).await;
    let other = [("Authorization", "Bearer other-secret")];
    for (method, path) in
        [("GET", format!("/v1/messages/{id}")), ("POST", format!("/v1/messages/{id}/cancel"))]
    {
        let reply = api.raw(method, &path, &other, b"").await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"));
    }
    let listed = api.raw("GET", "/v1/messages", &other, b"").await.json();
    assert_eq!(listed, json!({ "messages": [] }));
}

#[tokio::test]
async fn bad_bodies_are_refused_with_every_fault() {
    let api = Api::start().await;
    let json = [("Authorization", "Bearer shop-secret"), ("Content-Type", "application/json")];
    let deep = "[".repeat(100_000);
    for (body, status, code) in [
        (&b""[..], 400, "json"),
        (b"{", 400, "json"),
        (b"\xFF\xFE", 400, "json"),
        (deep.as_bytes(), 400, "json"),
        (b"[]", 400, "invalid"),
        (b"{}", 400, "invalid"),
        (b"{\"to\":\"+33612345678\",\"text\":\"\"}", 400, "invalid"),
        (b"{\"to\":\"+33612345678\"}", 422, "invalid"),
        (b"{\"to\":\"+33612345678\",\"text\":\"x\",\"send_at\":\"2020-01-01T00:00:00Z\"}", 422, "schedule"),
        (
            b"{\"to\":\"+33612345678\",\"text\":\"x\",\"valid_until\":\"2020-01-01T00:00:00Z\"}",
            422,
            "validity",
        ),
        (b"{\"to\":\"+33612345678\",\"text\":\"x\",\"from\":\"BANK\"}", 403, "sender"),
    ] {
        let reply = api.raw("POST", "/v1/messages", &json, body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{}",
            body[..body.len().min(60)].escape_ascii()
        );
    }
    let large = vec![b' '; (4 << 20) + 1];
    assert_eq!(api.raw("POST", "/v1/messages", &json, &large).await.code(), "too_large");
    let plain = [("Authorization", "Bearer shop-secret"), ("Content-Type", "text/plain")];
    assert_eq!(api.raw("POST", "/v1/messages", &plain, b"{}").await.code(), "unsupported_media_type");
    let two = json!({ "to": 1, "text": "x", "colour": "red" });
    let errors = api.ask("POST", "/v1/messages", Some(two)).await.json()["errors"].clone();
    let places: Vec<_> =
        errors.as_array().expect("faults").iter().map(|fault| fault["pointer"].clone()).collect();
    assert_eq!(places, ["/to", "/colour"]);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_allowed_is_said_so() {
    let api = Api::start().await;
    assert_eq!(api.ask("GET", "/v1/nothing", None).await.code(), "not_found");
    assert_eq!(api.ask("GET", "/v1/messages/66018af8c8ab4e0ca97532f1", None).await.code(), "not_found");
    assert_eq!(api.ask("GET", "/v1/messages/nonsense", None).await.code(), "not_found");
    assert_eq!(api.ask("GET", "/v1/messages/%00%FF", None).await.status, 400);
    let put = api.ask("PUT", "/v1/messages", None).await;
    assert_eq!((put.status, put.code().as_str()), (405, "method_not_allowed"));
    let allow = put.header("allow").expect("what is allowed");
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
}

#[tokio::test]
async fn a_batch_has_a_result_for_each_message() {
    let api = Api::start().await;
    let bad = json!({ "to": "nobody", "text": "x" });
    let foreign = json!({ "to": "+33612345678", "from": "BANK", "text": "x" });
    let batch = json!({ "messages": [text("one"), bad, foreign, text("two")] });
    let reply = api.ask("POST", "/v1/messages/batch", Some(batch)).await;
    let answer = reply.json();
    assert_eq!((reply.status, &answer["accepted"], &answer["refused"]), (200, &json!(2), &json!(2)));
    let statuses: Vec<_> =
        answer["results"].as_array().expect("results").iter().map(|it| it["status"].clone()).collect();
    assert_eq!(statuses, [201, 400, 403, 201]);
    assert_eq!(answer["results"][1]["problem"]["errors"][0]["pointer"], "/messages/1/to");
    assert_eq!(answer["results"][2]["problem"]["code"], "sender");
    for at in [0, 3] {
        once(&api, answer["results"][at]["message"]["id"].as_str().expect("an id"), "delivered").await;
    }
}

#[tokio::test]
async fn a_batch_has_one_to_a_thousand_messages() {
    let api = Api::start().await;
    let thousand = json!({ "messages": vec![text("x"); 1_000] });
    assert_eq!(api.ask("POST", "/v1/messages/batch", Some(thousand)).await.json()["accepted"], 1_000);
    for wrong in [json!([]), json!(vec![text("x"); 1_001]), json!("x"), json!([1]), Value::Null] {
        let reply = api.ask("POST", "/v1/messages/batch", Some(json!({ "messages": wrong }))).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid"));
    }
}

async fn keyed(api: &Api, path: &str, key: &str, body: Value) -> Reply {
    api.ask_with("POST", path, &[("Idempotency-Key", key)], Some(body)).await
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer_and_sends_nothing() {
    let api = Api::start().await;
    let first = keyed(&api, "/v1/messages", "order-1", text("one")).await;
    let again = keyed(&api, "/v1/messages", "order-1", text("one")).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!((&first.body, first.header("location")), (&again.body, again.header("location")));
    assert_eq!(
        (first.header("idempotency-replayed"), again.header("idempotency-replayed")),
        (None, Some("true"))
    );
    let other = keyed(&api, "/v1/messages", "order-1", text("two")).await;
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_key_reused"));
    assert_eq!(
        api.ask("GET", "/v1/messages", None).await.json()["messages"].as_array().map(Vec::len),
        Some(1)
    );
}

#[tokio::test]
async fn a_key_holds_across_a_restart() {
    let api = Api::start().await;
    let first = keyed(&api, "/v1/messages", "order-1", text("one")).await;
    let batch = json!({ "messages": [text("two"), text("three")] });
    let batched = keyed(&api, "/v1/messages/batch", "batch-1", batch.clone()).await;
    let data = api.stop().await;
    let api = Api::on(data, Wanted::default()).await;
    let again = keyed(&api, "/v1/messages", "order-1", text("one")).await;
    assert_eq!(
        (again.status, &again.body, again.header("idempotency-replayed")),
        (201, &first.body, Some("true"))
    );
    let again = keyed(&api, "/v1/messages/batch", "batch-1", batch).await;
    assert_eq!((&again.body, again.header("idempotency-replayed")), (&batched.body, Some("true")));
    let other = keyed(&api, "/v1/messages/batch", "batch-1", json!({ "messages": [text("four")] })).await;
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_key_reused"));
    assert_eq!(keyed(&api, "/v1/messages", "", text("x")).await.status, 400);
}

#[tokio::test]
async fn of_many_requests_at_once_under_one_key_one_message_is_made() {
    let api = Api::start().await;
    let asked = (0..30).map(|_| keyed(&api, "/v1/messages", "same", text("one")));
    let mut ids = std::collections::HashSet::new();
    for reply in join(asked).await {
        match reply.status {
            201 => drop(ids.insert(reply.json()["id"].to_string())),
            409 => assert_eq!(reply.code(), "idempotency_in_progress"),
            other => panic!("{other}: {reply:?}"),
        }
    }
    assert_eq!(ids.len(), 1);
}

async fn join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in &mut waiting {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *done = Some(value);
            }
        }
        if waiting.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn a_message_is_taken_back_until_it_has_left() {
    let api = Api::start().await;
    let later = json!({ "to": "+33612345678", "text": "x", "send_at": "2026-11-22T10:00:00Z" });
    let id = send(&api, later).await;
    assert_eq!(api.ask("GET", &format!("/v1/messages/{id}"), None).await.json()["state"], "scheduled");
    let cancelled = api.ask("POST", &format!("/v1/messages/{id}/cancel"), None).await;
    assert_eq!((cancelled.status, cancelled.json()), (200, json!({ "id": id, "state": "cancelled" })));
    let message = once(&api, &id, "cancelled").await;
    assert_eq!((&message["final"], &message["reason"]), (&json!(true), &json!("asked")));
    let again = api.ask("POST", &format!("/v1/messages/{id}/cancel"), None).await;
    assert_eq!((again.status, again.code().as_str()), (409, "already_ended"));
    let sent = send(&api, json!({ "to": "+33612345699", "text": "x" })).await;
    once(&api, &sent, "sent").await;
    let left = api.ask("POST", &format!("/v1/messages/{sent}/cancel"), None).await;
    assert_eq!((left.status, left.code().as_str()), (409, "already_left"));
}

#[tokio::test]
async fn lists_are_paged_filtered_and_ordered() {
    let api = Api::start().await;
    let mut ids = Vec::new();
    for n in 0..25 {
        let reference = if n % 5 == 0 { "five" } else { "other" };
        let to = if n % 2 == 0 { "+33612345678" } else { "+33712345699" };
        ids.push(send(&api, json!({ "to": to, "text": "x", "reference": reference })).await);
    }
    for id in ids.iter().step_by(2) {
        once(&api, id, "delivered").await;
    }
    let walk = async |query: &str| {
        let (mut found, mut path) = (Vec::new(), format!("/v1/messages?limit=4{query}"));
        loop {
            let page = api.ask("GET", &path, None).await;
            assert_eq!(page.status, 200, "{page:?}");
            let page = page.json();
            let messages = page["messages"].as_array().expect("messages");
            assert!(messages.len() <= 4);
            found.extend(messages.iter().map(|it| it["id"].as_str().expect("an id").to_owned()));
            match page["next"].as_str() {
                Some(next) => path = format!("/v1/messages?limit=4&cursor={next}"),
                None => return found,
            }
        }
    };
    let newest: Vec<_> = ids.iter().rev().cloned().collect();
    assert_eq!(walk("").await, newest);
    assert_eq!(walk("&order=oldest").await, ids);
    assert_eq!(
        walk("&order=oldest&reference=five").await,
        ids.iter().step_by(5).cloned().collect::<Vec<_>>()
    );
    assert_eq!(
        walk("&order=oldest&number=0612345678").await,
        ids.iter().step_by(2).cloned().collect::<Vec<_>>()
    );
    assert_eq!(
        walk("&order=oldest&state=delivered").await,
        ids.iter().step_by(2).cloned().collect::<Vec<_>>()
    );
    assert_eq!(walk("&until=2026-11-22T08:59:00Z").await, [""; 0]);
    assert_eq!(walk("&from=2026-11-22T08:59:00Z").await, newest);
}

#[tokio::test]
async fn a_bad_question_is_refused_with_every_fault() {
    let api = Api::start().await;
    for (query, status, parameters) in [
        ("limit=0&state=lost&colour=red", 400, &["limit", "state", "colour"][..]),
        ("cursor=AAAA", 422, &["cursor"]),
        ("from=yesterday&number=abc", 400, &["from", "number"]),
        ("limit=1&limit=2", 400, &["limit"]),
        ("direction=any", 422, &["direction"]),
        ("direction=mo&reference=a", 422, &["reference"]),
    ] {
        let reply = api.ask("GET", &format!("/v1/messages?{query}"), None).await;
        let errors = reply.json()["errors"].clone();
        let told: Vec<_> =
            errors.as_array().expect("faults").iter().map(|fault| fault["parameter"].clone()).collect();
        assert_eq!(
            (reply.status, told),
            (status, parameters.iter().map(|p| Value::from(*p)).collect()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn what_a_mobile_sends_is_listed_and_read() {
    let api = Api::start().await;
    api.receive("33612345678", "33930000000", "Hello").await;
    let mut listed = json!({});
    for _ in 0..1_000 {
        listed = api.ask("GET", "/v1/messages?direction=mo", None).await.json();
        if listed["messages"][0].is_object() {
            break;
        }
        support::pass(support::ms(5)).await;
    }
    let message = &listed["messages"][0];
    assert_eq!(
        (&message["text"], &message["from"], &message["state"]),
        (&json!("Hello"), &json!("+33612345678"), &json!("received"))
    );
    let path = format!("/v1/messages/{}", message["id"].as_str().expect("an id"));
    assert_eq!(&api.ask("GET", &path, None).await.json(), message);
    let both = api.ask("GET", "/v1/messages?direction=any&number=%2B33612345678", None).await.json();
    assert_eq!(both["messages"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_first_page_lists_what_there_is_and_the_pages_are_there() {
    let api = Api::start().await;
    let index = api.raw("GET", "/", &[], b"").await;
    assert!(index.body.contains("/docs/") && index.body.contains("/v1/openapi.json"), "{}", index.body);
    for path in ["/docs/", "/docs/swagger-ui-bundle.js", "/docs/problems", "/v1/openapi.json", "/healthz"] {
        assert_eq!(api.raw("GET", path, &[], b"").await.status, 200, "{path}");
    }
    assert_eq!(api.raw("GET", "/docs", &[], b"").await.header("location"), Some("/docs/"));
    assert_eq!(api.raw("GET", "/nothing", &[], b"").await.code(), "not_found");
}

#[tokio::test]
async fn the_description_has_every_path_and_every_reference_leads_somewhere() {
    let openapi = serde_json::to_value(trunkline::http::v1::openapi()).expect("JSON");
    for (path, method) in [
        ("/v1/messages", "post"),
        ("/v1/messages", "get"),
        ("/v1/messages/batch", "post"),
        ("/v1/messages/{id}", "get"),
        ("/v1/messages/{id}/cancel", "post"),
        ("/v1/segments", "post"),
    ] {
        let operation = &openapi["paths"][path][method];
        assert!(
            operation["responses"]["401"].is_object() && operation["responses"]["429"].is_object(),
            "{path}"
        );
    }
    let text = openapi.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().expect("a pointer");
        assert!(openapi.pointer(pointer).is_some(), "{pointer}");
    }
}
