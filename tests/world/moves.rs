//! Single moves of the peers and the clock in a [`World`], each followed by a batch, and what they led to.

use std::sync::Arc;

use trunkline::gateway::Gateway;
use trunkline::gateway::id::{LinkId, MessageId, UpstreamNo};
use trunkline::gateway::message::{Content, End, Message};
use trunkline::gateway::port::{Answer, Arrival, Arrived, DeliveryAnswer, Input, Outcome, Ticket};
use trunkline::gateway::record::{Incoming, MoContent, Report};
use trunkline::gateway::settings::{Route, Settings};
use trunkline::gateway::state::Totals;
use trunkline::pdu::{CommandStatus, DataCoding, EsmClass, MessageState};
use trunkline::store::fault::Cut;

use super::{SERVICE, UPSTREAM, World, address, content, settings, upstream};

pub const MINUTE: u64 = 60_000;
pub const HOUR: u64 = 60 * MINUTE;
pub const DAY: u64 = 24 * HOUR;
pub const SECOND_UPSTREAM: UpstreamNo = UpstreamNo(1);
pub const TO: &str = "33612345678";

pub fn ready() -> World {
    with(settings(), 10)
}

pub fn with(settings: Settings, window: u32) -> World {
    let mut w = World::new(settings);
    w.bind_upstream(window);
    w.bind_esme();
    step(&mut w);
    w
}

pub fn step(w: &mut World) {
    w.step().expect("the disk works");
}

/// Time goes by in steps of `by_ms`, with whatever becomes due in them.
pub fn wait(w: &mut World, ms: u64, by_ms: u64) {
    for _ in 0..ms.div_ceil(by_ms) {
        w.pass(by_ms);
        step(w);
    }
}

/// The process is killed and started again, with nobody bound; what was under way has no answer.
pub fn restart(w: &mut World, checkpoint: bool) {
    let settings = Arc::clone(&w.settings);
    restart_with(w, checkpoint, settings);
}

pub fn restart_with(w: &mut World, checkpoint: bool, settings: Arc<Settings>) {
    if checkpoint {
        w.checkpoint().expect("the disk works");
    }
    w.settings = settings;
    w.disk = w.disk.cut(3, Cut::Killed);
    w.core = None;
    w.inputs.clear();
    w.unanswered.clear();
    w.undelivered.clear();
    w.start().expect("starts again");
    step(w);
}

pub fn gateway(w: &mut World) -> &Gateway {
    w.core().gateway().expect("open")
}

pub fn message(w: &mut World, id: MessageId) -> Message {
    let found = gateway(w).state().message(id).expect("readable");
    Message::clone(&found.expect("there is such a message"))
}

pub fn totals(w: &mut World) -> Totals {
    gateway(w).state().counters.totals[0]
}

/// accepted = delivered + refused + expired + cancelled + unknown + waiting, and the stages hold just those that wait.
pub fn adds_up(w: &mut World) {
    let counters = gateway(w).state().counters.clone();
    let waiting: u64 = counters.totals.iter().map(Totals::waiting).sum();
    let queued: u64 = counters.totals.iter().map(|t| t.queued).sum();
    assert_eq!(counters.stages.iter().sum::<u64>(), waiting, "{counters:?}");
    assert_eq!(counters.stages[0] + counters.stages[1], queued, "{counters:?}");
    for t in &counters.totals {
        assert_eq!(t.accepted, t.ended.iter().sum::<u64>() + t.waiting(), "{t:?}");
    }
}

pub fn ended(w: &mut World, end: End) -> u64 {
    totals(w).ended[end as usize]
}

/// What the SMSC has and has not answered, in order.
pub fn under_way(w: &World) -> Vec<String> {
    w.unanswered.iter().map(|(.., c)| String::from_utf8_lossy(&c.payload).into_owned()).collect()
}

pub fn answer(w: &mut World, link: LinkId, ticket: Ticket, outcome: Outcome) {
    w.inputs.push_back(Input::Answers { link, answers: vec![Answer { ticket, outcome }] });
    step(w);
}

/// The SMSC takes the oldest submit under an id of its choice.
pub fn takes(w: &mut World, id: &str) -> Content {
    let (link, ticket, content) = w.unanswered.pop_front().expect("something was sent");
    answer(w, link, ticket, Outcome::Taken(id.as_bytes().into()));
    content
}

pub fn refuses(w: &mut World, status: CommandStatus) {
    w.smsc_refuses(status);
    step(w);
}

/// A receipt with this id for this message.
pub fn receipt(w: &mut World, upstream: UpstreamNo, id: &str, about: &Content) {
    let report = Report {
        upstream_id: id.as_bytes().into(),
        other_id: Box::default(),
        source: about.destination,
        destination: about.source,
        state: MessageState::DELIVERED,
        error: 0,
        message: None,
    };
    let arrivals = vec![Arrival { reply: 900_000, what: Arrived::Receipt(report), once: None }];
    w.inputs.push_back(Input::Arrivals { link: w.up, upstream, arrivals });
    step(w);
}

pub fn mo(text: &str) -> MoContent {
    MoContent {
        source: address("33600000000"),
        destination: address("33930000000"),
        esm_class: EsmClass(0),
        protocol_id: 0,
        data_coding: DataCoding(0),
        payload: text.as_bytes().into(),
        tlvs: Box::default(),
    }
}

pub fn arrives(w: &mut World, what: Arrived) {
    let arrivals = vec![Arrival { reply: 900_001, what, once: None }];
    w.inputs.push_back(Input::Arrivals { link: w.up, upstream: UPSTREAM, arrivals });
    step(w);
}

/// Part `number` of `total` of the mobile's message 7.
pub fn part(w: &mut World, total: u8, number: u8, text: &str) {
    arrives(w, Arrived::MoPart { reference: 7, wide: false, total, number, mo: mo(text) });
}

/// What became of the newest MO that reached the ESME: (text, have and total, late).
pub fn newest_mo(w: &mut World) -> (String, (u8, u8), bool) {
    let id = *w.ledger.mo_ids.last().expect("an MO was delivered");
    let i: Incoming = gateway(w).state().incoming(id).expect("readable").expect("known");
    (String::from_utf8_lossy(&i.mo.payload).into_owned(), i.parts, i.late)
}

/// The ESME's answer to the oldest deliver_sm.
pub fn esme_says(w: &mut World, status: CommandStatus) {
    let (link, no) = w.undelivered.pop_front().expect("something was delivered");
    let answers = vec![DeliveryAnswer { no, status: Some(status) }];
    w.inputs.push_back(Input::DeliveryAnswers { link, answers });
    step(w);
}

pub fn dead(w: &mut World) -> usize {
    let listed = gateway(w).state().dead(SERVICE.into(), 1_000).expect("readable").len();
    assert_eq!(totals(w).dead, listed as u64, "what is counted is listed");
    listed
}

pub fn revive(w: &mut World) {
    w.inputs.push_back(Input::Revive { outlet: SERVICE.into() });
    step(w);
}

/// A part of a concatenation that the client has made itself.
pub fn client_part(reference: u8, total: u8, number: u8, to: &str) -> Content {
    let mut c = content("", to);
    c.esm_class = EsmClass(0x40);
    c.payload = [&[5, 0, 3, reference, total, number][..], b"text"].concat().into();
    c
}

pub fn two_upstreams() -> Settings {
    let mut s = settings();
    s.upstreams.push(upstream("second"));
    s
}

pub fn bind_second(w: &mut World, window: u32) -> LinkId {
    let link = w.link();
    w.inputs.push_back(Input::UpstreamBound { link, upstream: SECOND_UPSTREAM, window });
    step(w);
    link
}

pub fn route_to(upstreams: &[&str]) -> Route {
    Route {
        service: None,
        sender: String::new(),
        destination: String::new(),
        upstreams: upstreams.iter().map(|&u| u.into()).collect(),
    }
}

pub fn only_id(w: &World) -> MessageId {
    assert_eq!(w.ledger.acked.len(), 1);
    *w.ledger.acked.keys().next().expect("one")
}
