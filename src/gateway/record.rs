//! The facts that the gateway decides. Each is on disk before anybody hears of it, and state changes only by them.

use std::fmt;

use super::cold::QueueKey;
use super::delivery::Owed;
use super::id::{MessageId, Outlet, ServiceNo, UpstreamNo};
use super::message::{Asked, Content, Doubt, End, Reason, Ties};
use super::port::Key;
use super::settings::LongMode;
use crate::pdu::{Address, CommandStatus, DataCoding, EsmClass, MessageState};

/// One fact. Live operation and recovery both hand it to [`State::apply`](super::state::State::apply).
#[derive(Clone, Debug)]
pub enum Record {
    /// A configured service appears for the first time.
    ServiceNamed {
        /// Its number from now on.
        no: ServiceNo,
        /// Its id.
        name: String,
    },
    /// A configured upstream appears for the first time.
    UpstreamNamed {
        /// Its number from now on.
        no: UpstreamNo,
        /// Its id.
        name: String,
    },
    /// An application handed a message over.
    Accepted(Box<Accepted>),
    /// A part is about to be written to the upstream.
    Dispatched {
        /// The message.
        id: MessageId,
        /// The part, from 0.
        part: u8,
        /// UTC milliseconds.
        at_ms: u64,
    },
    /// The upstream has taken a part.
    Sent {
        /// The message.
        id: MessageId,
        /// The part, from 0.
        part: u8,
        /// UTC milliseconds.
        at_ms: u64,
        /// What the SMSC calls it; may be empty.
        upstream_id: Box<[u8]>,
    },
    /// The upstream refused a part for now.
    PutOff {
        /// The message.
        id: MessageId,
        /// The part, from 0.
        part: u8,
        /// UTC milliseconds.
        at_ms: u64,
        /// Its status.
        status: CommandStatus,
        /// UTC milliseconds before which it is not tried again; 0: at once.
        not_before_ms: u64,
    },
    /// The outcome of a part is not known and it will be sent again.
    Doubted {
        /// The message.
        id: MessageId,
        /// The part, from 0.
        part: u8,
        /// UTC milliseconds.
        at_ms: u64,
        /// Why.
        doubt: Doubt,
    },
    /// A waiting message goes to another upstream.
    Rerouted {
        /// The message.
        id: MessageId,
        /// Its new upstream.
        upstream: UpstreamNo,
        /// UTC milliseconds.
        at_ms: u64,
    },
    /// The upstream refused a part for good: the message is over.
    Refused {
        /// The message.
        id: MessageId,
        /// The part, from 0.
        part: u8,
        /// UTC milliseconds.
        at_ms: u64,
        /// Its status.
        status: CommandStatus,
    },
    /// A receipt for a part.
    Receipted {
        /// The message.
        id: MessageId,
        /// The part, from 0.
        part: u8,
        /// UTC milliseconds of its arrival.
        at_ms: u64,
        /// What it says.
        state: MessageState,
        /// The error it names, 0 if none.
        error: u32,
    },
    /// We end the message.
    Ended {
        /// The message.
        id: MessageId,
        /// UTC milliseconds.
        at_ms: u64,
        /// How.
        end: End,
        /// Why.
        reason: Reason,
    },
    /// Nobody knows whether the upstream took a part, and it is not sent again: a report is waited for.
    Unsure {
        /// The message.
        id: MessageId,
        /// The part, from 0.
        part: u8,
        /// UTC milliseconds.
        at_ms: u64,
        /// UTC milliseconds until which a report is waited for.
        until_ms: u64,
    },
    /// A configured webhook appears for the first time.
    OutletNamed {
        /// Its number from now on.
        outlet: Outlet,
        /// Whose it is.
        service: ServiceNo,
        /// Its id.
        name: String,
    },
    /// A number is put on a service's blacklist, or taken off.
    Blocked {
        /// The service.
        service: ServiceNo,
        /// The number as digits.
        number: u64,
        /// Put on.
        blocked: bool,
        /// UTC milliseconds.
        at_ms: u64,
        /// The MO that asked for it; zeros: the interface did.
        by: MessageId,
    },
    /// A fact of before is owed to an endpoint again.
    OwedAgain {
        /// The endpoint.
        outlet: Outlet,
        /// The fact.
        owed: Owed,
        /// UTC milliseconds.
        at_ms: u64,
    },
    /// A receipt without a message is kept.
    Parked(Box<Parked>),
    /// A kept receipt has found its message, or has become too old or one too many.
    Unparked {
        /// Its number.
        no: u64,
    },
    /// Twenty receipts named their submits in this form: it is used from now on (SEMANTICS 10).
    FormLearned {
        /// Whose receipts.
        upstream: UpstreamNo,
        /// Number of the form.
        form: u8,
    },
    /// The first part of a long MO; a set with the same key is forgotten.
    SetOpened {
        /// Number of the set.
        no: u64,
        /// UTC milliseconds until which it waits for the others.
        deadline_ms: u64,
        /// The part.
        part: Box<ArrivedPart>,
    },
    /// A further part of a set.
    PartArrived(Box<ArrivedPart>),
    /// A set went out, whole or partial; it is remembered to recognise repeated and late parts.
    SetOut {
        /// Number of the set.
        no: u64,
        /// UTC milliseconds until which it is remembered.
        forget_ms: u64,
    },
    /// A set is remembered no longer.
    SetForgotten {
        /// Number of the set.
        no: u64,
    },
    /// An MO is whole, or as whole as it gets, and is owed to its service.
    MoReceived(Box<Incoming>),
    /// A delivery is about to be written to an ESME or an endpoint.
    Delivering {
        /// Number of the delivery.
        no: u64,
        /// To whom it is owed.
        outlet: Outlet,
        /// It may have arrived before.
        again: Option<Doubt>,
    },
    /// Who is owed it has it.
    Delivered {
        /// Number of the delivery.
        no: u64,
        /// To whom it is owed.
        outlet: Outlet,
        /// UTC milliseconds.
        at_ms: u64,
    },
    /// It was refused for now.
    DeliveryPutOff {
        /// Number of the delivery.
        no: u64,
        /// To whom it is owed.
        outlet: Outlet,
        /// UTC milliseconds before which it is not tried again.
        not_before_ms: u64,
        /// The refusal spends one of the tries.
        counts: bool,
    },
    /// It is a dead letter: too old, or refused too often.
    DeliveryDead {
        /// Number of the delivery.
        no: u64,
        /// To whom it is owed.
        outlet: Outlet,
        /// UTC milliseconds.
        at_ms: u64,
    },
    /// A dead letter is owed again, under a new number.
    DeliveryRevived {
        /// Its old number.
        no: u64,
        /// To whom it is owed.
        outlet: Outlet,
        /// UTC milliseconds.
        at_ms: u64,
    },
}

/// A message as accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Its id.
    pub id: MessageId,
    /// Whose it is.
    pub service: ServiceNo,
    /// Where it goes first.
    pub upstream: UpstreamNo,
    /// Its lane there.
    pub lane: u8,
    /// UTC milliseconds.
    pub at_ms: u64,
    /// UTC milliseconds at which its validity ends.
    pub expires_ms: u64,
    /// UTC milliseconds at which nobody waits for its receipt any more.
    pub receipt_by_ms: u64,
    /// Not before (UTC milliseconds); 0: at once.
    pub not_before_ms: u64,
    /// Segments billed.
    pub billed: u8,
    /// The month it is billed to, as yyyymm in the configured time zone.
    pub month: u32,
    /// PDUs to send upstream.
    pub parts: u8,
    /// Which receipts the service is owed by SMPP.
    pub asked: Asked,
    /// How it came, and who else is told of it.
    pub ties: Ties,
    /// Makes repetitions of the request known.
    pub key: Option<Key>,
    /// What was asked.
    pub content: Content,
}

impl Accepted {
    /// The queue in which it waits.
    pub fn queue(&self) -> QueueKey {
        QueueKey {
            upstream: self.upstream,
            service: self.service,
            priority: self.content.priority,
            lane: self.lane,
        }
    }
}

/// A receipt that names no message we know of (yet).
#[derive(Clone, Debug)]
pub struct Parked {
    /// Its number.
    pub no: u64,
    /// Who sent it.
    pub upstream: UpstreamNo,
    /// UTC milliseconds of arrival.
    pub at_ms: u64,
    /// What it says.
    pub report: Report,
}

/// What a receipt says.
#[derive(Clone, Debug)]
pub struct Report {
    /// The id in its TLV, or else in its text. Empty: none.
    pub upstream_id: Box<[u8]>,
    /// The id in its text if that differs. Empty: it does not.
    pub other_id: Box<[u8]>,
    /// Its source: the recipient of the message.
    pub source: Address,
    /// Its destination: the sender of the message.
    pub destination: Address,
    /// The state reported.
    pub state: MessageState,
    /// The error reported, 0 if none.
    pub error: u32,
    /// Our own id of the message, where the upstream gives it back. Not kept with a receipt that waits for its message.
    pub message: Option<MessageId>,
}

/// One part of a long MO.
#[derive(Clone, Debug)]
pub struct ArrivedPart {
    /// Who sent it.
    pub upstream: UpstreamNo,
    /// What it belongs to.
    pub reference: u16,
    /// The reference has 16 bits (UDH element 0x08 or SAR) instead of 8.
    pub wide: bool,
    /// Parts in all.
    pub total: u8,
    /// Which one, from 1.
    pub number: u8,
    /// UTC milliseconds of arrival.
    pub at_ms: u64,
    /// The part, without its header.
    pub mo: MoContent,
}

/// What came from a mobile.
#[derive(Clone, Eq, PartialEq)]
pub struct MoContent {
    /// The mobile.
    pub source: Address,
    /// Our number.
    pub destination: Address,
    /// esm_class as received, without the user-data-header bit where a header was taken off.
    pub esm_class: EsmClass,
    /// protocol_id as received.
    pub protocol_id: u8,
    /// data_coding of `payload`.
    pub data_coding: DataCoding,
    /// The text's octets.
    pub payload: Box<[u8]>,
    /// Other TLVs as received.
    pub tlvs: Box<[u8]>,
}

impl fmt::Debug for MoContent {
    /// Without the text: only how long it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoContent")
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("esm_class", &self.esm_class)
            .field("data_coding", &self.data_coding)
            .field("payload_octets", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// An MO as owed to a service.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Ours.
    pub id: MessageId,
    /// Who sent it to us.
    pub upstream: UpstreamNo,
    /// Whose it is. `None`: no service has the number; it is kept and listed.
    pub service: Option<ServiceNo>,
    /// UTC milliseconds of arrival (of its last part).
    pub at_ms: u64,
    /// Parts that came, and parts in all; (1, 1) if it was never in parts.
    pub parts: (u8, u8),
    /// It belongs to a set that went out as partial before.
    pub late: bool,
    /// PDUs to the ESME that are still owed; at first, all that it takes.
    pub left: u8,
    /// How it is cut into PDUs for the ESME.
    pub long: LongMode,
    /// The mobile's number as digits, under which it is listed; `None`: no events and no listing are kept of it.
    pub watch: Option<u64>,
    /// The last message to the mobile from this number.
    pub answers: Option<MessageId>,
    /// Endpoints that get it.
    pub tell: Box<[Outlet]>,
    /// Makes repetitions known.
    pub once: Option<[u8; 16]>,
    /// What came.
    pub mo: MoContent,
}

impl Incoming {
    /// PDUs among what is owed at first: the rest goes to endpoints.
    pub fn pdus(&self) -> u8 {
        self.left.saturating_sub(u8::try_from(self.tell.len()).unwrap_or(u8::MAX))
    }
}
