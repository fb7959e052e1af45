//! Upstreams that can be asked are asked about messages whose final report does not come
//! (contracts/timetochat.md §8).

use std::collections::BTreeSet;

use super::cold::Lost;
use super::id::{MessageId, UpstreamNo};
use super::message::Stage;
use super::port::{Asker, Effect};
use super::{Gateway, Now, Turn};

/// Messages to be asked about at once; of more, the oldest are not asked about (their reports still count).
const INQUIRIES_MAX: usize = 100_000;

/// Questions that go out at one look; the edge paces them further.
const AT_ONCE: usize = 20;

/// The longest time between two questions about one message, in milliseconds.
const SLOWEST_MS: u64 = 3_600_000;

/// Questions by when they are due, with how many came before.
#[derive(Debug, Default)]
pub(super) struct Inquiries(BTreeSet<(u64, MessageId, u8)>);

impl Gateway {
    /// A message was given to an upstream that can be asked.
    pub(super) fn will_inquire(&mut self, upstream: UpstreamNo, id: MessageId, now: Now) {
        let after = self.upstream(upstream).map_or(0, |u| u.inquire_after_ms);
        if after > 0 {
            self.inquiries.0.insert((now.utc_ms.saturating_add(after), id, 0));
            if self.inquiries.0.len() > INQUIRIES_MAX {
                self.inquiries.0.pop_last();
            }
        }
    }

    /// After a start: everything that was sent and has no final report.
    pub(super) fn restore_inquiries(&mut self, now: Now) -> Result<(), Lost> {
        if self.upstreams.iter().flatten().all(|u| u.inquire_after_ms == 0) {
            return Ok(());
        }
        let mut from = (0, MessageId([0; 12]));
        while self.inquiries.0.len() < INQUIRIES_MAX {
            let rows = self.state.cold().deadlines(from, u64::MAX, super::queue::PAGE)?;
            for &(_, id) in &rows {
                let sent = self.state.message(id)?.filter(|m| m.stage == Stage::Sent).map(|m| m.upstream);
                if let Some(upstream) = sent {
                    self.will_inquire(upstream, id, now);
                }
            }
            match rows.last() {
                // Deadlines are unique by message, so the next key is after the last one.
                Some(&(at, id)) if rows.len() == super::queue::PAGE => from = (at, id),
                _ => break,
            }
        }
        let live: Vec<_> = self.state.unreported().collect();
        for (upstream, id) in live {
            self.will_inquire(upstream, id, now);
        }
        Ok(())
    }

    /// Asks what is due. Returns when to look again (monotonic microseconds).
    pub(super) fn inquire(&mut self, turn: &mut Turn<'_>) -> Result<u64, Lost> {
        for _ in 0..AT_ONCE {
            match self.inquiries.0.first() {
                Some(&(due, ..)) if due <= turn.now.utc_ms => {}
                Some(&(due, ..)) => return Ok(turn.now.mono_us + (due - turn.now.utc_ms) * 1000),
                None => return Ok(u64::MAX),
            }
            let Some((_, id, before)) = self.inquiries.0.pop_first() else { break };
            let Some(m) = self.state.message(id)?.filter(|m| m.stage == Stage::Sent) else { continue };
            let upstream = m.upstream;
            let upstream_id = m.parts.first().map(|p| p.upstream_id.clone()).unwrap_or_default();
            drop(m);
            let Some(settings) = self.upstream(upstream).cloned() else { continue };
            let wait = settings.inquire_after_ms.saturating_mul(1 << before.min(20)).min(SLOWEST_MS);
            let due = turn.now.utc_ms.saturating_add(wait.max(settings.inquire_after_ms));
            self.inquiries.0.insert((due, id, before.saturating_add(1)));
            if !upstream_id.is_empty()
                && let Some(link) = self.outbound(upstream).any_link()
            {
                turn.effects.push((Asker::Link(link), Effect::Inquire { id, upstream_id }));
            }
        }
        Ok(turn.now.mono_us)
    }
}
