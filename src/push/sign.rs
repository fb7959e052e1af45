//! Signatures of native events, by the Standard Webhooks convention.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::net::Secret;

/// What a secret begins with that is written as base64, as the convention's libraries expect it.
const PREFIX: &[u8] = b"whsec_";

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`: the value of `webhook-signature` for one secret.
///
/// A secret `whsec_…` is the base64 of the key; any other is the key itself.
pub fn signature(secret: &Secret, id: &str, timestamp_s: u64, body: &[u8]) -> String {
    let timestamp = timestamp_s.to_string();
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key(secret)));
    for piece in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        context.update(piece);
    }
    format!("v1,{}", STANDARD.encode(context.sign()))
}

fn key(secret: &Secret) -> Vec<u8> {
    let octets = secret.octets();
    let decoded = octets.strip_prefix(PREFIX).and_then(|written| STANDARD.decode(written).ok());
    decoded.unwrap_or_else(|| octets.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_convention_is_signed_as_there() {
        // The test vector that the convention's reference libraries share.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_piece_is_signed() {
        let sign = |secret: &str, id: &str, at: u64, body: &str| {
            signature(&Secret::new(secret), id, at, body.as_bytes())
        };
        let one = sign("0123456789abcdef", "id", 1, "body");
        for other in [
            sign("0123456789abcdeg", "id", 1, "body"),
            sign("0123456789abcdef", "ie", 1, "body"),
            sign("0123456789abcdef", "id", 2, "body"),
            sign("0123456789abcdef", "id", 1, "bodz"),
        ] {
            assert_ne!(one, other);
        }
    }
}
