//! `trunkline simulate timetochat` as an integrator meets it: plain HTTP, a webhook of the tests' own, and their ESME.

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value, json};
use support::esme::{Esme, plain};
use support::tls::Identity;
use support::wire::number;
use support::{PATIENCE, ms, pass, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use trunkline::clock::Clock;
use trunkline::pdu::{
    Address, CommandId, CommandStatus, DataCoding, MessageState, Outbind, SequenceNumber, SubmitSm, Tag,
    Tlvs, tlv,
};
use trunkline::sim::timetochat::{Config, Running, Switches, start};

const SERVICE: &str = "123456";
const PASSWORD: &str = "12a34b5";
const MOBILE: &str = "+33600000000";

/// An answer over HTTP.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    fn code(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// One request on its own connection; `None` when it was cut without an answer.
async fn ask(to: SocketAddr, method: &str, path: &str, token: Option<&str>, body: &str) -> Option<Reply> {
    let asked = async {
        let mut socket = TcpStream::connect(to).await.ok()?;
        let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let octets = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Type: application/json\r\n{bearer}Content-Length: {octets}\r\n\r\n{body}"
        );
        socket.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8(answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("an answer or an end")
}

/// A simulator and a client of it.
struct Vendor {
    running: Running,
    token: String,
}

impl Vendor {
    async fn start(changes: Value) -> Self {
        let quick = json!({"sent_ms": 20, "received_ms": 60, "reply_ms": 20, "rate": 0});
        let switches =
            Switches::default().with(object(&quick)).and_then(|quick| quick.with(object(&changes)));
        let switches = switches.expect("the switches exist");
        let config = Config { switches, ..Config::loopback(SERVICE, PASSWORD) };
        let running = start(config, Clock::system()).await.expect("loopback has free ports");
        let mut vendor = Self { running, token: String::new() };
        vendor.renew().await;
        vendor
    }

    async fn renew(&mut self) {
        if let Some(reply) = self.ask_token(PASSWORD).await.filter(|reply| reply.status == 201) {
            self.token = reply.json()["token"].as_str().expect("a token").to_owned();
        }
    }

    fn path(&self, rest: &str) -> String {
        format!("/mug/api/V1/services/{SERVICE}/{rest}")
    }

    async fn ask_token(&self, password: &str) -> Option<Reply> {
        let body = json!({"password": password}).to_string();
        ask(self.running.rest, "POST", &self.path("token"), None, &body).await
    }

    async fn post(&self, body: &str) -> Option<Reply> {
        ask(self.running.rest, "POST", &self.path("messages"), Some(&self.token), body).await
    }

    async fn send(&self, changes: Value) -> Reply {
        let mut body = json!({"from": "0930000000", "to": MOBILE, "text": "Test MUG"});
        body.as_object_mut().expect("an object").extend(object(&changes).clone());
        self.post(&body.to_string()).await.expect("an answer")
    }

    /// Sends to a number; the message's id.
    async fn sent(&self, to: &str) -> String {
        let reply = self.send(json!({"to": to, "extRef": "abc123"})).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["id"].as_str().expect("an id").to_owned()
    }

    async fn read(&self, id: &str) -> Reply {
        let path = self.path(&format!("messages/{id}"));
        ask(self.running.rest, "GET", &path, Some(&self.token), "").await.expect("an answer")
    }

    /// The states of the history, once there are so many.
    async fn history(&self, id: &str, steps: usize) -> Vec<String> {
        for _ in 0..1_000 {
            let history = self.read(id).await.json()["history"].as_array().expect("a history").clone();
            if history.len() >= steps {
                let word = |step: &Value| {
                    let part = step.get("part").and_then(Value::as_str).map(|part| format!("{part} "));
                    part.unwrap_or_default() + step["status"].as_str().expect("a status")
                };
                return history.iter().map(word).collect();
            }
            pass(ms(10)).await;
        }
        panic!("never {steps} steps: {}", self.read(id).await.body);
    }

    async fn control(&self, path: &str, body: Value) -> Reply {
        let (method, body) = if body.is_null() { ("GET", String::new()) } else { ("POST", body.to_string()) };
        ask(self.running.rest, method, path, None, &body).await.expect("an answer")
    }

    async fn set(&self, changes: Value) {
        let reply = self.control("/_sim/set", changes).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    async fn esme(&self) -> Esme {
        let mut esme = Esme::connect(self.running.smpp.expect("it listens"), None).await;
        assert_eq!(esme.bind(CommandId::BIND_TRANSCEIVER, SERVICE, PASSWORD).await, CommandStatus::ESME_ROK);
        esme
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

/// A webhook that takes what comes, with the statuses of its script first.
struct Hook {
    url: String,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    async fn start(script: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("http://{}/push", listener.local_addr().expect("it is bound"));
        let got = Arc::new(Mutex::new(Vec::new()));
        let (kept, script) = (Arc::clone(&got), Arc::new(Mutex::new(script.to_vec())));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(take(socket, Arc::clone(&kept), Arc::clone(&script)));
            }
        });
        Self { url, got }
    }

    /// All `sms` so far: type, call_id and info of each entry.
    fn told(&self) -> Vec<(String, String, String)> {
        let got = self.got.lock().expect("nobody panics");
        let sms =
            got.iter().flat_map(|push| push["status_report"]["sms"].as_array().cloned().unwrap_or_default());
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        sms.flat_map(|sms| {
            let list = sms["status_list"].as_array().cloned().unwrap_or_default();
            list.into_iter()
                .map(move |entry| (word(&entry["type"]), word(&sms["call_id"]), word(&entry["info"])))
        })
        .collect()
    }

    fn kinds(&self) -> Vec<String> {
        self.told().into_iter().map(|(kind, ..)| kind).collect()
    }

    async fn until(&self, count: usize) -> Vec<String> {
        until("so many reports", || Some(self.kinds()).filter(|kinds| kinds.len() >= count)).await
    }
}

/// Requests of one connection.
async fn take(mut socket: TcpStream, got: Arc<Mutex<Vec<Value>>>, script: Arc<Mutex<Vec<u16>>>) {
    let mut input = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&input).into_owned();
        let whole = text.split_once("\r\n\r\n").and_then(|(head, body)| {
            let length = head.to_ascii_lowercase();
            let length =
                length.split("content-length: ").nth(1)?.lines().next()?.trim().parse::<usize>().ok()?;
            (body.len() >= length).then(|| (head.to_owned(), body.to_owned()))
        });
        let Some((head, body)) = whole else {
            match socket.read_buf(&mut input).await {
                Ok(read) if read > 0 => continue,
                _ => return,
            }
        };
        assert!(
            head.starts_with("POST /push ") && head.contains("application/json; charset=utf-8"),
            "{head}"
        );
        input.clear();
        let status = {
            let mut script = script.lock().expect("nobody panics");
            if script.is_empty() { 200 } else { script.remove(0) }
        };
        if status == 200 {
            let value = serde_json::from_str(&body).unwrap_or(Value::String(body));
            got.lock().expect("nobody panics").push(value);
        }
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_token_a_message_and_its_status() {
    let hook = Hook::start(&[]).await;
    let vendor = Vendor::start(json!({"push_url": hook.url})).await;
    for password in ["wrong", "12a34b56"] {
        let refused = vendor.ask_token(password).await.expect("an answer");
        assert_eq!((refused.status, refused.body.as_str()), (401, r#"{"code":"AUTHENTICATION_FAILED"}"#));
    }
    let path = "/mug/api/V1/services/1/token";
    let stranger =
        ask(vendor.running.rest, "POST", path, None, &json!({"password": PASSWORD}).to_string()).await;
    assert_eq!(stranger.expect("an answer").code(), (401, "AUTHENTICATION_FAILED".to_owned()));

    let reply = vendor.send(json!({"extRef": "abc123"})).await;
    assert_eq!(reply.status, 201);
    assert!(reply.head.contains("content-type: application/json; charset=utf-8"), "{}", reply.head);
    let id = reply.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(reply.json(), json!({"id": id, "extRef": "abc123"}));
    assert!(id.len() == 24 && id.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    assert_eq!(vendor.history(&id, 1).await.first().map(String::as_str), Some("NEW"), "at once");
    assert_eq!(vendor.history(&id, 3).await, ["NEW", "SENT", "RECEIVED"]);
    let status = vendor.read(&id).await.json();
    for (name, value) in [
        ("from", json!("0930000000")),
        ("to", json!(MOBILE)),
        ("text", json!("Test MUG")),
        ("unicode", json!(false)),
    ] {
        assert_eq!(status[name], value);
    }
    assert_eq!(vendor.read("66018af8c8ab4e0ca97532f1").await.code(), (404, "MESSAGE_NOT_FOUND".to_owned()));

    assert_eq!(hook.until(2).await, ["SENT", "RECEIVED"]);
    let first = hook.got.lock().expect("nobody panics")[0].clone();
    let sms = &first["status_report"]["sms"][0];
    assert_eq!(first["status_report"]["username"], SERVICE);
    assert_eq!(
        (&sms["to"], &sms["from"], &sms["call_id"]),
        (&json!(MOBILE), &json!("0930000000"), &json!(id))
    );
    assert_eq!(
        (&sms["ref_externe"], &sms["status"], sms["date"].as_str().map(str::len)),
        (&json!("abc123"), &json!("SENT"), Some(20))
    );
    vendor.running.stop().await;
}

#[tokio::test]
async fn checks_come_in_the_order_of_the_contract() {
    let vendor = Vendor::start(json!({"monthly_limit": 3})).await;
    let long = "x".repeat(1_225);
    let cases = [
        (json!({"to": "", "unicode": 1}), 400, "MISSING_PARAMETER"),
        (json!({"text": null}), 400, "MISSING_PARAMETER"),
        (json!({"unicode": "yes", "to": "1"}), 400, "INVALID_PARAMETER"),
        (json!({"to": "06 01 02 03 04", "text": long}), 400, "INVALID_NUMBER"),
        (json!({"extRef": "x".repeat(151), "text": long}), 400, "INVALID_EXTREF"),
        (json!({"text": long, "validityDate": "?"}), 400, "TEXT_TOO_LONG"),
        (json!({"text": "x".repeat(529), "unicode": true}), 400, "TEXT_TOO_LONG"),
        (json!({"validityDate": "?", "from": "Mug"}), 400, "INVALID_VALIDITY_DATE"),
        (json!({"validityDate": "2019-07-01T08:00:00.123Z", "from": "Mug"}), 400, "INVALID_VALIDITY_DATE"),
        (json!({"from": "Mug"}), 403, "FORBIDDEN_SENDER"),
        (json!({"from": "+33930000000"}), 201, ""),
        (json!({"text": "x".repeat(400), "from": "Mug"}), 403, "MONTHLY_LIMIT_REACHED"),
        (json!({"text": "x".repeat(200)}), 201, ""),
        (json!({}), 403, "MONTHLY_LIMIT_REACHED"),
    ];
    for (changes, status, code) in cases {
        assert_eq!(vendor.send(changes.clone()).await.code(), (status, code.to_owned()), "{changes}");
    }
    assert_eq!(vendor.post("[]").await.expect("an answer").code(), (400, "INVALID_PARAMETER".to_owned()));
    vendor.set(json!({"account_expired": true})).await;
    assert_eq!(vendor.send(json!({"from": "Mug"})).await.code(), (403, "ACCOUNT_EXPIRED".to_owned()));
    // The token is judged before the body.
    let path = vendor.path("messages");
    for token in [
        None,
        Some("x"),
        Some("eyJhbGciOiJub25lIn0.eyJzZXJ2aWNlX2lkIjoiMTIzNDU2IiwiaWF0IjoxLCJleHAiOjk5OTk5OTk5OTl9."),
    ] {
        let reply = ask(vendor.running.rest, "POST", &path, token, "?").await.expect("an answer");
        assert_eq!(reply.code(), (401, "AUTHENTICATION_FAILED".to_owned()));
    }
    let other = "/mug/api/V1/services/654321/messages";
    let reply = ask(vendor.running.rest, "POST", other, Some(&vendor.token), "?").await.expect("an answer");
    assert_eq!(reply.status, 401, "another service's path");
}

#[tokio::test]
async fn tokens_end_and_can_be_revoked() {
    let mut vendor = Vendor::start(json!({"token_seconds": 1})).await;
    pass(ms(1_100)).await;
    assert_eq!(vendor.send(json!({})).await.status, 401);
    vendor.set(json!({"token_seconds": 1800})).await;
    vendor.renew().await;
    assert_eq!(vendor.send(json!({})).await.status, 201);
    vendor.set(json!({"token_dies_after_seconds": 0})).await;
    assert_eq!(vendor.send(json!({})).await.status, 401, "earlier than it says");
    vendor.set(json!({"token_dies_after_seconds": null})).await;
    assert_eq!(vendor.send(json!({})).await.status, 201);
    vendor.set(json!({"revoke_tokens": true})).await;
    assert_eq!(vendor.send(json!({})).await.status, 401);
}

#[tokio::test]
async fn twenty_calls_a_second_and_no_more() {
    let vendor = Vendor::start(json!({"rate": 20})).await;
    let mut taken = 0;
    let refused = loop {
        let reply = vendor.read("x").await;
        if reply.status == 429 {
            break reply;
        }
        taken += 1;
        assert!(taken < 60, "the limit never came");
    };
    // One went for the token, and a slow machine refills while it asks.
    assert!(taken >= 19, "{taken}");
    assert_eq!(refused.body, r#"{"code":"TOO_MANY_REQUEST","message":"Too many request"}"#);
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    let token = async { while vendor.ask_token(PASSWORD).await.expect("an answer").status != 429 {} };
    tokio::time::timeout(PATIENCE, token).await.expect("the token method counts too");
}

#[tokio::test]
async fn numbers_run_through_their_own_states() {
    let vendor = Vendor::start(json!({})).await;
    for (to, states) in [
        ("+33600009901", &["NEW", "SENT", "ERROR"][..]),
        ("+33600009903", &["NEW", "BLACKLIST"]),
        ("+33600009912", &["NEW", "SENT", "FULLSIM"]),
        ("+33600009915", &["NEW", "SENT", "BLOCKED"]),
        ("0600009922", &["NEW", "RECEIVED"]),
        ("+33600009925", &["NEW", "SENT", "CRA_SMS_DELAYED", "RECEIVED"]),
    ] {
        let id = vendor.sent(to).await;
        assert_eq!(vendor.history(&id, states.len()).await, states, "{to}");
    }
    let (stays_new, stays_sent) = (vendor.sent("+33600009920").await, vendor.sent("+33600009921").await);
    let until =
        vendor.send(json!({"to": "+33600009921", "validityDate": in_ms(150)})).await.json()["id"].clone();
    assert_eq!(vendor.history(until.as_str().expect("an id"), 3).await, ["NEW", "SENT", "ERROR"]);
    assert_eq!(vendor.history(&stays_new, 1).await, ["NEW"]);
    assert_eq!(vendor.history(&stays_sent, 2).await, ["NEW", "SENT"]);
}

/// A date so many milliseconds from now.
fn in_ms(after: u64) -> String {
    trunkline::vendor::timetochat::write_date_ms(Clock::system().utc_ms() + after)
}

#[tokio::test]
async fn long_messages_have_parts_and_states_two_spellings() {
    let hook = Hook::start(&[]).await;
    let vendor = Vendor::start(json!({"push_url": hook.url, "vocabulary": "long"})).await;
    let reply = vendor.send(json!({"text": "x".repeat(161), "to": "+33600009924"})).await;
    let id = reply.json()["id"].as_str().expect("an id").to_owned();
    let states = vendor.history(&id, 5).await;
    assert_eq!(
        states,
        ["NEW", "1/2 CRA_SMS_SENT", "2/2 CRA_SMS_SENT", "1/2 CRA_SMS_RECEIVED", "2/2 CRA_SMS_FULLSIM"]
    );
    // A part that failed makes the whole fail.
    assert_eq!(hook.until(2).await, ["CRA_SMS_SENT", "CRA_SMS_FULLSIM"]);
    vendor.set(json!({"vocabulary": "short", "push_parts": true})).await;
    assert_eq!(vendor.history(&id, 5).await[4], "2/2 FULLSIM");
    vendor.send(json!({"text": "ç".repeat(71)})).await;
    assert_eq!(hook.until(6).await[2..], ["SENT", "SENT", "RECEIVED", "RECEIVED"]);
    let last = hook.got.lock().expect("nobody panics")[5].clone();
    assert_eq!(last["status_report"]["sms"][0]["status_list"][0]["part"], "2/2");
}

#[tokio::test]
async fn pushes_are_delayed_doubled_reordered_grouped_and_lost() {
    let hook = Hook::start(&[]).await;
    let vendor = Vendor::start(json!({"push_url": hook.url})).await;
    vendor.sent("+33600009927").await;
    let mut kinds = hook.until(4).await;
    kinds.sort();
    assert_eq!(kinds, ["RECEIVED", "RECEIVED", "SENT", "SENT"]);
    let id = vendor.sent("+33600009923").await;
    assert_eq!(hook.until(6).await[4..], ["RECEIVED", "SENT"]);
    assert_eq!(vendor.history(&id, 3).await, ["NEW", "SENT", "RECEIVED"], "its history is in order");

    vendor.set(json!({"report_double": "next 1"})).await;
    vendor.sent(MOBILE).await;
    let mut kinds = hook.until(9).await[6..].to_vec();
    kinds.sort();
    assert_eq!(kinds, ["RECEIVED", "SENT", "SENT"]);

    vendor.set(json!({"report_late": "next 1", "late_ms": 300})).await;
    vendor.sent(MOBILE).await;
    assert_eq!(hook.until(11).await[9..], ["RECEIVED", "SENT"]);

    vendor.set(json!({"report_lost": "always"})).await;
    let id = vendor.sent(MOBILE).await;
    vendor.history(&id, 3).await;
    vendor
        .set(json!({"report_lost": "off", "push_group": 2, "push_group_ms": 5_000, "push_whole_list": true}))
        .await;
    vendor.sent(MOBILE).await;
    // Both in one push: SENT with its list of one, RECEIVED with both.
    assert_eq!(hook.until(14).await[11..], ["SENT", "SENT", "RECEIVED"]);
    let pushes = hook.got.lock().expect("nobody panics").len();
    assert_eq!(pushes, 12);

    vendor
        .set(
            json!({"push_group": 1, "push_whole_list": false, "report_delay_ms": 300, "report_jitter_ms": 5}),
        )
        .await;
    let id = vendor.sent(MOBILE).await;
    assert_eq!(vendor.history(&id, 3).await.len(), 3);
    assert_eq!(hook.kinds().len(), 14, "not yet");
    assert_eq!(hook.until(16).await.len(), 16);
    let counters = vendor.control("/_sim", Value::Null).await.json()["counters"].clone();
    assert_eq!(counters["reports_lost"], 2);
    assert_eq!(counters["reports_late"], 1);
    // 9926 is silent, whatever the switches say.
    let id = vendor.sent("+33600009926").await;
    vendor.history(&id, 3).await;
    pass(ms(400)).await;
    assert_eq!(hook.kinds().len(), 16);
}

#[tokio::test]
async fn a_push_is_tried_as_often_as_it_is_told() {
    let hook = Hook::start(&[503, 503]).await;
    let vendor = Vendor::start(json!({"push_url": hook.url, "push_tries": 3, "push_retry_ms": 20})).await;
    vendor.sent("+33600009922").await;
    assert_eq!(hook.until(1).await, ["RECEIVED"]);
    let log = vendor.control("/_sim/pushes", Value::Null).await.json()["pushes"].clone();
    let tries: Vec<_> = log
        .as_array()
        .expect("a list")
        .iter()
        .map(|push| (push["try"].clone(), push["status"].clone()))
        .collect();
    assert_eq!(tries, [(json!(3), json!(200)), (json!(2), json!(503)), (json!(1), json!(503))]);

    let once = Hook::start(&[500]).await;
    vendor.set(json!({"push_url": once.url, "push_tries": 1})).await;
    vendor.sent("+33600009922").await;
    vendor.sent("+33600009922").await;
    assert_eq!(once.until(1).await, ["RECEIVED"], "the first is gone");
}

#[tokio::test]
async fn mobiles_write_as_incoming_answered_or_both() {
    let hook = Hook::start(&[]).await;
    let vendor = Vendor::start(json!({"push_url": hook.url})).await;
    let writes = async |text: &str| {
        let reply = vendor.control("/_sim/mo", json!({"mobile": "0600000000", "text": text})).await;
        assert_eq!(reply.status, 200);
    };
    writes("Ceci est un test").await;
    hook.until(1).await;
    assert_eq!(hook.told()[0], ("INCOMING".to_owned(), String::new(), "Ceci est un test".to_owned()));
    let first = hook.got.lock().expect("nobody panics")[0]["status_report"]["sms"][0].clone();
    assert_eq!((&first["to"], &first["from"]), (&json!(MOBILE), &json!("0930000000")), "to is the mobile");

    let id = vendor.sent(MOBILE).await;
    hook.until(3).await;
    writes("Merci c'est super").await;
    hook.until(4).await;
    assert_eq!(hook.told()[3], ("ANSWERED".to_owned(), id.clone(), "Merci c'est super".to_owned()));
    for (answered, kinds) in [("both", ["ANSWERED", "INCOMING"]), ("both_reversed", ["INCOMING", "ANSWERED"])]
    {
        let so_far = hook.kinds().len();
        vendor.set(json!({"answered": answered})).await;
        writes("twice").await;
        // They are two pushes in two lanes: either may be first to arrive.
        let mut got = hook.until(so_far + 2).await[so_far..].to_vec();
        got.sort();
        let mut kinds = kinds;
        kinds.sort_unstable();
        assert_eq!(got, kinds, "{answered}");
    }
    let so_far = hook.kinds().len();
    vendor.set(json!({"answered": "incoming"})).await;
    writes("once").await;
    assert_eq!(hook.until(so_far + 1).await[so_far..], ["INCOMING"]);

    // Numbers that answer by themselves.
    vendor.set(json!({"answered": "answered"})).await;
    for (to, count, words) in [
        ("+33600009930", 1, "You wrote: Test MUG"),
        ("+33600009932", 1, "STOP"),
        ("+33600009933", 2, "You wrote: Test MUG"),
    ] {
        let so_far = hook.kinds().len();
        let id = vendor.sent(to).await;
        hook.until(so_far + 2 + count).await;
        let answers: Vec<_> =
            hook.told()[so_far..].iter().filter(|told| told.0 == "ANSWERED").cloned().collect();
        assert_eq!(answers, vec![("ANSWERED".to_owned(), id, words.to_owned()); count], "{to}");
    }
    let wrong = vendor.control("/_sim/mo", json!({"text": "x"})).await;
    assert_eq!((wrong.status, wrong.json()), (400, json!({"error": "mobile is required"})));
}

#[tokio::test]
async fn calls_fail_before_and_after_the_message_was_taken() {
    let vendor = Vendor::start(json!({"hang_ms": 50})).await;
    let taken = || vendor.running.messages(100).len();
    vendor.set(json!({"fault_send_before": "next 1 500", "fault_send_after": "next 1"})).await;
    assert_eq!((vendor.send(json!({})).await.code(), taken()), ((500, "SIMULATED_FAULT".to_owned()), 0));
    assert_eq!((vendor.send(json!({"extRef": "after"})).await.status, taken()), (503, 1));
    assert_eq!(vendor.running.messages(1)[0].1.as_deref(), Some("after"));
    assert_eq!((vendor.send(json!({})).await.status, taken()), (201, 2));

    let body = json!({"from": "0930000000", "to": MOBILE, "text": "x"}).to_string();
    for (fault, more) in [("fault_send_before", 0), ("fault_send_after", 1)] {
        for how in ["cut", "hang"] {
            let before = taken();
            vendor.set(json!({fault: format!("next 1 {how}")})).await;
            assert!(vendor.post(&body).await.is_none(), "{fault} {how}");
            assert_eq!(taken(), before + more, "{fault} {how}");
        }
    }
    vendor.set(json!({"fault_send_before": "1/2 429", "fault_send_after": "off"})).await;
    let statuses = [vendor.send(json!({})).await.status, vendor.send(json!({})).await.status];
    assert_eq!(statuses, [201, 429]);
    vendor
        .set(json!({"fault_send_before": "off", "fault_read": "next 1 502", "fault_token": "next 1 cut"}))
        .await;
    assert_eq!((vendor.read("x").await.status, vendor.read("x").await.status), (502, 404));
    assert!(vendor.ask_token(PASSWORD).await.is_none());
    assert_eq!(vendor.ask_token(PASSWORD).await.expect("an answer").status, 201);
}

#[tokio::test]
async fn the_control_path_shows_and_forces() {
    let hook = Hook::start(&[]).await;
    let vendor = Vendor::start(json!({"push_url": hook.url})).await;
    let id = vendor.sent("+33600009921").await;
    hook.until(1).await;
    let forced = vendor.control("/_sim/push", json!({"id": id, "state": "CRA_SMS_OPFULL"})).await;
    assert_eq!(forced.status, 200);
    assert_eq!(hook.until(2).await, ["SENT", "OPFULL"]);
    assert_eq!(vendor.history(&id, 3).await, ["NEW", "SENT", "OPFULL"]);
    vendor.control("/_sim/push", json!({"body": {"odd": 1}})).await;
    vendor.control("/_sim/push", json!({"raw": "no JSON"})).await;
    let raw = until("both came", || {
        let got = hook.got.lock().expect("nobody panics");
        (got.len() >= 4).then(|| got[2..].to_vec())
    })
    .await;
    assert_eq!(raw, [json!({"odd": 1}), json!("no JSON")]);

    let all = vendor.control("/_sim/messages?limit=1", Value::Null).await.json();
    assert_eq!((&all["messages"][0]["id"], &all["messages"][0]["via"]), (&json!(id), &json!("rest")));
    let shown = vendor.control("/_sim", Value::Null).await.json();
    assert!(shown["about"].as_str().is_some_and(|about| about.contains("invented")));
    assert_eq!(shown["switches"]["push_url"], json!(hook.url));
    for (path, body, why) in [
        ("/_sim/set", json!({"rates": 1}), "no switch `rates`"),
        ("/_sim/set", json!({"rate": "many"}), "rate"),
        ("/_sim/push", json!({"id": "x", "state": "SENT"}), "no message x"),
        ("/_sim/push", json!({}), "id and state"),
    ] {
        let reply = vendor.control(path, body).await;
        assert!(reply.status == 400 && reply.body.contains(why), "{reply:?}");
    }
}

#[tokio::test]
async fn the_connector_answers_the_commands_of_the_table() {
    use CommandStatus as Status;
    let vendor = Vendor::start(json!({})).await;
    let to = vendor.running.smpp.expect("it listens");
    let mut esme = Esme::connect(to, None).await;
    for kind in [CommandId::BIND_TRANSMITTER, CommandId::BIND_RECEIVER] {
        assert_eq!(esme.bind(kind, SERVICE, PASSWORD).await, Status::ESME_RBINDFAIL);
    }
    for (system_id, password) in [(SERVICE, "wrong"), ("1", PASSWORD)] {
        assert_eq!(esme.bind(CommandId::BIND_TRANSCEIVER, system_id, password).await, Status::ESME_RBINDFAIL);
    }
    let sequence = esme.link.request(CommandId::OUTBIND, &Outbind::default()).await.expect("it reads");
    let nack = esme.link.next().await;
    assert_eq!(
        (nack.id(), nack.status(), nack.header().sequence_number),
        (CommandId::GENERIC_NACK, Status::ESME_RBINDFAIL, sequence)
    );
    assert_eq!(esme.bind(CommandId::BIND_TRANSCEIVER, SERVICE, PASSWORD).await, Status::ESME_ROK);
    for (id, status) in [
        (CommandId::SUBMIT_MULTI, Status::ESME_RSUBMITFAIL),
        (CommandId::DATA_SM, Status::ESME_RSUBMITFAIL),
        (CommandId::QUERY_SM, Status::ESME_RQUERYFAIL),
        (CommandId::CANCEL_SM, Status::ESME_RCANCELFAIL),
        (CommandId::REPLACE_SM, Status::ESME_RREPLACEFAIL),
        (CommandId::DELIVER_SM, Status::ESME_RDELIVERYFAILURE),
        // A submit_sm of which nothing can be read.
        (CommandId::SUBMIT_SM, Status::ESME_RQUERYFAIL),
    ] {
        let answer = esme.ask(id, &()).await;
        assert_eq!((answer.id(), answer.status()), (id.response(), status));
    }
    // Ignored: the next answer is that of the enquire_link behind them.
    for id in [CommandId::ALERT_NOTIFICATION, CommandId(0x0001_0203)] {
        esme.link.request(id, &()).await.expect("it reads");
    }
    assert_eq!(esme.enquire().await.expect("it answers"), Status::ESME_ROK);
    esme.unbind().await;

    vendor.set(json!({"bind_receiver_ignored": true})).await;
    let mut esme = Esme::connect(to, None).await;
    esme.link.request(CommandId::BIND_RECEIVER, &trunkline::pdu::Bind::default()).await.expect("it reads");
    assert_eq!(esme.bind(CommandId::BIND_TRANSCEIVER, SERVICE, PASSWORD).await, Status::ESME_ROK);
}

/// From the allowed sender to a mobile.
fn submit<'a>(to: &str, text: &'a [u8]) -> SubmitSm<'a> {
    plain(to, text)
}

#[tokio::test]
async fn the_connector_takes_reads_and_reports() {
    let vendor = Vendor::start(json!({"receipt_enroute": true})).await;
    let mut esme = vendor.esme().await;
    let mut tlvs = bytes::BytesMut::new();
    tlv::put_octets(&mut tlvs, Tag(0x1501), b"ref 7");
    let tagged = SubmitSm { tlvs: Tlvs::read(&tlvs).expect("good"), ..submit("33600000000", b"Bonjour") };
    let id = esme.submit(&tagged).await.expect("it is taken");
    assert_eq!(id.len(), 24);
    let (enroute, done) = (esme.receipt().await, esme.receipt().await);
    assert_eq!((enroute.state, done.state), (Some(MessageState::ENROUTE), Some(MessageState::DELIVERED)));
    assert_eq!(done.receipted_message_id.as_deref(), Some(id.as_str()));
    assert_eq!((done.source.as_str(), done.destination.as_str()), ("33600000000", "33930000000"));
    let text = String::from_utf8_lossy(&done.text);
    assert!(text.starts_with(&format!("id:{id} sub:001 dlvrd:001 submit date:")), "{text}");
    assert!(text.ends_with(" stat:DELIVRD err:000 text:Bonjour"), "{text}");
    let tlv = |tag| done.tlvs.iter().find(|(found, _)| *found == tag).map(|(_, value)| value.clone());
    assert_eq!(tlv(Tag(0x1501)).as_deref(), Some(&b"ref 7"[..]));
    let last = u16::from_str_radix(&id[20..], 16).expect("hexadecimal");
    assert_eq!(tlv(Tag::SAR_MSG_REF_NUM), Some(last.to_be_bytes().to_vec()));
    assert_eq!((tlv(Tag::SAR_SEGMENT_SEQNUM), tlv(Tag::SAR_TOTAL_SEGMENTS)), (Some(vec![1]), Some(vec![1])));
    // The same store: what came over SMPP is read over REST.
    let status = vendor.read(&id).await.json();
    assert_eq!((&status["text"], &status["extRef"]), (&json!("Bonjour"), &json!("ref 7")));

    // One receipt per part; an error with its number.
    vendor.set(json!({"receipt_enroute": false})).await;
    let mut payload = bytes::BytesMut::new();
    tlv::put_octets(&mut payload, Tag::MESSAGE_PAYLOAD, &[b'a'; 307]);
    let tlvs = Tlvs::read(&payload).expect("good");
    let id = esme.submit(&SubmitSm { tlvs, ..submit("33600009914", b"ignored") }).await.expect("it is taken");
    let parts = [esme.receipt().await, esme.receipt().await, esme.receipt().await];
    for (number, part) in (1..).zip(&parts) {
        assert_eq!(
            (part.state, part.receipted_message_id.as_deref()),
            (Some(MessageState::REJECTED), Some(id.as_str()))
        );
        assert!(String::from_utf8_lossy(&part.text).contains(" stat:REJECTD err:014 "));
        let sequence = part.tlvs.iter().find(|(tag, _)| *tag == Tag::SAR_SEGMENT_SEQNUM);
        assert_eq!(sequence.map(|(_, value)| value.as_slice()), Some(&[number][..]));
    }

    // Unicode, flash, the service's first sender when there is none.
    let words = SubmitSm {
        data_coding: DataCoding::UCS2,
        source: Address::default(),
        ..submit("0600000000", &[0, b'h', 0, 0xE7])
    };
    let id = esme.submit(&words).await.expect("it is taken");
    let status = vendor.read(&id).await.json();
    assert_eq!(
        (&status["text"], &status["unicode"], &status["from"]),
        (&json!("hç"), &json!(true), &json!("0930000000"))
    );
    let flash = SubmitSm { data_coding: DataCoding::GSM7_CLASS_0, ..submit("33600000000", b"boo") };
    let id = esme.submit(&flash).await.expect("it is taken");
    assert_eq!(vendor.read(&id).await.json()["flash"], json!(true));

    let refused = CommandStatus::ESME_RSUBMITFAIL;
    for wrong in [
        submit("33600000000", b""),
        submit("12", b"x"),
        SubmitSm { source: number("33930000009"), ..submit("33600000000", b"x") },
        SubmitSm { validity_period: b"200101000000", ..submit("33600000000", b"x") },
    ] {
        assert_eq!(esme.submit(&wrong).await, Err(refused), "{wrong:?}");
    }
    vendor.set(json!({"rate": 1})).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.extend(esme.submit(&submit("33600000000", b"x")).await.err());
    }
    assert!(statuses.contains(&CommandStatus::ESME_RTHROTTLED), "{statuses:?}");
}

#[tokio::test]
async fn the_connector_hands_over_what_mobiles_write() {
    let vendor = Vendor::start(json!({})).await;
    let mut esme = vendor.esme().await;
    vendor.running.incoming(MOBILE, None, "Bonjour 5 €");
    let short = esme.delivery().await;
    assert_eq!(
        (short.source.as_str(), short.destination.as_str(), short.esm_class),
        ("33600000000", "0930000000", 0)
    );
    assert_eq!((short.data_coding, short.text.as_slice()), (0, &b"Bonjour 5 \x1Be"[..]));
    vendor.running.incoming(MOBILE, Some("0930000000"), "ça");
    let unicode = esme.delivery().await;
    assert_eq!((unicode.data_coding, unicode.text.as_slice()), (8, &[0, 0xE7, 0, b'a'][..]));

    let long = "abcdefghij".repeat(30);
    vendor.running.incoming(MOBILE, None, &long);
    let whole = esme.delivery().await;
    assert_eq!(whole.text, long.as_bytes(), "message_payload");
    assert!(whole.tlvs.iter().any(|(tag, _)| *tag == Tag::MESSAGE_PAYLOAD));
    vendor.set(json!({"incoming_long": "udh"})).await;
    vendor.running.incoming(MOBILE, None, &long);
    let parts = [esme.delivery().await, esme.delivery().await];
    assert!(parts.iter().all(|part| part.esm_class == 0x40 && part.text.len() <= 159));
    assert_eq!([&parts[0].text[6..], &parts[1].text[6..]].concat(), long.as_bytes());
    vendor.set(json!({"incoming_long": "sar"})).await;
    vendor.running.incoming(MOBILE, None, &long);
    let parts = [esme.delivery().await, esme.delivery().await];
    assert!(parts.iter().all(|part| part.tlvs.iter().any(|(tag, _)| *tag == Tag::SAR_TOTAL_SEGMENTS)));
    assert_eq!([&parts[0].text[..], &parts[1].text[..]].concat(), long.as_bytes());

    // Refused for now, or lost with the session: it comes again.
    esme.answers = false;
    vendor.running.incoming(MOBILE, None, "again");
    let first = esme.delivery().await;
    esme.answer(&first, CommandStatus::ESME_RSYSERR).await;
    assert_eq!(esme.delivery().await.text, b"again");
    drop(esme);
    let mut esme = vendor.esme().await;
    assert_eq!(esme.delivery().await.text, b"again");
}

#[tokio::test]
async fn reports_can_go_the_other_way_and_both() {
    let hook = Hook::start(&[]).await;
    let vendor = Vendor::start(json!({"push_url": hook.url, "reports": "both", "incoming": "both"})).await;
    let mut esme = vendor.esme().await;
    let id = vendor.sent("+33600009930").await;
    let receipt = esme.receipt().await;
    assert_eq!(receipt.receipted_message_id.as_deref(), Some(id.as_str()));
    assert_eq!((receipt.source.as_str(), receipt.destination.as_str()), ("33600009930", "0930000000"));
    assert_eq!(esme.delivery().await.text, b"You wrote: Test MUG");
    let mut kinds = hook.until(3).await;
    kinds.sort();
    assert_eq!(kinds, ["ANSWERED", "RECEIVED", "SENT"]);
    vendor.set(json!({"reports": "push"})).await;
    esme.send("33600000000", "over SMPP").await.expect("it is taken");
    assert_eq!(hook.until(5).await[3..], ["SENT", "RECEIVED"]);
    assert!(esme.deliveries_within(ms(100)).await.is_empty());
}

#[tokio::test]
async fn the_connector_enquires_and_closes_on_an_error() {
    let vendor = Vendor::start(json!({"enquire_link_seconds": 1, "response_seconds": 1})).await;
    let mut esme = vendor.esme().await;
    let frame = esme.link.next().await;
    assert_eq!(frame.id(), CommandId::ENQUIRE_LINK);
    let refuse = CommandStatus::ESME_RSYSERR;
    esme.link
        .send(CommandId::ENQUIRE_LINK_RESP, refuse, frame.header().sequence_number, &())
        .await
        .expect("it reads");
    esme.link.closed().await;
    // One that does not answer at all is closed too.
    let mut silent = vendor.esme().await;
    assert_eq!(silent.link.next().await.id(), CommandId::ENQUIRE_LINK);
    silent.link.closed().await;
}

#[tokio::test]
async fn submits_go_wrong_before_and_after_over_smpp_too() {
    let vendor = Vendor::start(json!({"fault_send_before": "next 1 429"})).await;
    let mut esme = vendor.esme().await;
    assert_eq!(esme.send("33600000000", "x").await, Err(CommandStatus::ESME_RTHROTTLED));
    vendor.set(json!({"fault_send_before": "next 1", "fault_send_after": "next 1 hang"})).await;
    assert_eq!(esme.send("33600000000", "x").await, Err(CommandStatus::ESME_RSUBMITFAIL));
    // Taken, and never answered; its receipt comes.
    let body = submit("33600000000", b"taken");
    let unanswered: SequenceNumber = esme.link.request(CommandId::SUBMIT_SM, &body).await.expect("it reads");
    assert!(String::from_utf8_lossy(&esme.receipt().await.text).ends_with("text:taken"), "{unanswered}");
    vendor.set(json!({"fault_send_after": "next 1 cut"})).await;
    esme.link.request(CommandId::SUBMIT_SM, &submit("33600000000", b"cut")).await.expect("it reads");
    esme.link.closed().await;
    assert_eq!(vendor.running.messages(10).len(), 2);
}

#[tokio::test]
async fn hostile_requests_harm_nobody() {
    let vendor = Vendor::start(json!({})).await;
    let rest = vendor.running.rest;
    let deep = "[".repeat(60_000);
    for (method, path, body, status) in [
        ("POST", vendor.path("messages"), deep.as_str(), 400),
        ("POST", vendor.path("messages"), "{\"to\":\"\\ud800\"}", 400),
        ("POST", vendor.path("token"), "{\"password\":[]}", 400),
        ("DELETE", vendor.path("messages"), "", 405),
        ("GET", "/mug/api/V1/../../etc".to_owned(), "", 404),
        ("POST", "/_sim/set".to_owned(), &deep, 400),
    ] {
        let reply = ask(rest, method, &path, Some(&vendor.token), body).await.expect("an answer");
        assert_eq!(reply.status, status, "{method} {path}");
    }
    let large = "x".repeat(70_000);
    let reply = ask(rest, "POST", &vendor.path("messages"), Some(&vendor.token), &large).await;
    assert!(reply.is_none_or(|reply| reply.status == 413));
    let mut garbage = TcpStream::connect(vendor.running.smpp.expect("it listens")).await.expect("it listens");
    garbage.write_all(&[0xFF; 64]).await.expect("it reads");
    let mut said = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), garbage.read_to_end(&mut said)).await;
    let _ = closed.expect("it closes");
    assert_eq!(vendor.send(json!({})).await.status, 201, "it lives");
}

#[tokio::test]
async fn the_command_runs_over_tls_and_prints_what_to_do() {
    let identity = Identity::new();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).expect("the directory is ours");
        dir.path().join(name)
    };
    let certificate = file("cert.pem", &identity.certificate_pem);
    let (key, password) = (file("key.pem", &identity.key_pem), file("password", "12a34b5\n"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(["simulate", "timetochat", "--json", "--listen", "127.0.0.1:0", "--smpp", "127.0.0.1:0"])
        .args(["--set", "rate=0", "--password-file"])
        .arg(&password)
        .arg("--tls-cert")
        .arg(&certificate)
        .arg("--tls-key")
        .arg(&key)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was built");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut first).expect("a line");
    let told: Value = serde_json::from_str(&first).expect("one JSON object");
    assert_eq!((&told["service_id"], &told["password"]), (&json!(SERVICE), &Value::Null));
    let base = told["base_url"].as_str().expect("a URL");
    let (host, path) = base.strip_prefix("https://").and_then(|rest| rest.split_once('/')).expect("https");

    let tls = support::tls::connector_for(&certificate);
    let socket = TcpStream::connect(host).await.expect("it listens");
    let mut stream = tls.connect(support::tls::localhost(), socket).await.expect("it is trusted");
    let body = json!({"password": PASSWORD}).to_string();
    let octets = body.len();
    let request = format!(
        "POST /{path}/services/{SERVICE}/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {octets}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("an answer in time");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 201") && answer.contains("{\"token\":\"ey"), "{answer}");

    let smpp = told["smpp"].as_str().and_then(|smpp| smpp.parse().ok()).expect("an address");
    let mut esme = Esme::connect(smpp, Some(&tls)).await;
    assert_eq!(esme.bind(CommandId::BIND_TRANSCEIVER, SERVICE, PASSWORD).await, CommandStatus::ESME_ROK);
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "there is a kill command");
    let ended = until("it ends", || child.try_wait().expect("it is our child")).await;
    assert!(ended.success(), "{ended}");
}
