//! A listener that patience runs out for: bounded connections, plain or TLS, each cut when nothing moves on it for too
//! long.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;
use tracing::{debug, info, warn};

use super::problem::Problem;
use crate::net::tls::ServerTls;
use crate::net::{AllowFrom, Gate};

/// What one listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once; more wait to be accepted.
    pub connections_max: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// A connection on which no octet moves for this long is closed, as is one whose next request's head is not whole
    /// after it.
    pub idle: Duration,
    /// A request that is not answered after this long gets 503. What is streamed after the answer's head has no limit.
    pub request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            request: Duration::from_secs(20),
        }
    }
}

/// Where and how the façade listens.
#[derive(Clone, Debug)]
pub struct Config {
    /// Port 0 picks one.
    pub listen: SocketAddr,
    /// `None`: plain. What it shows can be replaced while it is listened on.
    pub tls: Option<Arc<ServerTls>>,
    /// Addresses that may connect at all. `None`: all.
    pub allow_from: Option<AllowFrom>,
    /// What it allows.
    pub limits: Limits,
}

/// A listener that is bound and not served yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    /// Where it listens.
    pub addr: SocketAddr,
    name: &'static str,
    tls: Option<Arc<ServerTls>>,
    gate: Arc<Gate>,
}

/// Binds `addr`; port 0 takes a free one. Plain, and open to every address.
///
/// # Errors
/// When the address is taken or is not ours.
pub async fn bind(addr: SocketAddr) -> io::Result<Server> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Connections inherit it.
    socket.set_send_buffer_size(SEND_OCTETS)?;
    socket.bind(addr)?;
    let listener = socket.listen(BACKLOG)?;
    let addr = listener.local_addr()?;
    Ok(Server { listener, addr, name: "http", tls: None, gate: Arc::default() })
}

/// Describes the listeners' metrics, once, before any of them is served.
pub fn describe() {
    describe_gauge!(CONNECTIONS, "Connections open, by listener.");
    describe_counter!(
        REFUSED,
        "Connections that were closed at once, by listener; reason: address (not in allow_from)."
    );
    describe_counter!(TLS_FAILURES, "TLS handshakes that failed or took too long, by listener.");
}

impl Server {
    /// What its metrics and log lines call it.
    #[must_use]
    pub fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// Speaks TLS if there is any.
    #[must_use]
    pub fn over(self, tls: Option<Arc<ServerTls>>) -> Self {
        Self { tls, ..self }
    }

    /// Closes connections from addresses that `gate` does not let in.
    #[must_use]
    pub fn behind(self, gate: Arc<Gate>) -> Self {
        Self { gate, ..self }
    }

    /// Serves `router` until `stop`; then answers what was begun, and returns. Each request carries
    /// [`ConnectInfo<SocketAddr>`], the address it came from.
    pub async fn serve(self, router: Router, limits: Limits, stop: CancellationToken) {
        let router = router.layer(middleware::from_fn(move |request: Request, next: Next| {
            within(limits.request, request, next)
        }));
        info!(listener = self.name, addr = %self.addr, tls = self.tls.is_some(), "HTTP is listening");
        let room = Arc::new(Semaphore::new(limits.connections_max));
        let tasks = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept(&room) => accepted,
            };
            let Some((stream, peer, place)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if !self.gate.lets(peer.ip()) {
                counter!(REFUSED, "listener" => self.name, "reason" => "address").increment(1);
                debug!(%peer, listener = self.name, "not from there");
                continue;
            }
            let open = Open::new(self.name, place);
            // What is shown may have been replaced since the last one.
            let acceptor = self.tls.as_ref().map(|tls| TlsAcceptor::from(tls.current()));
            let (router, stop) = (router.clone(), stop.clone());
            tasks.spawn(async move { connection(stream, peer, acceptor, router, limits, stop, open).await });
        }
        tasks.close();
        tasks.wait().await;
    }

    /// The next connection, once there is room for it; `None` when it was lost or there are no descriptors.
    async fn accept(&self, room: &Arc<Semaphore>) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let place = Arc::clone(room).acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, peer)) => Some((stream, peer, place)),
            Err(error) => {
                warn!(%error, listener = self.name, "a connection could not be accepted");
                None
            }
        }
    }
}

/// An open connection, counted as long as it lives.
struct Open {
    name: &'static str,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn new(name: &'static str, place: OwnedSemaphorePermit) -> Self {
        gauge!(CONNECTIONS, "listener" => name).increment(1.0);
        Self { name, _place: place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(CONNECTIONS, "listener" => self.name).decrement(1.0);
    }
}

/// One connection, to its end.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
    open: Open,
) {
    let _ = stream.set_nodelay(true);
    let stream = Watched::new(stream, limits.idle);
    let Some(acceptor) = acceptor else { return answer(stream, peer, router, limits, &stop).await };
    let shaken = tokio::select! {
        () = stop.cancelled() => return,
        shaken = tokio::time::timeout(limits.handshake, acceptor.accept(stream)) => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => answer(stream, peer, router, limits, &stop).await,
        Ok(Err(error)) => {
            counter!(TLS_FAILURES, "listener" => open.name).increment(1);
            debug!(%peer, %error, "TLS handshake failed");
        }
        Err(_) => {
            counter!(TLS_FAILURES, "listener" => open.name).increment(1);
            debug!(%peer, "TLS handshake took too long");
        }
    }
}

/// Answers the requests of one connection; after `stop` only the one that is under way.
async fn answer<S>(stream: S, peer: SocketAddr, router: Router, limits: Limits, stop: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        // A router is always ready.
        router.clone().call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.idle);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "the connection ended");
    }
}

async fn within(limit: Duration, request: Request, next: Next) -> Result<Response, Problem> {
    tokio::time::timeout(limit, next.run(request))
        .await
        .map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the answer took too long"))
}

/// A connection that fails when nothing has moved for too long.
struct Watched {
    stream: TcpStream,
    asleep: Pin<Box<Sleep>>,
    /// When it is too long, unless something moves; the alarm above may be set for earlier.
    until: Instant,
    idle: Duration,
}

impl Watched {
    fn new(stream: TcpStream, idle: Duration) -> Self {
        let asleep = Box::pin(tokio::time::sleep(idle));
        let until = asleep.deadline();
        Self { stream, asleep, until, idle }
    }

    /// Passes on what moved, and fails what has not moved in time.
    fn watch<T>(&mut self, cx: &mut Context<'_>, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if moved.is_ready() {
            // Setting the alarm anew each time would cost more than looking again when it rings.
            self.until = tokio::time::sleep(self.idle).deadline();
            return moved;
        }
        loop {
            ready!(self.asleep.as_mut().poll(cx));
            if self.until <= self.asleep.deadline() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.asleep.as_mut().reset(self.until);
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_read(cx, into);
        self.watch(cx, moved)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(cx, octets);
        self.watch(cx, moved)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, moved)
    }
}

/// What the system keeps of an answer that a peer has not taken, before it counts its own; it doubles it. Left alone it keeps
/// megabytes for each of ten thousand readers that stand still.
const SEND_OCTETS: u32 = 32 << 10;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Rest after a failed accept: the usual reason is that there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const CONNECTIONS: &str = "trunkline_http_connections";
const REFUSED: &str = "trunkline_http_connections_refused_total";
const TLS_FAILURES: &str = "trunkline_http_tls_failures_total";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls::{Identity, Inside};
    use axum::routing::get;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsConnector;

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
    const HELLO: &str = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    async fn bound() -> Server {
        bind(LOOPBACK).await.expect("loopback has free ports")
    }

    /// Serves; where, how to stop it, and its end.
    fn serve(server: Server, limits: Limits) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let stop = CancellationToken::new();
        let addr = server.addr;
        let never = || async { std::future::pending::<&'static str>().await };
        let from = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/never", get(never))
            .route("/from", get(from));
        (addr, stop.clone(), tokio::spawn(server.serve(router, limits, stop)))
    }

    async fn start(limits: Limits) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        serve(bound().await, limits)
    }

    /// All that comes back for `request` until the server closes.
    async fn ask_over(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
        let mut answer = String::new();
        // A reset after the answer is as good an end as any.
        if stream.write_all(request.as_bytes()).await.is_ok() {
            let _ = stream.read_to_string(&mut answer).await;
        }
        answer
    }

    async fn ask(addr: SocketAddr, request: &str) -> String {
        ask_over(TcpStream::connect(addr).await.expect("it listens"), request).await
    }

    /// What a client that trusts `server` gets for [`HELLO`], with a certificate of its own or without.
    async fn ask_in_tls(addr: SocketAddr, server: &Identity, own: Option<&Identity>) -> String {
        let certificate =
            |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).expect("a PEM certificate");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate(&server.certificate_pem)).expect("a certificate");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("it has them")
            .with_root_certificates(roots);
        let client = match own {
            None => client.with_no_client_auth(),
            Some(own) => client
                .with_client_auth_cert(
                    vec![certificate(&own.certificate_pem)],
                    PrivateKeyDer::from_pem_slice(own.key_pem.as_bytes()).expect("a PEM key"),
                )
                .expect("they belong together"),
        };
        let stream = TcpStream::connect(addr).await.expect("it listens");
        let name = ServerName::try_from("localhost").expect("a name");
        match TlsConnector::from(Arc::new(client)).connect(name, stream).await {
            Ok(stream) => ask_over(stream, HELLO).await,
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn answers_and_stops() {
        let (addr, stop, served) = start(Limits::default()).await;
        let answer = ask(addr, HELLO).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
        let answer = ask(addr, &HELLO.replace(" / ", " /from ")).await;
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
        stop.cancel();
        served.await.expect("it ends");
    }

    #[tokio::test]
    async fn cuts_a_peer_that_does_not_finish_its_request() {
        let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
        let (addr, ..) = start(limits).await;
        let answer = ask(addr, "GET / HTTP/1.1\r\nHost:").await;
        assert!(!answer.contains("hello"), "{answer}");
    }

    #[tokio::test]
    async fn cuts_a_peer_that_writes_its_request_an_octet_at_a_time() {
        let limits = Limits { idle: Duration::from_millis(200), ..Limits::default() };
        let (addr, ..) = start(limits).await;
        let mut stream = TcpStream::connect(addr).await.expect("it listens");
        let mut written = 0;
        for octet in HELLO.bytes().chain(std::iter::repeat(b'x')).take(200) {
            if stream.write_all(&[octet]).await.is_err() {
                break;
            }
            written += 1;
            // Never silent for as long as the limit.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(written < HELLO.len(), "{written} octets were taken");
    }

    #[tokio::test]
    async fn gives_up_an_answer_that_does_not_come() {
        let limits = Limits { request: Duration::from_millis(50), ..Limits::default() };
        let (addr, ..) = start(limits).await;
        let answer = ask(addr, &HELLO.replace(" / ", " /never ")).await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
    }

    #[tokio::test]
    async fn a_connection_too_many_waits_for_one_to_end() {
        let limits = Limits { connections_max: 1, ..Limits::default() };
        let (addr, ..) = start(limits).await;
        let first = TcpStream::connect(addr).await.expect("it listens");
        let second = tokio::spawn(async move { ask(addr, HELLO).await });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        assert!(second.await.expect("it is answered").ends_with("hello"));
    }

    #[tokio::test]
    async fn an_address_that_is_not_let_in_gets_nothing() {
        let gate = Arc::new(Gate::new(Some(AllowFrom::new(|_| false))));
        let (addr, ..) = serve(bound().await.behind(Arc::clone(&gate)), Limits::default());
        assert_eq!(ask(addr, HELLO).await, "");
        gate.replace(None);
        assert!(ask(addr, HELLO).await.ends_with("hello"), "the list was replaced");
    }

    #[tokio::test]
    async fn tls_is_spoken_and_a_replaced_certificate_is_seen_by_the_next_handshake() {
        let identity = || Identity::self_signed(&["localhost"]).expect("a good name");
        let (one, other) = (identity(), identity());
        let shown = |identity| Arc::new(ServerTls::new(identity, None, Inside::Http).expect("it is good"));
        let tls = shown(&one);
        let (addr, ..) = serve(bound().await.over(Some(Arc::clone(&tls))), Limits::default());
        assert!(ask_in_tls(addr, &one, None).await.ends_with("hello"));
        assert!(!ask(addr, HELLO).await.contains("hello"), "plain HTTP is not answered");
        tls.replace(&shown(&other));
        assert!(ask_in_tls(addr, &other, None).await.ends_with("hello"));
        let refused = ask_in_tls(addr, &one, None).await;
        assert!(refused.contains("certificate"), "{refused}");
    }

    #[tokio::test]
    async fn with_a_client_ca_only_clients_with_its_certificate_are_answered() {
        let identity = || Identity::self_signed(&["localhost"]).expect("a good name");
        let (server, client, stranger) = (identity(), identity(), identity());
        let tls = ServerTls::new(&server, Some(&client.certificate_pem), Inside::Http).expect("it is good");
        let (addr, ..) = serve(bound().await.over(Some(Arc::new(tls))), Limits::default());
        assert!(ask_in_tls(addr, &server, Some(&client)).await.ends_with("hello"));
        assert!(!ask_in_tls(addr, &server, Some(&stranger)).await.contains("hello"));
        assert!(!ask_in_tls(addr, &server, None).await.contains("hello"));
    }

    #[tokio::test]
    async fn a_handshake_that_does_not_end_is_cut() {
        let identity = Identity::self_signed(&["localhost"]).expect("a good name");
        let tls = ServerTls::new(&identity, None, Inside::Http).expect("it is good");
        let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
        let (addr, ..) = serve(bound().await.over(Some(Arc::new(tls))), limits);
        assert_eq!(ask(addr, "\x16").await, "");
    }
}
