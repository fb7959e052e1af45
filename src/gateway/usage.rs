//! Which month a moment belongs to, for monthly limits (SEMANTICS 15).

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The month of `utc_ms` (UTC milliseconds since 1970) in `zone`, as `yyyymm`: 202611 is November 2026.
///
/// Beyond the year 9999 it stays December 9999.
#[must_use]
pub fn month_of(utc_ms: u64, zone: &TimeZone) -> u32 {
    Month::of(utc_ms, zone).number
}

/// [`month_of`] with the month's borders remembered, so that asking again costs one comparison.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    month: Month,
}

impl Calendar {
    /// A calendar of `zone`, with the month of `utc_ms` remembered.
    #[must_use]
    pub fn new(zone: TimeZone, utc_ms: u64) -> Self {
        let month = Month::of(utc_ms, &zone);
        Self { zone, month }
    }

    /// The month of `utc_ms` as [`month_of`] tells it; may go back as well as forward.
    pub fn month_of(&mut self, utc_ms: u64) -> u32 {
        if !self.month.holds(utc_ms) {
            self.month = Month::of(utc_ms, &self.zone);
        }
        self.month.number
    }
}

#[derive(Clone, Copy, Debug)]
struct Month {
    /// `yyyymm`.
    number: u32,
    /// Its first millisecond, UTC.
    from_ms: u64,
    /// Its length in milliseconds.
    length_ms: u64,
}

impl Month {
    fn of(utc_ms: u64, zone: &TimeZone) -> Self {
        let moment = i64::try_from(utc_ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or(Timestamp::MAX);
        let first = zone.to_datetime(moment).date().first_of_month();
        let number = u32::from(first.year().unsigned_abs()) * 100 + u32::from(first.month().unsigned_abs());
        let from_ms = start_ms(first, zone).unwrap_or(0);
        let until_ms = first.last_of_month().tomorrow().ok().and_then(|next| start_ms(next, zone));
        Self { number, from_ms, length_ms: until_ms.unwrap_or(u64::MAX).saturating_sub(from_ms) }
    }

    fn holds(self, utc_ms: u64) -> bool {
        utc_ms.wrapping_sub(self.from_ms) < self.length_ms
    }
}

/// When `date` begins in `zone`; `None` before 1970 and at the end of time.
fn start_ms(date: Date, zone: &TimeZone) -> Option<u64> {
    let start = date.to_zoned(zone.clone()).ok()?;
    u64::try_from(start.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paris() -> TimeZone {
        TimeZone::get("Europe/Paris").unwrap()
    }

    fn ms(moment: &str) -> u64 {
        u64::try_from(moment.parse::<Timestamp>().unwrap().as_millisecond()).unwrap()
    }

    #[test]
    fn a_month_begins_at_midnight_in_paris_and_not_in_greenwich() {
        // Winter time: one hour ahead. Summer time: two.
        assert_eq!(month_of(ms("2026-11-30T22:59:59.999Z"), &paris()), 202_611);
        assert_eq!(month_of(ms("2026-11-30T23:00:00Z"), &paris()), 202_612);
        assert_eq!(month_of(ms("2026-06-30T21:59:59.999Z"), &paris()), 202_606);
        assert_eq!(month_of(ms("2026-06-30T22:00:00Z"), &paris()), 202_607);
        assert_eq!(month_of(ms("2026-06-30T22:00:00Z"), &TimeZone::UTC), 202_606);
    }

    #[test]
    fn a_year_turns() {
        assert_eq!(month_of(ms("2026-12-31T22:59:59.999Z"), &paris()), 202_612);
        assert_eq!(month_of(ms("2026-12-31T23:00:00Z"), &paris()), 202_701);
    }

    #[test]
    fn a_month_in_which_the_clocks_change_is_one_month() {
        let mut calendar = Calendar::new(paris(), ms("2026-10-01T00:00:00Z"));
        assert_eq!(calendar.month_of(ms("2026-10-25T01:30:00Z")), 202_610);
        assert_eq!(calendar.month_of(ms("2026-10-31T22:59:59.999Z")), 202_610);
        assert_eq!(calendar.month_of(ms("2026-10-31T23:00:00Z")), 202_611);
    }

    #[test]
    fn a_calendar_goes_back_with_the_clock() {
        let mut calendar = Calendar::new(paris(), ms("2026-12-01T00:00:00Z"));
        assert_eq!(calendar.month_of(ms("2026-11-30T22:00:00Z")), 202_611);
        assert_eq!(calendar.month_of(ms("2026-12-01T00:00:00Z")), 202_612);
    }

    #[test]
    fn the_ends_of_time_have_a_month() {
        assert_eq!(month_of(0, &paris()), 197_001);
        assert_eq!(month_of(u64::MAX, &TimeZone::UTC), 999_912);
        let mut calendar = Calendar::new(paris(), u64::MAX);
        assert_eq!(calendar.month_of(0), 197_001);
    }

    proptest! {
        #[test]
        fn a_calendar_says_what_asking_afresh_says(
            moments in proptest::collection::vec(0_u64..4_102_444_800_000, 1..50), west: bool
        ) {
            let zone = if west { TimeZone::get("America/Sao_Paulo").unwrap() } else { paris() };
            let mut calendar = Calendar::new(zone.clone(), 0);
            for utc_ms in moments {
                prop_assert_eq!(calendar.month_of(utc_ms), month_of(utc_ms, &zone));
            }
        }
    }
}
