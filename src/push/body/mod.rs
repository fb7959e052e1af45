//! What a delivery says to its endpoint.

mod native;
mod push_cra;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

pub use self::push_cra::Errors;
use super::endpoint::Kind;
use super::sign::signature;
use crate::gateway::id::UpstreamNo;
use crate::gateway::port::Fact;
pub use crate::vendor::timetochat::vendor_errors;

/// What is to be posted.
pub(super) struct Post {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Writes what `fact` says to an endpoint of `kind`. `None`: it says nothing to endpoints.
///
/// `upstream_of` gives the configured name of an upstream, `now_s` is UTC.
pub(super) fn post(
    kind: &Kind,
    service: &str,
    fact: &Fact,
    upstream_of: impl FnOnce(UpstreamNo) -> Option<String>,
    now_s: u64,
) -> Option<Post> {
    let mut headers = HeaderMap::with_capacity(8);
    let body = match kind {
        Kind::PushCra { vocabulary, errors } => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
            push_cra::write(service, fact, *vocabulary, |upstream| errors.get(&upstream_of(upstream)?))?
        }
        Kind::Native { secrets } => {
            let (id, body) = native::write(service, fact)?;
            let signatures: Vec<_> = secrets.iter().map(|s| signature(s, &id, now_s, &body)).collect();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(WEBHOOK_ID, HeaderValue::try_from(id).ok()?);
            headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(now_s));
            if !signatures.is_empty() {
                headers.insert(WEBHOOK_SIGNATURE, HeaderValue::try_from(signatures.join(" ")).ok()?);
            }
            body
        }
    };
    Some(Post { headers, body: Bytes::from(body) })
}

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

#[cfg(test)]
mod tests;
