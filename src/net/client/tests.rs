//! The client against servers on loopback that answer what a test tells them to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::net::AllowFrom;
use crate::net::tls::{Identity, server_config};

fn loopback() -> ClientConfig {
    ClientConfig {
        guard: Guard::public(Some(AllowFrom::new(|address| address.is_loopback()))),
        timeout: Duration::from_secs(5),
        ..ClientConfig::default()
    }
}

fn client(config: ClientConfig) -> Client {
    Client::new(config).expect("no files are read")
}

fn post(uri: &str) -> Request {
    let body = Bytes::from_static(b"body");
    Request { body, ..Request::new(Method::POST, uri.parse().expect(uri)) }
}

/// A server that gives `answer` to every request and then keeps or closes the connection. Returns its URL and the
/// count of its connections.
async fn serve(answer: &'static str, close: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(speak(stream, answer, close));
        }
    });
    (url, connections)
}

async fn speak(mut stream: TcpStream, answer: &'static str, close: bool) {
    let mut read = Vec::new();
    while stream.read_buf(&mut read).await.is_ok_and(|octets| octets > 0) {
        // Every request of these tests ends in its four octets of body.
        if read.ends_with(b"body") {
            read.clear();
            if stream.write_all(answer.as_bytes()).await.is_err() || close {
                return;
            }
        }
    }
}

#[tokio::test]
async fn an_answer_comes_back_and_its_connection_serves_the_next_request() {
    let (url, connections) =
        serve("HTTP/1.1 201 Created\r\ncontent-length: 2\r\nx-a: b\r\n\r\nok", false).await;
    let client = client(loopback());
    for _ in 0..3 {
        let answer = client.send(post(&url)).await.expect("an answer");
        assert_eq!(answer.status, StatusCode::CREATED);
        assert_eq!(&answer.body[..], b"ok");
        assert_eq!(answer.headers["x-a"], "b");
        assert!(!answer.truncated);
        // The connection goes back to the pool in a task of its own.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let (secret, asked) = serve("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let answer = format!("HTTP/1.1 307 Moved\r\nlocation: {secret}\r\ncontent-length: 0\r\n\r\n");
    let (url, _) = serve(answer.leak(), false).await;
    let answer = client(loopback()).send(post(&url)).await.expect("an answer");
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn names_and_numbers_that_lead_to_loopback_are_refused_before_connecting() {
    let (url, connections) = serve("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false).await;
    let port = url.trim_end_matches('/').rsplit(':').next().expect("a port").to_owned();
    let client = client(ClientConfig::default());
    for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1"] {
        let refused = client.send(post(&format!("http://{host}:{port}/"))).await.expect_err(host);
        // Not every resolver reads numbers in other bases; none may lead anywhere.
        let is_number = host.starts_with("0x") || host.starts_with("213");
        assert!(
            matches!(refused, SendError::Forbidden(_))
                || is_number && matches!(refused, SendError::Resolve(_)),
            "{host}: {refused:?}"
        );
        assert!(!refused.is_sent());
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_url_without_scheme_or_with_a_user_is_refused() {
    let client = client(loopback());
    for uri in ["/path", "ftp://host/", "http://user:secret@host/", "host:80"] {
        assert!(matches!(client.send(post(uri)).await, Err(SendError::Uri)), "{uri}");
    }
}

#[tokio::test]
async fn a_long_body_is_cut_and_its_connection_closed() {
    let body = "x".repeat(300_000);
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let (url, connections) = serve(answer.leak(), false).await;
    let client = client(ClientConfig { answer_octets_max: 1_000, ..loopback() });
    for n in 1..=2 {
        let answer = client.send(post(&url)).await.expect("an answer");
        assert_eq!((answer.body.len(), answer.truncated), (1_000, true));
        assert_eq!(connections.load(Ordering::SeqCst), n);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_stalls_in_its_body_has_a_status_and_is_marked() {
    let client = client(ClientConfig { timeout: Duration::from_millis(300), ..loopback() });
    for close in [true, false] {
        let (url, _) = serve("HTTP/1.1 202 Accepted\r\ncontent-length: 10\r\n\r\nhalf", close).await;
        let answer = client.send(post(&url)).await.expect("a status was read");
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::ACCEPTED, &b"half"[..]), "close {close}");
        assert!(answer.truncated);
    }
}

#[tokio::test]
async fn a_request_without_answer_may_have_arrived() {
    let client = client(ClientConfig { timeout: Duration::from_millis(300), ..loopback() });
    let (silent, _) = serve("", false).await;
    let error = client.send(post(&silent)).await.expect_err("nothing comes");
    assert!(matches!(error, SendError::Timeout { sent: true }), "{error:?}");

    let (closing, _) = serve("", true).await;
    let error = client.send(post(&closing)).await.expect_err("nothing comes");
    assert!(matches!(error, SendError::Lost { sent: true }), "{error:?}");

    let (garbage, _) = serve("SSH-2.0-hello\r\n\r\n", true).await;
    let error = client.send(post(&garbage)).await.expect_err("this is not HTTP");
    assert!(matches!(error, SendError::Garbled) && error.is_sent(), "{error:?}");
}

#[tokio::test]
async fn a_request_that_found_no_peer_has_not_arrived() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    drop(listener);
    let client = client(loopback());
    let error = client.send(post(&url)).await.expect_err("nobody listens");
    assert!(matches!(error, SendError::Connect(_)) && !error.is_sent(), "{error:?}");

    let error = client.send(post("http://no-such-host.invalid/")).await.expect_err("no such name");
    assert!(matches!(error, SendError::Resolve(_)) && !error.is_sent(), "{error:?}");
}

#[tokio::test]
async fn an_endless_head_is_given_up() {
    let answer = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(100_000));
    let (url, _) = serve(answer.leak(), false).await;
    let error = client(loopback()).send(post(&url)).await.expect_err("too long");
    assert!(error.is_sent(), "{error:?}");
}

/// A TLS server that takes one connection after the other and never answers a request; its certificate in a file.
async fn serve_tls(speak: bool) -> (u16, tempfile::NamedTempFile) {
    let identity = Identity::self_signed(&["localhost"]).expect("a good name");
    let ca = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(ca.path(), &identity.certificate_pem).expect("written");
    let acceptor = tokio_rustls::TlsAcceptor::from(server_config(&identity).expect("a good identity"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if !speak {
                // Held open without a handshake.
                std::mem::forget(stream);
                continue;
            }
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut read = Vec::new();
            while !read.ends_with(b"body") && stream.read_buf(&mut read).await.is_ok_and(|octets| octets > 0)
            {
            }
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            if stream.write_all(answer).await.is_ok() {
                stream.flush().await.ok();
            }
        }
    });
    (port, ca)
}

#[tokio::test]
async fn https_checks_the_certificate_against_the_given_ca_and_name() {
    let (port, ca) = serve_tls(true).await;
    let tls = PeerTls { ca: Some(ca.path().to_owned()), ..PeerTls::default() };
    let trusting = client(ClientConfig { tls: tls.clone(), ..loopback() });
    let answer = trusting.send(post(&format!("https://localhost:{port}/"))).await.expect("an answer");
    assert_eq!(answer.status, StatusCode::NO_CONTENT);

    let error = trusting.send(post(&format!("https://127.0.0.1:{port}/"))).await.expect_err("another name");
    assert!(matches!(error, SendError::Tls(_)) && !error.is_sent(), "{error:?}");
    let tls = PeerTls { server_name: Some("localhost".to_owned()), ..tls };
    let named = client(ClientConfig { tls, ..loopback() });
    named.send(post(&format!("https://127.0.0.1:{port}/"))).await.expect("an answer");

    let wary = client(loopback());
    let error = wary.send(post(&format!("https://localhost:{port}/"))).await.expect_err("an unknown CA");
    assert!(matches!(error, SendError::Tls(_)) && !error.is_sent(), "{error:?}");
}

#[tokio::test]
async fn a_handshake_that_hangs_has_sent_nothing() {
    let (port, _ca) = serve_tls(false).await;
    let client = client(ClientConfig { connect_timeout: Duration::from_millis(200), ..loopback() });
    let error = client.send(post(&format!("https://localhost:{port}/"))).await.expect_err("no handshake");
    assert!(matches!(error, SendError::Timeout { sent: false }), "{error:?}");
}

#[tokio::test]
async fn neither_requests_nor_errors_show_paths() {
    let request = post("http://host.invalid/hooks/s3cret?token=s3cret");
    assert!(!format!("{request:?}").contains("s3cret"));
    let error = client(loopback()).send(request).await.expect_err("no such host");
    assert!(!format!("{error:?} {error}").contains("s3cret"));
}
