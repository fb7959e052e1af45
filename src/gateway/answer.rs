//! What an upstream's answer means for the message, and what a lost session leaves behind.

use super::backoff::Backoff;
use super::cold::Lost;
use super::id::{LinkId, MessageId, UpstreamNo};
use super::message::{Doubt, PartStage, Stage};
use super::port::{Answer, Outcome, Ticket};
use super::record::Record;
use super::settings::{Policy, Unknown};
use super::{Gateway, Turn};
use crate::pdu::CommandStatus;

/// Statuses counted per upstream; further ones are counted together as this one.
const STATUSES_MAX: usize = 1024;

impl Gateway {
    /// An upstream's answer, or that none came in time.
    pub(super) fn answered(&mut self, link: LinkId, answer: Answer, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let Answer { ticket, outcome } = answer;
        let Ticket { id, part, attempt } = ticket;
        let Some(mut m) = self.state.message(id)? else { return Ok(()) };
        let (upstream, queue) = (m.upstream, m.queue());
        let Some(p) = m.parts.get_mut(usize::from(part)) else { return Ok(()) };
        let awaited = p.stage == PartStage::Dispatched && p.attempts == attempt && p.link == Some(link);
        // An answer that comes after its time still ends the message's doubt if it was not sent again.
        let late = p.stage == PartStage::Waiting && p.attempts == attempt;
        if awaited {
            p.link = None;
        }
        let (attempts, ended) = (p.attempts, matches!(m.stage, Stage::Ended(_)));
        drop(m);
        if awaited {
            self.outbound(upstream).answered(link, queue);
        } else {
            self.counts.answers_late += 1;
            if !late || matches!(outcome, Outcome::TimedOut | Outcome::Unknown) {
                return Ok(());
            }
        }
        if let Outcome::Refused(status) = outcome
            && self.counts.answers.len() < STATUSES_MAX
        {
            *self.counts.answers.entry((upstream, status.0)).or_default() += 1;
        }
        let at_ms = turn.now.utc_ms;
        match outcome {
            Outcome::Taken(upstream_id) => {
                self.outbound(upstream).went_well(link, turn.now);
                self.commit(turn, Record::Sent { id, part, at_ms, upstream_id: upstream_id.clone() })?;
                self.will_inquire(upstream, id, turn.now);
                self.match_parked(upstream, &upstream_id, (id, part), turn)
            }
            Outcome::TimedOut | Outcome::Unknown if ended => {
                self.state.settle_ended(id);
                Ok(())
            }
            Outcome::TimedOut | Outcome::Unknown => {
                self.outcome_unknown(upstream, (id, part), Doubt::TimedOut, turn)?;
                self.wait_again(id)
            }
            Outcome::Refused(status) if ended => {
                self.commit(turn, Record::Refused { id, part, at_ms, status })
            }
            Outcome::Refused(status) => self.turned_down(link, (id, part, attempts), status, turn),
        }
    }

    fn turned_down(
        &mut self,
        link: LinkId,
        (id, part, attempts): (MessageId, u8, u8),
        status: CommandStatus,
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        let at_ms = turn.now.utc_ms;
        let Some(queue) = self.state.message(id)?.map(|m| m.queue()) else { return Ok(()) };
        let (upstream, service) = (queue.upstream, queue.service);
        let Some(settings) = self.upstream(upstream).cloned() else {
            return self.commit(turn, Record::Refused { id, part, at_ms, status });
        };
        match settings.policies.get(&status).copied().unwrap_or(Policy::Final) {
            Policy::Throttle => {
                self.outbound(upstream).throttled(link, settings.throttle_pause_ms, turn.now);
                self.commit(turn, Record::PutOff { id, part, at_ms, status, not_before_ms: 0 })?;
                self.wait_again(id)
            }
            Policy::Delay if attempts < settings.attempts_max => {
                let backoff = Backoff { first_ms: settings.delay_ms, cap_ms: settings.delay_max_ms };
                let seed = u64::from_be_bytes([0, 0, 0, 0, id.0[8], id.0[9], id.0[10], id.0[11]]);
                let not_before_ms =
                    at_ms + backoff.delay_ms(u32::from(attempts.saturating_sub(1)), seed).max(1);
                self.commit(turn, Record::PutOff { id, part, at_ms, status, not_before_ms })?;
                if self.service(service).is_some_and(|s| s.strict_order) {
                    self.outbound(upstream).block(queue, not_before_ms);
                    return self.wait_again(id);
                }
                self.delayed.insert((not_before_ms, id));
                Ok(())
            }
            Policy::Delay | Policy::Final => self.commit(turn, Record::Refused { id, part, at_ms, status }),
        }
    }

    /// Nobody knows whether the upstream took a part: it is sent again, or a report is waited for, as its policy says.
    pub(super) fn outcome_unknown(
        &mut self,
        upstream: UpstreamNo,
        (id, part): (MessageId, u8),
        doubt: Doubt,
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        let at_ms = turn.now.utc_ms;
        let policy = self.upstream(upstream).map(|u| (u.unknown, u.reconcile_ms));
        let Some((Unknown::Reconcile, wait)) = policy else {
            return self.commit(turn, Record::Doubted { id, part, at_ms, doubt });
        };
        let until_ms = at_ms.saturating_add(wait);
        self.commit(turn, Record::Unsure { id, part, at_ms, until_ms })?;
        if until_ms <= self.deadlines_upto {
            self.deadlines.insert((until_ms, id));
        }
        Ok(())
    }

    /// Puts a message back to the front of its queue.
    pub(super) fn wait_again(&mut self, id: MessageId) -> Result<(), Lost> {
        let Some(m) = self.state.message(id)? else { return Ok(()) };
        let (key, place, ended) = (m.queue(), m.place, matches!(m.stage, Stage::Ended(_) | Stage::Sent));
        drop(m);
        if !ended {
            self.outbound(key.upstream).put_back(key, place, id);
        }
        Ok(())
    }

    /// Put-off messages and deliveries whose time has come wait at the front again.
    pub(super) fn release_delayed(&mut self, turn: &mut Turn<'_>) -> Result<(), Lost> {
        while let Some(&(due, id)) = self.delayed.first()
            && due <= turn.now.utc_ms
        {
            self.delayed.pop_first();
            self.wait_again(id)?;
        }
        while let Some(&(due, outlet, no)) = self.delayed_deliveries.first()
            && due <= turn.now.utc_ms
        {
            self.delayed_deliveries.pop_first();
            self.inbox(outlet).put_back(no);
        }
        Ok(())
    }

    /// A session is over: what it had not answered is in doubt, and goes again (SEMANTICS 2: `at_least_once`).
    pub(super) fn upstream_lost(
        &mut self,
        link: LinkId,
        no: UpstreamNo,
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        self.outbound(no).lost(link, turn.now);
        for id in self.state.dispatched_on(link) {
            let Some(mut m) = self.state.message(id)? else { continue };
            let mut doubted = Vec::new();
            for (n, p) in m.parts.iter_mut().enumerate() {
                if p.link == Some(link) {
                    p.link = None;
                    if p.stage == PartStage::Dispatched {
                        doubted.push(u8::try_from(n).unwrap_or(u8::MAX));
                    }
                }
            }
            let ended = matches!(m.stage, Stage::Ended(_));
            drop(m);
            if ended {
                self.state.settle_ended(id);
                continue;
            }
            for part in doubted {
                self.outcome_unknown(no, (id, part), Doubt::SessionLost, turn)?;
            }
            self.wait_again(id)?;
        }
        self.recent_mo.link_gone(link);
        Ok(())
    }
}
