//! Keys of the native API: what each opens, and how one is found.

use std::collections::HashMap;
use std::fmt;
use std::ops::BitOr;
use std::sync::Arc;

use aws_lc_rs::digest;

use super::access::Access;

/// A key that a service's programs carry as `Authorization: Bearer …`.
///
/// A service has several at once, so that one can be replaced without a moment without any. The key itself is not
/// kept, only its SHA-256.
#[derive(Clone)]
pub struct ApiKey {
    /// Its name in logs and in the configuration; says nothing of the key.
    pub id: String,
    /// Id of the service that it speaks for.
    pub service: String,
    /// SHA-256 of the key.
    pub secret_sha256: [u8; 32],
    /// What it opens.
    pub scopes: Scopes,
    /// UTC milliseconds from which it opens nothing any more. `None`: no end.
    pub not_after_ms: Option<u64>,
}

impl fmt::Debug for ApiKey {
    /// Without what it is compared with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("service", &self.service)
            .field("scopes", &self.scopes)
            .field("not_after_ms", &self.not_after_ms)
            .finish_non_exhaustive()
    }
}

/// What a key opens: a set of scopes.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Scopes(u8);

impl Scopes {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// `messages:send`: send and cancel messages.
    pub const MESSAGES_SEND: Self = Self(1);
    /// `messages:read`: read messages of both directions, and conversations.
    pub const MESSAGES_READ: Self = Self(1 << 1);
    /// `events:read`: read events.
    pub const EVENTS_READ: Self = Self(1 << 2);
    /// `service:read`: read usage and limits.
    pub const SERVICE_READ: Self = Self(1 << 3);
    /// `admin`: webhooks and the blacklist.
    pub const ADMIN: Self = Self(1 << 4);
    /// All of them.
    pub const ALL: Self = Self(0b1_1111);

    /// Every single scope with its name.
    pub const NAMED: [(&'static str, Self); 5] = [
        ("messages:send", Self::MESSAGES_SEND),
        ("messages:read", Self::MESSAGES_READ),
        ("events:read", Self::EVENTS_READ),
        ("service:read", Self::SERVICE_READ),
        ("admin", Self::ADMIN),
    ];

    /// The scope of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|(_, scope)| *scope)
    }

    /// Whether all of `wanted` are in it.
    #[must_use]
    pub const fn contain(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The names of what is in it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMED.into_iter().filter(move |(_, scope)| self.contain(*scope)).map(|(name, _)| name)
    }
}

impl BitOr for Scopes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// SHA-256 of a key, as [`ApiKey::secret_sha256`] wants it.
#[must_use]
pub fn sha256(secret: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let digest = digest::digest(&digest::SHA256, secret);
    out.iter_mut().zip(digest.as_ref()).for_each(|(out, octet)| *out = *octet);
    out
}

/// All keys, by what they are compared with; replaced whole on reload.
#[derive(Debug, Default)]
pub(super) struct Keys(HashMap<[u8; 32], Opened, ahash::RandomState>);

/// What a key was found to open.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) id: Arc<str>,
    pub(super) access: Arc<Access>,
    pub(super) scopes: Scopes,
    pub(super) not_after_ms: Option<u64>,
    pub(super) mark: KeyMark,
}

/// By what a key is known again later: its SHA-256.
#[derive(Clone, Copy)]
pub(super) struct KeyMark([u8; 32]);

impl fmt::Debug for KeyMark {
    /// Without what the key is compared with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMark")
    }
}

impl Keys {
    /// The keys of services that are there.
    pub(super) fn new(keys: Vec<ApiKey>, accesses: &HashMap<String, Arc<Access>>) -> Self {
        let opened = |key: ApiKey| {
            let access = Arc::clone(accesses.get(&key.service)?);
            let opened = Opened {
                id: key.id.into(),
                access,
                scopes: key.scopes,
                not_after_ms: key.not_after_ms,
                mark: KeyMark(key.secret_sha256),
            };
            Some((key.secret_sha256, opened))
        };
        Self(keys.into_iter().filter_map(opened).collect())
    }

    /// What `given` opens.
    ///
    /// What is compared is the SHA-256 of what was given, looked up in a map: how long that takes tells nothing of the
    /// keys that are there, since nobody can steer a digest towards another octet by octet.
    pub(super) fn find(&self, given: &[u8]) -> Option<Opened> {
        self.0.get(&sha256(given)).cloned()
    }

    /// Whether a key that was used before still opens `wanted`.
    pub(super) fn still_opens(&self, mark: KeyMark, wanted: Scopes, now_ms: u64) -> bool {
        let is_valid = |opened: &Opened| opened.not_after_ms.is_none_or(|end| now_ms < end);
        self.0.get(&mark.0).is_some_and(|opened| is_valid(opened) && opened.scopes.contain(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_known_by_their_names() {
        for (name, scope) in Scopes::NAMED {
            assert_eq!(Scopes::named(name), Some(scope));
            assert!(Scopes::ALL.contain(scope) && !Scopes::NONE.contain(scope));
        }
        assert_eq!(Scopes::named("messages"), None);
        let both = Scopes::MESSAGES_SEND | Scopes::ADMIN;
        assert_eq!(format!("{both:?}"), r#"["messages:send", "admin"]"#);
        assert!(!both.contain(Scopes::MESSAGES_READ | Scopes::ADMIN));
    }

    #[test]
    fn a_key_shows_nothing_of_what_it_is_compared_with() {
        let key = ApiKey {
            id: "main".into(),
            service: "shop".into(),
            secret_sha256: [0xAB; 32],
            scopes: Scopes::ALL,
            not_after_ms: None,
        };
        let shown = format!("{key:?}");
        assert!(
            shown.contains("main") && !shown.contains("171") && !shown.to_lowercase().contains("ab, "),
            "{shown}"
        );
    }
}
