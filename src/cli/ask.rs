//! Asking the running daemon: finding it, and one HTTP request.
//!
//! The client is written out here: one request on one loopback connection that is closed after the answer needs less than
//! what the smallest HTTP library brings along, and blocking suits a command that does nothing else.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::args::Daemon;
use crate::app::beacon;
use crate::http::admin::{Token, token_path};

/// The variable that holds the token where the data directory cannot be read.
const TOKEN_VARIABLE: &str = "TRUNKLINE_ADMIN_TOKEN";

/// Octets of an answer that are read.
const ANSWER_OCTETS_MAX: u64 = 64 << 20;

/// How long connecting, and each read or write, may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A daemon that can be asked.
#[derive(Debug)]
pub(super) struct Asker {
    address: String,
    token: Token,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum AskError {
    /// No daemon was found.
    NoDaemon(String),
    /// It does not answer.
    Unreachable { address: String, error: io::Error },
    /// It answered, but not with what was asked for.
    Refused { status: u16, message: String, body: Value },
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDaemon(why) => f.write_str(why),
            Self::Unreachable { address, error } => {
                write!(
                    f,
                    "no daemon answers at {address}: {error}\n    start one with `trunkline demo` or `trunkline serve`"
                )
            }
            Self::Refused { status, message, .. } => write!(f, "{message} ({status})"),
        }
    }
}

impl AskError {
    /// What was there is there no more.
    pub(super) fn gone(what: &str) -> Self {
        Self::Refused { status: 404, message: format!("there is no {what} any more"), body: Value::Null }
    }
}

/// A word as the query of a path has it.
pub(super) fn encoded(word: &str) -> String {
    let each = |octet: u8| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(octet).to_string(),
        octet => format!("%{octet:02X}"),
    };
    word.bytes().map(each).collect()
}

impl Asker {
    /// The daemon that is meant: by its URL, by its data directory, or the one started last.
    pub(super) fn find(daemon: &Daemon) -> Result<Self, AskError> {
        let data_dir = daemon.data_dir.clone().or_else(beacon::newest_data_dir);
        let address = match &daemon.admin {
            Some(url) => {
                let bare = url.strip_prefix("http://").unwrap_or(url);
                bare.strip_suffix('/').unwrap_or(bare).to_owned()
            }
            None => {
                let dir = data_dir.as_deref().ok_or_else(|| {
                    AskError::NoDaemon(
                        "no daemon of yours was found; name it with --data-dir, or --admin".into(),
                    )
                })?;
                let sign = beacon::read_sign(dir).map_err(|error| no_sign(dir, &error))?;
                sign.admin.to_string()
            }
        };
        Ok(Self { address, token: find_token(data_dir)? })
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, AskError> {
        self.ask("GET", path, None)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, AskError> {
        self.ask("POST", path, Some(body))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, AskError> {
        let answer = self.exchange(method, path, body);
        let answer =
            answer.map_err(|error| AskError::Unreachable { address: self.address.clone(), error })?;
        let value: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        if (200..300).contains(&answer.status) {
            return Ok(value);
        }
        // Problem details (RFC 9457): the sentence for a person is `detail`.
        let message = value["detail"].as_str().map_or_else(|| "the daemon refused".to_owned(), str::to_owned);
        Err(AskError::Refused { status: answer.status, message, body: value })
    }

    fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let mut addresses = self.address.to_socket_addrs()?;
        let address = addresses.next().ok_or_else(|| io::Error::other("the name has no address"))?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n",
            self.address,
            self.token.reveal(),
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut octets = Vec::new();
        stream.take(ANSWER_OCTETS_MAX).read_to_end(&mut octets)?;
        Answer::read(&octets).ok_or_else(|| io::Error::other("the answer is not HTTP"))
    }
}

fn no_sign(dir: &Path, error: &io::Error) -> AskError {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "no daemon works there".to_owned(),
        _ => error.to_string(),
    };
    AskError::NoDaemon(format!("{}: {why}", dir.display()))
}

fn find_token(data_dir: Option<PathBuf>) -> Result<Token, AskError> {
    if let Ok(token) = std::env::var(TOKEN_VARIABLE)
        && !token.trim().is_empty()
    {
        return Ok(Token::new(&token));
    }
    let Some(dir) = data_dir else {
        return Err(AskError::NoDaemon(format!(
            "the token is missing: give --data-dir, or set {TOKEN_VARIABLE}"
        )));
    };
    let path = token_path(&dir);
    let text = std::fs::read_to_string(&path);
    let text =
        text.map_err(|error| AskError::NoDaemon(format!("{} cannot be read: {error}", path.display())))?;
    Ok(Token::new(&text))
}

/// Status and body of an HTTP/1.1 answer that ends with its connection.
#[derive(Debug, Eq, PartialEq)]
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Answer {
    fn read(octets: &[u8]) -> Option<Self> {
        let end = octets.windows(4).position(|four| four == b"\r\n\r\n")?;
        let (head, body) = octets.split_at_checked(end + 4)?;
        let head = std::str::from_utf8(head).ok()?;
        let mut lines = head.lines();
        let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
        let is_chunked = lines.any(|line| {
            let line = line.to_ascii_lowercase();
            line.strip_prefix("transfer-encoding:").is_some_and(|value| value.trim() == "chunked")
        });
        Some(Self { status, body: if is_chunked { unchunked(body)? } else { body.to_vec() } })
    }
}

fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(body.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        let (chunk, rest) = body.get(end + 2..)?.split_at_checked(size)?;
        whole.extend_from_slice(chunk);
        body = rest.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Option<(u16, String)> {
        let answer = Answer::read(text.as_bytes())?;
        Some((answer.status, String::from_utf8(answer.body).expect("it was text")))
    }

    #[test]
    fn words_of_a_query_cannot_leave_it() {
        assert_eq!(encoded("+33 6&x=ж"), "%2B33%206%26x%3D%D0%B6");
    }

    #[test]
    fn answers_are_read_in_both_forms() {
        let plain = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(answer(plain), Some((201, "{}".into())));
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n";
        assert_eq!(answer(chunked), Some((200, "abcd".into())));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for bad in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "SMTP ready\r\n\r\n",
            "HTTP/1.1 twohundred\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        ] {
            assert_eq!(answer(bad), None, "{bad:?}");
        }
    }
}
