//! Growing, jittered delays between attempts.

/// How long to wait before trying again: `first_ms`, then twice as long each time up to `cap_ms`, the
/// upper half of it drawn at random so that many waiters do not come back at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    /// Delay before the first repetition, in milliseconds.
    pub first_ms: u64,
    /// Longest delay, in milliseconds.
    pub cap_ms: u64,
}

impl Backoff {
    /// Delay before repetition number `attempt` (from 0), in milliseconds: between half of
    /// `min(first · 2^attempt, cap)` and all of it. The same attempt and seed give the same delay; the
    /// seed is a random number of the waiter's own.
    #[must_use]
    pub fn delay_ms(self, attempt: u32, seed: u64) -> u64 {
        let factor = 1_u64.checked_shl(attempt).unwrap_or(u64::MAX);
        let longest = self.first_ms.saturating_mul(factor).min(self.cap_ms);
        let half = longest / 2;
        // `spread` is at most u64::MAX / 2 + 1, so the sum stays within `longest`.
        let spread = longest - half;
        half + mix(seed ^ u64::from(attempt)).checked_rem(spread.saturating_add(1)).unwrap_or(0)
    }
}

/// SplitMix64's finaliser: neighbouring seeds give unrelated numbers.
const fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff { first_ms: 500, cap_ms: 60_000 };

    #[test]
    fn the_first_delay_is_short_and_later_ones_are_capped() {
        for seed in 0..1_000 {
            assert!((250..=500).contains(&BACKOFF.delay_ms(0, seed)));
            assert!((500..=1_000).contains(&BACKOFF.delay_ms(1, seed)));
            assert!((30_000..=60_000).contains(&BACKOFF.delay_ms(20, seed)));
            assert!((30_000..=60_000).contains(&BACKOFF.delay_ms(u32::MAX, seed)));
        }
    }

    #[test]
    fn many_waiters_do_not_come_back_at_once() {
        let mut delays: Vec<u64> = (0..1_000).map(|seed| BACKOFF.delay_ms(7, seed)).collect();
        delays.sort_unstable();
        delays.dedup();
        assert!(delays.len() > 900, "{} different delays of 1,000", delays.len());
        let (low, high) = (delays.first().unwrap(), delays.last().unwrap());
        assert!(*low < 31_000 && *high > 59_000, "{low}..{high}");
    }

    #[test]
    fn no_delay_stays_no_delay() {
        assert_eq!(Backoff { first_ms: 0, cap_ms: 0 }.delay_ms(3, 9), 0);
    }

    proptest! {
        #[test]
        fn a_delay_is_within_its_half_and_repeatable(first_ms: u64, cap_ms: u64, attempt: u32, seed: u64) {
            let backoff = Backoff { first_ms, cap_ms };
            let delay = backoff.delay_ms(attempt, seed);
            prop_assert!(delay <= cap_ms);
            prop_assert!(delay >= first_ms.min(cap_ms) / 2);
            prop_assert_eq!(delay, backoff.delay_ms(attempt, seed));
        }
    }
}
