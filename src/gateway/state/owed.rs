//! What is owed to services, and what they have had.

use super::super::cold::Lost;
use super::super::delivery::{Delivery, Owed};
use super::super::event::EventKind;
use super::super::id::{MessageId, Outlet, ServiceNo};
use super::super::message::{Doubt, Event, What};
use super::events::Happened;
use super::{State, load, touch, touch_delivery};
use crate::pdu::MessageState;

impl State {
    pub(super) fn owe(&mut self, outlet: Outlet, owed: Owed, at_ms: u64) {
        self.counters.delivery += 1;
        let no = self.counters.delivery;
        let delivery = Delivery {
            no,
            outlet,
            owed,
            created_ms: at_ms,
            tries: 0,
            puts_off: 0,
            not_before_ms: 0,
            under_way: false,
            doubt: None,
            link: None,
            avoid: None,
            row: false,
            dirty: true,
        };
        self.dirty_deliveries.push(no);
        self.deliveries.insert(no, delivery);
        *self.owed_by(outlet).0 += 1;
        self.fresh.push((outlet, no));
    }

    /// How much is owed to an outlet, and how many dead letters it has.
    pub(super) fn owed_by(&mut self, outlet: Outlet) -> (&mut u64, &mut u64) {
        match outlet.service() {
            Some(service) => {
                let totals = self.totals(service);
                (&mut totals.owed, &mut totals.dead)
            }
            None => self.counters.owed_by(outlet),
        }
    }

    /// A fact of before is owed to an endpoint again, if what it is about is still known.
    pub(super) fn owed_again(&mut self, outlet: Outlet, owed: Owed, at_ms: u64) -> Result<(), Lost> {
        let known = match owed {
            Owed::Receipt { id, .. } => match load(&self.live.messages, &*self.cold, &self.loaded, id)? {
                Some(mut m) => {
                    m.pending += 1;
                    touch(&mut m, &mut self.dirty);
                    true
                }
                None => false,
            },
            Owed::Mo { id, .. } => self.owe_incoming(id)?,
        };
        if known {
            self.owe(outlet, owed, at_ms);
        }
        Ok(())
    }

    /// One more delivery of an MO is owed.
    pub(super) fn owe_incoming(&mut self, id: MessageId) -> Result<bool, Lost> {
        if !self.hold_incoming(id)? {
            return Ok(false);
        }
        if let Some(mut held) = self.live.incoming.get_mut(&id) {
            held.0.left = held.0.left.saturating_add(1);
        }
        self.dirty_incoming.push(id);
        Ok(true)
    }

    /// Takes an MO into memory.
    pub(super) fn hold_incoming(&self, id: MessageId) -> Result<bool, Lost> {
        if self.live.incoming.contains_key(&id) {
            return Ok(true);
        }
        let Some(incoming) = self.cold.incoming(id)? else { return Ok(false) };
        // One whose deliveries were all done has no row among those in progress.
        let row = incoming.left > 0;
        self.live.incoming.insert(id, (incoming, row));
        Ok(true)
    }

    pub(super) fn block(
        &mut self,
        service: ServiceNo,
        number: u64,
        blocked: bool,
        at_ms: u64,
        by: MessageId,
    ) {
        let changed = match blocked {
            true => self.blocked().insert((service, number)),
            false => self.blocked().remove(&(service, number)),
        };
        if changed {
            let kind = if blocked { EventKind::Blocked } else { EventKind::Unblocked };
            let happened = Happened { at_ms, service, id: by, kind, number };
            self.events.push(&mut self.counters.event, happened, (MessageState::ENROUTE, 0));
            self.dirty_blocked.push((service, number));
        }
    }

    pub(super) fn delivering(&mut self, outlet: Outlet, no: u64, again: Option<Doubt>) -> Result<(), Lost> {
        if let Some(doubt) = again {
            self.counters.delivery_doubts[doubt as usize] += 1;
        }
        if self.delivery(outlet, no)?.is_none() {
            return Ok(());
        }
        let Some(d) = self.deliveries.get_mut(&no) else { return Ok(()) };
        d.under_way = true;
        let (about, at_ms) = (d.owed.about(), d.created_ms);
        touch_delivery(d, &mut self.dirty_deliveries);
        if again.is_some()
            && let Some(mut m) = load(&self.live.messages, &*self.cold, &self.loaded, about)?
        {
            m.note(Event { at_ms, what: What::Redelivered, part: 0 });
            touch(&mut m, &mut self.dirty);
        }
        Ok(())
    }

    /// A delivery is owed no more: who was owed it has it, or (`dead`) it is a dead letter.
    pub(super) fn delivered(&mut self, outlet: Outlet, no: u64, at_ms: u64, dead: bool) -> Result<(), Lost> {
        if self.delivery(outlet, no)?.is_none() {
            return Ok(());
        }
        let Some(mut d) = self.deliveries.remove(&no) else { return Ok(()) };
        if d.row {
            self.gone_deliveries.insert((outlet, no));
        }
        let (owed, _) = self.owed_by(outlet);
        *owed = owed.saturating_sub(1);
        match d.owed {
            Owed::Receipt { id, intermediate, .. } => {
                if let Some(mut m) = load(&self.live.messages, &*self.cold, &self.loaded, id)? {
                    m.pending = m.pending.saturating_sub(1);
                    if !dead && !intermediate {
                        m.note(Event { at_ms, what: What::Notified, part: 0 });
                    }
                    touch(&mut m, &mut self.dirty);
                    if m.is_finished() {
                        self.finished.push(id);
                    }
                }
            }
            Owed::Mo { id, .. } => {
                self.hold_incoming(id)?;
                if let Some(mut held) = self.live.incoming.get_mut(&id) {
                    held.0.left = held.0.left.saturating_sub(1);
                    self.dirty_incoming.push(id);
                }
            }
        }
        if dead {
            *self.owed_by(outlet).1 += 1;
            (d.row, d.under_way, d.link) = (false, false, None);
            self.dirty_dead.push(no);
            self.dead.insert(no, d);
        }
        Ok(())
    }

    pub(super) fn revived(&mut self, outlet: Outlet, no: u64, at_ms: u64) -> Result<(), Lost> {
        if self.gone_dead.contains(&(outlet, no)) {
            return Ok(());
        }
        let dead = match self.dead.remove(&no) {
            Some(d) => Some(d),
            None => self.cold.dead_letter(outlet, no)?,
        };
        let Some(d) = dead else { return Ok(()) };
        self.gone_dead.insert((outlet, no));
        let (_, dead) = self.owed_by(outlet);
        *dead = dead.saturating_sub(1);
        // A new number: it is the newest of what is owed now.
        self.owed_again(outlet, d.owed, at_ms)
    }
}
