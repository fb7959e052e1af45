//! Reading the admin listener without a library.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Samples of one scrape: the name with its labels, as printed, and the value.
#[derive(Clone, Debug, Default)]
pub struct Metrics(pub BTreeMap<String, f64>);

impl Metrics {
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(lines.filter_map(sample).collect())
    }

    /// The sum of all samples of `name` that carry each of `labels` (`stage="waiting"`).
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let fits = |key: &str| {
            let (bare, rest) = key.split_once('{').unwrap_or((key, ""));
            bare == name && labels.iter().all(|label| rest.contains(label))
        };
        self.0.iter().filter(|(key, _)| fits(key)).map(|(_, value)| value).sum()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.keys().any(|key| key.split('{').next() == Some(name))
    }

    /// Messages in a stage: `waiting`, `dispatched`, `sent` or `notify`.
    pub fn stage(&self, stage: &str) -> u64 {
        let label = format!("stage=\"{stage}\"");
        assert!(self.has(MESSAGES), "/metrics has no {MESSAGES}");
        whole(self.sum(MESSAGES, &[&label]))
    }

    /// What may have gone twice over the life of the data: `dispatch` or `delivery`.
    pub fn duplicates(&self, kind: &str) -> u64 {
        let label = format!("kind=\"{kind}\"");
        assert!(self.has(DUPLICATES), "/metrics has no {DUPLICATES}");
        whole(self.sum(DUPLICATES, &[&label]))
    }

    /// accepted = delivered + refused + expired + cancelled + unknown + waiting (SEMANTICS 18).
    pub fn add_up(&self) {
        let accepted = self.sum("trunkline_messages_accepted_total", &[]);
        let ended = self.sum("trunkline_messages_ended_total", &[]);
        let waiting: u64 = self.stages()[..3].iter().sum();
        assert_eq!(accepted, ended + waiting as f64, "accepted is not ended ({ended}) + waiting ({waiting})");
    }

    pub fn stages(&self) -> [u64; 4] {
        STAGES.map(|stage| self.stage(stage))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "counts are whole and far below 2^53")]
fn whole(count: f64) -> u64 {
    count as u64
}

const MESSAGES: &str = "trunkline_messages";
const DUPLICATES: &str = "trunkline_duplicates_total";
pub const STAGES: [&str; 4] = ["waiting", "dispatched", "sent", "notify"];

/// Status and body of a GET.
pub async fn get(from: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let ask = async {
        let mut socket = TcpStream::connect(from).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {from}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer: String =
        tokio::time::timeout(super::PATIENCE, ask).await.map_err(|_| io::ErrorKind::TimedOut)??;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(head.to_owned()))?;
    let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok((status, if is_chunked { unchunked(body) } else { body.to_owned() }))
}

pub fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let octets = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some((chunk, after)) = rest.split_at_checked(octets) else { break };
        whole.push_str(chunk);
        body = after.trim_start_matches("\r\n");
        if octets == 0 {
            break;
        }
    }
    whole
}
