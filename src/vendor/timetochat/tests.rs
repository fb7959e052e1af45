//! Every example of contracts/timetochat.md, both ways, and what a stranger may send instead.
#![allow(clippy::indexing_slicing, reason = "a test that indexes too far fails, as it should")]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SEND: &str = r#"{
  "from": "0930000000",
  "to": "0601020304",
  "extRef": "123456",
  "validityDate": "2018-12-27T09:06:22.620Z",
  "text": "Test MUG",
  "unicode": false,
  "flash": false
}"#;

const ALONE: &str = r#"{
  "from": "0930000000",
  "to": "0601020304",
  "text": "Test TimeToChat",
  "unicode": false,
  "flash": false,
  "id": "5bb5bdce911ea924bddaa243",
  "date": "2023-10-04T07:14:22.000Z",
  "history": [
    { "date": "2023-10-04T07:14:22.000Z", "status": "NEW" },
    { "date": "2023-10-04T07:14:23.000Z", "status": "SENT" },
    { "date": "2023-10-04T07:14:24.000Z", "status": "RECEIVED" }
  ]
}"#;

const IN_PARTS: &str = r#"{
  "from": "0930000000", "to": "0601020304", "text": "Test TimeToChat", "unicode": false, "flash": false,
  "id": "5bb5bdce911ea924bddaa243", "date": "2023-10-04T07:14:22.000Z",
  "history": [
    { "date": "2023-10-04T07:14:22.000Z", "status": "NEW" },
    { "part": "1/2", "date": "2023-10-04T07:14:23.000Z", "status": "SENT" },
    { "part": "2/2", "date": "2023-10-04T07:14:23.000Z", "status": "SENT" },
    { "part": "1/2", "date": "2023-10-04T07:14:24.000Z", "status": "RECEIVED" },
    { "part": "2/2", "date": "2023-10-04T07:14:24.000Z", "status": "RECEIVED" }
  ]
}"#;

const INCOMING: &str = r#"{
  "status_report": {
    "username": "123456",
    "sms": [
      { "to": "+33600000000", "from": "0930000000", "date": "2024-03-25T14:30:31Z", "call_id": "",
        "status_list": [ { "date": "2024-03-25T14:30:31Z", "type": "INCOMING", "info": "Ceci est un test" } ],
        "status": "INCOMING" }
    ]
  }
}"#;

const REPORTS: &str = r#"{
  "status_report": {
    "username": "123456",
    "sms": [
      { "to": "+33600000000", "from": "0930000000", "date": "2024-03-25T14:32:25Z", "call_id": "66018af8c8ab4e0ca97532f1",
        "ref_externe": "abc123",
        "status_list": [ { "date": "2024-03-25T14:32:25Z", "type": "SENT" } ], "status": "SENT" },
      { "to": "+33600000000", "from": "0930000000", "date": "2024-03-25T14:33:09Z", "call_id": "66018af8c8ab4e0ca97532f1",
        "ref_externe": "abc123",
        "status_list": [ { "date": "2024-03-25T14:33:09Z", "type": "ANSWERED", "info": "Merci c'est super" } ], "status": "ANSWERED" }
    ]
  }
}"#;

/// The same JSON, the order of members too.
fn compact(text: &str) -> String {
    serde_json::from_str::<Value>(text).expect("JSON").to_string()
}

fn written(octets: Vec<u8>) -> String {
    String::from_utf8(octets).expect("UTF-8")
}

fn fits(_: &SendRequest) -> bool {
    true
}

#[test]
fn a_token_is_asked_for_given_and_its_expiry_read() {
    let request = TokenRequest::read(br#"{ "password": "12a34b56c" }"#).expect("the example");
    assert_eq!(written(request.write()), r#"{"password":"12a34b56c"}"#);
    let answer = r#"{ "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzZXJ2aWNlX2lkIjoiNjk2OTY5IiwiaWF0IjoxNTM4NDYzMjY2LCJleHAiOjE1Mzg0NjUwNjZ9.c2lnbmF0dXJl" }"#;
    let token = TokenAnswer::read(answer.as_bytes()).expect("the example");
    assert_eq!(token.expires(), Some(1_538_465_066));
    assert_eq!(written(token.write()), compact(answer));
    for opaque in ["abc", "a.b.c", "..", "a.e30.c", "a.eyJleHAiOi0xfQ.c"] {
        assert_eq!(TokenAnswer { token: opaque.to_owned() }.expires(), None, "{opaque}");
    }
}

#[test]
fn claims_are_written_as_the_vendor_does() {
    let claims =
        Claims { service_id: "696969".to_owned(), info: None, iat: 1_538_463_266, exp: 1_538_465_066 };
    let json = serde_json::to_string(&claims).expect("plain");
    assert_eq!(json, r#"{"service_id":"696969","iat":1538463266,"exp":1538465066}"#);
    let info = r#"{"service_id":"122355977","info":{"expiration":null,"limit":0,"peremption":30},"iat":1539941063,"exp":1539942863}"#;
    let claims: Claims = serde_json::from_str(info).expect("the document's");
    assert_eq!(serde_json::to_string(&claims).expect("plain"), info);
}

#[test]
fn a_token_that_cannot_stand_in_a_header_is_none() {
    for body in
        [r#"{"token":""}"#, r#"{"token":"a b"}"#, "{\"token\":\"a\\r\\nX: y\"}", r#"{"token":["a"]}"#, "{}"]
    {
        assert_eq!(TokenAnswer::read(body.as_bytes()), Err(Unreadable::Member("token")), "{body}");
    }
    assert_eq!(TokenAnswer::read(b"<html>"), Err(Unreadable::NotJson));
    for (body, flaw) in [
        ("{}", Flaw::Missing("password")),
        (r#"{"password":""}"#, Flaw::Missing("password")),
        (r#"{"password":1}"#, Flaw::Type("password")),
        (r#"["a"]"#, Flaw::NotAnObject),
        ("", Flaw::NotAnObject),
    ] {
        assert_eq!(TokenRequest::read(body.as_bytes()), Err(flaw), "{body}");
    }
}

#[test]
fn the_send_example_is_read_checked_and_written() {
    let request = SendRequest::read(SEND.as_bytes()).expect("the example");
    assert_eq!(request.check(1_545_901_582_619, fits), Ok(Some(1_545_901_582_620)));
    assert_eq!(request.check(1_545_901_582_620, fits), Err(Flaw::DatePast));
    assert_eq!(written(request.write()), compact(SEND));
    let answer = r#"{ "id": "5bc9a8751a34791aff429efe", "extRef": "123456" }"#;
    let read = SendAnswer::read(answer.as_bytes()).expect("the example");
    assert_eq!(written(read.write()), compact(answer));
    let bare = SendAnswer::read(br#"{"id":"5bc9a8751a34791aff429efe","other":[1]}"#).expect("no extRef");
    assert_eq!(written(bare.write()), r#"{"id":"5bc9a8751a34791aff429efe"}"#);
    assert_eq!(SendAnswer::read(br#"{"id":""}"#), Err(Unreadable::Member("id")));
}

#[test]
fn flaws_of_a_send_are_told_in_their_order() {
    let base = json!({"to": "0601020304", "text": "x", "from": "0930000000"});
    let with = |changes: Value| {
        let mut body = base.clone();
        let members = body.as_object_mut().expect("an object");
        members.extend(changes.as_object().expect("an object").clone());
        SendRequest::read(body.to_string().as_bytes())
            .and_then(|request| request.check(1_000, |request| request.text.len() < 100).map(|_| ()))
    };
    assert_eq!(with(json!({})), Ok(()));
    assert_eq!(
        with(json!({"unicode": null, "extRef": null, "validityDate": null, "more": {"a": [1, {}]}})),
        Ok(())
    );
    for (changes, flaw) in [
        (json!({"to": "", "text": null, "unicode": 1}), Flaw::Missing("to")),
        (json!({"text": "", "from": ""}), Flaw::Missing("text")),
        (json!({"from": null, "unicode": 1}), Flaw::Missing("from")),
        (json!({"to": 601_020_304}), Flaw::Type("to")),
        (json!({"unicode": "true", "to": "1"}), Flaw::Type("unicode")),
        (json!({"flash": 1}), Flaw::Type("flash")),
        (json!({"extRef": {"a": 1}}), Flaw::Type("extRef")),
        (json!({"to": "06 01 02 03 04", "extRef": "x".repeat(151)}), Flaw::Number),
        (json!({"extRef": "é".repeat(151), "text": "x".repeat(100)}), Flaw::ExtRef),
        (json!({"text": "x".repeat(100), "validityDate": "?"}), Flaw::TextTooLong),
        (json!({"validityDate": "tomorrow"}), Flaw::DateFormat),
        (json!({"validityDate": "2018-12-27T09:06:22.620"}), Flaw::DateFormat),
        (json!({"validityDate": "1970-01-01T00:00:01.000Z"}), Flaw::DatePast),
    ] {
        assert_eq!(with(changes.clone()), Err(flaw), "{changes}");
    }
    assert_eq!(with(json!({"extRef": "é".repeat(150)})), Ok(()));
    for body in ["", "null", "[]", "\"x\"", "{", "{\"to\":\"\\ud800\"}", r#"["a","b","c","d","e",true,true]"#]
    {
        assert_eq!(SendRequest::read(body.as_bytes()), Err(Flaw::NotAnObject), "{body}");
    }
    assert_eq!(SendRequest::read(b"{\"to\":\"\xFF\"}"), Err(Flaw::NotAnObject));
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    assert_eq!(SendRequest::read(deep.as_bytes()), Err(Flaw::NotAnObject));
}

#[test]
fn problems_are_written_as_the_contract_prints_them() {
    for (problem, body) in [
        (Problem::AUTHENTICATION_FAILED, r#"{"code":"AUTHENTICATION_FAILED"}"#),
        (Problem::ACCOUNT_EXPIRED, r#"{"code":"ACCOUNT_EXPIRED"}"#),
        (Problem::MONTHLY_LIMIT_REACHED, r#"{"code":"MONTHLY_LIMIT_REACHED"}"#),
        (Problem::FORBIDDEN_SENDER, r#"{"code":"FORBIDDEN_SENDER"}"#),
        (Problem::MESSAGE_NOT_FOUND, r#"{"code":"MESSAGE_NOT_FOUND"}"#),
        (Problem::TOO_MANY_REQUEST, r#"{"code":"TOO_MANY_REQUEST","message":"Too many request"}"#),
        (Flaw::Missing("to").problem(), r#"{"code":"MISSING_PARAMETER","message":"to is required"}"#),
        (Flaw::DateFormat.problem(), r#"{"code":"INVALID_VALIDITY_DATE","message":"bad format"}"#),
        (Flaw::DatePast.problem(), r#"{"code":"INVALID_VALIDITY_DATE","message":"date is in the past"}"#),
    ] {
        assert_eq!(written(problem.write()), body);
    }
}

#[test]
fn an_error_is_judged_by_its_status_alone() {
    let known = ErrorAnswer::read(401, br#"{"code":"AUTHENTICATION_FAILED"}"#);
    assert_eq!((known.code.as_deref(), known.remedy()), (Some("AUTHENTICATION_FAILED"), Remedy::Token));
    assert_eq!(known.to_string(), "HTTP 401 AUTHENTICATION_FAILED");
    let text = ErrorAnswer::read(429, b"Too many request");
    assert_eq!(
        (text.code.clone(), text.raw.as_slice(), text.remedy()),
        (None, &b"Too many request"[..], Remedy::Later)
    );
    assert_eq!(ErrorAnswer::read(400, &[b'x'; 5_000]).raw.len(), 2_048);
    assert_eq!(ErrorAnswer::read(400, br#"{"code":5,"message":null}"#).code, None);
    for (status, remedy) in [
        (400, Remedy::Never),
        (403, Remedy::Never),
        (404, Remedy::Never),
        (408, Remedy::Unknown),
        (500, Remedy::Unknown),
        (503, Remedy::Unknown),
        (302, Remedy::Later),
        (200, Remedy::Unknown),
    ] {
        assert_eq!(ErrorAnswer::read(status, b"").remedy(), remedy, "{status}");
    }
}

#[test]
fn the_status_examples_are_read_and_written_in_both_vocabularies() {
    for example in [ALONE, IN_PARTS] {
        let answer = StatusAnswer::read(example.as_bytes()).expect("the example");
        assert_eq!(written(answer.write(Vocabulary::Short)), compact(example));
        assert_eq!(answer.standing(), Standing::Delivered);
        let long = answer.write(Vocabulary::Long);
        assert_eq!(StatusAnswer::read(&long), Ok(answer));
        let long = written(long);
        assert!(long.contains(r#""status":"CRA_SMS_SENT""#) && long.contains(r#""status":"NEW""#), "{long}");
    }
}

#[test]
fn a_status_stands_where_its_parts_do() {
    let stand = |steps: &[(&str, &str)]| {
        let history: Vec<Value> =
            steps.iter().map(|(part, status)| json!({"part": part, "status": status})).collect();
        let body = json!({"id": "1", "history": history}).to_string();
        StatusAnswer::read(body.as_bytes()).expect("it is one").standing()
    };
    assert_eq!(stand(&[]), Standing::Accepted);
    assert_eq!(stand(&[("", "NEW"), ("", "WHAT")]), Standing::Accepted);
    assert_eq!(stand(&[("", "CRA_SMS_SENT"), ("", "NEW")]), Standing::Sent);
    assert_eq!(stand(&[("", "ANSWERED")]), Standing::Delivered);
    assert_eq!(stand(&[("2/2", "RECEIVED"), ("1/2", "SENT")]), Standing::Sent);
    assert_eq!(stand(&[("2/2", "RECEIVED"), ("2/2", "RECEIVED")]), Standing::Sent);
    assert_eq!(stand(&[("2/2", "RECEIVED"), ("1/2", "RECEIVED")]), Standing::Delivered);
    assert_eq!(stand(&[("2/2", "RECEIVED"), ("1/2", "CRA_SMS_FULLSIM")]), Standing::Failed(State::FullSim));
}

#[test]
fn a_status_without_most_of_its_members_is_read() {
    let answer =
        StatusAnswer::read(br#"{"id":7,"history":[{"status":"SENT","date":"?"},{},5]}"#).expect("it is one");
    assert_eq!((answer.id.as_str(), answer.history.len(), answer.date_ms), ("7", 1, None));
    for (body, name) in
        [("{}", "history"), (r#"{"history":[]}"#, "id"), (r#"{"id":"1","history":{}}"#, "history")]
    {
        assert_eq!(StatusAnswer::read(body.as_bytes()), Err(Unreadable::Member(name)), "{body}");
    }
}

#[test]
fn the_push_examples_are_read() {
    let incoming = push::read(INCOMING.as_bytes()).expect("the example");
    let [incoming] = &incoming[..] else { panic!("one report") };
    assert_eq!(
        *incoming,
        Report {
            username: "123456".to_owned(),
            to: "+33600000000".to_owned(),
            from: "0930000000".to_owned(),
            date_ms: Some(1_711_377_031_000),
            call_id: None,
            ref_externe: None,
            kind: State::Incoming,
            info: Some("Ceci est un test".to_owned()),
            part: None,
        }
    );
    let reports = push::read(REPORTS.as_bytes()).expect("the example");
    let [sent, answered] = &reports[..] else { panic!("two reports") };
    assert_eq!((&sent.kind, sent.call_id.as_deref()), (&State::Sent, Some("66018af8c8ab4e0ca97532f1")));
    assert_eq!((sent.info.as_deref(), sent.ref_externe.as_deref()), (None, Some("abc123")));
    assert_eq!((&answered.kind, answered.info.as_deref()), (&State::Answered, Some("Merci c'est super")));
}

#[test]
fn the_push_examples_are_written() {
    let incoming = Pushed {
        to: "+33600000000",
        from: "0930000000",
        date_ms: 1_711_377_031_999,
        call_id: "",
        ref_externe: None,
        state: &State::Incoming,
        info: Some("Ceci est un test"),
        part: None,
    };
    assert_eq!(written(push::write("123456", &[incoming], Vocabulary::Short)), compact(INCOMING));
    let sent = Pushed {
        call_id: "66018af8c8ab4e0ca97532f1",
        ref_externe: Some("abc123"),
        date_ms: 1_711_377_145_000,
        state: &State::Sent,
        info: None,
        ..incoming
    };
    let answered = Pushed {
        date_ms: 1_711_377_189_000,
        state: &State::Answered,
        info: Some("Merci c'est super"),
        ..sent
    };
    assert_eq!(written(push::write("123456", &[sent, answered], Vocabulary::Short)), compact(REPORTS));
    let long = written(push::write("123456", &[sent], Vocabulary::Long));
    assert!(
        long.contains(r#""type":"CRA_SMS_SENT""#) && long.contains(r#""status":"CRA_SMS_SENT""#),
        "{long}"
    );
}

#[test]
fn pushes_in_odd_clothes_are_understood() {
    let read = |value: Value| push::read(value.to_string().as_bytes());
    let kinds = |value: Value| -> Vec<String> {
        read(value).expect("a push").iter().map(|report| report.kind.name().to_owned()).collect()
    };
    // The whole history, an entry of an unknown type, and entries that say nothing.
    let list = json!([{"type": "NEW"}, {"type": "CRA_SMS_SENT", "part": "1/2", "date": "2024-03-25T14:32:25.123Z"}, {"type": "ODD"}, {}, 7]);
    let sms = json!({"date": "2024-03-25T14:32:26Z", "call_id": 12, "status_list": list, "status": "ODD", "new": {}});
    let reports = read(json!({"status_report": {"username": 123_456, "sms": [sms]}})).expect("a push");
    let told: Vec<_> = reports.iter().map(|report| (report.kind.name(), report.date_ms)).collect();
    let whole = Some(1_711_377_146_000);
    assert_eq!(told, [("NEW", whole), ("SENT", Some(1_711_377_145_123)), ("ODD", whole)]);
    assert_eq!(reports[1].part, Some(Part { number: 1, total: 2 }));
    assert_eq!((reports[0].username.as_str(), reports[0].call_id.as_deref()), ("123456", Some("12")));
    // One object in place of an array, no wrapper, no list.
    assert_eq!(kinds(json!({"sms": {"status_list": {"type": "SENT"}}})), ["SENT"]);
    assert_eq!(
        kinds(json!({"sms": [{"status": "received"}, {"status_list": [], "status": "ERREUR"}]})),
        ["RECEIVED", "ERROR"]
    );
    assert_eq!(kinds(json!({"status_report": {"sms": [5, {}, null]}})), [""; 0]);
    assert!(
        push::read(&[b"\xEF\xBB\xBF", INCOMING.as_bytes()].concat()).is_ok(),
        "with a mark of byte order"
    );
}

#[test]
fn what_is_no_push_is_refused() {
    for (body, why) in [
        (&b""[..], Unreadable::NotJson),
        (b"sms=1", Unreadable::NotJson),
        (b"{\"status_report\":{\"sms\":[\xFF]}}", Unreadable::NotJson),
        (b"[]", Unreadable::Member("status_report")),
        (b"{\"status_report\":[]}", Unreadable::Member("status_report")),
        (b"{\"status_report\":{}}", Unreadable::Member("sms")),
        (b"{\"status_report\":{\"sms\":\"x\"}}", Unreadable::Member("sms")),
    ] {
        assert_eq!(push::read(body), Err(why), "{}", body.escape_ascii());
    }
    assert_eq!(push::read("[".repeat(1_000_000).as_bytes()), Err(Unreadable::NotJson));
    let entries = |count| {
        let list = vec![json!({"type": "x"}); count];
        push::read(
            json!({"sms": [{"ref_externe": "r".repeat(60_000), "status_list": list}]}).to_string().as_bytes(),
        )
    };
    assert_eq!(entries(push::REPORTS_MAX + 1), Err(Unreadable::TooMany));
    let most = entries(push::REPORTS_MAX).expect("as many as may be");
    // What each report repeats is bounded.
    assert!(most.iter().all(|report| report.ref_externe.is_none()) && most.len() == push::REPORTS_MAX);
}

#[test]
fn states_have_both_spellings_a_rank_and_a_class() {
    assert_eq!(State::KNOWN.len(), 20);
    for state in State::KNOWN {
        assert_eq!(State::read(state.name()), *state);
        assert_eq!(State::read(&state.write(Vocabulary::Long)), *state);
        assert_eq!(State::read(&format!("cra_sms_{}", state.name().to_lowercase())), *state);
        assert_eq!(
            state.is_final(),
            matches!(state.rank(), Some(2)) && *state != State::Answered,
            "{state:?}"
        );
        assert_eq!(state.error_number() > 0, matches!(state.class(), Class::Failed(_)), "{state:?}");
    }
    assert_eq!(State::FullSim.write(Vocabulary::Long), "CRA_SMS_FULLSIM");
    for state in [State::New, State::Incoming, State::Answered] {
        assert_eq!(state.write(Vocabulary::Long), state.name());
    }
    let odd = State::read("CRA_SMS_Odd");
    assert_eq!(
        (odd.name(), odd.class(), odd.rank(), odd.is_final()),
        ("CRA_SMS_Odd", Class::Unknown, None, false)
    );
    assert_eq!(odd.write(Vocabulary::Long), "CRA_SMS_Odd");
    assert!(State::New.rank() < State::Sent.rank() && State::Sent.rank() < State::OpFull.rank());
    assert_eq!(State::Received.rank(), State::Blocked.rank());
}

fn report(kind: State, second: u64) -> Report {
    Report {
        username: "123456".to_owned(),
        to: "+33600000000".to_owned(),
        from: "0930000000".to_owned(),
        date_ms: Some(second * 1_000),
        call_id: Some("66018af8c8ab4e0ca97532f1".to_owned()),
        ref_externe: None,
        kind,
        info: None,
        part: None,
    }
}

#[test]
fn a_report_is_known_again_and_another_one_is_not() {
    let sent = report(State::Sent, 1_000);
    assert_eq!(keys(&sent), keys(&Report { ref_externe: Some("x".to_owned()), ..sent.clone() }));
    let long = Report { kind: State::read("CRA_SMS_SENT"), ..sent.clone() };
    assert_eq!(keys(&sent), keys(&long), "in the other vocabulary");
    assert!(keys(&sent).also.is_empty());
    for other in [
        Report { kind: State::Received, ..sent.clone() },
        Report { username: "123457".to_owned(), ..sent.clone() },
        Report { call_id: None, ..sent.clone() },
        Report { date_ms: Some(1_000_001), ..sent.clone() },
        Report { date_ms: None, ..sent.clone() },
        Report { info: Some("x".to_owned()), ..sent.clone() },
        Report { part: Some(Part { number: 1, total: 2 }), ..sent.clone() },
    ] {
        assert_ne!(keys(&sent).key, keys(&other).key, "{other:?}");
    }
    // Keys are stored, so they stay what they are.
    assert_eq!(keys(&sent).key[..4], GOLDEN, "{:02x?}", keys(&sent).key);
}

const GOLDEN: [u8; 4] = [0x70, 0x68, 0x73, 0x7D];

#[test]
fn incoming_and_answered_within_five_seconds_are_twins() {
    let with = |kind, second, call_id: &str| Report {
        call_id: Some(call_id.to_owned()).filter(|id| !id.is_empty()),
        info: Some("Merci".to_owned()),
        ..report(kind, second)
    };
    let incoming = with(State::Incoming, 1_000, "");
    for second in 995..=1_005 {
        let answered = with(State::Answered, second, "66018af8c8ab4e0ca97532f1");
        assert!(keys(&answered).also.contains(&keys(&incoming).key), "at {second}");
        assert!(keys(&incoming).also.contains(&keys(&answered).key), "at {second}");
        assert_ne!(keys(&incoming).key, keys(&answered).key);
    }
    for second in [994, 1_006] {
        let answered = with(State::Answered, second, "66018af8c8ab4e0ca97532f1");
        assert!(!keys(&answered).also.contains(&keys(&incoming).key), "at {second}");
    }
    let national =
        Report { to: "0600000000".to_owned(), from: "+33930000000".to_owned(), ..incoming.clone() };
    assert_eq!(keys(&national), keys(&incoming), "the same numbers in other forms");
    let other = Report { info: Some("Merci!".to_owned()), ..incoming.clone() };
    assert_ne!(keys(&other).key, keys(&incoming).key);
    // A second of its own is a message of its own, though the twins reach further.
    let later = with(State::Incoming, 1_001, "");
    assert!(keys(&later).key != keys(&incoming).key && !keys(&later).also.contains(&keys(&incoming).key));
    let undated = Report { date_ms: None, ..incoming };
    assert!(keys(&undated).also.is_empty());
}

proptest! {
    #[test]
    fn readers_take_any_octets(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (push::read(&body), StatusAnswer::read(&body), SendAnswer::read(&body), SendRequest::read(&body));
        let _ = (TokenAnswer::read(&body), TokenRequest::read(&body), ErrorAnswer::read(500, &body));
    }

    #[test]
    fn what_is_sent_is_read_again(from in "[^\\x00]{1,9}", to in ".{1,9}", text in "\\PC{1,50}", reference in ".{0,9}", unicode: bool) {
        let ext_ref = Some(reference).filter(|reference| !reference.is_empty());
        let request = SendRequest { from, to, ext_ref, validity_date: None, text, unicode, flash: !unicode };
        prop_assert_eq!(SendRequest::read(&request.write()), Ok(request));
    }

    #[test]
    fn what_is_pushed_is_read_again(info in ".{0,50}", at in 0u64..4_000_000_000, state in 0usize..20, long: bool) {
        let state = &State::KNOWN[state];
        let pushed = Pushed {
            to: "+33600000000", from: "0930000000", date_ms: at * 1_000, call_id: "a", ref_externe: None, state,
            info: Some(&info), part: None,
        };
        let vocabulary = if long { Vocabulary::Long } else { Vocabulary::Short };
        let read = push::read(&push::write("1", &[pushed], vocabulary)).expect("our own");
        prop_assert_eq!(read.len(), 1);
        prop_assert_eq!((&read[0].kind, &read[0].info, read[0].date_ms), (state, &Some(info), Some(at * 1_000)));
    }
}
