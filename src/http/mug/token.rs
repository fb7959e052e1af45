//! Tokens: JWTs signed with HS256 for half an hour (contracts/timetochat.md §2.1).

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};

use crate::http::admin::random_hex;
use crate::http::keep::kept;
use crate::vendor::timetochat::{Claims, TOKEN_SECONDS};

/// What tokens are signed with. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SigningKey([u8; Self::OCTETS]);

impl SigningKey {
    /// Its length.
    pub const OCTETS: usize = 32;

    /// A key of these octets.
    pub fn new(octets: [u8; Self::OCTETS]) -> Self {
        Self(octets)
    }

    /// A code over `words` that nobody without the key can make. `purpose` keeps codes of one use apart from another's.
    pub(super) fn code(&self, purpose: &str, words: &[&[u8]]) -> hmac::Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        for word in std::iter::once(purpose.as_bytes()).chain(words.iter().copied()) {
            // With its length, so that no two lists of words look the same.
            context.update(&u64::try_from(word.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(word);
        }
        context.sign()
    }

    fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * Self::OCTETS {
            return None;
        }
        let mut octets = [0; Self::OCTETS];
        let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *octet = value(*high)? << 4 | value(*low)?;
        }
        Some(Self(octets))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Name of the key's file in the data directory.
pub const SIGNING_KEY_FILE: &str = "token.key";

/// The path of the key in `data_dir`.
pub fn signing_key_path(data_dir: &Path) -> PathBuf {
    data_dir.join(SIGNING_KEY_FILE)
}

/// The key of `data_dir`, made at the first start and kept, readable by its owner alone: tokens outlive a restart.
///
/// # Errors
/// When the file cannot be read or written, or does not hold 64 hexadecimal digits.
pub fn signing_key(data_dir: &Path) -> io::Result<SigningKey> {
    let path = signing_key_path(data_dir);
    let text = kept(&path, || random_hex(SigningKey::OCTETS))?;
    SigningKey::from_hex(&text).ok_or_else(|| {
        let why =
            format!("{} does not hold 64 hexadecimal digits; remove it to have another made", path.display());
        io::Error::new(io::ErrorKind::InvalidData, why)
    })
}

/// The tokens of one service under one password: those of another service or password are strangers here.
pub(super) struct Tokens {
    service_id: Box<str>,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    /// Tokens that were found good, and the UTC second at which they end: a signature is worked out once, not for each
    /// request. At most [`SEEN_MAX`].
    seen: Mutex<HashMap<Box<str>, u64, ahash::RandomState>>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("service_id", &self.service_id).finish_non_exhaustive()
    }
}

impl Tokens {
    pub(super) fn new(key: &SigningKey, service_id: &str, password: &[u8]) -> Self {
        let secret = key.code("token", &[service_id.as_bytes(), password]);
        let mut validation = Validation::new(Algorithm::HS256);
        // The time is ours to compare: the library would ask the system for it.
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self {
            service_id: service_id.into(),
            encoding: EncodingKey::from_secret(secret.as_ref()),
            decoding: DecodingKey::from_secret(secret.as_ref()),
            validation,
            seen: Mutex::default(),
        }
    }

    /// A token that holds for half an hour from `now_s`. `None` when it cannot be signed.
    pub(super) fn issue(&self, now_s: u64) -> Option<String> {
        let claims = Claims {
            service_id: self.service_id.clone().into(),
            info: None,
            iat: now_s,
            exp: now_s.saturating_add(TOKEN_SECONDS),
        };
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).ok()?);
        // Written by hand, since the library writes the members of the header in another order than the vendor.
        let head = URL_SAFE_NO_PAD.encode(HEADER);
        let signed = format!("{head}.{payload}");
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &self.encoding, Algorithm::HS256).ok()?;
        Some(format!("{signed}.{signature}"))
    }

    /// Whether `token` is one of ours and holds at `now_s`.
    pub(super) fn is_good(&self, token: &str, now_s: u64) -> bool {
        if token.len() > TOKEN_OCTETS_MAX {
            return false;
        }
        let known = self.seen().get(token).copied();
        let ends = known.or_else(|| self.read(token));
        let is_good = ends.is_some_and(|ends| now_s < ends);
        if let (None, Some(ends), true) = (known, ends, is_good) {
            self.remember(token, ends, now_s);
        }
        is_good
    }

    /// The UTC second at which a token of ours ends; `None` for any other token.
    fn read(&self, token: &str) -> Option<u64> {
        let read = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation).ok()?;
        (read.claims.service_id == *self.service_id).then_some(read.claims.exp)
    }

    fn remember(&self, token: &str, ends: u64, now_s: u64) {
        let mut seen = self.seen();
        if seen.len() >= SEEN_MAX {
            seen.retain(|_, ends| now_s < *ends);
        }
        if seen.len() >= SEEN_MAX {
            // Whose token is forgotten has it worked out again, nothing more.
            seen.clear();
        }
        seen.insert(token.into(), ends);
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, u64, ahash::RandomState>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const HEADER: &[u8] = br#"{"alg":"HS256","typ":"JWT"}"#;

/// Tokens that are remembered as good, per service.
const SEEN_MAX: usize = 256;

/// Longer ones are none of ours: a service id has at most a few dozen characters.
const TOKEN_OCTETS_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const NOW: u64 = 1_538_463_266;

    fn key() -> SigningKey {
        SigningKey::new([7; 32])
    }

    fn tokens(service: &str, password: &str) -> Tokens {
        Tokens::new(&key(), service, password.as_bytes())
    }

    /// A token of any header and payload, signed with the secret of the service 696969.
    fn forged(header: &str, payload: &str, secret: &[u8]) -> String {
        let (header, payload) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signed = format!("{header}.{payload}");
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
        format!("{signed}.{signature}")
    }

    #[test]
    fn a_token_looks_like_the_vendors_and_holds_for_thirty_minutes() {
        let tokens = tokens("696969", "12a34b56c");
        let token = tokens.issue(NOW).expect("it can be signed");
        assert!(
            token.starts_with(
                "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzZXJ2aWNlX2lkIjoiNjk2OTY5IiwiaWF0IjoxNTM4NDYzMjY2LCJleHAiOjE1Mzg0NjUwNjZ9."
            ),
            "{token}"
        );
        // The first time by its signature, the second from memory.
        for _ in 0..2 {
            assert!(tokens.is_good(&token, NOW));
            assert!(tokens.is_good(&token, NOW + 1_799));
            assert!(!tokens.is_good(&token, NOW + 1_800));
        }
    }

    #[test]
    fn a_token_of_another_service_password_or_key_is_refused() {
        let ours = tokens("696969", "12a34b56c");
        let others = [
            tokens("696970", "12a34b56c"),
            tokens("696969", "12a34b56d"),
            Tokens::new(&SigningKey::new([8; 32]), "696969", b"12a34b56c"),
        ];
        for other in others {
            assert!(!ours.is_good(&other.issue(NOW).expect("it can be signed"), NOW));
        }
        let again = tokens("696969", "12a34b56c");
        assert!(again.is_good(&ours.issue(NOW).expect("it can be signed"), NOW), "a restart ends no token");
    }

    #[test]
    fn forged_tokens_are_refused() {
        let ours = tokens("1", "p");
        let secret = key().code("token", &[b"1", b"p"]);
        let secret = secret.as_ref();
        let payload = format!(r#"{{"service_id":"1","iat":{NOW},"exp":{}}}"#, NOW + 1_800);
        let good = forged(r#"{"alg":"HS256","typ":"JWT"}"#, &payload, secret);
        assert!(ours.is_good(&good, NOW));
        for header in [
            r#"{"alg":"none","typ":"JWT"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"HS384","typ":"JWT"}"#,
            r#"{"alg":"HS512","typ":"JWT"}"#,
            r#"{"alg":"RS256","typ":"JWT"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"typ":"JWT"}"#,
            "{}",
            "",
        ] {
            let token = forged(header, &payload, secret);
            assert!(!ours.is_good(&token, NOW), "{header}");
            let unsigned =
                token.rsplit_once('.').map(|(signed, _)| format!("{signed}.")).expect("it has dots");
            assert!(!ours.is_good(&unsigned, NOW), "{header} unsigned");
        }
        for payload in [
            r#"{"service_id":"2","iat":1,"exp":9999999999}"#,
            r#"{"service_id":"1","iat":1}"#,
            r#"{"service_id":"1","iat":1,"exp":"9999999999"}"#,
            r#"{"service_id":"1","iat":1,"exp":1e99}"#,
            r#"{"iat":1,"exp":9999999999}"#,
            "[]",
            "",
        ] {
            assert!(!ours.is_good(&forged(r#"{"alg":"HS256"}"#, payload, secret), NOW), "{payload}");
        }
        let (signed, signature) = good.rsplit_once('.').expect("it has dots");
        let (header, _) = signed.split_once('.').expect("it has dots");
        let other = URL_SAFE_NO_PAD.encode(payload.replace("\"exp\":1", "\"exp\":2"));
        for token in [
            String::new(),
            ".".into(),
            "..".into(),
            "...".into(),
            signed.to_owned(),
            format!("{header}.{other}.{signature}"),
            format!("{good}="),
            format!("{good}.x"),
            format!("{good} "),
            good.to_lowercase(),
            "é".repeat(50),
            "a".repeat(1 << 20),
        ] {
            assert!(!ours.is_good(&token, NOW), "{token:.200}");
        }
    }

    #[test]
    fn what_is_remembered_of_tokens_is_bounded() {
        let tokens = tokens("1", "p");
        for second in 0..1_000 {
            assert!(tokens.is_good(&tokens.issue(NOW + second).expect("it can be signed"), NOW + second));
        }
        assert!(tokens.seen().len() <= SEEN_MAX);
    }

    #[test]
    fn the_key_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = signing_key(dir.path()).expect("the directory is ours");
        assert_eq!(signing_key(dir.path()).expect("it is there").0, first.0);
        let mode = fs::metadata(signing_key_path(dir.path())).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(format!("{first:?}"), "***");
        fs::write(signing_key_path(dir.path()), "short").expect("the directory is ours");
        let error = signing_key(dir.path()).expect_err("that is no key");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
