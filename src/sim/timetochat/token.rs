//! Tokens: JWT, HS256, with a key made at the start.

use aws_lc_rs::rand;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

use super::switches::Switches;
use crate::vendor::timetochat::{Claims, TokenInfo};

/// Makes and judges tokens.
pub(super) struct Tokens {
    make: EncodingKey,
    judge: DecodingKey,
    validation: Validation,
}

impl Tokens {
    /// With a new key: tokens made before are worth nothing.
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        // Without chance every start has the same key, which is good enough for a simulator.
        let _ = rand::fill(&mut key);
        let mut validation = Validation::new(Algorithm::HS256);
        // Time is judged here, by our clock.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        Self { make: EncodingKey::from_secret(&key), judge: DecodingKey::from_secret(&key), validation }
    }

    /// A token for `service`; `None` when it cannot be made.
    pub(super) fn make(&self, service: &str, switches: &Switches, now_ms: u64) -> Option<String> {
        let iat = now_ms / 1_000;
        let info = TokenInfo {
            expiration: None,
            limit: switches.monthly_limit.unwrap_or(0),
            peremption: switches.token_seconds.div_ceil(60),
        };
        let claims = Claims {
            service_id: service.to_owned(),
            info: Some(info),
            iat,
            exp: iat.saturating_add(switches.token_seconds),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.make).ok()
    }

    /// Whether the token is ours, `service`'s, and still holds.
    pub(super) fn is_good(&self, token: &str, service: &str, switches: &Switches, now_ms: u64) -> bool {
        let Ok(read) = jsonwebtoken::decode::<Claims>(token, &self.judge, &self.validation) else {
            return false;
        };
        let Claims { service_id, iat, exp, .. } = read.claims;
        let dies =
            switches.token_dies_after_seconds.map_or(exp, |seconds| exp.min(iat.saturating_add(seconds)));
        service_id == service && now_ms < dies.saturating_mul(1_000)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor::timetochat::TokenAnswer;

    #[test]
    fn a_token_holds_for_its_service_its_time_and_its_start() {
        let (tokens, switches) = (Tokens::new(), Switches::default());
        let now = 1_700_000_000_000;
        let token = tokens.make("123456", &switches, now).expect("it can be made");
        assert!(
            token.starts_with("eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.")
                || token.starts_with("eyJhbGciOiJIUzI1NiI")
        );
        assert_eq!(TokenAnswer { token: token.clone() }.expires(), Some(1_700_001_800));
        assert!(tokens.is_good(&token, "123456", &switches, now + 1_799_999));
        assert!(!tokens.is_good(&token, "123456", &switches, now + 1_800_000));
        assert!(!tokens.is_good(&token, "123457", &switches, now));
        assert!(!Tokens::new().is_good(&token, "123456", &switches, now));
        let early = Switches { token_dies_after_seconds: Some(2), ..switches.clone() };
        assert!(tokens.is_good(&token, "123456", &early, now + 1_999));
        assert!(!tokens.is_good(&token, "123456", &early, now + 2_000));
        for forged in
            ["", "x", "eyJhbGciOiJub25lIn0.eyJzZXJ2aWNlX2lkIjoiMTIzNDU2IiwiaWF0IjoxLCJleHAiOjk5OTk5OTk5OTl9."]
        {
            assert!(!tokens.is_good(forged, "123456", &switches, now), "{forged}");
        }
    }
}
