//! The server: listeners, and a task per connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info, info_span, warn};

use super::access::{Seat, UnboundSeat};
use super::config::Listener;
use super::driver::{Connection, Exit, Limits};
use super::inbound::{self, Inbound, Server};
use super::link::Link;
use super::metrics;
use super::stream::Stream;
use crate::engine::Mailbox;
use crate::gateway::settings::Profile;

/// After an accept that failed (no file descriptors, as a rule) nobody is served by trying at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener that stands: connections are queued by the system, and taken by [`serve`].
pub(super) struct Standing {
    listener: TcpListener,
    settings: Listener,
    pub(super) address: SocketAddr,
}

impl Standing {
    pub(super) async fn bind(settings: &Listener) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, settings: settings.clone(), address })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.settings.tls.is_some()
    }
}

/// Takes connections until `stop`.
pub(super) async fn serve(
    standing: Standing,
    server: Arc<Server>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let Standing { listener, settings, address } = standing;
    info!(%address, tls = settings.tls.is_some(), "SMPP is listening");
    loop {
        let (stream, from) = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let seats = match server.connections.take(from.ip()) {
            Ok(seats) => seats,
            Err(reason) => {
                metrics::connection_refused(reason);
                debug!(%from, reason, "a connection too many");
                continue;
            }
        };
        let span = info_span!("session", id = %from, system_id = tracing::field::Empty, role = "smsc");
        let session = handle(
            stream,
            from,
            // What is shown may have been replaced since the last one.
            settings.tls.as_ref().map(|tls| TlsAcceptor::from(tls.current())),
            settings.profile,
            seats,
            Arc::clone(&server),
            stop.clone(),
        );
        tasks.spawn(Box::pin(session).instrument(span));
    }
}

async fn handle(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    profile: Profile,
    (_seat, unbound): (Seat, UnboundSeat),
    server: Arc<Server>,
    stop: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "the connection is gone at once");
        return;
    }
    let stream = match acceptor {
        None => Stream::Plain(stream),
        Some(acceptor) => {
            let handshake = tokio::time::timeout(server.config.tls_handshake, acceptor.accept(stream));
            let result = tokio::select! {
                () = stop.cancelled() => return,
                result = handshake => result,
            };
            match result {
                Ok(Ok(stream)) => Stream::Tls(Box::new(stream.into())),
                Ok(Err(error)) => {
                    server.metrics.tls_failures.increment(1);
                    debug!(%error, "TLS handshake failed");
                    return;
                }
                Err(_) => {
                    server.metrics.tls_failures.increment(1);
                    debug!("TLS handshake took too long");
                    return;
                }
            }
        }
    };
    run(stream, from, profile, unbound, &server, &stop).await;
}

async fn run(
    stream: Stream,
    from: SocketAddr,
    profile: Profile,
    unbound: UnboundSeat,
    server: &Arc<Server>,
    stop: &CancellationToken,
) {
    let config = &server.config;
    let session = inbound::session(config, profile, server.clock.instant());
    let side = Inbound::new(Arc::clone(server), from, profile, unbound);
    let limits = Limits {
        pdu_octets_max: config.pdu_octets_max,
        window: config.window,
        write_stall: config.write_stall,
        drain: config.drain,
    };
    let mut connection =
        Connection::new(stream, session, side, server.engine.clone(), Arc::clone(&server.clock), &limits);
    let mut exit = connection.drive(&Mailbox::default(), stop).await;
    let account = connection.side.entry().cloned();
    if let (Exit::Bound, Some(account)) = (exit, account) {
        let link = Link::open(&server.engine);
        connection.side.open(link.id);
        while exit == Exit::Bound {
            exit = connection.drive(&link.mailbox, account.stop()).await;
        }
        connection.settle().await;
    }
    if let Some(reason) = connection.session.close_reason() {
        server.metrics.closed(reason);
        info!(%reason, "closed");
    }
    connection.close().await;
}
