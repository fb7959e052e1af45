//! Times as SMPP writes them (SMPP 3.4 §7.1): `YYMMDDhhmmsstnnp`, absolute or relative.
//!
//! `t` is tenths of a second, `nn` the offset from UTC in quarter hours (00–48), `p` is `+` when local
//! time is ahead of UTC, `-` when it is behind, `R` for a time from now. Some peers send only the twelve
//! digits; these are taken as UTC. Two digits of a year mean 2000–2099.

use std::fmt;

/// A time as a peer wrote it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SmppTime {
    /// A point in time, in milliseconds since 1970-01-01T00:00:00Z. Tenths of a second are kept.
    Absolute {
        /// UTC milliseconds.
        utc_ms: i64,
    },
    /// A span from now, by the calendar: a month later is the same day of the next month.
    Relative(Span),
}

/// A span of calendar time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Span {
    /// 0–99.
    pub years: u8,
    /// 0–99.
    pub months: u8,
    /// 0–99.
    pub days: u8,
    /// 0–99.
    pub hours: u8,
    /// 0–99.
    pub minutes: u8,
    /// 0–99.
    pub seconds: u8,
}

/// Why octets are not an SMPP time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TimeError {
    /// Neither sixteen octets nor twelve.
    Length(usize),
    /// Something else than a digit where a digit has to be, counted from zero.
    NotADigit {
        /// Where.
        at: usize,
    },
    /// A part is outside its range.
    Range {
        /// Which part: `month`, `day`, `hour`, `minute`, `second`, `offset`.
        part: &'static str,
    },
    /// The last octet is not `+`, `-` or `R`.
    Sign(u8),
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(octets) => write!(f, "{octets} octets, 16 are needed"),
            Self::NotADigit { at } => write!(f, "no digit at place {at}"),
            Self::Range { part } => write!(f, "{part} is out of range"),
            Self::Sign(octet) => write!(f, "`{}` where +, - or R has to be", octet.escape_ascii()),
        }
    }
}

impl std::error::Error for TimeError {}

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

impl SmppTime {
    /// The point in time meant when it is `now_ms`, in UTC milliseconds.
    pub fn to_utc_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::Absolute { utc_ms } => utc_ms,
            Self::Relative(span) => span.after(now_ms),
        }
    }
}

impl Span {
    /// The point in time this much after `now_ms`, in UTC milliseconds.
    ///
    /// Years and months are counted by the calendar first (31 January and one month is the last of February),
    /// then days and the rest by the clock.
    pub fn after(self, now_ms: i64) -> i64 {
        let (year, month, day) = civil(now_ms.div_euclid(DAY_MS));
        let month = month - 1 + i64::from(self.months);
        let year = year + i64::from(self.years) + month.div_euclid(12);
        let month = month.rem_euclid(12) + 1;
        let day = day.min(days_of_month(year, month));
        let clock = ((i64::from(self.days) * 24 + i64::from(self.hours)) * 60 + i64::from(self.minutes)) * 60
            + i64::from(self.seconds);
        days(year, month, day) * DAY_MS + now_ms.rem_euclid(DAY_MS) + clock * 1000
    }
}

/// Reads a time: sixteen octets, or the twelve digits that some peers send, without its NUL.
///
/// An empty field means "none" and is not a time: ask before.
///
/// # Errors
/// [`TimeError`] names the part that is wrong.
#[inline]
pub fn parse(octets: &[u8]) -> Result<SmppTime, TimeError> {
    let (head, tail) = match octets.split_first_chunk::<12>() {
        Some((head, [])) => (head, *b"000+"),
        Some((head, [t, n, m, sign])) => (head, [*t, *n, *m, *sign]),
        _ => return Err(TimeError::Length(octets.len())),
    };
    let [t, n, m, sign] = tail;
    let head_at = head.iter().position(|octet| !octet.is_ascii_digit());
    let tail_at = [t, n, m].iter().position(|octet| !octet.is_ascii_digit());
    if let Some(at) = head_at.or(tail_at.map(|at| at + 12)) {
        return Err(TimeError::NotADigit { at });
    }
    let pair = |tens: u8, ones: u8| (tens & 0x0F) * 10 + (ones & 0x0F);
    let [y, u, mo, n_, d, e, h, i, o, p, s, c] = *head;
    let (years, months, days) = (pair(y, u), pair(mo, n_), pair(d, e));
    let (hours, minutes, seconds) = (pair(h, i), pair(o, p), pair(s, c));
    let (tenths, quarters) = (t & 0x0F, pair(n, m));
    let offset = match sign {
        b'R' | b'r' => {
            return Ok(SmppTime::Relative(Span { years, months, days, hours, minutes, seconds }));
        }
        b'+' => i64::from(quarters),
        b'-' => -i64::from(quarters),
        other => return Err(TimeError::Sign(other)),
    };
    if quarters > 48 {
        return Err(TimeError::Range { part: "offset" });
    }
    let utc_ms = utc_ms(2000 + i64::from(years), months, days, hours, minutes, seconds)?;
    Ok(SmppTime::Absolute { utc_ms: utc_ms + i64::from(tenths) * 100 - offset * 15 * 60_000 })
}

/// UTC milliseconds of a civil time whose parts are judged here.
#[inline]
pub(crate) fn utc_ms(
    year: i64,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
) -> Result<i64, TimeError> {
    let part = |part| Err(TimeError::Range { part });
    let (month, day) = (i64::from(month), i64::from(day));
    if !(1..=12).contains(&month) {
        return part("month");
    }
    if !(1..=days_of_month(year, month)).contains(&day) {
        return part("day");
    }
    if hour > 23 {
        return part("hour");
    }
    if minute > 59 {
        return part("minute");
    }
    // A leap second reads as the second after it.
    if second > 60 {
        return part("second");
    }
    let seconds = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
    Ok(days(year, month, day) * DAY_MS + seconds * 1000)
}

/// An absolute time in UTC, sixteen octets: `YYMMDDhhmmsst00+`. Years outside 2000–2099 lose their century.
pub fn write_absolute(utc_ms: i64) -> [u8; 16] {
    let [y, u, m, n, d, e, h, i, o, p] = date10(utc_ms);
    let in_minute = utc_ms.rem_euclid(60_000);
    let [s, t] = pair_of(in_minute / 1000);
    let [_, tenth] = pair_of(in_minute % 1000 / 100);
    [y, u, m, n, d, e, h, i, o, p, s, t, tenth, b'0', b'0', b'+']
}

/// A relative time, sixteen octets: `YYMMDDhhmmss000R`.
///
/// Up to 31 days are written as days. Longer spans are written with years of 365 days and months of 30,
/// which a calendar may stretch by a few days; 99 years is the longest.
pub fn write_relative(seconds: u64) -> [u8; 16] {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX).min(99 * 365 * 86_400);
    let (days, clock) = (seconds / 86_400, seconds % 86_400);
    let (years, months, days) = if days <= 31 {
        (0, 0, days)
    } else {
        // Twelve months of 30 days leave five days of a year over; they stay days.
        let months = (days % 365 / 30).min(11);
        (days / 365, months, days % 365 - months * 30)
    };
    let [y, u] = pair_of(years);
    let [m, n] = pair_of(months);
    let [d, e] = pair_of(days);
    let [h, i] = pair_of(clock / 3600);
    let [o, p] = pair_of(clock / 60 % 60);
    let [s, t] = pair_of(clock % 60);
    [y, u, m, n, d, e, h, i, o, p, s, t, b'0', b'0', b'0', b'R']
}

/// The ten digits of receipt text, `YYMMDDhhmm`, in UTC.
pub fn date10(utc_ms: i64) -> [u8; 10] {
    let (year, month, day) = civil(utc_ms.div_euclid(DAY_MS));
    let minutes = utc_ms.rem_euclid(DAY_MS) / 60_000;
    let [y, u] = pair_of(year.rem_euclid(100));
    let [m, n] = pair_of(month);
    let [d, e] = pair_of(day);
    let [h, i] = pair_of(minutes / 60);
    let [o, p] = pair_of(minutes % 60);
    [y, u, m, n, d, e, h, i, o, p]
}

/// Two digits of a number that has no more.
fn pair_of(number: i64) -> [u8; 2] {
    let number = u8::try_from(number.clamp(0, 99)).unwrap_or(99);
    [b'0' + number / 10, b'0' + number % 10]
}

/// Days of 400 years, of 100 and of 4 in the Gregorian calendar.
const DAYS_400: i64 = 146_097;

/// Days from 1970-01-01 to a date of the Gregorian calendar. `month` is 1–12.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March end with the day that is sometimes missing.
    let shifted = if month > 2 { year } else { year - 1 };
    let months = (month + 9) % 12;
    let cycle = shifted.div_euclid(400);
    let of_cycle = shifted.rem_euclid(400);
    let of_year = (153 * months + 2) / 5 + day - 1;
    cycle * DAYS_400 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - 719_468
}

/// The date that is this many days after 1970-01-01: year, month, day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let cycle = days.div_euclid(DAYS_400);
    let of_cycle = days.rem_euclid(DAYS_400);
    let year = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let months = (5 * of_year + 2) / 153;
    let day = of_year - (153 * months + 2) / 5 + 1;
    let month = if months < 10 { months + 3 } else { months - 9 };
    let year = year + cycle * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// How many days the month has.
fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in days(1900, 1, 1)..days(2300, 1, 1) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day, "{year}-{month}-{of_month}");
            assert!((1..=days_of_month(year, month)).contains(&of_month));
        }
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2026, 11, 22), 20_779);
    }
}
