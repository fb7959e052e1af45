//! One upstream's queues, lanes and sessions, and what may leave to it now.

use std::num::NonZeroU32;

use super::accept::{has_sar, unit_kind};
use super::cold::{Lost, QueueKey};
use super::id::{LinkId, MessageId, ServiceNo, UpstreamNo};
use super::message::{Content, Doubt, End, Message, PartStage, Reason, Stage};
use super::pace::Pacer;
use super::port::{Asker, Carry, Dispatch, Effect, Ticket};
use super::queue::{Front, PAGE, Paged};
use super::record::Record;
use super::settings::LongMode;
use super::{Gateway, Now, Turn, UpstreamFigures};
use crate::pdu::{Address, EsmClass};
use crate::text::udh::{Concatenation, Reference};
use crate::text::{Table, segments_of, split};

/// Lanes of an upstream. All messages of one (service, source, destination) are in one lane, and a lane is on one
/// session at a time, so they leave in order (SEMANTICS 4).
const LANES: usize = 32;

/// The lane of a message.
pub(super) fn lane_of(service: ServiceNo, source: &Address, destination: &Address) -> u8 {
    // Fixed keys: the lane is stored, and must be the same after a restart.
    let hasher = ahash::RandomState::with_seeds(0x5452, 0x554e, 0x4b4c, 0x494e);
    let hash = hasher.hash_one((service, source.octets.as_bytes(), destination.octets.as_bytes()));
    u8::try_from(hash % LANES as u64).unwrap_or(0)
}

/// An upstream as this process sees it.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    links: Vec<Link>,
    lanes: [Lane; LANES],
    groups: Vec<Group>,
    /// The group that is served.
    turn: usize,
    /// `None`: unlimited.
    pacer: Option<Pacer>,
    pace: Option<(Option<NonZeroU32>, u32)>,
    /// UTC milliseconds since when it has had no session. `None`: it has one, or never had to do without.
    down_since_ms: Option<u64>,
}

/// A session that may send.
#[derive(Debug)]
struct Link {
    id: LinkId,
    window: u32,
    in_flight: u32,
    /// Monotonic microseconds until which it is paused.
    paused_until_us: u64,
    /// Pauses in a row.
    pauses: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    link: Option<LinkId>,
    in_flight: u32,
}

/// Queues of one (service, priority), one a lane.
#[derive(Debug)]
struct Group {
    service: ServiceNo,
    priority: u8,
    /// PDUs that it may still send in this round.
    credit: u32,
    /// Lanes that hold something.
    filled: u32,
    next_lane: u32,
    lanes: Vec<Paged<MessageId>>,
    /// PDUs without an answer, by lane.
    in_flight: [u32; LANES],
    /// UTC milliseconds until which the first message of each lane has to wait (`strict_order`).
    blocked_until_ms: [u64; LANES],
}

impl Group {
    /// Lanes from which a service with `strict_order` sends nothing now: one message of each is decided before the next.
    fn held(&self, now_ms: u64) -> u32 {
        (0..LANES)
            .filter(|&n| self.in_flight[n] > 0 || self.blocked_until_ms[n] > now_ms)
            .fold(0, |mask, n| mask | 1 << n)
    }
}

/// How a service is served.
#[derive(Clone, Copy)]
struct Terms {
    weight: u32,
    strict: bool,
}

impl Outbound {
    fn group(&mut self, service: ServiceNo, priority: u8) -> &mut Group {
        let at = match self.groups.iter().position(|g| g.service == service && g.priority == priority) {
            Some(at) => at,
            None => {
                let lanes = (0..LANES).map(|_| Paged::default()).collect();
                self.groups.push(Group {
                    service,
                    priority,
                    credit: 0,
                    filled: 0,
                    next_lane: 0,
                    lanes,
                    in_flight: [0; LANES],
                    blocked_until_ms: [0; LANES],
                });
                self.groups.len() - 1
            }
        };
        &mut self.groups[at]
    }

    /// A queue as the tables hold it.
    pub(super) fn restore(&mut self, key: QueueKey, rows: u64) {
        let group = self.group(key.service, key.priority);
        let lane = usize::from(key.lane) % LANES;
        group.lanes[lane] = Paged::stored(rows);
        group.filled |= 1 << lane;
    }

    /// A message has been accepted for this upstream.
    pub(super) fn push(&mut self, key: QueueKey, place: u64, id: MessageId) {
        let group = self.group(key.service, key.priority);
        let lane = usize::from(key.lane) % LANES;
        group.lanes[lane].push(place, id);
        group.filled |= 1 << lane;
    }

    /// A message that was at the front waits again.
    pub(super) fn put_back(&mut self, key: QueueKey, place: u64, id: MessageId) {
        let group = self.group(key.service, key.priority);
        let lane = usize::from(key.lane) % LANES;
        group.lanes[lane].put_back(place, id);
        group.filled |= 1 << lane;
    }

    /// The first message of a queue has to wait, and all behind it.
    pub(super) fn block(&mut self, key: QueueKey, until_ms: u64) {
        self.group(key.service, key.priority).blocked_until_ms[usize::from(key.lane) % LANES] = until_ms;
    }

    pub(super) fn spill(&mut self, place: u64) {
        for queue in self.groups.iter_mut().flat_map(|g| &mut g.lanes) {
            queue.spill(place);
        }
    }

    /// A new rate starts empty, as after a restart (SEMANTICS 14); an unchanged one goes on.
    pub(super) fn set_pace(&mut self, rate: Option<NonZeroU32>, burst: u32, now: Now) {
        if self.pace != Some((rate, burst)) {
            self.pace = Some((rate, burst));
            self.pacer = rate.map(|_| Pacer::new(rate, burst, now.mono_us));
        }
    }

    /// A session is bound, or has another window.
    pub(super) fn bound(&mut self, id: LinkId, window: u32) {
        if let Some(link) = self.link(id) {
            link.window = window;
        } else if window > 0 {
            self.links.push(Link { id, window, in_flight: 0, paused_until_us: 0, pauses: 0 });
            self.down_since_ms = None;
            self.spread();
        }
    }

    /// A session is over.
    pub(super) fn lost(&mut self, id: LinkId, now: Now) {
        self.links.retain(|l| l.id != id);
        for (n, lane) in self.lanes.iter_mut().enumerate() {
            if lane.link == Some(id) {
                (lane.link, lane.in_flight) = (None, 0);
                self.groups.iter_mut().for_each(|g| g.in_flight[n] = 0);
            }
        }
        if self.links.is_empty() {
            self.down_since_ms = Some(now.utc_ms);
        }
        self.spread();
    }

    /// One of its sessions.
    pub(super) fn any_link(&self) -> Option<LinkId> {
        self.links.first().map(|l| l.id)
    }

    /// Whether a session is bound.
    pub(super) fn is_up(&self) -> bool {
        !self.links.is_empty()
    }

    /// How long it has had no session, in milliseconds. The clock starts when it is first asked.
    pub(super) fn down_for_ms(&mut self, now: Now) -> u64 {
        if self.is_up() {
            return 0;
        }
        now.utc_ms.saturating_sub(*self.down_since_ms.get_or_insert(now.utc_ms))
    }

    /// Whether anything waits.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.iter().all(|g| g.filled == 0)
    }

    /// The queues that hold anything, whatever their lanes' sessions.
    pub(super) fn filled(&self, upstream: UpstreamNo) -> Vec<QueueKey> {
        let lanes = |g: &Group| {
            let (service, priority, filled) = (g.service, g.priority, g.filled);
            (0..32_u8).filter(move |lane| filled & 1 << lane != 0).map(move |lane| QueueKey {
                upstream,
                service,
                priority,
                lane,
            })
        };
        self.groups.iter().flat_map(lanes).collect()
    }

    /// The front of a queue.
    pub(super) fn front(&mut self, key: QueueKey) -> Front<MessageId> {
        let group = self.group(key.service, key.priority);
        let lane = usize::from(key.lane) % LANES;
        let front = group.lanes[lane].front();
        if matches!(front, Front::Empty) {
            group.filled &= !(1 << lane);
        }
        front
    }

    /// Removes the front of a queue.
    pub(super) fn pop(&mut self, key: QueueKey) {
        self.group(key.service, key.priority).lanes[usize::from(key.lane) % LANES].pop();
    }

    /// Hands a queue the rows that it asked for.
    pub(super) fn refill(&mut self, key: QueueKey, rows: Vec<(u64, MessageId)>, whole: bool) {
        self.group(key.service, key.priority).lanes[usize::from(key.lane) % LANES].refill(rows, whole);
    }

    /// Gives each lane that has nothing under way the session of its number.
    fn spread(&mut self) {
        let links = self.links.len();
        for (n, lane) in self.lanes.iter_mut().enumerate() {
            if lane.in_flight == 0 {
                lane.link = n.checked_rem(links).map(|at| self.links[at].id);
            }
        }
    }

    fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.iter_mut().find(|l| l.id == id)
    }

    /// A submit was answered, or given up.
    pub(super) fn answered(&mut self, link: LinkId, key: QueueKey) {
        let lane = usize::from(key.lane) % LANES;
        let links = self.links.len();
        if let Some(link) = self.link(link) {
            link.in_flight = link.in_flight.saturating_sub(1);
        }
        let ids = |at: usize, links: &[Link]| links.get(at).map(|l| l.id);
        let state = &mut self.lanes[lane];
        if state.link == Some(link) {
            state.in_flight = state.in_flight.saturating_sub(1);
            if state.in_flight == 0 && links > 1 {
                state.link = ids(lane % links, &self.links);
            }
            let in_flight = &mut self.group(key.service, key.priority).in_flight[lane];
            *in_flight = in_flight.saturating_sub(1);
        }
    }

    /// The upstream took a submit of this session: pauses start short again, the rate creeps up.
    pub(super) fn went_well(&mut self, link: LinkId, now: Now) {
        if let Some(link) = self.link(link)
            && now.mono_us >= link.paused_until_us
        {
            link.pauses = 0;
        }
    }

    /// The upstream said that this session exceeds its rate.
    pub(super) fn throttled(&mut self, link: LinkId, pause_ms: u64, now: Now) {
        if let Some(link) = self.link(link)
            && now.mono_us >= link.paused_until_us
        {
            let factor = 1_u64 << link.pauses.min(5);
            link.pauses += 1;
            link.paused_until_us = now.mono_us + pause_ms.saturating_mul(1000 * factor);
            if let Some(pacer) = &mut self.pacer {
                pacer.throttled(now.mono_us);
            }
        }
    }

    pub(super) fn figures(&self) -> UpstreamFigures {
        UpstreamFigures {
            sessions: u32::try_from(self.links.len()).unwrap_or(u32::MAX),
            in_flight: self.links.iter().map(|l| l.in_flight).sum(),
            window: self.links.iter().map(|l| l.window).sum(),
            paused: u32::try_from(self.links.iter().filter(|l| l.pauses > 0).count()).unwrap_or(u32::MAX),
        }
    }

    /// Lanes whose session takes another submit now, and when one that is only paused or blocked will.
    fn ready(&self, now: Now) -> (u32, u64) {
        let (mut ready, mut wake) = (0, u64::MAX);
        for (n, lane) in self.lanes.iter().enumerate() {
            let Some(link) = lane.link.and_then(|id| self.links.iter().find(|l| l.id == id)) else {
                continue;
            };
            if link.in_flight >= link.window {
                continue;
            }
            if link.paused_until_us > now.mono_us {
                wake = wake.min(link.paused_until_us);
            } else {
                ready |= 1 << n;
            }
        }
        let blocked = self.groups.iter().flat_map(|g| g.blocked_until_ms);
        if let Some(until) = blocked.filter(|&until| until > now.utc_ms).min() {
            wake = wake.min(now.mono_us + (until - now.utc_ms) * 1000);
        }
        (ready, wake)
    }

    /// Whose turn it is among those with something in a ready lane: deficit round robin (SEMANTICS 5).
    fn choose(
        &mut self,
        ready: u32,
        now_ms: u64,
        terms: impl Fn(ServiceNo) -> Terms,
    ) -> Option<(usize, usize)> {
        let groups = self.groups.len();
        // Once round with the credit left, once more with new credit.
        for _ in 0..=groups {
            let at = self.turn.checked_rem(groups)?;
            let group = &mut self.groups[at];
            let terms = terms(group.service);
            let held = if terms.strict { group.held(now_ms) } else { 0 };
            let lanes = group.filled & ready & !held;
            if lanes != 0 {
                if group.credit == 0 {
                    group.credit = terms.weight.max(1) << group.priority.min(3);
                }
                // The first lane at or after the last one served, so that all get their turn.
                let rotated = lanes.rotate_right(group.next_lane).trailing_zeros();
                let lane = (rotated + group.next_lane) % 32;
                return Some((at, lane as usize));
            }
            group.credit = 0;
            self.turn = at + 1;
        }
        None
    }

    /// A PDU of this group and lane has left.
    fn spent(&mut self, group: usize, lane: usize, link: LinkId, finished: bool) -> bool {
        let state = &mut self.lanes[lane];
        state.in_flight += 1;
        let mut full = false;
        if let Some(link) = self.links.iter_mut().find(|l| l.id == link) {
            link.in_flight += 1;
            full = link.in_flight >= link.window;
        }
        let group = &mut self.groups[group];
        group.in_flight[lane] += 1;
        // Segments of one message stay together: the lane is left only when all have gone.
        group.next_lane = (u32::try_from(lane).unwrap_or(0) + u32::from(finished)) % 32;
        group.credit = group.credit.saturating_sub(1);
        if group.credit == 0 && finished {
            self.turn += 1;
        }
        full
    }

    fn lanes_of(&self, link: LinkId) -> u32 {
        self.lanes
            .iter()
            .enumerate()
            .filter(|(_, l)| l.link == Some(link))
            .fold(0, |mask, (n, _)| mask | 1 << n)
    }
}

/// What the front of a queue turned out to be.
enum Next {
    /// This part of this message can go.
    Send(MessageId, u8, bool),
    /// The entry was of no more use.
    Skip,
    /// It and all behind it have to wait until then (UTC milliseconds).
    Held(u64),
    /// The queue is empty.
    Nothing,
}

impl Gateway {
    /// Sends what windows, lanes and pace allow. Returns when to look again (monotonic microseconds).
    pub(super) fn dispatch(&mut self, no: UpstreamNo, turn: &mut Turn<'_>) -> Result<u64, Lost> {
        let out = self.outbound(no);
        if out.links.is_empty() || out.is_empty() {
            return Ok(u64::MAX);
        }
        let (mut ready, mut wake) = out.ready(turn.now);
        loop {
            let due = self.outbound(no).pacer.as_ref().map_or(0, |p| p.ready_at(turn.now.mono_us));
            if ready == 0 {
                return Ok(wake);
            }
            if due > turn.now.mono_us {
                return Ok(wake.min(due));
            }
            let services = std::mem::take(&mut self.services);
            let terms = |s: ServiceNo| {
                let service = services.get(usize::from(s.0)).and_then(Option::as_ref);
                service.map_or(Terms { weight: 1, strict: false }, |s| Terms {
                    weight: s.weight,
                    strict: s.strict_order,
                })
            };
            let chosen = self.outbound(no).choose(ready, turn.now.utc_ms, terms);
            self.services = services;
            let Some((group, lane)) = chosen else { return Ok(wake) };
            match self.next(no, group, lane, turn)? {
                Next::Send(id, part, last) => {
                    let out = self.outbound(no);
                    if last {
                        out.groups[group].lanes[lane].pop();
                    }
                    let Some(link) = out.lanes[lane].link else { continue };
                    if let Some(pacer) = &mut out.pacer {
                        pacer.spend(turn.now.mono_us);
                    }
                    if out.spent(group, lane, link, last) {
                        ready &= !out.lanes_of(link);
                    }
                    self.send(no, link, id, part, turn)?;
                }
                Next::Skip => self.outbound(no).groups[group].lanes[lane].pop(),
                Next::Held(until_ms) => {
                    self.outbound(no).groups[group].blocked_until_ms[lane] = until_ms;
                    wake = wake.min(turn.now.mono_us + (until_ms - turn.now.utc_ms) * 1000);
                }
                Next::Nothing => self.outbound(no).groups[group].filled &= !(1 << lane),
            }
        }
    }

    /// Looks at the front of a queue; what has expired or moved on is dealt with here.
    fn next(&mut self, no: UpstreamNo, group: usize, lane: usize, turn: &mut Turn<'_>) -> Result<Next, Lost> {
        let out = self.outbound(no);
        let (service, priority) = (out.groups[group].service, out.groups[group].priority);
        let (place, id) = match out.groups[group].lanes[lane].front() {
            Front::Entry(place, id) => (place, id),
            Front::Empty => return Ok(Next::Nothing),
            Front::Stored(from) => {
                let key = QueueKey { upstream: no, service, priority, lane: u8::try_from(lane).unwrap_or(0) };
                let rows = self.state.cold().waiting(key, from, PAGE)?;
                let whole = rows.len() < PAGE;
                self.outbound(no).groups[group].lanes[lane].refill(rows, whole);
                return self.next(no, group, lane, turn);
            }
        };
        let Some(m) = self.state.message(id)? else { return Ok(Next::Skip) };
        let wanted =
            m.place == place && m.upstream == no && matches!(m.stage, Stage::Waiting | Stage::Dispatched);
        let doubted = m.parts.iter().position(|p| p.stage == PartStage::Dispatched && p.link.is_none());
        let part = m.parts.iter().position(|p| p.stage == PartStage::Waiting);
        let more = m.parts.iter().filter(|p| p.stage == PartStage::Waiting).count() > 1;
        let (expires_ms, not_before_ms) = (m.expires_ms, m.not_before_ms);
        let begun = m.parts.iter().any(|p| p.attempts > 0);
        drop(m);
        if !wanted {
            return Ok(Next::Skip);
        }
        let at_ms = turn.now.utc_ms;
        if let Some(part) = doubted {
            // It was under way when an earlier run ended (SEMANTICS 1 and 2).
            let part = u8::try_from(part).unwrap_or(u8::MAX);
            self.outcome_unknown(no, (id, part), Doubt::Restart, turn)?;
            return self.next(no, group, lane, turn);
        }
        let Some(part) = part else { return Ok(Next::Skip) };
        if expires_ms <= at_ms {
            self.commit(turn, Record::Ended { id, at_ms, end: End::Expired, reason: Reason::Validity })?;
            return Ok(Next::Skip);
        }
        if not_before_ms > at_ms {
            // Put off before a restart, not scheduled.
            if begun && self.service(service).is_some_and(|s| s.strict_order) {
                return Ok(Next::Held(not_before_ms));
            }
            self.delayed.insert((not_before_ms, id));
            return Ok(Next::Skip);
        }
        Ok(Next::Send(id, u8::try_from(part).unwrap_or(u8::MAX), !more))
    }

    /// Writes the fact, then has the PDU sent.
    fn send(
        &mut self,
        no: UpstreamNo,
        link: LinkId,
        id: MessageId,
        part: u8,
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        let at_ms = turn.now.utc_ms;
        self.commit(turn, Record::Dispatched { id, part, at_ms })?;
        let long = self.upstream(no).map_or(LongMode::Payload, |u| u.long);
        let Some(mut m) = self.state.message(id)? else { return Ok(()) };
        let Some(p) = m.parts.get_mut(usize::from(part)) else { return Ok(()) };
        p.link = Some(link);
        let ticket = Ticket { id, part, attempt: p.attempts };
        let (content, carry) = carried(&m, part, long);
        let validity_s = m.expires_ms.saturating_sub(at_ms).div_ceil(1000);
        drop(m);
        let dispatch = Dispatch { ticket, validity_s, content, carry };
        turn.effects.push((Asker::Link(link), Effect::Dispatch(Box::new(dispatch))));
        Ok(())
    }
}

/// One PDU's worth of a message.
fn carried(m: &Message, part: u8, long: LongMode) -> (Content, Carry) {
    let mut content = m.content.clone();
    if m.parts.len() <= 1 {
        let whole = content.esm_class.has_udhi() || has_sar(&content.tlvs);
        let alone = segments_of(&content.payload, unit_kind(content.data_coding), Table::STANDARD) <= 1;
        return (content, if whole || alone { Carry::Short } else { Carry::Payload });
    }
    let total = u8::try_from(m.parts.len()).unwrap_or(u8::MAX);
    let kind = unit_kind(content.data_coding);
    let cut = split(&m.content.payload, kind, Table::STANDARD)
        .ok()
        .and_then(|mut parts| parts.nth(usize::from(part)))
        .unwrap_or_default();
    let number = part.saturating_add(1);
    let reference = u16::from_be_bytes([m.id.0[10], m.id.0[11]]);
    if long == LongMode::Sar {
        content.payload = cut.into();
        return (content, Carry::Sar { reference, total, number });
    }
    let [_, low] = reference.to_be_bytes();
    let mut payload = Vec::with_capacity(6 + cut.len());
    if let Some(header) = Concatenation::new(Reference::Eight(low), total, number) {
        payload.extend_from_slice(header.header().as_bytes());
    }
    payload.extend_from_slice(cut);
    content.payload = payload.into();
    content.esm_class = EsmClass(content.esm_class.0 | EsmClass::UDHI.0);
    (content, Carry::Short)
}
