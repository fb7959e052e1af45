//! Push_CRA going out: in lanes, so that the reports of one message keep their order and a slow endpoint does not stop
//! what happens here.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Uri};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::world::World;
use crate::net::client::{Client, Request};
use crate::vendor::timetochat::{Part, Pushed, State, Vocabulary, push, write_date_ms, write_date_s};

/// One state to push.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) to: String,
    pub(super) from: String,
    pub(super) date_ms: u64,
    pub(super) call_id: String,
    pub(super) reference: Option<String>,
    pub(super) state: State,
    pub(super) info: Option<String>,
    pub(super) part: Option<Part>,
    /// All states so far, this one too, if they are to be told.
    pub(super) before: Vec<(u64, State)>,
}

/// One push.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// Octets to post instead of items.
    pub(super) raw: Vec<u8>,
    /// How often it was tried.
    pub(super) tries: u32,
}

/// What waits to be posted, and what was.
#[derive(Debug)]
pub(super) struct Pushing {
    client: Client,
    lanes: Vec<Lane>,
    log: Mutex<VecDeque<Value>>,
}

#[derive(Debug, Default)]
struct Lane {
    waiting: Mutex<VecDeque<Batch>>,
    wake: Notify,
}

impl Pushing {
    pub(super) fn new(client: Client) -> Self {
        Self { client, lanes: (0..LANES).map(|_| Lane::default()).collect(), log: Mutex::default() }
    }

    /// Pushes that wait. What goes in is bounded by the messages that were let in.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.waiting().len()).sum()
    }

    /// Posts a push after those of the same message.
    pub(super) fn enqueue(&self, batch: Batch) {
        let mut hasher = DefaultHasher::new();
        if let Some(first) = batch.items.first() {
            (&first.call_id, &first.to).hash(&mut hasher);
        }
        let lane = usize::try_from(hasher.finish() % LANES).unwrap_or(0);
        if let Some(lane) = self.lanes.get(lane) {
            lane.waiting().push_back(batch);
            lane.wake.notify_one();
        }
    }

    /// The newest pushes, newest first.
    pub(super) fn log(&self, limit: usize) -> Vec<Value> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().take(limit).cloned().collect()
    }

    fn note(&self, entry: Value) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() >= LOG_MAX {
            log.pop_front();
        }
        log.push_back(entry);
    }
}

impl Lane {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Batch>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn next(&self) -> Batch {
        loop {
            let next = self.waiting().pop_front();
            match next {
                Some(batch) => return batch,
                None => self.wake.notified().await,
            }
        }
    }
}

/// Posts what lane `nth` holds until stopped.
pub(super) async fn run(world: &World, nth: usize, stop: &CancellationToken) {
    let Some(lane) = world.pushing.lanes.get(nth) else { return };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            batch = lane.next() => post(world, batch).await,
        }
    }
}

async fn post(world: &World, mut batch: Batch) {
    let switches = world.switches();
    let body = if batch.raw.is_empty() {
        write(&world.config.service, &batch.items, switches.vocabulary)
    } else {
        batch.raw.clone()
    };
    let told = String::from_utf8_lossy(&body).into_owned();
    batch.tries += 1;
    let url = switches.push_url.as_deref().and_then(|url| url.parse::<Uri>().ok());
    let (status, error) = match url {
        None => (None, Some("there is no push_url, or it is no URL".to_owned())),
        Some(url) => {
            let mut request = Request::new(Method::POST, url);
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
            request.body = Bytes::from(body);
            request.timeout = Some(Duration::from_millis(switches.push_timeout_ms));
            match world.pushing.client.send(request).await {
                Ok(answer) => (Some(answer.status.as_u16()), None),
                Err(error) => (None, Some(error.to_string())),
            }
        }
    };
    let at = write_date_ms(world.clock.utc_ms());
    world.pushing.note(json!({"at": at, "try": batch.tries, "status": status, "error": error, "body": told}));
    if !status.is_some_and(|status| (200..300).contains(&status)) && switches.push_url.is_some() {
        world.push_failed(batch);
    }
}

/// The body of a push.
fn write(service: &str, items: &[Item], vocabulary: Vocabulary) -> Vec<u8> {
    let pushed: Vec<Pushed<'_>> = items
        .iter()
        .map(|item| Pushed {
            to: &item.to,
            from: &item.from,
            date_ms: item.date_ms,
            call_id: &item.call_id,
            ref_externe: item.reference.as_deref(),
            state: &item.state,
            info: item.info.as_deref(),
            part: item.part,
        })
        .collect();
    let body = push::write(service, &pushed, vocabulary);
    if items.iter().all(|item| item.before.is_empty()) {
        return body;
    }
    // The prose promises all states, the examples have one: this is the prose.
    let Ok(mut whole) = serde_json::from_slice::<Value>(&body) else { return body };
    if let Some(Value::Array(all)) = whole.pointer_mut("/status_report/sms") {
        for (sms, item) in all.iter_mut().zip(items).filter(|(_, item)| !item.before.is_empty()) {
            let list = item.before.iter().map(
                |(date_ms, state)| json!({"date": write_date_s(*date_ms), "type": state.write(vocabulary)}),
            );
            let list = list.collect();
            if let Some(place) = sms.get_mut("status_list") {
                *place = list;
            }
        }
    }
    serde_json::to_vec(&whole).unwrap_or(body)
}

/// Pushes under way at once.
pub(super) const LANES: u64 = 8;

/// Pushes that are remembered.
const LOG_MAX: usize = 1_000;

const JSON: &str = "application/json; charset=utf-8";
