//! What has come from upstreams: receipts without a message, parts of long MO, MO.

use super::super::delivery::Owed;
use super::super::event::EventKind;
use super::super::join::{Set, SetKey};
use super::super::record::{ArrivedPart, Incoming, Parked};
use super::events::Happened;
use super::{Known, Scope, State, of_upstream};
use crate::pdu::MessageState;

impl State {
    pub(super) fn index_parked(&mut self, parked: Parked) {
        for id in [&parked.report.upstream_id, &parked.report.other_id] {
            if !id.is_empty() {
                of_upstream(&mut self.parked_ids, parked.upstream)
                    .entry(id.clone())
                    .or_default()
                    .push(parked.no);
            }
        }
        self.parked.insert(parked.no, parked);
    }

    pub(super) fn unparked(&mut self, no: u64) {
        let Some(parked) = self.parked.remove(&no) else { return };
        for id in [parked.report.upstream_id, parked.report.other_id] {
            let ids = of_upstream(&mut self.parked_ids, parked.upstream);
            if let Some(numbers) = ids.get_mut(&id) {
                numbers.retain(|&n| n != no);
                if numbers.is_empty() {
                    ids.remove(&id);
                }
            }
        }
        if no <= self.parked_rows_upto {
            self.gone_parked.push(no);
        }
    }

    pub(super) fn set_opened(&mut self, no: u64, deadline_ms: u64, part: ArrivedPart) {
        let key = SetKey::of(&part);
        if let Some(old) = self.sets.get(&key).map(|s| s.no) {
            self.forget_set(old);
        }
        self.counters.set = self.counters.set.max(no);
        let parts = vec![(part.number, part.mo)];
        self.sets.insert(key, Set { no, key, deadline_ms, out: false, parts, dirty: true, row: false });
        self.set_keys.insert(no, key);
        self.dirty_sets.insert(no);
    }

    pub(super) fn part_arrived(&mut self, part: ArrivedPart) {
        if let Some(set) = self.sets.get_mut(&SetKey::of(&part)) {
            set.parts.push((part.number, part.mo));
            self.dirty_sets.insert(set.no);
        }
    }

    pub(super) fn forget_set(&mut self, no: u64) {
        if let Some(key) = self.set_keys.remove(&no)
            && let Some(set) = self.sets.remove(&key)
        {
            self.dirty_sets.remove(&no);
            if set.row {
                self.gone_sets.push(no);
            }
        }
    }

    pub(super) fn mo_received(&mut self, incoming: Incoming) {
        let (id, at_ms) = (incoming.id, incoming.at_ms);
        self.counters.seconds = self.counters.seconds.max(id.seconds());
        let pdus = incoming.pdus();
        match incoming.service {
            Some(service) => {
                self.totals(service).incoming += 1;
                for pdu in 0..pdus {
                    self.owe(service.into(), Owed::Mo { id, pdu }, at_ms);
                }
                for &outlet in &incoming.tell {
                    self.owe(outlet, Owed::Mo { id, pdu: 0 }, at_ms);
                }
                if let Some(number) = incoming.watch {
                    let happened = Happened { at_ms, service, id, kind: EventKind::Incoming, number };
                    self.events.push(&mut self.counters.event, happened, (MessageState::ENROUTE, 0));
                }
            }
            None => self.counters.unrouted += 1,
        }
        if let Some(key) = incoming.once {
            let known = Known { digest: [0; 16], id, at_ms };
            self.keys.insert(Scope::upstream(incoming.upstream), key, known);
        }
        self.live.incoming.insert(id, (incoming, false));
        self.dirty_incoming.push(id);
    }
}
