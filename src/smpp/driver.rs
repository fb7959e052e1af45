//! One task per session: joins a [`Session`] to the engine.
//!
//! It decides nothing. It reads, hands whole PDUs to the session and what they mean to a [`Side`], hands inputs to the engine,
//! takes effects out of the mailbox, writes, and sleeps. All PDUs of one read become one input of a kind, all effects of one
//! wake-up one write. Reading goes on while a write waits, up to [`OUT_MAX`]; a peer that takes nothing for the configured
//! time is cut. While the engine's queue is full the session goes on: what it lets through gathers, bounded by its windows.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio_util::sync::{CancellationToken, ReusableBoxFuture};

use super::metrics::{Metrics, PduCounts};
use super::stream::{ReadBuffer, Stream};
use crate::clock::Clock;
use crate::engine::{Engine, Mailbox};
use crate::gateway::port::{Effect, Input};
use crate::session::{Elapsed, Event, Session};

/// Octets that may wait to be written before the peer is not read any more.
const OUT_MAX: usize = 1024 * 1024;

/// What an output buffer may keep while nothing is to be written.
const OUT_KEPT: usize = 64 * 1024;

/// How long the last octets of a session, and then its peer's end of the connection, are waited for.
const LINGER: Duration = Duration::from_secs(1);

/// What the two kinds of session do differently.
pub(super) trait Side: Send {
    /// Comes back with the answer to a request.
    type Token: Copy + Send + std::fmt::Debug;

    fn metrics(&self) -> &Metrics;

    /// What a PDU of the peer means.
    fn handle_event(&mut self, event: Event<'_, Self::Token>, desk: &mut Desk<'_, Self::Token>) -> Flow;

    /// What the engine wants done.
    fn handle_effect(&mut self, effect: Effect, desk: &mut Desk<'_, Self::Token>);

    /// A request got no answer in time.
    fn handle_expired(&mut self, token: Self::Token);

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    fn next_timeout(&self) -> Option<Instant>;

    fn handle_timeout(&mut self, desk: &mut Desk<'_, Self::Token>);

    /// What has gathered for the engine, one kind at a time.
    fn next_input(&mut self) -> Option<Input>;

    /// Whether [`next_input`](Self::next_input) has something.
    fn has_input(&self) -> bool;

    /// Nothing new is to begin.
    fn begin_stop(&mut self);
}

/// What a [`Side`] works with.
pub(super) struct Desk<'a, T> {
    pub(super) session: &'a mut Session<T>,
    pub(super) out: &'a mut BytesMut,
    pub(super) now: Instant,
}

/// What becomes of the session after an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flow {
    GoOn,
    /// A bind stands from now on: the caller opens a link.
    Bound,
}

/// Why [`drive`] returns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Exit {
    /// A bind stands; call again with the link's mailbox.
    Bound,
    /// The session is over.
    Closed,
}

/// One session and its connection.
pub(super) struct Connection<D: Side> {
    pub(super) session: Session<D::Token>,
    pub(super) side: D,
    stream: Stream,
    unread: ReadBuffer,
    out: BytesMut,
    /// TLS may hold octets back that were written.
    is_flushed: bool,
    /// Since when the peer takes nothing.
    stalled: Option<Instant>,
    write_stall: Duration,
    /// Requests of the peer that may wait for their answer.
    window: usize,
    engine: Engine,
    sending: ReusableBoxFuture<'static, bool>,
    is_sending: bool,
    /// When stopping: until when answers are waited for.
    stop_by: Option<Instant>,
    drain: Duration,
    has_ended: bool,
    clock: Arc<Clock>,
    counts: PduCounts,
    /// Our requests without an answer, as last told to the gauge.
    outstanding: usize,
}

/// What a [`Connection`] is made with.
pub(super) struct Limits {
    pub(super) pdu_octets_max: usize,
    pub(super) window: usize,
    pub(super) write_stall: Duration,
    pub(super) drain: Duration,
}

/// What has woken a session.
#[derive(Clone, Copy, Debug, Default)]
struct Wake {
    stop: bool,
    timer: bool,
    octets: bool,
}

impl Wake {
    fn is_awake(self) -> bool {
        self.stop || self.timer || self.octets
    }
}

impl<D: Side> Connection<D> {
    pub(super) fn new(
        stream: Stream,
        session: Session<D::Token>,
        side: D,
        engine: Engine,
        clock: Arc<Clock>,
        limits: &Limits,
    ) -> Self {
        Self {
            session,
            side,
            stream,
            unread: ReadBuffer::new(limits.pdu_octets_max),
            out: BytesMut::new(),
            is_flushed: true,
            stalled: None,
            write_stall: limits.write_stall,
            window: limits.window.max(1),
            engine,
            sending: ReusableBoxFuture::new(std::future::ready(true)),
            is_sending: false,
            stop_by: None,
            drain: limits.drain,
            has_ended: false,
            clock,
            counts: PduCounts::default(),
            outstanding: 0,
        }
    }

    /// The session, and where its output goes.
    pub(super) fn desk(&mut self) -> Desk<'_, D::Token> {
        Desk { session: &mut self.session, out: &mut self.out, now: self.clock.instant() }
    }

    /// Runs the session until it is bound, or over.
    pub(super) async fn drive(&mut self, mailbox: &Mailbox, stop: &CancellationToken) -> Exit {
        let mut ready = pin!(mailbox.ready());
        let mut stopped = pin!(stop.cancelled());
        let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
        let mut armed: Option<Instant> = None;
        let mut effects = Vec::new();
        let mut has_mail = true;
        loop {
            let now = self.clock.instant();
            if has_mail {
                mailbox.take(&mut effects);
            }
            if let Some(exit) = self.step(&mut effects, now) {
                return exit;
            }
            let next = self.next_timeout(now);
            // An earlier alarm than needed does no harm, and is cheaper than a new one per PDU.
            if armed.is_none_or(|armed| next < armed) {
                sleep.as_mut().reset(next.into());
                armed = Some(next);
            }
            has_mail = false;
            let mut wake = Wake { stop: self.stop_by.is_some(), ..Wake::default() };
            let result = std::future::poll_fn(|cx| {
                let was_stopped = wake.stop;
                if !was_stopped {
                    wake.stop = stopped.as_mut().poll(cx).is_ready();
                }
                if ready.as_mut().poll(cx).is_ready() {
                    ready.set(mailbox.ready());
                    has_mail = true;
                }
                wake.timer = sleep.as_mut().poll(cx).is_ready();
                match self.poll_all(cx) {
                    Ok(octets) => wake.octets = octets,
                    Err(error) => return Poll::Ready(Err(error)),
                }
                let woken = Wake { stop: wake.stop && !was_stopped, ..wake };
                if has_mail || woken.is_awake() { Poll::Ready(Ok(())) } else { Poll::Pending }
            })
            .await;
            if let Err(error) = result {
                tracing::debug!(%error, "the connection is gone");
                self.has_ended = true;
            }
            if wake.timer {
                armed = None;
                self.unread.rest();
                if self.out.is_empty() && self.out.capacity() > OUT_KEPT {
                    self.out = BytesMut::new();
                }
            }
            if wake.stop && self.stop_by.is_none() {
                self.stop_by = Some(self.clock.instant() + self.drain);
                self.side.begin_stop();
            }
        }
    }

    /// Everything that can be done without waiting.
    fn step(&mut self, effects: &mut Vec<Effect>, now: Instant) -> Option<Exit> {
        let before = self.out.len();
        let mut desk = Desk { session: &mut self.session, out: &mut self.out, now };
        while let Some(elapsed) = desk.session.handle_timeout(now, desk.out) {
            if let Elapsed::Expired(token) = elapsed {
                self.side.metrics().expired.increment(1);
                self.side.handle_expired(token);
            }
        }
        self.side.handle_timeout(&mut desk);
        for effect in effects.drain(..) {
            self.side.handle_effect(effect, &mut desk);
        }
        let flow = self.take_pdus(now);
        if self.stop_by.is_some() {
            self.unbind_when_drained(now);
        }
        if self.has_ended && flow == Flow::GoOn {
            self.session.cut();
        }
        if self.stalled.is_some_and(|since| since + self.write_stall <= now) {
            self.side.metrics().write_stalls.increment(1);
            tracing::warn!(stall = ?self.write_stall, "the peer takes nothing: cut");
            self.session.cut();
        }
        self.counts.sent(self.out.get(before..).unwrap_or_default());
        self.counts.flush(self.side.metrics());
        self.tell_window();
        match (self.session.close_reason(), flow) {
            (Some(_), _) => Some(Exit::Closed),
            (None, Flow::Bound) => Some(Exit::Bound),
            (None, Flow::GoOn) => None,
        }
    }

    fn take_pdus(&mut self, now: Instant) -> Flow {
        // After the peer's end nothing more comes, so the windows need not hold back what has come.
        while self.has_ended || self.may_take() {
            let unread = self.unread.unread();
            let Some((octets, event)) = self.session.handle_octets(unread, now, &mut self.out) else { break };
            self.counts.received(unread.get(..octets).unwrap_or_default());
            let mut desk = Desk { session: &mut self.session, out: &mut self.out, now };
            let flow = self.side.handle_event(event, &mut desk);
            self.unread.take(octets);
            if flow == Flow::Bound {
                return flow;
            }
        }
        Flow::GoOn
    }

    fn may_take(&self) -> bool {
        self.session.unanswered() < self.window && self.out.len() <= OUT_MAX
    }

    fn unbind_when_drained(&mut self, now: Instant) {
        if !self.session.state().is_bound() {
            if matches!(self.session.state(), crate::session::State::Open | crate::session::State::Binding) {
                self.session.cut();
            }
            return;
        }
        let is_drained = self.session.unanswered() == 0
            && self.session.outstanding() == 0
            && !self.is_sending
            && !self.side.has_input();
        if is_drained || self.stop_by.is_some_and(|by| by <= now) {
            // Bound, so it can be unbound.
            let _ = self.session.unbind(now, &mut self.out);
        }
    }

    fn next_timeout(&self, now: Instant) -> Instant {
        /// An alarm for sessions without timers.
        const HOUR: Duration = Duration::from_secs(3_600);
        let draining = self.stop_by.filter(|_| self.session.state().is_bound());
        [
            self.session.next_timeout(),
            self.side.next_timeout(),
            self.stalled.map(|since| since + self.write_stall),
            draining,
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(now + HOUR)
    }

    fn tell_window(&mut self) {
        let outstanding = self.session.outstanding();
        let gauge = &self.side.metrics().window;
        match outstanding.checked_sub(self.outstanding) {
            Some(0) => {}
            Some(more) => gauge.increment(more as f64),
            None => gauge.decrement((self.outstanding - outstanding) as f64),
        }
        self.outstanding = outstanding;
    }

    /// Hands over, writes and reads. `true`: there is something for [`step`](Self::step).
    fn poll_all(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        self.poll_engine(cx)?;
        let was_full = self.out.len() > OUT_MAX;
        if let Err(error) = self.poll_write(cx) {
            // What the peer said before it went still counts: its last answers.
            self.out.clear();
            self.is_flushed = true;
            return match self.unread.poll_fill(cx, &mut self.stream) {
                Poll::Ready(Ok(octets)) if octets > 0 => Ok(true),
                Poll::Ready(_) | Poll::Pending => Err(error),
            };
        }
        let has_room_again = was_full && self.out.len() <= OUT_MAX;
        if self.has_ended || !self.may_take() {
            return Ok(has_room_again);
        }
        match self.unread.poll_fill(cx, &mut self.stream) {
            Poll::Ready(octets) => {
                self.has_ended = octets? == 0;
                Ok(true)
            }
            Poll::Pending => Ok(has_room_again),
        }
    }

    fn poll_engine(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            if self.is_sending {
                match self.sending.poll(cx) {
                    Poll::Ready(true) => self.is_sending = false,
                    Poll::Ready(false) => {
                        self.is_sending = false;
                        return Err(io::Error::other("the engine has stopped"));
                    }
                    Poll::Pending => return Ok(()),
                }
            }
            let Some(input) = self.side.next_input() else { return Ok(()) };
            let engine = self.engine.clone();
            self.sending.set(async move { engine.send(input).await.is_ok() });
            self.is_sending = true;
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.poll_write(cx, &self.out) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(octets)) => {
                    self.out.advance(octets);
                    self.stalled = None;
                    self.is_flushed = false;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    self.stall();
                    return Ok(());
                }
            }
        }
        if !self.is_flushed {
            match self.stream.poll_flush(cx) {
                Poll::Ready(flushed) => {
                    flushed?;
                    self.is_flushed = true;
                    self.stalled = None;
                }
                Poll::Pending => self.stall(),
            }
        }
        Ok(())
    }

    fn stall(&mut self) {
        if self.stalled.is_none() {
            self.stalled = Some(self.clock.instant());
        }
    }

    /// After the end: hands over what has gathered for the engine, and counts what was lost.
    pub(super) async fn settle(&mut self) {
        let mut lost = 0_u32;
        while self.session.poll_lost().is_some() {
            lost += 1;
        }
        if lost > 0 {
            tracing::info!(requests = lost, "the session ended before they were answered");
        }
        self.tell_window();
        // A closed engine refuses all of them; nobody is left to tell.
        let _ = std::future::poll_fn(|cx| match self.poll_engine(cx) {
            Ok(()) if self.is_sending => Poll::Pending,
            done => Poll::Ready(done),
        })
        .await;
    }

    /// Writes what is left, says goodbye, and reads to the peer's end for a moment: closing with octets unread would take
    /// back what was just written.
    pub(super) async fn close(mut self) {
        let goodbye = std::future::poll_fn(|cx| {
            if self.has_ended || self.poll_write(cx).is_err() {
                return Poll::Ready(());
            }
            if !self.out.is_empty() || !self.is_flushed {
                return Poll::Pending;
            }
            self.stream.poll_shutdown(cx).map(|_| ())
        });
        if tokio::time::timeout(LINGER, goodbye).await.is_err() {
            return;
        }
        let octets = self.unread.unread().len();
        self.unread.take(octets);
        let rest = std::future::poll_fn(|cx| {
            loop {
                match self.unread.poll_fill(cx, &mut self.stream) {
                    Poll::Ready(Ok(octets)) if octets > 0 => self.unread.take(octets),
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        if !self.has_ended {
            // A peer that goes on talking is cut.
            let _ = tokio::time::timeout(LINGER, rest).await;
        }
    }
}
