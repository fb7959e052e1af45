//! Who may bind: accounts, their passwords, limits and rates, and what failed attempts cost.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_lc_rs::{hmac, rand};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Place;
use tokio_util::sync::CancellationToken;

use super::config::Account;
use crate::gateway::limit::Limiter;
use crate::gateway::settings::Profile;
use crate::net::AllowFrom;
use crate::pdu::{Bind, CommandStatus};
use crate::session::BindMode;

/// All accounts; replaced whole on reload.
#[derive(Debug)]
pub(super) struct Accounts {
    /// New in each process: what is kept of a password is of no use elsewhere.
    key: hmac::Key,
    /// Stands for the password of a system_id that does not exist, so that both take the same time.
    nobody: hmac::Tag,
    entries: RwLock<HashMap<Box<[u8]>, Arc<Entry>, ahash::RandomState>>,
    stop: CancellationToken,
    started: Instant,
}

/// One account.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) service: String,
    pub(super) system_id: String,
    pub(super) profile: Profile,
    pub(super) enquire_link: Option<Duration>,
    password: hmac::Tag,
    bind_limit: u32,
    rate: u32,
    allow_from: Option<AllowFrom>,
    live: Arc<LiveAccount>,
}

/// What outlives a reload.
#[derive(Debug)]
struct LiveAccount {
    binds: AtomicU32,
    limiter: Mutex<Limiter>,
    /// Ends the account's sessions: it is gone from the configuration, or the server stops.
    stop: CancellationToken,
}

/// One of an account's binds; given back when dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<LiveAccount>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.binds.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Why a bind is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Denied {
    /// No such system_id, or another password. The peer is not told which, as far as the profiles allow.
    Credentials,
    /// Not from that address.
    Address,
    /// The profile has no such bind.
    Mode,
    /// As many sessions as it may have.
    Limit,
    /// The service is not known to the engine (yet), or we stop.
    Unavailable,
}

impl Denied {
    /// The metric label.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Address => "address",
            Self::Mode => "mode",
            Self::Limit => "limit",
            Self::Unavailable => "unavailable",
        }
    }

    /// What the peer is told: in `timetochat` always the same (contracts/timetochat.md §7).
    pub(super) fn status(self, profile: Profile) -> CommandStatus {
        match (profile, self) {
            (Profile::TimeToChat, _) | (Profile::Standard, Self::Address | Self::Mode) => {
                CommandStatus::ESME_RBINDFAIL
            }
            (Profile::Standard, Self::Credentials) => CommandStatus::ESME_RINVPASWD,
            (Profile::Standard, Self::Limit) => CommandStatus::ESME_RALYBND,
            (Profile::Standard, Self::Unavailable) => CommandStatus::ESME_RSYSERR,
        }
    }

    /// Whether it may be somebody who guesses: the answer is delayed.
    pub(super) fn is_suspicious(self) -> bool {
        matches!(self, Self::Credentials | Self::Address)
    }
}

impl Accounts {
    /// Accounts whose sessions end with `stop`.
    pub(super) fn new(accounts: &[Account], stop: CancellationToken, now: Instant) -> Self {
        let mut seed = [0; 32];
        // Without chance the key is a known one, and comparing still takes the same time for all passwords.
        if rand::fill(&mut seed).is_err() {
            tracing::error!("the system has no random numbers");
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &seed);
        let nobody = hmac::sign(&key, b"\0nobody");
        let all = Self { key, nobody, entries: RwLock::default(), stop, started: now };
        all.replace(accounts, now);
        all
    }

    /// Takes other accounts over. Those that stay keep their sessions, rates and limits in use; those that go lose
    /// their sessions.
    pub(super) fn replace(&self, accounts: &[Account], now: Instant) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut *entries);
        for account in accounts {
            let system_id: Box<[u8]> = account.system_id.as_bytes().into();
            let live = match old.remove(&system_id) {
                Some(entry) if entry.service == account.service => {
                    let mut limiter = entry.live.limiter.lock().unwrap_or_else(PoisonError::into_inner);
                    limiter.set_rate(self.micros(now), account.rate);
                    drop(limiter);
                    Arc::clone(&entry.live)
                }
                gone => {
                    if let Some(gone) = gone {
                        gone.live.stop.cancel();
                    }
                    Arc::new(LiveAccount {
                        binds: AtomicU32::new(0),
                        limiter: Mutex::new(Limiter::new(account.rate, self.micros(now))),
                        stop: self.stop.child_token(),
                    })
                }
            };
            let entry = Entry {
                service: account.service.clone(),
                system_id: account.system_id.clone(),
                profile: account.profile,
                enquire_link: account.enquire_link,
                password: hmac::sign(&self.key, account.password.octets()),
                bind_limit: account.bind_limit,
                rate: account.rate,
                allow_from: account.allow_from.clone(),
                live,
            };
            entries.insert(system_id, Arc::new(entry));
        }
        old.into_values().for_each(|entry| entry.live.stop.cancel());
    }

    /// Whose bind it is, and a place for it.
    ///
    /// # Errors
    /// Why not, and the profile in whose words to say so if the account is known.
    pub(super) fn admit(
        &self,
        bind: &Bind<'_>,
        mode: BindMode,
        from: IpAddr,
    ) -> Result<(Arc<Entry>, Permit), (Denied, Option<Profile>)> {
        let entry = {
            let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
            entries.get(bind.system_id).cloned()
        };
        let expected = entry.as_ref().map_or(&self.nobody, |entry| &entry.password);
        let is_right = hmac::verify(&self.key, bind.password, expected.as_ref()).is_ok();
        let Some(entry) = entry else { return Err((Denied::Credentials, None)) };
        let denied = |denied| Err((denied, Some(entry.profile)));
        if !is_right {
            return denied(Denied::Credentials);
        }
        if entry.allow_from.as_ref().is_some_and(|allowed| !allowed.contains(from)) {
            return denied(Denied::Address);
        }
        if entry.profile == Profile::TimeToChat && mode != BindMode::Transceiver {
            return denied(Denied::Mode);
        }
        if entry.live.stop.is_cancelled() {
            return denied(Denied::Unavailable);
        }
        let binds = &entry.live.binds;
        if binds.fetch_add(1, Ordering::AcqRel) >= entry.bind_limit {
            binds.fetch_sub(1, Ordering::AcqRel);
            return denied(Denied::Limit);
        }
        let permit = Permit(Arc::clone(&entry.live));
        Ok((entry, permit))
    }

    /// Microseconds since the start, for [`Entry::lets_pass`].
    pub(super) fn micros(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_micros()).unwrap_or(u64::MAX)
    }
}

impl Entry {
    /// Whether the rate lets one submit_sm pass; `part` tells which concatenation it belongs to, and its parts.
    pub(super) fn lets_pass(&self, now_us: u64, part: impl FnOnce() -> Option<(u64, u8)>) -> bool {
        if self.rate == 0 {
            return true;
        }
        let part = part();
        let mut limiter = self.live.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        match part {
            Some((key, total)) => limiter.admit_part(now_us, key, total),
            None => limiter.admit(now_us, 1),
        }
    }

    /// Ends the account's sessions.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.live.stop
    }
}

/// How many connections there are.
#[derive(Debug)]
pub(super) struct Connections {
    all: AtomicUsize,
    all_max: usize,
    unbound: DashMap<IpAddr, usize, ahash::RandomState>,
    unbound_max: usize,
}

/// One connection; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<Connections>);

/// One connection that has not bound; given back when dropped.
#[derive(Debug)]
pub(super) struct UnboundSeat {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Connections {
    pub(super) fn new(all_max: usize, unbound_max: usize) -> Arc<Self> {
        Arc::new(Self { all: AtomicUsize::new(0), all_max, unbound: DashMap::default(), unbound_max })
    }

    /// Room for one more.
    ///
    /// # Errors
    /// The reason as a metric label.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<(Seat, UnboundSeat), &'static str> {
        let address = address.to_canonical();
        if self.all.fetch_add(1, Ordering::AcqRel) >= self.all_max {
            self.all.fetch_sub(1, Ordering::AcqRel);
            return Err("connections_max");
        }
        let seat = Seat(Arc::clone(self));
        let mut unbound = self.unbound.entry(address).or_insert(0);
        if *unbound >= self.unbound_max {
            return Err("unbound_per_address_max");
        }
        *unbound += 1;
        drop(unbound);
        Ok((seat, UnboundSeat { connections: Arc::clone(self), address }))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.all.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for UnboundSeat {
    fn drop(&mut self) {
        if let Place::Occupied(mut place) = self.connections.unbound.entry(self.address) {
            if *place.get() > 1 {
                *place.get_mut() -= 1;
            } else {
                place.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::net::Secret;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn account(system_id: &str) -> Account {
        Account {
            service: format!("service of {system_id}"),
            system_id: system_id.into(),
            password: Secret::new("secret08"),
            bind_limit: 2,
            rate: 2,
            profile: Profile::Standard,
            allow_from: None,
            enquire_link: None,
        }
    }

    fn accounts(all: &[Account]) -> Accounts {
        Accounts::new(all, CancellationToken::new(), Clock::standing(0).instant())
    }

    fn bind<'a>(system_id: &'a str, password: &'a str) -> Bind<'a> {
        Bind { system_id: system_id.as_bytes(), password: password.as_bytes(), ..Bind::default() }
    }

    fn denied(all: &Accounts, bind: &Bind<'_>) -> Denied {
        all.admit(bind, BindMode::Transceiver, HERE).expect_err("it is denied").0
    }

    #[test]
    fn the_password_decides_and_a_stranger_learns_nothing_from_the_status() {
        let all = accounts(&[account("shop")]);
        assert!(all.admit(&bind("shop", "secret08"), BindMode::Transceiver, HERE).is_ok());
        for (system_id, password) in
            [("shop", "secret09"), ("shop", ""), ("shop", "secret0"), ("nobody", "secret08")]
        {
            assert_eq!(denied(&all, &bind(system_id, password)), Denied::Credentials);
        }
    }

    #[test]
    fn binds_are_limited_and_given_back() {
        let all = accounts(&[account("shop")]);
        let admit =
            || all.admit(&bind("shop", "secret08"), BindMode::Receiver, HERE).map(|(_, permit)| permit);
        let (first, second) = (admit(), admit());
        assert_eq!(admit().expect_err("two are the limit"), (Denied::Limit, Some(Profile::Standard)));
        drop(first);
        assert!(admit().is_ok());
        drop(second);
    }

    #[test]
    fn only_allowed_addresses_bind() {
        let mut shop = account("shop");
        shop.allow_from = Some(AllowFrom::new(|address| address == HERE));
        let all = accounts(&[shop]);
        let from = |address: &str| {
            all.admit(&bind("shop", "secret08"), BindMode::Transceiver, address.parse().expect("an address"))
        };
        assert!(from("127.0.0.1").is_ok());
        assert!(from("::ffff:127.0.0.1").is_ok(), "the same address as IPv6 writes it");
        assert_eq!(from("192.0.2.1").expect_err("not from there").0, Denied::Address);
    }

    #[test]
    fn timetochat_binds_as_transceiver_only() {
        let mut shop = account("shop");
        shop.profile = Profile::TimeToChat;
        let all = accounts(&[shop]);
        for mode in [BindMode::Transmitter, BindMode::Receiver] {
            let (reason, profile) =
                all.admit(&bind("shop", "secret08"), mode, HERE).expect_err("not in this profile");
            assert_eq!(reason.status(profile.expect("a known account")), CommandStatus::ESME_RBINDFAIL);
        }
    }

    #[test]
    fn one_rate_holds_for_all_sessions_and_survives_a_reload() {
        let all = accounts(&[account("shop")]);
        let now = Clock::standing(0).instant();
        let (first, _one) =
            all.admit(&bind("shop", "secret08"), BindMode::Transceiver, HERE).expect("the first bind");
        let (second, _two) =
            all.admit(&bind("shop", "secret08"), BindMode::Transceiver, HERE).expect("the second");
        assert!(first.lets_pass(0, || None) && second.lets_pass(0, || None));
        assert!(!first.lets_pass(0, || None) && !second.lets_pass(0, || None));
        all.replace(&[account("shop")], now);
        assert!(!first.lets_pass(0, || None), "a reload is no way to a full bucket");
        assert!(!first.stop().is_cancelled());
        all.replace(&[], now);
        assert!(first.stop().is_cancelled(), "an account that is gone loses its sessions");
        assert_eq!(denied(&all, &bind("shop", "secret08")), Denied::Credentials);
    }

    #[test]
    fn later_parts_of_a_long_message_pass() {
        let all = accounts(&[account("shop")]);
        let (entry, _permit) =
            all.admit(&bind("shop", "secret08"), BindMode::Transceiver, HERE).expect("a bind");
        assert!((0..4).all(|_| entry.lets_pass(0, || Some((7, 4)))));
        assert!(!entry.lets_pass(0, || None), "and leave debt");
    }

    #[test]
    fn connections_are_limited_in_all_and_per_address_before_the_bind() {
        let connections = Connections::new(3, 2);
        let (_a, unbound) = connections.take(HERE).expect("room");
        let _b = connections.take(HERE).expect("room");
        assert_eq!(connections.take(HERE).expect_err("two have not bound"), "unbound_per_address_max");
        drop(unbound);
        let _c = connections.take(HERE).expect("one has bound");
        let other = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(connections.take(other).expect_err("three in all"), "connections_max");
    }
}
