//! Who may use the REST methods: accounts, their passwords, rates and options.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_lc_rs::hmac;

use super::token::{SigningKey, Tokens};
use crate::engine::Engine;
use crate::gateway::id::ServiceNo;
use crate::gateway::limit::TokenBucket;
use crate::net::{AllowFrom, Secret};
use crate::vendor::timetochat::Vocabulary;

/// A service's login and options, as configured.
#[derive(Clone, Debug)]
pub struct Account {
    /// The `{service_id}` of the paths.
    pub rest_id: String,
    /// Id of the service whose messages these are.
    pub service: String,
    /// What tokens are asked for with.
    pub password: Secret,
    /// Calls per second, the three methods together; 0 is unlimited (SEMANTICS 13).
    pub rate: u32,
    /// How states are spelled.
    pub vocabulary: Vocabulary,
    /// What becomes of texts that GSM 03.38 does not hold.
    pub outside: Outside,
    /// Addresses it may come from. `None`: any.
    pub allow_from: Option<AllowFrom>,
}

impl Account {
    /// An account with the vendor's rate and the usual options, logging in with the service's id.
    pub fn new(service: impl Into<String>, password: Secret) -> Self {
        let service = service.into();
        Self {
            rest_id: service.clone(),
            service,
            password,
            rate: crate::vendor::timetochat::CALLS_PER_SECOND,
            vocabulary: Vocabulary::Short,
            outside: Outside::Promote,
            allow_from: None,
        }
    }
}

/// What becomes of a text with `unicode: false` and a character outside GSM 03.38 (SEMANTICS 19).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Outside {
    /// It goes as UCS-2, with the limits of that, and `GET` shows `unicode: true`.
    #[default]
    Promote,
    /// 400 `UNSUPPORTED_CHARACTER`.
    Refuse,
    /// It is written with what resembles it in GSM 03.38.
    Transliterate,
}

/// All accounts, by `rest_id`; replaced whole on reload.
#[derive(Debug)]
pub(super) struct Accounts {
    entries: HashMap<Box<str>, Arc<Entry>, ahash::RandomState>,
    key: SigningKey,
    /// Stands for the password of an account that does not exist, so that both take the same time.
    nobody: hmac::Tag,
}

/// One account in use.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) vocabulary: Vocabulary,
    pub(super) outside: Outside,
    pub(super) tokens: Tokens,
    service: String,
    password: hmac::Tag,
    allow_from: Option<AllowFrom>,
    no: OnceLock<ServiceNo>,
    /// Outlives a reload.
    bucket: Arc<Mutex<TokenBucket>>,
}

impl Accounts {
    /// `old` are those before a reload: what a service has spent stays spent.
    pub(super) fn new(accounts: Vec<Account>, key: SigningKey, old: Option<&Self>, now_us: u64) -> Self {
        let nobody = key.code("nobody", &[]);
        let entries = accounts.into_iter().map(|account| {
            let before = old.and_then(|old| old.entries.get(account.rest_id.as_str()));
            let bucket = match before.filter(|before| before.service == account.service) {
                Some(before) => {
                    let mut bucket = before.bucket.lock().unwrap_or_else(PoisonError::into_inner);
                    bucket.set_rate(now_us, account.rate);
                    Arc::clone(&before.bucket)
                }
                None => Arc::new(Mutex::new(TokenBucket::new(account.rate, now_us))),
            };
            let password = account.password.octets();
            let entry = Entry {
                vocabulary: account.vocabulary,
                outside: account.outside,
                tokens: Tokens::new(&key, &account.rest_id, password),
                password: key.code("password", &[password]),
                service: account.service,
                allow_from: account.allow_from,
                no: OnceLock::new(),
                bucket,
            };
            (account.rest_id.into_boxed_str(), Arc::new(entry))
        });
        let entries = entries.collect();
        Self { entries, key, nobody }
    }

    /// The account of `rest_id` if it may be used from there; whatever it wants to do, it has to prove more.
    pub(super) fn find(&self, rest_id: &str, from: IpAddr) -> Option<&Arc<Entry>> {
        let entry = self.entries.get(rest_id)?;
        let is_allowed = entry.allow_from.as_ref().is_none_or(|allowed| allowed.contains(from));
        is_allowed.then_some(entry)
    }

    /// Whose password it is. Takes the same time whether it is wrong, or there is no such account.
    pub(super) fn log_in(&self, rest_id: &str, password: &str, from: IpAddr) -> Option<&Arc<Entry>> {
        let entry = self.find(rest_id, from);
        let given = self.key.code("password", &[password.as_bytes()]);
        let expected = entry.map_or(&self.nobody, |entry| &entry.password);
        let is_right =
            aws_lc_rs::constant_time::verify_slices_are_equal(given.as_ref(), expected.as_ref()).is_ok();
        entry.filter(|_| is_right)
    }
}

impl Entry {
    /// Takes a token of the service's rate; `false` when there is none.
    pub(super) fn spend(&self, now_us: u64) -> bool {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(now_us, 1)
    }

    /// Its number; `None` as long as the engine does not know it.
    pub(super) fn no(&self, engine: &Engine) -> Option<ServiceNo> {
        // A number is given once and kept, so it need not be asked for twice.
        if let Some(no) = self.no.get() {
            return Some(*no);
        }
        let no = engine.service(&self.service)?;
        Some(*self.no.get_or_init(|| no))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn account(password: &str) -> Account {
        Account { rest_id: "123456".into(), rate: 2, ..Account::new("shop", Secret::new(password)) }
    }

    fn accounts(all: Vec<Account>, old: Option<&Accounts>) -> Accounts {
        Accounts::new(all, SigningKey::new([7; 32]), old, 0)
    }

    #[test]
    fn the_password_decides() {
        let all = accounts(vec![account("12a34b56c")], None);
        assert!(all.log_in("123456", "12a34b56c", HERE).is_some());
        for (id, password) in [
            ("123456", "12a34b56d"),
            ("123456", ""),
            ("123457", "12a34b56c"),
            ("shop", "12a34b56c"),
            ("", ""),
        ] {
            assert!(all.log_in(id, password, HERE).is_none(), "{id} {password}");
        }
    }

    #[test]
    fn another_password_ends_the_tokens_and_a_reload_fills_no_bucket() {
        let old = accounts(vec![account("one")], None);
        let before = old.log_in("123456", "one", HERE).expect("it is right");
        let token = before.tokens.issue(1_000).expect("it can be signed");
        assert!(before.spend(0) && before.spend(0) && !before.spend(0));

        let same = accounts(vec![account("one")], Some(&old));
        let after = same.find("123456", HERE).expect("it is there");
        assert!(after.tokens.is_good(&token, 1_000));
        assert!(!after.spend(0));

        let other = accounts(vec![account("two")], Some(&old));
        assert!(!other.find("123456", HERE).expect("it is there").tokens.is_good(&token, 1_000));
        assert!(accounts(Vec::new(), Some(&old)).find("123456", HERE).is_none());
    }

    #[test]
    fn only_from_allowed_addresses() {
        let mut shop = account("one");
        shop.allow_from = Some(AllowFrom::new(|address| address == HERE));
        let all = accounts(vec![shop], None);
        assert!(all.log_in("123456", "one", HERE).is_some());
        assert!(all.log_in("123456", "one", [192, 0, 2, 1].into()).is_none());
    }
}
