//! What all interfaces share: one account, its messages, and what is going to happen to them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Notify;

use super::Config;
use super::agenda::Agenda;
use super::chance::{Dice, How};
use super::conduct::Conduct;
use super::course::Task;
use super::limit::Bucket;
use super::push::{Batch, Item, Pushing};
use super::store::{Sent, Store, Via, measure};
use super::switches::Switches;
use super::token::Tokens;
use crate::clock::Clock;
use crate::pdu::Address;
use crate::sim::post::PostOffice;
use crate::vendor::timetochat::{State, StatusAnswer, Step, number, write_date_ms};

/// The simulated vendor.
#[derive(Debug)]
pub(super) struct World {
    pub(super) config: Config,
    pub(super) clock: Arc<Clock>,
    pub(super) post: PostOffice,
    pub(super) pushing: Pushing,
    inner: Mutex<Inner>,
    pub(super) wake: Notify,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) switches: Switches,
    tokens: Tokens,
    pub(super) store: Store,
    pub(super) agenda: Agenda<Task>,
    rest: Bucket,
    smpp: Bucket,
    pub(super) dice: Dice,
    /// The month and what was used in it.
    month: (String, u64),
    ids: Ids,
    /// Pushes that wait for others to go with.
    pub(super) group: Vec<Item>,
    pub(super) counters: Counters,
    /// Incoming messages in parts so far.
    pub(super) long_incoming: u8,
}

/// What has happened so far.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(super) struct Counters {
    pub(super) tokens: u64,
    pub(super) taken_rest: u64,
    pub(super) taken_smpp: u64,
    pub(super) throttled: u64,
    pub(super) faults: u64,
    pub(super) incoming: u64,
    pub(super) reports: u64,
    pub(super) reports_lost: u64,
    pub(super) reports_doubled: u64,
    pub(super) reports_late: u64,
}

/// 4 octets of seconds, 5 of this start, 3 that count.
#[derive(Debug)]
struct Ids {
    start: [u8; 5],
    count: u32,
}

/// A message as it comes in, its form judged.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) via: Via,
    pub(super) addresses: Option<(Address, Address)>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) text: String,
    pub(super) unicode: bool,
    pub(super) flash: bool,
    pub(super) reference: Option<Vec<u8>>,
    pub(super) validity_ms: Option<u64>,
}

/// Why the account does not take a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refused {
    AccountExpired,
    MonthlyLimit,
    Sender,
    /// More is to happen than the simulator keeps in mind.
    Full,
}

impl World {
    pub(super) fn new(config: Config, clock: Arc<Clock>, pushing: Pushing) -> Self {
        let mut start = [0; 5];
        // Without chance the ids of two starts in one second would be alike; nobody is harmed.
        let _ = aws_lc_rs::rand::fill(&mut start);
        let inner = Inner {
            switches: config.switches.clone(),
            tokens: Tokens::new(),
            store: Store::new(config.messages_max),
            agenda: Agenda::new(),
            rest: Bucket::default(),
            smpp: Bucket::default(),
            dice: Dice::new(config.seed),
            month: (String::new(), 0),
            ids: Ids { start, count: 0 },
            group: Vec::new(),
            counters: Counters::default(),
            long_incoming: 0,
        };
        let post = PostOffice::new(config.pending_max);
        Self { config, clock, post, pushing, inner: Mutex::new(inner), wake: Notify::new() }
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn switches(&self) -> Switches {
        self.inner().switches.clone()
    }

    pub(super) fn counters(&self) -> Counters {
        self.inner().counters.clone()
    }

    /// Messages kept, and things that are going to happen.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.store.len(), inner.agenda.len())
    }

    /// Changes switches; what is counted for them begins anew.
    ///
    /// # Errors
    /// A phrase; nothing is changed then.
    pub(super) fn set(&self, changes: &Map<String, Value>) -> Result<(), String> {
        let mut inner = self.inner();
        inner.switches = inner.switches.with(changes)?;
        for name in changes.keys() {
            inner.dice.forget(name);
        }
        Ok(())
    }

    /// All tokens so far are worth nothing.
    pub(super) fn revoke_tokens(&self) {
        self.inner().tokens = Tokens::new();
    }

    /// Whether one more call is allowed this second.
    pub(super) fn takes_call(&self, via: Via) -> bool {
        let now = self.clock.instant();
        let inner = &mut *self.inner();
        let rate = inner.switches.rate;
        let bucket = match via {
            Via::Rest => &mut inner.rest,
            Via::Smpp => &mut inner.smpp,
        };
        let takes = bucket.take(rate, now);
        inner.counters.throttled += u64::from(!takes);
        takes
    }

    /// In which way a call goes wrong; `None`: it does not. `name` is the switch's.
    pub(super) fn fault(&self, name: &'static str) -> Option<How> {
        let inner = &mut *self.inner();
        let fault = match name {
            FAULT_TOKEN => inner.switches.fault_token,
            FAULT_SEND_BEFORE => inner.switches.fault_send_before,
            FAULT_SEND_AFTER => inner.switches.fault_send_after,
            _ => inner.switches.fault_read,
        };
        let falls = inner.dice.falls(name, fault.chance);
        inner.counters.faults += u64::from(falls);
        falls.then_some(fault.how)
    }

    /// A token, if it is the account's password.
    pub(super) fn token(&self, service: &str, password: &str) -> Option<String> {
        if service != self.config.service || !is_same(password.as_bytes(), self.config.password.octets()) {
            return None;
        }
        let mut inner = self.inner();
        inner.counters.tokens += 1;
        inner.tokens.make(service, &inner.switches, self.clock.utc_ms())
    }

    pub(super) fn is_good_token(&self, token: &str, service: &str) -> bool {
        let inner = self.inner();
        service == self.config.service
            && inner.tokens.is_good(token, service, &inner.switches, self.clock.utc_ms())
    }

    /// Takes a message: its id.
    ///
    /// # Errors
    /// [`Refused`], in the order of §8a.
    pub(super) fn take(&self, draft: Draft) -> Result<String, Refused> {
        let (now, utc_ms) = (self.clock.instant(), self.clock.utc_ms());
        let pushes_waiting = self.pushing.waiting();
        let id = {
            let inner = &mut *self.inner();
            let measured = measure(&draft.text, draft.unicode);
            let month = write_date_ms(utc_ms).get(..7).unwrap_or_default().to_owned();
            if inner.month.0 != month {
                inner.month = (month, 0);
            }
            let used = inner.month.1 + u64::from(measured.parts);
            if inner.switches.account_expired {
                return Err(Refused::AccountExpired);
            }
            if inner.switches.monthly_limit.is_some_and(|limit| used > limit) {
                return Err(Refused::MonthlyLimit);
            }
            let Some(from) =
                inner.switches.senders.iter().find(|sender| number::is_same(sender, &draft.from))
            else {
                return Err(Refused::Sender);
            };
            if inner.agenda.len() + pushes_waiting > self.config.pending_max || !self.post.has_room() {
                return Err(Refused::Full);
            }
            inner.month.1 = used;
            let sent = Sent {
                id: inner.ids.next(utc_ms),
                via: draft.via,
                addresses: draft.addresses,
                from: from.clone(),
                conduct: Conduct::of(&draft.to),
                to: draft.to,
                text: draft.text,
                unicode: measured.unicode,
                flash: draft.flash,
                reference: draft.reference,
                created_ms: utc_ms,
                parts: measured.parts,
                history: vec![Step { part: None, date_ms: Some(utc_ms), state: State::New }],
            };
            match draft.via {
                Via::Rest => inner.counters.taken_rest += 1,
                Via::Smpp => inner.counters.taken_smpp += 1,
            }
            let id = sent.id.clone();
            inner.plan(&sent, now, draft.validity_ms.map(|until| until.saturating_sub(utc_ms)));
            inner.store.insert(sent);
            id
        };
        self.wake.notify_one();
        Ok(id)
    }

    /// What `GET messages/{id}` tells.
    pub(super) fn status(&self, id: &str) -> Option<StatusAnswer> {
        self.inner().store.find(id).map(Sent::status)
    }

    /// The newest messages, with how they came.
    pub(super) fn newest(&self, limit: usize) -> Vec<(Via, StatusAnswer)> {
        self.inner().store.newest(limit).map(|sent| (sent.via, sent.status())).collect()
    }

    /// A mobile writes.
    pub(super) fn incoming(&self, mobile: &str, number: Option<&str>, text: &str) {
        let now = self.clock.instant();
        {
            let mut inner = self.inner();
            let number = number.map(str::to_owned).or_else(|| inner.switches.senders.first().cloned());
            let (mobile, text) = (mobile.to_owned(), text.to_owned());
            inner.add(now, Task::Incoming { mobile, number: number.unwrap_or_default(), text });
        }
        self.wake.notify_one();
    }

    /// A message comes to a state out of its turn; `false` if there is no such message.
    pub(super) fn force(&self, id: &str, state: State) -> bool {
        let found = {
            let mut inner = self.inner();
            let found = inner.store.find(id).is_some();
            if found {
                let step = Task::Step { id: id.to_owned(), state, has_expired: false };
                inner.add(self.clock.instant(), step);
            }
            found
        };
        self.wake.notify_one();
        found
    }

    /// These octets are posted as a push, now.
    pub(super) fn push_raw(&self, body: Vec<u8>) {
        self.pushing.enqueue(Batch { items: Vec::new(), raw: body, tries: 0 });
    }

    /// A push failed, and may be tried again.
    pub(super) fn push_failed(&self, batch: Batch) {
        {
            let inner = &mut *self.inner();
            if batch.tries >= inner.switches.push_tries {
                return;
            }
            let wait =
                inner.switches.push_retry_ms.saturating_mul(1 << batch.tries.saturating_sub(1).min(16));
            inner.add(self.clock.instant() + Duration::from_millis(wait), Task::Again(batch));
        }
        self.wake.notify_one();
    }
}

impl Ids {
    fn next(&mut self, utc_ms: u64) -> String {
        self.count = (self.count + 1) & 0xFF_FFFF;
        let start = self.start.iter().fold(0u64, |all, octet| all << 8 | u64::from(*octet));
        format!("{:08x}{start:010x}{:06x}", (utc_ms / 1_000) & 0xFFFF_FFFF, self.count)
    }
}

/// In a time that does not depend on where they differ.
pub(super) fn is_same(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

pub(super) const FAULT_TOKEN: &str = "fault_token";
pub(super) const FAULT_SEND_BEFORE: &str = "fault_send_before";
pub(super) const FAULT_SEND_AFTER: &str = "fault_send_after";
pub(super) const FAULT_READ: &str = "fault_read";
