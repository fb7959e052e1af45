//! What the world tells the gateway, and what the gateway wants done: values only.

use std::fmt;

use super::delivery::Owed;
use super::id::{LinkId, MessageId, Outlet, ServiceNo, UpstreamNo};
use super::message::{Content, End, Interface, Message, Reason, Written};
use super::record::{Incoming, MoContent, Report};
use super::settings::Profile;
use crate::pdu::{CommandStatus, MessageState};

/// Something happened. Fed to [`Gateway::handle`](super::Gateway::handle) in the order of arrival.
#[derive(Debug)]
pub enum Input {
    /// An ESME or another interface hands messages over, in this order.
    Submit {
        /// Who asks.
        from: Asker,
        /// Whose messages.
        service: ServiceNo,
        /// At least one.
        submissions: Vec<Submission>,
    },
    /// A session with an upstream is bound, or its window has changed (0: it drains, nothing more is to be sent on it).
    UpstreamBound {
        /// The session.
        link: LinkId,
        /// The upstream.
        upstream: UpstreamNo,
        /// submit_sm it may have unanswered; 0 for a receiver.
        window: u32,
    },
    /// Answers to dispatched parts, in the order of arrival.
    Answers {
        /// The session.
        link: LinkId,
        /// At least one.
        answers: Vec<Answer>,
    },
    /// deliver_sm of an upstream, in the order of arrival. Each is answered by [`Effect::Acknowledge`].
    Arrivals {
        /// The session.
        link: LinkId,
        /// The upstream.
        upstream: UpstreamNo,
        /// At least one.
        arrivals: Vec<Arrival>,
    },
    /// A session that can receive deliver_sm is bound for a service.
    EsmeBound {
        /// The session.
        link: LinkId,
        /// The service.
        service: ServiceNo,
    },
    /// The ESME's answers to deliver_sm, in the order of arrival.
    DeliveryAnswers {
        /// The session.
        link: LinkId,
        /// At least one.
        answers: Vec<DeliveryAnswer>,
    },
    /// A session of either side is over or takes nothing more; what it had unanswered is in doubt.
    LinkClosed {
        /// The session.
        link: LinkId,
    },
    /// An endpoint takes deliveries, or its window has changed (0: nothing more is to be sent for now).
    EndpointBound {
        /// Its link.
        link: LinkId,
        /// The endpoint.
        outlet: Outlet,
        /// Deliveries that it may have unanswered.
        window: u32,
    },
    /// An operator wants dead letters to be tried again.
    Revive {
        /// Whose.
        outlet: Outlet,
    },
    /// An operator wants an endpoint to be told again of what happened before.
    Replay {
        /// Who asks; told by [`Effect::Done`].
        from: Asker,
        /// The endpoint.
        outlet: Outlet,
        /// Facts of events, oldest first.
        owed: Vec<Owed>,
    },
    /// A service takes a message back; told by [`Effect::Cancelled`].
    Cancel {
        /// Who asks.
        from: Asker,
        /// The service.
        service: ServiceNo,
        /// The message.
        id: MessageId,
    },
    /// A number is put on a service's blacklist, or taken off; told by [`Effect::Done`].
    Block {
        /// Who asks.
        from: Asker,
        /// The service.
        service: ServiceNo,
        /// The number as digits, normalised.
        number: u64,
        /// Put on.
        blocked: bool,
    },
    /// New settings were checked.
    Configure(std::sync::Arc<super::settings::Settings>),
    /// The disk is (not) below its reserve.
    DiskLow(bool),
}

/// Who waits for the outcome of a submission.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Asker {
    /// An SMPP session; each submission's `reply` is its sequence_number.
    Link(LinkId),
    /// A caller inside the process; `reply` tells submissions of one call apart.
    Call(u64),
}

/// A message that somebody wants sent, checked for shape but not for permission.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Comes back with the outcome.
    pub reply: u32,
    /// What to send.
    pub content: Content,
    /// How long it may take. `None`: the default.
    pub validity: Option<When>,
    /// Not before. `None`: at once.
    pub schedule: Option<When>,
    /// By which interface it comes.
    pub interface: Interface,
    /// Makes repetitions of the request known.
    pub key: Option<Key>,
    /// How the client wrote its numbers.
    pub written: Written,
}

impl Submission {
    /// A message that may go at once and has the usual validity.
    pub fn new(content: Content, interface: Interface) -> Self {
        Self {
            reply: 0,
            content,
            validity: None,
            schedule: None,
            interface,
            key: None,
            written: Written::default(),
        }
    }
}

/// An idempotency key of a service, and what was asked under it, both as hashes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Key {
    /// The key.
    pub key: [u8; 16],
    /// The request's body.
    pub digest: [u8; 16],
}

/// A message that was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Taken {
    /// Its id.
    pub id: MessageId,
    /// It was taken before, under the same key.
    pub repeated: bool,
}

/// Why a message was not taken back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotCancelled {
    /// The service has no such message.
    Unknown,
    /// It has left, or may have.
    Left,
    /// It has ended already.
    Ended(End),
    /// We stop, or cannot say.
    Unavailable,
}

/// A time as a client says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum When {
    /// UTC milliseconds.
    At(u64),
    /// Milliseconds from acceptance.
    In(u64),
}

/// Why a submission was not accepted. Nothing of it is stored.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Refusal {
    /// source_addr is none of the service's senders.
    Sender,
    /// destination_addr is not a number that can be sent to.
    Destination,
    /// No route leads there.
    NoRoute,
    /// More segments than the profile allows, or nothing at all.
    Length,
    /// The validity is over already.
    Validity,
    /// The scheduled time is past or after the end of validity.
    Schedule,
    /// Too many of the service's messages wait already.
    QueueFull,
    /// The disk is below its reserve, or does not take what is written.
    Disk,
    /// The service's end date is past.
    ServiceEnded,
    /// The month's segments are used up.
    MonthlyLimit,
    /// The idempotency key belongs to another request.
    KeyReused,
    /// We stop, or cannot say.
    Unavailable,
}

impl Refusal {
    /// All, in the order of their metric labels.
    pub const ALL: [Self; 12] = [
        Self::Sender,
        Self::Destination,
        Self::NoRoute,
        Self::Length,
        Self::Validity,
        Self::Schedule,
        Self::QueueFull,
        Self::Disk,
        Self::ServiceEnded,
        Self::MonthlyLimit,
        Self::KeyReused,
        Self::Unavailable,
    ];

    /// The word in metrics, logs and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Destination => "destination",
            Self::NoRoute => "no_route",
            Self::Length => "length",
            Self::Validity => "validity",
            Self::Schedule => "schedule",
            Self::QueueFull => "queue_full",
            Self::Disk => "disk",
            Self::ServiceEnded => "service_ended",
            Self::MonthlyLimit => "monthly_limit",
            Self::KeyReused => "key_reused",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Names one dispatch of one part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ticket {
    /// The message.
    pub id: MessageId,
    /// The part, from 0.
    pub part: u8,
    /// Which attempt, so that an answer to an older one is recognised.
    pub attempt: u8,
}

/// What became of a dispatched part.
#[derive(Debug)]
pub struct Answer {
    /// The dispatch.
    pub ticket: Ticket,
    /// What came.
    pub outcome: Outcome,
}

/// What became of a dispatched part.
#[derive(Debug)]
pub enum Outcome {
    /// submit_sm_resp with ESME_ROK and this message_id (may be empty).
    Taken(Box<[u8]>),
    /// submit_sm_resp or generic_nack with this status.
    Refused(CommandStatus),
    /// The response timer ran out. A later answer may still come, as another `Answer`.
    TimedOut,
    /// The upstream may or may not have taken it, and will not say.
    Unknown,
}

/// A deliver_sm of an upstream.
#[derive(Debug)]
pub struct Arrival {
    /// Its sequence_number, to be answered.
    pub reply: u32,
    /// What it is.
    pub what: Arrived,
    /// Marks a repetition of an MO, which is dropped but acknowledged.
    pub once: Option<Once>,
}

/// What an MO is known by, for as long as the rules say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Once {
    /// It is remembered by this.
    pub key: [u8; 16],
    /// It is a repetition if any of these, or `key`, is known.
    pub also: Vec<[u8; 16]>,
}

/// What a deliver_sm of an upstream is.
#[derive(Debug)]
pub enum Arrived {
    /// A delivery receipt.
    Receipt(Report),
    /// A message from a mobile, whole.
    Mo(MoContent),
    /// One part of a longer one.
    MoPart {
        /// What it belongs to.
        reference: u16,
        /// The reference has 16 bits instead of 8.
        wide: bool,
        /// Parts in all, at least 1.
        total: u8,
        /// Which one, from 1 to `total`.
        number: u8,
        /// The part, without its header.
        mo: MoContent,
    },
}

/// The ESME's answer to one deliver_sm.
#[derive(Debug)]
pub struct DeliveryAnswer {
    /// Number of the delivery.
    pub no: u64,
    /// deliver_sm_resp's status; `None`: the response timer ran out.
    pub status: Option<CommandStatus>,
}

/// Something to be done, once the records of its batch are on disk.
#[derive(Debug)]
pub enum Effect {
    /// The message is on disk.
    Accepted {
        /// The submission's `reply`.
        reply: u32,
        /// Its id.
        id: MessageId,
        /// It was accepted before, under the same key.
        repeated: bool,
    },
    /// What became of [`Input::Cancel`].
    Cancelled(Result<(), NotCancelled>),
    /// What became of [`Input::Block`] and [`Input::Replay`]: how many things it changed.
    Done(u64),
    /// Ask the upstream how a message fares, and send what it says as [`Arrival`]s.
    Inquire {
        /// Ours.
        id: MessageId,
        /// What the upstream calls it.
        upstream_id: Box<[u8]>,
    },
    /// The message was not accepted.
    Refused {
        /// The submission's `reply`.
        reply: u32,
        /// Why.
        refusal: Refusal,
    },
    /// Send a part upstream.
    Dispatch(Box<Dispatch>),
    /// Answer an upstream's deliver_sm: it is on disk, or (`false`) could not be put there.
    Acknowledge {
        /// Its sequence_number.
        reply: u32,
        /// Whether it is on disk.
        stored: bool,
    },
    /// Send a deliver_sm to an ESME, or a webhook to an endpoint.
    Deliver(Box<Deliver>),
    /// The session has left too many deliver_sm unanswered, or is not wanted any more: unbind it.
    Unbind,
}

/// A submit_sm to be sent upstream.
#[derive(Debug)]
pub struct Dispatch {
    /// Comes back with the answer.
    pub ticket: Ticket,
    /// Seconds of validity left.
    pub validity_s: u64,
    /// What to send: addresses, data_coding and so on.
    pub content: Content,
    /// How `content.payload` travels.
    pub carry: Carry,
}

/// How the octets of one PDU travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carry {
    /// As short_message (at most 254 octets; longer goes as message_payload all the same).
    Short,
    /// As message_payload.
    Payload,
    /// As short_message with the sar_* TLVs.
    Sar {
        /// sar_msg_ref_num.
        reference: u16,
        /// sar_total_segments.
        total: u8,
        /// sar_segment_seqnum, from 1.
        number: u8,
    },
}

/// A deliver_sm to be sent to an ESME.
#[derive(Debug)]
pub struct Deliver {
    /// Comes back with the answer.
    pub no: u64,
    /// The service's profile.
    pub profile: Profile,
    /// Which try it is, from 1.
    pub attempt: u32,
    /// What it says.
    pub fact: Fact,
}

/// What a deliver_sm to an ESME says.
#[derive(Debug)]
pub enum Fact {
    /// How a message, or one part of it, fares.
    Receipt(Box<ReceiptFact>),
    /// A message from a mobile, for an endpoint.
    Incoming(Box<IncomingFact>),
    /// A message from a mobile, or one PDU of it, for an ESME.
    Mo {
        /// Ours.
        id: MessageId,
        /// What to deliver.
        mo: MoContent,
        /// How.
        carry: Carry,
    },
}

/// A message from a mobile, for an endpoint.
#[derive(Clone, Debug)]
pub struct IncomingFact {
    /// What came.
    pub incoming: Incoming,
    /// The message that it answers, and its client's reference (may be empty).
    pub answers: Option<(MessageId, Box<[u8]>)>,
}

/// What a receipt says.
#[derive(Clone)]
pub struct ReceiptFact {
    /// Our id of the message.
    pub id: MessageId,
    /// The message's source_addr: the receipt's destination.
    pub sender: crate::pdu::Address,
    /// The message's destination_addr: the receipt's source.
    pub recipient: crate::pdu::Address,
    /// The state told.
    pub state: MessageState,
    /// The error told, 0 if none.
    pub error: u32,
    /// Part and parts (`timetochat`: one receipt per part); (1, 1) otherwise.
    pub part: (u8, u8),
    /// UTC milliseconds of acceptance.
    pub submitted_ms: u64,
    /// UTC milliseconds of the state.
    pub done_ms: u64,
    /// The first octets of the payload, at most 20, and their data_coding.
    pub text: Box<[u8]>,
    /// data_coding of `text`.
    pub data_coding: crate::pdu::DataCoding,
    /// An intermediate notification instead of a final receipt.
    pub intermediate: bool,
    /// The client's reference; empty: none.
    pub reference: Box<[u8]>,
    /// It came after the message had ended.
    pub late: bool,
    /// Segments that the message is billed as.
    pub billed: u8,
    /// By which upstream it went.
    pub upstream: UpstreamNo,
    /// Why we ended it ourselves, if we did.
    pub reason: Option<Reason>,
}

impl fmt::Debug for ReceiptFact {
    /// Without the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiptFact")
            .field("id", &self.id)
            .field("sender", &self.sender)
            .field("recipient", &self.recipient)
            .field("state", &self.state)
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}

/// What a reader of one message's status is shown.
#[derive(Clone, Debug)]
pub enum Found {
    /// A message to a mobile.
    Mt(Box<Message>),
    /// A message from a mobile.
    Mo(Box<Incoming>),
}
