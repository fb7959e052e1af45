//! From the gateway's refusals to command_status, in one place.

use crate::gateway::port::Refusal;
use crate::gateway::settings::Profile;
use crate::pdu::CommandStatus;

/// The status of a submit_sm that the gateway refuses (SEMANTICS 17 and 20; contracts/timetochat.md §7).
///
/// The vendor's table has 0x45 for "any other failure". What would pass a little later is told as 0x58 all the same: most
/// clients drop a message at 0x45 and try again at 0x58.
pub fn status_of(refusal: Refusal, profile: Profile) -> CommandStatus {
    use CommandStatus as Status;
    match (profile, refusal) {
        (Profile::Standard, Refusal::Sender) => Status::ESME_RINVSRCADR,
        (Profile::Standard, Refusal::Destination | Refusal::NoRoute) => Status::ESME_RINVDSTADR,
        (Profile::Standard, Refusal::Length) => Status::ESME_RINVMSGLEN,
        (Profile::Standard, Refusal::Validity) => Status::ESME_RINVEXPIRY,
        (Profile::Standard, Refusal::Schedule) => Status::ESME_RINVSCHED,
        (Profile::Standard, Refusal::QueueFull | Refusal::Disk) => Status::ESME_RMSGQFUL,
        (Profile::Standard, Refusal::ServiceEnded | Refusal::MonthlyLimit | Refusal::KeyReused) => {
            Status::ESME_RSUBMITFAIL
        }
        (Profile::Standard, Refusal::Unavailable) => Status::ESME_RSYSERR,
        (Profile::TimeToChat, Refusal::QueueFull | Refusal::Disk | Refusal::Unavailable) => {
            Status::ESME_RTHROTTLED
        }
        (
            Profile::TimeToChat,
            Refusal::Sender
            | Refusal::Destination
            | Refusal::NoRoute
            | Refusal::Length
            | Refusal::Validity
            | Refusal::Schedule
            | Refusal::ServiceEnded
            | Refusal::MonthlyLimit
            | Refusal::KeyReused,
        ) => Status::ESME_RSUBMITFAIL,
    }
}

/// The status of a submit_sm that we cannot take just now because the session is being ended.
pub(super) fn stopping(profile: Profile) -> CommandStatus {
    status_of(Refusal::Unavailable, profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_refuses_as_decided() {
        let statuses = [0x0A, 0x0B, 0x0B, 0x01, 0x62, 0x61, 0x14, 0x14, 0x45, 0x45, 0x45, 0x08];
        for (refusal, status) in Refusal::ALL.into_iter().zip(statuses) {
            assert_eq!(status_of(refusal, Profile::Standard), CommandStatus(status), "{refusal:?}");
        }
    }

    #[test]
    fn timetochat_knows_two_failures_and_the_one_to_repeat() {
        for refusal in Refusal::ALL {
            let again = matches!(refusal, Refusal::QueueFull | Refusal::Disk | Refusal::Unavailable);
            let status = if again { 0x58 } else { 0x45 };
            assert_eq!(status_of(refusal, Profile::TimeToChat), CommandStatus(status), "{refusal:?}");
        }
    }
}
