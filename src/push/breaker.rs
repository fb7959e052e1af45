//! Lets an endpoint rest that fails again and again: fewer vain requests for us, fewer to come back to for it.
//!
//! ```text
//! Closed ──failures──▶ Open ──pause over──▶ Trying ──it works──▶ Closed
//!                        ◀──────it fails────────┘
//! ```

use std::time::{Duration, Instant};

use crate::gateway::backoff::Backoff;

/// When an endpoint is left alone, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BreakerSettings {
    /// Failures in a row that open it. 5.
    pub failures_max: u32,
    /// Failures among the last 64 requests that open it. 32.
    pub share_max: u32,
    /// The first pause; doubled each time a trial fails, and drawn at random between half of it and all. 1 s.
    pub pause: Duration,
    /// The longest pause, also of those that the endpoint asks for by Retry-After. 5 min.
    pub pause_max: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures_max: 5,
            share_max: 32,
            pause: Duration::from_secs(1),
            pause_max: Duration::from_secs(300),
        }
    }
}

/// What a request says about its endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sign {
    /// It works, whatever it thinks of this request.
    Works,
    /// It is in trouble, or cannot be reached.
    Fails,
    /// It asks to be left alone for so long.
    AsksForRest(Duration),
}

/// A change that is worth a word in the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Change {
    /// Nothing is sent for so long.
    Opened(Duration),
    /// It works again.
    Closed,
}

/// Requests of one moment in the breaker's life; what those of an older one say is not news.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Era(u32);

/// The breaker of one endpoint.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    state: State,
    era: Era,
    /// Pauses since it worked last.
    pauses: u32,
    seed: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Closed {
        in_a_row: u32,
        /// The last 64 requests, the newest in the lowest bit: set for a failure.
        last: u64,
    },
    Open {
        until: Instant,
    },
    Trying,
}

const CLOSED: State = State::Closed { in_a_row: 0, last: 0 };

impl Breaker {
    /// A closed one. `seed` is chance of its own.
    pub(super) fn new(settings: BreakerSettings, seed: u64) -> Self {
        Self { settings, state: CLOSED, era: Era(0), pauses: 0, seed }
    }

    /// Other settings, and no grudge: the endpoint may have been mended with them.
    pub(super) fn configure(&mut self, settings: BreakerSettings) {
        self.settings = settings;
        self.pauses = 0;
        self.enter(CLOSED);
    }

    pub(super) fn era(&self) -> Era {
        self.era
    }

    /// Requests that may be under way at once, of the `concurrency` that the endpoint takes when all is well.
    pub(super) fn limit(&self, concurrency: u32) -> u32 {
        match self.state {
            State::Closed { .. } => concurrency,
            State::Open { .. } => 0,
            State::Trying => 1,
        }
    }

    /// Nothing is the matter.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// For the gauge: 0 closed, 1 trying, 2 open.
    pub(super) fn degree(&self) -> f64 {
        match self.state {
            State::Closed { .. } => 0.0,
            State::Trying => 1.0,
            State::Open { .. } => 2.0,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed { .. } | State::Trying => None,
        }
    }

    /// Ends a pause that is over.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let State::Open { until } = self.state
            && until <= now
        {
            self.enter(State::Trying);
        }
    }

    /// Takes in what a request of `era` has shown.
    pub(super) fn handle_sign(&mut self, era: Era, sign: Sign, now: Instant) -> Option<Change> {
        if era != self.era {
            return None;
        }
        match (self.state, sign) {
            (State::Open { .. }, _) => None,
            (_, Sign::AsksForRest(pause)) => Some(self.open(pause.min(self.settings.pause_max), now)),
            (State::Trying, Sign::Works) => {
                self.pauses = 0;
                self.enter(CLOSED);
                Some(Change::Closed)
            }
            (State::Trying, Sign::Fails) => Some(self.open_longer(now)),
            (State::Closed { last, .. }, Sign::Works) => {
                self.state = State::Closed { in_a_row: 0, last: last << 1 };
                None
            }
            (State::Closed { in_a_row, last }, Sign::Fails) => {
                let (in_a_row, last) = (in_a_row.saturating_add(1), last << 1 | 1);
                self.state = State::Closed { in_a_row, last };
                let is_enough =
                    in_a_row >= self.settings.failures_max || last.count_ones() >= self.settings.share_max;
                is_enough.then(|| self.open_longer(now))
            }
        }
    }

    fn open_longer(&mut self, now: Instant) -> Change {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let backoff = Backoff { first_ms: ms(self.settings.pause), cap_ms: ms(self.settings.pause_max) };
        let pause = Duration::from_millis(backoff.delay_ms(self.pauses, self.seed));
        self.pauses = self.pauses.saturating_add(1);
        self.open(pause, now)
    }

    fn open(&mut self, pause: Duration, now: Instant) -> Change {
        self.enter(State::Open { until: now + pause });
        Change::Opened(pause)
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.era = Era(self.era.0.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn breaker() -> (Breaker, Instant) {
        (Breaker::new(BreakerSettings::default(), 7), Clock::standing(0).instant())
    }

    fn fail(breaker: &mut Breaker, times: u32, now: Instant) -> Option<Change> {
        (0..times).fold(None, |_, _| breaker.handle_sign(breaker.era(), Sign::Fails, now))
    }

    fn pause_of(change: Option<Change>) -> Duration {
        match change {
            Some(Change::Opened(pause)) => pause,
            other => panic!("it has not opened: {other:?}"),
        }
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let (mut breaker, now) = breaker();
        assert_eq!(fail(&mut breaker, 4, now), None);
        assert_eq!(breaker.handle_sign(breaker.era(), Sign::Works, now), None);
        assert_eq!(fail(&mut breaker, 4, now), None);
        assert_eq!(breaker.limit(8), 8);
        let pause = pause_of(fail(&mut breaker, 1, now));
        assert!((500..=1_000).contains(&pause.as_millis()), "{pause:?}");
        assert_eq!((breaker.limit(8), breaker.degree()), (0, 2.0));
        assert_eq!(breaker.next_timeout(), Some(now + pause));
    }

    #[test]
    fn every_second_request_that_fails_opens_it_too() {
        let (mut breaker, now) = breaker();
        for n in 0..31 {
            assert_eq!(fail(&mut breaker, 1, now), None, "{n}");
            assert_eq!(breaker.handle_sign(breaker.era(), Sign::Works, now), None);
        }
        pause_of(fail(&mut breaker, 1, now));
    }

    #[test]
    fn after_the_pause_one_request_tries_and_decides() {
        let (mut breaker, mut now) = breaker();
        let first = pause_of(fail(&mut breaker, 5, now));
        breaker.handle_timeout(now + first / 2);
        assert_eq!(breaker.limit(8), 0);
        now += first;
        breaker.handle_timeout(now);
        assert_eq!((breaker.limit(8), breaker.degree()), (1, 1.0));
        let second = pause_of(fail(&mut breaker, 1, now));
        assert!(second >= Duration::from_secs(1), "{second:?}");
        now += second;
        breaker.handle_timeout(now);
        assert_eq!(breaker.handle_sign(breaker.era(), Sign::Works, now), Some(Change::Closed));
        assert_eq!((breaker.limit(8), breaker.next_timeout()), (8, None));
        // It begins anew.
        assert_eq!(fail(&mut breaker, 4, now), None);
        assert!(pause_of(fail(&mut breaker, 1, now)) <= Duration::from_secs(1));
    }

    #[test]
    fn pauses_grow_up_to_their_limit() {
        let (mut breaker, mut now) = breaker();
        fail(&mut breaker, 4, now);
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            let pause = pause_of(fail(&mut breaker, 1, now));
            assert!(pause <= Duration::from_secs(300));
            longest = longest.max(pause);
            now += pause;
            breaker.handle_timeout(now);
        }
        assert!(longest > Duration::from_secs(150), "{longest:?}");
    }

    #[test]
    fn an_endpoint_that_asks_for_rest_gets_it_at_once_but_not_for_ever() {
        let (mut breaker, now) = breaker();
        let rest = |s| Sign::AsksForRest(Duration::from_secs(s));
        assert_eq!(pause_of(breaker.handle_sign(breaker.era(), rest(30), now)), Duration::from_secs(30));
        let (mut breaker, _) = self::breaker();
        assert_eq!(pause_of(breaker.handle_sign(breaker.era(), rest(86_400), now)), Duration::from_secs(300));
    }

    #[test]
    fn what_was_under_way_before_does_not_decide() {
        let (mut breaker, now) = breaker();
        let before = breaker.era();
        let pause = pause_of(fail(&mut breaker, 5, now));
        assert_eq!(breaker.handle_sign(before, Sign::Works, now), None);
        breaker.handle_timeout(now + pause);
        assert_eq!(breaker.handle_sign(before, Sign::Works, now + pause), None);
        assert_eq!(breaker.handle_sign(before, Sign::Fails, now + pause), None);
        assert_eq!(breaker.limit(8), 1, "the trial is still to come");
    }

    #[test]
    fn other_settings_close_it() {
        let (mut breaker, now) = breaker();
        fail(&mut breaker, 5, now);
        breaker.configure(BreakerSettings { failures_max: 1, ..BreakerSettings::default() });
        assert_eq!(breaker.limit(3), 3);
        pause_of(fail(&mut breaker, 1, now));
    }
}
