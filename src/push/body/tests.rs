//! Bodies against the examples of the contract and of the manual.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::gateway::id::MessageId;
use crate::gateway::message::Reason;
use crate::gateway::port::{IncomingFact, ReceiptFact};
use crate::gateway::record::{Incoming, MoContent};
use crate::gateway::settings::LongMode;
use crate::net::Secret;
use crate::pdu::{Address, DataCoding, EsmClass, MessageState, Npi, Ton};
use crate::vendor::timetochat::{State, Vocabulary};

const ID: &str = "66018af8c8ab4e0ca97532f1";

fn id() -> MessageId {
    MessageId::from_hex(ID).expect("an id")
}

fn address(digits: &str) -> Address {
    Address::new(Ton::INTERNATIONAL, Npi::ISDN, digits.as_bytes()).expect("short")
}

fn receipt() -> ReceiptFact {
    ReceiptFact {
        id: id(),
        sender: address("33930000000"),
        recipient: address("33600000000"),
        state: MessageState::DELIVERED,
        error: 0,
        part: (1, 1),
        submitted_ms: 1_711_377_144_000,
        done_ms: 1_711_377_145_250,
        text: b"Bonjour"[..].into(),
        data_coding: DataCoding::DEFAULT,
        intermediate: false,
        reference: b"abc123"[..].into(),
        late: false,
        billed: 2,
        upstream: UpstreamNo(0),
        reason: None,
    }
}

fn sent() -> ReceiptFact {
    ReceiptFact { state: MessageState::ENROUTE, intermediate: true, ..receipt() }
}

fn incoming(coding: DataCoding, payload: &[u8], answers: Option<&[u8]>) -> Fact {
    let mo = MoContent {
        source: address("33600000000"),
        destination: address("33930000000"),
        esm_class: EsmClass::DEFAULT,
        protocol_id: 0,
        data_coding: coding,
        payload: payload.into(),
        tlvs: Box::default(),
    };
    let incoming = Incoming {
        id: MessageId([7; 12]),
        upstream: UpstreamNo(0),
        service: None,
        at_ms: 1_711_377_031_000,
        parts: (1, 1),
        late: false,
        left: 1,
        long: LongMode::Payload,
        watch: None,
        answers: answers.map(|_| id()),
        tell: Box::default(),
        once: None,
        mo,
    };
    Fact::Incoming(Box::new(IncomingFact { incoming, answers: answers.map(|r| (id(), r.into())) }))
}

fn errors() -> Arc<Errors> {
    Arc::new(HashMap::from([("sfr".to_owned(), vendor_errors())]))
}

fn body(kind: &Kind, fact: &Fact, upstream: &str) -> Value {
    let post = post(kind, "123456", fact, |_| Some(upstream.to_owned()), 1_711_377_200).expect("a body");
    serde_json::from_slice(&post.body).expect("JSON")
}

fn pushed(fact: Fact) -> Value {
    body(&Kind::PushCra { vocabulary: Vocabulary::Short, errors: errors() }, &fact, "smsc")
}

fn event(fact: Fact) -> Value {
    body(&Kind::Native { secrets: Vec::new() }, &fact, "smsc")
}

#[test]
fn a_push_is_written_as_in_the_vendors_examples() {
    let expected = json!({ "status_report": { "username": "123456", "sms": [
        { "to": "+33600000000", "from": "0930000000", "date": "2024-03-25T14:32:25Z",
          "call_id": ID, "ref_externe": "abc123",
          "status_list": [ { "date": "2024-03-25T14:32:25Z", "type": "SENT" } ], "status": "SENT" }
    ] } });
    assert_eq!(pushed(Fact::Receipt(Box::new(sent()))), expected);

    let expected = json!({ "status_report": { "username": "123456", "sms": [
        { "to": "+33600000000", "from": "0930000000", "date": "2024-03-25T14:30:31Z", "call_id": "",
          "status_list": [ { "date": "2024-03-25T14:30:31Z", "type": "INCOMING", "info": "Ceci est un test" } ],
          "status": "INCOMING" }
    ] } });
    assert_eq!(pushed(incoming(DataCoding::DEFAULT, b"Ceci est un test", None)), expected);
}

#[test]
fn a_reply_is_answered_with_the_call_id_of_what_it_answers() {
    let body = pushed(incoming(DataCoding::UCS2, &[0x20, 0xac, 0, b'!'], Some(b"abc123")));
    let sms = &body["status_report"]["sms"][0];
    assert_eq!((&sms["call_id"], &sms["ref_externe"]), (&json!(ID), &json!("abc123")));
    assert_eq!((&sms["status"], &sms["status_list"][0]["info"]), (&json!("ANSWERED"), &json!("€!")));
    // What is no text is told of all the same.
    let body = pushed(incoming(DataCoding::OCTETS, &[1, 2, 3], None));
    assert_eq!(body["status_report"]["sms"][0]["status_list"][0]["info"], "");
}

#[test]
fn states_are_told_in_the_vendors_words() {
    let told = |fact: ReceiptFact, upstream: &str, vocabulary| {
        let kind = Kind::PushCra { vocabulary, errors: errors() };
        let body = body(&kind, &Fact::Receipt(Box::new(fact)), upstream);
        body["status_report"]["sms"][0]["status"].as_str().expect("a state").to_owned()
    };
    let of = |state, error| ReceiptFact { state, error, ..receipt() };
    for (state, expected) in [
        (MessageState::DELIVERED, "RECEIVED"),
        (MessageState::REJECTED, "REJECTED"),
        (MessageState::UNDELIVERABLE, "ERROR"),
        (MessageState::EXPIRED, "ERROR"),
        (MessageState::DELETED, "ERROR"),
        (MessageState::UNKNOWN, "ERROR"),
    ] {
        assert_eq!(told(of(state, 0), "smsc", Vocabulary::Short), expected, "{state:?}");
        assert_eq!(told(of(state, 0), "smsc", Vocabulary::Long), format!("CRA_SMS_{expected}"));
    }
    let falsenumber = u32::from(State::FalseNumber.error_number());
    let undeliverable = || of(MessageState::UNDELIVERABLE, falsenumber);
    assert_eq!(told(undeliverable(), "sfr", Vocabulary::Short), "FALSENUMBER");
    assert_eq!(told(undeliverable(), "smsc", Vocabulary::Short), "ERROR", "the numbers of another upstream");
    let blacklisted = ReceiptFact { reason: Some(Reason::Blacklist), ..of(MessageState::REJECTED, 0) };
    assert_eq!(told(blacklisted, "smsc", Vocabulary::Short), "BLACKLIST");
}

#[test]
fn numbers_are_written_as_the_contract_says() {
    let numbers = |sender: Address, recipient: Address| {
        let body = pushed(Fact::Receipt(Box::new(ReceiptFact { sender, recipient, ..receipt() })));
        let sms = &body["status_report"]["sms"][0];
        [&sms["from"], &sms["to"]].map(|number| number.as_str().expect("a number").to_owned())
    };
    let plain = |text: &str| Address::new(Ton::UNKNOWN, Npi::UNKNOWN, text.as_bytes()).expect("short");
    assert_eq!(numbers(plain("0930000000"), plain("0600000000")), ["0930000000", "+33600000000"]);
    assert_eq!(numbers(address("32460000000"), address("32470000000")), ["+32460000000", "+32470000000"]);
    assert_eq!(numbers(plain("SHOP"), plain("36000")), ["SHOP", "36000"]);
}

#[test]
fn native_events_say_what_happened_to_which_message() {
    let expected = json!({
        "id": format!("{ID}-delivered-1711377145250"), "type": "message.delivered",
        "time": "2024-03-25T14:32:25.250Z", "service": "123456",
        "data": { "id": ID, "direction": "mt", "from": "+33930000000", "to": "+33600000000", "state": "delivered",
            "reference": "abc123", "segments": 2, "accepted_at": "2024-03-25T14:32:24.000Z" }
    });
    assert_eq!(event(Fact::Receipt(Box::new(receipt()))), expected);

    let kinds = |fact: ReceiptFact| {
        let event = event(Fact::Receipt(Box::new(fact)));
        [&event["type"], &event["data"]["state"]].map(|word| word.as_str().expect("a word").to_owned())
    };
    assert_eq!(kinds(sent()), ["message.sent", "sent"]);
    for (state, word) in [
        (MessageState::REJECTED, "refused"),
        (MessageState::UNDELIVERABLE, "refused"),
        (MessageState::EXPIRED, "expired"),
        (MessageState::DELETED, "cancelled"),
        (MessageState::UNKNOWN, "unknown"),
    ] {
        assert_eq!(kinds(ReceiptFact { state, ..receipt() }), [format!("message.{word}"), word.to_owned()]);
    }
    assert_eq!(kinds(ReceiptFact { late: true, ..receipt() }), ["message.late_receipt", "delivered"]);
    let ended = ReceiptFact {
        state: MessageState::REJECTED,
        error: 69,
        reason: Some(Reason::Blacklist),
        ..receipt()
    };
    let ended = event(Fact::Receipt(Box::new(ended)));
    assert_eq!((&ended["data"]["error"], &ended["data"]["reason"]), (&json!(69), &json!("blacklist")));
}

#[test]
fn a_message_from_a_mobile_is_an_event_with_its_text_or_its_octets() {
    let expected = json!({
        "id": format!("{}-received-1711377031000", "07".repeat(12)), "type": "message.received",
        "time": "2024-03-25T14:30:31.000Z", "service": "123456",
        "data": { "id": "07".repeat(12), "direction": "mo", "from": "+33600000000", "to": "+33930000000",
            "text": "Oui", "parts_have": 1, "parts_total": 1, "answers": ID }
    });
    assert_eq!(event(incoming(DataCoding::DEFAULT, b"Oui", Some(b""))), expected);
    let octets = event(incoming(DataCoding::OCTETS, &[1, 2, 3], None));
    assert_eq!((&octets["data"]["data"], octets["data"].get("text")), (&json!("AQID"), None));
}

#[test]
fn native_events_are_signed_with_every_secret_that_is_in_force() {
    let secrets = ["first secret of 16", "other secret of 16"].map(Secret::new);
    let kind = Kind::Native { secrets: secrets.to_vec() };
    let fact = Fact::Receipt(Box::new(receipt()));
    let post = post(&kind, "shop", &fact, |_| None, 1_711_377_200).expect("a body");
    let header = |name: &str| post.headers[name].to_str().expect("text").to_owned();
    let id = header("webhook-id");
    assert_eq!(id, format!("{ID}-delivered-1711377145250"));
    assert!(!id.contains('.'), "full stops separate what is signed");
    assert_eq!(header("webhook-timestamp"), "1711377200");
    let expected = secrets.map(|secret| signature(&secret, &id, 1_711_377_200, &post.body)).join(" ");
    assert_eq!(header("webhook-signature"), expected);
    assert_eq!(header("content-type"), "application/json");
}

#[test]
fn an_sms_for_esmes_is_nothing_for_endpoints() {
    let Fact::Incoming(fact) = incoming(DataCoding::DEFAULT, b"Oui", None) else { unreachable!() };
    let fact = Fact::Mo { id: id(), mo: fact.incoming.mo, carry: crate::gateway::port::Carry::Short };
    for kind in [
        Kind::Native { secrets: Vec::new() },
        Kind::PushCra { vocabulary: Vocabulary::Short, errors: errors() },
    ] {
        assert!(post(&kind, "shop", &fact, |_| None, 0).is_none());
    }
}
