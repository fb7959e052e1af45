//! A reader of server-sent events that takes as much as it is told to.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::PATIENCE;

/// One event of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// The last `id` that was seen.
    pub id: u64,
    pub event: String,
    pub data: Value,
}

/// An open stream.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    /// Octets that came and do not make a whole chunk yet.
    raw: Vec<u8>,
    /// Text that came and does not make a whole event yet.
    text: String,
    /// What a browser would come back with.
    pub last_id: Option<u64>,
    is_over: bool,
}

/// What was answered instead of a stream: the status and all that followed.
pub type Refusal = (u16, String);

impl Stream {
    /// Opens a stream of `path` (`/v1/events?…`) with a key.
    pub async fn open(
        addr: SocketAddr,
        path: &str,
        key: &str,
        last_id: Option<u64>,
    ) -> Result<Self, Refusal> {
        Self::try_open(addr, path, key, last_id).await.expect("the connection stands")
    }

    /// The same where a connection may fail.
    pub async fn try_open(
        addr: SocketAddr,
        path: &str,
        key: &str,
        last_id: Option<u64>,
    ) -> std::io::Result<Result<Self, Refusal>> {
        // A reader that does not read keeps little.
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(8 << 10)?;
        let mut socket = socket.connect(addr).await?;
        let last = last_id.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {key}\r\nAccept: text/event-stream\r\n{last}\r\n"
        );
        socket.write_all(head.as_bytes()).await?;
        let mut stream = Self { socket, raw: Vec::new(), text: String::new(), last_id, is_over: false };
        let head = loop {
            if let Some(at) = stream.raw.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = stream.raw.split_off(at + 4);
                break std::mem::replace(&mut stream.raw, rest);
            }
            if !stream.fill().await? {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        };
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        if status != 200 {
            let rest = String::from_utf8_lossy(&stream.raw).into_owned();
            return Ok(Err((status, head + &rest)));
        }
        assert!(head.to_lowercase().contains("content-type: text/event-stream"), "{head}");
        Ok(Ok(stream))
    }

    /// The next event; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<Event> {
        let next = tokio::time::timeout(PATIENCE, self.wait());
        next.await.expect("an event comes in time").expect("the connection stands")
    }

    /// The same where the connection may break, however long it takes.
    pub async fn wait(&mut self) -> std::io::Result<Option<Event>> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(event) = self.event_of(&block) {
                    return Ok(Some(event));
                }
            }
            if !self.unchunk() && (self.is_over || !self.fill().await?) {
                return Ok(None);
            }
        }
    }

    fn event_of(&mut self, block: &str) -> Option<Event> {
        let (mut event, mut data) = (String::new(), None);
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => self.last_id = Some(id.parse().expect("a number")),
                Some(("event", name)) => event = name.to_owned(),
                Some(("data", json)) => data = Some(serde_json::from_str(json).expect("JSON")),
                _ => {}
            }
        }
        Some(Event { id: self.last_id.unwrap_or(0), event, data: data? })
    }

    /// Takes a whole chunk off the raw octets.
    fn unchunk(&mut self) -> bool {
        let Some(at) = self.raw.windows(2).position(|two| two == b"\r\n") else { return false };
        let size = std::str::from_utf8(&self.raw[..at]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("hexadecimal");
        let Some(chunk) = self.raw.get(at + 2..at + 2 + size) else { return false };
        if self.raw.len() < at + 4 + size {
            return false;
        }
        self.text.push_str(std::str::from_utf8(chunk).expect("UTF-8"));
        self.raw.drain(..at + 4 + size);
        self.is_over |= size == 0;
        true
    }

    async fn fill(&mut self) -> std::io::Result<bool> {
        Ok(self.socket.read_buf(&mut self.raw).await? > 0)
    }
}
