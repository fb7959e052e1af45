//! What a simulated SMSC owes its ESME: waits until it is due, then goes to any session that receives.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::pdu::{self, Address, CommandStatus, DataCoding, DeliverSm, EsmClass, Tlvs};

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

impl Letter {
    /// As it goes out.
    pub(super) fn body(&self) -> impl pdu::Write {
        DeliverSm {
            service_type: b"",
            source: self.source,
            destination: self.destination,
            esm_class: self.esm_class,
            data_coding: self.data_coding,
            short_message: &self.short_message,
            tlvs: Tlvs::read_as_far_as_good(&self.tlvs),
            ..DeliverSm::default()
        }
    }

    /// Whether a `deliver_sm` that was refused with this comes again.
    pub(super) fn comes_again_after(status: CommandStatus) -> bool {
        [
            CommandStatus::ESME_RSYSERR,
            CommandStatus::ESME_RMSGQFUL,
            CommandStatus::ESME_RTHROTTLED,
            CommandStatus::ESME_RX_T_APPN,
        ]
        .contains(&status)
    }
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

    /// Hands out until stopped.
    pub(super) async fn run(&self, clock: &Clock, stop: &CancellationToken) {
        loop {
            let again = self.hand_out(clock.instant());
            let sleep = async {
                match again {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = sleep => {}
            }
        }
    }
}

/// A letter refused for now comes again.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// When every receiver is busy, this long until the next look.
const FULL_PAUSE: Duration = Duration::from_millis(5);
