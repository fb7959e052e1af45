//! What the SMSC owes its ESME: waits until it is due, then goes to any session that receives.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::Smsc;
use crate::pdu::{Address, COctets, DataCoding, EsmClass};

/// A `deliver_sm` that is owed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Letter {
    pub(super) source: Address,
    pub(super) destination: Address,
    pub(super) esm_class: EsmClass,
    pub(super) data_coding: DataCoding,
    pub(super) short_message: Vec<u8>,
    pub(super) tlvs: Vec<u8>,
}

/// Keeps letters until they are due and a receiver takes them.
#[derive(Debug)]
pub(super) struct PostOffice {
    state: Mutex<State>,
    wake: Notify,
    waiting_max: usize,
}

#[derive(Debug, Default)]
struct State {
    /// By due time, then in the order of posting.
    waiting: BinaryHeap<Reverse<Due>>,
    posted: u64,
    receivers: Vec<(u64, mpsc::Sender<Letter>)>,
    receivers_made: u64,
    turn: usize,
    /// Refusals of numbers that are refused first.
    refused: HashMap<COctets<21>, u8>,
}

#[derive(Debug, Eq, PartialEq)]
struct Due {
    at: Instant,
    number: u64,
    letter: Letter,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PostOffice {
    pub(super) fn new(waiting_max: usize) -> Self {
        Self { state: Mutex::default(), wake: Notify::new(), waiting_max }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for what a message may bring about.
    pub(super) fn has_room(&self) -> bool {
        self.state().waiting.len() < self.waiting_max
    }

    /// Keeps letters until `at`. What a session brings back goes in even if that is more than the limit: it was let in
    /// once, and is bounded by the windows.
    pub(super) fn post(&self, at: Instant, letters: impl IntoIterator<Item = Letter>) {
        {
            let mut state = self.state();
            for letter in letters {
                state.posted += 1;
                let number = state.posted;
                state.waiting.push(Reverse(Due { at, number, letter }));
            }
        }
        self.wake.notify_one();
    }

    /// A session receives from now on; letters come through the channel. Returns its number for [`leave`](Self::leave).
    pub(super) fn join(&self, inbox: mpsc::Sender<Letter>) -> u64 {
        let number = {
            let mut state = self.state();
            state.receivers_made += 1;
            let number = state.receivers_made;
            state.receivers.push((number, inbox));
            number
        };
        self.wake.notify_one();
        number
    }

    /// The session receives no more.
    pub(super) fn leave(&self, number: u64) {
        self.state().receivers.retain(|receiver| receiver.0 != number);
    }

    /// How often this number was refused since it was last taken, before this time.
    pub(super) fn refusals(&self, number: &COctets<21>) -> u8 {
        self.state().refused.get(number).copied().unwrap_or(0)
    }

    /// Counts a refusal, or (`taken`) forgets them.
    pub(super) fn count_refusal(&self, number: COctets<21>, taken: bool) {
        let mut state = self.state();
        if taken {
            state.refused.remove(&number);
        } else if state.refused.len() < REFUSED_MAX || state.refused.contains_key(&number) {
            let times = state.refused.entry(number).or_default();
            *times = times.saturating_add(1);
        }
    }

    /// Hands out what is due; when to look again.
    fn hand_out(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        let state = &mut *state;
        loop {
            let Reverse(due) = state.waiting.peek()?;
            if due.at > now {
                return Some(due.at);
            }
            state.receivers.retain(|receiver| !receiver.1.is_closed());
            if state.receivers.is_empty() {
                return None;
            }
            let full = state.receivers.len();
            let taken = (0..full).find_map(|step| {
                let place = (state.turn + step) % full;
                state.receivers[place].1.clone().try_reserve_owned().ok().map(|slot| (place, slot))
            });
            let Some((place, slot)) = taken else { return Some(now + FULL_PAUSE) };
            state.turn = place + 1;
            if let Some(Reverse(due)) = state.waiting.pop() {
                slot.send(due.letter);
            }
        }
    }
}

/// Hands out until stopped.
pub(super) async fn run(smsc: Arc<Smsc>, stop: CancellationToken) {
    loop {
        let again = smsc.post.hand_out(smsc.clock.instant());
        let sleep = async {
            match again {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = smsc.post.wake.notified() => {}
            () = sleep => {}
        }
    }
}

/// When every receiver is busy, this long until the next look.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Numbers whose refusals are remembered; others are refused as if for the first time.
const REFUSED_MAX: usize = 10_000;
