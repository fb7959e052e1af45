//! The gateway's rows in the tables: what it reads and writes beneath itself.
//!
//! Keys are big-endian so that rows lie in the order in which they are wanted. Every value begins with a version.

mod index;

use std::sync::Arc;

use super::octets::{Garbled, Put, Take};
use super::record::{
    REASONS, asked, content, incoming, incoming_ties, is_tied, mo, one_of, owed, parked, put_asked,
    put_content, put_incoming, put_incoming_ties, put_mo, put_owed, put_parked, put_ties, ties,
};
use super::tables::{Day, TableId, Tables, WriteSet};
use crate::gateway::cold::{By, Cold, Indexed, Lost, Query, QueueKey, Sink};
use crate::gateway::delivery::Delivery;
use crate::gateway::event::Event;
use crate::gateway::id::{MessageId, Outlet, ServiceNo, UpstreamNo};
use crate::gateway::join::{Set, SetKey};
use crate::gateway::message::{
    Doubt, End, Event as Noted, Message, Part, PartStage, Rows, Stage, Ties, What,
};
use crate::gateway::record::{Incoming, Parked};
use crate::gateway::state::{Counters, Known, OutletTotals, Scope, Totals};
use crate::pdu::{CommandStatus, MessageState};

/// The version of most rows.
const VERSION: u8 = 1;

/// The newest version of any: of messages and MO that HTTP has to do with, and of the counters.
const NEWEST: u8 = 2;

/// Tables of the present, by [`TableId`].
pub const STATE_TABLES: &[&str] = &[
    "messages",
    "waiting",
    "deadlines",
    "deliveries",
    "dead",
    "incoming",
    "parked",
    "sets",
    "counters",
    "blocked",
];

/// Tables of each day's history.
pub const HISTORY_TABLES: &[&str] = &["messages", "upstream_ids", "incoming", "keys", "index", "events"];

const MESSAGES: TableId = TableId(0);
const WAITING: TableId = TableId(1);
const DEADLINES: TableId = TableId(2);
const DELIVERIES: TableId = TableId(3);
const DEAD: TableId = TableId(4);
const INCOMING: TableId = TableId(5);
const PARKED: TableId = TableId(6);
const SETS: TableId = TableId(7);
const COUNTERS: TableId = TableId(8);
const BLOCKED: TableId = TableId(9);

const PAST_MESSAGES: TableId = TableId(0);
const PAST_UPSTREAM_IDS: TableId = TableId(1);
const PAST_INCOMING: TableId = TableId(2);
const PAST_KEYS: TableId = TableId(3);
const PAST_INDEX: TableId = TableId(4);
const PAST_EVENTS: TableId = TableId(5);

/// The tables as the gateway reads them.
#[derive(Debug)]
pub struct RowReader {
    tables: Arc<Tables>,
    /// Days of history that ids of an upstream are looked for in.
    id_days: u32,
}

impl RowReader {
    /// Reads from `tables`; ids of upstreams are found for `id_days` days.
    pub fn new(tables: Arc<Tables>, id_days: u32) -> Self {
        Self { tables, id_days }
    }

    fn row<T>(
        &self,
        table: TableId,
        key: &[u8],
        read: impl FnOnce(&mut Take<'_>, u8) -> Result<T, Garbled>,
    ) -> Result<Option<T>, Lost> {
        self.tables.get(table, key).map_err(lost)?.map(|value| versioned(&value, read)).transpose()
    }

    fn all<T>(
        &self,
        table: TableId,
        read: impl Fn(&mut Take<'_>, u8) -> Result<T, Garbled>,
    ) -> Result<Vec<T>, Lost> {
        let rows = self.tables.range(table, &[][..].., usize::MAX).map_err(lost)?;
        rows.iter().map(|(_, value)| versioned(value, &read)).collect()
    }

    /// Counts rows by the first `prefix` octets of their keys.
    fn counts(&self, table: TableId, prefix: usize) -> Result<Vec<(Vec<u8>, u64)>, Lost> {
        const PAGE: usize = 65_536;
        let mut counts: Vec<(Vec<u8>, u64)> = Vec::new();
        let mut from = Vec::new();
        loop {
            let rows = self.tables.range(table, &from[..].., PAGE).map_err(lost)?;
            for (key, _) in &rows {
                let head = key.get(..prefix).unwrap_or_default();
                match counts.last_mut() {
                    Some((last, n)) if last == head => *n += 1,
                    _ => counts.push((head.to_vec(), 1)),
                }
            }
            match rows.last() {
                Some((last, _)) if rows.len() == PAGE => {
                    from.clone_from(last);
                    from.push(0);
                }
                _ => return Ok(counts),
            }
        }
    }

    fn day_of(id: MessageId) -> Day {
        Day::of_utc_ms(u64::from(id.seconds()) * 1000)
    }
}

fn lost(error: impl std::error::Error + Send + Sync + 'static) -> Lost {
    Lost(Box::new(error))
}

fn versioned<T>(value: &[u8], read: impl FnOnce(&mut Take<'_>, u8) -> Result<T, Garbled>) -> Result<T, Lost> {
    let mut take = Take(value);
    let version = take.u8().map_err(lost)?;
    if version == 0 || version > NEWEST {
        return Err(lost(Garbled("a row of this release's version")));
    }
    let row = read(&mut take, version).map_err(lost)?;
    take.end().map_err(lost)?;
    Ok(row)
}

impl Cold for RowReader {
    fn message(&self, id: MessageId) -> Result<Option<Message>, Lost> {
        if let Some(m) = self.row(MESSAGES, &id.0, read_message)? {
            return Ok(Some(m));
        }
        let past = self.tables.history_get(Self::day_of(id), PAST_MESSAGES, &id.0).map_err(lost)?;
        past.map(|value| versioned(&value, read_message)).transpose()
    }

    fn incoming(&self, id: MessageId) -> Result<Option<Incoming>, Lost> {
        if let Some(i) = self.row(INCOMING, &id.0, read_incoming)? {
            return Ok(Some(i));
        }
        let past = self.tables.history_get(Self::day_of(id), PAST_INCOMING, &id.0).map_err(lost)?;
        past.map(|value| versioned(&value, read_incoming)).transpose()
    }

    fn delivery(&self, outlet: Outlet, no: u64) -> Result<Option<Delivery>, Lost> {
        self.row(DELIVERIES, &delivery_key(outlet, no), |b, _| read_delivery(b))
    }

    fn dead(&self, outlet: Outlet, limit: usize) -> Result<Vec<Delivery>, Lost> {
        let (from, to) = (delivery_key(outlet, 0), delivery_key(outlet, u64::MAX));
        let rows = self.tables.range(DEAD, &from[..]..=&to[..], limit).map_err(lost)?;
        rows.iter().map(|(_, value)| versioned(value, |b, _| read_delivery(b))).collect()
    }

    fn dead_letter(&self, outlet: Outlet, no: u64) -> Result<Option<Delivery>, Lost> {
        self.row(DEAD, &delivery_key(outlet, no), |b, _| read_delivery(b))
    }

    fn upstream_id(&self, upstream: UpstreamNo, id: &[u8]) -> Result<Option<(MessageId, u8)>, Lost> {
        let key = upstream_id_key(upstream, id);
        let days = self.tables.history_days().map_err(lost)?;
        for &day in days.iter().rev().take(self.id_days as usize) {
            if let Some(value) = self.tables.history_get(day, PAST_UPSTREAM_IDS, &key).map_err(lost)? {
                let found = versioned(&value, |b, _| Ok((MessageId(b.array()?), b.u8()?)))?;
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn waiting(&self, queue: QueueKey, from: u64, limit: usize) -> Result<Vec<(u64, MessageId)>, Lost> {
        let (from, to) = (waiting_key(queue, from), waiting_key(queue, u64::MAX));
        let rows = self.tables.range(WAITING, &from[..]..=&to[..], limit).map_err(lost)?;
        rows.iter()
            .map(|(key, value)| {
                let place = key
                    .last_chunk()
                    .map(|k| u64::from_be_bytes(*k))
                    .ok_or_else(|| lost(Garbled("a place")))?;
                Ok((place, versioned(value, |b, _| Ok(MessageId(b.array()?)))?))
            })
            .collect()
    }

    fn queues(&self) -> Result<Vec<(QueueKey, u64)>, Lost> {
        let queue = |key: &[u8]| {
            let [u1, u2, s1, s2, priority, lane] = key.try_into().map_err(|_| lost(Garbled("a queue")))?;
            let (upstream, service) = (u16::from_be_bytes([u1, u2]), u16::from_be_bytes([s1, s2]));
            Ok(QueueKey { upstream: UpstreamNo(upstream), service: ServiceNo(service), priority, lane })
        };
        self.counts(WAITING, 6)?.into_iter().map(|(key, rows)| Ok((queue(&key)?, rows))).collect()
    }

    fn deliveries(&self, outlet: Outlet, from: u64, limit: usize) -> Result<Vec<u64>, Lost> {
        let (from, to) = (delivery_key(outlet, from), delivery_key(outlet, u64::MAX));
        let rows = self.tables.range(DELIVERIES, &from[..]..=&to[..], limit).map_err(lost)?;
        let number = |key: &[u8]| key.last_chunk().map(|k| u64::from_be_bytes(*k));
        rows.iter().map(|(key, _)| number(key).ok_or_else(|| lost(Garbled("a number")))).collect()
    }

    fn inboxes(&self) -> Result<Vec<(Outlet, u64)>, Lost> {
        let outlet =
            |key: &[u8]| key.try_into().map(u16::from_be_bytes).map_err(|_| lost(Garbled("an outlet")));
        self.counts(DELIVERIES, 2)?.into_iter().map(|(key, rows)| Ok((Outlet(outlet(&key)?), rows))).collect()
    }

    fn deadlines(
        &self,
        from: (u64, MessageId),
        until: u64,
        limit: usize,
    ) -> Result<Vec<(u64, MessageId)>, Lost> {
        let (from, to) = (deadline_key(from.0, from.1), deadline_key(until, MessageId([0xFF; 12])));
        let rows = self.tables.range(DEADLINES, &from[..]..=&to[..], limit).map_err(lost)?;
        let read = |key: &[u8]| -> Option<(u64, MessageId)> {
            let (at, id) = key.split_first_chunk()?;
            Some((u64::from_be_bytes(*at), MessageId(id.try_into().ok()?)))
        };
        rows.iter().map(|(key, _)| read(key).ok_or_else(|| lost(Garbled("a deadline")))).collect()
    }

    fn parked(&self) -> Result<Vec<Parked>, Lost> {
        self.all(PARKED, |b, _| parked(b))
    }

    fn sets(&self) -> Result<Vec<Set>, Lost> {
        self.all(SETS, |b, _| read_set(b))
    }

    fn counters(&self) -> Result<Option<Counters>, Lost> {
        self.row(COUNTERS, &[0], read_counters)
    }

    fn key(&self, scope: Scope, key: [u8; 16], since_ms: u64, now_ms: u64) -> Result<Option<Known>, Lost> {
        self.find_key(scope, key, since_ms, now_ms)
    }

    fn last_to(
        &self,
        service: ServiceNo,
        mobile: u64,
        since_ms: u64,
        limit: usize,
    ) -> Result<Vec<MessageId>, Lost> {
        let query = Query {
            by: By::Number(mobile),
            from_ms: since_ms,
            until_ms: u64::MAX,
            after: None,
            newest_first: true,
            // Answers of the mobile lie between them.
            limit: 4 * limit,
        };
        let listed = self.find_list(service, &query)?;
        Ok(listed.into_iter().filter(|&(_, incoming)| !incoming).map(|(id, _)| id).take(limit).collect())
    }

    fn blocked(&self) -> Result<Vec<(ServiceNo, u64)>, Lost> {
        let rows = self.tables.range(BLOCKED, &[][..].., usize::MAX).map_err(lost)?;
        let read = |key: &[u8]| -> Option<(ServiceNo, u64)> {
            let (service, number) = key.split_first_chunk()?;
            Some((ServiceNo(u16::from_be_bytes(*service)), u64::from_be_bytes(number.try_into().ok()?)))
        };
        rows.iter().map(|(key, _)| read(key).ok_or_else(|| lost(Garbled("a number")))).collect()
    }

    fn list(&self, service: ServiceNo, query: &Query) -> Result<Vec<(MessageId, bool)>, Lost> {
        self.find_list(service, query)
    }

    fn events(&self, service: ServiceNo, after: u64, limit: usize) -> Result<Option<Vec<Event>>, Lost> {
        self.find_events(service, after, limit)
    }

    fn oldest_event(&self) -> Result<Option<u64>, Lost> {
        self.find_oldest_event()
    }
}

/// Collects the rows of a checkpoint.
#[derive(Debug, Default)]
pub struct RowWriter {
    /// What is to be written.
    pub set: WriteSet,
    value: Vec<u8>,
}

impl RowWriter {
    fn value(&mut self, version: u8, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut value = std::mem::take(&mut self.value);
        value.clear();
        value.u8(version);
        write(&mut value);
        value
    }

    fn put(&mut self, table: TableId, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.put_version(VERSION, table, key, write);
    }

    fn put_version(&mut self, version: u8, table: TableId, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        let value = self.value(version, write);
        self.set.put(table, key, &value);
        self.value = value;
    }

    fn put_past(&mut self, day: Day, table: TableId, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) {
        self.put_past_version(VERSION, day, table, key, write);
    }

    fn put_past_version(
        &mut self,
        version: u8,
        day: Day,
        table: TableId,
        key: &[u8],
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let value = self.value(version, write);
        self.set.put_history(day, table, key, &value);
        self.value = value;
    }
}

impl Sink for RowWriter {
    fn message(&mut self, message: &Message) {
        self.put_version(message_version(message), MESSAGES, &message.id.0, |v| write_message(v, message));
    }
    fn message_gone(&mut self, id: MessageId) {
        self.set.remove(MESSAGES, &id.0);
    }
    fn message_history(&mut self, m: &Message) {
        let day = RowReader::day_of(m.id);
        self.put_past_version(message_version(m), day, PAST_MESSAGES, &m.id.0, |v| write_message(v, m));
    }
    fn upstream_id(&mut self, upstream: UpstreamNo, id: &[u8], message: MessageId, part: u8) {
        let key = upstream_id_key(upstream, id);
        self.put_past(RowReader::day_of(message), PAST_UPSTREAM_IDS, &key, |v| {
            v.put(&message.0);
            v.u8(part);
        });
    }
    fn waiting(&mut self, queue: QueueKey, place: u64, id: MessageId) {
        self.put(WAITING, &waiting_key(queue, place), |v| v.put(&id.0));
    }
    fn waiting_gone(&mut self, queue: QueueKey, place: u64) {
        self.set.remove(WAITING, &waiting_key(queue, place));
    }
    fn deadline(&mut self, at_ms: u64, id: MessageId) {
        self.put(DEADLINES, &deadline_key(at_ms, id), |_| ());
    }
    fn deadline_gone(&mut self, at_ms: u64, id: MessageId) {
        self.set.remove(DEADLINES, &deadline_key(at_ms, id));
    }
    fn delivery(&mut self, delivery: &Delivery) {
        self.put(DELIVERIES, &delivery_key(delivery.outlet, delivery.no), |v| write_delivery(v, delivery));
    }
    fn delivery_gone(&mut self, outlet: Outlet, no: u64) {
        self.set.remove(DELIVERIES, &delivery_key(outlet, no));
    }
    fn dead(&mut self, delivery: &Delivery) {
        self.put(DEAD, &delivery_key(delivery.outlet, delivery.no), |v| write_delivery(v, delivery));
    }
    fn dead_gone(&mut self, outlet: Outlet, no: u64) {
        self.set.remove(DEAD, &delivery_key(outlet, no));
    }
    fn incoming(&mut self, i: &Incoming) {
        self.put_version(incoming_version(i), INCOMING, &i.id.0, |v| write_incoming(v, i));
    }
    fn incoming_gone(&mut self, id: MessageId) {
        self.set.remove(INCOMING, &id.0);
    }
    fn incoming_history(&mut self, i: &Incoming) {
        let day = RowReader::day_of(i.id);
        self.put_past_version(incoming_version(i), day, PAST_INCOMING, &i.id.0, |v| write_incoming(v, i));
    }
    fn parked(&mut self, p: &Parked) {
        self.put(PARKED, &p.no.to_be_bytes(), |v| put_parked(v, p));
    }
    fn parked_gone(&mut self, no: u64) {
        self.set.remove(PARKED, &no.to_be_bytes());
    }
    fn set(&mut self, set: &Set) {
        self.put(SETS, &set.no.to_be_bytes(), |v| write_set(v, set));
    }
    fn set_gone(&mut self, no: u64) {
        self.set.remove(SETS, &no.to_be_bytes());
    }
    fn index(&mut self, indexed: &Indexed<'_>) {
        self.put_index(indexed);
    }
    fn key(&mut self, scope: Scope, key: [u8; 16], known: &Known) {
        Self::put_key(self, scope, key, known);
    }
    fn blocked(&mut self, service: ServiceNo, number: u64, blocked: bool) {
        let mut key = [0; 10];
        key[..2].copy_from_slice(&service.0.to_be_bytes());
        key[2..].copy_from_slice(&number.to_be_bytes());
        match blocked {
            true => self.put(BLOCKED, &key, |_| ()),
            false => self.set.remove(BLOCKED, &key),
        }
    }
    fn events(&mut self, events: &[Event]) {
        self.put_events(events);
    }
    fn counters(&mut self, counters: &Counters) {
        self.put_version(NEWEST, COUNTERS, &[0], |v| write_counters(v, counters));
    }
}

fn waiting_key(queue: QueueKey, place: u64) -> [u8; 14] {
    let mut key = [0; 14];
    key[..2].copy_from_slice(&queue.upstream.0.to_be_bytes());
    key[2..4].copy_from_slice(&queue.service.0.to_be_bytes());
    (key[4], key[5]) = (queue.priority, queue.lane);
    key[6..].copy_from_slice(&place.to_be_bytes());
    key
}

fn delivery_key(outlet: Outlet, no: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&outlet.0.to_be_bytes());
    key[2..].copy_from_slice(&no.to_be_bytes());
    key
}

fn deadline_key(at_ms: u64, id: MessageId) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&at_ms.to_be_bytes());
    key[8..].copy_from_slice(&id.0);
    key
}

fn upstream_id_key(upstream: UpstreamNo, id: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + id.len());
    key.extend_from_slice(&upstream.0.to_be_bytes());
    key.extend_from_slice(id);
    key
}

/// The version of a message's row: the first unless it says something that the first cannot.
fn message_version(m: &Message) -> u8 {
    if m.ties == Ties::default() { VERSION } else { NEWEST }
}

fn incoming_version(i: &Incoming) -> u8 {
    if is_tied(i) { NEWEST } else { VERSION }
}

fn write_incoming(v: &mut Vec<u8>, i: &Incoming) {
    put_incoming(v, i);
    if is_tied(i) {
        put_incoming_ties(v, i);
    }
}

fn read_incoming(b: &mut Take<'_>, version: u8) -> Result<Incoming, Garbled> {
    let mut read = incoming(b)?;
    if version > 1 {
        incoming_ties(b, &mut read)?;
    }
    Ok(read)
}

fn write_message(v: &mut Vec<u8>, m: &Message) {
    v.put(&m.id.0);
    v.u16(m.service.0);
    v.u16(m.upstream.0);
    v.u64(m.place);
    v.put(&[m.lane, m.billed]);
    put_asked(v, m.asked);
    v.u64(m.accepted_ms);
    v.u64(m.expires_ms);
    v.u64(m.receipt_by_ms);
    v.u64(m.not_before_ms);
    put_content(v, &m.content);
    v.u8(match m.stage {
        Stage::Waiting => 0,
        Stage::Dispatched => 1,
        Stage::Sent => 2,
        Stage::Ended(end) => 3 + end as u8,
    });
    v.var(u64::from(m.pending));
    v.u8(u8::try_from(m.parts.len()).unwrap_or(u8::MAX));
    for p in &m.parts {
        match p.stage {
            PartStage::Waiting => v.u8(0),
            PartStage::Dispatched => v.u8(1),
            PartStage::Sent => v.u8(2),
            PartStage::Final { state, error } => {
                v.put(&[3, state.0]);
                v.u32(error);
            }
        }
        v.u8(p.attempts);
        v.u64(p.dispatched_ms);
        v.octets(&p.upstream_id);
    }
    v.u8(u8::try_from(m.history.len()).unwrap_or(u8::MAX));
    for e in &m.history {
        v.u64(e.at_ms);
        v.u8(e.part);
        write_what(v, e.what);
    }
    v.u8(u8::from(m.rows.message));
    v.u64(m.rows.waiting);
    v.u64(m.rows.deadline);
    if message_version(m) > 1 {
        put_ties(v, &m.ties);
    }
}

fn read_message(b: &mut Take<'_>, version: u8) -> Result<Message, Garbled> {
    let id = MessageId(b.array()?);
    let (service, upstream, place) = (ServiceNo(b.u16()?), UpstreamNo(b.u16()?), b.u64()?);
    let [lane, billed] = b.array()?;
    let asked = asked(b)?;
    let (accepted_ms, expires_ms, receipt_by_ms, not_before_ms) = (b.u64()?, b.u64()?, b.u64()?, b.u64()?);
    let content = content(b)?;
    let stage = match b.u8()? {
        0 => Stage::Waiting,
        1 => Stage::Dispatched,
        2 => Stage::Sent,
        n => Stage::Ended(one_of(&End::ALL, n - 3)?),
    };
    let pending = u32::try_from(b.var()?).map_err(|_| Garbled("a count"))?;
    let parts = (0..b.u8()?).map(|_| read_part(b)).collect::<Result<_, _>>()?;
    let history = (0..b.u8()?)
        .map(|_| Ok(Noted { at_ms: b.u64()?, part: b.u8()?, what: read_what(b)? }))
        .collect::<Result<_, Garbled>>()?;
    let rows = Rows { message: b.bool()?, waiting: b.u64()?, deadline: b.u64()?, ..Rows::default() };
    let ties = if version > 1 { ties(b)? } else { Ties::default() };
    Ok(Message {
        id,
        service,
        upstream,
        place,
        lane,
        accepted_ms,
        expires_ms,
        receipt_by_ms,
        not_before_ms,
        billed,
        asked,
        ties,
        content,
        stage,
        parts,
        pending,
        history,
        rows,
    })
}

fn read_part(b: &mut Take<'_>) -> Result<Part, Garbled> {
    let stage = match b.u8()? {
        0 => PartStage::Waiting,
        1 => PartStage::Dispatched,
        2 => PartStage::Sent,
        3 => PartStage::Final { state: MessageState(b.u8()?), error: b.u32()? },
        _ => return Err(Garbled("a part's stage")),
    };
    Ok(Part { stage, attempts: b.u8()?, dispatched_ms: b.u64()?, upstream_id: b.boxed()?, link: None })
}

fn write_what(v: &mut Vec<u8>, what: What) {
    let (tag, value) = match what {
        What::Accepted => (0, 0),
        What::Dispatched(upstream) => (1, u32::from(upstream.0)),
        What::Sent => (2, 0),
        What::PutOff(status) => (3, status.0),
        What::Doubt(doubt) => (4, doubt as u32),
        What::Rerouted(upstream) => (5, u32::from(upstream.0)),
        What::Refused(status) => (6, status.0),
        What::Receipt(state) => (7, u32::from(state.0)),
        What::LateReceipt(state) => (8, u32::from(state.0)),
        What::Ended(end, reason) => (9, end as u32 | (reason as u32) << 8),
        What::Redelivered => (10, 0),
        What::Notified => (11, 0),
        What::Unsure => (12, 0),
    };
    v.u8(tag);
    v.var(u64::from(value));
}

fn read_what(b: &mut Take<'_>) -> Result<What, Garbled> {
    let tag = b.u8()?;
    let value = u32::try_from(b.var()?).map_err(|_| Garbled("an event"))?;
    let [low, high, ..] = value.to_le_bytes();
    let upstream = UpstreamNo(u16::from_le_bytes([low, high]));
    Ok(match tag {
        0 => What::Accepted,
        1 => What::Dispatched(upstream),
        2 => What::Sent,
        3 => What::PutOff(CommandStatus(value)),
        4 => What::Doubt(one_of(&Doubt::ALL, low)?),
        5 => What::Rerouted(upstream),
        6 => What::Refused(CommandStatus(value)),
        7 => What::Receipt(MessageState(low)),
        8 => What::LateReceipt(MessageState(low)),
        9 => What::Ended(one_of(&End::ALL, low)?, one_of(&REASONS, high)?),
        10 => What::Redelivered,
        11 => What::Notified,
        12 => What::Unsure,
        _ => return Err(Garbled("an event")),
    })
}

fn write_delivery(v: &mut Vec<u8>, d: &Delivery) {
    v.u64(d.no);
    v.u16(d.outlet.0);
    v.u64(d.created_ms);
    v.u64(d.not_before_ms);
    v.put(&[d.tries, d.puts_off, u8::from(d.under_way)]);
    put_owed(v, d.owed);
}

fn read_delivery(b: &mut Take<'_>) -> Result<Delivery, Garbled> {
    let (no, outlet, created_ms, not_before_ms) = (b.u64()?, Outlet(b.u16()?), b.u64()?, b.u64()?);
    let (tries, puts_off, under_way) = (b.u8()?, b.u8()?, b.bool()?);
    let owed = owed(b)?;
    Ok(Delivery {
        no,
        outlet,
        owed,
        created_ms,
        tries,
        puts_off,
        not_before_ms,
        under_way,
        doubt: None,
        link: None,
        avoid: None,
        row: true,
        dirty: false,
    })
}

fn write_set(v: &mut Vec<u8>, s: &Set) {
    v.u64(s.no);
    v.u16(s.key.upstream.0);
    v.address(&s.key.source);
    v.address(&s.key.destination);
    v.u16(s.key.reference);
    v.put(&[u8::from(s.key.wide), s.key.total, u8::from(s.out)]);
    v.u64(s.deadline_ms);
    v.var(s.parts.len() as u64);
    for (number, part) in &s.parts {
        v.u8(*number);
        put_mo(v, part);
    }
}

fn read_set(b: &mut Take<'_>) -> Result<Set, Garbled> {
    let (no, upstream) = (b.u64()?, UpstreamNo(b.u16()?));
    let (source, destination, reference) = (b.address()?, b.address()?, b.u16()?);
    let (wide, total, out) = (b.bool()?, b.u8()?, b.bool()?);
    let key = SetKey { upstream, source, destination, reference, wide, total };
    let deadline_ms = b.u64()?;
    let parts = (0..b.var()?).map(|_| Ok((b.u8()?, mo(b)?))).collect::<Result<_, Garbled>>()?;
    Ok(Set { no, key, deadline_ms, out, parts, dirty: false, row: true })
}

fn write_counters(v: &mut Vec<u8>, c: &Counters) {
    for names in [&c.services, &c.upstreams] {
        v.var(names.len() as u64);
        names.iter().for_each(|name| v.octets(name.as_bytes()));
    }
    v.var(c.totals.len() as u64);
    for t in &c.totals {
        v.u64(t.accepted);
        t.ended.iter().for_each(|&n| v.u64(n));
        [t.queued, t.incoming, t.owed, t.dead, t.used].iter().for_each(|&n| v.u64(n));
        v.u32(t.month);
    }
    c.stages.iter().for_each(|&n| v.u64(n));
    [c.place, c.delivery, c.parked, c.set].iter().for_each(|&n| v.u64(n));
    v.u32(c.seconds);
    c.dispatch_doubts.iter().chain(&c.delivery_doubts).for_each(|&n| v.u64(n));
    v.u64(c.unrouted);
    v.u64(c.unmatched_dropped);
    v.var(c.forms.len() as u64);
    for (upstream, form) in &c.forms {
        v.u16(upstream.0);
        v.u8(*form);
    }
    v.u64(c.event);
    v.var(c.outlets.len() as u64);
    for o in &c.outlets {
        v.octets(o.name.as_bytes());
        v.u16(o.service.0);
        v.u64(o.owed);
        v.u64(o.dead);
    }
}

fn read_counters(b: &mut Take<'_>, version: u8) -> Result<Counters, Garbled> {
    let services = (0..b.var()?).map(|_| b.text()).collect::<Result<_, _>>()?;
    let upstreams = (0..b.var()?).map(|_| b.text()).collect::<Result<_, _>>()?;
    let totals = (0..b.var()?).map(|_| read_totals(b)).collect::<Result<_, _>>()?;
    let stages = numbers(b)?;
    let [place, delivery, parked, set] = numbers(b)?;
    let seconds = b.u32()?;
    let (dispatch_doubts, delivery_doubts) = (numbers(b)?, numbers(b)?);
    let (unrouted, unmatched_dropped) = (b.u64()?, b.u64()?);
    let forms = (0..b.var()?).map(|_| Ok((UpstreamNo(b.u16()?), b.u8()?))).collect::<Result<_, Garbled>>()?;
    let event = if version > 1 { b.u64()? } else { 0 };
    let outlets = if version > 1 { b.var()? } else { 0 };
    let outlets = (0..outlets)
        .map(|_| {
            Ok(OutletTotals { name: b.text()?, service: ServiceNo(b.u16()?), owed: b.u64()?, dead: b.u64()? })
        })
        .collect::<Result<_, Garbled>>()?;
    Ok(Counters {
        event,
        outlets,
        services,
        upstreams,
        totals,
        stages,
        place,
        delivery,
        parked,
        set,
        seconds,
        dispatch_doubts,
        delivery_doubts,
        unrouted,
        unmatched_dropped,
        forms,
    })
}

fn read_totals(b: &mut Take<'_>) -> Result<Totals, Garbled> {
    let accepted = b.u64()?;
    let ended = numbers(b)?;
    let [queued, incoming, owed, dead, used] = numbers(b)?;
    Ok(Totals { accepted, ended, queued, incoming, owed, dead, used, month: b.u32()? })
}

fn numbers<const N: usize>(b: &mut Take<'_>) -> Result<[u64; N], Garbled> {
    let mut numbers = [0; N];
    for n in &mut numbers {
        *n = b.u64()?;
    }
    Ok(numbers)
}
