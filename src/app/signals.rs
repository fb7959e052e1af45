//! What the operating system asks of the process.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// The exit code after a second signal: what was under way is cut, as by a kill.
const IMPATIENT: i32 = 130;

/// Resolves at the first SIGTERM or SIGINT. From then on a second one ends the process at once: everything that was
/// acknowledged is in the journal.
///
/// # Errors
/// When signals cannot be listened for.
pub async fn stopped() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut next = async move || loop {
        tokio::select! {
            _ = terminate.recv() => return "SIGTERM",
            _ = interrupt.recv() => return "SIGINT",
            _ = hangup.recv() => tracing::warn!("SIGHUP: the configuration is read at the start only"),
        }
    };
    let first = next().await;
    tracing::info!(signal = first, "asked to stop");
    tokio::spawn(async move {
        let second = next().await;
        tracing::warn!(signal = second, "asked again: ending at once");
        std::process::exit(IMPATIENT);
    });
    Ok(())
}
