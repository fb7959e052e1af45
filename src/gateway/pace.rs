//! Upstream pacing: when the next request may leave (SEMANTICS 14).

use std::collections::VecDeque;
use std::num::NonZeroU32;

/// Further throttled answers within this long after a slow-down are echoes of the same one: 1 s.
pub const ECHO_US: u64 = 1_000_000;

/// How long the rate takes to creep from nothing to full, in microseconds: 60 s, so 30 from half.
pub const RECOVERY_US: u64 = 60_000_000;

/// One pacer over all sessions of an upstream: at most `rate` requests in any sliding second.
///
/// Requests are spaced 1/`rate` apart; with a `burst` above 1 so many may leave together after a rest
/// or a late timer, still within the sliding second. It starts empty: the first request leaves 1/`rate`
/// after a start, so that a restart does not add to what the last run sent.
///
/// When the upstream throttles, the rate halves and then creeps back, never above `rate`.
///
/// A timer that ticks every millisecond wakes a spacing below it late, and lateness is lost with
/// burst 1: above some 500 requests per second give a burst of `rate` · tick or more.
///
/// Memory: with a burst above 1, eight octets per request of the last second.
#[derive(Clone, Debug)]
pub struct Pacer {
    limit: Option<Limit>,
}

#[derive(Clone, Debug)]
struct Limit {
    /// Requests per second.
    rate: u32,
    burst: u32,
    /// When the whole burst will be there again if nothing leaves, in nanoseconds: the generic cell rate
    /// algorithm's theoretical arrival time.
    full_at_ns: u64,
    /// The last `rate` departures in microseconds, oldest first; empty when the burst is 1, where the
    /// spacing alone keeps the promise.
    sent_us: VecDeque<u64>,
    slow: Option<Slow>,
}

/// The upstream said that we are too fast.
#[derive(Clone, Copy, Debug)]
struct Slow {
    /// Thousandths of a request per second.
    millirate: u64,
    since_us: u64,
}

impl Pacer {
    /// An empty pacer; `None` is unlimited. A burst of 0 is 1, one above `rate` is `rate`.
    #[must_use]
    pub fn new(rate: Option<NonZeroU32>, burst: u32, now_us: u64) -> Self {
        let limit = rate.map(|rate| {
            let rate = rate.get();
            let burst = burst.clamp(1, rate);
            let empty = Limit { rate, burst, full_at_ns: 0, sent_us: VecDeque::new(), slow: None };
            let full_at_ns = nanos(now_us) + u64::from(burst) * empty.spacing_ns();
            Limit { full_at_ns, ..empty }
        });
        Self { limit }
    }

    /// When the next request may leave, in microseconds: `now_us` when it may leave now.
    #[must_use]
    pub fn ready_at(&self, now_us: u64) -> u64 {
        self.limit.as_ref().map_or(now_us, |limit| limit.ready_us().max(now_us))
    }

    /// Whether a request may leave now.
    #[must_use]
    pub fn is_ready(&self, now_us: u64) -> bool {
        self.ready_at(now_us) <= now_us
    }

    /// Notes that a request leaves now. To be called only when [`is_ready`](Self::is_ready).
    pub fn spend(&mut self, now_us: u64) {
        debug_assert!(self.is_ready(now_us), "a request left before its time");
        let Some(limit) = &mut self.limit else { return };
        limit.full_at_ns = limit.full_at_ns.max(nanos(now_us)) + limit.spacing_now_ns(now_us);
        if limit.burst > 1 {
            limit.sent_us.push_back(now_us);
            if limit.sent_us.len() > usize::try_from(limit.rate).unwrap_or(usize::MAX) {
                limit.sent_us.pop_front();
            }
        }
        if limit.millirate(now_us) == limit.millirate_full() {
            limit.slow = None;
        }
    }

    /// The upstream answered that it is throttled: the rate halves, not below one request per second, and
    /// whatever burst was there is gone. Answers within [`ECHO_US`] count once. Nothing to slow down when
    /// unlimited.
    pub fn throttled(&mut self, now_us: u64) {
        let Some(limit) = &mut self.limit else { return };
        if limit.slow.is_some_and(|slow| now_us < slow.since_us.saturating_add(ECHO_US)) {
            return;
        }
        let millirate = (limit.millirate(now_us) / 2).max(MILLI);
        limit.slow = Some(Slow { millirate, since_us: now_us });
        let emptied_ns = nanos(now_us) + limit.spacing_now_ns(now_us) + limit.burst_ns();
        limit.full_at_ns = limit.full_at_ns.max(emptied_ns);
    }

    /// The rate at present in thousandths of a request per second, for a gauge; `None` is unlimited.
    #[must_use]
    pub fn millirate(&self, now_us: u64) -> Option<u64> {
        self.limit.as_ref().map(|limit| limit.millirate(now_us))
    }
}

impl Limit {
    fn ready_us(&self) -> u64 {
        let spaced_us = self.full_at_ns.saturating_sub(self.burst_ns()).div_ceil(NANOS_PER_MICRO);
        let is_full = self.sent_us.len() >= usize::try_from(self.rate).unwrap_or(usize::MAX);
        match self.sent_us.front() {
            Some(oldest_us) if is_full => spaced_us.max(oldest_us.saturating_add(SECOND_US)),
            _ => spaced_us,
        }
    }

    /// What may be caught up on, as time.
    fn burst_ns(&self) -> u64 {
        u64::from(self.burst - 1) * self.spacing_ns()
    }

    /// Rounded up, so that `rate` spacings are never less than a second.
    fn spacing_ns(&self) -> u64 {
        NANOS_PER_SECOND.div_ceil(u64::from(self.rate))
    }

    fn spacing_now_ns(&self, now_us: u64) -> u64 {
        (NANOS_PER_SECOND * MILLI).div_ceil(self.millirate(now_us))
    }

    fn millirate_full(&self) -> u64 {
        u64::from(self.rate) * MILLI
    }

    /// At least [`MILLI`].
    fn millirate(&self, now_us: u64) -> u64 {
        let full = self.millirate_full();
        let Some(slow) = self.slow else { return full };
        let elapsed_us = now_us.saturating_sub(slow.since_us).min(RECOVERY_US);
        // A rate above 2^32 / 1,000 times this window would not fit 64 bits.
        let crept = u128::from(full) * u128::from(elapsed_us) / u128::from(RECOVERY_US);
        u64::try_from(crept).unwrap_or(full).saturating_add(slow.millirate).min(full)
    }
}

const MILLI: u64 = 1_000;
const SECOND_US: u64 = 1_000_000;
const NANOS_PER_MICRO: u64 = 1_000;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

fn nanos(us: u64) -> u64 {
    us.saturating_mul(NANOS_PER_MICRO)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pacer(rate: u32, burst: u32, now_us: u64) -> Pacer {
        Pacer::new(NonZeroU32::new(rate), burst, now_us)
    }

    /// Sends as soon as allowed until `until_us`; the moments of departure.
    fn drive(pacer: &mut Pacer, mut now_us: u64, until_us: u64) -> Vec<u64> {
        let mut sent = Vec::new();
        loop {
            now_us = pacer.ready_at(now_us);
            if now_us >= until_us {
                return sent;
            }
            pacer.spend(now_us);
            sent.push(now_us);
        }
    }

    #[test]
    fn the_first_request_waits_after_a_start_and_the_rest_are_spaced() {
        let mut pacer = pacer(20, 1, SECOND_US);
        let sent = drive(&mut pacer, SECOND_US, 2 * SECOND_US + 1);
        let spaced: Vec<u64> = (1..=20).map(|n| SECOND_US + n * 50_000).collect();
        assert_eq!(sent, spaced);
    }

    #[test]
    fn a_rest_earns_no_more_than_the_burst() {
        let mut single = pacer(20, 1, 0);
        single.spend(3_600 * SECOND_US);
        assert_eq!(single.ready_at(3_600 * SECOND_US), 3_600 * SECOND_US + 50_000);

        let mut five = pacer(20, 5, 0);
        for _ in 0..5 {
            assert!(five.is_ready(3_600 * SECOND_US));
            five.spend(3_600 * SECOND_US);
        }
        assert_eq!(five.ready_at(3_600 * SECOND_US), 3_600 * SECOND_US + 50_000);
    }

    #[test]
    fn a_burst_starts_empty_too() {
        assert_eq!(pacer(20, 20, 0).ready_at(0), 50_000);
    }

    #[test]
    fn a_burst_does_not_add_to_the_sliding_second() {
        let mut pacer = pacer(20, 20, 0);
        let sent = drive(&mut pacer, 10 * SECOND_US, 11 * SECOND_US);
        assert_eq!(sent.len(), 20);
        assert_eq!(pacer.ready_at(10 * SECOND_US), 11 * SECOND_US);
    }

    #[test]
    fn a_burst_makes_up_for_a_timer_of_a_millisecond() {
        let mut pacer = pacer(5_000, 20, 0);
        let mut sent = 0;
        for now_us in (SECOND_US..2 * SECOND_US).step_by(1_000) {
            while pacer.is_ready(now_us) {
                pacer.spend(now_us);
                sent += 1;
            }
        }
        assert!((4_990..=5_000).contains(&sent), "{sent} in a second");
    }

    #[test]
    fn unlimited_is_always_ready() {
        let mut pacer = Pacer::new(None, 1, 0);
        for _ in 0..1_000 {
            pacer.spend(0);
            pacer.throttled(0);
        }
        assert_eq!((pacer.ready_at(7), pacer.millirate(7)), (7, None));
    }

    #[test]
    fn throttling_halves_the_rate_once_for_a_windowful_of_answers() {
        let mut pacer = pacer(100, 1, 0);
        for late_us in 0..50 {
            pacer.throttled(SECOND_US + late_us);
        }
        assert_eq!(pacer.millirate(SECOND_US + 50), Some(50_000));
        assert_eq!(pacer.ready_at(SECOND_US + 50), SECOND_US + 20_000);
        pacer.throttled(SECOND_US + ECHO_US);
        assert!(pacer.millirate(SECOND_US + ECHO_US).is_some_and(|millirate| millirate < 26_000));
    }

    #[test]
    fn the_rate_creeps_back_and_stops_at_its_limit() {
        let mut pacer = pacer(100, 1, 0);
        pacer.throttled(0);
        assert_eq!(pacer.millirate(RECOVERY_US / 4), Some(75_000));
        assert_eq!(pacer.millirate(RECOVERY_US / 2), Some(100_000));
        assert_eq!(pacer.millirate(RECOVERY_US * 10), Some(100_000));
        let late = RECOVERY_US * 10;
        assert_eq!(drive(&mut pacer, late, late + SECOND_US).len(), 100);
    }

    #[test]
    fn the_rate_never_falls_below_one_per_second() {
        for rate in [1, 3, 1_000] {
            let mut pacer = pacer(rate, 1, 0);
            for second in 0..20 {
                pacer.throttled(second * ECHO_US);
            }
            assert!(pacer.millirate(20 * ECHO_US).is_some_and(|millirate| millirate >= MILLI));
            assert!(pacer.ready_at(19 * ECHO_US) <= 19 * ECHO_US + SECOND_US);
        }
    }

    #[test]
    fn the_largest_rate_does_not_overflow() {
        let mut pacer = pacer(u32::MAX, 1, u64::MAX / 4_000);
        pacer.throttled(u64::MAX / 4_000);
        assert!(pacer.ready_at(u64::MAX / 4_000) > 0);
    }

    proptest! {
        #[test]
        fn no_sliding_second_ever_holds_more_than_the_rate(
            rate in 1_u32..60,
            burst in 0_u32..80,
            start in 0_u64..10_000_000,
            steps in proptest::collection::vec((any::<bool>(), 0_u64..400_000, 0_u8..40), 1..400),
        ) {
            let mut pacer = pacer(rate, burst, start);
            let mut now_us = start;
            let mut sent = Vec::new();
            for (prompt, idle_us, throttle) in steps {
                now_us = if prompt { pacer.ready_at(now_us) } else { now_us + idle_us };
                if throttle == 0 {
                    pacer.throttled(now_us);
                }
                while sent.len() < 2_000 && pacer.is_ready(now_us) {
                    pacer.spend(now_us);
                    sent.push(now_us);
                }
            }
            let width = usize::try_from(rate).unwrap() + 1;
            for window in sent.windows(width) {
                prop_assert!(window[width - 1] - window[0] >= SECOND_US, "{window:?}");
            }
        }

        #[test]
        fn the_rate_is_reached(rate in 1_u32..5_000, burst in 1_u32..50) {
            let mut pacer = pacer(rate, burst, 0);
            let sent = drive(&mut pacer, 0, 10 * SECOND_US);
            let aim = u64::from(rate) * 10;
            let got = sent.len() as u64;
            // Departures fall on whole microseconds, a spacing rounds up to them when the burst is 1.
            prop_assert!(got <= aim && got + 1 >= aim * 99 / 100, "{got} of {aim}");
        }
    }
}
