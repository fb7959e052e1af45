//! The stored form of the gateway's records: tag, version, length, body.
//!
//! A tag and a version once used keep their meaning. `tests/golden` holds octets of every version ever written; a tag or
//! version that is not known refuses the start and says so.

use super::octets::{Garbled, Put, Take};
use crate::gateway::delivery::Owed;
use crate::gateway::id::{MessageId, Outlet, ServiceNo, UpstreamNo};
use crate::gateway::message::{
    Asked, AskedLast, Content, Doubt, End, Interface, Reason, Tell, Ties, Written,
};
use crate::gateway::port::Key;
use crate::gateway::record::{Accepted, ArrivedPart, Incoming, MoContent, Parked, Record, Report};
use crate::gateway::settings::LongMode;
use crate::pdu::{CommandStatus, DataCoding, EsmClass, MessageState, RegisteredDelivery};

/// The version of most records. A message or MO that HTTP has to do with is written as the second version of its record.
const VERSION: u8 = 1;

/// The newest version of a record.
fn newest(tag: u8) -> u8 {
    match tag {
        3 | 19 => 2,
        _ => VERSION,
    }
}

/// The version in which a record is written: the first unless it says something that the first cannot.
fn version_of(record: &Record) -> u8 {
    match record {
        Record::Accepted(a) if a.ties != Ties::default() || a.key.is_some() => 2,
        Record::MoReceived(i) if is_tied(i) => 2,
        _ => VERSION,
    }
}

/// Octets before the body: tag, version, length of the body.
const HEAD: usize = 6;

/// Why octets of the journal are not a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RecordError {
    /// Written by a later release.
    Unknown {
        /// Its tag.
        tag: u8,
        /// Its version.
        version: u8,
    },
    /// Not what its tag says.
    Garbled(Garbled),
}

impl std::fmt::Display for RecordError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { tag, version } => {
                write!(
                    f,
                    "the journal holds a record (tag {tag}, version {version}) of a later release of trunkline"
                )
            }
            Self::Garbled(garbled) => garbled.fmt(f),
        }
    }
}

impl std::error::Error for RecordError {}

impl From<Garbled> for RecordError {
    fn from(garbled: Garbled) -> Self {
        Self::Garbled(garbled)
    }
}

/// Appends a record to a batch.
pub fn write(out: &mut Vec<u8>, record: &Record) {
    let start = out.len();
    out.put(&[0; HEAD]);
    let tag = write_body(out, record);
    let length = u32::try_from(out.len() - start - HEAD).unwrap_or(u32::MAX);
    if let Some(head) = out.get_mut(start..start + HEAD) {
        head.copy_from_slice(&[tag, version_of(record), 0, 0, 0, 0]);
        head[2..].copy_from_slice(&length.to_le_bytes());
    }
}

/// Reads all records of a batch.
///
/// # Errors
/// [`RecordError`]; nothing after the first bad one is read.
pub fn read_all(batch: &[u8], each: &mut dyn FnMut(Record)) -> Result<(), RecordError> {
    let mut batch = Take(batch);
    while !batch.0.is_empty() {
        let (tag, version) = (batch.u8()?, batch.u8()?);
        let length = usize::try_from(batch.u32()?).map_err(|_| Garbled("a length"))?;
        let mut body = Take(batch.take(length)?);
        if version == 0 || version > newest(tag) {
            return Err(RecordError::Unknown { tag, version });
        }
        let record = read_body(tag, version, &mut body)?;
        body.end()?;
        each(record);
    }
    Ok(())
}

fn write_body(out: &mut Vec<u8>, record: &Record) -> u8 {
    match record {
        Record::ServiceNamed { no, name } => {
            out.u16(no.0);
            out.octets(name.as_bytes());
            1
        }
        Record::UpstreamNamed { no, name } => {
            out.u16(no.0);
            out.octets(name.as_bytes());
            2
        }
        Record::Accepted(a) => {
            out.put(&a.id.0);
            out.u16(a.service.0);
            out.u16(a.upstream.0);
            out.put(&[a.lane, a.billed, a.parts]);
            put_asked(out, a.asked);
            out.u64(a.at_ms);
            out.u64(a.expires_ms);
            out.u64(a.receipt_by_ms);
            out.u64(a.not_before_ms);
            out.u32(a.month);
            put_content(out, &a.content);
            if version_of(record) == 2 {
                put_ties(out, &a.ties);
                put_key(out, a.key);
            }
            3
        }
        Record::Dispatched { id, part, at_ms } => {
            put_part(out, *id, *part, *at_ms);
            4
        }
        Record::Sent { id, part, at_ms, upstream_id } => {
            put_part(out, *id, *part, *at_ms);
            out.octets(upstream_id);
            5
        }
        Record::PutOff { id, part, at_ms, status, not_before_ms } => {
            put_part(out, *id, *part, *at_ms);
            out.u32(status.0);
            out.u64(*not_before_ms);
            6
        }
        Record::Doubted { id, part, at_ms, doubt } => {
            put_part(out, *id, *part, *at_ms);
            out.u8(*doubt as u8);
            7
        }
        Record::Rerouted { id, upstream, at_ms } => {
            put_part(out, *id, 0, *at_ms);
            out.u16(upstream.0);
            8
        }
        Record::Refused { id, part, at_ms, status } => {
            put_part(out, *id, *part, *at_ms);
            out.u32(status.0);
            9
        }
        Record::Receipted { id, part, at_ms, state, error } => {
            put_part(out, *id, *part, *at_ms);
            out.u8(state.0);
            out.u32(*error);
            10
        }
        Record::Ended { id, at_ms, end, reason } => {
            put_part(out, *id, 0, *at_ms);
            out.put(&[*end as u8, *reason as u8]);
            11
        }
        Record::Parked(p) => {
            put_parked(out, p);
            12
        }
        Record::Unparked { no } => {
            out.u64(*no);
            13
        }
        Record::FormLearned { upstream, form } => {
            out.u16(upstream.0);
            out.u8(*form);
            14
        }
        Record::SetOpened { no, deadline_ms, part } => {
            out.u64(*no);
            out.u64(*deadline_ms);
            put_arrived(out, part);
            15
        }
        Record::PartArrived(part) => {
            put_arrived(out, part);
            16
        }
        Record::SetOut { no, forget_ms } => {
            out.u64(*no);
            out.u64(*forget_ms);
            17
        }
        Record::SetForgotten { no } => {
            out.u64(*no);
            18
        }
        Record::MoReceived(incoming) => {
            put_incoming(out, incoming);
            if version_of(record) == 2 {
                put_incoming_ties(out, incoming);
            }
            19
        }
        Record::Delivering { no, outlet, again } => {
            out.u64(*no);
            out.u16(outlet.0);
            out.u8(again.map_or(u8::MAX, |d| d as u8));
            20
        }
        Record::Delivered { no, outlet, at_ms } => {
            put_delivery(out, *no, *outlet, *at_ms);
            21
        }
        Record::DeliveryPutOff { no, outlet, not_before_ms, counts } => {
            put_delivery(out, *no, *outlet, *not_before_ms);
            out.u8(u8::from(*counts));
            22
        }
        Record::DeliveryDead { no, outlet, at_ms } => {
            put_delivery(out, *no, *outlet, *at_ms);
            23
        }
        Record::DeliveryRevived { no, outlet, at_ms } => {
            put_delivery(out, *no, *outlet, *at_ms);
            24
        }
        Record::Unsure { id, part, at_ms, until_ms } => {
            put_part(out, *id, *part, *at_ms);
            out.u64(*until_ms);
            25
        }
        Record::OutletNamed { outlet, service, name } => {
            out.u16(outlet.0);
            out.u16(service.0);
            out.octets(name.as_bytes());
            26
        }
        Record::Blocked { service, number, blocked, at_ms, by } => {
            out.u16(service.0);
            out.u64(*number);
            out.u8(u8::from(*blocked));
            out.u64(*at_ms);
            out.put(&by.0);
            27
        }
        Record::OwedAgain { outlet, owed, at_ms } => {
            out.u16(outlet.0);
            out.u64(*at_ms);
            put_owed(out, *owed);
            28
        }
    }
}

fn read_body(tag: u8, version: u8, b: &mut Take<'_>) -> Result<Record, RecordError> {
    let record = match tag {
        1 => Record::ServiceNamed { no: ServiceNo(b.u16()?), name: b.text()? },
        2 => Record::UpstreamNamed { no: UpstreamNo(b.u16()?), name: b.text()? },
        3 => {
            let id = MessageId(b.array()?);
            let (service, upstream) = (ServiceNo(b.u16()?), UpstreamNo(b.u16()?));
            let [lane, billed, parts] = b.array()?;
            Record::Accepted(Box::new(Accepted {
                id,
                service,
                upstream,
                lane,
                billed,
                parts,
                asked: asked(b)?,
                at_ms: b.u64()?,
                expires_ms: b.u64()?,
                receipt_by_ms: b.u64()?,
                not_before_ms: b.u64()?,
                month: b.u32()?,
                content: content(b)?,
                ties: if version > 1 { ties(b)? } else { Ties::default() },
                key: if version > 1 { key(b)? } else { None },
            }))
        }
        4 => {
            let (id, part, at_ms) = part(b)?;
            Record::Dispatched { id, part, at_ms }
        }
        5 => {
            let (id, part, at_ms) = part(b)?;
            Record::Sent { id, part, at_ms, upstream_id: b.boxed()? }
        }
        6 => {
            let (id, part, at_ms) = part(b)?;
            Record::PutOff { id, part, at_ms, status: CommandStatus(b.u32()?), not_before_ms: b.u64()? }
        }
        7 => {
            let (id, part, at_ms) = part(b)?;
            Record::Doubted { id, part, at_ms, doubt: one_of(&Doubt::ALL, b.u8()?)? }
        }
        8 => {
            let (id, _, at_ms) = part(b)?;
            Record::Rerouted { id, upstream: UpstreamNo(b.u16()?), at_ms }
        }
        9 => {
            let (id, part, at_ms) = part(b)?;
            Record::Refused { id, part, at_ms, status: CommandStatus(b.u32()?) }
        }
        10 => {
            let (id, part, at_ms) = part(b)?;
            Record::Receipted { id, part, at_ms, state: MessageState(b.u8()?), error: b.u32()? }
        }
        11 => {
            let (id, _, at_ms) = part(b)?;
            Record::Ended { id, at_ms, end: one_of(&End::ALL, b.u8()?)?, reason: one_of(&REASONS, b.u8()?)? }
        }
        12 => Record::Parked(Box::new(parked(b)?)),
        13 => Record::Unparked { no: b.u64()? },
        14 => Record::FormLearned { upstream: UpstreamNo(b.u16()?), form: b.u8()? },
        15 => Record::SetOpened { no: b.u64()?, deadline_ms: b.u64()?, part: Box::new(arrived(b)?) },
        16 => Record::PartArrived(Box::new(arrived(b)?)),
        17 => Record::SetOut { no: b.u64()?, forget_ms: b.u64()? },
        18 => Record::SetForgotten { no: b.u64()? },
        19 => {
            let mut received = incoming(b)?;
            if version > 1 {
                incoming_ties(b, &mut received)?;
            }
            Record::MoReceived(Box::new(received))
        }
        20 => Record::Delivering {
            no: b.u64()?,
            outlet: Outlet(b.u16()?),
            again: match b.u8()? {
                u8::MAX => None,
                doubt => Some(one_of(&Doubt::ALL, doubt)?),
            },
        },
        21 => {
            let (no, outlet, at_ms) = delivery(b)?;
            Record::Delivered { no, outlet, at_ms }
        }
        22 => {
            let (no, outlet, not_before_ms) = delivery(b)?;
            Record::DeliveryPutOff { no, outlet, not_before_ms, counts: b.bool()? }
        }
        23 => {
            let (no, outlet, at_ms) = delivery(b)?;
            Record::DeliveryDead { no, outlet, at_ms }
        }
        24 => {
            let (no, outlet, at_ms) = delivery(b)?;
            Record::DeliveryRevived { no, outlet, at_ms }
        }
        25 => {
            let (id, part, at_ms) = part(b)?;
            Record::Unsure { id, part, at_ms, until_ms: b.u64()? }
        }
        26 => Record::OutletNamed { outlet: Outlet(b.u16()?), service: ServiceNo(b.u16()?), name: b.text()? },
        27 => Record::Blocked {
            service: ServiceNo(b.u16()?),
            number: b.u64()?,
            blocked: b.bool()?,
            at_ms: b.u64()?,
            by: MessageId(b.array()?),
        },
        28 => {
            let (outlet, at_ms) = (Outlet(b.u16()?), b.u64()?);
            Record::OwedAgain { outlet, owed: owed(b)?, at_ms }
        }
        _ => return Err(RecordError::Unknown { tag, version }),
    };
    Ok(record)
}

/// In the order of their stored numbers.
pub(super) const REASONS: [Reason; 7] = [
    Reason::Validity,
    Reason::NoReceipt,
    Reason::Blacklist,
    Reason::PartRefused,
    Reason::NoRoute,
    Reason::Asked,
    Reason::NoReport,
];

const LONG_MODES: [LongMode; 3] = [LongMode::Payload, LongMode::Udh, LongMode::Sar];

const ASKED: [AskedLast; 4] = [AskedLast::Never, AskedLast::Always, AskedLast::Failure, AskedLast::EachPart];

pub(super) fn one_of<T: Copy>(all: &[T], stored: u8) -> Result<T, Garbled> {
    all.get(usize::from(stored)).copied().ok_or(Garbled("one of the values there are"))
}

fn put_part(out: &mut Vec<u8>, id: MessageId, part: u8, at_ms: u64) {
    out.put(&id.0);
    out.u8(part);
    out.u64(at_ms);
}

fn part(b: &mut Take<'_>) -> Result<(MessageId, u8, u64), Garbled> {
    Ok((MessageId(b.array()?), b.u8()?, b.u64()?))
}

fn put_delivery(out: &mut Vec<u8>, no: u64, outlet: Outlet, ms: u64) {
    out.u64(no);
    out.u16(outlet.0);
    out.u64(ms);
}

fn delivery(b: &mut Take<'_>) -> Result<(u64, Outlet, u64), Garbled> {
    Ok((b.u64()?, Outlet(b.u16()?), b.u64()?))
}

pub(super) fn put_asked(out: &mut Vec<u8>, asked: Asked) {
    out.u8(asked.last as u8 | u8::from(asked.intermediate) << 7);
}

pub(super) fn asked(b: &mut Take<'_>) -> Result<Asked, Garbled> {
    let octet = b.u8()?;
    Ok(Asked { last: one_of(&ASKED, octet & 0x7F)?, intermediate: octet & 0x80 != 0 })
}

pub(super) fn put_content(out: &mut Vec<u8>, c: &Content) {
    out.address(&c.source);
    out.address(&c.destination);
    out.put(&[c.esm_class.0, c.protocol_id, c.priority, c.registered_delivery.0, c.data_coding.0]);
    out.octets(&c.payload);
    out.octets(&c.tlvs);
    out.octets(&c.reference);
}

pub(super) fn content(b: &mut Take<'_>) -> Result<Content, Garbled> {
    let (source, destination) = (b.address()?, b.address()?);
    let [esm_class, protocol_id, priority, registered_delivery, data_coding] = b.array()?;
    Ok(Content {
        source,
        destination,
        esm_class: EsmClass(esm_class),
        protocol_id,
        priority,
        registered_delivery: RegisteredDelivery(registered_delivery),
        data_coding: DataCoding(data_coding),
        payload: b.boxed()?,
        tlvs: b.boxed()?,
        reference: b.boxed()?,
    })
}

pub(super) fn put_mo(out: &mut Vec<u8>, mo: &MoContent) {
    out.address(&mo.source);
    out.address(&mo.destination);
    out.put(&[mo.esm_class.0, mo.protocol_id, mo.data_coding.0]);
    out.octets(&mo.payload);
    out.octets(&mo.tlvs);
}

pub(super) fn mo(b: &mut Take<'_>) -> Result<MoContent, Garbled> {
    let (source, destination) = (b.address()?, b.address()?);
    let [esm_class, protocol_id, data_coding] = b.array()?;
    Ok(MoContent {
        source,
        destination,
        esm_class: EsmClass(esm_class),
        protocol_id,
        data_coding: DataCoding(data_coding),
        payload: b.boxed()?,
        tlvs: b.boxed()?,
    })
}

fn put_arrived(out: &mut Vec<u8>, p: &ArrivedPart) {
    out.u16(p.upstream.0);
    out.u16(p.reference);
    out.put(&[u8::from(p.wide), p.total, p.number]);
    out.u64(p.at_ms);
    put_mo(out, &p.mo);
}

fn arrived(b: &mut Take<'_>) -> Result<ArrivedPart, Garbled> {
    Ok(ArrivedPart {
        upstream: UpstreamNo(b.u16()?),
        reference: b.u16()?,
        wide: b.bool()?,
        total: b.u8()?,
        number: b.u8()?,
        at_ms: b.u64()?,
        mo: mo(b)?,
    })
}

pub(super) fn put_parked(out: &mut Vec<u8>, p: &Parked) {
    out.u64(p.no);
    out.u16(p.upstream.0);
    out.u64(p.at_ms);
    out.octets(&p.report.upstream_id);
    out.octets(&p.report.other_id);
    out.address(&p.report.source);
    out.address(&p.report.destination);
    out.u8(p.report.state.0);
    out.u32(p.report.error);
}

pub(super) fn parked(b: &mut Take<'_>) -> Result<Parked, Garbled> {
    Ok(Parked {
        no: b.u64()?,
        upstream: UpstreamNo(b.u16()?),
        at_ms: b.u64()?,
        report: Report {
            upstream_id: b.boxed()?,
            other_id: b.boxed()?,
            source: b.address()?,
            destination: b.address()?,
            state: MessageState(b.u8()?),
            error: b.u32()?,
            message: None,
        },
    })
}

pub(super) fn put_incoming(out: &mut Vec<u8>, i: &Incoming) {
    out.put(&i.id.0);
    out.u16(i.upstream.0);
    out.u16(i.service.map_or(u16::MAX, |s| s.0));
    out.u64(i.at_ms);
    out.put(&[i.parts.0, i.parts.1, u8::from(i.late), i.left, i.long as u8]);
    put_mo(out, &i.mo);
}

pub(super) fn incoming(b: &mut Take<'_>) -> Result<Incoming, Garbled> {
    Ok(Incoming {
        id: MessageId(b.array()?),
        upstream: UpstreamNo(b.u16()?),
        service: match b.u16()? {
            u16::MAX => None,
            no => Some(ServiceNo(no)),
        },
        at_ms: b.u64()?,
        parts: (b.u8()?, b.u8()?),
        late: b.bool()?,
        left: b.u8()?,
        long: one_of(&LONG_MODES, b.u8()?)?,
        watch: None,
        answers: None,
        tell: Box::default(),
        once: None,
        mo: mo(b)?,
    })
}

pub(super) fn put_owed(out: &mut Vec<u8>, owed: Owed) {
    match owed {
        Owed::Receipt { id, state, error, part, at_ms, intermediate } => {
            out.u8(0);
            out.put(&id.0);
            out.put(&[state.0, part.0, part.1, u8::from(intermediate)]);
            out.u32(error);
            out.u64(at_ms);
        }
        Owed::Mo { id, pdu } => {
            out.u8(1);
            out.put(&id.0);
            out.u8(pdu);
        }
    }
}

pub(super) fn owed(b: &mut Take<'_>) -> Result<Owed, Garbled> {
    match b.u8()? {
        0 => {
            let id = MessageId(b.array()?);
            let (state, part, intermediate) = (MessageState(b.u8()?), (b.u8()?, b.u8()?), b.bool()?);
            Ok(Owed::Receipt { id, state, part, intermediate, error: b.u32()?, at_ms: b.u64()? })
        }
        1 => Ok(Owed::Mo { id: MessageId(b.array()?), pdu: b.u8()? }),
        _ => Err(Garbled("a delivery")),
    }
}

fn put_number(out: &mut Vec<u8>, number: Option<u64>) {
    out.u8(u8::from(number.is_some()));
    out.var(number.unwrap_or(0));
}

fn number(b: &mut Take<'_>) -> Result<Option<u64>, Garbled> {
    let (is_some, number) = (b.bool()?, b.var()?);
    Ok(is_some.then_some(number))
}

pub(super) fn put_ties(out: &mut Vec<u8>, t: &Ties) {
    let written = u8::from(t.written.national_to) | u8::from(t.written.national_from) << 1;
    out.put(&[t.interface as u8, written]);
    put_number(out, t.watch);
    out.u64(t.unsure_until_ms);
    out.var(t.tell.len() as u64);
    for tell in &t.tell {
        out.u16(tell.outlet.0);
        out.u8(u8::from(tell.sent));
    }
}

pub(super) fn ties(b: &mut Take<'_>) -> Result<Ties, Garbled> {
    let (interface, written) = (one_of(&Interface::ALL, b.u8()?)?, b.u8()?);
    Ok(Ties {
        interface,
        written: Written { national_to: written & 1 != 0, national_from: written & 2 != 0 },
        watch: number(b)?,
        unsure_until_ms: b.u64()?,
        tell: (0..b.var()?)
            .map(|_| Ok(Tell { outlet: Outlet(b.u16()?), sent: b.bool()? }))
            .collect::<Result<_, Garbled>>()?,
    })
}

fn put_key(out: &mut Vec<u8>, key: Option<Key>) {
    out.u8(u8::from(key.is_some()));
    if let Some(key) = key {
        out.put(&key.key);
        out.put(&key.digest);
    }
}

fn key(b: &mut Take<'_>) -> Result<Option<Key>, Garbled> {
    Ok(if b.bool()? { Some(Key { key: b.array()?, digest: b.array()? }) } else { None })
}

/// Whether an MO says something that the first version cannot.
pub(super) fn is_tied(i: &Incoming) -> bool {
    i.watch.is_some() || i.answers.is_some() || !i.tell.is_empty() || i.once.is_some()
}

pub(super) fn put_incoming_ties(out: &mut Vec<u8>, i: &Incoming) {
    put_number(out, i.watch);
    out.u8(u8::from(i.answers.is_some()));
    out.put(&i.answers.unwrap_or(MessageId([0; 12])).0);
    out.u8(u8::from(i.once.is_some()));
    out.put(&i.once.unwrap_or_default());
    out.var(i.tell.len() as u64);
    i.tell.iter().for_each(|outlet| out.u16(outlet.0));
}

pub(super) fn incoming_ties(b: &mut Take<'_>, i: &mut Incoming) -> Result<(), Garbled> {
    i.watch = number(b)?;
    let (answers, id) = (b.bool()?, MessageId(b.array()?));
    i.answers = answers.then_some(id);
    let (once, key) = (b.bool()?, b.array()?);
    i.once = once.then_some(key);
    i.tell = (0..b.var()?).map(|_| Ok(Outlet(b.u16()?))).collect::<Result<_, Garbled>>()?;
    Ok(())
}
