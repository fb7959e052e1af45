//! What a number makes of a message that is sent to it.

use crate::vendor::timetochat::State;

/// What happens, told by the last four digits of the recipient. Invented.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Conduct {
    /// The operator gets it.
    pub(super) sent: bool,
    /// Its end; `None`: there is none.
    pub(super) end: Option<State>,
    /// The second part of a long message fails with this.
    pub(super) second_part: Option<State>,
    /// A state that nobody knows, between `SENT` and the end.
    pub(super) odd: bool,
    /// The end is reported before `SENT`, though later in its dates.
    pub(super) reversed: bool,
    /// Nothing is reported; only the history tells.
    pub(super) silent: bool,
    /// Everything is reported twice.
    pub(super) double: bool,
    /// What the mobile writes back.
    pub(super) replies: Vec<Reply>,
}

/// What a mobile writes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Reply {
    /// "You wrote: …".
    Echo,
    /// Two parts' worth.
    Long,
    /// The word that ends it all.
    Stop,
}

impl Conduct {
    /// What the last four digits of `to` stand for: `99` and two more digits.
    pub(super) fn of(to: &str) -> Self {
        let delivered = Self { sent: true, end: Some(State::Received), ..Self::default() };
        let special = to.get(to.len().saturating_sub(4)..).and_then(|last| last.strip_prefix("99"));
        let Some(code) = special.and_then(|code| code.parse::<u16>().ok()) else { return delivered };
        if let Some(failure) = State::KNOWN.iter().find(|state| code > 0 && state.error_number() == code) {
            // What the platform finds out by itself never reaches the operator.
            let sent = !matches!(
                failure,
                State::OpInvalid
                    | State::Blacklist
                    | State::InvalidFrom
                    | State::WrongNumber
                    | State::Country
            );
            return Self { sent, end: Some(failure.clone()), ..Self::default() };
        }
        match code {
            20 => Self::default(),
            21 => Self { end: None, ..delivered },
            22 => Self { sent: false, ..delivered },
            23 => Self { reversed: true, ..delivered },
            24 => Self { second_part: Some(State::FullSim), ..delivered },
            25 => Self { odd: true, ..delivered },
            26 => Self { silent: true, ..delivered },
            27 => Self { double: true, ..delivered },
            30 => Self { replies: vec![Reply::Echo], ..delivered },
            31 => Self { replies: vec![Reply::Long], ..delivered },
            32 => Self { replies: vec![Reply::Stop], ..delivered },
            33 => Self { replies: vec![Reply::Echo, Reply::Echo], ..delivered },
            _ => delivered,
        }
    }
}

impl Reply {
    /// The words, as an answer to `text`.
    pub(super) fn to(self, text: &str) -> String {
        match self {
            Self::Echo => format!("You wrote: {}", text.chars().take(100).collect::<String>()),
            Self::Long => "This answer is longer than one message can be. ".repeat(6),
            Self::Stop => "STOP".to_owned(),
        }
    }
}

/// The state that nobody knows.
pub(super) const ODD_STATE: &str = "CRA_SMS_DELAYED";

/// The table, for `--help` and for `GET /_sim`.
pub const ENDINGS: &str = "\
number ends in   what happens (invented)
  9901 to 9915   fails: ERROR OPINVALID BLACKLIST OPBLACKLIST INVALIDFROM WRONGNUMBER FALSENUMBER OPERROR
                 OPFAILURE OPFULL COUNTRY FULLSIM LOTOFMSG REJECTED BLOCKED, in this order
                 (02 03 05 06 11 without SENT before)
  9920           stays NEW
  9921           stays SENT
  9922           RECEIVED without SENT
  9923           RECEIVED is reported before SENT
  9924           the second part of a long message fails with FULLSIM
  9925           a state that no document knows comes between: CRA_SMS_DELAYED
  9926           nothing is reported, only GET tells
  9927           everything is reported twice
  9930 to 9932   the mobile answers: what was written; at length; STOP
  9933           the mobile answers twice with the same words
  any other      SENT, then RECEIVED
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told_as_they_are() {
        let names: Vec<&str> = (1..=15)
            .map(|code| {
                let end = Conduct::of(&format!("+3360000 99{code:02}")).end.expect("it fails");
                State::KNOWN.iter().find(|state| **state == end).expect("a known one").name()
            })
            .collect();
        let words = ENDINGS.split_whitespace().map(|word| word.trim_end_matches(','));
        let told: Vec<&str> = words.filter(|word| names.contains(word)).collect();
        assert_eq!(told[..15], names);
        for code in [2, 3, 5, 6, 11] {
            assert!(!Conduct::of(&format!("99{code:02}")).sent, "{code}");
        }
    }

    #[test]
    fn ordinary_numbers_get_their_messages() {
        for to in ["0601020304", "+33600000000", "0612345678", "", "99", "é99", "+3360009900", "+3360009940"]
        {
            let conduct = Conduct::of(to);
            assert!(
                conduct.sent && conduct.end == Some(State::Received) && conduct.replies.is_empty(),
                "{to}"
            );
        }
    }
}
