//! Messages: what becomes of them, decided without I/O, clock or chance.
//!
//! [`Gateway::handle`] takes what happened, writes the facts that follow from it to a [`Log`] and makes them true in the
//! [`State`], and says what is to be done once the log is on disk. The same inputs at the same times give the same
//! records. Recovery hands the same records to the same [`State::apply`].

mod accept;
mod answer;
mod arrive;
pub mod backoff;
mod block;
mod cancel;
pub mod cold;
mod correlate;
mod deadline;
mod deliver;
pub mod delivery;
pub mod event;
pub mod id;
mod inquire;
pub mod join;
pub mod limit;
pub mod message;
mod outbound;
pub mod pace;
pub mod port;
pub mod queue;
pub mod record;
mod route;
pub mod settings;
pub mod state;
pub mod usage;
pub mod wording;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cold::{Cold, Log, Lost};
use correlate::Forms;
use deliver::Inbox;
use id::{LinkId, MessageId, MessageIds, Outlet, ServiceNo, UpstreamNo};
use message::Tell;
use outbound::Outbound;
use port::{Asker, Effect, Input};
use record::Record;
use settings::{Endpoint, Service, Settings, Upstream};
use state::{Live, State};
use usage::Calendar;

/// What time it is, in the two ways that matter (SEMANTICS 16).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Now {
    /// UTC milliseconds: what is stored.
    pub utc_ms: u64,
    /// Monotonic microseconds since the start of the run: what is paced.
    pub mono_us: u64,
}

/// Where a batch's records and effects go.
pub struct Turn<'a> {
    /// The batch.
    pub log: &'a mut dyn Log,
    /// What to do once the batch is on disk, in order.
    pub effects: &'a mut Vec<(Asker, Effect)>,
    /// When.
    pub now: Now,
}

/// The gateway: the state, and what holds only while this process runs.
pub struct Gateway {
    settings: Arc<Settings>,
    /// Services by number; `None`: not configured any more.
    services: Vec<Option<Arc<Service>>>,
    /// Upstreams by number; `None`: not configured any more.
    upstreams: Vec<Option<Arc<Upstream>>>,
    state: State,
    ids: MessageIds,
    calendar: Calendar,
    outbounds: Vec<Outbound>,
    /// Of services, for their SMPP sessions.
    inboxes: Vec<Inbox>,
    /// Of webhooks.
    endpoint_inboxes: Vec<Inbox>,
    /// Webhooks by number; `None`: not configured any more.
    endpoints: Vec<Option<Arc<Endpoint>>>,
    /// By service, the webhooks that are told what becomes of a message, and those that get what mobiles send.
    tells: Vec<Tells>,
    inquiries: inquire::Inquiries,
    links: HashMap<LinkId, Side, ahash::RandomState>,
    /// Put-off messages by when they are due.
    delayed: BTreeSet<(u64, MessageId)>,
    /// Put-off deliveries by when they are due.
    delayed_deliveries: BTreeSet<(u64, Outlet, u64)>,
    /// Deadlines up to `deadlines_upto`.
    deadlines: BTreeSet<(u64, MessageId)>,
    deadlines_upto: u64,
    /// Upstreams that later parts of a concatenation follow: (service, source, destination, reference) to upstream.
    followed: route::Followed,
    recent_mo: arrive::RecentMo,
    forms: Forms,
    disk_low: bool,
    /// Memory holds several times what it should, since checkpoints do not keep up.
    crowded: bool,
    looked_ms: u64,
    /// Things that are counted for the operator and not stored.
    pub counts: Counts,
}

/// What a link is to the gateway.
#[derive(Clone, Copy, Debug)]
enum Side {
    Upstream(UpstreamNo),
    Outlet(Outlet),
}

/// The webhooks of a service.
#[derive(Clone, Debug, Default)]
struct Tells {
    receipts: Vec<Tell>,
    incoming: Vec<Outlet>,
}

/// Things that are counted from the start of the run.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Refused submissions, by reason.
    pub refused: BTreeMap<port::Refusal, u64>,
    /// Answers of upstreams by number of upstream and status (at most 64 statuses each).
    pub answers: BTreeMap<(UpstreamNo, u32), u64>,
    /// Receipts that repeated what was known.
    pub receipts_repeated: u64,
    /// Receipts that matched only in another form of their id.
    pub receipts_transformed: u64,
    /// Receipts that more than one message could have been meant by.
    pub receipts_ambiguous: u64,
    /// MO dropped as repetitions.
    pub mo_repeated: u64,
    /// Answers that came after their message had gone on without them.
    pub answers_late: u64,
}

impl Gateway {
    /// Opens the state of the last checkpoint. Records after it follow by [`Gateway::replay`], then [`Gateway::begin`].
    ///
    /// `run` is five octets of chance for the ids of this run.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn open(
        settings: Arc<Settings>,
        cold: Arc<dyn Cold>,
        live: Arc<Live>,
        run: [u8; 5],
        now: Now,
    ) -> Result<Self, Lost> {
        let state = State::open(cold, live)?;
        Ok(Self {
            services: Vec::new(),
            upstreams: Vec::new(),
            ids: MessageIds::new(run, state.counters.seconds.saturating_add(1)),
            calendar: Calendar::new(settings.rules.timezone.clone(), now.utc_ms),
            settings,
            state,
            outbounds: Vec::new(),
            inboxes: Vec::new(),
            endpoint_inboxes: Vec::new(),
            endpoints: Vec::new(),
            tells: Vec::new(),
            inquiries: inquire::Inquiries::default(),
            links: HashMap::default(),
            delayed: BTreeSet::new(),
            delayed_deliveries: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            deadlines_upto: 0,
            followed: route::Followed::default(),
            recent_mo: arrive::RecentMo::default(),
            forms: Forms::default(),
            disk_low: false,
            crowded: false,
            looked_ms: 0,
            counts: Counts::default(),
        })
    }

    /// A record of the journal after the checkpoint.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn replay(&mut self, record: Record) -> Result<(), Lost> {
        if let Record::MoReceived(incoming) = &record {
            self.recent_mo.remember(incoming.upstream, &incoming.mo, None, incoming.at_ms);
        }
        self.state.apply(record)
    }

    /// All records were replayed: builds the queues, names what is new in the settings.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read.
    pub fn begin(&mut self, turn: &mut Turn<'_>) -> Result<(), Lost> {
        self.state.fresh.clear();
        self.ids.raise(self.state.counters.seconds.saturating_add(1));
        for &(upstream, form) in &self.state.counters.forms {
            self.forms.learned(upstream, form);
        }
        self.configure(Arc::clone(&self.settings), turn)?;
        // Rows of the checkpoint, then what came after it.
        let checkpoint = self.state.cold().counters()?.unwrap_or_default();
        for (key, rows) in self.state.cold().queues()? {
            self.outbound(key.upstream).restore(key, rows);
        }
        for (key, place, id) in self.state.queued() {
            if place > checkpoint.place {
                self.outbound(key.upstream).push(key, place, id);
            }
        }
        for (outlet, rows) in self.state.cold().inboxes()? {
            self.inbox(outlet).restore(rows);
        }
        for (outlet, no) in self.state.owed() {
            if no > checkpoint.delivery {
                self.inbox(outlet).push(no);
            }
        }
        self.restore_inquiries(turn.now)?;
        self.extend_deadlines(turn.now)
    }

    /// Names services and upstreams that appear for the first time, and takes the settings over.
    fn configure(&mut self, settings: Arc<Settings>, turn: &mut Turn<'_>) -> Result<(), Lost> {
        for service in &settings.services {
            if !self.state.counters.services.contains(&service.id)
                && let Ok(no) = u16::try_from(self.state.counters.services.len())
            {
                self.commit(turn, Record::ServiceNamed { no: ServiceNo(no), name: service.id.clone() })?;
            }
        }
        for upstream in &settings.upstreams {
            if !self.state.counters.upstreams.contains(&upstream.id)
                && let Ok(no) = u16::try_from(self.state.counters.upstreams.len())
            {
                self.commit(turn, Record::UpstreamNamed { no: UpstreamNo(no), name: upstream.id.clone() })?;
            }
        }
        let find_service =
            |name: &String| settings.services.iter().find(|s| s.id == *name).cloned().map(Arc::new);
        self.services = self.state.counters.services.iter().map(find_service).collect();
        let find_upstream =
            |name: &String| settings.upstreams.iter().find(|u| u.id == *name).cloned().map(Arc::new);
        self.upstreams = self.state.counters.upstreams.iter().map(find_upstream).collect();
        for no in 0..self.upstreams.len() {
            let upstream = UpstreamNo(u16::try_from(no).unwrap_or(u16::MAX));
            if let Some(Some(u)) = self.upstreams.get(no).cloned() {
                let now = turn.now;
                self.outbound(upstream).set_pace(u.rate, u.burst, now);
            }
        }
        for no in 0..self.services.len() {
            self.inbox(Outlet(u16::try_from(no).unwrap_or(u16::MAX)));
        }
        self.configure_endpoints(&settings, turn)?;
        self.calendar = Calendar::new(settings.rules.timezone.clone(), turn.now.utc_ms);
        self.settings = settings;
        Ok(())
    }

    /// Names webhooks that appear for the first time, and works out who is told of what.
    fn configure_endpoints(&mut self, settings: &Settings, turn: &mut Turn<'_>) -> Result<(), Lost> {
        let mut tells = vec![Tells::default(); self.services.len()];
        let mut endpoints = vec![None; self.state.counters.outlets.len()];
        for service in &settings.services {
            let Some(at) = self.state.counters.services.iter().position(|id| *id == service.id) else {
                continue;
            };
            for endpoint in &service.endpoints {
                let known = self.state.counters.outlets.iter().position(|o| o.name == endpoint.id);
                let number = known.unwrap_or(self.state.counters.outlets.len());
                let Some(outlet) = Outlet::endpoint(number) else { continue };
                if known.is_none() {
                    let service = ServiceNo(u16::try_from(at).unwrap_or(u16::MAX));
                    let name = endpoint.id.clone();
                    self.commit(turn, Record::OutletNamed { outlet, service, name })?;
                    endpoints.push(None);
                }
                endpoints[number] = Some(Arc::new(endpoint.clone()));
                if endpoint.receipts {
                    tells[at].receipts.push(Tell { outlet, sent: endpoint.sent });
                }
                if endpoint.incoming {
                    tells[at].incoming.push(outlet);
                }
                self.inbox(outlet);
            }
        }
        (self.tells, self.endpoints) = (tells, endpoints);
        Ok(())
    }

    /// Something happened.
    ///
    /// # Errors
    /// [`Lost`] when the tables cannot be read; the gateway must not be used any more.
    pub fn handle(&mut self, input: Input, turn: &mut Turn<'_>) -> Result<(), Lost> {
        match input {
            Input::Submit { from, service, submissions } => {
                for submission in submissions {
                    self.accept(from, service, submission, turn)?;
                }
                Ok(())
            }
            Input::UpstreamBound { link, upstream, window } => {
                self.links.insert(link, Side::Upstream(upstream));
                self.outbound(upstream).bound(link, window);
                Ok(())
            }
            Input::Answers { link, answers } => {
                for answer in answers {
                    self.answered(link, answer, turn)?;
                }
                Ok(())
            }
            Input::Arrivals { link, upstream, arrivals } => {
                for arrival in arrivals {
                    self.arrived(link, upstream, arrival, turn)?;
                }
                Ok(())
            }
            Input::EsmeBound { link, service } => {
                self.links.insert(link, Side::Outlet(service.into()));
                let window = self.service(service).map_or(1, |s| s.deliver_window);
                self.inbox(service.into()).bound(link, window.max(1));
                Ok(())
            }
            Input::EndpointBound { link, outlet, window } => {
                self.links.insert(link, Side::Outlet(outlet));
                self.inbox(outlet).bound(link, window);
                Ok(())
            }
            Input::Cancel { from, service, id } => self.cancel(from, service, id, turn),
            Input::Block { from, service, number, blocked } => {
                let changed = self.block(service, number, blocked, None, turn)?;
                turn.effects.push((from, Effect::Done(u64::from(changed))));
                Ok(())
            }
            Input::Replay { from, outlet, owed } => {
                let done = self.replay_to(outlet, owed, turn)?;
                turn.effects.push((from, Effect::Done(done)));
                Ok(())
            }
            Input::DeliveryAnswers { link, answers } => {
                for answer in answers {
                    self.delivery_answered(link, answer, turn)?;
                }
                Ok(())
            }
            Input::LinkClosed { link } => match self.links.remove(&link) {
                Some(Side::Upstream(upstream)) => self.upstream_lost(link, upstream, turn),
                Some(Side::Outlet(outlet)) => self.outlet_lost(link, outlet, turn),
                None => Ok(()),
            },
            Input::Revive { outlet } => self.revive(outlet, turn),
            Input::Configure(settings) => self.configure(settings, turn),
            Input::DiskLow(low) => {
                self.disk_low = low;
                Ok(())
            }
        }
    }

    /// After the inputs of a batch: what has become due, and whatever may leave now.
    /// Returns the monotonic microsecond at which to call again at the latest.
    ///
    /// # Errors
    /// As [`Gateway::handle`].
    pub fn settle(&mut self, turn: &mut Turn<'_>) -> Result<u64, Lost> {
        let mut wake = turn.now.mono_us + LOOK_US;
        self.crowded = self.state.live_len() >= self.settings.rules.live_max.saturating_mul(CROWDED);
        if turn.now.utc_ms >= self.looked_ms + LOOK_MS || turn.now.utc_ms < self.looked_ms {
            self.looked_ms = turn.now.utc_ms;
            self.look_around(turn)?;
        }
        self.release_delayed(turn)?;
        self.state.let_go(LET_GO);
        if let Some(&(due, _)) = self.delayed.first() {
            wake = wake.min(turn.now.mono_us + due.saturating_sub(turn.now.utc_ms).max(1) * 1000);
        }
        if let Some(&(due, ..)) = self.delayed_deliveries.first() {
            wake = wake.min(turn.now.mono_us + due.saturating_sub(turn.now.utc_ms).max(1) * 1000);
        }
        for no in 0..self.outbounds.len() {
            let upstream = UpstreamNo(u16::try_from(no).unwrap_or(u16::MAX));
            wake = wake.min(self.dispatch(upstream, turn)?);
        }
        for outlet in self.outlets() {
            self.deliver(outlet, turn)?;
        }
        Ok(wake.min(self.inquire(turn)?))
    }

    /// The state, to be read.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The state, for checkpoints.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// A checkpoint is on disk: lets go of what it holds.
    pub fn checkpointed(&mut self, shipped: state::Shipped) {
        for outbound in &mut self.outbounds {
            outbound.spill(shipped.place);
        }
        for inbox in self.inboxes.iter_mut().chain(&mut self.endpoint_inboxes) {
            inbox.spill(shipped.delivery);
        }
        let live_max = self.settings.rules.live_max;
        self.state.shipped(shipped, live_max);
    }

    /// New messages are refused, since the disk is below its reserve (SEMANTICS 17).
    pub fn is_disk_low(&self) -> bool {
        self.disk_low
    }

    /// The settings in force.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// How each upstream stands: sessions, submits unanswered, and whether it is paused, by number.
    pub fn upstream_figures(&self) -> Vec<UpstreamFigures> {
        self.outbounds.iter().map(Outbound::figures).collect()
    }

    /// How each webhook stands, by number.
    pub fn endpoint_figures(&self) -> Vec<OutletFigures> {
        (0..self.endpoint_inboxes.len())
            .map(|no| Outlet::endpoint(no).map_or_else(OutletFigures::default, |o| self.outlet_figures(o)))
            .collect()
    }

    fn service(&self, no: ServiceNo) -> Option<&Arc<Service>> {
        self.services.get(usize::from(no.0)).and_then(Option::as_ref)
    }

    fn upstream(&self, no: UpstreamNo) -> Option<&Arc<Upstream>> {
        self.upstreams.get(usize::from(no.0)).and_then(Option::as_ref)
    }

    fn outbound(&mut self, no: UpstreamNo) -> &mut Outbound {
        let at = usize::from(no.0);
        while self.outbounds.len() <= at {
            self.outbounds.push(Outbound::default());
        }
        &mut self.outbounds[at]
    }

    fn inbox(&mut self, outlet: Outlet) -> &mut Inbox {
        let (inboxes, at) = match outlet.endpoint_number() {
            Some(at) => (&mut self.endpoint_inboxes, at),
            None => (&mut self.inboxes, usize::from(outlet.0)),
        };
        while inboxes.len() <= at {
            inboxes.push(Inbox::default());
        }
        &mut inboxes[at]
    }

    /// All that deliveries can be owed to.
    fn outlets(&self) -> impl Iterator<Item = Outlet> + use<> {
        let services = 0..u16::try_from(self.inboxes.len()).unwrap_or(u16::MAX);
        let endpoints = 0..self.endpoint_inboxes.len();
        services.map(Outlet).chain(endpoints.filter_map(Outlet::endpoint))
    }

    fn endpoint(&self, outlet: Outlet) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(outlet.endpoint_number()?).and_then(Option::as_ref)
    }

    /// The webhooks of a service.
    fn tells(&self, service: ServiceNo) -> Option<&Tells> {
        self.tells.get(usize::from(service.0))
    }

    /// A fact: into the batch, then true.
    fn commit(&mut self, turn: &mut Turn<'_>, record: Record) -> Result<(), Lost> {
        turn.log.write(&record);
        self.state.apply(record)?;
        for (outlet, no) in std::mem::take(&mut self.state.fresh) {
            self.inbox(outlet).push(no);
        }
        Ok(())
    }
}

/// How those who take deliveries of an outlet stand.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OutletFigures {
    /// Its links.
    pub links: u32,
    /// Deliveries unanswered.
    pub under_way: u32,
    /// Sum of the links' windows; 0: nothing is sent there now.
    pub window: u32,
}

/// How an upstream stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UpstreamFigures {
    /// Sessions bound.
    pub sessions: u32,
    /// submit_sm unanswered.
    pub in_flight: u32,
    /// Sum of the sessions' windows.
    pub window: u32,
    /// Sessions paused after being throttled.
    pub paused: u32,
}

/// How many times `live_max` messages may be in memory between checkpoints before new ones are refused.
const CROWDED: usize = 4;

/// Finished messages that leave the memory with each batch.
const LET_GO: usize = 512;

/// How often deadlines and routes are looked at.
const LOOK_MS: u64 = 250;
const LOOK_US: u64 = LOOK_MS * 1000;

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("live", &self.state.live_len()).finish_non_exhaustive()
    }
}
