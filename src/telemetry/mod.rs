//! What the process tells about itself: the log on standard error, and metrics for Prometheus.
//!
//! Nothing is decided here. Numbers, texts and passwords are masked by their own types, wherever they are printed.

mod process;

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// How the log is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The form of a line.
    pub format: Format,
    /// What is written: `error`, `warn`, `info`, `debug`, `trace`, or directives as `info,trunkline::smpp=debug`.
    pub level: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { format: Format::Text, level: "info".into() }
    }
}

/// The form of a line of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The metrics of this process.
#[derive(Clone, Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// All metrics in the text format of Prometheus.
    pub fn render(&self) -> String {
        process::measure();
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// Tidies histograms up; called now and then, so that a process that nobody asks does not grow.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }
}

/// Whether `level` can be used as [`Config::level`]; returns it.
///
/// # Errors
/// A phrase that says what is wrong with it.
pub fn check_level(level: &str) -> Result<String, String> {
    let is_written = |part: &str| !part.trim().is_empty();
    if !level.split(',').all(is_written) {
        return Err(format!("\"{level}\" is not a log level"));
    }
    // A lone word that is no level would be taken for the name of a module.
    let first_word = level.split(',').find(|part| !part.contains('=')).unwrap_or("info").trim();
    if first_word.parse::<tracing::Level>().is_err() && first_word != "off" && !first_word.contains("::") {
        return Err(format!("\"{first_word}\" is not a log level"));
    }
    match EnvFilter::try_new(level) {
        Ok(_) => Ok(level.to_owned()),
        Err(_) => Err(format!("\"{level}\" is not a log level")),
    }
}

/// Sends the log to standard error from now on. A second call changes nothing.
pub fn install_log(config: &Config) {
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only a process that has installed one already (a test) gets an error, and keeps that one.
    let _ = match config.format {
        Format::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            builder.with_ansi(colours).with_target(false).try_init()
        }
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// The metrics of this process; the first call starts recording.
pub fn metrics() -> Metrics {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let handle = HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Only a process that records elsewhere already (a test) gets an error, and renders nothing.
        let _ = metrics::set_global_recorder(recorder);
        process::describe();
        handle
    });
    Metrics { handle: handle.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked_before_they_are_used() {
        for level in ["info", "warn", "trace", "off", "info,trunkline::smpp=debug", "trunkline::engine=trace"]
        {
            assert_eq!(check_level(level), Ok(level.to_owned()));
        }
        for bad in ["", "loud", "info,,debug", "trunkline=verbose"] {
            assert!(check_level(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_process_tells_its_own_size() {
        let rendered = metrics().render();
        for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
            assert!(rendered.contains(name), "{name} in {rendered}");
        }
    }
}
