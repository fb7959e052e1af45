//! States, and the one table of what may be sent in which of them.

use super::Role;
use crate::pdu::CommandId;

/// What a bind asks for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum BindMode {
    /// The ESME hands messages to the SMSC.
    Transmitter,
    /// The ESME takes messages from the SMSC.
    Receiver,
    /// Both.
    Transceiver,
}

impl BindMode {
    /// The request that opens it.
    pub const fn command_id(self) -> CommandId {
        match self {
            Self::Transmitter => CommandId::BIND_TRANSMITTER,
            Self::Receiver => CommandId::BIND_RECEIVER,
            Self::Transceiver => CommandId::BIND_TRANSCEIVER,
        }
    }

    /// The mode that a request opens; `None` when it is no bind.
    pub const fn of(id: CommandId) -> Option<Self> {
        match id {
            CommandId::BIND_TRANSMITTER => Some(Self::Transmitter),
            CommandId::BIND_RECEIVER => Some(Self::Receiver),
            CommandId::BIND_TRANSCEIVER => Some(Self::Transceiver),
            _ => None,
        }
    }

    /// Whether submit_sm may pass.
    pub const fn transmits(self) -> bool {
        matches!(self, Self::Transmitter | Self::Transceiver)
    }

    /// Whether deliver_sm may pass.
    pub const fn receives(self) -> bool {
        matches!(self, Self::Receiver | Self::Transceiver)
    }

    /// The word in logs and metric labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transmitter => "transmitter",
            Self::Receiver => "receiver",
            Self::Transceiver => "transceiver",
        }
    }
}

/// Where a session stands, in the ESME's words on both sides: `BoundTx` on a server means that a transmitter is bound to
/// us (SMPP 3.4 §2.2).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum State {
    /// Connected, nobody has bound.
    Open,
    /// A bind is not answered yet.
    Binding,
    /// Bound as transmitter.
    BoundTx,
    /// Bound as receiver.
    BoundRx,
    /// Bound as transceiver.
    BoundTrx,
    /// We have sent unbind.
    Unbinding,
    /// The peer has sent unbind; it is answered after all that came before it.
    Leaving,
    /// Over. Nothing is read or written any more.
    Closed,
}

impl State {
    /// Whether a bind stands that nobody has begun to end.
    pub const fn is_bound(self) -> bool {
        matches!(self, Self::BoundTx | Self::BoundRx | Self::BoundTrx)
    }
}

impl From<BindMode> for State {
    fn from(mode: BindMode) -> Self {
        match mode {
            BindMode::Transmitter => Self::BoundTx,
            BindMode::Receiver => Self::BoundRx,
            BindMode::Transceiver => Self::BoundTrx,
        }
    }
}

/// The states of table 2-1, one bit each.
const OPEN: u8 = 1;
const TX: u8 = 2;
const RX: u8 = 4;
const TRX: u8 = 8;
const BOUND: u8 = TX | RX | TRX;
const NEVER: u8 = 0;

/// SMPP 3.4 table 2-1, requests only: command_id, states in which an ESME may issue it, and an SMSC.
///
/// A response may be issued where its request may be received, so it has no row. `replace_sm` from a transceiver is
/// missing in the printed table and present in 5.0's; it is plainly meant.
const REQUESTS: [(CommandId, u8, u8); 15] = [
    (CommandId::BIND_TRANSMITTER, OPEN, NEVER),
    (CommandId::BIND_RECEIVER, OPEN, NEVER),
    (CommandId::BIND_TRANSCEIVER, OPEN, NEVER),
    (CommandId::OUTBIND, NEVER, OPEN),
    (CommandId::UNBIND, BOUND, BOUND),
    (CommandId::SUBMIT_SM, TX | TRX, NEVER),
    (CommandId::SUBMIT_MULTI, TX | TRX, NEVER),
    (CommandId::DATA_SM, BOUND, BOUND),
    (CommandId::DELIVER_SM, NEVER, RX | TRX),
    (CommandId::QUERY_SM, TX | TRX, NEVER),
    (CommandId::CANCEL_SM, TX | TRX, NEVER),
    (CommandId::REPLACE_SM, TX | TRX, NEVER),
    (CommandId::ENQUIRE_LINK, BOUND, BOUND),
    (CommandId::ALERT_NOTIFICATION, NEVER, RX | TRX),
    (CommandId::GENERIC_NACK, BOUND, BOUND),
];

/// Whether `sender` may issue the request `id` in `state` (table 2-1).
///
/// In the states that the specification does not know nothing may be issued but, while a bind is being ended,
/// enquire_link (either end may still want to know whether the other is there) and an unbind that crosses ours.
pub fn may_issue(sender: Role, id: CommandId, state: State) -> bool {
    let bit = match state {
        State::Open => OPEN,
        State::BoundTx => TX,
        State::BoundRx => RX,
        State::BoundTrx => TRX,
        State::Unbinding => return matches!(id, CommandId::ENQUIRE_LINK | CommandId::UNBIND),
        State::Leaving => return id == CommandId::ENQUIRE_LINK,
        State::Binding | State::Closed => return false,
    };
    // The two that make up the traffic are asked for first.
    let states = match (id, sender) {
        (CommandId::SUBMIT_SM, Role::Esme) => TX | TRX,
        (CommandId::DELIVER_SM, Role::Smsc) => RX | TRX,
        _ => REQUESTS.iter().find(|row| row.0 == id).map_or(NEVER, |row| match sender {
            Role::Esme => row.1,
            Role::Smsc => row.2,
        }),
    };
    states & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 2-1 as printed, read line by line: name, then who may issue it in OPEN, BOUND_TX, BOUND_RX, BOUND_TRX:
    /// `e` the ESME, `s` the SMSC, `b` both, `-` nobody.
    const PRINTED: &str = "
        bind_transmitter    e - - -
        bind_receiver       e - - -
        bind_transceiver    e - - -
        outbind             s - - -
        unbind              - b b b
        submit_sm           - e - e
        submit_multi        - e - e
        data_sm             - b b b
        deliver_sm          - - s s
        query_sm            - e - e
        cancel_sm           - e - e
        replace_sm          - e - e
        enquire_link        - b b b
        alert_notification  - - s s
        generic_nack        - b b b";

    #[test]
    fn table_2_1_holds_cell_by_cell() {
        let mut cells = 0;
        for line in PRINTED.lines().filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_whitespace();
            let name = words.next().expect("each line has a name");
            let id = REQUESTS.iter().find(|row| row.0.name() == Some(name)).expect("each name has a row").0;
            for (state, who) in
                [State::Open, State::BoundTx, State::BoundRx, State::BoundTrx].into_iter().zip(words)
            {
                assert_eq!(
                    may_issue(Role::Esme, id, state),
                    matches!(who, "e" | "b"),
                    "ESME, {name}, {state:?}"
                );
                assert_eq!(
                    may_issue(Role::Smsc, id, state),
                    matches!(who, "s" | "b"),
                    "SMSC, {name}, {state:?}"
                );
                cells += 2;
            }
        }
        assert_eq!(cells, 15 * 4 * 2);
    }

    #[test]
    fn nothing_new_begins_while_a_bind_opens_or_ends() {
        for (id, ..) in REQUESTS {
            for role in [Role::Esme, Role::Smsc] {
                assert!(!may_issue(role, id, State::Binding), "{id} {role:?}");
                assert!(!may_issue(role, id, State::Closed), "{id} {role:?}");
                let crossing = matches!(id, CommandId::ENQUIRE_LINK | CommandId::UNBIND);
                assert_eq!(may_issue(role, id, State::Unbinding), crossing, "{id} {role:?}");
                assert_eq!(
                    may_issue(role, id, State::Leaving),
                    id == CommandId::ENQUIRE_LINK,
                    "{id} {role:?}"
                );
            }
        }
    }
}
