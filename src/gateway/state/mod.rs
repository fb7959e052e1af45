//! What is true: changed by records only, alike in live operation and in recovery.

mod arrivals;
mod checkpoint;
mod counters;
mod events;
mod keys;
mod owed;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};

use dashmap::DashMap;
use dashmap::mapref::one::RefMut;

pub use self::checkpoint::Shipped;
pub use self::counters::{Counters, OutletTotals, Totals};
use self::events::Events;
use self::keys::Keys;
pub use self::keys::{Known, Scope};
use super::cold::{Cold, Lost, QueueKey};
use super::delivery::{Delivery, Owed};
use super::event::{Event as Published, EventKind};
use super::id::{LinkId, MessageId, Outlet, ServiceNo, UpstreamNo};
use super::join::{Set, SetKey};
use super::message::{AskedLast, End, Event, Message, Part, PartStage, Reason, Rows, Stage, What};
use super::record::{Accepted, Incoming, Parked, Record};
use crate::pdu::{CommandStatus, MessageState};

/// What is in memory and readers outside the engine may look at.
#[derive(Debug, Default)]
pub struct Live {
    /// Messages to mobiles.
    pub messages: Messages,
    /// Messages from mobiles, with whether the tables hold a row of it.
    pub incoming: DashMap<MessageId, (Incoming, bool), ahash::RandomState>,
    /// Numbers that mobiles or the interface have put on a service's blacklist.
    pub blocked: RwLock<BTreeSet<(ServiceNo, u64)>>,
}

impl Live {
    /// Whether a number is on a service's blacklist.
    pub fn is_blocked(&self, service: ServiceNo, number: u64) -> bool {
        self.blocked.read().unwrap_or_else(PoisonError::into_inner).contains(&(service, number))
    }
}

/// Messages in memory.
pub type Messages = DashMap<MessageId, Box<Message>, ahash::RandomState>;

/// By what an upstream calls something.
type ById<T> = HashMap<Box<[u8]>, T, ahash::RandomState>;

/// The state.
pub struct State {
    cold: Arc<dyn Cold>,
    live: Arc<Live>,
    /// Counters and names.
    pub counters: Counters,
    deliveries: HashMap<u64, Delivery, ahash::RandomState>,
    dead: HashMap<u64, Delivery>,
    upstream_ids: Vec<ById<(MessageId, u8)>>,
    parked: BTreeMap<u64, Parked>,
    parked_ids: Vec<ById<Vec<u64>>>,
    sets: HashMap<SetKey, Set>,
    set_keys: BTreeMap<u64, SetKey>,
    dirty: Vec<MessageId>,
    /// Messages that have finished and whose rows were not handed out since.
    finished: Vec<MessageId>,
    /// Finished messages whose rows are on disk: they leave the memory a few at a time.
    leaving: VecDeque<MessageId>,
    dirty_deliveries: Vec<u64>,
    dirty_incoming: Vec<MessageId>,
    dirty_sets: HashSet<u64>,
    dirty_parked: Vec<u64>,
    gone_deliveries: HashSet<(Outlet, u64)>,
    gone_dead: HashSet<(Outlet, u64)>,
    gone_parked: Vec<u64>,
    gone_sets: Vec<u64>,
    dirty_dead: Vec<u64>,
    parked_rows_upto: u64,
    evictable: VecDeque<MessageId>,
    /// Messages that were read from the tables: they may be let go again even if nothing changes them.
    loaded: RefCell<Vec<MessageId>>,
    /// Deliveries that the records applied since the last look have made, for the inboxes.
    pub fresh: Vec<(Outlet, u64)>,
    events: Events,
    keys: Keys,
    /// The newest messages to a mobile that no checkpoint has taken yet.
    talks: HashMap<(ServiceNo, u64), Vec<MessageId>, ahash::RandomState>,
    dirty_blocked: Vec<(ServiceNo, u64)>,
}

impl State {
    /// The state of the last checkpoint.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn open(cold: Arc<dyn Cold>, live: Arc<Live>) -> Result<Self, Lost> {
        live.messages.clear();
        live.incoming.clear();
        let counters = cold.counters()?.unwrap_or_default();
        let mut state = Self {
            live,
            deliveries: HashMap::default(),
            dead: HashMap::new(),
            upstream_ids: Vec::new(),
            parked: BTreeMap::new(),
            parked_ids: Vec::new(),
            sets: HashMap::new(),
            set_keys: BTreeMap::new(),
            dirty: Vec::new(),
            finished: Vec::new(),
            leaving: VecDeque::new(),
            dirty_deliveries: Vec::new(),
            dirty_incoming: Vec::new(),
            dirty_sets: HashSet::new(),
            dirty_parked: Vec::new(),
            gone_deliveries: HashSet::new(),
            gone_dead: HashSet::new(),
            gone_parked: Vec::new(),
            gone_sets: Vec::new(),
            dirty_dead: Vec::new(),
            parked_rows_upto: counters.parked,
            evictable: VecDeque::new(),
            loaded: RefCell::default(),
            fresh: Vec::new(),
            events: Events::default(),
            keys: Keys::default(),
            talks: HashMap::default(),
            dirty_blocked: Vec::new(),
            counters,
            cold: Arc::clone(&cold),
        };
        for parked in cold.parked()? {
            state.index_parked(parked);
        }
        *state.blocked() = cold.blocked()?.into_iter().collect();
        for set in cold.sets()? {
            state.set_keys.insert(set.no, set.key);
            state.sets.insert(set.key, set);
        }
        Ok(state)
    }

    /// The rows beneath.
    pub fn cold(&self) -> &Arc<dyn Cold> {
        &self.cold
    }

    /// A message, read from the tables if it is not in memory.
    pub fn message(&self, id: MessageId) -> Result<Option<RefMut<'_, MessageId, Box<Message>>>, Lost> {
        load(&self.live.messages, &*self.cold, &self.loaded, id)
    }

    /// A delivery, read from the tables if it is not in memory. `None`: it is not owed any more.
    pub fn delivery(&mut self, outlet: Outlet, no: u64) -> Result<Option<&mut Delivery>, Lost> {
        if !self.deliveries.contains_key(&no) {
            if self.gone_deliveries.contains(&(outlet, no)) {
                return Ok(None);
            }
            let Some(delivery) = self.cold.delivery(outlet, no)? else { return Ok(None) };
            self.deliveries.insert(no, delivery);
        }
        Ok(self.deliveries.get_mut(&no))
    }

    /// An MO, read from the tables if it is not in memory.
    pub fn incoming(&self, id: MessageId) -> Result<Option<Incoming>, Lost> {
        match self.live.incoming.get(&id) {
            Some(found) => Ok(Some(found.0.clone())),
            None => self.cold.incoming(id),
        }
    }

    /// The part that an upstream calls so.
    pub fn upstream_id(&self, upstream: UpstreamNo, id: &[u8]) -> Result<Option<(MessageId, u8)>, Lost> {
        match self.upstream_ids.get(usize::from(upstream.0)).and_then(|ids| ids.get(id)) {
            Some(&found) => Ok(Some(found)),
            None => self.cold.upstream_id(upstream, id),
        }
    }

    /// Receipts that came before anything had this id.
    pub fn parked_for(&self, upstream: UpstreamNo, id: &[u8]) -> Vec<&Parked> {
        if self.parked.is_empty() {
            return Vec::new();
        }
        let numbers = self.parked_ids.get(usize::from(upstream.0)).and_then(|ids| ids.get(id));
        numbers.into_iter().flatten().filter_map(|no| self.parked.get(no)).collect()
    }

    /// The oldest receipts without a message.
    pub fn parked(&self) -> impl ExactSizeIterator<Item = &Parked> {
        self.parked.values()
    }

    /// The set that a part belongs to.
    pub fn set(&self, key: &SetKey) -> Option<&Set> {
        self.sets.get(key)
    }

    /// Sets by age.
    pub fn sets(&self) -> impl Iterator<Item = &Set> {
        self.set_keys.values().filter_map(|key| self.sets.get(key))
    }

    /// Sets that are kept.
    pub fn sets_len(&self) -> usize {
        self.sets.len()
    }

    /// What a key stands for if it is younger than `life_ms`.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn key(&self, scope: Scope, key: [u8; 16], now_ms: u64, life_ms: u64) -> Result<Option<Known>, Lost> {
        self.keys.find(&*self.cold, scope, key, now_ms, life_ms)
    }

    /// The newest messages of a service to a mobile that were accepted since `since_ms`, newest first, at most a few.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn last_to(&self, service: ServiceNo, mobile: u64, since_ms: u64) -> Result<Vec<MessageId>, Lost> {
        let mut ids: Vec<MessageId> =
            self.talks.get(&(service, mobile)).into_iter().flatten().rev().copied().collect();
        if ids.len() < TALKS {
            ids.extend(self.cold.last_to(service, mobile, since_ms, TALKS)?);
        }
        Ok(ids)
    }

    /// Whether a number is on a service's blacklist by its own or the interface's wish.
    pub fn is_blocked(&self, service: ServiceNo, number: u64) -> bool {
        self.live.is_blocked(service, number)
    }

    /// Numbers on all such blacklists.
    pub fn blocked_len(&self) -> usize {
        self.blocked().len()
    }

    fn blocked(&self) -> std::sync::RwLockWriteGuard<'_, BTreeSet<(ServiceNo, u64)>> {
        self.live.blocked.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events that became true since the last call; to be shown to readers once their batch is on disk.
    pub fn take_events(&mut self) -> Vec<Published> {
        std::mem::take(&mut self.events.fresh)
    }

    /// Dead letters of an outlet, oldest first.
    pub fn dead(&self, outlet: Outlet, limit: usize) -> Result<Vec<Delivery>, Lost> {
        let mut dead: BTreeMap<u64, Delivery> =
            self.cold.dead(outlet, limit)?.into_iter().map(|d| (d.no, d)).collect();
        dead.retain(|&no, _| !self.gone_dead.contains(&(outlet, no)));
        dead.extend(self.dead.values().filter(|d| d.outlet == outlet).map(|d| (d.no, d.clone())));
        Ok(dead.into_values().take(limit).collect())
    }

    /// Messages in memory that wait or are under way, with place and whether they go on waiting: after recovery.
    pub fn queued(&self) -> Vec<(QueueKey, u64, MessageId)> {
        let mut queued: Vec<_> = self
            .live
            .messages
            .iter()
            .filter(|m| matches!(m.stage, Stage::Waiting | Stage::Dispatched))
            .map(|m| (m.queue(), m.place, m.id))
            .collect();
        queued.sort_unstable_by_key(|&(_, place, _)| place);
        queued
    }

    /// Messages with a part under way on a session, in the order of their places.
    pub fn dispatched_on(&self, link: LinkId) -> Vec<MessageId> {
        let on = |m: &Message| m.parts.iter().any(|p| p.link == Some(link));
        let mut found: Vec<_> =
            self.live.messages.iter().filter(|m| on(m)).map(|m| (m.place, m.id)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Deliveries in memory, in order: after recovery.
    pub fn owed(&self) -> Vec<(Outlet, u64)> {
        let mut owed: Vec<_> = self.deliveries.values().map(|d| (d.outlet, d.no)).collect();
        owed.sort_unstable_by_key(|&(_, no)| no);
        owed
    }

    /// Messages in memory that an upstream has and whose final report has not come.
    pub fn unreported(&self) -> impl Iterator<Item = (UpstreamNo, MessageId)> {
        self.live.messages.iter().filter(|m| m.stage == Stage::Sent).map(|m| (m.upstream, m.id))
    }

    /// Deadlines of messages in memory up to `until`: after recovery.
    pub fn live_deadlines(&self, until: u64) -> Vec<(u64, MessageId)> {
        let due = |m: &Message| m.deadline_ms().filter(|&at| at <= until).map(|at| (at, m.id));
        self.live.messages.iter().filter_map(|m| due(&m)).collect()
    }

    /// A message that has ended got the last of its answers: it may leave the memory with the next checkpoint.
    pub fn settle_ended(&mut self, id: MessageId) {
        if let Some(mut m) = self.live.messages.get_mut(&id) {
            touch(&mut m, &mut self.dirty);
        }
    }

    /// The totals of a service.
    pub fn totals(&mut self, service: ServiceNo) -> &mut Totals {
        let at = usize::from(service.0);
        if self.counters.totals.len() <= at {
            self.counters.totals.resize(at + 1, Totals::default());
        }
        &mut self.counters.totals[at]
    }

    /// Messages in memory.
    pub fn live_len(&self) -> usize {
        self.live.messages.len()
    }

    /// Makes a fact true.
    ///
    /// # Errors
    /// [`Lost`] when what it is about cannot be read.
    pub fn apply(&mut self, record: Record) -> Result<(), Lost> {
        match record {
            Record::ServiceNamed { no, name } => place_name(&mut self.counters.services, no.0, name),
            Record::UpstreamNamed { no, name } => place_name(&mut self.counters.upstreams, no.0, name),
            Record::Accepted(accepted) => self.accepted(*accepted),
            Record::Dispatched { id, part, at_ms } => {
                return self.change_part(id, part, |m, p| {
                    p.stage = PartStage::Dispatched;
                    p.attempts = p.attempts.saturating_add(1);
                    p.dispatched_ms = at_ms;
                    Some(Event { at_ms, what: What::Dispatched(m), part: 0 })
                });
            }
            Record::Sent { id, part, at_ms, upstream_id } => return self.sent(id, part, at_ms, upstream_id),
            Record::PutOff { id, part, at_ms, status, not_before_ms } => {
                if let Some(mut m) = self.message(id)? {
                    m.not_before_ms = not_before_ms;
                }
                return self.change_part(id, part, |_, p| {
                    p.stage = PartStage::Waiting;
                    Some(Event { at_ms, what: What::PutOff(status), part: 0 })
                });
            }
            Record::Doubted { id, part, at_ms, doubt } => {
                self.counters.dispatch_doubts[doubt as usize] += 1;
                return self.change_part(id, part, |_, p| {
                    p.stage = PartStage::Waiting;
                    Some(Event { at_ms, what: What::Doubt(doubt), part: 0 })
                });
            }
            Record::Rerouted { id, upstream, at_ms } => {
                self.counters.place += 1;
                let place = self.counters.place;
                let dirty = &mut self.dirty;
                if let Some(mut m) = load(&self.live.messages, &*self.cold, &self.loaded, id)? {
                    m.place = place;
                    // The row of the old queue goes with the next checkpoint: its key names the old upstream.
                    m.rows.old_upstream = m.rows.old_upstream.or(Some(m.upstream));
                    m.upstream = upstream;
                    m.note(Event { at_ms, what: What::Rerouted(upstream), part: 0 });
                    touch(&mut m, dirty);
                }
            }
            Record::Unsure { id, part, at_ms, until_ms } => return self.unsure(id, part, at_ms, until_ms),
            Record::OutletNamed { outlet, service, name } => self.counters.name_outlet(outlet, service, name),
            Record::Blocked { service, number, blocked, at_ms, by } => {
                self.block(service, number, blocked, at_ms, by);
            }
            Record::OwedAgain { outlet, owed, at_ms } => return self.owed_again(outlet, owed, at_ms),
            Record::Refused { id, part, at_ms, status } => return self.refused(id, part, at_ms, status),
            Record::Receipted { id, part, at_ms, state, error } => {
                return self.receipted(id, part, at_ms, state, error);
            }
            Record::Ended { id, at_ms, end, reason } => return self.ended(id, at_ms, end, reason),
            Record::Parked(parked) => {
                self.counters.parked = self.counters.parked.max(parked.no);
                self.dirty_parked.push(parked.no);
                self.index_parked(*parked);
            }
            Record::Unparked { no } => self.unparked(no),
            Record::FormLearned { upstream, form } => self.counters.forms.push((upstream, form)),
            Record::PartArrived(part) => self.part_arrived(*part),
            Record::MoReceived(incoming) => self.mo_received(*incoming),
            Record::Delivering { no, outlet, again } => return self.delivering(outlet, no, again),
            Record::Delivered { no, outlet, at_ms } => return self.delivered(outlet, no, at_ms, false),
            Record::DeliveryPutOff { no, outlet, not_before_ms, counts } => {
                if self.delivery(outlet, no)?.is_some()
                    && let Some(d) = self.deliveries.get_mut(&no)
                {
                    d.under_way = false;
                    d.not_before_ms = not_before_ms;
                    if counts {
                        d.tries = d.tries.saturating_add(1);
                    } else {
                        d.puts_off = d.puts_off.saturating_add(1);
                    }
                    touch_delivery(d, &mut self.dirty_deliveries);
                }
            }
            Record::DeliveryDead { no, outlet, at_ms } => return self.delivered(outlet, no, at_ms, true),
            Record::DeliveryRevived { no, outlet, at_ms } => return self.revived(outlet, no, at_ms),
            Record::SetOut { no, forget_ms } => {
                if let Some(set) = self.set_keys.get(&no).and_then(|key| self.sets.get_mut(key)) {
                    set.out = true;
                    set.deadline_ms = forget_ms;
                    self.dirty_sets.insert(no);
                }
            }
            Record::SetForgotten { no } => self.forget_set(no),
            Record::SetOpened { no, deadline_ms, part } => self.set_opened(no, deadline_ms, *part),
        }
        Ok(())
    }

    fn accepted(&mut self, a: Accepted) {
        self.counters.place += 1;
        self.counters.stages[0] += 1;
        self.counters.seconds = self.counters.seconds.max(a.id.seconds());
        let totals = self.totals(a.service);
        totals.accepted += 1;
        totals.queued += 1;
        if totals.month != a.month {
            (totals.month, totals.used) = (a.month, 0);
        }
        totals.used += u64::from(a.billed);
        let part = Part {
            stage: PartStage::Waiting,
            attempts: 0,
            dispatched_ms: 0,
            upstream_id: Box::default(),
            link: None,
        };
        let history = vec![Event { at_ms: a.at_ms, what: What::Accepted, part: 0 }];
        let message = Message {
            id: a.id,
            service: a.service,
            upstream: a.upstream,
            place: self.counters.place,
            lane: a.lane,
            accepted_ms: a.at_ms,
            expires_ms: a.expires_ms,
            receipt_by_ms: a.receipt_by_ms,
            not_before_ms: a.not_before_ms,
            billed: a.billed,
            asked: a.asked,
            ties: a.ties,
            content: a.content,
            stage: Stage::Waiting,
            parts: vec![part; usize::from(a.parts.max(1))],
            pending: 0,
            history,
            rows: Rows { dirty: true, ..Rows::default() },
        };
        if let Some(number) = message.ties.watch {
            let said = (MessageState::ENROUTE, 0);
            self.events.of(&mut self.counters.event, &message, a.at_ms, EventKind::Accepted, said);
            let talk = self.talks.entry((a.service, number)).or_default();
            if talk.len() >= TALKS {
                talk.remove(0);
            }
            talk.push(a.id);
        }
        if let Some(key) = a.key {
            let known = Known { digest: key.digest, id: a.id, at_ms: a.at_ms };
            self.keys.insert(Scope::service(a.service), key.key, known);
        }
        self.dirty.push(a.id);
        self.live.messages.insert(a.id, Box::new(message));
    }

    /// Changes one part of a message that has not ended, and its stage accordingly.
    fn change_part(
        &mut self,
        id: MessageId,
        part: u8,
        change: impl FnOnce(UpstreamNo, &mut Part) -> Option<Event>,
    ) -> Result<(), Lost> {
        let Some(mut m) = load(&self.live.messages, &*self.cold, &self.loaded, id)? else { return Ok(()) };
        let upstream = m.upstream;
        let count = m.parts.len();
        let Some(p) = m.parts.get_mut(usize::from(part)) else { return Ok(()) };
        let event = change(upstream, p);
        if let Some(event) = event {
            m.note(Event { part: if count > 1 { part + 1 } else { 0 }, ..event });
        }
        touch(&mut m, &mut self.dirty);
        if matches!(m.stage, Stage::Ended(_)) {
            return Ok(());
        }
        let stage = m.stage_of_parts();
        let was_sent = m.stage == Stage::Sent;
        restage(&mut self.counters, &mut m, stage);
        if was_sent || stage != Stage::Sent || m.ties.unsure_until_ms != 0 {
            return Ok(());
        }
        let at_ms = event.map_or(0, |e| e.at_ms);
        let said = (MessageState::ENROUTE, 0);
        self.events.of(&mut self.counters.event, &m, at_ms, EventKind::Sent, said);
        let tell: Vec<Outlet> = m.ties.tell.iter().filter(|t| t.sent).map(|t| t.outlet).collect();
        m.pending += u32::try_from(tell.len()).unwrap_or(u32::MAX);
        drop(m);
        for outlet in tell {
            let owed = Owed::Receipt { id, state: said.0, error: 0, part: (1, 1), at_ms, intermediate: true };
            self.owe(outlet, owed, at_ms);
        }
        Ok(())
    }

    /// Nobody knows whether the upstream has a part; it counts as sent, and a report is waited for.
    fn unsure(&mut self, id: MessageId, part: u8, at_ms: u64, until_ms: u64) -> Result<(), Lost> {
        if let Some(mut m) = self.message(id)? {
            m.ties.unsure_until_ms = until_ms;
        }
        self.change_part(id, part, |_, p| {
            p.stage = PartStage::Sent;
            Some(Event { at_ms, what: What::Unsure, part: 0 })
        })
    }

    fn sent(&mut self, id: MessageId, part: u8, at_ms: u64, upstream_id: Box<[u8]>) -> Result<(), Lost> {
        let mut upstream = None;
        let shared = upstream_id.clone();
        if let Some(mut m) = load(&self.live.messages, &*self.cold, &self.loaded, id)?
            && std::mem::take(&mut m.ties.unsure_until_ms) != 0
            && m.stage == Stage::Sent
        {
            // It is sure now: those who are told of it hear of it as of any other.
            restage(&mut self.counters, &mut m, Stage::Dispatched);
        }
        self.change_part(id, part, |u, p| {
            upstream = Some(u);
            p.upstream_id = upstream_id;
            if matches!(p.stage, PartStage::Waiting | PartStage::Dispatched) {
                p.stage = PartStage::Sent;
            }
            Some(Event { at_ms, what: What::Sent, part: 0 })
        })?;
        if let Some(upstream) = upstream
            && !shared.is_empty()
        {
            of_upstream(&mut self.upstream_ids, upstream).insert(shared, (id, part));
        }
        Ok(())
    }

    fn refused(&mut self, id: MessageId, part: u8, at_ms: u64, status: CommandStatus) -> Result<(), Lost> {
        self.change_part(id, part, |_, p| {
            p.stage = PartStage::Final { state: MessageState::REJECTED, error: status.0 };
            Some(Event { at_ms, what: What::Refused(status), part: 0 })
        })?;
        self.finish(id, at_ms, End::Refused, (MessageState::REJECTED, status.0), Some(part))
    }

    fn ended(&mut self, id: MessageId, at_ms: u64, end: End, reason: Reason) -> Result<(), Lost> {
        {
            let Some(mut m) = load(&self.live.messages, &*self.cold, &self.loaded, id)? else {
                return Ok(());
            };
            m.note(Event { at_ms, what: What::Ended(end, reason), part: 0 });
        }
        let state = match end {
            End::Delivered => MessageState::DELIVERED,
            End::Refused => MessageState::REJECTED,
            End::Expired => MessageState::EXPIRED,
            End::Cancelled => MessageState::DELETED,
            End::Unknown => MessageState::UNKNOWN,
        };
        self.finish(id, at_ms, end, (state, 0), None)
    }

    /// Ends a message; its service is told of each part that it was not told of before (`new`: of this one it was not).
    fn finish(
        &mut self,
        id: MessageId,
        at_ms: u64,
        end: End,
        (state, error): (MessageState, u32),
        new: Option<u8>,
    ) -> Result<(), Lost> {
        let Some(mut m) = load(&self.live.messages, &*self.cold, &self.loaded, id)? else { return Ok(()) };
        touch(&mut m, &mut self.dirty);
        if matches!(m.stage, Stage::Ended(_)) {
            return Ok(());
        }
        let parts = part_count(&m);
        let single = m.parts.len() == 1;
        let mut owed = Vec::new();
        match m.asked.last {
            AskedLast::EachPart => {
                for n in 1..=parts {
                    let own = if single { 0 } else { n - 1 };
                    let stage = m.parts.get(usize::from(own)).map(|p| p.stage);
                    if new == Some(own) || !matches!(stage, Some(PartStage::Final { .. })) {
                        owed.push((n, parts));
                    }
                }
            }
            AskedLast::Always => owed.push((1, 1)),
            AskedLast::Failure if end != End::Delivered => owed.push((1, 1)),
            AskedLast::Failure | AskedLast::Never => {}
        }
        m.pending += u32::try_from(owed.len() + m.ties.tell.len()).unwrap_or(u32::MAX);
        restage(&mut self.counters, &mut m, Stage::Ended(end));
        self.events.of(&mut self.counters.event, &m, at_ms, EventKind::Ended(end), (state, error));
        if m.is_finished() {
            self.finished.push(id);
        }
        let service = m.service;
        let tell: Vec<Outlet> = m.ties.tell.iter().map(|t| t.outlet).collect();
        drop(m);
        for part in owed {
            self.owe(service.into(), receipt(id, state, error, part, at_ms), at_ms);
        }
        for outlet in tell {
            self.owe(outlet, receipt(id, state, error, (1, 1), at_ms), at_ms);
        }
        Ok(())
    }

    fn receipted(
        &mut self,
        id: MessageId,
        part: u8,
        at_ms: u64,
        state: MessageState,
        error: u32,
    ) -> Result<(), Lost> {
        let Some(mut m) = load(&self.live.messages, &*self.cold, &self.loaded, id)? else { return Ok(()) };
        let late = matches!(m.stage, Stage::Ended(_));
        let count = m.parts.len();
        let what = if late { What::LateReceipt(state) } else { What::Receipt(state) };
        m.note(Event { at_ms, what, part: if count > 1 { part + 1 } else { 0 } });
        touch(&mut m, &mut self.dirty);
        m.ties.unsure_until_ms = 0;
        let parts = part_count(&m);
        let mut owed = Vec::new();
        let mut tell = None;
        if !state.is_final() {
            if m.asked.intermediate {
                owed.push(Owed::Receipt { id, state, error, part: (1, 1), at_ms, intermediate: true });
            }
        } else {
            let Some(p) = m.parts.get_mut(usize::from(part)) else { return Ok(()) };
            p.stage = PartStage::Final { state, error };
            let failure = state != MessageState::DELIVERED;
            let whole = if late { Some((state, error)) } else { worst(&m) };
            match m.asked.last {
                AskedLast::EachPart if count == 1 => {
                    owed.extend((1..=parts).map(|n| receipt(id, state, error, (n, parts), at_ms)))
                }
                AskedLast::EachPart => owed.push(receipt(id, state, error, (part + 1, parts), at_ms)),
                AskedLast::Always => {
                    owed.extend(whole.map(|(state, error)| receipt(id, state, error, (1, 1), at_ms)))
                }
                AskedLast::Failure if failure || whole.is_some_and(|(s, _)| s != MessageState::DELIVERED) => {
                    owed.extend(whole.map(|(state, error)| receipt(id, state, error, (1, 1), at_ms)));
                }
                AskedLast::Failure | AskedLast::Never => {}
            }
            if late {
                tell = Some((state, error));
                self.events.of(&mut self.counters.event, &m, at_ms, EventKind::LateReceipt, (state, error));
            } else {
                let stage = match worst(&m) {
                    Some((state, _)) => Stage::Ended(End::of(state)),
                    None => m.stage_of_parts(),
                };
                restage(&mut self.counters, &mut m, stage);
                if let (Stage::Ended(end), Some(said)) = (stage, worst(&m)) {
                    tell = Some(said);
                    self.events.of(&mut self.counters.event, &m, at_ms, EventKind::Ended(end), said);
                }
            }
        }
        let told: Vec<Outlet> = m.ties.tell.iter().filter(|_| tell.is_some()).map(|t| t.outlet).collect();
        m.pending += u32::try_from(owed.len() + told.len()).unwrap_or(u32::MAX);
        if m.is_finished() {
            self.finished.push(id);
        }
        let service = m.service;
        drop(m);
        for owed in owed {
            self.owe(service.into(), owed, at_ms);
        }
        for (outlet, (state, error)) in told.into_iter().zip(std::iter::repeat(tell).flatten()) {
            self.owe(outlet, receipt(id, state, error, (1, 1), at_ms), at_ms);
        }
        Ok(())
    }
}

impl Message {
    /// The queue in which it waits.
    pub fn queue(&self) -> QueueKey {
        QueueKey {
            upstream: self.upstream,
            service: self.service,
            priority: self.content.priority,
            lane: self.lane,
        }
    }

    fn stage_of_parts(&self) -> Stage {
        let any = |stage: PartStage| self.parts.iter().any(|p| p.stage == stage);
        if any(PartStage::Dispatched) {
            Stage::Dispatched
        } else if any(PartStage::Waiting) {
            Stage::Waiting
        } else {
            Stage::Sent
        }
    }
}

/// Parts that receipts count: those billed where the upstream got one PDU, else the PDUs.
fn part_count(m: &Message) -> u8 {
    if m.parts.len() == 1 { m.billed.max(1) } else { u8::try_from(m.parts.len()).unwrap_or(u8::MAX) }
}

fn receipt(id: MessageId, state: MessageState, error: u32, part: (u8, u8), at_ms: u64) -> Owed {
    Owed::Receipt { id, state, error, part, at_ms, intermediate: false }
}

/// The worst final state if all parts have one.
fn worst(m: &Message) -> Option<(MessageState, u32)> {
    let mut worst = None;
    for part in &m.parts {
        let PartStage::Final { state, error } = part.stage else { return None };
        if worst.is_none_or(|(w, _)| End::of(state).badness() > End::of(w).badness()) {
            worst = Some((state, error));
        }
    }
    worst
}

/// Messages to one mobile that are looked through for the one that it answers.
const TALKS: usize = 8;

fn load<'a>(
    live: &'a Messages,
    cold: &dyn Cold,
    loaded: &RefCell<Vec<MessageId>>,
    id: MessageId,
) -> Result<Option<RefMut<'a, MessageId, Box<Message>>>, Lost> {
    if let Some(message) = live.get_mut(&id) {
        return Ok(Some(message));
    }
    let Some(message) = cold.message(id)? else { return Ok(None) };
    loaded.borrow_mut().push(id);
    live.insert(id, Box::new(message));
    Ok(live.get_mut(&id))
}

fn touch(m: &mut Message, dirty: &mut Vec<MessageId>) {
    if !std::mem::replace(&mut m.rows.dirty, true) {
        dirty.push(m.id);
    }
}

fn touch_delivery(d: &mut Delivery, dirty: &mut Vec<u64>) {
    if !std::mem::replace(&mut d.dirty, true) {
        dirty.push(d.no);
    }
}

fn stage_index(stage: Stage) -> Option<usize> {
    match stage {
        Stage::Waiting => Some(0),
        Stage::Dispatched => Some(1),
        Stage::Sent => Some(2),
        Stage::Ended(_) => None,
    }
}

/// Moves a message from stage to stage in the counters too.
fn restage(counters: &mut Counters, m: &mut Message, stage: Stage) {
    if m.stage == stage {
        return;
    }
    let queued = |s: Stage| matches!(s, Stage::Waiting | Stage::Dispatched);
    if let Some(i) = stage_index(m.stage) {
        counters.stages[i] = counters.stages[i].saturating_sub(1);
    }
    if let Some(i) = stage_index(stage) {
        counters.stages[i] += 1;
    }
    if let Some(totals) = counters.totals.get_mut(usize::from(m.service.0)) {
        match (queued(m.stage), queued(stage)) {
            (true, false) => totals.queued = totals.queued.saturating_sub(1),
            (false, true) => totals.queued += 1,
            _ => {}
        }
        if let Stage::Ended(end) = stage {
            totals.ended[end as usize] += 1;
        }
    }
    m.stage = stage;
}

fn of_upstream<T>(tables: &mut Vec<ById<T>>, upstream: UpstreamNo) -> &mut ById<T> {
    let at = usize::from(upstream.0);
    if tables.len() <= at {
        tables.resize_with(at + 1, ById::default);
    }
    &mut tables[at]
}

fn place_name(names: &mut Vec<String>, no: u16, name: String) {
    let at = usize::from(no);
    if names.len() <= at {
        names.resize(at + 1, String::new());
    }
    names[at] = name;
}
