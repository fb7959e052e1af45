//! What the clock does: validity, receipts that never come, upstreams that stay away, old parts and old receipts.

use super::cold::{Lost, QueueKey};
use super::id::{MessageId, UpstreamNo};
use super::message::{End, Reason, Stage};
use super::queue::{Front, PAGE};
use super::record::Record;
use super::{Gateway, Now, Turn};

/// How far ahead deadlines are held in memory. Longer than between two checkpoints, so that every later deadline has its
/// row before it is looked for.
const AHEAD_MS: u64 = 120_000;

/// Deadlines, deliveries and messages dealt with at one look, so that a flood of them does not hold up the rest.
const AT_ONCE: usize = 1_000;

/// Messages of one queue that are moved to another upstream at one look.
const MOVED_AT_ONCE: usize = 64;

/// Messages of one queue that have to stay where they are and past which others are looked for.
const STAYING_AT_ONCE: usize = 32;

/// What became of a waiting message whose upstream stays away.
enum Moved {
    /// It waits elsewhere now, or not at all.
    Gone,
    /// There is nowhere else for it now.
    Stays,
    /// Some of its parts have gone: it stays, and those behind it with it.
    Begun,
}

impl Gateway {
    /// Looks at everything that only time changes.
    pub(super) fn look_around(&mut self, turn: &mut Turn<'_>) -> Result<(), Lost> {
        if turn.now.utc_ms + AHEAD_MS / 2 > self.deadlines_upto {
            self.extend_deadlines(turn.now)?;
        }
        for _ in 0..AT_ONCE {
            match self.deadlines.first() {
                Some(&(due, id)) if due <= turn.now.utc_ms => {
                    self.deadlines.pop_first();
                    self.deadline(id, turn)?;
                }
                _ => break,
            }
        }
        self.close_sets(turn)?;
        self.drop_unmatched(turn)?;
        self.bury_old_deliveries(turn)?;
        self.fail_over(turn)
    }

    /// Takes the deadlines of the next two minutes into memory.
    pub(super) fn extend_deadlines(&mut self, now: Now) -> Result<(), Lost> {
        let until = now.utc_ms + AHEAD_MS;
        let mut from = (0, MessageId([0; 12]));
        loop {
            let rows = self.state.cold().deadlines(from, until, PAGE)?;
            let whole = rows.len() < PAGE;
            if let Some(&(at, id)) = rows.last() {
                let mut next = id.0;
                // The key after the last one read.
                for octet in next.iter_mut().rev() {
                    let (value, carry) = octet.overflowing_add(1);
                    *octet = value;
                    if !carry {
                        break;
                    }
                }
                from = (at, MessageId(next));
            }
            self.deadlines.extend(rows);
            if whole {
                break;
            }
        }
        self.deadlines.extend(self.state.live_deadlines(until));
        self.deadlines_upto = until;
        Ok(())
    }

    fn deadline(&mut self, id: MessageId, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let at_ms = turn.now.utc_ms;
        let Some(m) = self.state.message(id)? else { return Ok(()) };
        let (stage, due, unsure) = (m.stage, m.deadline_ms(), m.ties.unsure_until_ms != 0);
        drop(m);
        match due {
            None => Ok(()),
            Some(due) if due > at_ms => {
                if due <= self.deadlines_upto {
                    self.deadlines.insert((due, id));
                }
                Ok(())
            }
            Some(_) => match stage {
                Stage::Waiting => self
                    .commit(turn, Record::Ended { id, at_ms, end: End::Expired, reason: Reason::Validity }),
                Stage::Sent => {
                    let reason = if unsure { Reason::NoReport } else { Reason::NoReceipt };
                    self.commit(turn, Record::Ended { id, at_ms, end: End::Unknown, reason })
                }
                // Its answer, or the response timer, decides; then it is looked at again.
                Stage::Dispatched => {
                    self.deadlines.insert((at_ms + 1_000, id));
                    Ok(())
                }
                Stage::Ended(_) => Ok(()),
            },
        }
    }

    /// Waiting messages of an upstream that stays away go to the next of their route that has a session.
    fn fail_over(&mut self, turn: &mut Turn<'_>) -> Result<(), Lost> {
        for no in 0..self.outbounds.len() {
            let no = UpstreamNo(u16::try_from(no).unwrap_or(u16::MAX));
            let patience = self.upstream(no).map_or(0, |u| u.failover_after_ms);
            let out = self.outbound(no);
            if out.is_up() || out.is_empty() || out.down_for_ms(turn.now) < patience {
                continue;
            }
            for key in self.outbound(no).filled(no) {
                self.fail_over_queue(key, turn)?;
            }
        }
        Ok(())
    }

    /// Those that have nowhere else to go stay in front; they do not keep others from it.
    fn fail_over_queue(&mut self, key: QueueKey, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let no = key.upstream;
        let mut staying = Vec::new();
        for _ in 0..MOVED_AT_ONCE {
            let (place, id) = match self.outbound(no).front(key) {
                Front::Entry(place, id) => (place, id),
                Front::Stored(from) => {
                    let rows = self.state.cold().waiting(key, from, PAGE)?;
                    let whole = rows.len() < PAGE;
                    self.outbound(no).refill(key, rows, whole);
                    continue;
                }
                Front::Empty => break,
            };
            match self.reroute(no, id, place, turn)? {
                Moved::Gone => self.outbound(no).pop(key),
                Moved::Stays if staying.len() < STAYING_AT_ONCE => {
                    self.outbound(no).pop(key);
                    staying.push((place, id));
                }
                Moved::Stays | Moved::Begun => break,
            }
        }
        for (place, id) in staying {
            self.outbound(no).put_back(key, place, id);
        }
        Ok(())
    }

    fn reroute(
        &mut self,
        no: UpstreamNo,
        id: MessageId,
        place: u64,
        turn: &mut Turn<'_>,
    ) -> Result<Moved, Lost> {
        let Some(m) = self.state.message(id)? else { return Ok(Moved::Gone) };
        if m.place != place || m.upstream != no || !matches!(m.stage, Stage::Waiting | Stage::Dispatched) {
            return Ok(Moved::Gone);
        }
        // Parts follow each other: a message of which something has gone stays where it is.
        let begun = m.parts.len() > 1 && m.parts.iter().any(|p| p.attempts > 0);
        let (service, content, expires_ms) = (m.service, m.content.clone(), m.expires_ms);
        drop(m);
        if expires_ms <= turn.now.utc_ms {
            let at_ms = turn.now.utc_ms;
            self.commit(turn, Record::Ended { id, at_ms, end: End::Expired, reason: Reason::Validity })?;
            return Ok(Moved::Gone);
        }
        let configured = self.upstream(no).is_some();
        if begun && configured {
            return Ok(Moved::Begun);
        }
        let upstream = match self.route_of(service, &content, turn.now) {
            Some(upstream) if !begun => upstream,
            None if configured => return Ok(Moved::Stays),
            _ => {
                let at_ms = turn.now.utc_ms;
                self.commit(turn, Record::Ended { id, at_ms, end: End::Refused, reason: Reason::NoRoute })?;
                return Ok(Moved::Gone);
            }
        };
        if upstream == no || !self.outbound(upstream).is_up() {
            return Ok(Moved::Stays);
        }
        let at_ms = turn.now.utc_ms;
        self.commit(turn, Record::Rerouted { id, upstream, at_ms })?;
        let Some(m) = self.state.message(id)? else { return Ok(Moved::Gone) };
        let (key, place) = (m.queue(), m.place);
        drop(m);
        self.outbound(upstream).push(key, place, id);
        Ok(Moved::Gone)
    }
}
