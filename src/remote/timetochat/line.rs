//! One upstream: a task that holds the line to the vendor's API, for ever.
//!
//! ```text
//! SigningIn ──token──▶ Open(window 1 after trouble, else all) ──trouble or stop──▶ Closing ──all answered──▶ SigningIn
//!     ▲──────refused or away: a pause that grows──┘
//! ```
//!
//! The engine knows an open line as a link, so that it dispatches only while a token is held and fails over when none is.
//!
//! **Invariant:** a dispatch is answered as not taken only when its request has certainly not been sent; one whose request
//! may have been is left to the policy for unknown outcomes, and is never sent again from here.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info, info_span, warn};

use super::api::{Api, Sent, Standing, Trouble};
use super::convert;
use super::inbox::Inbox;
use crate::engine::{Engine, Mailbox};
use crate::gateway::backoff::Backoff;
use crate::gateway::id::{LinkId, MessageId, ServiceNo, UpstreamNo};
use crate::gateway::port::{Answer, Dispatch, Effect, Input, Outcome, Ticket};
use crate::pdu::CommandStatus;

/// Failures in a row after which the line is closed.
const FAILURES_MAX: u32 = 3;

/// Status reads that may wait; the gateway asks about what is left out again later.
const INQUIRIES_MAX: usize = 1_000;

/// A line to the vendor's API.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) standing: Arc<Standing>,
    pub(super) engine: Engine,
    pub(super) inbox: Inbox,
    /// How long stopping waits for answers.
    pub(super) drain: Duration,
}

/// Why a line is not open.
#[derive(Debug)]
enum End {
    /// It never was.
    Closed(Trouble),
    /// It was; messages went well over it or not.
    Opened { trouble: Option<Trouble>, went_well: bool },
}

/// Holds the line until `stop`.
pub(super) async fn hold(line: Line, stop: CancellationToken) {
    let span = info_span!("line", upstream = %line.standing.peer.id);
    hold_in_span(&line, &stop).instrument(span).await;
}

async fn hold_in_span(line: &Line, stop: &CancellationToken) {
    let peer = &line.standing.peer;
    if peer.tls.insecure {
        warn!(
            "INSECURE: the vendor's certificate is not checked; anybody between us and it can read and forge all messages"
        );
    }
    let seed = seed();
    let (mut attempt, mut is_probing) = (0_u32, false);
    loop {
        let end = Box::pin(session(line, is_probing, stop)).await;
        if stop.is_cancelled() {
            return;
        }
        let trouble = match end {
            End::Closed(trouble) => trouble,
            End::Opened { trouble, went_well } => {
                if went_well {
                    attempt = 0;
                }
                is_probing = true;
                trouble.unwrap_or(Trouble::Down)
            }
        };
        let (first, cap) = match trouble {
            // Hammering a refused password would get us banned.
            Trouble::Denied(_) => (peer.refused_min, peer.refused_min.saturating_mul(10)),
            Trouble::Away(_) | Trouble::Odd(_) | Trouble::Throttled | Trouble::Down => {
                (peer.reconnect_min, peer.reconnect_max)
            }
        };
        let backoff = Backoff { first_ms: millis(first), cap_ms: millis(cap) };
        let delay = Duration::from_millis(backoff.delay_ms(attempt, seed));
        attempt = attempt.saturating_add(1);
        warn!(%trouble, ?delay, "no line to the vendor's API: trying again");
        line.standing.forget_token().await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

/// One try: gets a token, opens the line, and runs it to its end.
async fn session(line: &Line, is_probing: bool, stop: &CancellationToken) -> End {
    let Some(upstream) = line.engine.upstream(&line.standing.peer.id) else {
        return End::Closed(Trouble::Odd("the engine does not know the upstream yet".into()));
    };
    let api = match Api::new(Arc::clone(&line.standing)) {
        Ok(api) => Arc::new(api),
        Err(error) => return End::Closed(Trouble::Away(error.to_string())),
    };
    let signed_in = tokio::select! {
        () = stop.cancelled() => return End::Closed(Trouble::Down),
        signed_in = api.sign_in() => signed_in,
    };
    if let Err(trouble) = signed_in {
        return End::Closed(trouble);
    }
    let mut open = Open::new(line, Arc::clone(&api), upstream, is_probing).await;
    open.run(stop).await;
    End::Opened { trouble: open.trouble.take(), went_well: open.went_well }
}

/// An open line.
struct Open<'a> {
    line: &'a Line,
    api: Arc<Api>,
    upstream: UpstreamNo,
    link: LinkId,
    mailbox: Arc<Mailbox>,
    sends: JoinSet<(Ticket, Sent)>,
    inquiries: mpsc::Sender<(MessageId, Box<[u8]>)>,
    /// Ends with the line.
    _inquirer: AbortOnDrop,
    /// Only one message at a time, until one has gone well.
    is_probing: bool,
    went_well: bool,
    failures: u32,
    trouble: Option<Trouble>,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.line.engine.close_link(self.link);
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<'a> Open<'a> {
    async fn new(line: &'a Line, api: Arc<Api>, upstream: UpstreamNo, is_probing: bool) -> Self {
        let (link, mailbox) = line.engine.open_link();
        let (inquiries, asked) = mpsc::channel(INQUIRIES_MAX);
        let inquirer = inquire(Arc::clone(&api), Arc::clone(&line.standing), line.inbox.clone(), asked);
        let open = Self {
            line,
            api,
            upstream,
            link,
            mailbox,
            sends: JoinSet::new(),
            inquiries,
            _inquirer: AbortOnDrop(tokio::spawn(inquirer.in_current_span())),
            is_probing,
            went_well: false,
            failures: 0,
            trouble: None,
        };
        let window = if is_probing { 1 } else { line.standing.peer.window };
        open.tell_window(window).await;
        info!(window, "the line to the vendor's API is open");
        open
    }

    /// An engine that has stopped hears nothing; then we are about to be stopped too.
    async fn tell_window(&self, window: u32) {
        let input = Input::UpstreamBound { link: self.link, upstream: self.upstream, window };
        let _ = self.line.engine.send(input).await;
    }

    async fn run(&mut self, stop: &CancellationToken) {
        let mut effects = Vec::new();
        while self.trouble.is_none() {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.mailbox.ready() => self.take(&mut effects),
                Some(done) = self.sends.join_next() => self.answered(done).await,
            }
        }
        let ended = tokio::time::timeout(self.patience(stop), self.close(&mut effects)).await;
        if ended.is_err() {
            info!(messages = self.sends.len(), "the line is closed before they were answered");
        }
    }

    /// Sends in trouble end by themselves, each within its time.
    fn patience(&self, stop: &CancellationToken) -> Duration {
        let peer = &self.line.standing.peer;
        if stop.is_cancelled() { self.line.drain } else { peer.response + self.line.drain }
    }

    /// Nothing new: what the engine had dispatched by now is given back, what is under way is waited for.
    async fn close(&mut self, effects: &mut Vec<Effect>) {
        self.api.down.cancel();
        self.tell_window(0).await;
        // Two answers to a question that changes nothing: by the second one everything is in the mailbox that was decided
        // before the window closed. What stayed there would count as sent.
        for _ in 0..2 {
            let _ = self.line.engine.cancel(ServiceNo(0), MessageId([0; 12])).await;
        }
        self.take(effects);
        while let Some(done) = self.sends.join_next().await {
            self.answered(done).await;
            self.take(effects);
        }
    }

    fn take(&mut self, effects: &mut Vec<Effect>) {
        self.mailbox.take(effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Dispatch(dispatch) => self.dispatch(*dispatch),
                Effect::Inquire { id, upstream_id } => {
                    if self.inquiries.try_send((id, upstream_id)).is_err() {
                        self.line.standing.metrics.inquiries_dropped.increment(1);
                    }
                }
                // The upstream is gone from the configuration, or has changed: `stop` comes with it.
                Effect::Unbind => debug!("the engine wants no more of this line"),
                // Meant for others.
                _ => debug_assert!(false, "meant for another kind of link"),
            }
        }
    }

    fn dispatch(&mut self, dispatch: Dispatch) {
        let (api, ticket) = (Arc::clone(&self.api), dispatch.ticket);
        let request = convert::request(&dispatch, self.line.standing.clock.utc_ms());
        let send = async move {
            match request {
                Some(request) => (ticket, api.send(&request).await),
                None => {
                    debug!(message = %ticket.id, "no text: the vendor carries nothing else");
                    (ticket, Sent::Refused(CommandStatus::ESME_RSUBMITFAIL))
                }
            }
        };
        self.sends.spawn(send.in_current_span());
    }

    /// Tells the engine what became of this send and of all others that have ended by now.
    async fn answered(&mut self, first: Result<(Ticket, Sent), tokio::task::JoinError>) {
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(done) = next {
            // A task that panicked leaves its message to the end of the line, as one whose outcome nobody knows.
            if let Ok((ticket, sent)) = done {
                answers.push(Answer { ticket, outcome: self.outcome(ticket, sent) });
            }
            next = self.sends.try_join_next();
        }
        if !answers.is_empty() {
            let _ = self.line.engine.send(Input::Answers { link: self.link, answers }).await;
        }
        if self.is_probing && self.went_well && self.trouble.is_none() {
            self.is_probing = false;
            self.tell_window(self.line.standing.peer.window).await;
        }
    }

    fn outcome(&mut self, ticket: Ticket, sent: Sent) -> Outcome {
        let (outcome, trouble) = match sent {
            Sent::Taken(id) => (Outcome::Taken(id), None),
            Sent::Refused(status) => (Outcome::Refused(status), None),
            Sent::Throttled => (Outcome::Refused(CommandStatus::ESME_RTHROTTLED), None),
            Sent::Not(Trouble::Down) => return Outcome::Refused(CommandStatus::ESME_RX_T_APPN),
            Sent::Not(trouble) => (Outcome::Refused(CommandStatus::ESME_RX_T_APPN), Some(trouble)),
            Sent::Unknown(trouble) => {
                warn!(message = %ticket.id, %trouble, "it may have been sent: it is not sent again");
                (Outcome::Unknown, Some(trouble))
            }
        };
        match trouble {
            None => (self.failures, self.went_well) = (0, true),
            Some(trouble) => {
                self.failures += 1;
                debug!(message = %ticket.id, %trouble, failures = self.failures, "not sent");
                // One more failure of a line that has yet to prove itself is enough.
                let most = if self.is_probing { 1 } else { FAILURES_MAX };
                if self.failures >= most && self.trouble.is_none() {
                    self.trouble = Some(trouble);
                }
            }
        }
        outcome
    }
}

/// Reads statuses one after the other, as the budget lets it, and hands over what they say.
async fn inquire(
    api: Arc<Api>,
    standing: Arc<Standing>,
    inbox: Inbox,
    mut asked: mpsc::Receiver<(MessageId, Box<[u8]>)>,
) {
    let mut known = HashSet::new();
    let mut waiting = Vec::new();
    while asked.recv_many(&mut waiting, INQUIRIES_MAX).await > 0 {
        known.clear();
        for (id, upstream_id) in waiting.drain(..) {
            if !known.insert(id) {
                continue;
            }
            match api.read(&upstream_id).await {
                Ok(Some(answer)) => {
                    let said = convert::standing(id, &upstream_id, &answer, &standing.peer.states);
                    if !inbox.hand_over(said.map(|arrived| (arrived, None)).into_iter().collect()).await {
                        debug!(message = %id, "what its status says could not be stored");
                    }
                }
                Ok(None) => debug!(message = %id, "the vendor does not know it any more"),
                Err(trouble) => debug!(message = %id, %trouble, "its status could not be read"),
            }
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn seed() -> u64 {
    let mut octets = [0; 8];
    // Without chance all lines come back at the same times: a pity, no more.
    let _ = rand::fill(&mut octets);
    u64::from_le_bytes(octets)
}
