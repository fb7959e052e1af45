//! What goes into the tables at a checkpoint, and what may leave the memory after it.

use super::super::cold::{Indexed, QueueKey, Sink};
use super::super::id::{MessageId, Outlet, ServiceNo};
use super::super::message::{Message, Rows, Stage};
use super::{Scope, State, of_upstream};

/// What a checkpoint took with it, to be let go when it is on disk.
#[derive(Debug, Default)]
pub struct Shipped {
    finished: Vec<MessageId>,
    kept: Vec<MessageId>,
    deliveries: Vec<(Outlet, u64)>,
    incoming: Vec<MessageId>,
    gone: Vec<(Outlet, u64)>,
    dead: Vec<u64>,
    revived: Vec<(Outlet, u64)>,
    keys: Vec<(Scope, [u8; 16])>,
    /// Mobiles whose newest messages the index knows now, with the newest of them.
    talks: Vec<((ServiceNo, u64), MessageId)>,
    /// Newest place whose row is written.
    pub place: u64,
    /// Newest delivery whose row is written.
    pub delivery: u64,
    /// Newest event whose row is written.
    pub event: u64,
}

impl State {
    /// Hands the rows of messages that have finished to `sink`, for the checkpoint that [`drain`](Self::drain) completes.
    /// Most messages come to their end between two checkpoints; this way their rows are not all written at once.
    pub fn drain_finished(&mut self, sink: &mut dyn Sink, shipped: &mut Shipped) {
        for id in self.finished.drain(..) {
            if let Some(mut m) = self.live.messages.get_mut(&id)
                && m.rows.dirty
                && m.is_finished()
            {
                m.rows.dirty = false;
                drain_message(&mut m, sink, shipped);
            }
        }
    }

    /// Hands all that has changed since the last checkpoint to `sink`.
    pub fn drain(&mut self, sink: &mut dyn Sink, shipped: &mut Shipped) {
        (shipped.place, shipped.delivery) = (self.counters.place, self.counters.delivery);
        shipped.event = self.counters.event;
        self.finished.clear();
        for id in std::mem::take(&mut self.dirty) {
            let Some(mut m) = self.live.messages.get_mut(&id) else { continue };
            // A finished one may have had its rows written already.
            if std::mem::take(&mut m.rows.dirty) {
                drain_message(&mut m, sink, shipped);
            }
        }
        for no in std::mem::take(&mut self.dirty_deliveries) {
            let Some(d) = self.deliveries.get_mut(&no) else { continue };
            (d.dirty, d.row) = (false, true);
            sink.delivery(d);
            shipped.deliveries.push((d.outlet, no));
        }
        for (outlet, no) in std::mem::take(&mut self.gone_deliveries) {
            sink.delivery_gone(outlet, no);
            shipped.gone.push((outlet, no));
        }
        // Refills must not find these rows until they are gone from the disk.
        self.gone_deliveries.extend(shipped.gone.iter().copied());
        for no in std::mem::take(&mut self.dirty_dead) {
            if let Some(d) = self.dead.get(&no) {
                sink.dead(d);
                shipped.dead.push(no);
            }
        }
        // As with deliveries: the tables show these rows until the checkpoint is on disk.
        for &(outlet, no) in &self.gone_dead {
            sink.dead_gone(outlet, no);
            shipped.revived.push((outlet, no));
        }
        let mut incoming = std::mem::take(&mut self.dirty_incoming);
        incoming.sort_unstable();
        incoming.dedup();
        for id in incoming {
            let Some(mut held) = self.live.incoming.get_mut(&id) else { continue };
            let (mo, row) = &mut *held;
            if let (Some(number), Some(service), false) = (mo.watch, mo.service, *row) {
                sink.index(&Indexed { service, id, number, incoming: true, reference: &[] });
            }
            if mo.left == 0 {
                sink.incoming_history(mo);
                if std::mem::take(row) {
                    sink.incoming_gone(id);
                }
                shipped.incoming.push(id);
            } else {
                *row = true;
                sink.incoming(mo);
            }
        }
        for no in std::mem::take(&mut self.dirty_parked) {
            if let Some(parked) = self.parked.get(&no) {
                sink.parked(parked);
            }
        }
        self.parked_rows_upto = self.counters.parked;
        for no in std::mem::take(&mut self.gone_parked) {
            sink.parked_gone(no);
        }
        for no in std::mem::take(&mut self.dirty_sets) {
            if let Some(set) = self.set_keys.get(&no).and_then(|key| self.sets.get_mut(key)) {
                set.row = true;
                sink.set(set);
            }
        }
        for no in std::mem::take(&mut self.gone_sets) {
            sink.set_gone(no);
        }
        for (service, number) in std::mem::take(&mut self.dirty_blocked) {
            sink.blocked(service, number, self.live.is_blocked(service, number));
        }
        sink.events(&std::mem::take(&mut self.events.undrained));
        shipped.keys.extend(self.keys.drain(|scope, key, known| sink.key(scope, key, &known)));
        shipped.talks.extend(self.talks.iter().filter_map(|(at, ids)| Some((*at, *ids.last()?))));
        sink.counters(&self.counters);
    }

    /// A checkpoint is on disk: what is finished leaves the memory, and of the rest what is beyond `live_max`.
    pub fn shipped(&mut self, shipped: Shipped, live_max: usize) {
        self.leaving.extend(shipped.finished);
        self.evictable.extend(shipped.kept);
        self.evictable.extend(self.loaded.get_mut().drain(..));
        while self.live.messages.len() > live_max {
            let Some(id) = self.evictable.pop_front() else { break };
            let evicted = self
                .live
                .messages
                .remove_if(&id, |_, m| !m.rows.dirty && m.stage != Stage::Dispatched && !m.holds_slots());
            if let Some((_, m)) = evicted {
                self.forget_ids(&m);
            }
        }
        if self.evictable.len() > 4 * live_max {
            let live = &self.live.messages;
            self.evictable.retain(|id| live.contains_key(id));
        }
        if self.deliveries.len() > live_max {
            for (_, no) in shipped.deliveries {
                if self.deliveries.get(&no).is_some_and(|d| !d.dirty && d.link.is_none() && !d.under_way) {
                    self.deliveries.remove(&no);
                }
            }
        }
        for gone in shipped.gone {
            self.gone_deliveries.remove(&gone);
        }
        for revived in shipped.revived {
            self.gone_dead.remove(&revived);
        }
        for no in shipped.dead {
            self.dead.remove(&no);
        }
        for id in shipped.incoming {
            self.live.incoming.remove_if(&id, |_, (mo, _)| mo.left == 0);
        }
        self.keys.shipped(&shipped.keys);
        for (at, newest) in shipped.talks {
            if self.talks.get(&at).is_some_and(|ids| ids.last() == Some(&newest)) {
                self.talks.remove(&at);
            }
        }
    }

    /// Lets go of up to `n` finished messages whose rows are on disk.
    pub fn let_go(&mut self, n: usize) {
        for _ in 0..n {
            let Some(id) = self.leaving.pop_front() else { return };
            let finished = self.live.messages.remove_if(&id, |_, m| !m.rows.dirty && m.is_finished());
            if let Some((_, m)) = finished {
                self.forget_ids(&m);
            }
        }
    }

    /// Anything has changed since the last checkpoint.
    pub fn is_dirty(&self) -> bool {
        !(self.dirty.is_empty()
            && self.dirty_deliveries.is_empty()
            && self.gone_deliveries.is_empty()
            && self.dirty_dead.is_empty()
            && self.gone_dead.is_empty()
            && self.dirty_incoming.is_empty()
            && self.dirty_parked.is_empty()
            && self.gone_parked.is_empty()
            && self.dirty_sets.is_empty()
            && self.gone_sets.is_empty()
            && self.dirty_blocked.is_empty()
            && self.events.undrained.is_empty()
            && !self.keys.is_dirty())
    }

    fn forget_ids(&mut self, m: &Message) {
        for part in &m.parts {
            if !part.upstream_id.is_empty() {
                let ids = of_upstream(&mut self.upstream_ids, m.upstream);
                if ids.get(&part.upstream_id).is_some_and(|(id, _)| *id == m.id) {
                    ids.remove(&part.upstream_id);
                }
            }
        }
    }
}

fn drain_message(m: &mut Message, sink: &mut dyn Sink, shipped: &mut Shipped) {
    let old = m.rows;
    let queued = matches!(m.stage, Stage::Waiting | Stage::Dispatched);
    let waiting = if queued { m.place } else { 0 };
    if let (Some(number), false) = (m.ties.watch, old.message) {
        let reference = &m.content.reference;
        sink.index(&Indexed { service: m.service, id: m.id, number, incoming: false, reference });
    }
    let deadline = m.deadline_ms().unwrap_or(0);
    if old.waiting != 0 && (old.waiting != waiting || old.old_upstream.is_some()) {
        let key = QueueKey { upstream: old.old_upstream.unwrap_or(m.upstream), ..m.queue() };
        sink.waiting_gone(key, old.waiting);
    }
    if old.deadline != 0 && old.deadline != deadline {
        sink.deadline_gone(old.deadline, m.id);
    }
    for (n, part) in m.parts.iter().enumerate() {
        if !part.upstream_id.is_empty() {
            sink.upstream_id(m.upstream, &part.upstream_id, m.id, u8::try_from(n).unwrap_or(u8::MAX));
        }
    }
    if m.is_finished() {
        m.rows = Rows::default();
        sink.message_history(m);
        if old.message {
            sink.message_gone(m.id);
        }
        // What is still unanswered leaves the memory only after its answer.
        if !m.holds_slots() {
            shipped.finished.push(m.id);
        }
        return;
    }
    m.rows = Rows { message: true, waiting, deadline, dirty: false, old_upstream: None };
    if waiting != 0 && (old.waiting != waiting || old.old_upstream.is_some()) {
        sink.waiting(m.queue(), waiting, m.id);
    }
    if deadline != 0 && old.deadline != deadline {
        sink.deadline(deadline, m.id);
    }
    sink.message(m);
    shipped.kept.push(m.id);
}
