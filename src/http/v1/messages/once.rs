//! `Idempotency-Key`: a request that is repeated is one message.
//!
//! The key is committed with the message, so it holds across `kill -9`, for 24 hours (SEMANTICS 11). What stands here is
//! only its reading, and the refusal of a second request while the first is being handled.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use axum::http::{HeaderMap, StatusCode};
use dashmap::DashSet;
use serde_json::Value;

use crate::gateway::id::ServiceNo;
use crate::gateway::port::Key;
use crate::http::problem::{Fault, Problem};

/// Keys of requests that are being handled. As many as there are connections at most.
#[derive(Clone, Debug, Default)]
pub(in crate::http::v1) struct InFlight(Arc<DashSet<[u8; 16], ahash::RandomState>>);

/// A key that this request alone is being handled under; given back when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    in_flight: InFlight,
    service: ServiceNo,
    written: Box<[u8]>,
    hash: [u8; 16],
    digest: [u8; 16],
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.in_flight.0.remove(&self.hash);
    }
}

impl Claim {
    /// The key of the message at `index` of the request.
    pub(super) fn key(&self, index: u32) -> Key {
        Key { key: hash(self.service, &self.written, Some(index)), digest: self.digest }
    }
}

impl InFlight {
    /// The request's key, if it has one; `body` is what was asked.
    ///
    /// # Errors
    /// 400 when it is no key, 409 while another request has it.
    pub(super) fn claim(
        &self,
        headers: &HeaderMap,
        service: ServiceNo,
        body: &Value,
    ) -> Result<Option<Claim>, Problem> {
        let mut given = headers.get_all(HEADER).iter();
        let Some(written) = given.next() else { return Ok(None) };
        let written = written.as_bytes();
        let is_key = (1..=KEY_OCTETS_MAX).contains(&written.len())
            && written.iter().all(|c| (b' '..=b'~').contains(c))
            && given.next().is_none();
        if !is_key {
            let detail = "has to be one key of 1 to 255 characters of printable ASCII";
            return Err(Problem::invalid(vec![Fault::of_parameter(HEADER, "format", detail)]));
        }
        let hash = hash(service, written, None);
        if !self.0.insert(hash) {
            let detail = "another request with this key is being handled; its answer is not known yet";
            let problem = Problem::new(StatusCode::CONFLICT, "idempotency_in_progress", detail);
            return Err(problem.after(1));
        }
        let (in_flight, written) = (self.clone(), written.into());
        Ok(Some(Claim { in_flight, service, written, hash, digest: digest(body) }))
    }
}

fn hash(service: ServiceNo, written: &[u8], index: Option<u32>) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    context.update(&service.0.to_be_bytes());
    context.update(written);
    if let Some(index) = index {
        // No key holds a NUL, so that what follows it cannot be part of one.
        context.update(&[0]);
        context.update(&index.to_be_bytes());
    }
    half(context)
}

/// What a body says, however its members are ordered and spaced.
fn digest(body: &Value) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    update(&mut context, body);
    half(context)
}

fn update(context: &mut Context, value: &Value) {
    match value {
        Value::Array(items) => {
            context.update(b"[");
            for item in items {
                update(context, item);
                context.update(b",");
            }
            context.update(b"]");
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            context.update(b"{");
            for (name, value) in sorted {
                context.update(Value::from(name.as_str()).to_string().as_bytes());
                context.update(b":");
                update(context, value);
                context.update(b",");
            }
            context.update(b"}");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            context.update(value.to_string().as_bytes());
        }
    }
}

fn half(context: Context) -> [u8; 16] {
    let mut out = [0; 16];
    out.iter_mut().zip(context.finish().as_ref()).for_each(|(out, octet)| *out = *octet);
    out
}

const HEADER: &str = "idempotency-key";

const KEY_OCTETS_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use serde_json::json;

    fn headers(key: &str) -> HeaderMap {
        let key = HeaderValue::from_bytes(key.as_bytes()).expect("a header");
        HeaderMap::from_iter([(axum::http::HeaderName::from_static(HEADER), key)])
    }

    const SHOP: ServiceNo = ServiceNo(1);

    #[test]
    fn one_request_at_a_time_has_a_key() {
        let in_flight = InFlight::default();
        let claim = in_flight.claim(&headers("a"), SHOP, &json!({})).expect("free").expect("a key");
        let second = in_flight.claim(&headers("a"), SHOP, &json!({})).expect_err("it is taken");
        assert_eq!(second.to_value()["code"], "idempotency_in_progress");
        assert!(in_flight.claim(&headers("a"), ServiceNo(2), &json!({})).is_ok(), "another service's key");
        drop(claim);
        assert!(in_flight.claim(&headers("a"), SHOP, &json!({})).is_ok());
        assert!(in_flight.0.is_empty(), "nothing is left behind");
    }

    #[test]
    fn a_body_is_the_same_however_it_is_written() {
        let read = |text: &str| digest(&serde_json::from_str(text).expect("JSON"));
        assert_eq!(
            read(r#"{"a":1,"b":[{"c":null,"d":"x"}]}"#),
            read(r#"{ "b": [{"d":"x","c":null}], "a": 1 }"#)
        );
        assert_ne!(read(r#"{"a":["b","c"]}"#), read(r#"{"a":["b,c"]}"#));
        assert_ne!(read(r#"{"a":1}"#), read(r#"{"a":2}"#));
    }

    #[test]
    fn a_key_is_printable_ascii_of_bounded_length() {
        let in_flight = InFlight::default();
        for wrong in ["", "é", &"a".repeat(256)] {
            assert!(in_flight.claim(&headers(wrong), SHOP, &json!({})).is_err(), "{wrong}");
        }
        assert!(in_flight.claim(&headers(&"a".repeat(255)), SHOP, &json!({})).is_ok());
        assert!(matches!(in_flight.claim(&HeaderMap::new(), SHOP, &json!({})), Ok(None)));
    }

    #[test]
    fn messages_of_a_batch_have_keys_of_their_own() {
        let in_flight = InFlight::default();
        let claim = in_flight.claim(&headers("a"), SHOP, &json!({})).expect("free").expect("a key");
        assert_ne!(claim.key(0).key, claim.key(1).key);
        assert_eq!(claim.key(0).digest, claim.key(1).digest);
    }
}
