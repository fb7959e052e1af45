//! Calls per second: the three methods of the API share one limit (contracts/timetochat.md §2, §8).

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Clock;

/// The span that the vendor counts in.
const SECOND: Duration = Duration::from_secs(1);

/// What a call is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lane {
    /// Getting a token, or sending: all that is not kept free for reading.
    Send,
    /// Reading a status: what is kept free for it.
    Read,
}

/// At most `rate` calls in any sliding second: `rate − reserve` tokens and sends, and `reserve` status reads, so that
/// neither starves the other. While less than half of the former are used, reads may have what is left of that half.
#[derive(Debug)]
pub(super) struct Budget {
    send: Queue,
    read: Queue,
    /// Nothing leaves before.
    pause: Mutex<Option<Instant>>,
}

/// Who waits for a lane, in the order of asking.
#[derive(Debug)]
struct Queue {
    turn: tokio::sync::Mutex<()>,
    window: Mutex<Window>,
}

impl Budget {
    /// `reserve` of `rate` are for reading; both at least 1 (a rate of 1 has one of each).
    pub(super) fn new(rate: u32, reserve: u32) -> Self {
        let reserve = reserve.max(1);
        let queue = |most: u32| Queue {
            turn: tokio::sync::Mutex::default(),
            window: Mutex::new(Window::new(usize::try_from(most.max(1)).unwrap_or(usize::MAX))),
        };
        Self { send: queue(rate.saturating_sub(reserve)), read: queue(reserve), pause: Mutex::default() }
    }

    /// Resolves when a call may leave, first come first served. Safe to drop: a call that did not resolve costs nothing.
    pub(super) async fn take(&self, lane: Lane, clock: &Clock) {
        let queue = match lane {
            Lane::Send => &self.send,
            Lane::Read => &self.read,
        };
        let borrows = lane == Lane::Read;
        let _turn = queue.turn.lock().await;
        loop {
            let now = clock.instant();
            let wait = match self.paused(now) {
                Some(wait) => wait,
                None => match lock(&queue.window).take(now) {
                    None => return,
                    Some(_) if borrows && lock(&self.send.window).lend(now) => return,
                    Some(wait) => wait,
                },
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// The vendor says that we are too fast: nothing leaves until `until`.
    pub(super) fn pause(&self, until: Instant) {
        let mut pause = lock(&self.pause);
        *pause = (*pause).max(Some(until));
    }

    fn paused(&self, now: Instant) -> Option<Duration> {
        let until = (*lock(&self.pause))?;
        Some(until.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }
}

/// The calls of the last second.
#[derive(Debug)]
struct Window {
    most: usize,
    left: VecDeque<Instant>,
}

impl Window {
    fn new(most: usize) -> Self {
        Self { most, left: VecDeque::new() }
    }

    /// Notes a call that leaves now; or says how long to wait before asking again.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        self.forget(now);
        if self.left.len() < self.most {
            self.left.push_back(now);
            return None;
        }
        let oldest = self.left.front()?;
        Some((*oldest + SECOND).saturating_duration_since(now).max(Duration::from_millis(1)))
    }

    /// Notes a call of the other kind, if half is free.
    fn lend(&mut self, now: Instant) -> bool {
        self.forget(now);
        let is_idle = self.left.len() < self.most / 2;
        if is_idle {
            self.left.push_back(now);
        }
        is_idle
    }

    fn forget(&mut self, now: Instant) {
        while self.left.front().is_some_and(|oldest| now.saturating_duration_since(*oldest) >= SECOND) {
            self.left.pop_front();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sliding_second_holds_more_than_the_rate() {
        let start = Clock::system().instant();
        let mut window = Window::new(18);
        let mut left = Vec::new();
        let mut now = start;
        while left.len() < 100 {
            match window.take(now) {
                None => left.push(now),
                Some(wait) => now += wait,
            }
        }
        for span in left.windows(19) {
            assert!(span[18] - span[0] >= SECOND);
        }
        assert!(left[99] - start < Duration::from_secs(6), "and the rate is reached");
    }

    #[tokio::test]
    async fn reads_have_their_own_share() {
        let clock = Clock::system();
        let budget = Budget::new(20, 2);
        let begun = clock.instant();
        for _ in 0..18 {
            budget.take(Lane::Send, &clock).await;
        }
        for _ in 0..2 {
            budget.take(Lane::Read, &clock).await;
        }
        assert!(clock.instant() - begun < Duration::from_millis(900), "twenty at once");
        let late = tokio::time::timeout(Duration::from_millis(20), budget.take(Lane::Send, &clock)).await;
        assert!(late.is_err(), "and not one more");
    }

    #[tokio::test]
    async fn reads_have_half_of_what_nobody_sends_with() {
        let clock = Clock::system();
        let budget = Budget::new(20, 2);
        let begun = clock.instant();
        for _ in 0..11 {
            budget.take(Lane::Read, &clock).await;
        }
        assert!(clock.instant() - begun < Duration::from_millis(900), "two of their own, nine lent");
        let late = tokio::time::timeout(Duration::from_millis(20), budget.take(Lane::Read, &clock)).await;
        assert!(late.is_err(), "the other half waits for messages");
        for _ in 0..9 {
            budget.take(Lane::Send, &clock).await;
        }
        assert!(clock.instant() - begun < Duration::from_millis(900));
    }

    #[tokio::test]
    async fn a_pause_holds_both() {
        let clock = Clock::system();
        let budget = Budget::new(20, 2);
        let begun = clock.instant();
        budget.pause(begun + Duration::from_millis(60));
        budget.pause(begun + Duration::from_millis(10));
        budget.take(Lane::Send, &clock).await;
        budget.take(Lane::Read, &clock).await;
        assert!(clock.instant() - begun >= Duration::from_millis(60));
    }
}
