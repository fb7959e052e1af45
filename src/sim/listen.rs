//! What the simulators' listeners share: a bounded number of connections, TLS or not, and writing.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A connection, with TLS or without.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// Listens until `stop`, and has each connection served in a task of its own; connections beyond `connections_max` are
/// closed as they come.
pub(super) async fn accept<F, Served>(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    connections_max: usize,
    (stop, tasks): (CancellationToken, TaskTracker),
    serve: F,
) where
    F: Fn(Box<dyn Duplex>) -> Served + Clone + Send + Sync + 'static,
    Served: Future<Output = io::Result<()>> + Send,
{
    let acceptor = tls.map(TlsAcceptor::from);
    let room = Arc::new(Semaphore::new(connections_max));
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
        let (serve, stop, acceptor) = (serve.clone(), stop.clone(), acceptor.clone());
        tasks.spawn(async move {
            let _place = place;
            let served = async {
                let stream = shake_hands(socket, acceptor).await?;
                serve(stream).await
            };
            tokio::select! {
                () = stop.cancelled() => {}
                ended = served => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a simulator lost a connection");
                    }
                }
            }
        });
    }
}

async fn shake_hands(socket: TcpStream, acceptor: Option<TlsAcceptor>) -> io::Result<Box<dyn Duplex>> {
    socket.set_nodelay(true)?;
    match acceptor {
        None => Ok(Box::new(socket)),
        Some(acceptor) => {
            let handshake = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(socket));
            Ok(Box::new(handshake.await.map_err(|_| io::ErrorKind::TimedOut)??))
        }
    }
}

/// Writes all of `out`. Safe to drop: what was written is taken out.
pub(super) async fn write_out(
    writer: &mut (impl AsyncWrite + Unpin),
    out: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<()> {
    while out.has_remaining() {
        *unflushed = true;
        if writer.write_buf(out).await? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    writer.flush().await?;
    *unflushed = false;
    Ok(())
}

/// After an accept that failed (no descriptors left), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// For a TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
