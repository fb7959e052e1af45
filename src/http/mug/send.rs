//! `POST /services/{service_id}/messages`: one message.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::account::Outside;
use super::fault::Fault;
use super::metrics::Method;
use super::openapi::{ErrorBody, SendBody, SentBody};
use super::read::unknown_yet;
use super::{Mug, Peer, body, json};
use crate::gateway::message::{Content, Interface, Written};
use crate::gateway::port::{Submission, When};
use crate::http::address::address_of;
use crate::pdu::{Address, DataCoding, EsmClass, RegisteredDelivery};
use crate::text::{Alphabet, Table, fits, transliterate};
use crate::vendor::timetochat::{Flaw, SendAnswer, SendRequest};

/// Sends one message.
///
/// The 201 comes once the message is on disk; from then on it has exactly one end, which `GET` tells. `to` is `06`/`07` and 8
/// digits, or `+` and 8 to 15 digits; `from` one of the service's senders; `text` at most 1,224 GSM units (`^ ~ | { } [ ] \ €`
/// count two) or 528 UCS-2 units.
#[utoipa::path(
    post,
    path = "/mug/api/V1/services/{service_id}/messages",
    tag = "MUG",
    operation_id = "send",
    params(("service_id" = String, Path, description = "The service id", example = "123456")),
    request_body(content = SendBody),
    responses(
        (status = 201, description = "The message is accepted", body = SentBody),
        (status = 400, description = "Something of the body is not as it has to be", body = ErrorBody, examples(
            ("missing" = (value = json!({ "code": "MISSING_PARAMETER", "message": "to is required" }))),
            ("type" = (value = json!({ "code": "INVALID_PARAMETER", "message": "unicode is of another type" }))),
            ("number" = (value = json!({ "code": "INVALID_NUMBER",
                "message": "to has to be 06 or 07 and 8 digits, or + and 8 to 15 digits" }))),
            ("reference" = (value = json!({ "code": "INVALID_EXTREF",
                "message": "extRef has more than 150 characters" }))),
            ("text" = (value = json!({ "code": "TEXT_TOO_LONG",
                "message": "text has more than 1224 GSM units, or more than 528 as unicode" }))),
            ("character" = (value = json!({ "code": "UNSUPPORTED_CHARACTER",
                "message": "text has a character outside GSM 03.38; set unicode" }))),
            ("date" = (value = json!({ "code": "INVALID_VALIDITY_DATE", "message": "bad format" }))),
            ("past" = (value = json!({ "code": "INVALID_VALIDITY_DATE", "message": "date is in the past" }))),
        )),
        (status = 401, description = "No token, a stale one, or another service's", body = ErrorBody,
            example = json!({ "code": "AUTHENTICATION_FAILED" })),
        (status = 403, description = "The service may not", body = ErrorBody, examples(
            ("account" = (value = json!({ "code": "ACCOUNT_EXPIRED" }))),
            ("month" = (value = json!({ "code": "MONTHLY_LIMIT_REACHED" }))),
            ("sender" = (value = json!({ "code": "FORBIDDEN_SENDER" }))),
        )),
    ),
    security(("token" = [])),
)]
pub(super) async fn send(
    State(mug): State<Mug>,
    service_id: Result<Path<String>, PathRejection>,
    Peer(from): Peer,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let service_id = service_id.map_or_else(|_| String::new(), |Path(id)| id);
    let response = match take(&mug, &service_id, from, &headers, body).await {
        Ok(answer) => json(StatusCode::CREATED, answer.write()),
        Err(fault) => fault.into_response(),
    };
    mug.0.metrics.answered(Method::Send, response.status().as_u16());
    response
}

async fn take(
    mug: &Mug,
    service_id: &str,
    from: std::net::IpAddr,
    headers: &HeaderMap,
    body: Body,
) -> Result<SendAnswer, Fault> {
    let told = mug.told();
    let entry = mug.admit(&told, service_id, headers, from)?;
    let octets = body::whole(body, told.body_patience).await?;
    let asked = SendRequest::read(&octets)?;
    let submission = submission(&asked, entry.outside, &told.country, mug.0.clock.utc_ms())?;
    let service = entry.no(&mug.0.engine).ok_or_else(unknown_yet)?;
    let taken = mug.0.engine.submit(service, submission).await?;
    Ok(SendAnswer { id: taken.id.to_string(), ext_ref: asked.ext_ref })
}

/// What the engine is asked, after every check of the body that §8a has before those of the account.
fn submission(
    asked: &SendRequest,
    outside: Outside,
    country: &str,
    now_ms: u64,
) -> Result<Submission, Fault> {
    if asked.to.starts_with("+0") {
        // No country code begins so.
        return Err(Flaw::Number.into());
    }
    let encoded = encode(asked, outside);
    let checked = asked.check(now_ms, |_| match &encoded {
        Some((alphabet, payload)) => fits(payload, alphabet.unit_kind(), Table::TimeToChat),
        None => false,
    });
    let until = match (checked, &encoded) {
        (Err(Flaw::TextTooLong), None) => return Err(Fault::character()),
        (checked, _) => checked?,
    };
    let (alphabet, payload) = encoded.ok_or_else(Fault::character)?;
    if payload.is_empty() {
        // Of a text of nothing but accents nothing may be left.
        return Err(Flaw::Missing("text").into());
    }
    let content = Content {
        source: sender(&asked.from, country)?,
        destination: address_of(&asked.to, country).map_err(|_| Flaw::Number)?,
        esm_class: EsmClass::DEFAULT,
        protocol_id: 0,
        priority: 0,
        // Who wants receipts by SMPP all the same says so in the configuration (SEMANTICS 9).
        registered_delivery: RegisteredDelivery::NONE,
        data_coding: match (alphabet, asked.flash) {
            (Alphabet::Gsm7, false) => DataCoding::DEFAULT,
            (Alphabet::Gsm7, true) => DataCoding::GSM7_CLASS_0,
            (Alphabet::Ucs2, false) => DataCoding::UCS2,
            (Alphabet::Ucs2, true) => DataCoding::FLASH_UCS2,
        },
        payload: payload.into(),
        tlvs: Box::default(),
        reference: asked.ext_ref.as_deref().unwrap_or_default().as_bytes().into(),
    };
    let written =
        Written { national_to: asked.to.starts_with('0'), national_from: asked.from.starts_with('0') };
    let validity = until.map(When::At);
    Ok(Submission { validity, written, ..Submission::new(content, Interface::Rest) })
}

/// The text in the alphabet it goes in. `None`: it goes in none.
fn encode(asked: &SendRequest, outside: Outside) -> Option<(Alphabet, Vec<u8>)> {
    let in_alphabet =
        |alphabet: Alphabet, text: &str| alphabet.encode(text).map(|payload| (alphabet, payload));
    if asked.unicode {
        return in_alphabet(Alphabet::Ucs2, &asked.text);
    }
    in_alphabet(Alphabet::Gsm7, &asked.text).or_else(|| match outside {
        Outside::Promote => in_alphabet(Alphabet::Ucs2, &asked.text),
        Outside::Transliterate => in_alphabet(Alphabet::Gsm7, &transliterate(&asked.text)),
        Outside::Refuse => None,
    })
}

/// The sender, if it can be an address at all; whether it is one of the service's is the gateway's to say.
fn sender(from: &str, country: &str) -> Result<Address, Fault> {
    let is_plain = from.bytes().all(|octet| octet.is_ascii_graphic() || octet == b' ');
    let address = is_plain.then(|| address_of(from, country).ok()).flatten();
    address.ok_or_else(Fault::sender)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::Ton;
    use serde_json::{Value, json};

    const NOW: u64 = 1_795_348_800_000;

    /// What becomes of the contract's example with these members instead of its own.
    fn asked(members: Value, outside: Outside) -> Result<Submission, (u16, String)> {
        let mut body = json!({
            "from": "0930000000", "to": "0601020304", "extRef": "123456", "text": "Test MUG",
            "validityDate": "2026-11-23T09:06:22.620Z", "unicode": false, "flash": false,
        });
        for (name, value) in members.as_object().expect("an object") {
            body[name] = value.clone();
        }
        let asked = SendRequest::read(body.to_string().as_bytes()).expect("the shape is right");
        submission(&asked, outside, "33", NOW).map_err(|fault| {
            let (status, code) = fault.parts();
            (status, code.into_owned())
        })
    }

    fn code(members: Value) -> (u16, String) {
        asked(members, Outside::Promote).map(drop).expect_err("it is refused")
    }

    #[test]
    fn the_contracts_example_is_a_submission() {
        let submission = asked(json!({}), Outside::Promote).expect("it is good");
        assert_eq!(submission.validity, Some(When::At(1_795_424_782_620)));
        let content = submission.content;
        assert_eq!(content.source.as_bytes(), b"33930000000");
        assert_eq!(
            (content.destination.ton, content.destination.as_bytes()),
            (Ton::INTERNATIONAL, &b"33601020304"[..])
        );
        assert_eq!((content.data_coding, &content.payload[..]), (DataCoding::DEFAULT, &b"Test MUG"[..]));
        assert_eq!(&content.reference[..], b"123456");
    }

    #[test]
    fn the_coding_says_alphabet_and_flash() {
        for (members, coding) in [
            (json!({}), DataCoding::DEFAULT),
            (json!({ "flash": true }), DataCoding::GSM7_CLASS_0),
            (json!({ "unicode": true }), DataCoding::UCS2),
            (json!({ "unicode": true, "flash": true }), DataCoding::FLASH_UCS2),
            (json!({ "text": "garçon" }), DataCoding::UCS2),
            (json!({ "text": "garçon", "flash": true }), DataCoding::FLASH_UCS2),
        ] {
            let content = asked(members.clone(), Outside::Promote).expect("it is good").content;
            assert_eq!(content.data_coding, coding, "{members}");
            assert_eq!(content.data_coding.is_flash(), members["flash"] == true, "{members}");
        }
    }

    #[test]
    fn a_character_outside_gsm_promotes_is_refused_or_is_replaced() {
        let text = json!({ "text": "garçon 10 €" });
        let promoted = asked(text.clone(), Outside::Promote).expect("it is good").content;
        assert!(promoted.data_coding.is_ucs2());
        let replaced = asked(text.clone(), Outside::Transliterate).expect("it is good").content;
        assert_eq!(&replaced.payload[..], b"garcon 10 \x1be");
        let refused = asked(text.clone(), Outside::Refuse).expect_err("it is refused");
        assert_eq!(refused, (400, "UNSUPPORTED_CHARACTER".into()));
        let unicode = json!({ "text": "garçon", "unicode": true });
        for outside in [Outside::Promote, Outside::Refuse, Outside::Transliterate] {
            assert!(asked(unicode.clone(), outside).expect("it is good").content.data_coding.is_ucs2());
        }
        let marks =
            asked(json!({ "text": "\u{301}\u{200B}" }), Outside::Transliterate).expect_err("nothing is left");
        assert_eq!(marks, (400, "MISSING_PARAMETER".into()));
    }

    #[test]
    fn each_alphabet_has_its_limit() {
        for (text, unicode, is_taken) in [
            ("a".repeat(1_224), false, true),
            ("a".repeat(1_225), false, false),
            ("€".repeat(612), false, true),
            ("€".repeat(613), false, false),
            ("a".repeat(528), true, true),
            ("a".repeat(529), true, false),
            ("😀".repeat(264), true, true),
            ("😀".repeat(265), false, false),
            ("ç".repeat(528), false, true),
            ("ç".repeat(529), false, false),
        ] {
            let result = asked(json!({ "text": text, "unicode": unicode }), Outside::Promote);
            match result {
                Ok(_) => assert!(is_taken, "{} {unicode}", text.len()),
                Err(error) => {
                    assert_eq!(error, (400, "TEXT_TOO_LONG".into()));
                    assert!(!is_taken, "{} {unicode}", text.len());
                }
            }
        }
    }

    #[test]
    fn a_reference_has_150_characters_not_octets() {
        let content =
            asked(json!({ "extRef": "é".repeat(150) }), Outside::Promote).expect("it is good").content;
        assert_eq!(content.reference.len(), 300);
        assert_eq!(code(json!({ "extRef": "é".repeat(151) })), (400, "INVALID_EXTREF".into()));
        let none = asked(json!({ "extRef": null }), Outside::Promote).expect("it is good").content;
        assert!(none.reference.is_empty());
    }

    #[test]
    fn the_first_fault_in_the_order_of_the_contract_is_told() {
        let mut members = json!({
            "to": "0501020304", "extRef": "x".repeat(151), "text": "a".repeat(1_225), "validityDate": "soon", "from": "é",
        });
        let mut repair = |name: &str, good: Value, expected: &str| {
            assert_eq!(code(members.clone()).1, expected);
            members[name] = good;
        };
        repair("to", json!("0601020304"), "INVALID_NUMBER");
        repair("extRef", json!("x"), "INVALID_EXTREF");
        repair("text", json!("a"), "TEXT_TOO_LONG");
        repair("validityDate", json!("2026-11-21T09:06:22.620Z"), "INVALID_VALIDITY_DATE");
        repair("validityDate", json!("2026-11-23T09:06:22.620Z"), "INVALID_VALIDITY_DATE");
        repair("from", json!("a sender that is no address"), "FORBIDDEN_SENDER");
        repair("from", json!("Mug"), "FORBIDDEN_SENDER");
        assert!(asked(members, Outside::Promote).is_ok());
    }
}
