//! The calls that a service may make.

use std::time::{Duration, Instant};

/// A token bucket: as many as the rate, full at the start.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// Since when, and what was left then, in thousandths of a call.
    since: Option<(Instant, u64)>,
}

impl Bucket {
    /// Takes one call out; `false` if there is none. A rate of 0 is no limit.
    pub(super) fn take(&mut self, rate: u32, now: Instant) -> bool {
        let full = u64::from(rate) * CALL;
        let (since, left) = self.since.unwrap_or((now, full));
        let passed = now.saturating_duration_since(since);
        // What came in the meantime; an hour fills any bucket.
        let millis = u64::try_from(passed.min(HOUR).as_millis()).unwrap_or(u64::MAX);
        let left = left.saturating_add(millis.saturating_mul(u64::from(rate))).min(full);
        // The part of a millisecond that was not counted is counted next time.
        let counted = since + Duration::from_millis(millis);
        let since = if passed > HOUR { now } else { counted };
        match left.checked_sub(CALL) {
            _ if rate == 0 => true,
            Some(rest) => {
                self.since = Some((since, rest));
                true
            }
            None => {
                self.since = Some((since, left));
                false
            }
        }
    }
}

const CALL: u64 = 1_000;
const HOUR: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn twenty_at_once_then_one_each_fiftieth_of_a_second() {
        let clock = Clock::standing(0);
        let mut bucket = Bucket::default();
        let mut take = |times: usize, by: u64| {
            clock.advance(Duration::from_micros(by));
            (0..times).filter(|_| bucket.take(20, clock.instant())).count()
        };
        assert_eq!(take(30, 0), 20);
        assert_eq!((take(1, 49_900), take(1, 50), take(1, 50), take(1, 0)), (0, 0, 1, 0));
        assert_eq!(take(100, 10_000_000_000), 20);
        assert!((0..100).all(|_| Bucket::default().take(0, clock.instant())));
    }
}
