//! What the gateway reads from and writes to beneath it: rows that are not, or not only, in memory.

use std::error::Error;
use std::fmt;

use super::delivery::Delivery;
use super::id::{MessageId, ServiceNo, UpstreamNo};
use super::join::Set;
use super::message::Message;
use super::record::{Incoming, Parked, Record};
use super::state::Counters;

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

/// Rows as of the last checkpoint.
pub trait Cold: Send + Sync + fmt::Debug {
    /// A message in progress, or one of the history.
    fn message(&self, id: MessageId) -> Result<Option<Message>, Lost>;
    /// An MO in progress, or one of the history.
    fn incoming(&self, id: MessageId) -> Result<Option<Incoming>, Lost>;
    /// A delivery that is owed.
    fn delivery(&self, service: ServiceNo, no: u64) -> Result<Option<Delivery>, Lost>;
    /// Dead letters of a service, oldest first.
    fn dead(&self, service: ServiceNo, limit: usize) -> Result<Vec<Delivery>, Lost>;
    /// One dead letter of a service.
    fn dead_letter(&self, service: ServiceNo, no: u64) -> Result<Option<Delivery>, Lost>;
    /// The part that an upstream calls so.
    fn upstream_id(&self, upstream: UpstreamNo, id: &[u8]) -> Result<Option<(MessageId, u8)>, Lost>;
    /// At most `limit` rows of a queue, from a place on, in order.
    fn waiting(&self, queue: QueueKey, from: u64, limit: usize) -> Result<Vec<(u64, MessageId)>, Lost>;
    /// All queues that have rows, and how many.
    fn queues(&self) -> Result<Vec<(QueueKey, u64)>, Lost>;
    /// At most `limit` numbers of deliveries owed to a service, from a number on, in order.
    fn deliveries(&self, service: ServiceNo, from: u64, limit: usize) -> Result<Vec<u64>, Lost>;
    /// All services that are owed deliveries, and how many.
    fn inboxes(&self) -> Result<Vec<(ServiceNo, u64)>, Lost>;
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
    fn delivery_gone(&mut self, service: ServiceNo, no: u64);
    /// A dead letter.
    fn dead(&mut self, delivery: &Delivery);
    /// It was revived.
    fn dead_gone(&mut self, service: ServiceNo, no: u64);
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
    /// Counters and names.
    fn counters(&mut self, counters: &Counters);
}

/// Takes records in the order in which they were decided.
pub trait Log {
    /// Adds one to the batch.
    fn write(&mut self, record: &Record);
}
