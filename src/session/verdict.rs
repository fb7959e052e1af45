//! What becomes of a request by its command_id alone: taken, refused, or passed over.

use super::state::{State, may_issue};
use super::{Profile, Role};
use crate::pdu::{CommandId, CommandStatus};

/// What becomes of a peer's request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Read it.
    Take,
    /// Answer with its own `_resp` and this status.
    Refuse(CommandStatus),
    /// Answer with generic_nack and this status.
    Nack(CommandStatus),
    /// Say nothing.
    Ignore,
}

/// Judges the request `id` of a peer, on our end `role`, in `state`.
pub(super) fn judge(role: Role, profile: Profile, state: State, id: CommandId) -> Verdict {
    match (role, profile) {
        (Role::Smsc, Profile::TimeToChat) => judge_timetochat(state, id),
        (Role::Smsc, Profile::Standard) | (Role::Esme, _) => judge_standard(role, state, id),
    }
}

fn judge_standard(role: Role, state: State, id: CommandId) -> Verdict {
    use CommandStatus as Status;
    if id.name().is_none() {
        return Verdict::Nack(Status::ESME_RINVCMDID);
    }
    if !may_issue(role.peer(), id, state) {
        return match id {
            // Has no answer in the specification, and harms nobody.
            CommandId::ALERT_NOTIFICATION => Verdict::Ignore,
            // Has no answer of its own, but the peer has mistaken us for an ESME and should hear of it.
            CommandId::OUTBIND => Verdict::Nack(Status::ESME_RINVBNDSTS),
            CommandId::BIND_TRANSMITTER | CommandId::BIND_RECEIVER | CommandId::BIND_TRANSCEIVER
                if role == Role::Smsc && state != State::Open =>
            {
                Verdict::Refuse(Status::ESME_RALYBND)
            }
            // The bind is being ended and the message is welcome at the next one: a status that means "again".
            CommandId::SUBMIT_SM | CommandId::DELIVER_SM if is_ending(state) => {
                Verdict::Refuse(Status::ESME_RSYSERR)
            }
            _ => Verdict::Refuse(Status::ESME_RINVBNDSTS),
        };
    }
    match (role, id) {
        (_, CommandId::ENQUIRE_LINK | CommandId::UNBIND)
        | (Role::Smsc, CommandId::SUBMIT_SM)
        | (Role::Esme, CommandId::DELIVER_SM)
        | (
            Role::Smsc,
            CommandId::BIND_TRANSMITTER | CommandId::BIND_RECEIVER | CommandId::BIND_TRANSCEIVER,
        ) => Verdict::Take,
        (Role::Smsc, CommandId::SUBMIT_MULTI | CommandId::DATA_SM) => {
            Verdict::Refuse(Status::ESME_RSUBMITFAIL)
        }
        (Role::Smsc, CommandId::QUERY_SM) => Verdict::Refuse(Status::ESME_RQUERYFAIL),
        (Role::Smsc, CommandId::CANCEL_SM) => Verdict::Refuse(Status::ESME_RCANCELFAIL),
        (Role::Smsc, CommandId::REPLACE_SM) => Verdict::Refuse(Status::ESME_RREPLACEFAIL),
        (Role::Esme, CommandId::DATA_SM) => Verdict::Refuse(Status::ESME_RDELIVERYFAILURE),
        // alert_notification and outbind to an ESME: allowed, and of no use to us.
        _ => Verdict::Ignore,
    }
}

/// The table of contracts/timetochat.md §7, with §8a's answers to what it leaves open. What it does not list is ignored.
fn judge_timetochat(state: State, id: CommandId) -> Verdict {
    use CommandStatus as Status;
    let allowed = may_issue(Role::Esme, id, state);
    match id {
        CommandId::BIND_TRANSCEIVER if allowed => Verdict::Take,
        CommandId::BIND_TRANSMITTER | CommandId::BIND_RECEIVER | CommandId::BIND_TRANSCEIVER => {
            Verdict::Refuse(Status::ESME_RBINDFAIL)
        }
        CommandId::OUTBIND => Verdict::Nack(Status::ESME_RBINDFAIL),
        CommandId::UNBIND | CommandId::ENQUIRE_LINK if allowed => Verdict::Take,
        CommandId::UNBIND | CommandId::ENQUIRE_LINK => Verdict::Refuse(Status::ESME_RINVBNDSTS),
        CommandId::SUBMIT_SM if allowed => Verdict::Take,
        CommandId::SUBMIT_SM | CommandId::SUBMIT_MULTI | CommandId::DATA_SM => {
            Verdict::Refuse(Status::ESME_RSUBMITFAIL)
        }
        CommandId::QUERY_SM => Verdict::Refuse(Status::ESME_RQUERYFAIL),
        CommandId::CANCEL_SM => Verdict::Refuse(Status::ESME_RCANCELFAIL),
        CommandId::REPLACE_SM => Verdict::Refuse(Status::ESME_RREPLACEFAIL),
        CommandId::DELIVER_SM => Verdict::Refuse(Status::ESME_RDELIVERYFAILURE),
        _ => Verdict::Ignore,
    }
}

/// The status for a request of which a field cannot be read: the field's own, unless the profile has its own.
pub(super) fn malformed(role: Role, profile: Profile, id: CommandId, own: CommandStatus) -> CommandStatus {
    match (role, profile) {
        (Role::Smsc, Profile::TimeToChat) if id == CommandId::SUBMIT_SM => CommandStatus::ESME_RQUERYFAIL,
        (Role::Smsc, Profile::TimeToChat) => CommandStatus::ESME_RBINDFAIL,
        (Role::Smsc, Profile::Standard) | (Role::Esme, _) => own,
    }
}

fn is_ending(state: State) -> bool {
    matches!(state, State::Unbinding | State::Leaving)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 8] = [
        State::Open,
        State::Binding,
        State::BoundTx,
        State::BoundRx,
        State::BoundTrx,
        State::Unbinding,
        State::Leaving,
        State::Closed,
    ];

    /// Every request of the specification, and two that are not in it.
    fn requests() -> impl Iterator<Item = CommandId> {
        (0..0x0204)
            .map(CommandId)
            .filter(|id| id.name().is_some())
            .chain([CommandId(0x0A), CommandId(0x0001_0203)])
    }

    #[test]
    fn what_table_2_1_forbids_is_never_taken() {
        let mut judged = 0;
        for role in [Role::Esme, Role::Smsc] {
            for profile in [Profile::Standard, Profile::TimeToChat] {
                for state in STATES {
                    for id in requests() {
                        judged += 1;
                        let taken = judge(role, profile, state, id) == Verdict::Take;
                        assert!(
                            !taken || may_issue(role.peer(), id, state),
                            "{role:?} {profile:?} {state:?} {id}"
                        );
                    }
                }
            }
        }
        assert_eq!(judged, 2 * 2 * 8 * 16, "14 requests and two unknown ones");
    }

    #[test]
    fn timetochat_answers_as_its_table_says() {
        use CommandStatus as S;
        use Verdict::{Ignore, Nack, Refuse, Take};
        let bound = [
            (CommandId::BIND_TRANSMITTER, Refuse(S::ESME_RBINDFAIL)),
            (CommandId::BIND_RECEIVER, Refuse(S::ESME_RBINDFAIL)),
            (CommandId::BIND_TRANSCEIVER, Refuse(S::ESME_RBINDFAIL)),
            (CommandId::OUTBIND, Nack(S::ESME_RBINDFAIL)),
            (CommandId::UNBIND, Take),
            (CommandId::ENQUIRE_LINK, Take),
            (CommandId::SUBMIT_SM, Take),
            (CommandId::SUBMIT_MULTI, Refuse(S::ESME_RSUBMITFAIL)),
            (CommandId::DATA_SM, Refuse(S::ESME_RSUBMITFAIL)),
            (CommandId::QUERY_SM, Refuse(S::ESME_RQUERYFAIL)),
            (CommandId::CANCEL_SM, Refuse(S::ESME_RCANCELFAIL)),
            (CommandId::REPLACE_SM, Refuse(S::ESME_RREPLACEFAIL)),
            (CommandId::DELIVER_SM, Refuse(S::ESME_RDELIVERYFAILURE)),
            (CommandId::ALERT_NOTIFICATION, Ignore),
            (CommandId(0x0A), Ignore),
            (CommandId(0x0001_0203), Ignore),
        ];
        assert_eq!(bound.len(), requests().count(), "nothing is left out");
        for (id, verdict) in bound {
            assert_eq!(judge(Role::Smsc, Profile::TimeToChat, State::BoundTrx, id), verdict, "{id}");
        }
        let open = |id| judge(Role::Smsc, Profile::TimeToChat, State::Open, id);
        assert_eq!(open(CommandId::BIND_TRANSCEIVER), Take);
        assert_eq!(open(CommandId::BIND_TRANSMITTER), Refuse(S::ESME_RBINDFAIL));
        assert_eq!(open(CommandId::SUBMIT_SM), Refuse(S::ESME_RSUBMITFAIL));
    }

    #[test]
    fn standard_refuses_what_comes_later_with_its_own_status() {
        use CommandStatus as S;
        for (id, status) in [
            (CommandId::SUBMIT_MULTI, S::ESME_RSUBMITFAIL),
            (CommandId::DATA_SM, S::ESME_RSUBMITFAIL),
            (CommandId::QUERY_SM, S::ESME_RQUERYFAIL),
            (CommandId::CANCEL_SM, S::ESME_RCANCELFAIL),
            (CommandId::REPLACE_SM, S::ESME_RREPLACEFAIL),
            (CommandId::DELIVER_SM, S::ESME_RINVBNDSTS),
            (CommandId::BIND_RECEIVER, S::ESME_RALYBND),
        ] {
            let verdict = judge(Role::Smsc, Profile::Standard, State::BoundTrx, id);
            assert_eq!(verdict, Verdict::Refuse(status), "{id}");
        }
        let judged = |id| judge(Role::Smsc, Profile::Standard, State::BoundTrx, id);
        assert_eq!(judged(CommandId::OUTBIND), Verdict::Nack(S::ESME_RINVBNDSTS));
        assert_eq!(judged(CommandId::ALERT_NOTIFICATION), Verdict::Ignore);
        assert_eq!(judged(CommandId(0x0001_0203)), Verdict::Nack(S::ESME_RINVCMDID));
    }

    #[test]
    fn a_message_that_meets_an_unbind_is_told_to_come_again() {
        for state in [State::Unbinding, State::Leaving] {
            let verdict = judge(Role::Smsc, Profile::Standard, state, CommandId::SUBMIT_SM);
            assert_eq!(verdict, Verdict::Refuse(CommandStatus::ESME_RSYSERR));
        }
    }
}
