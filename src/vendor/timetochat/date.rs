//! Dates: UTC, RFC 3339, with milliseconds in REST and without in pushes.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Reads a date into milliseconds since 1970, UTC.
///
/// Any RFC 3339 offset is taken, any number of fractional digits (those after the third are cut). With
/// `offset_required` off, a date without one is UTC. `None` for anything else, and before 1970.
#[must_use]
pub fn read_date(text: &str, offset_required: bool) -> Option<u64> {
    if text.len() > DATE_OCTETS_MAX || !text.is_ascii() {
        return None;
    }
    let timestamp = match text.parse::<Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) if offset_required => return None,
        Err(_) => text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(),
    };
    u64::try_from(timestamp.as_millisecond()).ok()
}

/// `2019-07-01T08:00:00.123Z`.
#[must_use]
pub fn write_date_ms(utc_ms: u64) -> String {
    format!("{:.3}", timestamp(utc_ms))
}

/// `2024-03-25T14:30:31Z`; what is left of the second is cut.
#[must_use]
pub fn write_date_s(utc_ms: u64) -> String {
    format!("{:.0}", timestamp(utc_ms / 1_000 * 1_000))
}

/// The last moment that can be written is the year 9999.
fn timestamp(utc_ms: u64) -> Timestamp {
    i64::try_from(utc_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX)
}

/// Longer ones are not dates.
const DATE_OCTETS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_vendor_are_read_and_written() {
        let with = read_date("2019-07-01T08:00:00.123Z", true).expect("a date");
        assert_eq!((with, write_date_ms(with).as_str()), (1_561_968_000_123, "2019-07-01T08:00:00.123Z"));
        let without = read_date("2024-03-25T14:30:31Z", true).expect("a date");
        assert_eq!(write_date_s(without), "2024-03-25T14:30:31Z");
        assert_eq!(write_date_ms(without), "2024-03-25T14:30:31.000Z");
        assert_eq!(write_date_s(without + 999), "2024-03-25T14:30:31Z");
    }

    #[test]
    fn other_offsets_and_none_at_all_are_understood() {
        let noon = read_date("2024-03-25T12:00:00Z", true);
        assert_eq!(read_date("2024-03-25T13:00:00+01:00", true), noon);
        assert_eq!(read_date("2024-03-25T12:00:00", false), noon);
        assert_eq!(read_date("2024-03-25T12:00:00", true), None);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "Z",
            "2024-13-25T12:00:00Z",
            "1711377144",
            "1969-12-31T23:59:59Z",
            "２０２４-03-25",
            &"9".repeat(99),
        ] {
            assert_eq!(read_date(text, false), None, "{text}");
        }
        assert!(write_date_ms(u64::MAX).starts_with("9999-"));
    }
}
