//! An engine core on a faulty disk, with an ESME and an SMSC that keep their side of every promise made to them.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a part of several tests, each of which uses some of it"
)]

pub mod moves;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use trunkline::engine::{Config, Core, StartError};
use trunkline::gateway::Now;
use trunkline::gateway::id::{LinkId, MessageId, ServiceNo, UpstreamNo};
use trunkline::gateway::message::{Content, Interface};
use trunkline::gateway::port::{
    Answer, Arrival, Arrived, Asker, DeliveryAnswer, Effect, Fact, IncomingFact, Input, NotCancelled,
    Outcome, Refusal, Submission, Ticket,
};
use trunkline::gateway::record::{MoContent, Report};
use trunkline::gateway::settings::{MoRoute, Route, Rules, Service, Settings, Upstream};
use trunkline::pdu::{
    Address, CommandStatus, DataCoding, EsmClass, MessageState, Npi, RegisteredDelivery, Ton,
};
use trunkline::store::fault::FaultDisk;

pub const SERVICE: ServiceNo = ServiceNo(0);
pub const UPSTREAM: UpstreamNo = UpstreamNo(0);
pub const START_MS: u64 = 1_780_000_000_000;

pub fn address(digits: &str) -> Address {
    Address::new(Ton(1), Npi(1), digits.as_bytes()).expect("an address")
}

pub fn service(id: &str) -> Service {
    Service { deliver_window: 10, ..Service::new(id) }
}

pub fn upstream(id: &str) -> Upstream {
    Upstream { attempts_max: 5, delay_max_ms: 60_000, mo_dedupe_ms: 60_000, ..Upstream::new(id) }
}

pub fn settings() -> Settings {
    Settings {
        services: vec![service("demo")],
        upstreams: vec![upstream("smsc")],
        routes: vec![Route {
            service: None,
            sender: String::new(),
            destination: String::new(),
            upstreams: vec!["smsc".into()],
        }],
        mo_routes: vec![MoRoute {
            upstream: None,
            number: String::new(),
            exact: false,
            service: "demo".into(),
        }],
        rules: Rules::default(),
    }
}

pub fn content(text: &str, to: &str) -> Content {
    Content {
        source: address("33930000000"),
        destination: address(to),
        esm_class: EsmClass(0),
        protocol_id: 0,
        priority: 0,
        registered_delivery: RegisteredDelivery(1),
        data_coding: DataCoding(0),
        payload: text.as_bytes().into(),
        tlvs: Box::default(),
        reference: Box::default(),
    }
}

pub fn submission(reply: u32, content: Content) -> Submission {
    Submission { reply, ..Submission::new(content, Interface::Smpp) }
}

/// What happened at the edges; survives the engine.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Messages acknowledged to the ESME, with their texts.
    pub acked: BTreeMap<MessageId, String>,
    /// Texts refused to the ESME.
    pub refused: Vec<(u32, Refusal)>,
    /// How often each text reached the SMSC.
    pub at_smsc: HashMap<String, u32>,
    /// Receipts that reached the ESME, with their states, in order.
    pub receipts: Vec<(MessageId, MessageState)>,
    /// MO texts that reached the ESME, in order.
    pub mo: Vec<String>,
    /// Our ids of `mo`.
    pub mo_ids: Vec<MessageId>,
    /// deliver_sm of the SMSC that were acknowledged, by their number.
    pub stored: HashSet<u32>,
    /// deliver_sm of the SMSC that were turned away.
    pub turned_away: u32,
    /// What an endpoint was told of messages, with the try.
    pub told: Vec<(MessageId, MessageState, u32)>,
    /// MO that an endpoint got.
    pub hooked: Vec<IncomingFact>,
    pub cancelled: Vec<Result<(), NotCancelled>>,
    pub done: Vec<u64>,
    /// Messages that the upstream was asked about.
    pub inquired: Vec<MessageId>,
}

pub struct World {
    pub disk: FaultDisk,
    pub core: Option<Core>,
    pub settings: Arc<Settings>,
    pub now: Now,
    pub ledger: Ledger,
    pub inputs: VecDeque<Input>,
    pub effects: Vec<(Asker, Effect)>,
    /// Submits that the SMSC has and has not answered.
    pub unanswered: VecDeque<(LinkId, Ticket, Content)>,
    /// Receipts and MO that the SMSC has to deliver: number, what, whether it was sent on the present link.
    pub owed: VecDeque<(u32, Owed, bool)>,
    /// deliver_sm that the ESME has and has not answered.
    pub undelivered: VecDeque<(LinkId, u64)>,
    pub up: LinkId,
    pub down: LinkId,
    /// The endpoint's link.
    pub hook: LinkId,
    next_link: u64,
    next_reply: u32,
    next_id: u64,
    next_owed: u32,
    texts: HashMap<u32, String>,
    mo_texts: HashMap<u32, String>,
}

#[derive(Clone, Debug)]
pub enum Owed {
    Receipt { id: String, content: Content },
    Mo(MoContent),
}

pub fn config() -> Config {
    Config {
        data_dir: PathBuf::from("/data"),
        segment_octets_max: 8 << 10,
        disk_reserve_octets: 0,
        ..Config::default()
    }
}

impl World {
    pub fn new(settings: Settings) -> Self {
        let mut world = Self::on(FaultDisk::new(), settings);
        world.start().expect("an empty disk opens");
        world
    }

    pub fn on(disk: FaultDisk, settings: Settings) -> Self {
        Self {
            disk,
            core: None,
            settings: Arc::new(settings),
            now: Now { utc_ms: START_MS, mono_us: 0 },
            ledger: Ledger::default(),
            inputs: VecDeque::new(),
            effects: Vec::new(),
            unanswered: VecDeque::new(),
            owed: VecDeque::new(),
            undelivered: VecDeque::new(),
            up: LinkId(0),
            down: LinkId(0),
            hook: LinkId(u64::MAX),
            next_link: 1,
            next_reply: 1,
            next_id: 1,
            next_owed: 1,
            texts: HashMap::new(),
            mo_texts: HashMap::new(),
        }
    }

    pub fn start(&mut self) -> Result<(), StartError> {
        let run = [self.next_link.to_le_bytes()[0]; 5];
        let disk = Arc::new(self.disk.clone());
        self.core =
            Some(Core::open(disk, config(), Arc::clone(&self.settings), Arc::default(), run, self.now)?);
        Ok(())
    }

    pub fn core(&mut self) -> &mut Core {
        self.core.as_mut().expect("started")
    }

    pub fn link(&mut self) -> LinkId {
        self.next_link += 1;
        LinkId(self.next_link)
    }

    pub fn bind_upstream(&mut self, window: u32) {
        self.up = self.link();
        self.inputs.push_back(Input::UpstreamBound { link: self.up, upstream: UPSTREAM, window });
    }

    pub fn bind_esme(&mut self) {
        self.down = self.link();
        self.inputs.push_back(Input::EsmeBound { link: self.down, service: SERVICE });
    }

    pub fn pass(&mut self, ms: u64) {
        self.now = Now { utc_ms: self.now.utc_ms + ms, mono_us: self.now.mono_us + ms * 1000 };
    }

    pub fn submit(&mut self, content: Content) -> u32 {
        self.submit_with(submission(0, content))
    }

    pub fn submit_with(&mut self, mut submission: Submission) -> u32 {
        let reply = self.next_reply;
        self.next_reply += 1;
        submission.reply = reply;
        self.texts.insert(reply, String::from_utf8_lossy(&submission.content.payload).into_owned());
        let from = Asker::Link(self.down);
        self.inputs.push_back(Input::Submit { from, service: SERVICE, submissions: vec![submission] });
        reply
    }

    /// Batches until all inputs are used up. `Err`: one failed, and the core was dropped.
    pub fn step(&mut self) -> Result<(), ()> {
        loop {
            let Some(core) = &mut self.core else { return Err(()) };
            let mut inputs = std::mem::take(&mut self.inputs);
            let mut effects = std::mem::take(&mut self.effects);
            let result = core.step(&mut inputs, self.now, &mut effects);
            self.inputs = inputs;
            for (asker, effect) in effects.drain(..) {
                self.note(asker, effect);
            }
            self.effects = effects;
            if result.is_err() {
                self.core = None;
                return Err(());
            }
            if self.inputs.is_empty() {
                return Ok(());
            }
        }
    }

    fn note(&mut self, asker: Asker, effect: Effect) {
        let link = match asker {
            Asker::Link(link) => link,
            Asker::Call(_) => LinkId(0),
        };
        match effect {
            Effect::Accepted { reply, id, .. } => {
                let text = self.texts.get(&reply).cloned().unwrap_or_default();
                self.ledger.acked.insert(id, text);
            }
            Effect::Refused { reply, refusal } => self.ledger.refused.push((reply, refusal)),
            Effect::Dispatch(d) => {
                let text = String::from_utf8_lossy(&d.content.payload).into_owned();
                *self.ledger.at_smsc.entry(text).or_default() += 1;
                self.unanswered.push_back((link, d.ticket, d.content));
            }
            Effect::Acknowledge { reply, stored } => {
                if stored {
                    self.ledger.stored.insert(reply);
                    self.owed.retain(|(no, ..)| *no != reply);
                } else {
                    self.ledger.turned_away += 1;
                    self.owed.iter_mut().filter(|(no, ..)| *no == reply).for_each(|o| o.2 = false);
                }
            }
            Effect::Deliver(d) => {
                match &d.fact {
                    Fact::Receipt(r) if link == self.hook => {
                        self.ledger.told.push((r.id, r.state, d.attempt))
                    }
                    Fact::Receipt(r) => self.ledger.receipts.push((r.id, r.state)),
                    Fact::Incoming(fact) => self.ledger.hooked.push((**fact).clone()),
                    Fact::Mo { id, mo, .. } => {
                        self.ledger.mo_ids.push(*id);
                        self.ledger.mo.push(String::from_utf8_lossy(&mo.payload).into_owned());
                    }
                }
                self.undelivered.push_back((link, d.no));
            }
            Effect::Cancelled(result) => self.ledger.cancelled.push(result),
            Effect::Done(changed) => self.ledger.done.push(changed),
            Effect::Inquire { id, .. } => self.ledger.inquired.push(id),
            Effect::Unbind => {}
        }
    }

    /// The SMSC answers up to `n` submits with ROK and owes a receipt for each.
    pub fn smsc_answers(&mut self, n: usize) {
        for _ in 0..n {
            let Some((link, ticket, content)) = self.unanswered.pop_front() else { return };
            let id = format!("{:016}", self.next_id);
            self.next_id += 1;
            let outcome = Outcome::Taken(id.as_bytes().into());
            self.inputs.push_back(Input::Answers { link, answers: vec![Answer { ticket, outcome }] });
            self.owed.push_back((self.next_owed, Owed::Receipt { id, content }, false));
            self.next_owed += 1;
        }
    }

    pub fn smsc_refuses(&mut self, status: CommandStatus) {
        let Some((link, ticket, _)) = self.unanswered.pop_front() else { return };
        let outcome = Outcome::Refused(status);
        self.inputs.push_back(Input::Answers { link, answers: vec![Answer { ticket, outcome }] });
    }

    pub fn mo(&mut self, text: &str) {
        let mo = MoContent {
            source: address("33600000000"),
            destination: address("33930000000"),
            esm_class: EsmClass(0),
            protocol_id: 0,
            data_coding: DataCoding(0),
            payload: text.as_bytes().into(),
            tlvs: Box::default(),
        };
        self.mo_texts.insert(self.next_owed, text.into());
        self.owed.push_back((self.next_owed, Owed::Mo(mo), false));
        self.next_owed += 1;
    }

    /// The SMSC sends up to `n` deliver_sm that it has not sent on this link.
    pub fn smsc_delivers(&mut self, n: usize) {
        let mut arrivals = Vec::new();
        for (no, owed, sent) in self.owed.iter_mut().filter(|o| !o.2).take(n) {
            *sent = true;
            let what = match owed {
                Owed::Receipt { id, content } => Arrived::Receipt(Report {
                    upstream_id: id.as_bytes().into(),
                    other_id: Box::default(),
                    source: content.destination,
                    destination: content.source,
                    state: MessageState::DELIVERED,
                    error: 0,
                    message: None,
                }),
                Owed::Mo(mo) => Arrived::Mo(mo.clone()),
            };
            arrivals.push(Arrival { reply: *no, what, once: None });
        }
        if !arrivals.is_empty() {
            self.inputs.push_back(Input::Arrivals { link: self.up, upstream: UPSTREAM, arrivals });
        }
    }

    /// The ESME acknowledges up to `n` deliver_sm.
    pub fn esme_answers(&mut self, n: usize) {
        for _ in 0..n {
            let Some((link, no)) = self.undelivered.pop_front() else { return };
            let answers = vec![DeliveryAnswer { no, status: Some(CommandStatus::ESME_ROK) }];
            self.inputs.push_back(Input::DeliveryAnswers { link, answers });
        }
    }

    pub fn checkpoint(&mut self) -> Result<(), ()> {
        self.core.as_mut().ok_or(())?.checkpoint_now().map_err(|_| self.core = None)
    }

    /// After a power cut or kill: `disk` is what is left. Both peers see their connections end; the SMSC still answers for
    /// what it got, and sends again what was not acknowledged.
    pub fn restart_on(&mut self, disk: FaultDisk) -> Result<(), StartError> {
        self.core = None;
        self.disk = disk;
        self.inputs.clear();
        // Answers that were never read are lost, and so is what the ESME had not answered. Each message that the SMSC has
        // will be reported on all the same.
        while let Some((_, _, content)) = self.unanswered.pop_front() {
            let id = format!("{:016}", self.next_id);
            self.next_id += 1;
            self.owed.push_back((self.next_owed, Owed::Receipt { id, content }, false));
            self.next_owed += 1;
        }
        self.undelivered.clear();
        self.owed.iter_mut().for_each(|o| o.2 = false);
        self.pass(1_000);
        self.start()?;
        self.bind_upstream(10);
        self.bind_esme();
        Ok(())
    }

    /// Lets everything that can happen happen.
    pub fn settle(&mut self) -> Result<(), ()> {
        for _ in 0..2_000 {
            self.smsc_answers(usize::MAX);
            self.smsc_delivers(usize::MAX);
            self.esme_answers(usize::MAX);
            self.pass(50);
            self.step()?;
            if self.inputs.is_empty()
                && self.unanswered.is_empty()
                && self.undelivered.is_empty()
                && self.owed.is_empty()
            {
                self.pass(300);
                self.step()?;
                if self.inputs.is_empty() && self.unanswered.is_empty() && self.undelivered.is_empty() {
                    return Ok(());
                }
            }
        }
        panic!("never came to rest: {} unanswered, {} owed", self.unanswered.len(), self.owed.len());
    }

    /// Every promise made was kept.
    pub fn check(&mut self, why: &str) {
        let delivered: HashSet<MessageId> = self.ledger.receipts.iter().map(|r| r.0).collect();
        for (id, text) in &self.ledger.acked {
            assert!(self.ledger.at_smsc.contains_key(text), "{why}: {text} was acknowledged and never sent");
            assert!(delivered.contains(id), "{why}: no receipt for {text}");
        }
        for no in &self.ledger.stored {
            if let Some(text) = self.mo_texts.get(no) {
                assert!(self.ledger.mo.contains(text), "{why}: {text} was acknowledged and never delivered");
            }
        }
        let counters = self.core().gateway().expect("open").state().counters.clone();
        let totals = counters.totals[0];
        assert_eq!(totals.waiting(), 0, "{why}: {totals:?}");
        assert_eq!(totals.accepted, totals.ended.iter().sum::<u64>(), "{why}: counters add up");
        assert_eq!((counters.stages, totals.owed, totals.queued), ([0; 3], 0, 0), "{why}");
        assert!(totals.accepted >= self.ledger.acked.len() as u64, "{why}");
    }
}
