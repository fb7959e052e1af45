//! What the gateway reads from and writes to beneath it: rows that are not, or not only, in memory.

use std::error::Error;
use std::fmt;

use super::delivery::Delivery;
use super::event::Event;
use super::id::{MessageId, Outlet, ServiceNo, UpstreamNo};
use super::join::Set;
use super::message::Message;
use super::record::{Incoming, Parked, Record};
use super::state::{Counters, Known, Scope};

/// A row could not be read. The state is dropped and opened anew.
#[derive(Debug)]
pub struct Lost(pub Box<dyn Error + Send + Sync>);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the tables cannot be read")
    }
}

impl Error for Lost {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.0.as_ref())
    }
}

/// Which queue of an upstream.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct QueueKey {
    /// The upstream.
    pub upstream: UpstreamNo,
    /// The service.
    pub service: ServiceNo,
    /// priority_flag, 0 to 3.
    pub priority: u8,
    /// The lane.
    pub lane: u8,
}

/// What a message is listed by.
#[derive(Debug)]
pub struct Indexed<'a> {
    /// Whose.
    pub service: ServiceNo,
    /// The message.
    pub id: MessageId,
    /// The mobile's number as digits.
    pub number: u64,
    /// It came from the mobile.
    pub incoming: bool,
    /// The client's reference; empty: none.
    pub reference: &'a [u8],
}

/// Which messages of a service are listed, and in what order.
#[derive(Clone, Debug)]
pub struct Query {
    /// Which.
    pub by: By,
    /// Accepted or received not before this (UTC milliseconds; looked at in whole seconds).
    pub from_ms: u64,
    /// Not after this.
    pub until_ms: u64,
    /// Only those after this one, in the order of the list.
    pub after: Option<MessageId>,
    /// Newest first.
    pub newest_first: bool,
    /// At most so many.
    pub limit: usize,
}

/// By what messages are listed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum By {
    /// All to mobiles.
    Messages,
    /// All from mobiles.
    Incoming,
    /// Both, with one mobile (its number as digits).
    Number(u64),
    /// Those to mobiles with this reference.
    Reference(Vec<u8>),
}

impl Query {
    /// The ids between which the list lies, both included; `None`: nothing can be between them.
    pub fn bounds(&self) -> Option<(MessageId, MessageId)> {
        let seconds = |ms: u64| u32::try_from(ms / 1000).unwrap_or(u32::MAX).to_be_bytes();
        let (mut low, mut high) = (MessageId([0; 12]), MessageId([0xFF; 12]));
        low.0[..4].copy_from_slice(&seconds(self.from_ms));
        high.0[..4].copy_from_slice(&seconds(self.until_ms));
        match self.after {
            Some(after) if self.newest_first => high = high.min(before(after)?),
            Some(after) => low = low.max(next(after)?),
            None => {}
        }
        (low <= high).then_some((low, high))
    }
}

fn next(id: MessageId) -> Option<MessageId> {
    let mut octets = id.0;
    for octet in octets.iter_mut().rev() {
        let carry = *octet == 0xFF;
        *octet = octet.wrapping_add(1);
        if !carry {
            return Some(MessageId(octets));
        }
    }
    None
}

fn before(id: MessageId) -> Option<MessageId> {
    let mut octets = id.0;
    for octet in octets.iter_mut().rev() {
        let borrow = *octet == 0;
        *octet = octet.wrapping_sub(1);
        if !borrow {
            return Some(MessageId(octets));
        }
    }
    None
}

/// Rows as of the last checkpoint.
pub trait Cold: Send + Sync + fmt::Debug {
    /// A message in progress, or one of the history.
    fn message(&self, id: MessageId) -> Result<Option<Message>, Lost>;
    /// An MO in progress, or one of the history.
    fn incoming(&self, id: MessageId) -> Result<Option<Incoming>, Lost>;
    /// A delivery that is owed.
    fn delivery(&self, outlet: Outlet, no: u64) -> Result<Option<Delivery>, Lost>;
    /// Dead letters of an outlet, oldest first.
    fn dead(&self, outlet: Outlet, limit: usize) -> Result<Vec<Delivery>, Lost>;
    /// One dead letter of an outlet.
    fn dead_letter(&self, outlet: Outlet, no: u64) -> Result<Option<Delivery>, Lost>;
    /// The part that an upstream calls so.
    fn upstream_id(&self, upstream: UpstreamNo, id: &[u8]) -> Result<Option<(MessageId, u8)>, Lost>;
    /// At most `limit` rows of a queue, from a place on, in order.
    fn waiting(&self, queue: QueueKey, from: u64, limit: usize) -> Result<Vec<(u64, MessageId)>, Lost>;
    /// All queues that have rows, and how many.
    fn queues(&self) -> Result<Vec<(QueueKey, u64)>, Lost>;
    /// At most `limit` numbers of deliveries owed to an outlet, from a number on, in order.
    fn deliveries(&self, outlet: Outlet, from: u64, limit: usize) -> Result<Vec<u64>, Lost>;
    /// All outlets that are owed deliveries, and how many.
    fn inboxes(&self) -> Result<Vec<(Outlet, u64)>, Lost>;
    /// Deadlines from `from` up to `until` (UTC milliseconds), in order.
    fn deadlines(
        &self,
        from: (u64, MessageId),
        until: u64,
        limit: usize,
    ) -> Result<Vec<(u64, MessageId)>, Lost>;
    /// All receipts without a message.
    fn parked(&self) -> Result<Vec<Parked>, Lost>;
    /// All sets of parts of long MO.
    fn sets(&self) -> Result<Vec<Set>, Lost>;
    /// What a key stands for, if it was seen between these times (UTC milliseconds).
    fn key(&self, scope: Scope, key: [u8; 16], since_ms: u64, now_ms: u64) -> Result<Option<Known>, Lost>;
    /// At most `limit` messages of a service to a mobile since `since_ms`, newest first.
    fn last_to(
        &self,
        service: ServiceNo,
        mobile: u64,
        since_ms: u64,
        limit: usize,
    ) -> Result<Vec<MessageId>, Lost>;
    /// All numbers that mobiles or the interface have put on a blacklist.
    fn blocked(&self) -> Result<Vec<(ServiceNo, u64)>, Lost>;
    /// A page of what the index of a service holds.
    fn list(&self, service: ServiceNo, query: &Query) -> Result<Vec<(MessageId, bool)>, Lost>;
    /// At most `limit` events of a service after `after`, in order. `None`: some of them are not kept any more.
    fn events(&self, service: ServiceNo, after: u64, limit: usize) -> Result<Option<Vec<Event>>, Lost>;
    /// The number of the oldest event that is kept, of any service.
    fn oldest_event(&self) -> Result<Option<u64>, Lost>;
    /// The counters and names, if a checkpoint was ever made.
    fn counters(&self) -> Result<Option<Counters>, Lost>;
}

/// Takes the rows of a checkpoint.
pub trait Sink {
    /// A message in progress.
    fn message(&mut self, message: &Message);
    /// It is not in progress any more.
    fn message_gone(&mut self, id: MessageId);
    /// A message that is finished.
    fn message_history(&mut self, message: &Message);
    /// What an upstream calls a part.
    fn upstream_id(&mut self, upstream: UpstreamNo, id: &[u8], message: MessageId, part: u8);
    /// A row of a queue.
    fn waiting(&mut self, queue: QueueKey, place: u64, id: MessageId);
    /// A row of a queue that is not wanted any more.
    fn waiting_gone(&mut self, queue: QueueKey, place: u64);
    /// A deadline.
    fn deadline(&mut self, at_ms: u64, id: MessageId);
    /// A deadline that is not wanted any more.
    fn deadline_gone(&mut self, at_ms: u64, id: MessageId);
    /// A delivery that is owed.
    fn delivery(&mut self, delivery: &Delivery);
    /// It is not owed any more.
    fn delivery_gone(&mut self, outlet: Outlet, no: u64);
    /// A dead letter.
    fn dead(&mut self, delivery: &Delivery);
    /// It was revived.
    fn dead_gone(&mut self, outlet: Outlet, no: u64);
    /// An MO in progress.
    fn incoming(&mut self, incoming: &Incoming);
    /// It is not in progress any more.
    fn incoming_gone(&mut self, id: MessageId);
    /// An MO that is finished, or that has no service.
    fn incoming_history(&mut self, incoming: &Incoming);
    /// A receipt without a message.
    fn parked(&mut self, parked: &Parked);
    /// It is not kept any more.
    fn parked_gone(&mut self, no: u64);
    /// A set of parts.
    fn set(&mut self, set: &Set);
    /// It is not kept any more.
    fn set_gone(&mut self, no: u64);
    /// A message under what it is listed by.
    fn index(&mut self, indexed: &Indexed<'_>);
    /// What a key stands for.
    fn key(&mut self, scope: Scope, key: [u8; 16], known: &Known);
    /// A number is on a service's blacklist, or is not any more.
    fn blocked(&mut self, service: ServiceNo, number: u64, blocked: bool);
    /// Events, in order.
    fn events(&mut self, events: &[Event]);
    /// Counters and names.
    fn counters(&mut self, counters: &Counters);
}

/// Takes records in the order in which they were decided.
pub trait Log {
    /// Adds one to the batch.
    fn write(&mut self, record: &Record);
}
