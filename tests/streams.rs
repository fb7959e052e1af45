//! Event streams of a whole process: killed while they are read, and ten thousand of them at once.

mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::gateway::{Gateway, Site, Wanted, route, service, upstream};
use support::sse::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KEY: &str = "0123456789abcdef-key";

/// A gateway with a service that has a key. Its upstream is not there: messages are accepted and wait.
fn site(http: &str) -> Site {
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let key = "rate = 0\nhttp_rate = 0\n[[service.key]]\nid = \"k\"\nkey_file = \"key\"";
    let rest = format!("{}{}{}", service("shop", key), upstream("away", nowhere, ""), route(&["away"], ""));
    let site = Site::new(&Wanted { http: Some(http), rest: &rest, ..Wanted::default() });
    site.write("key", KEY);
    site
}

/// Status and body of a request; `None`: the connection broke.
async fn ask(addr: SocketAddr, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(addr).await.ok()?;
    socket.write_all(head.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).ok()?))
}

/// Reads events until `done`, coming back whenever the connection or the process is gone.
async fn follow(addr: SocketAddr, last: u64, done: Arc<AtomicBool>) -> Vec<(u64, Value)> {
    let (mut told, mut last_id) = (Vec::new(), Some(last));
    while !done.load(Ordering::Relaxed) {
        let Ok(Ok(mut stream)) = Stream::try_open(addr, "/v1/events", KEY, last_id).await else {
            support::pass(support::ms(10)).await;
            continue;
        };
        while !done.load(Ordering::Relaxed) {
            match tokio::time::timeout(Duration::from_millis(100), stream.wait()).await {
                Ok(Ok(Some(event))) => {
                    last_id = Some(event.id);
                    told.push((event.id, event.data["message"]["id"].clone()));
                }
                Ok(Ok(None) | Err(_)) => break,
                Err(_) => {}
            }
        }
    }
    told
}

#[tokio::test]
async fn a_reader_comes_back_after_kill_9_and_misses_and_repeats_nothing() {
    let site = site("");
    let mut gateway = Some(site.start().await);
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(follow(site.http, 0, Arc::clone(&done)));
    let (addr, stop) = (site.http, Arc::clone(&done));
    let writer = tokio::spawn(async move {
        let mut accepted = BTreeSet::new();
        let body = json!({ "to": "+33612345678", "text": "hello", "valid_for_s": 3600 });
        while !stop.load(Ordering::Relaxed) {
            match ask(addr, "POST", "/v1/messages", &body).await {
                Some((201, answer)) => {
                    accepted.insert(answer["id"].as_str().expect("an id").to_owned());
                }
                _ => support::pass(support::ms(10)).await,
            }
        }
        accepted
    });
    for _ in 0..3 {
        support::pass(support::ms(700)).await;
        if let Some(gateway) = gateway.take() {
            gateway.kill();
        }
        gateway = Some(site.start().await);
    }
    support::pass(support::ms(500)).await;
    done.store(true, Ordering::Relaxed);
    let accepted = writer.await.expect("it writes");
    let mut told = reader.await.expect("it reads");
    // What came after the reader had been told to stop.
    let done = Arc::new(AtomicBool::new(false));
    let rest = tokio::spawn(follow(site.http, told.last().map_or(0, |(id, _)| *id), Arc::clone(&done)));
    support::pass(support::ms(500)).await;
    done.store(true, Ordering::Relaxed);
    told.extend(rest.await.expect("it reads"));

    let (mut listed, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("/v1/events?after={after}&limit=1000");
        let (status, page) = ask(site.http, "GET", &path, &Value::Null).await.expect("an answer");
        assert_eq!(status, 200, "{page}");
        let events = page["events"].as_array().expect("a list").iter();
        listed.extend(events.map(|e| (e["seq"].as_u64().expect("a number"), e["message"]["id"].clone())));
        after = page["cursor"].as_u64().expect("a cursor");
        if page["more"] == false {
            break;
        }
    }
    println!("{} accepted, {} events over three kills", accepted.len(), told.len());
    assert!(!accepted.is_empty());
    assert_eq!(told, listed, "each event once, in order, whatever was killed");
    let ids: BTreeSet<_> = told.iter().filter_map(|(_, id)| id.as_str().map(str::to_owned)).collect();
    assert_eq!(ids.len(), told.len(), "one event for each message");
    assert!(accepted.is_subset(&ids), "what was answered with 201 was told");
    drop(gateway);
}

/// Resident memory of a process in KiB, and how many sockets it has open.
fn weight(gateway: &Gateway) -> (u64, usize) {
    let pid = gateway.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let resident = line.trim().trim_end_matches(" kB").parse().expect("a number");
    (resident, std::fs::read_dir(format!("/proc/{pid}/fd")).expect("Linux").count())
}

/// Descriptors that this process may open, less what it needs for itself.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("Linux");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    line.split_whitespace().next().and_then(|soft| soft.parse::<usize>().ok()).unwrap_or(usize::MAX) - 200
}

#[tokio::test]
async fn ten_thousand_streams_that_nobody_reads_cost_little_and_hold_nobody_up() {
    let streams = descriptors().min(10_000);
    let site = site("connections_max = 12000");
    let gateway = site.start().await;
    let (before, _) = weight(&gateway);
    let mut slow = Vec::new();
    for _ in 0..streams {
        slow.push(Stream::open(site.http, "/v1/events", KEY, None).await.expect("a stream"));
    }
    let (open, sockets) = weight(&gateway);
    assert!(sockets >= streams, "{sockets} descriptors");
    // 600 events of about 300 octets: more than the system keeps for a connection.
    let batch = json!({ "messages": (0..300).map(|n| json!({
        "to": format!("+336{n:08}"), "text": "hello", "reference": "x".repeat(80), "valid_for_s": 3600
    })).collect::<Vec<_>>() });
    let mut quick = Stream::open(site.http, "/v1/events", KEY, None).await.expect("a stream");
    let mut told = Vec::new();
    for _ in 0..2 {
        let (status, answer) = ask(site.http, "POST", "/v1/messages/batch", &batch).await.expect("an answer");
        assert_eq!((status, &answer["accepted"]), (200, &json!(300)), "{answer}");
        for _ in 0..300 {
            told.push(quick.next().await.expect("the stream goes on").id);
        }
    }
    // Time for the others to take what the system takes for them.
    support::pass(Duration::from_secs(2)).await;
    let (full, _) = weight(&gateway);
    println!(
        "{streams} streams: {} KiB each when open, {} KiB each when full",
        (open - before) / streams as u64,
        (full.saturating_sub(before)) / streams as u64
    );
    assert!(full < before + 60 * streams as u64, "{full} KiB, {before} KiB without streams");
    for stream in slow.iter_mut().step_by(streams / 20) {
        for id in told.iter() {
            assert_eq!(stream.next().await.expect("the stream goes on").id, *id);
        }
    }
    drop((slow, quick));
    let gone = async {
        while weight(&gateway).1 > 1_000 {
            support::pass(support::ms(20)).await;
        }
    };
    tokio::time::timeout(support::PATIENCE, gone).await.expect("what nobody reads any more is closed");
}
