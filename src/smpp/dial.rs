//! The client: one task holds one bind to an SMSC, for ever.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span, warn};

use super::config::Peer;
use super::driver::{Connection, Exit, Limits};
use super::link::Link;
use super::metrics::Metrics;
use super::outbound::{self, Outbound};
use super::stream::Stream;
use crate::clock::Clock;
use crate::engine::{Engine, Mailbox};
use crate::gateway::backoff::Backoff;
use crate::net::{PeerTls, tls};
use crate::pdu::CommandStatus;
use crate::session::{BindMode, CloseReason};

/// A session that has stood this long has begun well: its end is answered with a short pause again.
const STOOD: Duration = Duration::from_secs(30);

/// Requests of an SMSC that may wait for their answer; beyond it the session is not read.
const WINDOW: usize = 1_000;

/// What all binds to SMSCs share.
#[derive(Debug)]
pub(super) struct Dialer {
    pub(super) metrics: Arc<Metrics>,
    pub(super) engine: Engine,
    pub(super) clock: Arc<Clock>,
    pub(super) drain: Duration,
}

/// How a try ended.
#[derive(Debug)]
enum End {
    /// It was bound, and this is why it is not any more.
    Bound(Option<CloseReason>),
    /// The SMSC refused the bind.
    Refused(CommandStatus),
    /// No bind was answered.
    Failed(io::Error),
}

/// Holds a bind of `mode` to `peer` until `stop`.
pub(super) async fn hold(peer: Arc<Peer>, mode: BindMode, dialer: Arc<Dialer>, stop: CancellationToken) {
    let span = info_span!("session", id = %peer.id, system_id = %peer.system_id, role = "esme");
    hold_in_span(&peer, mode, &dialer, &stop).instrument(span).await;
}

async fn hold_in_span(peer: &Peer, mode: BindMode, dialer: &Arc<Dialer>, stop: &CancellationToken) {
    if peer.tls.as_ref().is_some_and(|tls| tls.insecure) {
        warn!(
            host = peer.host,
            "INSECURE: the certificate of this SMSC is not checked; anybody between us and it can read and forge all messages"
        );
    }
    let seed = seed();
    let mut attempt = 0;
    loop {
        let begun = dialer.clock.instant();
        // Sees to its own end when `stop` says so.
        let end = Box::pin(session(peer, mode, dialer, stop)).await;
        if stop.is_cancelled() {
            return;
        }
        let delay = pause(&end, peer, &mut attempt, seed, stood(begun, dialer));
        match end {
            End::Bound(reason) => {
                let reason = reason.unwrap_or(CloseReason::Lost);
                warn!(%reason, ?delay, "the session with the SMSC is over: binding again");
            }
            End::Refused(status) => {
                dialer.metrics.bind_refused(status.name().unwrap_or("other"));
                warn!(%status, ?delay, "the SMSC refuses the bind: trying again");
            }
            End::Failed(error) => warn!(%error, ?delay, "no session with the SMSC: trying again"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(delay) => {}
        }
    }
}

fn stood(begun: Instant, dialer: &Dialer) -> bool {
    dialer.clock.instant().saturating_duration_since(begun) >= STOOD
}

/// How long to wait before the next try: growing and jittered, short the first time. Refused credentials are not hammered:
/// SMSCs ban for that; nor given up, since they may be put right at the other end.
fn pause(end: &End, peer: &Peer, attempt: &mut u32, seed: u64, stood: bool) -> Duration {
    let backoff = |first: Duration, cap: Duration| Backoff { first_ms: millis(first), cap_ms: millis(cap) };
    if stood && matches!(end, End::Bound(_)) {
        *attempt = 0;
    }
    let backoff = match end {
        // RALYBND is our own ghost as a rule: the SMSC has not seen the end of the last session yet.
        End::Bound(_) | End::Failed(_) | End::Refused(CommandStatus::ESME_RALYBND) => {
            backoff(peer.reconnect_min, peer.reconnect_max)
        }
        End::Refused(
            CommandStatus::ESME_RINVPASWD
            | CommandStatus::ESME_RINVSYSID
            | CommandStatus::ESME_RBINDFAIL
            | CommandStatus::ESME_RINVSYSTYP,
        ) => backoff(peer.refused_min, peer.refused_min.saturating_mul(10)),
        End::Refused(_) => backoff(peer.reconnect_min, peer.reconnect_max),
    };
    let delay = backoff.delay_ms(*attempt, seed);
    *attempt = attempt.saturating_add(1);
    Duration::from_millis(delay)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn seed() -> u64 {
    let mut octets = [0; 8];
    // Without chance all sessions come back at the same times: a pity, no more.
    let _ = rand::fill(&mut octets);
    u64::from_le_bytes(octets)
}

/// One try: connects, binds, and runs the session to its end.
async fn session(peer: &Peer, mode: BindMode, dialer: &Arc<Dialer>, stop: &CancellationToken) -> End {
    let Some(upstream) = dialer.engine.upstream(&peer.id) else {
        return End::Failed(io::Error::other("the engine does not know the upstream"));
    };
    let connected = tokio::select! {
        () = stop.cancelled() => return End::Failed(io::Error::other("stopping")),
        connected = tokio::time::timeout(peer.connect, connect(peer, dialer)) => connected,
    };
    let stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return End::Failed(error),
        Err(_) => return End::Failed(io::ErrorKind::TimedOut.into()),
    };
    let session = outbound::session(peer, dialer.clock.instant());
    let side = Outbound::new(Arc::clone(&dialer.metrics), upstream, mode, peer);
    let limits = Limits {
        pdu_octets_max: peer.pdu_octets_max,
        window: WINDOW,
        write_stall: peer.write_stall,
        drain: dialer.drain,
    };
    let mut connection =
        Connection::new(stream, session, side, dialer.engine.clone(), Arc::clone(&dialer.clock), &limits);
    let desk = connection.desk();
    if let Err(error) = desk.session.bind(mode, &outbound::bind(peer), desk.now, desk.out) {
        return End::Failed(io::Error::other(error));
    }
    let mut exit = connection.drive(&Mailbox::default(), stop).await;
    if exit == Exit::Bound {
        let link = Link::open(&dialer.engine);
        connection.side.open(link.id);
        while exit == Exit::Bound {
            exit = connection.drive(&link.mailbox, stop).await;
        }
        connection.settle().await;
    }
    let reason = connection.session.close_reason();
    if let Some(reason) = reason {
        dialer.metrics.closed(reason);
        info!(%reason, "closed");
    }
    let end = match (connection.side.was_bound(), connection.side.refused()) {
        (true, _) => End::Bound(reason),
        (false, Some(status)) => End::Refused(status),
        (false, None) => End::Failed(io::Error::other(
            reason.map_or_else(|| "not bound".to_owned(), |reason| reason.to_string()),
        )),
    };
    connection.close().await;
    end
}

async fn connect(peer: &Peer, dialer: &Dialer) -> io::Result<Stream> {
    let stream = TcpStream::connect((peer.host.as_str(), peer.port)).await?;
    stream.set_nodelay(true)?;
    match &peer.tls {
        None => Ok(Stream::Plain(stream)),
        Some(tls) => {
            let secured = secure(stream, peer, tls).await;
            if secured.is_err() {
                dialer.metrics.tls_failures.increment(1);
            }
            secured
        }
    }
}

async fn secure(stream: TcpStream, peer: &Peer, tls: &PeerTls) -> io::Result<Stream> {
    // Read anew each time: a certificate that was replaced is believed without a restart.
    let config = tls::client_config(tls).map_err(io::Error::other)?;
    let name = tls.server_name.as_ref().unwrap_or(&peer.host).clone();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    Ok(Stream::Tls(Box::new(stream.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(peer: &Peer, ends: &[(End, bool)]) -> Vec<Duration> {
        let mut attempt = 0;
        ends.iter().map(|(end, stood)| pause(end, peer, &mut attempt, 7, *stood)).collect()
    }

    #[test]
    fn the_first_pause_is_short_and_they_grow_to_the_longest() {
        let peer = Peer::new("smsc", "localhost", 2775);
        let ends: Vec<_> = (0..20).map(|_| (End::Refused(CommandStatus::ESME_RALYBND), false)).collect();
        let delays = delays(&peer, &ends);
        assert!(delays.first().is_some_and(|first| *first <= peer.reconnect_min), "{delays:?}");
        assert!(
            delays.last().is_some_and(|last| *last >= peer.reconnect_max / 2 && *last <= peer.reconnect_max)
        );
    }

    #[test]
    fn a_wrong_password_is_not_hammered_and_not_given_up() {
        let peer = Peer::new("smsc", "localhost", 2775);
        for status in
            [CommandStatus::ESME_RINVPASWD, CommandStatus::ESME_RINVSYSID, CommandStatus::ESME_RBINDFAIL]
        {
            let ends: Vec<_> = (0..20).map(|_| (End::Refused(status), false)).collect();
            let delays = delays(&peer, &ends);
            assert!(delays.iter().all(|delay| *delay >= peer.refused_min / 2), "{delays:?}");
            assert!(delays.iter().all(|delay| *delay <= peer.refused_min * 10), "{delays:?}");
        }
    }

    #[test]
    fn a_session_that_stood_is_bound_again_at_once_and_one_that_did_not_is_not() {
        let peer = Peer::new("smsc", "localhost", 2775);
        let bound = || End::Bound(Some(CloseReason::PeerUnbound));
        let stood = delays(&peer, &[(bound(), true), (bound(), true), (bound(), true)]);
        assert!(stood.iter().all(|delay| *delay <= peer.reconnect_min), "{stood:?}");
        let flapping: Vec<_> = (0..12).map(|_| (bound(), false)).collect();
        assert!(delays(&peer, &flapping).last().is_some_and(|last| *last >= peer.reconnect_max / 2));
    }
}
