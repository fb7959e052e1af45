//! Streams over a source that a test fills.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use http_body_util::BodyExt as _;

use super::*;
use crate::gateway::event::EventKind;
use crate::gateway::message::End;

const SERVICE: ServiceNo = ServiceNo(3);

/// Events of one service, one per number, of which the first may be gone.
#[derive(Debug)]
struct Events {
    newest: watch::Sender<u64>,
    oldest: AtomicU64,
    reads: AtomicU64,
}

impl Events {
    fn new(newest: u64) -> Arc<Self> {
        Arc::new(Self {
            newest: watch::Sender::new(newest),
            oldest: AtomicU64::new(1),
            reads: AtomicU64::new(0),
        })
    }

    fn happen(&self, count: u64) {
        self.newest.send_modify(|newest| *newest += count);
    }
}

fn kind(seq: u64) -> EventKind {
    if seq.is_multiple_of(2) { EventKind::Ended(End::Delivered) } else { EventKind::Accepted }
}

impl Source for Events {
    fn read(&self, service: ServiceNo, after: u64) -> Result<Reading, Lost> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let newest = *self.newest.borrow();
        let oldest = self.oldest.load(Ordering::Relaxed);
        if after + 1 < oldest {
            return Ok(Reading::TooOld { oldest });
        }
        let mut draft = Draft::default();
        if service == SERVICE {
            for seq in after + 1..=newest {
                draft.push(
                    seq,
                    kind(seq),
                    format!("{{\"seq\":{seq},\"filler\":\"{}\"}}", "x".repeat(200)).as_bytes(),
                );
                if draft.is_full() {
                    return Ok(Reading::Page(draft));
                }
            }
        }
        draft.reaches(newest);
        Ok(Reading::Page(draft))
    }

    fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

fn streams(events: &Arc<Events>, limits: StreamLimits) -> (Streams, CancellationToken) {
    let stop = CancellationToken::new();
    (Streams::new(Arc::clone(events) as Arc<dyn Source>, limits, stop.clone()), stop)
}

/// The text of the next piece; `None` at the end.
async fn piece(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.expect("a stream does not fail");
    let data = frame.into_data().expect("a stream has no trailers");
    Some(String::from_utf8(data.to_vec()).expect("it is text"))
}

fn seqs(text: &str) -> Vec<u64> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: {\"seq\":"));
    data.filter_map(|rest| rest.split(',').next()?.parse().ok()).collect()
}

/// Reads until event `last`.
async fn read_until(body: &mut Body, last: u64) -> Vec<u64> {
    let mut all = Vec::new();
    while all.last() != Some(&last) {
        let text = tokio::time::timeout(Duration::from_secs(10), piece(body)).await.expect("it comes");
        all.extend(seqs(&text.expect("the stream goes on")));
    }
    all
}

async fn open(streams: &Streams, from: From) -> Body {
    let stream = streams.open(SERVICE, from, Kinds::ALL, Box::new(|| true)).await.expect("it opens");
    let mut body = Body::from_stream(stream);
    assert!(piece(&mut body).await.expect("it begins").starts_with("retry: 1000\nid: "));
    body
}

#[tokio::test]
async fn what_was_and_what_comes_is_read_once_and_in_order() {
    // More than the window may begin behind, so that the beginning is read from further back.
    let old = BACK_MAX + 3_000;
    let events = Events::new(old);
    let (streams, _stop) = streams(&events, StreamLimits::default());
    let mut body = open(&streams, From::After(0)).await;
    let more = 5_000;
    let feeder = {
        let events = Arc::clone(&events);
        tokio::spawn(async move {
            for _ in 0..more / 50 {
                events.happen(50);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    };
    let all = read_until(&mut body, old + more).await;
    assert!(all.iter().copied().eq(1..=old + more));
    feeder.await.expect("it ends");
}

#[tokio::test]
async fn a_stream_from_now_tells_nothing_of_before() {
    let events = Events::new(20);
    let (streams, _stop) = streams(&events, StreamLimits::default());
    let mut body = open(&streams, From::Now).await;
    events.happen(3);
    assert_eq!(read_until(&mut body, 23).await, [21, 22, 23]);
}

#[tokio::test]
async fn only_the_kinds_that_are_wanted_come_and_the_cursor_moves_past_the_others() {
    let events = Events::new(100);
    let limits = StreamLimits { heartbeat: Duration::from_millis(50), ..StreamLimits::default() };
    let (streams, _stop) = streams(&events, limits);
    let wanted = Kinds::of(EventKind::Ended(End::Delivered));
    let stream = streams.open(SERVICE, From::After(90), wanted, Box::new(|| true)).await.expect("it opens");
    let mut body = Body::from_stream(stream);
    assert_eq!(read_until(&mut body, 100).await, [92, 94, 96, 98, 100]);
    events.happen(1);
    let mut beats = String::new();
    while !beats.contains(":\nid: 101\n\n") {
        beats += &tokio::time::timeout(Duration::from_secs(5), piece(&mut body))
            .await
            .expect("it beats")
            .expect("on");
    }
    assert_eq!(seqs(&beats), [0; 0]);
}

#[tokio::test]
async fn a_cursor_that_is_too_old_or_of_the_future_opens_nothing_and_zero_is_the_oldest() {
    let events = Events::new(BACK_MAX * 3);
    events.oldest.store(500, Ordering::Relaxed);
    let (streams, _stop) = streams(&events, StreamLimits::default());
    let refused = async |from| streams.open(SERVICE, from, Kinds::ALL, Box::new(|| true)).await.err();
    assert!(matches!(refused(From::After(498)).await, Some(NotOpened::TooOld { oldest: 500 })));
    assert!(matches!(refused(From::After(BACK_MAX * 3 + 1)).await, Some(NotOpened::Ahead { .. })));
    let mut body = open(&streams, From::After(0)).await;
    let text = piece(&mut body).await.expect("it goes on");
    assert_eq!(seqs(&text).first(), Some(&500));
    drop(body);
    assert_eq!(streams.lock().streams, 0);
}

#[tokio::test]
async fn who_falls_behind_what_is_kept_is_told_and_let_go() {
    let events = Events::new(10);
    let (streams, _stop) = streams(&events, StreamLimits::default());
    let mut body = open(&streams, From::Now).await;
    // Far more than the window holds, while nobody reads.
    let far = 100_000;
    events.happen(far);
    let feed = Arc::clone(&streams.lock().feeds.get(&SERVICE).expect("it is listened to").feed);
    while feed.newest() < 10 + far {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    events.oldest.store(50_000, Ordering::Relaxed);
    let mut last = String::new();
    while let Some(text) =
        tokio::time::timeout(Duration::from_secs(5), piece(&mut body)).await.expect("it ends")
    {
        last = text;
    }
    assert!(last.starts_with("event: cursor_too_old\n"), "{last}");
}

#[tokio::test]
async fn streams_beyond_the_limits_are_refused_until_one_ends() {
    let events = Events::new(10);
    let limits = StreamLimits { streams_max: 3, service_max: 2, ..StreamLimits::default() };
    let (streams, stop) = streams(&events, limits);
    let mut first = open(&streams, From::Now).await;
    let second = open(&streams, From::Now).await;
    assert!(matches!(
        streams.open(SERVICE, From::Now, Kinds::ALL, Box::new(|| true)).await,
        Err(NotOpened::ServiceFull)
    ));
    let _other = streams
        .open(ServiceNo(4), From::Now, Kinds::ALL, Box::new(|| true))
        .await
        .expect("there is one left");
    assert!(matches!(
        streams.open(ServiceNo(5), From::Now, Kinds::ALL, Box::new(|| true)).await,
        Err(NotOpened::Full)
    ));
    drop(second);
    let _again = open(&streams, From::Now).await;
    stop.cancel();
    assert_eq!(piece(&mut first).await, None, "all end when we stop");
}

#[tokio::test]
async fn a_stream_ends_when_its_key_opens_it_no_more() {
    let events = Events::new(10);
    let limits = StreamLimits { heartbeat: Duration::from_millis(20), ..StreamLimits::default() };
    let (streams, _stop) = streams(&events, limits);
    let opens = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let still = Arc::clone(&opens);
    let stream =
        streams.open(SERVICE, From::Now, Kinds::ALL, Box::new(move || still.load(Ordering::Relaxed)));
    let mut body = Body::from_stream(stream.await.expect("it opens"));
    assert!(piece(&mut body).await.is_some() && piece(&mut body).await.is_some());
    opens.store(false, Ordering::Relaxed);
    let rest = async { while piece(&mut body).await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), rest).await.expect("it ends");
}

#[tokio::test]
async fn a_stream_gives_nothing_while_its_connection_holds_what_it_got() {
    let events = Events::new(10);
    let (streams, _stop) = streams(&events, StreamLimits::default());
    let mut body = open(&streams, From::After(0)).await;
    let held = body.frame().await.expect("it goes on").expect("a stream does not fail");
    events.happen(10);
    let next = tokio::time::timeout(Duration::from_millis(100), body.frame()).await;
    assert!(next.is_err(), "the connection has not written the last piece");
    drop(held);
    assert_eq!(read_until(&mut body, 20).await.last(), Some(&20));
}

/// Ten thousand readers that stopped reading at places of their own keep no more than one piece each, and those pieces
/// are shared; everything goes when they do.
#[tokio::test]
async fn ten_thousand_streams_of_readers_that_stand_still_are_bounded() {
    let events = Events::new(BACK_MAX + 200_000);
    let (streams, _stop) = streams(&events, StreamLimits::default());
    let mut readers = Vec::new();
    for n in 0..10_000_u64 {
        // Half of them come from a past that only replays know, half from now on.
        let from = if n.is_multiple_of(2) { From::After(n % 80 * 100) } else { From::Now };
        let mut body = open(&streams, from).await;
        readers.push(tokio::spawn(async move {
            // What is held here is what a connection holds that cannot write.
            let held = body.frame().await.expect("it goes on").expect("a stream does not fail");
            let next = tokio::time::timeout(Duration::from_millis(50), body.frame()).await;
            assert!(next.is_err(), "one piece at most is under way");
            (held, body)
        }));
    }
    events.happen(1_000);
    let mut held = Vec::new();
    for reader in readers {
        held.push(reader.await.expect("it reads"));
    }
    let reads = events.reads.load(Ordering::Relaxed);
    assert!(reads < 6_000, "pages are read for many streams at once: {reads}");
    drop(held);
    assert_eq!(streams.lock().streams, 0);
}

#[tokio::test]
async fn a_crowd_at_one_cursor_costs_as_many_readings_as_one_stream() {
    let events = Events::new(BACK_MAX * 2);
    let (streams, _stop) = streams(&events, StreamLimits::default());
    let before = BACK_MAX + 5_000;
    // The first one comes from now on, so that the window begins behind the others.
    let _now = open(&streams, From::Now).await;
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(open(&streams, From::After(before)).await);
    }
    let tasks: Vec<_> = crowd
        .into_iter()
        .map(|mut body| tokio::spawn(async move { read_until(&mut body, BACK_MAX * 2).await.len() }))
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("it reads"), 5_000);
    }
    let reads = events.reads.load(Ordering::Relaxed);
    assert!(reads < 1_000, "{reads} readings for 200 streams over about 75 pages");
}
