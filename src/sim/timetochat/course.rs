//! The course of things: states, reports, messages of mobiles.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::conduct::{ODD_STATE, Reply};
use super::letters;
use super::push::{Batch, Item};
use super::store::{Sent, Via};
use super::switches::{Answered, Channels, Switches};
use super::world::{Inner, World};
use crate::vendor::timetochat::{Part, State, Step, number};

/// Something that is going to happen.
#[derive(Debug)]
pub(super) enum Task {
    /// A message comes to a state; because its validity is over, unless it has an end already.
    Step { id: String, state: State, has_expired: bool },
    /// A mobile's message arrives.
    Incoming { mobile: String, number: String, text: String },
    /// A report is due.
    Push(Item),
    /// What waits for others has waited long enough.
    Flush,
    /// A push that failed.
    Again(Batch),
}

impl World {
    /// Lets things happen until stopped.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        loop {
            let again = self.happen(self.clock.instant());
            let sleep = async {
                match again {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => {}
                () = sleep => {}
            }
        }
    }

    /// Does what is due; when to look again.
    fn happen(&self, now: Instant) -> Option<Instant> {
        let inner = &mut *self.inner();
        loop {
            let task = match inner.agenda.next(now) {
                Ok(task) => task,
                Err(again) => return again,
            };
            match task {
                Task::Step { id, state, has_expired } => self.step(inner, now, &id, &state, has_expired),
                Task::Incoming { mobile, number, text } => self.arrive(inner, now, &mobile, &number, &text),
                Task::Push(item) => {
                    if inner.switches.push_group <= 1 {
                        self.pushing.enqueue(Batch { items: vec![item], raw: Vec::new(), tries: 0 });
                        continue;
                    }
                    inner.group.push(item);
                    if inner.group.len() >= inner.switches.push_group {
                        self.flush(inner);
                    } else if inner.group.len() == 1 {
                        let wait = Duration::from_millis(inner.switches.push_group_ms);
                        inner.add(now + wait, Task::Flush);
                    }
                }
                Task::Flush => self.flush(inner),
                Task::Again(batch) => self.pushing.enqueue(batch),
            }
        }
    }

    fn flush(&self, inner: &mut Inner) {
        let items = std::mem::take(&mut inner.group);
        if !items.is_empty() {
            self.pushing.enqueue(Batch { items, raw: Vec::new(), tries: 0 });
        }
    }

    /// A message comes to a state.
    fn step(&self, inner: &mut Inner, now: Instant, id: &str, state: &State, has_expired: bool) {
        let utc_ms = self.clock.utc_ms();
        let Some(sent) = inner.store.find_mut(id) else { return };
        if has_expired && sent.is_over() {
            return;
        }
        let entries = sent.entries(state);
        sent.history.extend(entries.iter().map(|(part, state)| Step {
            part: *part,
            date_ms: Some(utc_ms),
            state: state.clone(),
        }));
        let whole_list: Vec<(u64, State)> = sent
            .history
            .iter()
            .filter(|step| step.state != State::New)
            .map(|step| (step.date_ms.unwrap_or_default(), step.state.clone()))
            .collect();
        let tag = self.config.reference_tag;
        let wants_receipt = state.is_final() || inner.switches.receipt_enroute;
        let receipts: Vec<_> = entries
            .iter()
            .filter(|_| wants_receipt)
            .map(|(part, state)| letters::receipt(sent, (*part, state), has_expired, utc_ms, tag))
            .collect();
        // A part that failed makes the whole fail.
        let whole = entries.iter().map(|(_, state)| state).find(|own| *own != state).unwrap_or(state);
        let told: Vec<(Option<Part>, State)> =
            if inner.switches.push_parts { entries.clone() } else { vec![(None, whole.clone())] };
        let items: Vec<Item> = told
            .into_iter()
            .map(|(part, state)| Item {
                to: plus(&sent.to),
                from: national(&sent.from),
                date_ms: utc_ms,
                call_id: sent.id.clone(),
                reference: sent.ext_ref(),
                state,
                info: None,
                part,
                before: if inner.switches.push_whole_list { whole_list.clone() } else { Vec::new() },
            })
            .collect();
        let conduct = &sent.conduct;
        let (is_silent, is_doubled, is_reversed) = (conduct.silent, conduct.double, conduct.reversed);
        let replies = if *whole == State::Received { conduct.replies.clone() } else { Vec::new() };
        let (via, mobile, number, text) = (sent.via, plus(&sent.to), sent.from.clone(), sent.text.clone());

        let extra = if is_reversed && !state.is_final() {
            // Until well after the end.
            inner.switches.received_ms.saturating_sub(inner.switches.sent_ms) + REVERSED_MS
        } else {
            0
        };
        let (by_push, by_smpp) = match (inner.switches.reports, via) {
            (Channels::Both, _) => (true, true),
            (Channels::Push, _) | (Channels::Same, Via::Rest) => (true, false),
            (Channels::Smpp, _) | (Channels::Same, Via::Smpp) => (false, true),
        };
        if !is_silent {
            for item in items.into_iter().filter(|_| by_push) {
                inner.report(now, extra, is_doubled, |inner, at| inner.add(at, Task::Push(item.clone())));
            }
            for letter in receipts.into_iter().filter(|_| by_smpp) {
                inner.report(now, extra, is_doubled, |_, at| self.post.post(at, [letter.clone()]));
            }
        }
        let replies = if inner.switches.reply && *whole == State::Received && replies.is_empty() {
            vec![Reply::Echo]
        } else {
            replies
        };
        for (nth, reply) in (0u64..).zip(replies) {
            // The second of two comes within the same second, as a repetition would.
            let wait = inner.switches.reply_ms.saturating_add(nth * 100);
            let incoming =
                Task::Incoming { mobile: mobile.clone(), number: number.clone(), text: reply.to(&text) };
            inner.add(now + Duration::from_millis(wait), incoming);
        }
    }

    /// A mobile's message arrives.
    fn arrive(&self, inner: &mut Inner, now: Instant, mobile: &str, number: &str, text: &str) {
        let utc_ms = self.clock.utc_ms();
        inner.counters.incoming += 1;
        let since = utc_ms.saturating_sub(inner.switches.answered_days.saturating_mul(86_400_000));
        let answers = inner.store.last_to(mobile, since).map(|sent| (sent.id.clone(), sent.ext_ref()));
        let item = |state: State, call: Option<(String, Option<String>)>| {
            let (call_id, reference) = call.unwrap_or_default();
            let (to, from, info) = (plus(mobile), national(number), Some(text.to_owned()));
            Item {
                to,
                from,
                date_ms: utc_ms,
                call_id,
                reference,
                state,
                info,
                part: None,
                before: Vec::new(),
            }
        };
        let incoming = || item(State::Incoming, None);
        let items = match (answers, inner.switches.answered) {
            (None, _) | (Some(_), Answered::Incoming) => vec![incoming()],
            (answers, Answered::Answered) => vec![item(State::Answered, answers)],
            (answers, Answered::Both) => vec![item(State::Answered, answers), incoming()],
            (answers, Answered::BothReversed) => vec![incoming(), item(State::Answered, answers)],
        };
        let (by_push, by_smpp) = match (inner.switches.incoming, &inner.switches.push_url) {
            (Channels::Both, _) => (true, true),
            (Channels::Push, _) | (Channels::Same, Some(_)) => (true, false),
            (Channels::Smpp, _) | (Channels::Same, None) => (false, true),
        };
        for item in items.into_iter().filter(|_| by_push) {
            inner.report(now, 0, false, |inner, at| inner.add(at, Task::Push(item.clone())));
        }
        if by_smpp {
            inner.long_incoming = inner.long_incoming.wrapping_add(1);
            let (long, nth) = (inner.switches.incoming_long, inner.long_incoming);
            let letters = letters::incoming(&plus(mobile), number, text, long, nth);
            inner.report(now, 0, false, |_, at| self.post.post(at, letters.clone()));
        }
    }
}

impl Inner {
    pub(super) fn add(&mut self, at: Instant, task: Task) {
        self.agenda.add(at, task);
    }

    /// Writes down what is going to happen to a message. `validity` in milliseconds from now.
    pub(super) fn plan(&mut self, sent: &Sent, now: Instant, validity: Option<u64>) {
        let conduct = &sent.conduct;
        let (sent_ms, end_ms) = (self.switches.sent_ms, self.switches.received_ms.max(self.switches.sent_ms));
        let mut moves = Vec::new();
        if conduct.sent {
            moves.push((sent_ms, State::Sent));
        }
        if conduct.odd {
            moves.push((sent_ms.midpoint(end_ms), State::Other(ODD_STATE.into())));
        }
        moves.extend(conduct.end.clone().map(|end| (end_ms, end)));
        for (after, state) in moves {
            if validity.is_none_or(|validity| after < validity) {
                let step = Task::Step { id: sent.id.clone(), state, has_expired: false };
                self.add(now + Duration::from_millis(after), step);
            }
        }
        if let Some(after) = validity.filter(|after| *after < VALIDITY_MS_MAX) {
            let step = Task::Step { id: sent.id.clone(), state: State::Error, has_expired: true };
            self.add(now + Duration::from_millis(after), step);
        }
    }

    /// Has something told: when, how often, if at all.
    fn report(
        &mut self,
        now: Instant,
        extra_ms: u64,
        is_doubled: bool,
        mut tell: impl FnMut(&mut Self, Instant),
    ) {
        let Switches {
            report_lost,
            report_double,
            report_late,
            report_delay_ms,
            report_jitter_ms,
            late_ms,
            ..
        } = self.switches;
        self.counters.reports += 1;
        if self.dice.falls("report_lost", report_lost) {
            self.counters.reports_lost += 1;
            return;
        }
        let mut wait = report_delay_ms.saturating_add(extra_ms);
        wait = wait.saturating_add(self.dice.below(report_jitter_ms.saturating_add(1)));
        if self.dice.falls("report_late", report_late) {
            self.counters.reports_late += 1;
            wait = wait.saturating_add(late_ms);
        }
        let at = now + Duration::from_millis(wait.min(VALIDITY_MS_MAX));
        tell(self, at);
        if self.dice.falls("report_double", report_double) || is_doubled {
            self.counters.reports_doubled += 1;
            tell(self, at + DOUBLE_AFTER);
        }
    }
}

/// `+33…`, as pushes write a mobile.
fn plus(written: &str) -> String {
    number::international(written).map_or_else(|| written.to_owned(), |digits| format!("+{digits}"))
}

/// `093…`, as pushes write the service's number.
fn national(written: &str) -> String {
    let digits = number::international(written);
    digits.and_then(|digits| number::national(&digits)).unwrap_or_else(|| written.to_owned())
}

/// The second of two reports comes this much later.
const DOUBLE_AFTER: Duration = Duration::from_millis(50);

/// A `SENT` that is to come after the end comes this much after it.
const REVERSED_MS: u64 = 300;

/// A validity beyond it is never seen to end; a week.
const VALIDITY_MS_MAX: u64 = 7 * 86_400_000;
