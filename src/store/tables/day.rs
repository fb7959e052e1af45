//! Days, as history counts them.

use std::fmt;

/// A day in UTC: days since 1970-01-01. Prints as `YYYYMMDD`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Day(pub u32);

impl Day {
    /// The day of an instant in UTC milliseconds since 1970.
    pub fn of_utc_ms(utc_ms: u64) -> Self {
        Self(u32::try_from(utc_ms / 86_400_000).unwrap_or(u32::MAX))
    }

    /// The day `days` before this one, not before 1970.
    pub fn back(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// Reads what `Display` writes. `None` for anything else, as for dates that do not exist.
    pub(super) fn parse(digits: &str) -> Option<Self> {
        if digits.len() != 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let number = |range| digits.get::<std::ops::Range<usize>>(range)?.parse::<u32>().ok();
        let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
        if year < 1970 || !(1..=12).contains(&month) {
            return None;
        }
        let parsed = Self(days_before(year, month) + day.checked_sub(1)?);
        // What comes back different was no date: the 31st of June.
        (parsed.to_string() == digits).then_some(parsed)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never too late a year: an average one is shorter than 366 days and at least 365.
        let mut year = 1970 + self.0 / 366;
        while days_before(year + 1, 1) <= self.0 {
            year += 1;
        }
        let month = (2..=12).take_while(|month| days_before(year, *month) <= self.0).last().unwrap_or(1);
        write!(f, "{year:04}{month:02}{:02}", self.0 - days_before(year, month) + 1)
    }
}

/// Days from 1970-01-01 to the first of a month (Gregorian calendar).
fn days_before(year: u32, month: u32) -> u32 {
    let leap_days = |years: u32| years / 4 - years / 100 + years / 400;
    let of_years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    let is_leap = leap_days(year) > leap_days(year - 1);
    let of_months = [31, 28 + u32::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    of_years + of_months.iter().zip(1..month).map(|(days, _)| days).sum::<u32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_print_as_dates() {
        for (utc_ms, date) in [
            (0, "19700101"),
            (951_782_400_000, "20000229"),
            (951_868_800_000, "20000301"),
            (1_709_251_199_999, "20240229"),
            (1_709_251_200_000, "20240301"),
            (1_795_305_600_000, "20261122"),
            (4_107_542_400_000, "21000301"),
        ] {
            assert_eq!(Day::of_utc_ms(utc_ms).to_string(), date);
        }
    }

    #[test]
    fn every_day_is_read_back_and_comes_after_the_day_before() {
        let mut before = String::new();
        for number in 0..60_000 {
            let date = Day(number).to_string();
            assert_eq!(Day::parse(&date), Some(Day(number)));
            assert!(date > before, "{date}");
            before = date;
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in
            ["", "2026", "20260631", "20260229", "20261301", "20260100", "19691231", "+0261122", "2026112x"]
        {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }
}
