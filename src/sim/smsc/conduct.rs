//! What a number makes the simulated SMSC do.

use crate::pdu::{CommandStatus, MessageState};

/// What happens to a message, told by the last two digits of its destination.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Conduct {
    /// Accepted, with these receipts, one after the other.
    Receipts(&'static [MessageState]),
    /// Refused this many times with this status, then delivered.
    RefusedFirst(u8, CommandStatus),
    /// Refused every time.
    Refused(CommandStatus),
}

impl Conduct {
    /// What `destination`'s last two digits stand for.
    pub fn of(destination: &[u8]) -> Self {
        match destination {
            [.., b'0', b'1'] => Self::Receipts(&[MessageState::UNDELIVERABLE]),
            [.., b'0', b'2'] => Self::Receipts(&[MessageState::EXPIRED]),
            [.., b'0', b'3'] => Self::Receipts(&[]),
            [.., b'0', b'4'] => Self::RefusedFirst(1, CommandStatus::ESME_RTHROTTLED),
            [.., b'0', b'5'] => Self::RefusedFirst(2, CommandStatus::ESME_RMSGQFUL),
            [.., b'0', b'6'] => Self::Refused(CommandStatus::ESME_RINVDSTADR),
            [.., b'0', b'7'] => Self::Receipts(&[MessageState::ENROUTE, MessageState::DELIVERED]),
            [.., b'0', b'8'] => Self::Receipts(&[MessageState::DELIVERED, MessageState::DELIVERED]),
            [.., b'0', b'9'] => Self::Receipts(&[MessageState::REJECTED]),
            _ => DELIVERED,
        }
    }

    /// The conduct of the attempt that follows `refused` refusals.
    pub(super) fn after(self, refused: u8) -> Outcome {
        match self {
            Self::Receipts(states) => Outcome::Taken(states),
            Self::RefusedFirst(times, status) if refused < times => Outcome::Refused(status),
            Self::RefusedFirst(..) => Outcome::Taken(&[MessageState::DELIVERED]),
            Self::Refused(status) => Outcome::Refused(status),
        }
    }
}

/// What becomes of one `submit_sm`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// Accepted; these states are reported.
    Taken(&'static [MessageState]),
    /// Refused.
    Refused(CommandStatus),
}

/// Appendix B's three digits of an error that goes with a state.
pub(super) fn error_of(state: MessageState) -> &'static [u8; 3] {
    match state {
        MessageState::UNDELIVERABLE => b"011",
        MessageState::EXPIRED => b"027",
        MessageState::REJECTED => b"099",
        _ => b"000",
    }
}

const DELIVERED: Conduct = Conduct::Receipts(&[MessageState::DELIVERED]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_digits_decide() {
        assert_eq!(Conduct::of(b"447700900123"), DELIVERED);
        assert_eq!(Conduct::of(b""), DELIVERED);
        assert_eq!(Conduct::of(b"447700900101"), Conduct::Receipts(&[MessageState::UNDELIVERABLE]));
        assert_eq!(Conduct::of(b"447700900103"), Conduct::Receipts(&[]));
        assert_eq!(Conduct::of(b"06"), Conduct::Refused(CommandStatus::ESME_RINVDSTADR));
    }

    #[test]
    fn what_is_refused_first_is_taken_in_the_end() {
        let throttled = Conduct::of(b"447700900104");
        assert_eq!(throttled.after(0), Outcome::Refused(CommandStatus::ESME_RTHROTTLED));
        assert_eq!(throttled.after(1), Outcome::Taken(&[MessageState::DELIVERED]));
        let full = Conduct::of(b"447700900105");
        assert_eq!(full.after(1), Outcome::Refused(CommandStatus::ESME_RMSGQFUL));
        assert_eq!(full.after(2), Outcome::Taken(&[MessageState::DELIVERED]));
        assert_eq!(Conduct::of(b"06").after(200), Outcome::Refused(CommandStatus::ESME_RINVDSTADR));
    }
}
