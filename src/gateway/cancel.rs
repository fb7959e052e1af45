//! A service takes back what has not left.

use super::cold::Lost;
use super::id::{MessageId, ServiceNo};
use super::message::{End, PartStage, Reason, Stage, What};
use super::port::{Asker, Effect, NotCancelled};
use super::record::Record;
use super::{Gateway, Turn};

impl Gateway {
    /// Ends a message that no upstream can have, and says so.
    pub(super) fn cancel(
        &mut self,
        from: Asker,
        service: ServiceNo,
        id: MessageId,
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        let may = self.may_cancel(service, id)?;
        if may.is_ok() {
            let at_ms = turn.now.utc_ms;
            self.commit(turn, Record::Ended { id, at_ms, end: End::Cancelled, reason: Reason::Asked })?;
        }
        turn.effects.push((from, Effect::Cancelled(may)));
        Ok(())
    }

    fn may_cancel(&self, service: ServiceNo, id: MessageId) -> Result<Result<(), NotCancelled>, Lost> {
        let Some(m) = self.state.message(id)?.filter(|m| m.service == service) else {
            return Ok(Err(NotCancelled::Unknown));
        };
        Ok(match m.stage {
            Stage::Ended(end) => Err(NotCancelled::Ended(end)),
            Stage::Sent | Stage::Dispatched => Err(NotCancelled::Left),
            Stage::Waiting => {
                let here = m.parts.iter().all(|p| p.stage == PartStage::Waiting && p.link.is_none());
                // One whose answer never came may have arrived.
                let doubted = m.history.iter().any(|e| matches!(e.what, What::Doubt(_)));
                if here && !doubted { Ok(()) } else { Err(NotCancelled::Left) }
            }
        })
    }
}
