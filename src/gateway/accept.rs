//! Whether a submission becomes a message: every check of permission, in one order.

use std::sync::Arc;

use super::cold::Lost;
use super::id::{MessageId, ServiceNo};
use super::message::{Asked, AskedLast, End, Interface, Reason, Ties, Written};
use super::port::{Asker, Effect, Key, Refusal, Submission, When};
use super::record::{Accepted, Record};
use super::settings::{Channels, LongMode, Profile, Service, normalise};
use super::state::Scope;
use super::{Gateway, Now, Turn, outbound};
use crate::pdu::{Address, DataCoding};
use crate::text::{Table, UnitKind, billed_of, segments_of};

/// Segments that `standard` takes in one submission (a one-octet count).
const SEGMENTS_MAX: u32 = 255;

impl Gateway {
    /// Accepts or refuses one submission.
    pub(super) fn accept(
        &mut self,
        from: Asker,
        service: ServiceNo,
        submission: Submission,
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        let reply = submission.reply;
        if let Some(key) = submission.key
            && let Some(known) = self.known_request(service, key, turn.now)?
        {
            let effect = match known {
                Ok(id) => Effect::Accepted { reply, id, repeated: true },
                Err(refusal) => Effect::Refused { reply, refusal },
            };
            turn.effects.push((from, effect));
            return Ok(());
        }
        match self.examine(service, submission, turn.now) {
            Ok((accepted, blacklisted)) => {
                let (id, key, at_ms) = (accepted.id, accepted.queue(), accepted.at_ms);
                let (expires_ms, not_before_ms) = (accepted.expires_ms, accepted.not_before_ms);
                self.commit(turn, Record::Accepted(Box::new(accepted)))?;
                if blacklisted {
                    let (end, reason) = (End::Refused, Reason::Blacklist);
                    self.commit(turn, Record::Ended { id, at_ms, end, reason })?;
                } else {
                    let place = self.state.counters.place;
                    if expires_ms <= self.deadlines_upto {
                        self.deadlines.insert((expires_ms, id));
                    }
                    if not_before_ms > turn.now.utc_ms {
                        self.delayed.insert((not_before_ms, id));
                    } else {
                        self.outbound(key.upstream).push(key, place, id);
                    }
                }
                turn.effects.push((from, Effect::Accepted { reply, id, repeated: false }));
            }
            Err(refusal) => {
                *self.counts.refused.entry(refusal).or_default() += 1;
                turn.effects.push((from, Effect::Refused { reply, refusal }));
            }
        }
        Ok(())
    }

    /// What was answered to a request with this key, if there was one lately.
    fn known_request(
        &self,
        service: ServiceNo,
        key: Key,
        now: Now,
    ) -> Result<Option<Result<MessageId, Refusal>>, Lost> {
        let life = self.settings.rules.key_life_ms;
        let known = self.state.key(Scope::service(service), key.key, now.utc_ms, life)?;
        Ok(known.map(|known| if known.digest == key.digest { Ok(known.id) } else { Err(Refusal::KeyReused) }))
    }

    fn examine(
        &mut self,
        no: ServiceNo,
        mut submission: Submission,
        now: Now,
    ) -> Result<(Accepted, bool), Refusal> {
        let service = self.service(no).cloned().ok_or(Refusal::Unavailable)?;
        let settings = Arc::clone(&self.settings);
        let country = settings.rules.country.as_str();
        let content = &mut submission.content;

        let destination =
            destination_of(&content.destination, service.profile, country).ok_or(Refusal::Destination)?;
        let billed = billed(&service, content.data_coding, content.esm_class.has_udhi(), &content.payload)?;
        let (expires_ms, not_before_ms) = self.times(&submission, now)?;
        if service.ends_at_ms.is_some_and(|end| now.utc_ms >= end) {
            return Err(Refusal::ServiceEnded);
        }
        let month = self.calendar.month_of(now.utc_ms);
        let totals = *self.state.totals(no);
        let used = if totals.month == month { totals.used } else { 0 };
        if service.monthly_limit.is_some_and(|limit| used + u64::from(billed) > limit) {
            return Err(Refusal::MonthlyLimit);
        }
        let content = &mut submission.content;
        content.priority = content.priority.min(3);
        let sender = sender_of(&service, &mut content.source, country)?;
        if self.disk_low {
            return Err(Refusal::Disk);
        }
        if totals.queued >= service.waiting_max || self.crowded {
            return Err(Refusal::QueueFull);
        }

        let content = submission.content;
        let follow = super::route::follow_key(no, &content);
        let upstream = self.route(no, &sender, &destination, follow, now).ok_or(Refusal::NoRoute)?;
        let long = self.upstream(upstream).map_or(LongMode::Payload, |u| u.long);
        let parts = parts(long, &content);
        let asked = asked(&service, &content, submission.interface);
        let ties = self.ties(no, &service, submission.interface, submission.written, &destination);
        let own = submission.interface == Interface::Own;
        let number = destination.parse().unwrap_or(0);
        let blocked = service.blacklist.contains(&destination) || self.state.is_blocked(no, number);
        let accepted = Accepted {
            id: self.ids.next(now.utc_ms),
            service: no,
            upstream,
            lane: outbound::lane_of(no, &content.source, &content.destination),
            at_ms: now.utc_ms,
            expires_ms,
            receipt_by_ms: expires_ms.saturating_add(settings.rules.receipt_grace_ms),
            not_before_ms,
            billed,
            month,
            parts,
            asked,
            ties,
            key: submission.key,
            content,
        };
        Ok((accepted, blocked && !own))
    }

    /// Who is told what becomes of a message, beside SMPP.
    fn ties(
        &self,
        no: ServiceNo,
        service: &Service,
        interface: Interface,
        written: Written,
        destination: &str,
    ) -> Ties {
        let by_http = matches!(interface, Interface::Rest | Interface::Native);
        let webhook = match service.receipts {
            Channels::Webhook | Channels::Both => true,
            Channels::Same => by_http,
            Channels::Smpp => false,
        };
        let tell = match self.tells(no) {
            Some(tells) if webhook => tells.receipts.as_slice().into(),
            _ => Box::default(),
        };
        let watch = if service.watched { destination.parse().ok() } else { None };
        Ties { interface, written, watch, tell, unsure_until_ms: 0 }
    }

    /// End of validity and earliest dispatch, in UTC milliseconds.
    fn times(&self, submission: &Submission, now: Now) -> Result<(u64, u64), Refusal> {
        let rules = &self.settings.rules;
        let at = |when: When| match when {
            When::At(ms) => ms,
            When::In(ms) => now.utc_ms.saturating_add(ms),
        };
        let not_before = submission.schedule.map_or(0, at);
        if submission.schedule.is_some() && not_before < now.utc_ms {
            return Err(Refusal::Schedule);
        }
        let start = not_before.max(now.utc_ms);
        let expires = match submission.validity {
            None => start.saturating_add(rules.validity_default_ms),
            Some(validity) => at(validity).min(start.saturating_add(rules.validity_max_ms)),
        };
        if expires <= now.utc_ms {
            return Err(Refusal::Validity);
        }
        if expires <= not_before {
            return Err(Refusal::Schedule);
        }
        Ok((expires, not_before))
    }
}

/// The destination, normalised, if it can be sent to.
fn destination_of(address: &Address, profile: Profile, country: &str) -> Option<String> {
    let text = std::str::from_utf8(address.octets.as_bytes()).ok()?;
    let digits = text.strip_prefix('+').unwrap_or(text);
    let all_digits = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    let fits = match profile {
        // contracts/timetochat.md §8a: a French mobile, or an international number.
        Profile::TimeToChat => {
            let french = digits.len() == 10 && (digits.starts_with("06") || digits.starts_with("07"));
            french || (8..=15).contains(&digits.len()) && !digits.starts_with('0')
        }
        Profile::Standard => digits.len() <= 20,
    };
    (all_digits && fits).then(|| normalise(text, country))
}

/// The sender, normalised and allowed. An empty one is replaced by the service's own.
fn sender_of(service: &Service, source: &mut Address, country: &str) -> Result<String, Refusal> {
    if source.octets.is_empty()
        && let Some(own) = &service.default_sender
    {
        *source = *own;
    }
    let text = std::str::from_utf8(source.octets.as_bytes()).map_err(|_| Refusal::Sender)?;
    let sender = normalise(text, country);
    match &service.senders {
        Some(allowed) if !allowed.contains(&sender) => Err(Refusal::Sender),
        _ => Ok(sender),
    }
}

/// Segments to bill.
fn billed(service: &Service, coding: DataCoding, udhi: bool, payload: &[u8]) -> Result<u8, Refusal> {
    let kind = unit_kind(coding);
    let (billed, allowed) = match service.profile {
        Profile::TimeToChat => {
            if payload.is_empty() {
                return Err(Refusal::Length);
            }
            let billed = billed_of(payload, kind, Table::TimeToChat);
            (billed, crate::text::fits(payload, kind, Table::TimeToChat))
        }
        // A part that the client made is one segment whatever its header.
        Profile::Standard if udhi => (1, payload.len() <= 254),
        Profile::Standard => {
            let segments = segments_of(payload, kind, Table::STANDARD);
            (segments, segments <= SEGMENTS_MAX)
        }
    };
    match u8::try_from(billed) {
        Ok(billed) if allowed => Ok(billed.max(1)),
        _ => Err(Refusal::Length),
    }
}

/// What a unit of a payload is.
pub(super) fn unit_kind(coding: DataCoding) -> UnitKind {
    if coding.is_ucs2() {
        UnitKind::Ucs2
    } else if coding.is_binary() || coding == DataCoding::LATIN_1 {
        UnitKind::Octets
    } else {
        UnitKind::Septets
    }
}

/// PDUs that it takes to hand a content to an upstream.
pub(super) fn parts(long: LongMode, content: &super::message::Content) -> u8 {
    if long == LongMode::Payload || content.esm_class.has_udhi() || has_sar(&content.tlvs) {
        return 1;
    }
    u8::try_from(segments_of(&content.payload, unit_kind(content.data_coding), Table::STANDARD))
        .unwrap_or(u8::MAX)
        .max(1)
}

/// The client cut the message itself, with sar_* TLVs.
pub(super) fn has_sar(tlvs: &[u8]) -> bool {
    !tlvs.is_empty()
        && crate::pdu::Tlvs::read_as_far_as_good(tlvs).find(crate::pdu::Tag::SAR_TOTAL_SEGMENTS).is_some()
}

/// A number as it is compared, in digits; `None` for anything else.
pub(super) fn digits_of(address: &Address, country: &str) -> Option<u64> {
    normalise(std::str::from_utf8(address.octets.as_bytes()).ok()?, country).parse().ok()
}

/// The receipts that are owed by SMPP (SEMANTICS 9).
fn asked(service: &Service, content: &super::message::Content, interface: Interface) -> Asked {
    let wanted = content.registered_delivery;
    let by_smpp = match service.receipts {
        Channels::Smpp | Channels::Both => true,
        Channels::Same => interface == Interface::Smpp,
        Channels::Webhook => false,
    };
    if !by_smpp {
        return Asked { last: AskedLast::Never, intermediate: false };
    }
    if interface != Interface::Smpp {
        // It has no registered_delivery of its own: whoever wants its receipts by SMPP wants all of them.
        let last =
            if service.profile == Profile::TimeToChat { AskedLast::EachPart } else { AskedLast::Always };
        return Asked { last, intermediate: false };
    }
    let last = match service.profile {
        Profile::TimeToChat => AskedLast::EachPart,
        Profile::Standard => match wanted.0 & 3 {
            0 => AskedLast::Never,
            2 => AskedLast::Failure,
            _ => AskedLast::Always,
        },
    };
    Asked { last, intermediate: service.profile == Profile::Standard && wanted.wants_intermediate() }
}
