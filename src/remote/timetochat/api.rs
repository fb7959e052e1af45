//! The three methods of the vendor's API (contracts/timetochat.md §2), and what their answers mean for us.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method as Verb, Uri};
use tokio_util::sync::CancellationToken;

use super::budget::{Budget, Lane};
use super::config::Peer;
use super::metrics::{Method, Metrics};
use super::token::{Token, Tokens};
use crate::clock::Clock;
use crate::net::Guard;
use crate::net::client::{Answer, Client, ClientConfig, Request, SendError};
use crate::net::tls::TlsError;
use crate::pdu::CommandStatus;
use crate::vendor::timetochat::{
    ErrorAnswer, Remedy, SendAnswer, SendRequest, StatusAnswer, TokenAnswer, TokenRequest,
};

/// Refusals of the vendor as a command_status: this and the HTTP status above 400, in the range that SMPP 3.4 §5.1.3
/// leaves to vendors. 400 is 0x0400, 403 is 0x0403.
pub const REFUSED_BASE: u32 = 0x0400;

/// A pause that the vendor asks for is at least and at most so long.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How long an idle connection is used again. Short: one that the vendor closes just as we send leaves an unknown outcome.
const IDLE: Duration = Duration::from_secs(4);

/// What became of a message that was to be sent.
#[derive(Debug)]
pub(super) enum Sent {
    /// The vendor has it, and calls it this (may be empty).
    Taken(Box<[u8]>),
    /// The vendor refuses it.
    Refused(CommandStatus),
    /// The vendor has not taken it because we are too fast; the time that it asked for is over.
    Throttled,
    /// It has certainly not been taken, for a reason that has nothing to do with it.
    Not(Trouble),
    /// The vendor may have taken it.
    Unknown(Trouble),
}

/// Why the API is of no use at the moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Trouble {
    /// It cannot be reached, or did not answer.
    Away(String),
    /// It does not let us in.
    Denied(String),
    /// It answers with what is no answer.
    Odd(String),
    /// It wants us to be slower.
    Throttled,
    /// We are about to stop, or to begin anew.
    Down,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(why) => f.write_str(why),
            Self::Denied(answer) => write!(f, "it does not let us in: {answer}"),
            Self::Odd(answer) => write!(f, "it does not answer as it should: {answer}"),
            Self::Throttled => f.write_str("it wants fewer calls"),
            Self::Down => f.write_str("we end"),
        }
    }
}

/// What is kept of an API from one connection to the next.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) peer: Peer,
    pub(super) clock: Arc<Clock>,
    pub(super) metrics: Metrics,
    budget: Budget,
    tokens: Tokens<Trouble>,
}

impl Standing {
    pub(super) fn new(peer: Peer, clock: Arc<Clock>) -> Self {
        let (budget, metrics) = (Budget::new(peer.rate, peer.reserve), Metrics::new(&peer.id));
        Self { peer, clock, metrics, budget, tokens: Tokens::new() }
    }

    /// The next call gets a new token: whoever comes back after trouble has to show that the vendor is there.
    pub(super) async fn forget_token(&self) {
        self.tokens.forget().await;
    }
}

/// The API, with connections.
#[derive(Debug)]
pub(super) struct Api {
    standing: Arc<Standing>,
    client: Client,
    /// Cancelled when no further call is to begin.
    pub(super) down: CancellationToken,
}

impl Api {
    /// Reads the certificates anew: ones that were replaced are believed without a restart.
    pub(super) fn new(standing: Arc<Standing>) -> Result<Self, TlsError> {
        let peer = &standing.peer;
        let client = Client::new(ClientConfig {
            tls: peer.tls.clone(),
            // The operator has written the name: it may be beside us.
            guard: Guard::any(),
            connect_timeout: peer.connect,
            timeout: peer.response,
            idle_per_host: usize::try_from(peer.window).unwrap_or(usize::MAX),
            idle_timeout: IDLE,
            ..ClientConfig::default()
        })?;
        Ok(Self { client, down: CancellationToken::new(), standing })
    }

    /// A token, so that the next call has one.
    pub(super) async fn sign_in(&self) -> Result<(), Trouble> {
        self.token().await.map(|_| ())
    }

    /// Sends one message. Not to be dropped once begun: it could have been sent. Until it is, `down` ends it.
    pub(super) async fn send(&self, request: &SendRequest) -> Sent {
        let body = request.write();
        let mut is_renewed = false;
        loop {
            let ready = tokio::select! {
                biased;
                () = self.down.cancelled() => Err(Trouble::Down),
                ready = self.ready(Lane::Send) => ready,
            };
            let token = match ready {
                Ok(token) => token,
                Err(trouble) => return Sent::Not(trouble),
            };
            let answer = self.call(Method::Send, "/messages", Some(&token), Some(body.clone())).await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) if error.is_sent() => return Sent::Unknown(away(&error)),
                Err(error) => return Sent::Not(away(&error)),
            };
            if answer.status.is_success() {
                // Without an id it is known by its reference.
                let id = SendAnswer::read(&answer.body).map(|taken| taken.id).unwrap_or_default();
                return Sent::Taken(id.into_bytes().into());
            }
            let error = ErrorAnswer::read(answer.status.as_u16(), &answer.body);
            match error.remedy() {
                // The password was right a moment ago: no reason to stay away for long.
                Remedy::Token if is_renewed => return Sent::Not(Trouble::Odd(error.to_string())),
                Remedy::Token => {
                    is_renewed = true;
                    self.standing.tokens.is_stale(&token).await;
                }
                Remedy::Later if error.status == TOO_MANY => {
                    let pause = self.slow_down(&answer);
                    tokio::select! {
                        () = self.down.cancelled() => {}
                        () = tokio::time::sleep(pause) => {}
                    }
                    return Sent::Throttled;
                }
                Remedy::Later => return Sent::Not(Trouble::Odd(error.to_string())),
                // The path is wrong, not the message.
                Remedy::Never if NO_SUCH_PATH.contains(&error.status) => {
                    return Sent::Not(Trouble::Odd(error.to_string()));
                }
                Remedy::Never => {
                    tracing::info!(%error, "the vendor refuses a message");
                    return Sent::Refused(status_of(error.status));
                }
                Remedy::Unknown => return Sent::Unknown(Trouble::Odd(error.to_string())),
            }
        }
    }

    /// Reads the status of a message. `None`: the vendor does not know it.
    pub(super) async fn read(&self, upstream_id: &[u8]) -> Result<Option<StatusAnswer>, Trouble> {
        let path = format!("/messages/{}", in_path(upstream_id));
        let mut is_renewed = false;
        loop {
            let token = self.ready(Lane::Read).await?;
            let answer = self.call(Method::Read, &path, Some(&token), None).await.map_err(|e| away(&e))?;
            if answer.status.is_success() && !answer.truncated {
                let read = StatusAnswer::read(&answer.body);
                return read.map(Some).map_err(|flaw| Trouble::Odd(flaw.to_string()));
            }
            let error = ErrorAnswer::read(answer.status.as_u16(), &answer.body);
            match error.remedy() {
                Remedy::Token if !is_renewed => {
                    is_renewed = true;
                    self.standing.tokens.is_stale(&token).await;
                }
                Remedy::Token => return Err(Trouble::Odd(error.to_string())),
                Remedy::Later if error.status == TOO_MANY => {
                    self.slow_down(&answer);
                    return Err(Trouble::Throttled);
                }
                Remedy::Never if error.status == NOT_FOUND => return Ok(None),
                Remedy::Later | Remedy::Never | Remedy::Unknown => {
                    return Err(Trouble::Odd(error.to_string()));
                }
            }
        }
    }

    /// A place in the budget, then a token: one that was got before the wait could be over after it.
    async fn ready(&self, lane: Lane) -> Result<Token, Trouble> {
        let _waiting = Waiting::new(&self.standing.metrics);
        self.standing.budget.take(lane, &self.standing.clock).await;
        self.token().await
    }

    async fn token(&self) -> Result<Token, Trouble> {
        self.standing.tokens.get(&self.standing.clock, async || self.fetch_token().await).await
    }

    async fn fetch_token(&self) -> Result<TokenAnswer, Trouble> {
        self.standing.budget.take(Lane::Send, &self.standing.clock).await;
        let password = String::from_utf8_lossy(self.standing.peer.password.octets()).into_owned();
        let body = TokenRequest { password }.write();
        let answer = self.call(Method::Token, "/token", None, Some(body)).await.map_err(|e| away(&e))?;
        if answer.status.is_success() {
            return TokenAnswer::read(&answer.body).map_err(|flaw| Trouble::Odd(flaw.to_string()));
        }
        let error = ErrorAnswer::read(answer.status.as_u16(), &answer.body);
        match error.remedy() {
            Remedy::Later if error.status == TOO_MANY => {
                self.slow_down(&answer);
                Err(Trouble::Throttled)
            }
            Remedy::Never if NO_SUCH_PATH.contains(&error.status) => Err(Trouble::Odd(error.to_string())),
            Remedy::Token | Remedy::Never => Err(Trouble::Denied(error.to_string())),
            Remedy::Later | Remedy::Unknown => Err(Trouble::Odd(error.to_string())),
        }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&Token>,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, SendError> {
        let peer = &self.standing.peer;
        let service = in_path(peer.service_id.as_bytes());
        let uri: Uri =
            format!("{}/services/{service}{path}", peer.url).parse().map_err(|_| SendError::Uri)?;
        let verb = if method == Method::Read { Verb::GET } else { Verb::POST };
        let mut request = Request::new(verb, uri);
        request.headers = headers(token, body.is_some());
        request.body = body.unwrap_or_default().into();
        let begun = self.standing.clock.instant();
        let answer = self.client.send(request).await;
        let result = match &answer {
            Ok(answer) => answer.status.as_u16().to_string(),
            Err(error) => error.word().to_owned(),
        };
        let took = self.standing.clock.instant().saturating_duration_since(begun);
        self.standing.metrics.called(method, result, took);
        answer
    }

    /// Nothing leaves for as long as the vendor asks.
    fn slow_down(&self, answer: &Answer) -> Duration {
        let seconds =
            answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let pause = Duration::from_secs(seconds.unwrap_or(0)).clamp(PAUSE.0, PAUSE.1);
        self.standing.budget.pause(self.standing.clock.instant() + pause);
        pause
    }
}

/// A call that waits for its turn.
struct Waiting<'a>(&'a Metrics);

impl<'a> Waiting<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.waiting.increment(1.0);
        Self(metrics)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.decrement(1.0);
    }
}

fn headers(token: Option<&Token>, has_body: bool) -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, json.clone());
    if has_body {
        headers.insert(CONTENT_TYPE, json);
    }
    if let Some(mut bearer) = token.and_then(|token| HeaderValue::from_str(&token.bearer).ok()) {
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    headers
}

/// A 4xx as a command_status.
fn status_of(http: u16) -> CommandStatus {
    CommandStatus(REFUSED_BASE + u32::from(http.saturating_sub(400)))
}

fn away(error: &SendError) -> Trouble {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Trouble::Away(format!("{error}{cause}"))
}

/// One segment of a path, whatever the octets are.
fn in_path(octets: &[u8]) -> String {
    let mut segment = String::with_capacity(octets.len());
    for &octet in octets {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_') {
            segment.push(char::from(octet));
        } else {
            segment.push_str(&format!("%{octet:02X}"));
        }
    }
    segment
}

const NOT_FOUND: u16 = 404;
const TOO_MANY: u16 = 429;
const NO_SUCH_PATH: [u16; 3] = [NOT_FOUND, 405, 410];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_http_status() {
        assert_eq!(status_of(400), CommandStatus(0x0400));
        assert_eq!(status_of(403), CommandStatus(0x0403));
        assert!([400, 403, 422, 499].into_iter().all(|http| status_of(http).is_vendor()));
    }

    #[test]
    fn an_id_cannot_leave_its_place_in_the_path() {
        assert_eq!(in_path(b"66018af8c8ab4e0ca97532f1"), "66018af8c8ab4e0ca97532f1");
        assert_eq!(in_path(b"../x?y#z\xFF"), "%2E%2E%2Fx%3Fy%23z%FF");
    }
}
