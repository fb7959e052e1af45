//! How many new messages a batch takes, so that a client in a hurry does not starve what is already under way.

/// The same while nothing comes back from any upstream, so that there is nothing to starve.
const ALONE: usize = 256;

/// The most.
const MOST: usize = 4_096;

/// Batches between two changes.
const ROUND: u32 = 8;

/// Answers or receipts that may be behind before fewer messages are taken.
const SLACK: usize = 2_000;

/// Grows while answers and receipts come back as fast as messages are taken, shrinks while they fall further behind.
///
/// An SMSC sends receipts through a window of its own, so the longer a batch takes the fewer come; a client with a large
/// window could fill every batch, and would be accepted many times faster than its messages leave and its receipts return.
#[derive(Debug)]
pub(super) struct Admission {
    room: usize,
    /// Messages taken whose answers and whose receipts have not come, as far as this can be told by counting.
    behind: [usize; 2],
    round: Round,
}

#[derive(Debug, Default)]
struct Round {
    batches: u32,
    taken: usize,
    /// Answers, and receipts with MO.
    come: [usize; 2],
    waited: bool,
}

impl Default for Admission {
    fn default() -> Self {
        Self { room: ALONE, behind: [0; 2], round: Round::default() }
    }
}

impl Admission {
    /// New messages that a batch takes at the least.
    pub(super) const LEAST: usize = 16;

    /// New messages that the next batch may take.
    pub(super) fn room(&self) -> usize {
        self.room
    }

    /// A batch has taken so many new messages, answers of upstreams, and receipts with MO; whether new messages had to wait
    /// for the next one.
    pub(super) fn batch(&mut self, taken: usize, answers: usize, receipts: usize, waited: bool) {
        self.round.batches += 1;
        self.round.taken += taken;
        self.round.come[0] += answers;
        self.round.come[1] += receipts;
        self.round.waited |= waited;
        if self.round.batches < ROUND {
            return;
        }
        let round = std::mem::take(&mut self.round);
        let mut falls_behind = false;
        for (behind, come) in self.behind.iter_mut().zip(round.come) {
            *behind = (*behind + round.taken).saturating_sub(come);
            falls_behind |= *behind > SLACK && come * 20 < round.taken * 19;
        }
        if round.come == [0; 2] {
            self.room = self.room.max(ALONE);
        } else if falls_behind {
            self.room = (self.room - self.room / 8).max(Self::LEAST);
        } else if round.waited {
            self.room = (self.room + self.room / 8 + 1).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(rounds: u32, taken: impl Fn(usize) -> usize, arrived: impl Fn(usize) -> usize) -> usize {
        let mut admission = Admission::default();
        for _ in 0..rounds * ROUND {
            let taken = taken(admission.room());
            admission.batch(taken, taken, arrived(taken), true);
        }
        admission.room()
    }

    #[test]
    fn follows_the_receipts_that_come() {
        let room = after(200, |room| room, |_| 100);
        assert!((60..=130).contains(&room), "{room} while 100 receipts come in each batch");
        assert_eq!(after(200, |room| room, |taken| taken), MOST);
    }

    #[test]
    fn takes_many_while_nothing_is_under_way_and_few_while_no_receipts_come() {
        let mut admission = Admission::default();
        (0..100).for_each(|_| admission.batch(admission.room(), 0, 0, true));
        assert_eq!(admission.room(), ALONE);
        assert_eq!(after(100, |room| room, |_| 0), Admission::LEAST);
    }
}
