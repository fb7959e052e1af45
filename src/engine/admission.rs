//! How many new messages a batch takes, so that a client in a hurry does not starve what is already under way.

/// New messages that a batch takes at the least.
const LEAST: usize = 32;

/// The same while nothing comes back from any upstream, so that there is nothing to starve.
const ALONE: usize = 256;

/// The most.
const MOST: usize = 4_096;

/// Batches between two changes.
const ROUND: u32 = 8;

/// Grows while receipts come back as fast as messages are taken, shrinks while they fall behind.
///
/// An SMSC sends receipts through a window of its own, so the longer a batch takes the fewer come; a client with a large
/// window could fill every batch, and would be accepted many times faster than its receipts return.
#[derive(Debug)]
pub(super) struct Admission {
    room: usize,
    taken: usize,
    arrived: usize,
    progress: usize,
    waited: bool,
    batches: u32,
}

impl Default for Admission {
    fn default() -> Self {
        Self { room: ALONE, taken: 0, arrived: 0, progress: 0, waited: false, batches: 0 }
    }
}

impl Admission {
    /// New messages that the next batch may take.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// A batch has taken so many new messages, receipts and MO, and inputs of any other kind about messages; whether new
    /// messages had to wait for the next one.
    pub(super) fn batch(&mut self, taken: usize, arrived: usize, progress: usize, waited: bool) {
        self.taken += taken;
        self.arrived += arrived;
        self.progress += progress;
        self.waited |= waited;
        self.batches += 1;
        if self.batches < ROUND {
            return;
        }
        if self.progress + self.arrived == 0 {
            self.room = self.room.max(ALONE);
        } else if self.arrived * 20 < self.taken * 19 {
            self.room = (self.room - self.room / 8).max(LEAST);
        } else if self.waited {
            self.room = (self.room + self.room / 8 + 1).min(MOST);
        }
        *self = Self { room: self.room, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(rounds: u32, taken: impl Fn(usize) -> usize, arrived: impl Fn(usize) -> usize) -> usize {
        let mut admission = Admission::default();
        for _ in 0..rounds * ROUND {
            let taken = taken(admission.room());
            admission.batch(taken, arrived(taken), taken, true);
        }
        admission.room()
    }

    #[test]
    fn follows_the_receipts_that_come() {
        let room = after(200, |room| room, |_| 100);
        assert!((70..=130).contains(&room), "{room} while 100 receipts come in each batch");
        assert_eq!(after(200, |room| room, |taken| taken), MOST);
    }

    #[test]
    fn takes_many_while_nothing_is_under_way_and_few_while_no_receipts_come() {
        let mut admission = Admission::default();
        (0..100).for_each(|_| admission.batch(admission.room(), 0, 0, true));
        assert_eq!(admission.room(), ALONE);
        assert_eq!(after(100, |room| room, |_| 0), LEAST);
    }
}
