//! How often something goes wrong, and in which way: the same each time for the same seed.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How often a switch works. Written `off`, `always`, `1/3` (every third time), `25%` (by chance, from the seed) or
/// `next 2` (the next two times, then never).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Chance {
    /// Never.
    #[default]
    Off,
    /// Every nth time, from the nth on; 1 is always.
    Every(u32),
    /// So many times in a hundred.
    Percent(u8),
    /// The first times after the switch was set.
    Next(u32),
}

impl TryFrom<String> for Chance {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let number = |digits: &str| digits.trim().parse::<u32>().ok();
        let read = match text.trim() {
            "" | "0" | "off" => Some(Self::Off),
            "always" => Some(Self::Every(1)),
            text => {
                let every = text.strip_prefix("1/").and_then(number).filter(|n| *n > 0).map(Self::Every);
                let percent = text.strip_suffix('%').and_then(|digits| digits.trim().parse().ok());
                let percent = percent.filter(|n| *n <= 100).map(Self::Percent);
                every.or(percent).or_else(|| text.strip_prefix("next ").and_then(number).map(Self::Next))
            }
        };
        read.ok_or_else(|| format!("`{text}` is none of: off, always, 1/N, N%, next N"))
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Every(1) => f.write_str("always"),
            Self::Every(n) => write!(f, "1/{n}"),
            Self::Percent(n) => write!(f, "{n}%"),
            Self::Next(n) => write!(f, "next {n}"),
        }
    }
}

impl From<Chance> for String {
    fn from(chance: Chance) -> Self {
        chance.to_string()
    }
}

/// A call that goes wrong: how often, and in which way. Written `1/3 503`, `next 1 hang`, `10% cut`; without a way, 503.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fault {
    /// How often.
    pub chance: Chance,
    /// In which way.
    pub how: How,
}

/// In which way a call goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum How {
    /// This HTTP status, 400 to 599. Over SMPP: `ESME_RTHROTTLED` for 429, else `ESME_RSUBMITFAIL`.
    Status(u16),
    /// No answer for `hang_ms`, then the connection is cut. Over SMPP: never an answer.
    Hang,
    /// The connection is cut.
    Cut,
}

impl Default for How {
    fn default() -> Self {
        Self::Status(503)
    }
}

impl TryFrom<String> for Fault {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let text = text.trim();
        let (chance, word) = text.rsplit_once(' ').unwrap_or((text, ""));
        let how = match word {
            "hang" => Some(How::Hang),
            "cut" => Some(How::Cut),
            digits => digits.parse().ok().filter(|status| (400..600).contains(status)).map(How::Status),
        };
        match how {
            Some(how) => Ok(Self { chance: Chance::try_from(chance.to_owned())?, how }),
            None => Ok(Self { chance: Chance::try_from(text.to_owned())?, how: How::default() }),
        }
    }
}

impl From<Fault> for String {
    fn from(fault: Fault) -> Self {
        match (fault.chance, fault.how) {
            (Chance::Off, _) => "off".to_owned(),
            (chance, How::Status(status)) => format!("{chance} {status}"),
            (chance, How::Hang) => format!("{chance} hang"),
            (chance, How::Cut) => format!("{chance} cut"),
        }
    }
}

/// Decides by the seed and by counting.
#[derive(Debug)]
pub(super) struct Dice {
    state: u64,
    /// How often each switch was asked since it was set.
    asked: HashMap<&'static str, u32>,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed, asked: HashMap::new() }
    }

    /// Whether the switch `name` works this time.
    pub(super) fn falls(&mut self, name: &'static str, chance: Chance) -> bool {
        let asked = self.asked.entry(name).or_default();
        *asked = asked.saturating_add(1);
        match chance {
            Chance::Off => false,
            Chance::Every(n) => asked.is_multiple_of(n.max(1)),
            Chance::Next(n) => *asked <= n,
            Chance::Percent(n) => self.below(100) < u64::from(n),
        }
    }

    /// Counts from the beginning again.
    pub(super) fn forget(&mut self, name: &str) {
        self.asked.retain(|asked, _| *asked != name);
    }

    /// A number from 0 up to and without `limit`; 0 for 0. SplitMix64.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).checked_rem(limit).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_written_as_they_are_read() {
        for text in ["off", "always", "1/3", "25%", "next 2"] {
            assert_eq!(Chance::try_from(text.to_owned()).map(String::from).as_deref(), Ok(text));
        }
        for text in ["off", "1/3 503", "25% hang", "next 2 cut", "always 429"] {
            assert_eq!(Fault::try_from(text.to_owned()).map(String::from).as_deref(), Ok(text));
        }
        assert_eq!(Fault::try_from("next 1".to_owned()).map(|fault| fault.how), Ok(How::Status(503)));
        for text in ["1/0", "101%", "often", "next", "next 1 302", "1/3 slow", "-1%"] {
            assert!(Fault::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn every_third_and_the_next_two_are_counted() {
        let mut dice = Dice::new(1);
        let mut ask = |chance| (0..6).map(|_| u8::from(dice.falls("x", chance))).collect::<Vec<_>>();
        assert_eq!(ask(Chance::Every(3)), [0, 0, 1, 0, 0, 1]);
        assert_eq!(ask(Chance::Next(8)), [1, 1, 0, 0, 0, 0]);
        dice.forget("x");
        assert!(dice.falls("x", Chance::Next(1)) && !dice.falls("x", Chance::Next(1)));
    }

    #[test]
    fn a_seed_repeats_itself() {
        let draw = |seed| {
            let mut dice = Dice::new(seed);
            (0..400).map(|_| dice.falls("x", Chance::Percent(25))).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let fell = draw(7).iter().filter(|fell| **fell).count();
        assert!((60..140).contains(&fell), "{fell} of 400");
    }
}
