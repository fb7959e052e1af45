use std::fmt;

use super::{BindMode, Timer};
use crate::pdu::frame::FrameError;
use crate::pdu::{
    Bind, BindResp, CommandId, CommandStatus, DecodeError, DeliverSm, Header, Pdu, SequenceNumber, SubmitSm,
};

/// What one PDU of the peer means for the application. What the protocol alone answers is answered already.
#[derive(Debug)]
pub enum Event<'a, T> {
    /// enquire_link, its answer, and the like: nothing to do.
    Handled(CommandId),
    /// The peer wants to bind: answer with [`accept_bind`](super::Session::accept_bind) or
    /// [`refuse_bind`](super::Session::refuse_bind), at once or later.
    Bind {
        /// What for.
        mode: BindMode,
        /// Who.
        bind: Bind<'a>,
    },
    /// Our bind was accepted.
    Bound(BindResp<'a>),
    /// Our bind was refused.
    BindRefused(CommandStatus),
    /// A submit_sm, to be answered with [`answer`](super::Session::answer) or [`refuse`](super::Session::refuse).
    Submit {
        /// For the answer.
        sequence: SequenceNumber,
        /// What is submitted.
        submit_sm: SubmitSm<'a>,
    },
    /// A deliver_sm, to be answered likewise.
    Deliver {
        /// For the answer.
        sequence: SequenceNumber,
        /// What is delivered.
        deliver_sm: DeliverSm<'a>,
    },
    /// The answer to a request of ours. The request is over.
    Answered {
        /// The request's.
        token: T,
        /// The outcome.
        status: CommandStatus,
        /// The body; [`Pdu::Unknown`] if it could not be read.
        pdu: Pdu<'a>,
    },
    /// The answer to a request that had [expired](Expired) before.
    Late {
        /// The request's.
        token: T,
        /// The outcome.
        status: CommandStatus,
        /// The body; [`Pdu::Unknown`] if it could not be read.
        pdu: Pdu<'a>,
    },
    /// A response to nothing that we remember.
    Stray(Header),
    /// A request that was refused without asking the application.
    Refused {
        /// Its header.
        header: Header,
        /// What it was refused with.
        status: CommandStatus,
        /// What could not be read, if that was the reason.
        error: Option<DecodeError>,
    },
    /// A request that the profile passes over in silence, or that has no answer.
    Ignored(Header),
    /// The session is over. Write what is left, then close the connection.
    Closed(CloseReason),
}

/// A timer's doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Elapsed<T> {
    /// This request got no answer in time. Its answer may still come, as [`Event::Late`].
    Expired(T),
    /// The session did what had to be done; there is output, or a new deadline.
    Handled(Timer),
    /// The session is over. Write what is left, then close the connection.
    Closed(CloseReason),
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CloseReason {
    /// We unbound, and the peer has agreed.
    Unbound,
    /// The peer unbound.
    PeerUnbound,
    /// The stream could not be cut into PDUs any more.
    Framing(FrameError),
    /// The peer speaks HTTP.
    Http,
    /// A timer ended it.
    TimedOut(Timer),
    /// Our bind got no answer.
    BindUnanswered,
    /// The peer answered enquire_link with an error, which profile `timetochat` does not forgive.
    EnquireLinkRefused(CommandStatus),
    /// The connection is gone, or we have cut it.
    Lost,
}

impl CloseReason {
    /// The word in logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unbound => "unbound",
            Self::PeerUnbound => "peer_unbound",
            Self::Framing(_) => "framing",
            Self::Http => "http",
            Self::TimedOut(Timer::SessionInit) => "session_init_timer",
            Self::TimedOut(Timer::EnquireLink) => "enquire_link_timer",
            Self::TimedOut(Timer::Inactivity) => "inactivity_timer",
            Self::TimedOut(Timer::Response) => "response_timer",
            Self::TimedOut(Timer::Unbind) => "unbind_timer",
            Self::BindUnanswered => "bind_unanswered",
            Self::EnquireLinkRefused(_) => "enquire_link_refused",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unbound => f.write_str("unbound by us"),
            Self::PeerUnbound => f.write_str("unbound by the peer"),
            Self::Framing(error) => error.fmt(f),
            Self::Http => FrameError::Http.fmt(f),
            Self::TimedOut(timer) => write!(f, "{} ran out", timer.name()),
            Self::BindUnanswered => f.write_str("the bind was not answered"),
            Self::EnquireLinkRefused(status) => write!(f, "enquire_link was answered with {status}"),
            Self::Lost => f.write_str("the connection is gone"),
        }
    }
}

/// Why a request of ours cannot be written now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotNow {
    /// Table 2-1 does not allow it in this state.
    State,
    /// The window is full.
    Window,
}

impl fmt::Display for NotNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State => f.write_str("not allowed in this state"),
            Self::Window => f.write_str("the window is full"),
        }
    }
}

impl std::error::Error for NotNow {}
