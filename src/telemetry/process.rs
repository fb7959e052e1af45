//! Figures of this process, read from `/proc`. Elsewhere they are left out.

use std::fs;

const CPU_SECONDS: &str = "process_cpu_seconds_total";
const RESIDENT: &str = "process_resident_memory_bytes";
const RESIDENT_ANON: &str = "process_resident_anon_bytes";
const OPEN_FDS: &str = "process_open_fds";
const THREADS: &str = "process_threads";

/// The kernel tells CPU time in these, on every architecture that it tells it to user space (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn describe() {
    metrics::describe_gauge!(CPU_SECONDS, metrics::Unit::Seconds, "CPU time of the process, user and system");
    metrics::describe_gauge!(RESIDENT, metrics::Unit::Bytes, "Memory in RAM");
    metrics::describe_gauge!(RESIDENT_ANON, metrics::Unit::Bytes, "Memory in RAM that is not of files");
    metrics::describe_gauge!(OPEN_FDS, "Open files and sockets");
    metrics::describe_gauge!(THREADS, "Threads");
}

/// Brings the gauges up to date.
pub(super) fn measure() {
    if let Some(ticks) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_ticks) {
        metrics::gauge!(CPU_SECONDS).set(f64::from(ticks) / TICKS_PER_SECOND);
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        for (name, field, unit) in
            [(RESIDENT, "VmRSS:", 1024.0), (RESIDENT_ANON, "RssAnon:", 1024.0), (THREADS, "Threads:", 1.0)]
        {
            if let Some(value) = status_field(&status, field) {
                metrics::gauge!(name).set(f64::from(value) * unit);
            }
        }
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        let open = u32::try_from(entries.count()).unwrap_or(u32::MAX);
        // The directory that is being read is one of them.
        metrics::gauge!(OPEN_FDS).set(f64::from(open.saturating_sub(1)));
    }
}

/// Fields 14 and 15 of `/proc/self/stat`, counted after the name, which may hold blanks and brackets.
fn cpu_ticks(stat: &str) -> Option<u32> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user.saturating_add(system))
}

fn status_field(status: &str, field: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 5 0 100";
        assert_eq!(cpu_ticks(stat), Some(200));
        assert_eq!(cpu_ticks("42 (a) S 1"), None);
    }

    #[test]
    fn fields_of_status_are_numbers_with_a_unit() {
        assert_eq!(status_field("Name:\tx\nVmRSS:\t  1234 kB\n", "VmRSS:"), Some(1234));
        assert_eq!(status_field("Name:\tx\n", "VmRSS:"), None);
    }
}
