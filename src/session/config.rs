use std::time::Duration;

/// Which end of the session we are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The client: it binds.
    Esme,
    /// The message centre: it is bound to.
    Smsc,
}

impl Role {
    /// The other end.
    pub const fn peer(self) -> Self {
        match self {
            Self::Esme => Self::Smsc,
            Self::Smsc => Self::Esme,
        }
    }

    /// The word in logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Esme => "esme",
            Self::Smsc => "smsc",
        }
    }
}

/// What an SMSC answers, and what it passes over in silence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// SMPP 3.4.
    Standard,
    /// The vendor's connector: the table of contracts/timetochat.md §7 and §8a.
    TimeToChat,
}

/// What a session is told at its start. A duration of zero switches its timer off.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our end.
    pub role: Role,
    /// [`Timer::SessionInit`](super::Timer::SessionInit).
    pub session_init: Duration,
    /// [`Timer::EnquireLink`](super::Timer::EnquireLink).
    pub enquire_link: Duration,
    /// [`Timer::Inactivity`](super::Timer::Inactivity).
    pub inactivity: Duration,
    /// [`Timer::Response`](super::Timer::Response). Must not be zero.
    pub response: Duration,
    /// [`Timer::Unbind`](super::Timer::Unbind). Must not be zero.
    pub unbind: Duration,
    /// Requests of ours (enquire_link, bind and unbind apart) that may be unanswered at once.
    pub window: usize,
    /// The largest command_length taken, header included; below 66,000 a message_payload of 64K does not fit.
    pub pdu_octets_max: usize,
    /// How an SMSC behaves until [`set_profile`](super::Session::set_profile).
    pub profile: Profile,
}

impl Config {
    /// The usual timers (SMPP 3.4 §7.2) for one end.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            session_init: Duration::from_secs(10),
            enquire_link: Duration::from_secs(30),
            inactivity: Duration::from_secs(300),
            response: Duration::from_secs(30),
            unbind: Duration::from_secs(5),
            window: 100,
            pdu_octets_max: 128 * 1024,
            profile: Profile::Standard,
        }
    }
}
