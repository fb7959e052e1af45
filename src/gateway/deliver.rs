//! What is owed to services leaves through their bound receivers and their webhooks, in order, through windows
//! (SEMANTICS 9 and 12).

use std::collections::{HashMap, VecDeque};

use super::accept::unit_kind;
use super::backoff::Backoff;
use super::cold::Lost;
use super::delivery::{Delivery, Owed};
use super::id::{LinkId, MessageId, Outlet};
use super::message::Doubt;
use super::port::{Asker, Carry, Deliver, DeliveryAnswer, Effect, Fact, IncomingFact, ReceiptFact};
use super::queue::{Front, PAGE, Paged};
use super::record::{Incoming, MoContent, Record};
use super::settings::{LongMode, Profile};
use super::{Gateway, OutletFigures, Turn};
use crate::pdu::{CommandStatus, EsmClass};
use crate::text::udh::{Concatenation, Reference};
use crate::text::{Table, split};

/// Response time-outs on one session after which it is unbound.
const TIMEOUTS_MAX: u32 = 3;

/// An outlet's deliveries and the links that take them.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    queue: Paged<()>,
    links: Vec<Link>,
    /// The session that is served next.
    turn: usize,
    /// The oldest delivery of each message that has been looked at: later ones of the message wait until it is done,
    /// however often it is put off.
    busy: HashMap<MessageId, Busy, ahash::RandomState>,
    /// Deliveries that the only sessions there are have left unanswered: they wait for another one.
    shunned: Vec<u64>,
}

/// A message's delivery that comes first, and those that wait for it.
#[derive(Debug)]
struct Busy {
    first: u64,
    waiting: Vec<u64>,
}

#[derive(Debug)]
struct Link {
    id: LinkId,
    window: u32,
    in_flight: u32,
    timeouts: u32,
    /// It was told to unbind and gets nothing more.
    leaving: bool,
    sent: VecDeque<u64>,
}

impl Inbox {
    pub(super) fn restore(&mut self, rows: u64) {
        self.queue = Paged::stored(rows);
    }

    pub(super) fn push(&mut self, no: u64) {
        self.queue.push(no, ());
    }

    pub(super) fn put_back(&mut self, no: u64) {
        self.queue.put_back(no, ());
    }

    pub(super) fn spill(&mut self, upto: u64) {
        self.queue.spill(upto);
    }

    /// A session is bound, or gone: deliveries that wait for another one than those there were may go.
    fn changed(&mut self) {
        for no in std::mem::take(&mut self.shunned) {
            self.put_back(no);
        }
    }

    /// A session with room other than `shunned`, which is the one that is next.
    fn other(&mut self, shunned: LinkId) -> Option<LinkId> {
        self.links.iter().find(|l| l.id != shunned && !l.leaving && l.in_flight < l.window).map(|l| l.id)
    }

    pub(super) fn bound(&mut self, id: LinkId, window: u32) {
        self.changed();
        if let Some(link) = self.link(id) {
            link.window = window;
            return;
        }
        self.links.push(Link {
            id,
            window,
            in_flight: 0,
            timeouts: 0,
            leaving: false,
            sent: VecDeque::new(),
        });
    }

    fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.iter_mut().find(|l| l.id == id)
    }

    /// The next session with room.
    fn free(&mut self) -> Option<&mut Link> {
        let links = self.links.len();
        for _ in 0..links {
            let at = self.turn.checked_rem(links)?;
            self.turn = at + 1;
            if !self.links[at].leaving && self.links[at].in_flight < self.links[at].window {
                return self.links.get_mut(at);
            }
        }
        None
    }

    /// Whether a delivery is the first of its message; else it waits for the one that is.
    fn is_first(&mut self, about: MessageId, no: u64) -> bool {
        let busy = self.busy.entry(about).or_insert_with(|| Busy { first: no, waiting: Vec::new() });
        // A refill from the tables may bring one that waits already.
        if busy.first != no && !busy.waiting.contains(&no) {
            busy.waiting.push(no);
        }
        busy.first == no
    }

    /// A delivery is done; those of the same message that waited for it may go.
    fn release(&mut self, about: MessageId, no: u64) {
        if self.busy.get(&about).is_some_and(|busy| busy.first == no) {
            for no in self.busy.remove(&about).map(|busy| busy.waiting).unwrap_or_default() {
                self.put_back(no);
            }
        }
    }
}

impl Gateway {
    /// Sends what the windows of an outlet's links allow.
    pub(super) fn deliver(&mut self, outlet: Outlet, turn: &mut Turn<'_>) -> Result<(), Lost> {
        loop {
            let inbox = self.inbox(outlet);
            if inbox.queue.is_empty() {
                return Ok(());
            }
            let Some(mut link) = inbox.free().map(|l| l.id) else { return Ok(()) };
            let no = match inbox.queue.front() {
                Front::Entry(no, ()) => no,
                Front::Empty => return Ok(()),
                Front::Stored(from) => {
                    let rows = self.state.cold().deliveries(outlet, from, PAGE)?;
                    let whole = rows.len() < PAGE;
                    self.inbox(outlet).queue.refill(rows.into_iter().map(|no| (no, ())).collect(), whole);
                    continue;
                }
            };
            self.inbox(outlet).queue.pop();
            let Some(d) = self.state.delivery(outlet, no)? else { continue };
            if d.link.is_some() {
                continue;
            }
            let avoid = d.avoid;
            let (owed, not_before, again) =
                (d.owed, d.not_before_ms, d.doubt.or(d.under_way.then_some(Doubt::Restart)));
            let attempt = u32::from(d.tries) + u32::from(d.puts_off) + 1;
            if !matches!(owed, Owed::Mo { .. }) && !self.inbox(outlet).is_first(owed.about(), no) {
                continue;
            }
            if not_before > turn.now.utc_ms {
                self.delayed_deliveries.insert((not_before, outlet, no));
                continue;
            }
            if avoid == Some(link) {
                match self.inbox(outlet).other(link) {
                    Some(other) => link = other,
                    None => {
                        self.inbox(outlet).shunned.push(no);
                        continue;
                    }
                }
            }
            let Some(fact) = self.fact(outlet, owed)? else {
                // What it was about is gone; nothing can be told any more.
                self.bury(outlet, no, owed, turn)?;
                continue;
            };
            self.commit(turn, Record::Delivering { no, outlet, again })?;
            if let Some(d) = self.state.delivery(outlet, no)? {
                (d.link, d.doubt) = (Some(link), None);
            }
            let inbox = self.inbox(outlet);
            if let Some(link) = inbox.link(link) {
                link.in_flight += 1;
                link.sent.push_back(no);
            }
            let profile =
                outlet.service().and_then(|s| self.service(s)).map_or(Profile::Standard, |s| s.profile);
            let deliver = Deliver { no, profile, attempt, fact };
            turn.effects.push((Asker::Link(link), Effect::Deliver(Box::new(deliver))));
        }
    }

    /// What a delivery says, if it can still be said.
    fn fact(&self, outlet: Outlet, owed: Owed) -> Result<Option<Fact>, Lost> {
        match owed {
            Owed::Receipt { id, state, error, part, at_ms, intermediate } => {
                let Some(m) = self.state.message(id)? else { return Ok(None) };
                let text = m.content.payload.get(..m.content.payload.len().min(20)).unwrap_or_default();
                Ok(Some(Fact::Receipt(Box::new(ReceiptFact {
                    id,
                    sender: m.content.source,
                    recipient: m.content.destination,
                    state,
                    error,
                    part,
                    submitted_ms: m.accepted_ms,
                    done_ms: at_ms,
                    text: text.into(),
                    data_coding: m.content.data_coding,
                    intermediate,
                    reference: m.content.reference.clone(),
                    late: m.was_told_late(state, at_ms),
                    billed: m.billed,
                    upstream: m.upstream,
                    reason: if intermediate { None } else { m.ended_by_us(at_ms) },
                }))))
            }
            Owed::Mo { id, pdu } => {
                let Some(incoming) = self.state.incoming(id)? else { return Ok(None) };
                if outlet.service().is_none() {
                    let answers = match incoming.answers {
                        Some(id) => self.state.message(id)?.map(|m| (id, m.content.reference.clone())),
                        None => None,
                    };
                    return Ok(Some(Fact::Incoming(Box::new(IncomingFact { incoming, answers }))));
                }
                let (mo, carry) = carried(&incoming, pdu);
                Ok(Some(Fact::Mo { id, mo, carry }))
            }
        }
    }

    /// An ESME's answer to a deliver_sm (SEMANTICS 12).
    pub(super) fn delivery_answered(
        &mut self,
        link: LinkId,
        answer: DeliveryAnswer,
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        let Some(super::Side::Outlet(outlet)) = self.links.get(&link).copied() else { return Ok(()) };
        let no = answer.no;
        let Some(d) = self.state.delivery(outlet, no)? else { return Ok(()) };
        let awaited = d.link == Some(link);
        let Delivery { owed, tries, puts_off, .. } = *d;
        if awaited {
            d.link = None;
        } else if answer.status != Some(CommandStatus::ESME_ROK) || d.link.is_some() {
            return Ok(());
        }
        let inbox = self.inbox(outlet);
        if awaited && let Some(link) = inbox.link(link) {
            link.in_flight = link.in_flight.saturating_sub(1);
            // Nearly always the first: ESMEs answer in order.
            if let Some(at) = link.sent.iter().position(|&n| n == no) {
                link.sent.remove(at);
            }
            link.timeouts = if answer.status.is_some() { 0 } else { link.timeouts + 1 };
        }
        match answer.status {
            Some(CommandStatus::ESME_ROK) => {
                inbox.release(owed.about(), no);
                let at_ms = turn.now.utc_ms;
                self.commit(turn, Record::Delivered { no, outlet, at_ms })
            }
            Some(
                CommandStatus::ESME_RSYSERR
                | CommandStatus::ESME_RMSGQFUL
                | CommandStatus::ESME_RTHROTTLED
                | CommandStatus::ESME_RX_T_APPN,
            ) => self.put_off_delivery(outlet, no, puts_off, false, turn),
            Some(_) if tries + 1 >= self.settings.rules.delivery_tries => self.bury(outlet, no, owed, turn),
            Some(_) => self.put_off_delivery(outlet, no, tries, true, turn),
            None => {
                if let Some(d) = self.state.delivery(outlet, no)? {
                    (d.doubt, d.avoid) = (Some(Doubt::TimedOut), Some(link));
                }
                // Not again on that session: it is another's, or waits for the next bind.
                let inbox = self.inbox(outlet);
                let mut unbind = false;
                if let Some(link) = inbox.link(link)
                    && link.timeouts >= TIMEOUTS_MAX
                    && !link.leaving
                {
                    link.leaving = true;
                    unbind = true;
                }
                if unbind {
                    turn.effects.push((Asker::Link(link), Effect::Unbind));
                }
                self.put_off_delivery(outlet, no, puts_off, false, turn)
            }
        }
    }

    fn put_off_delivery(
        &mut self,
        outlet: Outlet,
        no: u64,
        times: u8,
        counts: bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        let rules = &self.settings.rules;
        let (life, at_ms) = (rules.delivery_life_ms, turn.now.utc_ms);
        let old = self.state.delivery(outlet, no)?.filter(|d| d.created_ms.saturating_add(life) <= at_ms);
        if let Some(owed) = old.map(|d| d.owed) {
            return self.bury(outlet, no, owed, turn);
        }
        let rules = &self.settings.rules;
        let backoff = match self.endpoint(outlet) {
            Some(endpoint) => Backoff { first_ms: endpoint.delay_ms, cap_ms: endpoint.delay_max_ms },
            None => Backoff { first_ms: rules.delivery_delay_ms, cap_ms: rules.delivery_delay_max_ms },
        };
        let not_before_ms = turn.now.utc_ms + backoff.delay_ms(u32::from(times), no).max(1);
        self.commit(turn, Record::DeliveryPutOff { no, outlet, not_before_ms, counts })?;
        self.delayed_deliveries.insert((not_before_ms, outlet, no));
        Ok(())
    }

    /// A session is over: what it had not answered goes to another one, or waits for the next bind.
    pub(super) fn outlet_lost(
        &mut self,
        id: LinkId,
        outlet: Outlet,
        _turn: &mut Turn<'_>,
    ) -> Result<(), Lost> {
        let inbox = self.inbox(outlet);
        let Some(at) = inbox.links.iter().position(|l| l.id == id) else { return Ok(()) };
        let link = inbox.links.swap_remove(at);
        inbox.changed();
        for no in link.sent {
            let Some(d) = self.state.delivery(outlet, no)? else { continue };
            if d.link != Some(id) {
                continue;
            }
            (d.link, d.doubt) = (None, Some(Doubt::SessionLost));
            self.inbox(outlet).put_back(no);
        }
        Ok(())
    }

    /// Deliveries that are too old become dead letters.
    pub(super) fn bury_old_deliveries(&mut self, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let life = self.settings.rules.delivery_life_ms;
        for outlet in self.outlets() {
            self.bury_shunned(outlet, turn)?;
            for _ in 0..1_000 {
                let no = match self.inbox(outlet).queue.front() {
                    Front::Entry(no, ()) => no,
                    Front::Empty => break,
                    Front::Stored(from) => {
                        let rows = self.state.cold().deliveries(outlet, from, PAGE)?;
                        let whole = rows.len() < PAGE;
                        self.inbox(outlet).queue.refill(rows.into_iter().map(|no| (no, ())).collect(), whole);
                        continue;
                    }
                };
                let at_ms = turn.now.utc_ms;
                match self.state.delivery(outlet, no)?.map(|d| (d.created_ms, d.link, d.owed)) {
                    Some((created, ..)) if created.saturating_add(life) > at_ms => break,
                    // Its answer decides.
                    Some((_, Some(_), _)) => {}
                    Some((.., owed)) => self.bury(outlet, no, owed, turn)?,
                    None => {}
                }
                self.inbox(outlet).queue.pop();
            }
        }
        Ok(())
    }

    /// A delivery becomes a dead letter; later ones of its message go on without it.
    fn bury(&mut self, outlet: Outlet, no: u64, owed: Owed, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let at_ms = turn.now.utc_ms;
        self.commit(turn, Record::DeliveryDead { no, outlet, at_ms })?;
        self.inbox(outlet).release(owed.about(), no);
        Ok(())
    }

    /// The same for those that wait for another session.
    fn bury_shunned(&mut self, outlet: Outlet, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let (life, at_ms) = (self.settings.rules.delivery_life_ms, turn.now.utc_ms);
        let mut old = 0;
        while old < 1_000
            && let Some(&no) = self.inbox(outlet).shunned.get(old)
        {
            match self.state.delivery(outlet, no)?.map(|d| (d.created_ms, d.owed)) {
                Some((created, _)) if created.saturating_add(life) > at_ms => break,
                Some((_, owed)) => self.bury(outlet, no, owed, turn)?,
                None => {}
            }
            old += 1;
        }
        self.inbox(outlet).shunned.drain(..old);
        Ok(())
    }

    /// How the inbox stands: links, deliveries under way, and whether it takes none at the moment.
    pub(super) fn outlet_figures(&self, outlet: Outlet) -> OutletFigures {
        let inbox = match outlet.endpoint_number() {
            Some(at) => self.endpoint_inboxes.get(at),
            None => self.inboxes.get(usize::from(outlet.0)),
        };
        let Some(inbox) = inbox else { return OutletFigures::default() };
        OutletFigures {
            links: u32::try_from(inbox.links.len()).unwrap_or(u32::MAX),
            under_way: inbox.links.iter().map(|l| l.in_flight).sum(),
            window: inbox.links.iter().map(|l| l.window).sum(),
        }
    }

    /// An operator wants an endpoint to be told again of what happened before; returns of how much.
    pub(super) fn replay_to(
        &mut self,
        outlet: Outlet,
        owed: Vec<Owed>,
        turn: &mut Turn<'_>,
    ) -> Result<u64, Lost> {
        let Some(endpoint) = self.endpoint(outlet).cloned() else { return Ok(0) };
        let before = self.state.counters.delivery;
        let at_ms = turn.now.utc_ms;
        let wanted = |owed: &Owed| match owed {
            Owed::Receipt { intermediate: true, .. } => endpoint.receipts && endpoint.sent,
            Owed::Receipt { .. } => endpoint.receipts,
            Owed::Mo { .. } => endpoint.incoming,
        };
        for owed in owed.into_iter().filter(wanted) {
            self.commit(turn, Record::OwedAgain { outlet, owed, at_ms })?;
        }
        Ok(self.state.counters.delivery - before)
    }

    /// An operator wants the dead letters of an outlet to be tried again.
    pub(super) fn revive(&mut self, outlet: Outlet, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let at_ms = turn.now.utc_ms;
        for d in self.state.dead(outlet, 10_000)? {
            self.commit(turn, Record::DeliveryRevived { no: d.no, outlet, at_ms })?;
        }
        Ok(())
    }
}

/// One PDU's worth of an MO.
fn carried(incoming: &Incoming, pdu: u8) -> (MoContent, Carry) {
    let mut mo = incoming.mo.clone();
    let kind = unit_kind(mo.data_coding);
    let parts: Vec<&[u8]> = match split(&incoming.mo.payload, kind, Table::STANDARD) {
        Ok(parts) if incoming.long != LongMode::Payload && !mo.esm_class.has_udhi() => parts.collect(),
        _ => return (mo, Carry::Short),
    };
    if parts.len() <= 1 {
        return (mo, Carry::Short);
    }
    let total = u8::try_from(parts.len()).unwrap_or(u8::MAX);
    let number = pdu.saturating_add(1);
    let cut = parts.get(usize::from(pdu)).copied().unwrap_or_default();
    let reference = u16::from_be_bytes([incoming.id.0[10], incoming.id.0[11]]);
    if incoming.long == LongMode::Sar {
        mo.payload = cut.into();
        return (mo, Carry::Sar { reference, total, number });
    }
    let [_, low] = reference.to_be_bytes();
    let mut payload = Vec::with_capacity(6 + cut.len());
    if let Some(header) = Concatenation::new(Reference::Eight(low), total, number) {
        payload.extend_from_slice(header.header().as_bytes());
    }
    payload.extend_from_slice(cut);
    mo.payload = payload.into();
    mo.esm_class = EsmClass(mo.esm_class.0 | EsmClass::UDHI.0);
    (mo, Carry::Short)
}
