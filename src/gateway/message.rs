//! A message to a mobile (MT), its segments' way through an upstream, and what happened to it.

use std::fmt;

use super::id::{LinkId, MessageId, Outlet, ServiceNo, UpstreamNo};
use crate::pdu::{Address, CommandStatus, DataCoding, EsmClass, MessageState, RegisteredDelivery};

/// What an application asked to be sent: the part of a submit_sm that outlives its PDU.
#[derive(Clone, Eq, PartialEq)]
pub struct Content {
    /// source_addr (SMPP 3.4 §4.4.1).
    pub source: Address,
    /// destination_addr.
    pub destination: Address,
    /// esm_class as submitted.
    pub esm_class: EsmClass,
    /// protocol_id as submitted.
    pub protocol_id: u8,
    /// priority_flag, 0 to 3.
    pub priority: u8,
    /// registered_delivery as submitted.
    pub registered_delivery: RegisteredDelivery,
    /// data_coding of `payload`.
    pub data_coding: DataCoding,
    /// short_message or message_payload, user data header included.
    pub payload: Box<[u8]>,
    /// Further TLVs as submitted, to be passed on; without message_payload and the client's reference.
    pub tlvs: Box<[u8]>,
    /// The client's reference (TLV external_reference), returned in receipts. Empty: none.
    pub reference: Box<[u8]>,
}

impl fmt::Debug for Content {
    /// Without the text: only how long it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("esm_class", &self.esm_class)
            .field("data_coding", &self.data_coding)
            .field("payload_octets", &self.payload.len())
            .finish_non_exhaustive()
    }
}

/// A message from acceptance to its end.
#[derive(Clone, Debug)]
pub struct Message {
    /// Ours, told to the application.
    pub id: MessageId,
    /// Whose it is.
    pub service: ServiceNo,
    /// Where it goes.
    pub upstream: UpstreamNo,
    /// Position in the upstream's queue: lower goes first.
    pub place: u64,
    /// Which of the upstream's lanes keeps the order of its (service, source, destination).
    pub lane: u8,
    /// UTC milliseconds of acceptance.
    pub accepted_ms: u64,
    /// UTC milliseconds at which its validity ends.
    pub expires_ms: u64,
    /// UTC milliseconds at which nobody waits for its receipt any more.
    pub receipt_by_ms: u64,
    /// Not to be dispatched before (UTC milliseconds); 0: at once.
    pub not_before_ms: u64,
    /// Segments it is billed as.
    pub billed: u8,
    /// Which receipts its service is owed by SMPP.
    pub asked: Asked,
    /// How it came, and who else is told of it.
    pub ties: Ties,
    /// What was asked.
    pub content: Content,
    /// Where it stands.
    pub stage: Stage,
    /// The PDUs that carry it upstream: one, or one per segment.
    pub parts: Vec<Part>,
    /// Receipts about it that its service has not acknowledged.
    pub pending: u32,
    /// What happened, oldest first; at most [`Message::EVENTS_MAX`].
    pub history: Vec<Event>,
    /// Keys of its rows in the tables, kept by `state`.
    pub rows: Rows,
}

impl Message {
    /// Events kept of one message; of more, the middle is left out.
    pub const EVENTS_MAX: usize = 64;

    /// When the clock ends it if nothing else does.
    pub fn deadline_ms(&self) -> Option<u64> {
        match self.stage {
            Stage::Waiting | Stage::Dispatched => Some(self.expires_ms),
            Stage::Sent if self.ties.unsure_until_ms != 0 => {
                Some(self.ties.unsure_until_ms.min(self.receipt_by_ms))
            }
            Stage::Sent => Some(self.receipt_by_ms),
            Stage::Ended(_) => None,
        }
    }

    /// Nothing more will happen to it on our side.
    pub fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Ended(_)) && self.pending == 0
    }

    /// A part is on a session without an answer: its slot in that session's window is given back through it.
    pub fn holds_slots(&self) -> bool {
        self.parts.iter().any(|p| p.link.is_some())
    }

    /// A final receipt about a part (from 0) is in the history.
    pub fn has_final_receipt(&self, part: u8) -> bool {
        self.receipts_of(part).any(MessageState::is_final)
    }

    /// A receipt with this state about a part (from 0) is in the history.
    pub fn has_receipt(&self, part: u8, state: MessageState) -> bool {
        self.receipts_of(part).any(|s| s == state)
    }

    /// A receipt with this state that came then was late.
    pub fn was_told_late(&self, state: MessageState, at_ms: u64) -> bool {
        self.history.iter().any(|e| e.what == What::LateReceipt(state) && e.at_ms == at_ms)
    }

    /// Why we ended it ourselves then, if we did.
    pub fn ended_by_us(&self, at_ms: u64) -> Option<Reason> {
        self.history.iter().find_map(|e| match e.what {
            What::Ended(_, reason) if e.at_ms == at_ms => Some(reason),
            _ => None,
        })
    }

    fn receipts_of(&self, part: u8) -> impl Iterator<Item = MessageState> {
        let part = if self.parts.len() > 1 { part + 1 } else { 0 };
        self.history.iter().filter(move |e| e.part == part).filter_map(|e| match e.what {
            What::Receipt(state) | What::LateReceipt(state) => Some(state),
            _ => None,
        })
    }

    /// Adds to the history within its limit.
    pub fn note(&mut self, event: Event) {
        if self.history.len() >= Self::EVENTS_MAX {
            self.history.remove(Self::EVENTS_MAX / 2);
        }
        self.history.push(event);
    }
}

/// How a message came, and who is told of it beside SMPP.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ties {
    /// By which interface it came.
    pub interface: Interface,
    /// How the client wrote its numbers.
    pub written: Written,
    /// The mobile's number as digits, under which it is listed; `None`: no events and no listing are kept of it.
    pub watch: Option<u64>,
    /// Endpoints that are told what becomes of it.
    pub tell: Box<[Tell]>,
    /// UTC milliseconds until which a report is waited for, since nobody knows whether the upstream took it; 0: it is known.
    pub unsure_until_ms: u64,
}

/// An endpoint that is told what becomes of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tell {
    /// Which.
    pub outlet: Outlet,
    /// When it was given to the operator, too.
    pub sent: bool,
}

/// By which interface a message came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Interface {
    /// submit_sm and its like.
    #[default]
    Smpp,
    /// The vendor's REST methods (contracts/timetochat.md §2).
    Rest,
    /// The native HTTP interface.
    Native,
    /// An operator's command.
    Operator,
    /// Ourselves: the answer to a word that leaves or comes back.
    Own,
}

impl Interface {
    /// All, in the order of their stored numbers.
    pub const ALL: [Self; 5] = [Self::Smpp, Self::Rest, Self::Native, Self::Operator, Self::Own];

    /// The word in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smpp => "smpp",
            Self::Rest => "rest",
            Self::Native => "native",
            Self::Operator => "operator",
            Self::Own => "own",
        }
    }
}

/// Which numbers the client wrote in the national form (`06…`, `093…`): so they are shown to it again.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Written {
    /// The recipient.
    pub national_to: bool,
    /// The sender.
    pub national_from: bool,
}

/// Which receipts a service is owed for a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Asked {
    /// The final ones.
    pub last: AskedLast,
    /// Intermediate notifications too (registered_delivery 0x10).
    pub intermediate: bool,
}

/// Which final receipts a service is owed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AskedLast {
    /// None.
    Never,
    /// One for the whole message, however it ends.
    Always,
    /// One for the whole message, unless it was delivered.
    Failure,
    /// One for each part that was billed.
    EachPart,
}

/// Which rows the tables hold about a message; 0: none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rows {
    /// It has a row in the table of messages in progress.
    pub message: bool,
    /// Place of its row among the waiting.
    pub waiting: u64,
    /// Time of its row among the deadlines.
    pub deadline: u64,
    /// It has changed since the last checkpoint; not stored.
    pub dirty: bool,
    /// The upstream whose queue the row of `waiting` is in, if it is not that of the message any more; not stored.
    pub old_upstream: Option<UpstreamNo>,
}

/// Where a message stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Accepted; at least one part has to go out, none is under way.
    Waiting,
    /// At least one part is on its way upstream without an answer.
    Dispatched,
    /// The upstream has taken all parts.
    Sent,
    /// It is over.
    Ended(End),
}

/// How a message ended. Exactly one of these, and its service is told.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum End {
    /// The handset has it.
    Delivered,
    /// The upstream, its network or a rule of ours said no.
    Refused,
    /// Its validity was over first.
    Expired,
    /// It was taken back.
    Cancelled,
    /// Nobody will ever know.
    Unknown,
}

impl End {
    /// All, in the order of their metric labels.
    pub const ALL: [Self; 5] =
        [Self::Delivered, Self::Refused, Self::Expired, Self::Cancelled, Self::Unknown];

    /// The word in metrics, logs and `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// What a final message_state (SMPP 3.4 §5.2.28) means for the message.
    pub fn of(state: MessageState) -> Self {
        match state {
            MessageState::DELIVERED => Self::Delivered,
            MessageState::EXPIRED => Self::Expired,
            MessageState::DELETED => Self::Cancelled,
            MessageState::UNKNOWN => Self::Unknown,
            _ => Self::Refused,
        }
    }

    /// How bad it is when parts end differently: the worst names the whole.
    pub fn badness(self) -> u8 {
        match self {
            Self::Delivered => 0,
            Self::Unknown => 1,
            Self::Cancelled => 2,
            Self::Expired => 3,
            Self::Refused => 4,
        }
    }
}

/// One PDU of a message.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where it stands.
    pub stage: PartStage,
    /// Times it was dispatched.
    pub attempts: u8,
    /// UTC milliseconds of the last dispatch; 0: never.
    pub dispatched_ms: u64,
    /// What the SMSC calls it. Empty: not known.
    pub upstream_id: Box<[u8]>,
    /// The session it is on in this run; not stored.
    pub link: Option<LinkId>,
}

/// Where one part stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PartStage {
    /// To be sent.
    Waiting,
    /// Sent, not answered.
    Dispatched,
    /// Taken by the upstream.
    Sent,
    /// Reported on finally, with the reported error.
    Final {
        /// The reported state.
        state: MessageState,
        /// The reported network error or command_status.
        error: u32,
    },
}

/// Something that happened to a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Event {
    /// UTC milliseconds.
    pub at_ms: u64,
    /// What.
    pub what: What,
    /// Which part, from 1; 0: the whole message.
    pub part: u8,
}

/// The kinds of [`Event`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum What {
    /// On our disk, told to the application.
    Accepted,
    /// About to be written to the upstream.
    Dispatched(UpstreamNo),
    /// The upstream has it.
    Sent,
    /// Refused for now with this status.
    PutOff(CommandStatus),
    /// Will be sent again though it may have arrived: a possible duplicate.
    Doubt(Doubt),
    /// Goes to another upstream.
    Rerouted(UpstreamNo),
    /// Refused for good with this status.
    Refused(CommandStatus),
    /// A receipt with this state came.
    Receipt(MessageState),
    /// A receipt came after the message had ended.
    LateReceipt(MessageState),
    /// It ended for a reason of ours.
    Ended(End, Reason),
    /// A receipt was sent to the service again though it may have arrived.
    Redelivered,
    /// The service has acknowledged a receipt.
    Notified,
    /// The upstream may or may not have it, and it is not sent again: a report is waited for (SEMANTICS 2).
    Unsure,
}

/// Why something may happen twice (SEMANTICS 1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Doubt {
    /// We were stopped before its outcome was on disk.
    Restart,
    /// Its session ended without an answer.
    SessionLost,
    /// No answer came within the response timer.
    TimedOut,
}

impl Doubt {
    /// All, in the order of their metric labels.
    pub const ALL: [Self; 3] = [Self::Restart, Self::SessionLost, Self::TimedOut];

    /// The metric label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::SessionLost => "session_lost",
            Self::TimedOut => "timed_out",
        }
    }
}

/// Why we ended a message ourselves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Validity was over before it could be sent.
    Validity,
    /// No final receipt came in time.
    NoReceipt,
    /// The recipient is on the service's blacklist.
    Blacklist,
    /// A segment was refused for good.
    PartRefused,
    /// The service or all upstreams of its route are gone from the configuration.
    NoRoute,
    /// Its service took it back.
    Asked,
    /// Nobody knows whether the upstream took it, and no report came.
    NoReport,
}

impl Reason {
    /// The word in JSON and webhooks.
    pub fn name(self) -> &'static str {
        match self {
            Self::Validity => "validity",
            Self::NoReceipt => "no_receipt",
            Self::Blacklist => "blacklist",
            Self::PartRefused => "part_refused",
            Self::NoRoute => "no_route",
            Self::Asked => "asked",
            Self::NoReport => "no_report",
        }
    }
}
