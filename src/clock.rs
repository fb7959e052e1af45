//! Time: the only reader of it, real or virtual.
//!
//! Two clocks are told apart. [`Clock::instant`] only ever goes forward and measures timers. [`Clock::utc_ms`] is
//! what is stored and shown. Within a run the second one advances by the first (SEMANTICS 16): an operator who sets
//! the system's clock, or a time server that jumps, does not expire a million messages at once. A difference of more
//! than [`STEP_MIN`] is taken over only after it has held for [`STEP_HELD`].
//!
//! Somebody has to call [`Clock::observe`] about once a second for that; `app` does.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Differences between the system's UTC and ours up to this are left alone.
pub const STEP_MIN: Duration = Duration::from_secs(2);

/// How long a larger difference has to hold before it is believed.
pub const STEP_HELD: Duration = Duration::from_secs(60);

/// Counter: steps of the system's clock that were taken over.
pub const STEPS_TOTAL: &str = "trunkline_clock_steps_total";

/// Gauge: seconds by which the system's UTC is ahead of ours.
pub const DIFFERENCE_SECONDS: &str = "trunkline_clock_difference_seconds";

/// The time of this process. Cheap to read from every thread.
#[derive(Debug)]
pub struct Clock {
    source: Source,
    /// The instant at which `utc_at_start_ms` was, or would have been, the UTC time.
    start: Instant,
    /// Changed only when a step is taken over.
    utc_at_start_ms: AtomicI64,
    doubted: Mutex<Option<Doubted>>,
}

/// What [`Clock::observe`] made of the system's time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Observed {
    /// No difference worth a word.
    Same,
    /// The system's UTC differs by these milliseconds, and has not done so for long enough.
    Doubted(i64),
    /// It has: our UTC has just moved by these milliseconds.
    Stepped(i64),
}

/// A difference that may turn out to be a step.
#[derive(Clone, Copy, Debug)]
struct Doubted {
    since: Instant,
    difference_ms: i64,
}

#[derive(Debug)]
enum Source {
    System,
    Virtual { elapsed_ns: AtomicU64, utc_ms: AtomicI64 },
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Arc<Self> {
        let source = Source::System;
        let (start, utc) = (source.instant(None), source.utc_ms());
        Arc::new(Self { source, start, utc_at_start_ms: AtomicI64::new(utc), doubted: Mutex::new(None) })
    }

    /// A clock that stands still at `utc_ms` until a test moves it.
    pub fn standing(utc_ms: u64) -> Arc<Self> {
        let utc = i64::try_from(utc_ms).unwrap_or(i64::MAX);
        let source = Source::Virtual { elapsed_ns: AtomicU64::new(0), utc_ms: AtomicI64::new(utc) };
        let start = Source::System.instant(None);
        Arc::new(Self { source, start, utc_at_start_ms: AtomicI64::new(utc), doubted: Mutex::new(None) })
    }

    /// Now, for timers. Never goes back.
    pub fn instant(&self) -> Instant {
        self.source.instant(Some(self.start))
    }

    /// Now, as UTC milliseconds since 1970. Goes back only when [`observe`](Self::observe) takes a step over.
    pub fn utc_ms(&self) -> u64 {
        self.utc_ms_at(self.instant())
    }

    /// The UTC milliseconds that belong to an [`instant`](Self::instant) of this clock.
    pub fn utc_ms_at(&self, at: Instant) -> u64 {
        let elapsed = millis(at.saturating_duration_since(self.start));
        let utc = self.utc_at_start_ms.load(Ordering::Acquire).saturating_add(elapsed);
        u64::try_from(utc).unwrap_or(0)
    }

    /// Compares our UTC with the system's, and takes a step over once it has held for [`STEP_HELD`].
    ///
    /// A difference that changes by more than [`STEP_MIN`] while it is watched is a new one and starts again.
    pub fn observe(&self) -> Observed {
        let now = self.instant();
        let ours = i64::try_from(self.utc_ms_at(now)).unwrap_or(i64::MAX);
        let difference_ms = self.source.utc_ms().saturating_sub(ours);
        let is_far = |ms: i64| Duration::from_millis(ms.unsigned_abs()) > STEP_MIN;

        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_far(difference_ms) {
            *doubted = None;
            return Observed::Same;
        }
        let watched = match *doubted {
            Some(watched) if !is_far(difference_ms - watched.difference_ms) => watched,
            _ => *doubted.insert(Doubted { since: now, difference_ms }),
        };
        if now.saturating_duration_since(watched.since) < STEP_HELD {
            return Observed::Doubted(difference_ms);
        }
        *doubted = None;
        self.utc_at_start_ms.fetch_add(difference_ms, Ordering::AcqRel);
        Observed::Stepped(difference_ms)
    }

    /// [`observe`](Self::observe), told to the log and the metrics.
    pub fn observe_and_tell(&self) {
        match self.observe() {
            Observed::Same => metrics::gauge!(DIFFERENCE_SECONDS).set(0.0),
            Observed::Doubted(ms) => metrics::gauge!(DIFFERENCE_SECONDS).set(seconds(ms)),
            Observed::Stepped(ms) => {
                metrics::gauge!(DIFFERENCE_SECONDS).set(0.0);
                metrics::counter!(STEPS_TOTAL).increment(1);
                tracing::warn!(
                    seconds = seconds(ms),
                    "the system's clock was set, and has kept the new time: taken over"
                );
            }
        }
    }

    /// Moves a [`standing`](Self::standing) clock on, both its clocks alike. A real one is left alone.
    pub fn advance(&self, by: Duration) {
        if let Source::Virtual { elapsed_ns, utc_ms } = &self.source {
            elapsed_ns.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::AcqRel);
            utc_ms.fetch_add(millis(by), Ordering::AcqRel);
        }
    }

    /// Sets the system's UTC under a [`standing`](Self::standing) clock forward or back. A real one is left alone.
    pub fn set_system_utc_by(&self, by_ms: i64) {
        if let Source::Virtual { utc_ms, .. } = &self.source {
            utc_ms.fetch_add(by_ms, Ordering::AcqRel);
        }
    }
}

impl Source {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the monotonic clock is read")]
    fn instant(&self, start: Option<Instant>) -> Instant {
        match (self, start) {
            (Self::Virtual { elapsed_ns, .. }, Some(start)) => {
                start + Duration::from_nanos(elapsed_ns.load(Ordering::Acquire))
            }
            (Self::System | Self::Virtual { .. }, _) => Instant::now(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place where the system's UTC is read")]
    fn utc_ms(&self) -> i64 {
        match self {
            Self::System => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis),
            Self::Virtual { utc_ms, .. } => utc_ms.load(Ordering::Acquire),
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 1_795_348_800_000;
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn utc_advances_with_the_monotonic_clock() {
        let clock = Clock::standing(NOON);
        let before = clock.instant();
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.instant() - before, Duration::from_millis(1_500));
        assert_eq!(clock.utc_ms(), NOON + 1_500);
        assert_eq!(clock.observe(), Observed::Same);
    }

    #[test]
    fn a_step_is_taken_over_only_after_it_has_held_for_a_minute() {
        for step in [3_600_000, -3_600_000] {
            let clock = Clock::standing(NOON);
            clock.set_system_utc_by(step);
            for second in 0..60 {
                assert_eq!(clock.observe(), Observed::Doubted(step), "after {second} s");
                assert_eq!(clock.utc_ms(), NOON + second * 1_000);
                clock.advance(SECOND);
            }
            assert_eq!(clock.observe(), Observed::Stepped(step));
            assert_eq!(clock.utc_ms(), (NOON + 60_000).checked_add_signed(step).expect("an hour fits"));
            assert_eq!(clock.observe(), Observed::Same);
        }
    }

    #[test]
    fn a_step_that_is_taken_back_leaves_no_trace() {
        let clock = Clock::standing(NOON);
        clock.set_system_utc_by(10_000);
        for _ in 0..59 {
            assert_eq!(clock.observe(), Observed::Doubted(10_000));
            clock.advance(SECOND);
        }
        clock.set_system_utc_by(-10_000);
        assert_eq!(clock.observe(), Observed::Same);
        assert_eq!(clock.utc_ms(), NOON + 59_000);
    }

    #[test]
    fn a_clock_that_jumps_about_is_never_followed() {
        let clock = Clock::standing(NOON);
        for turn in 0..300 {
            clock.set_system_utc_by(if turn % 2 == 0 { 30_000 } else { -25_000 });
            assert!(!matches!(clock.observe(), Observed::Stepped(_)), "turn {turn}");
            clock.advance(SECOND);
        }
        assert_eq!(clock.utc_ms(), NOON + 300_000);
    }

    #[test]
    fn two_seconds_are_not_a_step() {
        let clock = Clock::standing(NOON);
        clock.set_system_utc_by(2_000);
        assert_eq!(clock.observe(), Observed::Same);
        clock.set_system_utc_by(1);
        assert_eq!(clock.observe(), Observed::Doubted(2_001));
    }

    #[test]
    fn the_real_clock_starts_at_the_systems_time() {
        let clock = Clock::system();
        assert!(clock.utc_ms() > 1_700_000_000_000);
        assert_eq!(clock.observe(), Observed::Same);
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(clock.observe(), Observed::Same, "only a standing clock can be moved");
    }
}
