/// What a session waits for, other than the peer. A duration comes with [`Config`](super::Config).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Timer {
    /// From the connection to the bind (and, on a server, to its acceptance). At its end the link is closed.
    SessionInit,
    /// Silence of the peer, any PDU ends it. At its end enquire_link is sent; if that stays unanswered for the response
    /// timer, and nothing else was heard, the link is closed. With profile `timetochat` it runs from enquire_link
    /// to enquire_link, whatever else is heard.
    EnquireLink,
    /// Silence of the peer again, for sessions whose enquire_link is off, or slow. At its end unbind is sent.
    Inactivity,
    /// From a request of ours to its answer. At its end the request is given up, and the link is kept.
    Response,
    /// From unbind to its answer; and from the peer's unbind until what came before it is answered. At its end the
    /// link is closed.
    Unbind,
}

impl Timer {
    /// The name in the specification (SMPP 3.4 §7.2), and in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SessionInit => "session_init_timer",
            Self::EnquireLink => "enquire_link_timer",
            Self::Inactivity => "inactivity_timer",
            Self::Response => "response_timer",
            Self::Unbind => "unbind_timer",
        }
    }
}
