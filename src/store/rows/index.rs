//! Rows for readers over HTTP: keys of requests, lists of messages, events. All lie in the file of their day.
//!
//! | table | key | value |
//! |---|---|---|
//! | `keys` | scope, key | digest, id, time |
//! | `index` | kind, service, (number or hash of the reference,) id | whether it came from the mobile |
//! | `events` | service, number of the first | some events |
//! | `events` | 0xFFFF, number of the first | nothing: the events of a checkpoint, of all services, begin here |

use super::super::octets::{Garbled, Put, Take};
use super::super::record::one_of;
use super::super::tables::Day;
use super::{PAST_EVENTS, PAST_INDEX, PAST_KEYS, RowReader, RowWriter, lost, versioned};
use crate::gateway::cold::{By, Indexed, Lost, Query};
use crate::gateway::event::{Event, EventKind};
use crate::gateway::id::{MessageId, ServiceNo};
use crate::gateway::state::{Known, Scope};
use crate::pdu::MessageState;

/// Events in one row at most.
const EVENTS_MAX: usize = 512;

/// The service of rows that say where the events of a checkpoint begin.
const ALL: u16 = u16::MAX;

impl RowReader {
    pub(super) fn find_key(
        &self,
        scope: Scope,
        key: [u8; 16],
        since_ms: u64,
        now_ms: u64,
    ) -> Result<Option<Known>, Lost> {
        let (oldest, newest) = (Day::of_utc_ms(since_ms), Day::of_utc_ms(now_ms));
        for day in self.tables.history_days().map_err(lost)?.into_iter().rev() {
            if day > newest || day < oldest {
                continue;
            }
            if let Some(value) = self.tables.history_get(day, PAST_KEYS, &key_of(scope, key)).map_err(lost)? {
                return versioned(&value, |b, _| {
                    Ok(Known { digest: b.array()?, id: MessageId(b.array()?), at_ms: b.u64()? })
                })
                .map(Some);
            }
        }
        Ok(None)
    }

    pub(super) fn find_list(
        &self,
        service: ServiceNo,
        query: &Query,
    ) -> Result<Vec<(MessageId, bool)>, Lost> {
        let Some((low, high)) = query.bounds() else { return Ok(Vec::new()) };
        let head = index_head(service, &query.by);
        let (from, to) = ([&head[..], &low.0].concat(), [&head[..], &high.0].concat());
        let (first, last) = (Self::day_of(low), Self::day_of(high));
        let mut days = self.tables.history_days().map_err(lost)?;
        days.retain(|&day| first <= day && day <= last);
        if query.newest_first {
            days.reverse();
        }
        let mut found = Vec::new();
        for day in days {
            let room = query.limit - found.len();
            if room == 0 {
                break;
            }
            let range = &from[..]..=&to[..];
            let rows = if query.newest_first {
                self.tables.history_range_back(day, PAST_INDEX, range, room)
            } else {
                self.tables.history_range(day, PAST_INDEX, range, room)
            };
            for (key, value) in rows.map_err(lost)? {
                let id = key.last_chunk().map(|id| MessageId(*id)).ok_or_else(|| lost(Garbled("an id")))?;
                found.push((id, versioned(&value, |b, _| b.bool())?));
            }
        }
        Ok(found)
    }

    pub(super) fn find_events(
        &self,
        service: ServiceNo,
        after: u64,
        limit: usize,
    ) -> Result<Option<Vec<Event>>, Lost> {
        if self.find_oldest_event()?.is_some_and(|oldest| after.saturating_add(1) < oldest) {
            return Ok(None);
        }
        let (first, from) = (events_key(service.0, 0), events_key(service.0, after.saturating_add(1)));
        let to = events_key(service.0, u64::MAX);
        let mut events = Vec::new();
        for day in self.tables.history_days().map_err(lost)? {
            // The row that the wanted events begin in, then those after it.
            let before = self.tables.history_range_back(day, PAST_EVENTS, &first[..]..&from[..], 1);
            let rows = before.map_err(lost)?;
            let rest = self.tables.history_range(day, PAST_EVENTS, &from[..]..=&to[..], 1 + limit / 16);
            for (key, value) in rows.into_iter().chain(rest.map_err(lost)?) {
                let seq = number_of(&key)?;
                let row = versioned(&value, |b, _| read_events(b, service, seq))?;
                events.extend(row.into_iter().filter(|e| e.seq > after));
                if events.len() >= limit {
                    events.truncate(limit);
                    return Ok(Some(events));
                }
            }
        }
        Ok(Some(events))
    }

    pub(super) fn find_oldest_event(&self) -> Result<Option<u64>, Lost> {
        let (from, to) = (events_key(ALL, 0), events_key(ALL, u64::MAX));
        for day in self.tables.history_days().map_err(lost)? {
            let rows = self.tables.history_range(day, PAST_EVENTS, &from[..]..=&to[..], 1).map_err(lost)?;
            if let Some((key, _)) = rows.first() {
                return number_of(key).map(Some);
            }
        }
        Ok(None)
    }
}

impl RowWriter {
    pub(super) fn put_key(&mut self, scope: Scope, key: [u8; 16], known: &Known) {
        self.put_past(Day::of_utc_ms(known.at_ms), PAST_KEYS, &key_of(scope, key), |v| {
            v.put(&known.digest);
            v.put(&known.id.0);
            v.u64(known.at_ms);
        });
    }

    pub(super) fn put_index(&mut self, i: &Indexed<'_>) {
        let whole = if i.incoming { By::Incoming } else { By::Messages };
        let mut heads = vec![index_head(i.service, &whole), index_head(i.service, &By::Number(i.number))];
        if !i.reference.is_empty() {
            heads.push(index_head(i.service, &By::Reference(i.reference.to_vec())));
        }
        for mut key in heads {
            key.extend_from_slice(&i.id.0);
            self.put_past(RowReader::day_of(i.id), PAST_INDEX, &key, |v| v.u8(u8::from(i.incoming)));
        }
    }

    pub(super) fn put_events(&mut self, events: &[Event]) {
        let mut services: Vec<u16> = events.iter().map(|e| e.service.0).collect();
        services.sort_unstable();
        services.dedup();
        let mut begun = None;
        for e in events {
            let day = Day::of_utc_ms(e.at_ms);
            if begun != Some(day) {
                begun = Some(day);
                self.put_past(day, PAST_EVENTS, &events_key(ALL, e.seq), |_| ());
            }
        }
        for service in services {
            let mut own = events.iter().filter(|e| e.service.0 == service).peekable();
            while let Some(&first) = own.peek() {
                let day = Day::of_utc_ms(first.at_ms);
                let mut row = Vec::new();
                while row.len() < EVENTS_MAX
                    && let Some(e) = own.next_if(|e| Day::of_utc_ms(e.at_ms) == day)
                {
                    row.push(e);
                }
                self.put_past(day, PAST_EVENTS, &events_key(service, first.seq), |v| write_events(v, &row));
            }
        }
    }
}

fn key_of(scope: Scope, key: [u8; 16]) -> [u8; 18] {
    let mut all = [0; 18];
    all[..2].copy_from_slice(&scope.0.to_be_bytes());
    all[2..].copy_from_slice(&key);
    all
}

fn events_key(service: u16, seq: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&service.to_be_bytes());
    key[2..].copy_from_slice(&seq.to_be_bytes());
    key
}

fn number_of(key: &[u8]) -> Result<u64, Lost> {
    key.last_chunk().map(|k| u64::from_be_bytes(*k)).ok_or_else(|| lost(Garbled("a number")))
}

/// What the keys of a list begin with.
fn index_head(service: ServiceNo, by: &By) -> Vec<u8> {
    let mut head = Vec::with_capacity(24);
    let kind = match by {
        By::Messages => 0,
        By::Incoming => 1,
        By::Number(_) => 2,
        By::Reference(_) => 3,
    };
    head.push(kind);
    head.extend_from_slice(&service.0.to_be_bytes());
    match by {
        By::Messages | By::Incoming => {}
        By::Number(number) => head.extend_from_slice(&number.to_be_bytes()),
        // Of a long one the beginning and its length: readers look at the message itself.
        By::Reference(reference) => {
            let shown = reference.get(..REFERENCE_OCTETS.min(reference.len())).unwrap_or_default();
            head.push(u8::try_from(reference.len()).unwrap_or(u8::MAX));
            head.extend_from_slice(shown);
        }
    }
    head
}

/// Octets of a reference that its rows are found by.
const REFERENCE_OCTETS: usize = 64;

fn write_events(v: &mut Vec<u8>, events: &[&Event]) {
    v.var(events.len() as u64);
    let (mut seq, mut at_ms) = (0, 0);
    for e in events {
        // The first number is the key's.
        v.var(if seq == 0 { 0 } else { e.seq - seq });
        v.u64(e.at_ms.wrapping_sub(at_ms));
        (seq, at_ms) = (e.seq, e.at_ms);
        let kind = EventKind::ALL.iter().position(|k| *k == e.kind).unwrap_or(0);
        v.put(&[u8::try_from(kind).unwrap_or(0), e.state.0]);
        v.put(&e.id.0);
        v.var(u64::from(e.error));
        v.var(e.number);
    }
}

fn read_events(b: &mut Take<'_>, service: ServiceNo, first: u64) -> Result<Vec<Event>, Garbled> {
    let (mut seq, mut at_ms) = (first, 0_u64);
    (0..b.var()?)
        .map(|_| {
            seq = seq.saturating_add(b.var()?);
            at_ms = at_ms.wrapping_add(b.u64()?);
            let [kind, state] = b.array()?;
            Ok(Event {
                seq,
                at_ms,
                service,
                kind: one_of(&EventKind::ALL, kind)?,
                state: MessageState(state),
                id: MessageId(b.array()?),
                error: u32::try_from(b.var()?).map_err(|_| Garbled("an error"))?,
                number: b.var()?,
            })
        })
        .collect()
}
