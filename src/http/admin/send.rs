//! `POST /messages`: one message, sent by the operator in the name of a service.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Open, Operator};
use crate::gateway::id::ServiceNo;
use crate::gateway::message::Interface;
use crate::gateway::port::{Submission, When};
use crate::gateway::wording::content_of;
use crate::http::address::address_of;
use crate::http::problem::Problem;
use crate::pdu::Address;
use crate::text::{Alphabet, Table, count};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    to: String,
    text: String,
    from: Option<String>,
    service: Option<String>,
    validity_s: Option<u64>,
}

pub(super) async fn send(
    operator: Operator,
    body: Result<Json<Body>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Json(body) = body.map_err(|rejection| Problem::bad_request("json", rejection.body_text()))?;
    let open = operator.open()?;
    let (service, no) = service_of(&open, body.service.as_deref())?;
    let counted = count(&body.text, Table::STANDARD);
    let submission = body.into_submission(&open.country)?;
    let id = open.engine.submit(no, submission).await?.id;
    operator.0.posted(id);
    let answer = json!({
        "id": id.to_string(),
        "service": service,
        "alphabet": alphabet_name(counted.alphabet),
        "units": counted.units,
        "segments": counted.sent,
    });
    Ok((StatusCode::CREATED, Json(answer)))
}

impl Body {
    fn into_submission(self, country: &str) -> Result<Submission, Problem> {
        let address = |written: &str, what: &'static str| {
            address_of(written, country)
                .map_err(|error| Problem::bad_request("invalid", format!("{what}: {error}")))
        };
        let source = match &self.from {
            Some(from) => address(from, "from")?,
            None => Address::EMPTY,
        };
        let validity = self.validity_s.map(|seconds| When::In(seconds.saturating_mul(1_000)));
        Ok(Submission { validity, ..submission(source, address(&self.to, "to")?, &self.text) })
    }
}

/// A text to be sent in the cheapest alphabet that holds it, whole: the gateway cuts it as its upstream wants.
pub fn submission(source: Address, destination: Address, text: &str) -> Submission {
    // The service did not submit this, so it is owed no deliver_sm about it (SEMANTICS 9); `status` tells.
    let content = content_of(source, destination, text);
    Submission::new(content, Interface::Operator)
}

/// The named service, or the first one.
pub(super) fn service_of<'a>(open: &'a Open, named: Option<&str>) -> Result<(&'a str, ServiceNo), Problem> {
    let known = || open.services.join(", ");
    let id = match named {
        Some(named) => open.services.iter().find(|id| *id == named).ok_or_else(|| {
            Problem::bad_request(
                "service",
                format!("there is no service \"{named}\"; there are: {}", known()),
            )
        })?,
        None => open
            .services
            .first()
            .ok_or_else(|| Problem::bad_request("service", "no service is configured"))?,
    };
    let no = open.engine.service(id).ok_or_else(|| Problem::not_now("the service is not known yet"))?;
    Ok((id, no))
}

fn alphabet_name(alphabet: Alphabet) -> &'static str {
    match alphabet {
        Alphabet::Gsm7 => "GSM 7-bit",
        Alphabet::Ucs2 => "UCS-2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::DataCoding;

    fn body(json: Value) -> Result<Submission, Problem> {
        serde_json::from_value::<Body>(json).expect("the shape is right").into_submission("33")
    }

    #[test]
    fn a_text_goes_in_the_cheapest_alphabet_that_holds_it() {
        let gsm = body(json!({ "to": "+33612345678", "text": "a@€" })).expect("it can be sent").content;
        assert_eq!((gsm.data_coding, &gsm.payload[..]), (DataCoding::DEFAULT, &b"a\x00\x1be"[..]));
        assert_eq!(gsm.source, Address::EMPTY);
        let ucs2 =
            body(json!({ "to": "0612345678", "from": "SHOP", "text": "ж" })).expect("it can be sent").content;
        assert_eq!((ucs2.data_coding, &ucs2.payload[..]), (DataCoding::UCS2, &[4, 0x36][..]));
        assert_eq!(ucs2.destination.as_bytes(), b"33612345678");
    }

    #[test]
    fn unknown_members_and_long_numbers_are_refused() {
        assert!(serde_json::from_value::<Body>(json!({ "to": "1", "text": "x", "sender": "y" })).is_err());
        assert!(body(json!({ "to": "1".repeat(21), "text": "x" })).is_err());
    }
}
