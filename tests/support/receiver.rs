//! A receiver of webhooks on loopback: it keeps what came, and answers as a test wants.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
    /// What was answered; 0: nothing.
    pub answered: u16,
}

impl Call {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Message and state of a Push_CRA.
    pub fn pushed(&self) -> (String, String) {
        let body = self.json();
        let sms = &body["status_report"]["sms"][0];
        (text(&sms["call_id"]), text(&sms["status"]))
    }

    /// Id and type of a native event.
    pub fn event(&self) -> (String, String) {
        let body = self.json();
        (text(&body["id"]), text(&body["type"]))
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// What a receiver does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reaction {
    Status(u16),
    /// With a further header line.
    With(u16, String),
    /// Never answers.
    Hang,
    /// Closes the connection instead of an answer.
    Close,
}

type Conduct = Box<dyn FnMut(&Call) -> Reaction + Send>;

/// A receiver; it ends when it is dropped.
pub struct Receiver {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

struct Shared {
    calls: Mutex<Vec<Call>>,
    conduct: Mutex<Conduct>,
}

impl Receiver {
    /// Answers 200 to everything.
    pub async fn start() -> Self {
        Self::with(|_| Reaction::Status(200)).await
    }

    pub async fn with(conduct: impl FnMut(&Call) -> Reaction + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let addr = listener.local_addr().expect("it listens");
        let shared = Arc::new(Shared { calls: Mutex::default(), conduct: Mutex::new(Box::new(conduct)) });
        let theirs = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&theirs)));
            }
        });
        Self { addr, shared, accepting }
    }

    /// Answers otherwise from now on.
    pub fn conduct(&self, conduct: impl FnMut(&Call) -> Reaction + Send + 'static) {
        *lock(&self.shared.conduct) = Box::new(conduct);
    }

    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        lock(&self.shared.calls).len()
    }

    /// Those that were answered with 200, in their order.
    pub fn taken(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.answered == 200).collect()
    }

    /// The first `count` calls, once they have come.
    pub async fn first(&self, count: usize) -> Vec<Call> {
        super::until(&format!("{count} calls"), || (self.count() >= count).then(|| self.calls())).await
    }

    /// Those that were answered with 200, once there are `count`.
    pub async fn taken_at_last(&self, count: usize) -> Vec<Call> {
        super::until(&format!("{count} calls taken"), || {
            let taken = self.taken();
            (taken.len() >= count).then_some(taken)
        })
        .await
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut octets = Vec::new();
    while let Some(mut call) = read(&mut stream, &mut octets).await {
        let reaction = lock(&shared.conduct)(&call);
        let (status, header) = match reaction.clone() {
            Reaction::Status(status) => (status, String::new()),
            Reaction::With(status, header) => (status, format!("{header}\r\n")),
            Reaction::Hang | Reaction::Close => (0, String::new()),
        };
        call.answered = status;
        lock(&shared.calls).push(call);
        match reaction {
            Reaction::Hang => return std::future::pending().await,
            Reaction::Close => return,
            Reaction::Status(_) | Reaction::With(..) => {
                let answer = format!("HTTP/1.1 {status} So\r\n{header}content-length: 0\r\n\r\n");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The next request of a connection.
async fn read(stream: &mut TcpStream, octets: &mut Vec<u8>) -> Option<Call> {
    loop {
        if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&octets[..end]).into_owned();
            let mut lines = head.lines();
            let path = lines.next()?.split(' ').nth(1)?.to_owned();
            let headers: HashMap<_, _> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let length = headers.get("content-length").and_then(|n| n.parse().ok()).unwrap_or(0_usize);
            let whole = end + 4 + length;
            if octets.len() >= whole {
                let body = String::from_utf8_lossy(&octets[end + 4..whole]).into_owned();
                octets.drain(..whole);
                return Some(Call { path, headers, body, answered: 0 });
            }
        }
        if !matches!(stream.read_buf(octets).await, Ok(1..)) {
            return None;
        }
    }
}
