//! Where a message goes, and whose an MO is.

use std::collections::{HashMap, VecDeque};

use super::accept::has_sar;
use super::id::{ServiceNo, UpstreamNo};
use super::message::Content;
use super::settings::{MoRoute, Route, normalise};
use super::{Gateway, Now};
use crate::pdu::{Address, Tag, Tlvs};
use crate::text::udh;

/// What the parts that a client cut itself have in common.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct FollowKey {
    service: ServiceNo,
    source: Address,
    destination: Address,
    reference: u16,
    total: u8,
}

/// Which upstream the first part of a concatenation went to, for a while (SEMANTICS 6).
#[derive(Debug, Default)]
pub(super) struct Followed {
    upstreams: HashMap<FollowKey, (UpstreamNo, u64), ahash::RandomState>,
    order: VecDeque<(u64, FollowKey)>,
}

/// Concatenations remembered at once; more forget the oldest.
const FOLLOWED_MAX: usize = 65_536;

/// The key of a part that a client cut; `None` for a message of its own.
pub(super) fn follow_key(service: ServiceNo, content: &Content) -> Option<FollowKey> {
    let key = |reference, total| FollowKey {
        service,
        source: content.source,
        destination: content.destination,
        reference,
        total,
    };
    if content.esm_class.has_udhi() {
        let (header, _) = udh::Header::read(&content.payload).ok()?;
        let c = header.concatenation()?;
        return Some(key(c.reference().number(), c.total()));
    }
    if !has_sar(&content.tlvs) {
        return None;
    }
    let tlvs = Tlvs::read_as_far_as_good(&content.tlvs);
    Some(key(tlvs.find_u16(Tag::SAR_MSG_REF_NUM)?, tlvs.find_u8(Tag::SAR_TOTAL_SEGMENTS)?))
}

impl Gateway {
    /// The upstream for a new message. Parts follow their first.
    pub(super) fn route(
        &mut self,
        service: ServiceNo,
        sender: &str,
        destination: &str,
        follow: Option<FollowKey>,
        now: Now,
    ) -> Option<UpstreamNo> {
        if let Some(key) = follow
            && let Some(&(upstream, until)) = self.followed.upstreams.get(&key)
            && until > now.utc_ms
            && self.upstream(upstream).is_some()
        {
            return Some(upstream);
        }
        let upstream = self.choose_upstream(service, sender, destination, now)?;
        if let Some(key) = follow {
            let until = now.utc_ms + self.settings.rules.join_ms;
            self.followed.upstreams.insert(key, (upstream, until));
            self.followed.order.push_back((until, key));
            while self.followed.order.len() > FOLLOWED_MAX
                || self.followed.order.front().is_some_and(|&(until, _)| until <= now.utc_ms)
            {
                let Some((until, key)) = self.followed.order.pop_front() else { break };
                // The same reference may have been used again since.
                if self.followed.upstreams.get(&key).is_some_and(|&(_, newest)| newest == until) {
                    self.followed.upstreams.remove(&key);
                }
            }
        }
        Some(upstream)
    }

    /// The upstream that an accepted message would get now.
    pub(super) fn route_of(&mut self, service: ServiceNo, content: &Content, now: Now) -> Option<UpstreamNo> {
        let country = self.settings.rules.country.clone();
        let number =
            |a: &Address| std::str::from_utf8(a.octets.as_bytes()).ok().map(|n| normalise(n, &country));
        let (sender, destination) = (number(&content.source)?, number(&content.destination)?);
        self.choose_upstream(service, &sender, &destination, now)
    }

    /// The first upstream of the first fitting route that has a session, or has been without for less than its
    /// `failover_after`; if none has, the first.
    fn choose_upstream(
        &mut self,
        service: ServiceNo,
        sender: &str,
        destination: &str,
        now: Now,
    ) -> Option<UpstreamNo> {
        let settings = std::sync::Arc::clone(&self.settings);
        let name = self.service(service)?.id.clone();
        let fits = |r: &&Route| {
            r.service.as_ref().is_none_or(|s| *s == name)
                && sender.starts_with(&r.sender)
                && destination.starts_with(&r.destination)
        };
        let route = settings.routes.iter().find(fits)?;
        let mut first = None;
        for id in &route.upstreams {
            let Some(no) = self.upstream_no(id) else { continue };
            first.get_or_insert(no);
            let patience = self.upstream(no).map_or(0, |u| u.failover_after_ms);
            if self.outbound(no).down_for_ms(now) < patience.max(1) {
                return Some(no);
            }
        }
        first
    }

    fn upstream_no(&self, id: &str) -> Option<UpstreamNo> {
        let at = self.upstreams.iter().position(|u| u.as_ref().is_some_and(|u| u.id == id))?;
        u16::try_from(at).ok().map(UpstreamNo)
    }

    /// The service that an MO is for.
    pub(super) fn owner(&self, upstream: UpstreamNo, destination: &Address) -> Option<ServiceNo> {
        let number = std::str::from_utf8(destination.octets.as_bytes()).ok()?;
        let number = normalise(number, &self.settings.rules.country);
        let from = self.upstream(upstream).map(|u| u.id.as_str());
        let fits = |r: &&MoRoute| {
            r.upstream.as_deref().is_none_or(|u| Some(u) == from)
                && if r.exact { number == r.number } else { number.starts_with(&r.number) }
        };
        let route = self.settings.mo_routes.iter().find(fits)?;
        let at = self.services.iter().position(|s| s.as_ref().is_some_and(|s| s.id == route.service))?;
        u16::try_from(at).ok().map(ServiceNo)
    }
}
