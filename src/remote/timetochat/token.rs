//! The bearer token: one per upstream, in memory, got by one task while the others wait (contracts/timetochat.md §2.1).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::vendor::timetochat::{TOKEN_SECONDS, TokenAnswer};

/// A token with this long or less to live is replaced before it is used; of one that lives less than twice this, at half
/// its life.
const MARGIN: Duration = Duration::from_secs(60);

/// No token is believed to hold longer.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// A token, ready for `Authorization`. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub(super) struct Token {
    /// `Bearer …`.
    pub(super) bearer: Arc<str>,
    /// Which of those of this process.
    number: u64,
    renew_at: Instant,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Holds the token of an upstream.
#[derive(Debug)]
pub(super) struct Tokens<E> {
    state: tokio::sync::Mutex<State<E>>,
}

#[derive(Debug)]
struct State<E> {
    held: Option<Token>,
    /// When the last try to get one failed, and why: for those who waited meanwhile.
    failed: Option<(Instant, E)>,
    number: u64,
}

impl<E: Clone> Tokens<E> {
    pub(super) fn new() -> Self {
        Self { state: tokio::sync::Mutex::new(State { held: None, failed: None, number: 0 }) }
    }

    /// A token with some life left; `fetch` gets one if there is none. Of all who ask at once one fetches, and all have
    /// its result, a failure too.
    ///
    /// # Errors
    /// What `fetch` says.
    pub(super) async fn get(
        &self,
        clock: &Clock,
        fetch: impl AsyncFnOnce() -> Result<TokenAnswer, E>,
    ) -> Result<Token, E> {
        let asked = clock.instant();
        let mut state = self.state.lock().await;
        if let Some(token) = state.held.as_ref().filter(|token| clock.instant() < token.renew_at) {
            return Ok(token.clone());
        }
        if let Some((_, error)) = state.failed.as_ref().filter(|(at, _)| *at >= asked) {
            return Err(error.clone());
        }
        state.held = None;
        match fetch().await {
            Ok(answer) => {
                let now = clock.instant();
                state.number += 1;
                let token = Token {
                    bearer: format!("Bearer {}", answer.token).into(),
                    number: state.number,
                    renew_at: now + usable(&answer, clock.utc_ms_at(now)),
                };
                state.held = Some(token.clone());
                state.failed = None;
                Ok(token)
            }
            Err(error) => {
                state.failed = Some((clock.instant(), error.clone()));
                Err(error)
            }
        }
    }

    /// The vendor does not take this token any more. A newer one stays.
    pub(super) async fn is_stale(&self, stale: &Token) {
        let mut state = self.state.lock().await;
        if state.held.as_ref().is_some_and(|held| held.number == stale.number) {
            state.held = None;
        }
    }

    /// The next who asks fetches.
    pub(super) async fn forget(&self) {
        self.state.lock().await.held = None;
    }
}

/// How long a token that came at `now_ms` is used.
fn usable(answer: &TokenAnswer, now_ms: u64) -> Duration {
    let life = match answer.expires() {
        Some(exp) => Duration::from_millis(exp.saturating_mul(1_000).saturating_sub(now_ms)),
        None => Duration::from_secs(TOKEN_SECONDS),
    };
    // One that is over already by our clock: the clocks differ. It is used while the vendor takes it.
    let life = if life.is_zero() { Duration::from_secs(TOKEN_SECONDS) } else { life.min(LONGEST) };
    life.saturating_sub(MARGIN.min(life / 2))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn lasting(seconds: u64) -> TokenAnswer {
        let claims = format!("{{\"service_id\":\"1\",\"iat\":0,\"exp\":{}}}", NOW_MS / 1_000 + seconds);
        TokenAnswer { token: format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims)) }
    }

    #[test]
    fn a_token_is_replaced_a_minute_before_its_end() {
        assert_eq!(usable(&lasting(1_800), NOW_MS), Duration::from_secs(1_740));
        assert_eq!(usable(&lasting(10), NOW_MS), Duration::from_secs(5), "a short one at half its life");
        let opaque = TokenAnswer { token: "opaque".into() };
        assert_eq!(usable(&opaque, NOW_MS), Duration::from_secs(1_740), "30 minutes unless it says");
        assert_eq!(usable(&lasting(0), NOW_MS), Duration::from_secs(1_740), "our clock is fast");
        assert_eq!(usable(&lasting(1 << 30), NOW_MS), LONGEST - MARGIN);
    }

    #[tokio::test]
    async fn one_task_fetches_while_the_others_wait() {
        let (clock, tokens, calls) = (Clock::standing(NOW_MS), Tokens::<&str>::new(), AtomicU32::new(0));
        let fetch = async || {
            calls.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(lasting(1_800))
        };
        let all = tokio::join!(
            tokens.get(&clock, fetch),
            tokens.get(&clock, fetch),
            tokens.get(&clock, fetch),
            tokens.get(&clock, fetch)
        );
        assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok() && all.3.is_ok());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert!(!format!("{tokens:?}").contains("c2ln"), "a token is not shown");
    }

    #[tokio::test]
    async fn a_failure_is_shared_by_those_who_waited_and_not_by_later_ones() {
        let (clock, tokens, calls) = (Clock::standing(NOW_MS), Tokens::new(), AtomicU32::new(0));
        let fetch = async || {
            calls.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(10)).await;
            Err("away")
        };
        let all = tokio::join!(tokens.get(&clock, fetch), tokens.get(&clock, fetch));
        assert!(all.0.is_err() && all.1.is_err());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        clock.advance(Duration::from_millis(1));
        assert!(tokens.get(&clock, fetch).await.is_err());
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_token_that_the_vendor_refuses_is_replaced_once() {
        let (clock, tokens, calls) = (Clock::standing(NOW_MS), Tokens::<&str>::new(), AtomicU32::new(0));
        let fetch = async || {
            calls.fetch_add(1, Ordering::Relaxed);
            Ok(lasting(1_800))
        };
        let first = tokens.get(&clock, fetch).await.expect("one");
        tokens.is_stale(&first).await;
        let second = tokens.get(&clock, fetch).await.expect("another");
        tokens.is_stale(&first).await;
        let third = tokens.get(&clock, fetch).await.expect("the same");
        assert_eq!((second.number, third.number, calls.load(Ordering::Relaxed)), (2, 2, 2));
        clock.advance(Duration::from_secs(1_740));
        let fourth = tokens.get(&clock, fetch).await.expect("a new one");
        assert_eq!(fourth.number, 3, "a minute before its end");
    }
}
