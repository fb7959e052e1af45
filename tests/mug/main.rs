//! TimeToChat's REST methods as a client of the vendor's sees them: on a socket, before a real engine
//! (contracts/timetochat.md §2, §8a; SEMANTICS 13, 17, 19).

mod house;

use std::collections::HashSet;
use std::time::Duration;

use house::{Answered, House, PASSWORD, PATIENCE, Wanted, account, config};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use trunkline::clock::Clock;
use trunkline::gateway::settings::Service;
use trunkline::http::mug::{Account, Outside, Vocabulary};
use trunkline::net::{AllowFrom, Secret};

const AUTHENTICATION_FAILED: &str = r#"{"code":"AUTHENTICATION_FAILED"}"#;
const TOO_MANY_REQUEST: &str = r#"{"code":"TOO_MANY_REQUEST","message":"Too many request"}"#;

fn states(message: &Value) -> Vec<String> {
    let steps = message["history"].as_array().expect("a history").iter();
    let word = |step: &Value| {
        let state = step["status"].as_str().expect("a state");
        step["part"].as_str().map_or(state.to_owned(), |part| format!("{part} {state}"))
    };
    steps.map(word).collect()
}

fn ends_in(state: &'static str) -> impl Fn(&[Value]) -> bool {
    move |history| history.last().is_some_and(|step| step["status"] == state)
}

/// The vendor's form: UTC with milliseconds.
fn is_date(value: &Value) -> bool {
    let form = "0000-00-00T00:00:00.000Z";
    let same = |(a, b): (char, char)| if b == '0' { a.is_ascii_digit() } else { a == b };
    value.as_str().is_some_and(|text| text.len() == form.len() && text.chars().zip(form.chars()).all(same))
}

// ------------------------------------------------------------------------------------------ the vendor's flow

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_the_vendors_notices_nothing() {
    let (house, token) = House::usual().await;
    let answer = house
        .send(
            &token,
            json!({ "extRef": "123456", "unicode": false, "flash": false, "validityDate": soon(&house) }),
        )
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let created = answer.json();
    let id = created["id"].as_str().expect("an id").to_owned();
    assert_eq!(created, json!({ "id": id, "extRef": "123456" }));
    assert!(id.len() == 24 && id.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')), "{id}");

    // The read right after the 201 sees the message.
    let first = house.get(&token, &id).await;
    assert_eq!((first.status, &first.json()["history"][0]["status"]), (200, &json!("NEW")));

    let message = house.until(&token, &id, ends_in("RECEIVED")).await;
    let history = message["history"].as_array().expect("a history").clone();
    assert_eq!(states(&message), ["NEW", "SENT", "RECEIVED"]);
    assert!(history.iter().all(|step| is_date(&step["date"]) && step.get("part").is_none()), "{history:?}");
    assert!(is_date(&message["date"]));
    let expected = json!({
        "from": "0930000000", "to": "0601020304", "text": "Test MUG", "unicode": false, "flash": false, "id": id,
        "extRef": "123456", "date": message["date"], "history": history,
    });
    assert_eq!(message.to_string(), expected.to_string(), "members in the order of the document");
}

fn soon(house: &House) -> String {
    let ms = i64::try_from(house.clock.utc_ms() + 3_600_000).expect("it fits");
    format!("{:.3}", jiff::Timestamp::from_millisecond(ms).expect("a time"))
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_shown_as_they_were_written_and_texts_as_they_went() {
    let (house, token) = House::usual().await;
    for (members, expected) in [
        (json!({ "to": "+33601020304" }), json!({ "to": "+33601020304", "from": "0930000000" })),
        (
            json!({ "to": "+32471020304", "from": "+33930000000" }),
            json!({ "to": "+32471020304", "from": "0930000000" }),
        ),
        (json!({ "text": "garçon €" }), json!({ "text": "garçon €", "unicode": true, "flash": false })),
        (
            json!({ "text": "é@[€]", "flash": true }),
            json!({ "text": "é@[€]", "unicode": false, "flash": true }),
        ),
        (json!({ "text": "😀", "flash": true }), json!({ "text": "😀", "unicode": true, "flash": true })),
        (json!({ "text": "ok", "unicode": true }), json!({ "text": "ok", "unicode": true })),
        (json!({ "extRef": "é\"\\/\n" }), json!({ "extRef": "é\"\\/\n" })),
    ] {
        let id = house.sent(&token, members.clone()).await;
        let shown = house.get(&token, &id).await.json();
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(&shown[name], value, "{members}");
        }
    }
    let without = house.sent(&token, json!({})).await;
    assert!(house.get(&token, &without).await.json().get("extRef").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_message_tells_of_each_part() {
    let (house, token) = House::usual().await;
    // One PDU per segment upstream, and one for all of them.
    for to in ["0601020304", "+32471020304"] {
        let id = house.sent(&token, json!({ "to": to, "text": "a".repeat(161) })).await;
        let over =
            |history: &[Value]| history.iter().filter(|step| step["status"] == "RECEIVED").count() == 2;
        let message = house.until(&token, &id, over).await;
        let mut told = states(&message);
        assert_eq!(told.remove(0), "NEW", "{to}");
        told.sort();
        assert_eq!(told, ["1/2 RECEIVED", "1/2 SENT", "2/2 RECEIVED", "2/2 SENT"], "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_are_told_in_the_vendors_words() {
    let mut wanted = Wanted::default();
    wanted.shop.blacklist = ["33600000099".to_owned()].into();
    let house = House::open(wanted).await;
    let token = house.token("123456").await;
    for (to, told) in [
        ("0601020301", &["NEW", "REJECTED"][..]),
        ("0601020303", &["NEW", "SENT", "ERROR"]),
        ("0601020312", &["NEW", "SENT", "FULLSIM"]),
        ("+32471020312", &["NEW", "SENT", "ERROR"]),
        ("0600000099", &["NEW", "BLACKLIST"]),
    ] {
        let id = house.sent(&token, json!({ "to": to })).await;
        let last = *told.last().expect("at least one");
        assert_eq!(states(&house.until(&token, &id, ends_in(last)).await), told, "{to}");
    }
    // A refused part takes with it those that were not sent.
    let id = house.sent(&token, json!({ "to": "0601020301", "text": "a".repeat(161) })).await;
    let message = house.until(&token, &id, ends_in("REJECTED")).await;
    let told: HashSet<String> = states(&message).into_iter().collect();
    assert_eq!(told, ["NEW", "1/2 REJECTED", "2/2 REJECTED"].map(String::from).into());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_vocabularies_are_spoken() {
    let mut wanted = Wanted::default();
    wanted.accounts.push(Account { vocabulary: Vocabulary::Long, ..account("777777", "shop") });
    let house = House::open(wanted).await;
    let (short, long) = (house.token("123456").await, house.token("777777").await);
    let id = house.sent(&short, json!({})).await;
    house.until(&short, &id, ends_in("RECEIVED")).await;
    let answer = house.ask("GET", &format!("/services/777777/messages/{id}"), Some(&long), b"").await;
    assert_eq!(states(&answer.json()), ["NEW", "CRA_SMS_SENT", "CRA_SMS_RECEIVED"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_still_read_when_it_has_left_the_memory() {
    let (house, token) = House::usual().await;
    let id = house.sent(&token, json!({ "extRef": "old" })).await;
    let message = house.until(&token, &id, ends_in("RECEIVED")).await;
    let number = trunkline::gateway::id::MessageId::from_hex(&id).expect("an id");
    let gone = async {
        while house.engine.find_live(number).is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("a checkpoint comes");
    assert_eq!(house.get(&token, &id).await.json(), message);
}

// ---------------------------------------------------------------------------------------------------- checks

/// Body for body, what each fault is told (§2.2, §8a).
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_body_has_its_code() {
    let (house, token) = House::usual().await;
    let number = "to has to be 06 or 07 and 8 digits, or + and 8 to 15 digits";
    let text = "text has more than 1224 GSM units, or more than 528 as unicode";
    for (members, code, message) in [
        (json!({ "to": null }), "MISSING_PARAMETER", "to is required"),
        (json!({ "to": "" }), "MISSING_PARAMETER", "to is required"),
        (json!({ "text": "" }), "MISSING_PARAMETER", "text is required"),
        (json!({ "from": "" }), "MISSING_PARAMETER", "from is required"),
        (json!({ "unicode": "true" }), "INVALID_PARAMETER", "unicode is of another type"),
        (json!({ "flash": 1 }), "INVALID_PARAMETER", "flash is of another type"),
        (json!({ "to": 601020304 }), "INVALID_PARAMETER", "to is of another type"),
        (json!({ "text": ["a"] }), "INVALID_PARAMETER", "text is of another type"),
        (json!({ "extRef": { "a": 1 } }), "INVALID_PARAMETER", "extRef is of another type"),
        (json!({ "validityDate": 1 }), "INVALID_PARAMETER", "validityDate is of another type"),
        (json!({ "to": "06 01 02 03 04" }), "INVALID_NUMBER", number),
        (json!({ "to": "06.01.02.03.04" }), "INVALID_NUMBER", number),
        (json!({ "to": "0501020304" }), "INVALID_NUMBER", number),
        (json!({ "to": "060102030" }), "INVALID_NUMBER", number),
        (json!({ "to": "33601020304" }), "INVALID_NUMBER", number),
        (json!({ "to": "+1234567" }), "INVALID_NUMBER", number),
        (json!({ "to": "+1234567890123456" }), "INVALID_NUMBER", number),
        (json!({ "to": "+00000000" }), "INVALID_NUMBER", number),
        (json!({ "to": "+999999999" }), "INVALID_NUMBER", "no route leads to this number"),
        (json!({ "extRef": "x".repeat(151) }), "INVALID_EXTREF", "extRef has more than 150 characters"),
        (json!({ "text": "a".repeat(1_225) }), "TEXT_TOO_LONG", text),
        (json!({ "text": "a".repeat(529), "unicode": true }), "TEXT_TOO_LONG", text),
        (json!({ "text": "ç".repeat(529) }), "TEXT_TOO_LONG", text),
        (json!({ "validityDate": "tomorrow" }), "INVALID_VALIDITY_DATE", "bad format"),
        (json!({ "validityDate": "" }), "INVALID_VALIDITY_DATE", "bad format"),
        (json!({ "validityDate": "2026-13-01T00:00:00.000Z" }), "INVALID_VALIDITY_DATE", "bad format"),
        (json!({ "validityDate": "2026-11-23T09:06:22" }), "INVALID_VALIDITY_DATE", "bad format"),
        (
            json!({ "validityDate": "2018-12-27T09:06:22.620Z" }),
            "INVALID_VALIDITY_DATE",
            "date is in the past",
        ),
    ] {
        let answer = house.send(&token, members.clone()).await;
        assert_eq!(answer.status, 400, "{members} {answer:?}");
        let expected = json!({ "code": code, "message": message });
        assert_eq!(answer.body, expected.to_string(), "{members}");
    }
    for good in [
        json!({ "validityDate": "2099-12-27T09:06:22.620Z" }),
        json!({ "validityDate": "2099-12-27T10:06:22+01:00" }),
        json!({ "extRef": "x".repeat(150) }),
        json!({ "extRef": null, "unicode": null, "flash": null, "validityDate": null }),
        json!({ "priority": { "deep": [1e300] }, "unknown": null }),
        json!({ "text": "€".repeat(612) }),
    ] {
        house.sent(&token, good).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_may_not_what_its_contract_does_not_say() {
    let ended = Service { ends_at_ms: Some(1), ..Wanted::default().shop };
    let full = Service { monthly_limit: Some(2), ..Wanted::default().shop };
    for (shop, members, code) in [
        (ended.clone(), json!({}), "ACCOUNT_EXPIRED"),
        (ended, json!({ "from": "0930000001" }), "ACCOUNT_EXPIRED"),
        (full.clone(), json!({ "text": "a".repeat(307) }), "MONTHLY_LIMIT_REACHED"),
        (full, json!({ "text": "a".repeat(307), "from": "0930000001" }), "MONTHLY_LIMIT_REACHED"),
        (Wanted::default().shop, json!({ "from": "0930000001" }), "FORBIDDEN_SENDER"),
        (Wanted::default().shop, json!({ "from": "Mug" }), "FORBIDDEN_SENDER"),
        (Wanted::default().shop, json!({ "from": "né" }), "FORBIDDEN_SENDER"),
        (Wanted::default().shop, json!({ "from": "a sender that is no address" }), "FORBIDDEN_SENDER"),
    ] {
        let house = House::open(Wanted { shop, ..Wanted::default() }).await;
        let token = house.token("123456").await;
        let answer = house.send(&token, members.clone()).await;
        assert_eq!((answer.status, answer.body), (403, json!({ "code": code }).to_string()), "{members}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_and_an_unknown_service_say_when_to_come_back() {
    let mut wanted = Wanted::default();
    wanted.shop.waiting_max = 0;
    wanted.accounts.push(account("888888", "not in the engine"));
    let house = House::open(wanted).await;
    let token = house.token("123456").await;
    let full = house.send(&token, json!({})).await;
    let other = house.token("888888").await;
    let body = json!({ "from": "0930000000", "to": "0601020304", "text": "x" });
    let unknown = house.post("/services/888888/messages", Some(&other), &body).await;
    for answer in [full, unknown] {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
        assert_eq!(answer.code(), "SERVICE_UNAVAILABLE");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gsm_does_not_hold_is_the_services_choice() {
    let accounts = [("1", Outside::Promote), ("2", Outside::Refuse), ("3", Outside::Transliterate)]
        .map(|(id, outside)| Account { outside, ..account(id, "shop") });
    let house = House::open(Wanted { accounts: accounts.into(), ..Wanted::default() }).await;
    let body = json!({ "from": "0930000000", "to": "0601020304", "text": "garçon" });
    let mut told = Vec::new();
    for id in ["1", "2", "3"] {
        let token = house.token(id).await;
        let answer = house.post(&format!("/services/{id}/messages"), Some(&token), &body).await;
        if answer.status != 201 {
            told.push(json!([answer.status, answer.code()]));
            continue;
        }
        let path = format!("/services/{id}/messages/{}", answer.json()["id"].as_str().expect("an id"));
        let shown = house.ask("GET", &path, Some(&token), b"").await.json();
        told.push(json!([shown["text"], shown["unicode"]]));
    }
    assert_eq!(
        told,
        [json!(["garçon", true]), json!([400, "UNSUPPORTED_CHARACTER"]), json!(["garcon", false])]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_services_message_is_as_unknown_as_none() {
    let (house, token) = House::usual().await;
    let id = house.sent(&token, json!({})).await;
    let other = house.token("654321").await;
    let theirs = house.ask("GET", &format!("/services/654321/messages/{id}"), Some(&other), b"").await;
    let mut answers = vec![theirs];
    for id in [
        "5bc9a8751a34791aff429efe",
        "5bc9a8751a34791aff429ef",
        "zzz",
        "5bc9a8751a34791aff429efé",
        "%00",
        "%FF",
    ] {
        answers.push(house.get(&token, id).await);
    }
    // An id that is no text makes the whole path unreadable, and with it the service.
    let unreadable = answers.pop().expect("the last");
    assert_eq!((unreadable.status, unreadable.code()), (401, "AUTHENTICATION_FAILED".into()));
    for answer in answers {
        assert_eq!((answer.status, answer.body), (404, r#"{"code":"MESSAGE_NOT_FOUND"}"#.to_owned()));
    }
    assert_eq!(house.get(&token, &id.to_uppercase()).await.status, 200, "ids are read in either case");
}

// ---------------------------------------------------------------------------------------------------- tokens

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_after_thirty_minutes() {
    let (house, token) = House::usual().await;
    let id = house.sent(&token, json!({})).await;
    house.clock.advance(Duration::from_secs(1_798));
    assert_eq!(house.get(&token, &id).await.status, 200);
    house.clock.advance(Duration::from_secs(2));
    let stale = [house.get(&token, &id).await, house.send(&token, json!({})).await];
    for answer in stale {
        assert_eq!((answer.status, answer.body.as_str()), (401, AUTHENTICATION_FAILED));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let fresh = house.token("123456").await;
    assert_eq!(house.get(&fresh, &id).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_token_of_the_services_own_opens_it() {
    let (house, token) = House::usual().await;
    let other = house.token("654321").await;
    let (head, rest) = token.split_once('.').expect("a JWT");
    let (payload, signature) = rest.split_once('.').expect("a JWT");
    // {"alg":"none","typ":"JWT"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let (swapped, _) = other.rsplit_once('.').expect("a JWT");
    let forged = [
        other.clone(),
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{head}.{payload}."),
        format!("{head}.{payload}"),
        format!("{swapped}.{signature}"),
        format!("{token}x"),
        token.to_uppercase(),
        "null".into(),
        "x".repeat(5_000),
    ];
    for forged in &forged {
        let answer = house.send(forged, json!({})).await;
        assert_eq!((answer.status, answer.body.as_str()), (401, AUTHENTICATION_FAILED), "{forged:.100}");
    }
    let body = r#"{"from":"0930000000","to":"0601020304","text":"x"}"#;
    let path = "/mug/api/V1/services/123456/messages";
    for header in [
        String::new(),
        format!("Authorization: {token}\r\n"),
        format!("Authorization: Basic {token}\r\n"),
        format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"),
        format!("Autorization: Bearer {token}\r\n"),
        format!("Cookie: token={token}\r\n"),
    ] {
        let request = format!(
            "POST {path}?token={token} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = house.raw(request.as_bytes()).await;
        assert_eq!((answer.status, answer.body.as_str()), (401, AUTHENTICATION_FAILED), "{header:.40}");
    }
    assert_eq!(house.send(&token, json!({})).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_no_service_look_alike_and_cost_time() {
    let wanted = Wanted { failure_delay: Duration::from_millis(100), ..Wanted::default() };
    let house = House::open(wanted).await;
    let clock = Clock::system();
    let mut delays = Vec::new();
    for service in ["123456", "nobody", "123456"] {
        let begun = clock.instant();
        let answer =
            house.post(&format!("/services/{service}/token"), None, &json!({ "password": "x" })).await;
        delays.push(clock.instant() - begun);
        assert_eq!((answer.status, answer.body.as_str()), (401, AUTHENTICATION_FAILED), "{service}");
    }
    let least = [100, 200, 400].map(Duration::from_millis);
    assert!(delays.iter().zip(least).all(|(delay, least)| *delay >= least), "{delays:?}");
    house.token("123456").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_call_wants_a_password() {
    let house = House::open(Wanted::default()).await;
    for (body, code) in [
        (&b""[..], "INVALID_PARAMETER"),
        (b"{}", "MISSING_PARAMETER"),
        (b"[]", "INVALID_PARAMETER"),
        (br#"{"password":""}"#, "MISSING_PARAMETER"),
        (br#"{"password":null}"#, "MISSING_PARAMETER"),
        (br#"{"password":7}"#, "INVALID_PARAMETER"),
        (b"{\"password\":\"\xFF\"}", "INVALID_PARAMETER"),
    ] {
        let answer = house.ask("POST", "/services/123456/token", None, body).await;
        assert_eq!((answer.status, answer.code()), (400, code.into()), "{}", body.escape_ascii());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_ends_the_tokens_without_a_restart() {
    let (house, token) = House::usual().await;
    house.mug.configure(config(vec![account("123456", "shop")]));
    assert_eq!(house.send(&token, json!({})).await.status, 201, "nothing has changed");
    house
        .mug
        .configure(config(vec![Account { password: Secret::new("other"), ..account("123456", "shop") }]));
    assert_eq!(house.send(&token, json!({})).await.status, 401);
    let old = house.post("/services/123456/token", None, &json!({ "password": PASSWORD })).await;
    assert_eq!(old.status, 401);
    house.mug.configure(config(Vec::new()));
    let gone = house.post("/services/123456/token", None, &json!({ "password": "other" })).await;
    assert_eq!((gone.status, gone.body.as_str()), (401, AUTHENTICATION_FAILED));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_allowed_has_the_wrong_password() {
    let nowhere = AllowFrom::new(|_| false);
    let here = AllowFrom::new(|address| address.is_loopback());
    let accounts = [("1", nowhere), ("2", here)]
        .map(|(id, allowed)| Account { allow_from: Some(allowed), ..account(id, "shop") });
    let house = House::open(Wanted { accounts: accounts.into(), ..Wanted::default() }).await;
    let answer = house.post("/services/1/token", None, &json!({ "password": PASSWORD })).await;
    assert_eq!((answer.status, answer.body.as_str()), (401, AUTHENTICATION_FAILED));
    house.token("2").await;
}

// ----------------------------------------------------------------------------------------------------- rates

fn is_too_many(answer: &Answered) -> bool {
    let is = answer.status == 429;
    if is {
        assert_eq!((answer.header("retry-after"), answer.body.as_str()), (Some("1"), TOO_MANY_REQUEST));
    }
    is
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_calls_a_second_for_the_three_methods_together() {
    let accounts = [("123456", "shop"), ("654321", "bank")]
        .map(|(id, service)| Account { rate: 20, ..account(id, service) });
    let house = House::open(Wanted { accounts: accounts.into(), ..Wanted::default() }).await;
    let token = house.token("123456").await;
    let mut id = String::new();
    for call in 1..20 {
        match call % 3 {
            0 => drop(house.token("123456").await),
            1 => id = house.sent(&token, json!({})).await,
            _ => assert_eq!(house.get(&token, &id).await.status, 200),
        }
    }
    let password = json!({ "password": PASSWORD });
    // A fault of the body is not looked for any more.
    assert!(is_too_many(&house.send(&token, json!({ "to": "" })).await));
    assert!(is_too_many(&house.get(&token, &id).await));
    assert!(is_too_many(&house.post("/services/123456/token", None, &password).await));
    house.token("654321").await;
    house.clock.advance(Duration::from_millis(50));
    assert_eq!(house.get(&token, &id).await.status, 200);
    assert!(is_too_many(&house.get(&token, &id).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_spends_the_rate_of_its_address_alone() {
    let accounts = vec![Account { rate: 3, ..account("123456", "shop") }];
    let house = House::open(Wanted { accounts, ..Wanted::default() }).await;
    let token = house.token("123456").await;
    for _ in 0..20 {
        assert_eq!(house.send("x.y.z", json!({})).await.status, 401);
    }
    assert!(is_too_many(&house.send("x.y.z", json!({})).await));
    // The service's own rate is untouched; but no password is tried from there for the moment.
    assert_eq!(house.send(&token, json!({})).await.status, 201);
    let password = json!({ "password": PASSWORD });
    assert!(is_too_many(&house.post("/services/123456/token", None, &password).await));
    house.clock.advance(Duration::from_millis(50));
    house.token("123456").await;
}

// ------------------------------------------------------------------------------------------ paths and bodies

#[tokio::test(flavor = "multi_thread")]
async fn paths_are_the_vendors_and_no_others() {
    let (house, token) = House::usual().await;
    let body = br#"{"from":"0930000000","to":"0601020304","text":"x","password":"12a34b56c"}"#;
    let asked = |method: &'static str, path: &'static str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {}\r\n\r\n{}",
            body.len(),
            String::from_utf8_lossy(body)
        );
        let house = &house;
        async move { house.raw(request.as_bytes()).await }
    };
    for path in [
        "/mug/api/V1/",
        "/mug/api/V1/services",
        "/mug/api/V1/services/123456",
        "/mug/api/V1/services/123456/token/",
        "/mug/api/V1/services/123456/messages/",
        "/mug/api/V1//services/123456/token",
        "/mug/api/V1/services/123456//token",
        "/mug/api/V1/services/123456/Token",
        "/mug/api/V1/Services/123456/token",
        "/mug/api/V1/services/123456/%74oken",
        "/mug/api/V1/services/123456%2Ftoken",
        "/mug/api/V1/services/x/../123456/token",
        "/mug/api/V1/services/./123456/token",
        "/mug/api/V1/services/123456/token;v=1",
        "/mug/api/v1/services/123456/token",
        "/MUG/api/V1/services/123456/token",
        "//mug/api/V1/services/123456/token",
    ] {
        let answer = asked("POST", path).await;
        assert_eq!(answer.status, 404, "{path}");
        if path.starts_with("/mug/api/V1") {
            assert_eq!(answer.code(), "NOT_FOUND", "{path}");
        }
    }
    // A slash within the id belongs to the id, of which there is none.
    for path in [
        "/mug/api/V1/services//token",
        "/mug/api/V1/services/123456%2F/token",
        "/mug/api/V1/services/%00/token",
        "/mug/api/V1/services/%FF/token",
    ] {
        assert_eq!(asked("POST", path).await.body, AUTHENTICATION_FAILED, "{path}");
    }
    assert_eq!(asked("POST", "/mug/api/V1/services/%31%323456/token").await.status, 201);
    assert_eq!(asked("POST", "/mug/api/V1/services/123456/token?a=b&c").await.status, 201);
    let page = asked("GET", "/mug/api/V1/api-docs/").await;
    assert!(page.status == 200 && page.body.contains("swagger-ui"), "{page:?}");
    let description = asked("GET", "/mug/api/V1/api-docs/openapi.json").await;
    assert_eq!(description.json()["info"]["title"], "MUG");

    let id = house.sent(&token, json!({})).await;
    let message = format!("/services/123456/messages/{id}");
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "PROPFIND"] {
        for path in ["/services/123456/token", "/services/123456/messages"] {
            let answer = house.ask(method, path, Some(&token), b"").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method} {path}");
            if method != "HEAD" {
                assert_eq!(answer.code(), "METHOD_NOT_ALLOWED");
            }
        }
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = house.ask(method, &message, Some(&token), b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let head = house.ask("HEAD", &message, Some(&token), b"").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_json_whatever_it_is_called() {
    let (house, token) = House::usual().await;
    let body = r#"{"from":"0930000000","to":"0601020304","text":"x"}"#;
    for kind in
        ["", "Content-Type: application/json\r\n", "Content-Type: text/plain\r\n", "Content-Type: ;;\r\n"]
    {
        let head = format!(
            "POST /mug/api/V1/services/123456/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{kind}\
             Authorization: Bearer {token}\r\n"
        );
        let whole = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(house.raw(whole.as_bytes()).await.status, 201, "{kind}");
        let (one, two) = body.split_at(9);
        let chunked = format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n9\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
            two.len()
        );
        assert_eq!(house.raw(chunked.as_bytes()).await.status, 201, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bodies_get_an_answer_and_nothing_more() {
    let (house, token) = House::usual().await;
    let good = r#""from":"0930000000","to":"0601020304","text":"x""#;
    let deep =
        |open: &str, close: &str| format!("{{{good},\"a\":{}1{}}}", open.repeat(5_000), close.repeat(5_000));
    let bad: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"[\"0930000000\",\"0601020304\"]".to_vec(),
        b"\"{}\"".to_vec(),
        b"1e999".to_vec(),
        b"{".to_vec(),
        b"{}}".to_vec(),
        format!("{{{good}}} {{}}").into_bytes(),
        format!("{{{good},}}").into_bytes(),
        format!("{{{good},\"unicode\":NaN}}").into_bytes(),
        format!("{{{good},\"flash\":1e999}}").into_bytes(),
        format!("{{{good},\"text\":\"y\"}}").into_bytes(),
        format!("{{{good},\"text\":\"\\ud800\"}}").into_bytes(),
        format!("{{{good},\"extRef\":\"a\nb\"}}").into_bytes(),
        format!("{{{good},\"extRef\":\"\0\"}}").into_bytes(),
        [b"{", good.as_bytes(), b",\"extRef\":\"\xFF\"}"].concat(),
        [b"{", good.as_bytes(), b",\"extRef\":\"\xED\xA0\x80\"}"].concat(),
        format!("\u{feff}\u{feff}{{{good}}}").into_bytes(),
        [
            &[0xFF, 0xFE][..],
            &format!("{{{good}}}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
        ]
        .concat(),
        "[".repeat(60_000).into_bytes(),
        format!("{{{good},\"text\":{}", "{\"a\":".repeat(10_000)).into_bytes(),
    ];
    for body in bad {
        let answer = house.ask("POST", "/services/123456/messages", Some(&token), &body).await;
        let start = body.get(..60).unwrap_or(&body).escape_ascii().to_string();
        assert_eq!((answer.status, answer.code()), (400, "INVALID_PARAMETER".into()), "{start}");
    }
    // What is not known is not looked at, and so does no harm.
    for body in [
        deep("[", "]"),
        deep("{\"a\":", "}"),
        format!("{{{good},\"a\":1e999,\"a\":-99999999999999999999999999999999}}"),
        format!(" \r\n\t{{{good}}}\n"),
        format!("{{{good},\"{}\":1}}", "k".repeat(50_000)),
    ] {
        let answer = house.ask("POST", "/services/123456/messages", Some(&token), body.as_bytes()).await;
        let start: String = body.chars().take(60).collect();
        assert!(matches!(answer.status, 201 | 400), "{start} {answer:?}");
    }
    let large = format!("{{{good},\"a\":\"{}\"}}", "a".repeat(70_000));
    let answer = house.ask("POST", "/services/123456/messages", Some(&token), large.as_bytes()).await;
    assert_eq!((answer.status, answer.code()), (413, "BODY_TOO_LARGE".into()));
    house.sent(&token, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_announced_too_large_is_refused_before_it_comes() {
    let (house, token) = House::usual().await;
    let head = format!(
        "POST /mug/api/V1/services/123456/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 99999999999\r\n\r\n{{"
    );
    assert_eq!(house.raw(head.as_bytes()).await.status, 413);
    // Nor does anybody without a token make us read.
    let head = "POST /mug/api/V1/services/123456/messages HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
                Connection: close\r\nContent-Length: 50\r\n\r\n";
    let answer = house.raw(head.as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (401, AUTHENTICATION_FAILED));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_given_up() {
    let wanted = Wanted { body_patience: Duration::from_millis(100), ..Wanted::default() };
    let house = House::open(wanted).await;
    let token = house.token("123456").await;
    let head = |length: usize| {
        format!(
            "POST /mug/api/V1/services/123456/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {length}\r\n\r\n"
        )
    };
    let body = r#"{"from":"0930000000","to":"0601020304","text":"half"}"#;
    let half = format!("{}{}", head(body.len()), &body[..20]);
    let answer = house.raw(half.as_bytes()).await;
    assert_eq!((answer.status, answer.code()), (408, "TIMEOUT".into()));

    // One that comes an octet at a time is given up as well.
    let mut slow = TcpStream::connect(house.addr).await.expect("it listens");
    slow.write_all(head(body.len()).as_bytes()).await.expect("it reads");
    let mut answer = [0; 12];
    let (mut reading, mut writing) = slow.split();
    let dripped = async {
        for octet in body.bytes() {
            if writing.write_all(&[octet]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (_, read) = tokio::join!(dripped, reading.read_exact(&mut answer));
    read.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 408");

    // And one that breaks off leaves nothing behind.
    for _ in 0..20 {
        let mut gone = TcpStream::connect(house.addr).await.expect("it listens");
        gone.write_all(half.as_bytes()).await.expect("it reads");
    }
    let accepted = house.engine.figures().services[0].totals.accepted;
    house.sent(&token, json!({})).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(house.engine.figures().services[0].totals.accepted, accepted + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_does_not_take_its_message_back() {
    let (house, token) = House::usual().await;
    let body = r#"{"from":"0930000000","to":"0601020304","text":"sent and gone"}"#;
    for _ in 0..10 {
        let request = format!(
            "POST /mug/api/V1/services/123456/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(house.addr).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
    }
    // Each is there whole or not at all; what is there ends.
    let ended = async {
        loop {
            let service = house.engine.figures().services[0].totals;
            if service.accepted == service.ended.iter().sum::<u64>() && service.accepted > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("they end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_serves_many_calls() {
    let (house, token) = House::usual().await;
    let body = r#"{"from":"0930000000","to":"0601020304","text":"x"}"#;
    let request = format!(
        "POST /mug/api/V1/services/123456/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(house.addr).await.expect("it listens");
    stream.write_all(request.repeat(50).as_bytes()).await.expect("it reads");
    let mut answers = String::new();
    let mut octets = [0; 4_096];
    while answers.matches("HTTP/1.1 201").count() < 50 || !answers.ends_with('}') {
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut octets)).await.expect("in time");
        let count = read.expect("it answers");
        assert!(count > 0, "it stays open: {answers}");
        answers.push_str(&String::from_utf8_lossy(&octets[..count]));
    }
    let ids: HashSet<&str> = answers.split("{\"id\":\"").skip(1).filter_map(|rest| rest.get(..24)).collect();
    assert_eq!(ids.len(), 50);
    for id in ids {
        assert_eq!(house.get(&token, id).await.status, 200, "every 201 is found");
    }
}

// ----------------------------------------------------------------------------------------------- description

#[test]
fn the_description_names_every_method_and_its_errors() {
    let all: Value = serde_json::to_value(trunkline::http::mug::openapi()).expect("it is JSON");
    let base = "/mug/api/V1/services/{service_id}";
    for (path, method, statuses) in [
        (format!("{base}/token"), "post", &["201", "400", "401", "408", "413", "429", "503"][..]),
        (format!("{base}/messages"), "post", &["201", "400", "401", "403", "408", "413", "429", "503"]),
        (format!("{base}/messages/{{message_id}}"), "get", &["200", "401", "404", "429", "503"]),
    ] {
        let operation = &all["paths"][&path][method];
        let mut told: Vec<_> = operation["responses"].as_object().expect(&path).keys().cloned().collect();
        told.sort();
        assert_eq!(told, statuses, "{path}");
        assert!(operation["operationId"].is_string());
    }
    assert_eq!(all["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    let text = all.to_string();
    for code in [
        "AUTHENTICATION_FAILED",
        "MISSING_PARAMETER",
        "INVALID_PARAMETER",
        "INVALID_NUMBER",
        "INVALID_EXTREF",
        "TEXT_TOO_LONG",
        "UNSUPPORTED_CHARACTER",
        "INVALID_VALIDITY_DATE",
        "ACCOUNT_EXPIRED",
        "MONTHLY_LIMIT_REACHED",
        "FORBIDDEN_SENDER",
        "MESSAGE_NOT_FOUND",
        "TOO_MANY_REQUEST",
        "SERVICE_UNAVAILABLE",
    ] {
        assert!(text.contains(code), "{code}");
    }
}
