//! What the operating system asks of the process.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The exit code after a second signal: what was under way is cut, as by a kill.
const IMPATIENT: i32 = 130;

/// What the process was asked for.
#[derive(Debug)]
pub struct Signals {
    stop: CancellationToken,
    hangup: Arc<Notify>,
}

/// Listens for signals from now on, so before anything is started: SIGTERM and SIGINT ask to stop, once for "in order"
/// and twice for "at once" (everything that was acknowledged is in the journal). SIGHUP asks to read the configuration again.
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
    let (stop, hangup) = (CancellationToken::new(), Arc::new(Notify::new()));
    tokio::spawn(listen(sources, stop.clone(), Arc::clone(&hangup)));
    Ok(Signals { stop, hangup })
}

impl Signals {
    /// Resolves when the process was asked to stop, even if that was before the call.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Resolves when SIGHUP has come since the last call; several that nobody waited for count once.
    pub async fn hung_up(&self) {
        self.hangup.notified().await;
    }
}

struct Sources {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Sources {
    /// The next wish to stop.
    async fn next(&mut self, hangup: &Notify) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hangup.recv() => hangup.notify_one(),
            }
        }
    }
}

async fn listen(mut sources: Sources, stop: CancellationToken, hangup: Arc<Notify>) {
    let first = sources.next(&hangup).await;
    tracing::info!(signal = first, "asked to stop");
    stop.cancel();
    let second = sources.next(&hangup).await;
    tracing::warn!(signal = second, "asked again: ending at once");
    std::process::exit(IMPATIENT);
}
