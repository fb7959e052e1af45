//! A simulated SMSC on a TLS socket: answers, receipts, replies to what it gets.
//!
//! It accepts any bind with its credentials, gives each `submit_sm` an id, sends a receipt where one is asked for, and
//! lets the "mobile" write back: each text is answered with an MO "You wrote: …", and a text that begins with `long`
//! with one in three parts. Numbers with certain last digits fail in their own ways, see [`Conduct`]:
//!
//! | number ends in | what happens |
//! |---|---|
//! | `01` | receipt `UNDELIV`, error 11 |
//! | `02` | receipt `EXPIRED` |
//! | `03` | never a receipt |
//! | `04` | `ESME_RTHROTTLED` once, then accepted |
//! | `05` | `ESME_RMSGQFUL` twice, then accepted |
//! | `06` | refused for good with `ESME_RINVDSTADR` |
//! | `07` | receipt `ENROUTE`, then `DELIVRD` |
//! | `08` | the receipt comes twice |
//! | `09` | receipt `REJECTD` |
//!
//! What waits (receipts and replies not yet due, or with no receiver bound) is bounded by
//! [`Config::waiting_max`]; beyond it `submit_sm` gets `ESME_RMSGQFUL`.

mod conduct;
mod post;
mod reply;
mod session;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::conduct::Conduct;
use self::post::PostOffice;
use crate::clock::Clock;

/// How the simulated SMSC behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Its certificate. `None`: plain TCP, for tests.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The only system_id that may bind.
    pub system_id: String,
    /// Its password.
    pub password: String,
    /// From `submit_sm` to the receipt.
    pub receipt_delay: Duration,
    /// From `submit_sm` to the reply. `None`: mobiles do not write back.
    pub reply_delay: Option<Duration>,
    /// `deliver_sm` unanswered at once, per session.
    pub window: usize,
    /// Receipts and replies that may wait at once.
    pub waiting_max: usize,
    /// Sessions at once; more are closed as they come.
    pub sessions_max: usize,
}

impl Config {
    /// A loopback socket on a free port, receipts after half a second, replies after one.
    pub fn loopback(system_id: &str, password: &str) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            system_id: system_id.to_owned(),
            password: password.to_owned(),
            receipt_delay: Duration::from_millis(500),
            reply_delay: Some(Duration::from_secs(1)),
            window: 100,
            waiting_max: 100_000,
            sessions_max: 64,
        }
    }
}

/// A simulated SMSC that listens. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    /// Closes all sessions; what it still owed is gone. Resolves when nothing of it is left.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Starts a simulated SMSC.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn start(config: Config, clock: Arc<Clock>) -> io::Result<Running> {
    let listener = TcpListener::bind(config.listen).await?;
    let addr = listener.local_addr()?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    // Ids of another start do not come again: there are 2^20 for each millisecond that passed.
    let next_id = AtomicU64::new(clock.utc_ms() << 20);
    let post = PostOffice::new(config.waiting_max);
    let smsc = Arc::new(Smsc { config, clock, post, next_id });
    tasks.spawn(post::run(smsc.clone(), stop.clone()));
    tasks.spawn(accept(smsc, listener, stop.clone(), tasks.clone()));
    tasks.close();
    Ok(Running { addr, stop, tasks })
}

/// What all sessions share.
#[derive(Debug)]
struct Smsc {
    config: Config,
    clock: Arc<Clock>,
    post: PostOffice,
    next_id: AtomicU64,
}

async fn accept(smsc: Arc<Smsc>, listener: TcpListener, stop: CancellationToken, tasks: TaskTracker) {
    let acceptor = smsc.config.tls.clone().map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(smsc.config.sessions_max));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(place) = room.clone().try_acquire_owned() else { continue };
        let (smsc, stop, acceptor) = (smsc.clone(), stop.clone(), acceptor.clone());
        tasks.spawn(async move {
            let _place = place;
            tokio::select! {
                () = stop.cancelled() => {}
                ended = serve(&smsc, acceptor, socket) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "the simulated SMSC lost a session");
                    }
                }
            }
        });
    }
}

async fn serve(smsc: &Arc<Smsc>, acceptor: Option<TlsAcceptor>, socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    match acceptor {
        None => session::run(smsc, socket).await,
        Some(acceptor) => {
            let handshake = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(socket));
            session::run(smsc, handshake.await.map_err(|_| io::ErrorKind::TimedOut)??).await
        }
    }
}

/// After an accept that failed (no descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// For a TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
