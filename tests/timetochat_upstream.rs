//! The vendor's REST API as an upstream: the whole daemon against the simulated vendor over loopback. Reports are lost,
//! doubled, reordered and delayed, tokens end, calls are refused, cut and left hanging, before the message was taken and
//! after it: every message ends exactly once, and none is sent twice.

mod support;

use std::collections::BTreeSet;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Uri};
use serde_json::{Value, json};
use support::gateway::{Gateway, PASSWORD, Site, Wanted, free_addresses, mo_route, route, service};
use support::{ms, pass, until};
use trunkline::clock::Clock;
use trunkline::net::Guard;
use trunkline::net::client::{Answer, Client, ClientConfig, Request};
use trunkline::sim::timetochat::{BASE, Config, Running, start};

const SERVICE: &str = "123456";
const HOOK: &str = "0123456789abcdef0123456789abcdef";
const KEY: &str = "a key of forty characters, or nearly so.";

/// A gateway, and the vendor that it sends to.
struct House {
    site: Site,
    gateway: Gateway,
    vendor: Running,
    client: Client,
}

/// An upstream by REST with these lines of its own.
fn upstream(id: &str, url: &str, more: &str) -> String {
    let or = |key: &str, line: &str| if more.contains(key) { String::new() } else { format!("{line}\n") };
    let (rate, response) = (or("rate =", "rate = 200"), or("response =", "response = \"2s\""));
    format!(
        "[[upstream]]\nid = \"{id}\"\nkind = \"timetochat\"\nurl = \"{url}\"\nservice_id = \"{SERVICE}\"\n\
         password_file = \"password\"\nreconnect_min = \"50ms\"\nreconnect_max = \"200ms\"\n{rate}{response}{more}\n"
    )
}

fn set(vendor: &Running, switches: Value) {
    let switches = switches.as_object().expect("an object");
    vendor.set(switches).expect("the switches are right");
}

impl House {
    async fn new(switches: Value, more: &str) -> Self {
        Self::with(switches, more, "", &["mug"]).await
    }

    /// With further upstreams, and a route over these.
    async fn with(switches: Value, more: &str, further: &str, upstreams: &[&str]) -> Self {
        let vendor = start(Config::loopback(SERVICE, PASSWORD), Clock::system()).await.expect("free ports");
        let url = format!("http://{}{BASE}", vendor.rest);
        let hook = "push_path_file = \"hook\"\n";
        let rest = [
            service("shop", "http_rate = 0\nrate = 0\n[[service.key]]\nid = \"main\"\nkey_file = \"key\"\n"),
            upstream("mug", &url, &format!("{hook}{more}")),
            further.to_owned(),
            route(upstreams, ""),
            mo_route("shop"),
        ]
        .concat();
        let rules = "delivery_life = \"10m\"";
        let wanted = Wanted { http: Some(""), rest: &rest, rules, ..Wanted::default() };
        let site = Site::new(&wanted);
        site.write("hook", HOOK);
        site.write("key", KEY);
        set(
            &vendor,
            json!({
                "push_url": format!("http://{}/hooks/timetochat/{HOOK}", site.http),
                "senders": ["0930000000"], "rate": 0, "sent_ms": 20, "received_ms": 60,
                "push_tries": 50, "push_retry_ms": 100, "push_timeout_ms": 2_000,
            }),
        );
        set(&vendor, switches);
        let gateway = site.start().await;
        let config = ClientConfig { guard: Guard::any(), ..ClientConfig::default() };
        let client = Client::new(config).expect("no certificates are asked for");
        Self { site, gateway, vendor, client }
    }

    /// The same after `kill -9` and a start.
    async fn killed(self) -> Self {
        let Self { site, gateway, vendor, client } = self;
        gateway.kill();
        let gateway = site.start().await;
        Self { site, gateway, vendor, client }
    }

    async fn ask(&self, method: Method, path: &str, body: impl Into<bytes::Bytes>) -> Answer {
        let uri: Uri = format!("http://{}{path}", self.site.http).parse().expect("a good URL");
        let mut request = Request::new(method, uri);
        let bearer = HeaderValue::from_str(&format!("Bearer {KEY}")).expect("plain");
        request.headers.insert(AUTHORIZATION, bearer);
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = body.into();
        self.client.send(request).await.expect("the façade answers")
    }

    /// Hands messages over; their ids.
    async fn send(&self, to: &[&str], text: &str) -> Vec<String> {
        let messages: Vec<_> =
            to.iter().map(|to| json!({ "to": to, "from": "+33930000000", "text": text })).collect();
        let body = json!({ "messages": messages }).to_string();
        let answer = self.ask(Method::POST, "/v1/messages/batch", body).await;
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(answer.status, 200, "{told}");
        let ids = told["results"].as_array().expect("results").iter();
        ids.map(|one| one["message"]["id"].as_str().unwrap_or_else(|| panic!("{one}")).to_owned()).collect()
    }

    /// How many have ended so.
    async fn ended(&self, end: &str, count: usize) {
        let label = format!("end=\"{end}\"");
        let metrics = self
            .gateway
            .until(&format!("{count} {end}"), |m| {
                m.sum("trunkline_messages_ended_total", &[&label]) >= count as f64
            })
            .await;
        assert_eq!(metrics.sum("trunkline_messages_ended_total", &[]), count as f64, "and no others");
        metrics.add_up();
    }

    /// Calls of a method that ended so; empty: however they ended.
    async fn calls(&self, method: &str, result: &str) -> usize {
        let method = format!("method=\"{method}\"");
        let result = if result.is_empty() { String::new() } else { format!("result=\"{result}\"") };
        let metrics = self.gateway.metrics().await;
        let sum = metrics.sum("trunkline_timetochat_calls_total", &[&method, &result]);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        let count = sum as usize;
        count
    }

    /// The vendor has exactly these messages, each once.
    fn vendor_has(&self, ids: &[String]) {
        let taken = self.vendor.messages(10_000);
        let references: BTreeSet<_> = taken.iter().filter_map(|(_, reference)| reference.as_ref()).collect();
        assert_eq!(taken.len(), references.len(), "none twice");
        assert_eq!(references, ids.iter().collect(), "none missing");
    }

    async fn incoming(&self, count: usize) {
        let messages = |m: &support::metrics::Metrics| m.sum("trunkline_incoming_total", &[]);
        self.gateway.until(&format!("{count} incoming"), |m| messages(m) >= count as f64).await;
        // A repetition would come now.
        pass(ms(400)).await;
        assert_eq!(messages(&self.gateway.metrics().await), count as f64);
    }
}

/// Recipients that nothing special happens to.
fn anybody(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("+336123400{n:02}")).collect()
}

fn refs(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_may_be_doubled_reordered_and_late() {
    let switches = json!({
        "report_double": "1/2", "report_late": "1/3", "late_ms": 400, "report_jitter_ms": 150, "push_group": 3,
    });
    let house = House::new(switches, "").await;
    let ids = house.send(&refs(&anybody(40)), "Bonjour").await;
    house.ended("delivered", 40).await;
    house.vendor_has(&ids);
    pass(ms(600)).await;
    house.ended("delivered", 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_lost_is_asked_for() {
    let house = House::new(json!({ "report_lost": "always" }), "inquire_after = \"1s\"").await;
    let ids = house.send(&refs(&anybody(5)), "Bonjour").await;
    house.ended("delivered", 5).await;
    house.vendor_has(&ids);
    assert!(house.calls("read", "200").await >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_at_the_vendors_is_refused_with_its_number() {
    let house = House::new(json!({}), "").await;
    let ids = house.send(&["+33612349912", "+33612349914", "+33612349903"], "Bonjour").await;
    house.ended("refused", 3).await;
    house.vendor_has(&ids);
    let answer = house.ask(Method::GET, &format!("/v1/messages/{}", ids[0]), "").await;
    let message: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert!(message.to_string().contains("12"), "FULLSIM is error 12: {message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_may_have_been_taken_is_not_sent_again() {
    for (fault, hang_ms) in [("1/3 503", 0), ("1/3 cut", 0), ("1/3 hang", 5_000)] {
        // The report comes after we have given up.
        let switches = json!({ "fault_send_after": fault, "hang_ms": hang_ms, "received_ms": 2_500 });
        let house = House::new(switches, "response = \"1s\"").await;
        let ids = house.send(&refs(&anybody(9)), "Bonjour").await;
        house.ended("delivered", 9).await;
        house.vendor_has(&ids);
        assert!(house.site.log().contains("it is not sent again"), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_that_no_report_settles_ends_as_unknown() {
    let house = House::new(json!({ "fault_send_before": "next 1 503" }), "reconcile = \"2s\"").await;
    house.send(&["+33612340000"], "Bonjour").await;
    house.ended("unknown", 1).await;
    house.vendor_has(&[]);
    let ids = house.send(&["+33612340001"], "Bonjour").await;
    house
        .gateway
        .until("the next goes", |m| m.sum("trunkline_messages_ended_total", &["delivered"]) == 1.0)
        .await;
    house.vendor_has(&ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_end_are_replaced_and_nothing_is_lost() {
    let house = House::new(json!({ "token_dies_after_seconds": 1 }), "rate = 20").await;
    let mut ids = house.send(&refs(&anybody(40)), "Bonjour").await;
    pass(ms(300)).await;
    house.vendor.revoke_tokens();
    ids.extend(house.send(&refs(&anybody(10)), "encore").await);
    house.ended("delivered", 50).await;
    house.vendor_has(&ids);
    assert!(house.calls("send", "401").await > 0, "a token was refused");
    let (refused, tokens) = (house.calls("send", "401").await, house.calls("token", "201").await);
    assert!(tokens <= refused + 1, "{tokens} tokens for {refused} refusals: one at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_wants_fewer_calls_gets_fewer_and_all_messages() {
    let house = House::new(json!({ "rate": 5 }), "rate = 20").await;
    let ids = house.send(&refs(&anybody(12)), "Bonjour").await;
    house.ended("delivered", 12).await;
    house.vendor_has(&ids);
    assert!(house.calls("send", "429").await > 0, "it was too fast at first");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_of_the_three_methods_together_is_kept() {
    let house =
        House::new(json!({ "rate": 20, "report_lost": "1/2" }), "rate = 20\ninquire_after = \"1s\"").await;
    let ids = house.send(&refs(&anybody(60)), "Bonjour").await;
    house.ended("delivered", 60).await;
    house.vendor_has(&ids);
    assert_eq!(house.calls("send", "429").await + house.calls("read", "429").await, 0, "never too fast");
    assert!(house.calls("read", "200").await > 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_one_message_however_it_is_told() {
    for told in ["answered", "incoming", "both", "both_reversed"] {
        let switches =
            json!({ "answered": told, "reply_ms": 50, "report_double": "always", "report_jitter_ms": 200 });
        let house = House::new(switches, "").await;
        // Both mobiles answer what was written to them.
        house.send(&["+33612349930", "+33712349930"], "Bonjour").await;
        house.ended("delivered", 2).await;
        house.incoming(2).await;
        house.vendor.incoming("+33600000001", None, "Sans y être invité : ☎");
        house.incoming(3).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_message_is_delivered_with_its_last_part_and_failed_with_any() {
    let house = House::new(json!({ "push_parts": true, "report_jitter_ms": 100 }), "").await;
    let text = "Ce message est assez long pour qu'il en faille deux. ".repeat(5);
    let ids = house.send(&["+33612340001"], &text).await;
    house.ended("delivered", 1).await;
    let more = house.send(&["+33612349924"], &text).await;
    let both = [&ids[..], &more[..]].concat();
    house.gateway.until("refused", |m| m.sum("trunkline_messages_ended_total", &["refused"]) == 1.0).await;
    house.vendor_has(&both);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_under_way_when_we_are_killed_is_not_sent_again() {
    for (lost, end) in [("off", "delivered"), ("always", "unknown")] {
        let switches = json!({ "fault_send_after": "next 1 hang", "received_ms": 300, "report_lost": lost });
        let house = House::new(switches, "response = \"30s\"\nreconcile = \"3s\"").await;
        let ids = house.send(&["+33612340000"], "Bonjour").await;
        until("the vendor has it", || (!house.vendor.messages(1).is_empty()).then_some(())).await;
        let house = house.killed().await;
        house.ended(end, 1).await;
        house.vendor_has(&ids);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_in_the_middle_of_everything_send_nothing_twice() {
    let switches = json!({ "fault_send_after": "1/7 503", "report_double": "1/3", "report_jitter_ms": 300 });
    let mut house = House::new(switches, "rate = 40\nreconcile = \"8s\"").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.extend(house.send(&refs(&anybody(20)), "Bonjour").await);
        pass(ms(350)).await;
        house = house.killed().await;
    }
    // All that the vendor has is told sooner or later; what it never got, though we may have begun to send it, is unknown.
    let ended = |m: &support::metrics::Metrics| m.sum("trunkline_messages_ended_total", &[]);
    let metrics = house.gateway.until("all end", |m| ended(m) == 60.0).await;
    metrics.add_up();
    let (unknown, delivered) = (
        metrics.sum("trunkline_messages_ended_total", &["unknown"]),
        metrics.sum("trunkline_messages_ended_total", &["delivered"]),
    );
    let taken = house.vendor.messages(1_000);
    let references: BTreeSet<_> = taken.iter().filter_map(|(_, reference)| reference.clone()).collect();
    assert_eq!(taken.len(), references.len(), "none twice");
    assert!(references.is_subset(&ids.iter().cloned().collect()));
    assert_eq!((delivered, delivered + unknown), (taken.len() as f64, 60.0), "what it has is delivered");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_is_away_is_passed_over() {
    let [nowhere] = free_addresses();
    let away = upstream("away", &format!("http://{nowhere}{BASE}"), "failover_after = \"300ms\"");
    let house = House::with(json!({}), "", &away, &["away", "mug"]).await;
    let ids = house.send(&refs(&anybody(3)), "Bonjour").await;
    house.ended("delivered", 3).await;
    house.vendor_has(&ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_comes_back_gets_what_waited() {
    let house = House::new(json!({ "fault_token": "next 3 503" }), "").await;
    let ids = house.send(&refs(&anybody(5)), "Bonjour").await;
    house.ended("delivered", 5).await;
    house.vendor_has(&ids);
    set(&house.vendor, json!({ "fault_send_before": "next 4 403" }));
    house.send(&refs(&anybody(4)), "Bonjour").await;
    house.gateway.until("4 refused", |m| m.sum("trunkline_messages_ended_total", &["refused"]) == 4.0).await;
    house.vendor_has(&ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_cannot_be_read_is_refused_and_kept_and_an_odd_one_is_taken_and_kept() {
    let house = House::new(json!({}), "").await;
    let path = format!("/hooks/timetochat/{HOOK}");
    assert_eq!(house.ask(Method::POST, &path, "status_report").await.status, 400);
    assert_eq!(house.ask(Method::POST, &path, "{\"status_report\":{\"sms\":[]}}").await.status, 200);
    assert_eq!(house.ask(Method::POST, &path.replace('f', "e"), "{}").await.status, 404);
    let kept = || std::fs::read_dir(house.site.path("data/hooks-rejected")).map_or(0, Iterator::count);
    assert_eq!(kept(), 1);
    house.send(&["+33612349925"], "Bonjour").await;
    house.ended("delivered", 1).await;
    until("the odd state is kept", || (kept() == 2).then_some(())).await;
    let log = house.site.log();
    assert!(!log.contains(HOOK) && !log.contains(PASSWORD) && !log.contains("Bearer"), "secrets stay out");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_waits_for_answers_and_loses_nothing() {
    let house = House::new(json!({ "fault_send_after": "off" }), "rate = 20").await;
    let ids = house.send(&refs(&anybody(30)), "Bonjour").await;
    pass(ms(500)).await;
    let House { site, gateway, vendor, client } = house;
    assert!(gateway.terminate().await.success());
    let gateway = site.start().await;
    let house = House { site, gateway, vendor, client };
    house.ended("delivered", 30).await;
    house.vendor_has(&ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_moves_with_a_reload() {
    const NEXT: &str = "fedcba9876543210fedcba9876543210";
    let house = House::new(json!({}), "").await;
    let push = async |secret: &str| {
        house.ask(Method::POST, &format!("/hooks/timetochat/{secret}"), "{\"sms\":[]}").await.status.as_u16()
    };
    assert_eq!((push(HOOK).await, push(NEXT).await), (200, 404));
    house.site.write("hook", NEXT);
    let pid = house.gateway.pid().to_string();
    let hung_up = std::process::Command::new("kill").args(["-HUP", &pid]).status();
    assert!(hung_up.is_ok_and(|status| status.success()), "there is a kill command");
    for _ in 0..1_000 {
        if push(NEXT).await == 200 {
            break;
        }
        pass(ms(10)).await;
    }
    assert_eq!((push(HOOK).await, push(NEXT).await), (404, 200));
    assert_eq!(house.calls("token", "201").await, 1, "the line itself has not changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_smpp_connector_is_an_upstream_with_a_profile() {
    let vendor = start(Config::loopback(SERVICE, PASSWORD), Clock::system()).await.expect("free ports");
    set(&vendor, json!({ "rate": 0, "sent_ms": 20, "received_ms": 60 }));
    let connector = format!(
        "[[upstream]]\nid = \"connector\"\nprofile = \"timetochat\"\nurl = \"smpp://{}\"\nsystem_id = \"{SERVICE}\"\n\
         password_file = \"password\"\nexternal_reference = 0x1501\nrate = 200\n",
        vendor.smpp.expect("it listens")
    );
    let house = House::with(json!({}), "", &connector, &["connector"]).await;
    let ids = house.send(&refs(&anybody(5)), "Bonjour").await;
    let long = house.send(&["+33612340001"], &"Ce message est assez long. ".repeat(12)).await;
    house.ended("delivered", 6).await;
    assert!(house.vendor.messages(1).is_empty(), "nothing went by REST");
    let taken = vendor.messages(10);
    let references: BTreeSet<_> = taken.iter().filter_map(|(_, reference)| reference.clone()).collect();
    assert_eq!(references, ids.into_iter().chain(long).collect(), "our ids go along");
    vendor.incoming("+33600000001", None, "Bonjour à vous");
    house.incoming(1).await;
}
