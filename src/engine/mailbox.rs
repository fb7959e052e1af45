//! Where the engine leaves what a session has to do.

use std::sync::Mutex;

use tokio::sync::Notify;

use crate::gateway::port::Effect;

/// Effects for one session, in order.
///
/// It needs no limit of its own: what the engine puts in answers a request that the session has let through, or fills a
/// slot of the session's window, so a session's windows bound it.
#[derive(Debug, Default)]
pub struct Mailbox {
    effects: Mutex<Vec<Effect>>,
    wake: Notify,
}

impl Mailbox {
    /// Puts effects in (`effects` is left empty) and wakes the session.
    pub fn put(&self, effects: &mut Vec<Effect>) {
        {
            let mut waiting = self.effects.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if waiting.is_empty() {
                std::mem::swap(&mut *waiting, effects);
            } else {
                waiting.append(effects);
            }
        }
        self.wake.notify_one();
    }

    /// Takes all effects out, into the empty `into`.
    pub fn take(&self, into: &mut Vec<Effect>) {
        let mut waiting = self.effects.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if into.is_empty() {
            std::mem::swap(&mut *waiting, into);
        } else {
            into.append(&mut waiting);
        }
    }

    /// Resolves when something was put in since the last call. Safe to drop and call again.
    pub async fn ready(&self) {
        self.wake.notified().await;
    }
}
