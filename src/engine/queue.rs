//! The way into the engine: from tasks that may wait, to a thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::gateway::port::Input;

/// The engine has stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the engine has stopped")
    }
}

impl std::error::Error for Stopped {}

/// Inputs on their way to the engine, at most as many as there is room for; then senders wait.
#[derive(Debug)]
pub(super) struct Queue {
    inputs: Mutex<Inside>,
    filled: Condvar,
    room: Semaphore,
}

#[derive(Debug, Default)]
struct Inside {
    inputs: VecDeque<Input>,
    /// Of these, how many took no permit.
    unpaid: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn new(max: usize) -> Self {
        Self { inputs: Mutex::default(), filled: Condvar::new(), room: Semaphore::new(max.max(1)) }
    }

    /// Waits for room, then hands the input over. An input handed over is taken, whatever happens to the sender.
    pub(super) async fn send(&self, input: Input) -> Result<(), Stopped> {
        self.room.acquire().await.map_err(|_| Stopped)?.forget();
        self.put(input, 0);
        Ok(())
    }

    /// Hands over what must not wait: the end of a link. There is at most one per link.
    pub(super) fn push(&self, input: Input) {
        self.put(input, 1);
    }

    fn put(&self, input: Input, unpaid: usize) {
        let mut inside = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        inside.inputs.push_back(input);
        inside.unpaid += unpaid;
        self.filled.notify_one();
    }

    /// Moves what has come into `into`, after waiting for it for at most `patience`. `false`: nothing will come any more.
    pub(super) fn take(&self, into: &mut VecDeque<Input>, patience: Duration) -> bool {
        let mut inside = self.inputs.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.inputs.is_empty() && !inside.closed && !patience.is_zero() {
            inside = self.filled.wait_timeout(inside, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
        let taken = inside.inputs.len();
        let paid = taken - std::mem::take(&mut inside.unpaid).min(taken);
        into.append(&mut inside.inputs);
        let open = !inside.closed;
        drop(inside);
        self.room.add_permits(paid);
        open || taken > 0
    }

    /// Nothing more is taken.
    pub(super) fn close(&self) {
        self.room.close();
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.filled.notify_one();
    }
}
