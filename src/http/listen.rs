//! A listener that patience runs out for: bounded connections, each cut when nothing moves on it for too long.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::problem::Problem;

/// What one listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once; more wait to be accepted.
    pub connections_max: usize,
    /// A connection on which no octet moves for this long is closed.
    pub idle: Duration,
    /// A request that is not answered after this long gets 503.
    pub request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections_max: 256, idle: Duration::from_secs(30), request: Duration::from_secs(20) }
    }
}

/// A listener that is bound and not served yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// Binds `addr`; port 0 takes a free one.
///
/// # Errors
/// When the address is taken or is not ours.
pub async fn bind(addr: SocketAddr) -> io::Result<Server> {
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    Ok(Server { listener, addr })
}

impl Server {
    /// Serves `router` until `stop`; then answers what was begun, and returns.
    pub async fn serve(self, router: Router, limits: Limits, stop: CancellationToken) {
        let router = router.layer(middleware::from_fn(move |request: Request, next: Next| {
            within(limits.request, request, next)
        }));
        let room = Arc::new(Semaphore::new(limits.connections_max));
        let listener = Patient { listener: self.listener, room, idle: limits.idle, addr: self.addr };
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            tracing::error!(%error, addr = %self.addr, "the HTTP listener has ended");
        }
    }
}

async fn within(limit: Duration, request: Request, next: Next) -> Result<Response, Problem> {
    tokio::time::timeout(limit, next.run(request))
        .await
        .map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the answer took too long"))
}

struct Patient {
    listener: TcpListener,
    room: Arc<Semaphore>,
    idle: Duration,
    addr: SocketAddr,
}

impl axum::serve::Listener for Patient {
    type Io = Watched;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Watched, SocketAddr) {
        loop {
            // The semaphore is never closed; if it were, a second of rest would do no harm.
            if let Ok(place) = Arc::clone(&self.room).acquire_owned().await
                && let Ok((stream, peer)) = self.listener.accept().await
            {
                let _ = stream.set_nodelay(true);
                let asleep = Box::pin(tokio::time::sleep(self.idle));
                return (Watched { stream, asleep, idle: self.idle, _place: place }, peer);
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }
}

/// A connection that fails when nothing has moved for too long.
struct Watched {
    stream: TcpStream,
    asleep: Pin<Box<Sleep>>,
    idle: Duration,
    _place: OwnedSemaphorePermit,
}

impl Watched {
    /// Passes on what moved, and fails what has not moved in time.
    fn watch<T>(&mut self, cx: &mut Context<'_>, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if moved.is_pending() {
            ready!(self.asleep.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let deadline = tokio::time::sleep(self.idle).deadline();
        self.asleep.as_mut().reset(deadline);
        moved
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

/// Rest after a failed accept: the usual reason is that there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    async fn start(limits: Limits) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
        let stop = CancellationToken::new();
        let server = bind(LOOPBACK).await.expect("loopback has free ports");
        let addr = server.addr;
        let never = || async { std::future::pending::<&'static str>().await };
        let router = Router::new().route("/", get(|| async { "hello" })).route("/never", get(never));
        (addr, stop.clone(), tokio::spawn(server.serve(router, limits, stop)))
    }

    /// All that comes back for `request` until the server closes.
    async fn ask(addr: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        // A reset after the answer is as good an end as any.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn answers_and_stops() {
        let (addr, stop, served) = start(Limits::default()).await;
        let answer = ask(addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"), "{answer}");
        stop.cancel();
        served.await.expect("it ends");
    }

    #[tokio::test]
    async fn cuts_a_peer_that_does_not_finish_its_request() {
        let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
        let (addr, ..) = start(limits).await;
        assert_eq!(ask(addr, "GET / HTTP/1.1\r\nHost:").await, "");
    }

    #[tokio::test]
    async fn gives_up_an_answer_that_does_not_come() {
        let limits = Limits { request: Duration::from_millis(50), ..Limits::default() };
        let (addr, ..) = start(limits).await;
        let answer = ask(addr, "GET /never HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
    }

    #[tokio::test]
    async fn a_connection_too_many_waits_for_one_to_end() {
        let limits = Limits { connections_max: 1, ..Limits::default() };
        let (addr, ..) = start(limits).await;
        let first = TcpStream::connect(addr).await.expect("it listens");
        let second =
            tokio::spawn(
                async move { ask(addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await },
            );
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        assert!(second.await.expect("it is answered").ends_with("hello"));
    }
}
