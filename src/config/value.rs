//! The forms that single values are written in: durations, sizes, addresses, dates, names from a list.

use std::net::SocketAddr;
use std::time::Duration;

use super::problem::Flaw;
use crate::pdu::CommandStatus;

/// Reads a duration such as `"500ms"`, `"30s"`, `"10m"`, `"48h"`, `"7d"`.
pub(crate) fn duration(text: &str) -> Result<Duration, Flaw> {
    let flaw = || {
        Flaw::new(
            format!("\"{text}\" is not a duration"),
            "write a number and ms, s, m, h or d, as in \"30s\" or \"48h\"",
        )
    };
    let (number, unit) = number_and_unit(text).ok_or_else(flaw)?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(flaw()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(flaw)
}

/// Writes a duration as [`duration`] reads it, in the largest unit that needs no fraction.
pub(crate) fn write_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit_ms, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if ms >= unit_ms && ms.is_multiple_of(unit_ms) {
            return format!("{}{unit}", ms / unit_ms);
        }
    }
    format!("{ms}ms")
}

/// Reads a size in octets such as `"512MiB"`; the units are B, KiB, MiB, GiB.
pub(crate) fn size(text: &str) -> Result<u64, Flaw> {
    let flaw = || {
        Flaw::new(
            format!("\"{text}\" is not a size"),
            "write a number and B, KiB, MiB or GiB, as in \"512MiB\"",
        )
    };
    let (number, unit) = number_and_unit(text).ok_or_else(flaw)?;
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(flaw()),
    };
    number.checked_mul(1 << shift).ok_or_else(flaw)
}

/// Writes a size as [`size`] reads it.
pub(crate) fn write_size(octets: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if octets >> shift > 0 && octets.is_multiple_of(1 << shift) {
            return format!("{}{unit}", octets >> shift);
        }
    }
    format!("{octets}B")
}

/// Reads an address to listen on: `"127.0.0.1:5772"`, `"[::1]:5772"`, or `":5772"` for every IPv4 address.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, Flaw> {
    let whole = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let whole = whole.strip_prefix("localhost:").map_or(whole.clone(), |port| format!("127.0.0.1:{port}"));
    whole.parse().map_err(|_| {
        let remedy =
            "write an IP address and a port, as in \"127.0.0.1:8081\" or \":5772\" (port 0 picks a free one)";
        Flaw::new(format!("\"{text}\" is not an address to listen on"), remedy)
    })
}

/// Reads a status by its printed name or its number in hexadecimal: `ESME_RTHROTTLED`, `0x58`.
pub(crate) fn status(text: &str) -> Result<CommandStatus, Flaw> {
    let number = text.strip_prefix("0x").and_then(|hex| u32::from_str_radix(hex, 16).ok()).map(CommandStatus);
    number.or_else(|| CommandStatus::from_name(text)).ok_or_else(|| {
        let near = nearest(text, CommandStatus::ALL.iter().filter_map(|status| status.name()));
        let remedy = match near {
            Some(near) => format!("did you mean {near}? A number is written as in 0x58"),
            None => "write a name of SMPP 3.4 table 5-2, as ESME_RTHROTTLED, or a number, as 0x58".to_owned(),
        };
        Flaw::new(format!("{text} is not a command_status"), remedy)
    })
}

/// Finds `text` among named values.
pub(crate) fn choice<T: Copy>(text: &str, names: &[(&str, T)]) -> Result<T, Flaw> {
    names.iter().find(|(name, _)| *name == text).map(|&(_, value)| value).ok_or_else(|| {
        let list: Vec<_> = names.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        Flaw::new(format!("\"{text}\" is not one of the values"), format!("write {}", list.join(" or ")))
    })
}

/// The name most like `wrong`, if one is like it at all.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_ascii_lowercase();
    names
        .map(|name| (distance(&wrong, &name.to_ascii_lowercase()), name))
        .filter(|&(steps, name)| steps * 5 <= wrong.len().max(name.len()) * 2)
        .min()
        .map(|(_, name)| name)
}

/// Insertions, deletions, replacements and swaps of neighbours that make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    // Three rows of the usual table: the one before last is needed for swaps.
    let mut older = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut steps = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                steps = steps.min(older[j - 1] + 1);
            }
            row.push(steps);
        }
        older = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_in_one_form() {
        for text in ["500ms", "30s", "10m", "48h", "7d", "0ms", "1500ms", "90s"] {
            let read = duration(text).expect(text);
            let written = write_duration(read);
            assert_eq!(duration(&written), Ok(read), "{text} as {written}");
        }
        assert_eq!(write_duration(Duration::from_secs(48 * 3_600)), "2d");
        for bad in
            ["", "30", "s", "30 parsecs", "-1s", "1.5s", "99999999999999999999s", "18446744073709551615d"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_and_written_in_one_form() {
        for (text, octets) in [("512MiB", 512 << 20), ("1GiB", 1 << 30), ("17B", 17), ("64 KiB", 64 << 10)] {
            assert_eq!(size(text), Ok(octets), "{text}");
            assert_eq!(size(&write_size(octets)), Ok(octets), "{text}");
        }
        for bad in ["", "512", "512MB", "MiB", "99999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_may_leave_the_host_out() {
        assert_eq!(listen_address(":5772").map(|a| a.to_string()), Ok("0.0.0.0:5772".into()));
        assert_eq!(listen_address("localhost:0").map(|a| a.to_string()), Ok("127.0.0.1:0".into()));
        assert_eq!(listen_address("[::1]:80").map(|a| a.to_string()), Ok("[::1]:80".into()));
        for bad in ["", "5772", "127.0.0.1", "127.0.0.1:99999", "example.org:1"] {
            assert!(listen_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn statuses_have_names_and_numbers() {
        assert_eq!(status("ESME_RTHROTTLED"), Ok(CommandStatus::ESME_RTHROTTLED));
        assert_eq!(status("0x14"), Ok(CommandStatus::ESME_RMSGQFUL));
        assert_eq!(status("0x0401"), Ok(CommandStatus(0x401)));
        let flaw = status("ESME_RTHROTLED").expect_err("it is misspelled");
        assert!(flaw.remedy.contains("ESME_RTHROTTLED"), "{flaw:?}");
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let keys = ["password_file", "password_env", "rate", "waiting_max"];
        for (wrong, right) in [
            ("pasword_file", "password_file"),
            ("waitng_max", "waiting_max"),
            ("rtae", "rate"),
            ("Rate", "rate"),
        ] {
            assert_eq!(nearest(wrong, keys.into_iter()), Some(right), "{wrong}");
        }
        assert_eq!(nearest("zebra", keys.into_iter()), None);
    }
}
