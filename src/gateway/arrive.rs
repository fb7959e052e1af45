//! What comes from mobiles: whole messages, and parts that wait for each other (SEMANTICS 7).

use std::collections::{HashMap, VecDeque};

use super::accept::unit_kind;
use super::cold::Lost;
use super::id::{LinkId, MessageId, Outlet, ServiceNo, UpstreamNo};
use super::join::{Fit, Set, SetKey};
use super::port::{Arrival, Arrived, Once};
use super::record::{ArrivedPart, Incoming, MoContent, Record};
use super::settings::{Channels, LongMode};
use super::state::Scope;
use super::{Gateway, Turn};
use crate::text::{Table, segments_of};

/// MO remembered to recognise repetitions.
const RECENT_MAX: usize = 100_000;

/// MO of the last minute or so: an SMSC sends again what was not answered when its session ended.
#[derive(Debug, Default)]
pub(super) struct RecentMo {
    /// By hash of content: the session it came on (`None`: gone) and when.
    seen: HashMap<u64, (Option<LinkId>, u64), ahash::RandomState>,
    order: VecDeque<(u64, u64)>,
    hasher: ahash::RandomState,
}

impl RecentMo {
    fn key(&self, upstream: UpstreamNo, mo: &MoContent) -> u64 {
        self.hasher.hash_one((upstream, mo.source, mo.destination, mo.data_coding, &mo.payload))
    }

    /// An MO was taken.
    pub(super) fn remember(
        &mut self,
        upstream: UpstreamNo,
        mo: &MoContent,
        link: Option<LinkId>,
        at_ms: u64,
    ) {
        let key = self.key(upstream, mo);
        self.seen.insert(key, (link, at_ms));
        self.order.push_back((at_ms, key));
        while self.order.len() > RECENT_MAX {
            let Some((at, key)) = self.order.pop_front() else { break };
            if self.seen.get(&key).is_some_and(|&(_, seen)| seen == at) {
                self.seen.remove(&key);
            }
        }
    }

    /// A session is gone: what came on it may come again.
    pub(super) fn link_gone(&mut self, link: LinkId) {
        for (on, _) in self.seen.values_mut() {
            if *on == Some(link) {
                *on = None;
            }
        }
    }

    /// The same came within `window_ms` on a session that is gone since.
    fn is_repeated(&mut self, upstream: UpstreamNo, mo: &MoContent, now_ms: u64, window_ms: u64) -> bool {
        while let Some(&(at, key)) = self.order.front()
            && at + window_ms.max(1) < now_ms
        {
            self.order.pop_front();
            if self.seen.get(&key).is_some_and(|&(_, seen)| seen == at) {
                self.seen.remove(&key);
            }
        }
        matches!(self.seen.get(&self.key(upstream, mo)), Some(&(None, at)) if at + window_ms >= now_ms)
    }
}

impl Gateway {
    /// A deliver_sm of an upstream.
    pub(super) fn arrived(
        &mut self,
        link: LinkId,
        upstream: UpstreamNo,
        arrival: Arrival,
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        match arrival.what {
            Arrived::Receipt(report) => self.receipt_arrived(upstream, report, turn)?,
            Arrived::Mo(mo) => {
                let window = self.upstream(upstream).map_or(0, |u| u.mo_dedupe_ms);
                let now_ms = turn.now.utc_ms;
                let repeated = window > 0 && self.recent_mo.is_repeated(upstream, &mo, now_ms, window);
                if window > 0 {
                    // A repetition is now on this session: if the same comes on it again, somebody said it again.
                    self.recent_mo.remember(upstream, &mo, Some(link), now_ms);
                }
                let seen = match &arrival.once {
                    Some(once) => self.was_seen(upstream, once, turn)?,
                    None => false,
                };
                if repeated || seen {
                    self.counts.mo_repeated += 1;
                } else {
                    self.receive(upstream, mo, (1, 1), (false, arrival.once.map(|o| o.key)), turn)?;
                }
            }
            Arrived::MoPart { reference, wide, total, number, mo } => {
                let at_ms = turn.now.utc_ms;
                let part = ArrivedPart { upstream, reference, wide, total, number, at_ms, mo };
                self.part_arrived(part, turn)?;
            }
        }
        self.acknowledge(link, arrival.reply, turn);
        Ok(())
    }

    fn part_arrived(&mut self, part: ArrivedPart, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let key = SetKey::of(&part);
        let known = self.state.set(&key).map(|s| (s.no, s.fit(part.number, &part.mo), s.out));
        match known {
            Some((_, Fit::Repeated, _)) => {
                self.counts.mo_repeated += 1;
                Ok(())
            }
            Some((_, Fit::Wanted, true)) => {
                // The others went out without it.
                let (upstream, mo, parts) = (part.upstream, part.mo.clone(), (1, part.total));
                self.commit(turn, Record::PartArrived(Box::new(part)))?;
                self.receive(upstream, mo, parts, (true, None), turn)
            }
            Some((no, Fit::Wanted, false)) => {
                self.commit(turn, Record::PartArrived(Box::new(part)))?;
                if self.state.set(&key).is_some_and(Set::is_whole) {
                    self.set_out(no, &key, turn)
                } else {
                    Ok(())
                }
            }
            Some((no, Fit::Other, out)) => {
                if !out {
                    self.set_out(no, &key, turn)?;
                }
                self.open_set(part, turn)
            }
            None => self.open_set(part, turn),
        }
    }

    fn open_set(&mut self, part: ArrivedPart, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let key = SetKey::of(&part);
        let no = self.state.counters.set + 1;
        let deadline_ms = turn.now.utc_ms + self.settings.rules.join_ms;
        self.commit(turn, Record::SetOpened { no, deadline_ms, part: Box::new(part) })?;
        if key.total == 1 {
            self.set_out(no, &key, turn)?;
        }
        while self.state.sets_len() > self.settings.rules.joins_max {
            let Some((no, key, out)) = self.state.sets().next().map(|s| (s.no, s.key, s.out)) else { break };
            if !out {
                self.set_out(no, &key, turn)?;
            }
            self.commit(turn, Record::SetForgotten { no })?;
        }
        Ok(())
    }

    /// What has come of a set goes to the service, as one message.
    fn set_out(&mut self, no: u64, key: &SetKey, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let Some((mo, have)) = self.state.set(key).and_then(|s| Some((s.joined()?, s.parts.len()))) else {
            return Ok(());
        };
        let forget_ms = turn.now.utc_ms + self.settings.rules.join_ms;
        self.commit(turn, Record::SetOut { no, forget_ms })?;
        let parts = (u8::try_from(have).unwrap_or(u8::MAX), key.total);
        self.receive(key.upstream, mo, parts, (false, None), turn)
    }

    /// Sets whose time is over go out with what is there, or are forgotten.
    pub(super) fn close_sets(&mut self, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let now = turn.now.utc_ms;
        let due: Vec<_> = self
            .state
            .sets()
            .filter(|s| s.deadline_ms <= now)
            .take(1_000)
            .map(|s| (s.no, s.key, s.out))
            .collect();
        for (no, key, out) in due {
            if out {
                self.commit(turn, Record::SetForgotten { no })?;
            } else {
                self.set_out(no, &key, turn)?;
            }
        }
        Ok(())
    }

    /// An MO for whoever has its number.
    fn receive(
        &mut self,
        upstream: UpstreamNo,
        mo: MoContent,
        parts: (u8, u8),
        (late, once): (bool, Option<[u8; 16]>),
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        let service = self.owner(upstream, &mo.destination);
        let long = service.and_then(|s| self.service(s)).map_or(LongMode::Payload, |s| s.deliver_long);
        let channels = service.and_then(|s| self.service(s)).map_or(Channels::Same, |s| s.incoming);
        let tell: Box<[Outlet]> = match (channels, service.and_then(|s| self.tells(s))) {
            (Channels::Smpp, _) | (_, None) => Box::default(),
            (_, Some(tells)) => tells.incoming.as_slice().into(),
        };
        let by_smpp = if channels == Channels::Webhook { 0 } else { service.map_or(0, |_| pdus(long, &mo)) };
        let left = by_smpp.saturating_add(u8::try_from(tell.len()).unwrap_or(u8::MAX));
        let watched = service.and_then(|s| self.service(s)).is_some_and(|s| s.watched);
        let mobile = super::accept::digits_of(&mo.source, &self.settings.rules.country);
        let watch = if watched { mobile.or(Some(0)) } else { None };
        let answers = match (service, watch) {
            (Some(service), Some(mobile)) if mobile != 0 => self.answered_by(service, mobile, &mo, turn)?,
            _ => None,
        };
        let id = self.ids.next(turn.now.utc_ms);
        let at_ms = turn.now.utc_ms;
        let incoming = Incoming {
            id,
            upstream,
            service,
            at_ms,
            parts,
            late,
            left,
            long,
            watch,
            answers,
            tell,
            once,
            mo,
        };
        let words = service.and_then(|s| self.service(s)).is_some_and(|s| s.opt_out.is_some());
        let said = words.then(|| incoming.clone());
        self.commit(turn, Record::MoReceived(Box::new(incoming)))?;
        said.map_or(Ok(()), |incoming| self.opt_out(&incoming, turn))
    }

    /// The same MO was taken before.
    fn was_seen(&self, upstream: UpstreamNo, once: &Once, turn: &Turn<'_>) -> Result<bool, Lost> {
        let life = self.settings.rules.key_life_ms;
        for key in std::iter::once(&once.key).chain(&once.also) {
            if self.state.key(Scope::upstream(upstream), *key, turn.now.utc_ms, life)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The last message of the service from this number to this mobile, if there was one lately.
    fn answered_by(
        &self,
        service: ServiceNo,
        mobile: u64,
        mo: &MoContent,
        turn: &Turn<'_>,
    ) -> Result<Option<MessageId>, Lost> {
        let since = turn.now.utc_ms.saturating_sub(self.settings.rules.answered_ms);
        let country = &self.settings.rules.country;
        let own = super::accept::digits_of(&mo.destination, country);
        for id in self.state.last_to(service, mobile, since)? {
            if let Some(m) = self.state.message(id)?
                && m.accepted_ms >= since
                // One that was taken back or has expired first never reached the mobile.
                && m.parts.iter().any(|p| p.attempts > 0)
                && super::accept::digits_of(&m.content.source, country) == own
            {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}

/// deliver_sm that it takes to hand an MO to an ESME.
fn pdus(long: LongMode, mo: &MoContent) -> u8 {
    if long == LongMode::Payload || mo.esm_class.has_udhi() {
        return 1;
    }
    let segments = segments_of(&mo.payload, unit_kind(mo.data_coding), Table::STANDARD);
    u8::try_from(segments).unwrap_or(u8::MAX).max(1)
}
