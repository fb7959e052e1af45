//! What the operating system asks of the process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code after a second signal: what was under way is cut, as by a kill.
const IMPATIENT: i32 = 130;

/// Whether the process was asked to stop.
#[derive(Debug)]
pub struct Signals {
    stop: CancellationToken,
}

/// Listens for signals from now on, so before anything is started: SIGTERM and SIGINT ask to stop, once for "in order"
/// and twice for "at once" (everything that was acknowledged is in the journal). SIGHUP only gets a line in the log.
///
/// To be called inside a runtime.
///
/// # Errors
/// When signals cannot be listened for.
pub fn signals() -> io::Result<Signals> {
    let sources = Sources {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hangup: signal(SignalKind::hangup())?,
    };
    let stop = CancellationToken::new();
    tokio::spawn(listen(sources, stop.clone()));
    Ok(Signals { stop })
}

impl Signals {
    /// Resolves when the process was asked to stop, even if that was before the call.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

struct Sources {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Sources {
    /// The next wish to stop.
    async fn next(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => tracing::warn!("SIGHUP: the configuration is read at the start only"),
            }
        }
    }
}

async fn listen(mut sources: Sources, stop: CancellationToken) {
    let first = sources.next().await;
    tracing::info!(signal = first, "asked to stop");
    stop.cancel();
    let second = sources.next().await;
    tracing::warn!(signal = second, "asked again: ending at once");
    std::process::exit(IMPATIENT);
}
