//! Every example of docs/API.md is asked of a real server, in order, and the answer compared with the one on the page.
//!
//! A block ```` ```http request ```` is followed by ```` ```json response STATUS ````. Ids, times and cursors of the page stand
//! for those of the run: the first time one is seen in an answer it is learned, and later requests name the learned one.
//! A GET is repeated until its answer is that of the page, since what a message does takes a moment. An HTML comment
//! `<!-- receive FROM TO TEXT -->` has a mobile send a message.

mod support;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use support::api::{Api, KEY, Reply, Wanted};
use trunkline::gateway::settings::{Endpoint, EndpointKind};
use trunkline::http::v1::{Config, Quota, Webhook};

/// One thing that the page has happen.
#[derive(Debug)]
enum Step {
    Ask { line: usize, request: String, status: u16, answer: Value },
    Receive { from: String, to: String, text: String },
}

/// The steps of a page, in order.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut request: Option<(usize, String)> = None;
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let mut block = || {
            let body: Vec<_> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            body.join("\n")
        };
        if line == "```http request" {
            assert!(request.is_none(), "line {}: the request before has no answer", at + 1);
            request = Some((at + 1, block()));
        } else if let Some(status) = line.strip_prefix("```json response ") {
            let (line, request) = request.take().unwrap_or_else(|| panic!("line {}: no request", at + 1));
            let answer =
                serde_json::from_str(&block()).unwrap_or_else(|error| panic!("line {}: {error}", at + 1));
            steps.push(Step::Ask { line, request, status: status.parse().expect("a status"), answer });
        } else if let Some(told) =
            line.strip_prefix("<!-- receive ").and_then(|line| line.strip_suffix(" -->"))
        {
            let mut words = told.splitn(3, ' ').map(str::to_owned);
            let (Some(from), Some(to), Some(text)) = (words.next(), words.next(), words.next()) else {
                panic!("line {}: {told}", at + 1);
            };
            steps.push(Step::Receive { from, to, text });
        }
    }
    assert!(request.is_none(), "the last request has no answer");
    steps
}

/// What ids and cursors of the page stand for.
#[derive(Clone, Debug, Default)]
struct Learned(HashMap<String, String>);

impl Learned {
    /// `text` with what was learned put in.
    fn fill(&self, text: &str) -> String {
        let filled = self.0.iter().fold(text.to_owned(), |text, (page, run)| text.replace(page, run));
        filled.replace("$KEY", KEY)
    }

    /// Where `run` is not what the page says; learns as it goes.
    fn differs(&mut self, page: &Value, run: &Value, place: &str) -> Option<String> {
        match (page, run) {
            (Value::Object(page), Value::Object(run)) => {
                let names = |object: &serde_json::Map<String, Value>| {
                    let mut names: Vec<_> = object.keys().cloned().collect();
                    names.sort_unstable();
                    names
                };
                if names(page) != names(run) {
                    return Some(format!("{place}: members {:?} and not {:?}", names(run), names(page)));
                }
                page.iter()
                    .find_map(|(name, value)| self.differs(value, &run[name], &format!("{place}/{name}")))
            }
            (Value::Array(page), Value::Array(run)) if page.len() == run.len() => {
                let pairs = page.iter().zip(run).enumerate();
                pairs
                    .into_iter()
                    .find_map(|(at, (page, run))| self.differs(page, run, &format!("{place}/{at}")))
            }
            (Value::String(page), Value::String(run)) if is_time(page) && is_time(run) => None,
            (Value::String(page), Value::String(run))
                if is_learned(page, place) && is_learned(run, place) =>
            {
                let known = self.0.entry(page.clone()).or_insert_with(|| run.clone());
                (known != run).then(|| format!("{place}: {run} and not {known}"))
            }
            _ => (page != run).then(|| format!("{place}: {run} and not {page}")),
        }
    }
}

/// An id of a message, or a cursor.
fn is_learned(text: &str, place: &str) -> bool {
    let is_id = text.len() == 24 && text.bytes().all(|c| c.is_ascii_hexdigit());
    is_id || place.ends_with("/next")
}

fn is_time(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok()
}

async fn ask(api: &Api, request: &str) -> Reply {
    let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
    let mut lines = head.lines();
    let mut first = lines.next().expect("a request line").split(' ');
    let (Some(method), Some(path), Some("HTTP/1.1")) = (first.next(), first.next(), first.next()) else {
        panic!("no request line: {head}");
    };
    let headers: Vec<_> = lines.map(|line| line.split_once(": ").expect("a header")).collect();
    api.raw(method, path, &headers, body.as_bytes()).await
}

/// The service of the page: it has a limit, and a webhook that is told what mobiles send.
fn wanted() -> Wanted {
    let mut wanted = Wanted::default();
    let endpoint =
        Endpoint { sent: false, receipts: false, ..Endpoint::new("shop/main", EndpointKind::Native) };
    if let (Some(service), Some(access)) = (wanted.services.first_mut(), wanted.config.services.first_mut()) {
        service.monthly_limit = Some(1_000);
        access.quota = Quota::of(service);
        access.webhooks = vec![Webhook::of(&endpoint, "shop.example")];
        service.endpoints = vec![endpoint];
    }
    let timezone = jiff::tz::TimeZone::get("Europe/Paris").expect("it is known");
    Wanted { config: Config { timezone, ..wanted.config }, ..wanted }
}

#[tokio::test]
async fn every_example_of_the_page_does_what_it_says() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/API.md")).expect("docs/API.md");
    let api = Api::with(wanted()).await;
    let mut learned = Learned::default();
    let mut asked = 0;
    for step in steps(&page) {
        let (line, request, status, answer) = match step {
            Step::Ask { line, request, status, answer } => (line, request, status, answer),
            Step::Receive { from, to, text } => {
                api.receive(&from, &to, &text).await;
                continue;
            }
        };
        asked += 1;
        let request = learned.fill(&request);
        // A GET changes nothing, so that it can be asked until what is told of has happened.
        let tries = if request.starts_with("GET ") { 400 } else { 1 };
        let mut difference = None;
        for attempt in 1..=tries {
            // Figures are drawn anew as time passes.
            api.clock.advance(Duration::from_millis(100));
            let reply = ask(&api, &request).await;
            let mut now = learned.clone();
            difference = if reply.status == status {
                now.differs(&answer, &reply.json(), "")
            } else {
                Some(format!("{} {}", reply.status, reply.body))
            };
            if difference.is_none() {
                learned = now;
                break;
            }
            if attempt < tries {
                support::pass(support::ms(10)).await;
            }
        }
        assert_eq!(difference, None, "docs/API.md, line {line}: {request}");
    }
    assert!(asked >= 10, "{asked} examples: the page has changed its form");
}

#[test]
fn the_reader_of_the_page_tells_answers_apart() {
    let mut learned = Learned::default();
    let id = |last: &str| Value::from(format!("66018af8c8ab4e0ca97532{last}"));
    assert_eq!(learned.differs(&id("f1"), &id("aa"), "/id"), None);
    assert_eq!(learned.differs(&id("f1"), &id("aa"), "/id"), None);
    assert!(learned.differs(&id("f1"), &id("bb"), "/id").is_some(), "one id stands for one message");
    assert_eq!(
        learned.fill("GET /v1/messages/66018af8c8ab4e0ca97532f1"),
        "GET /v1/messages/66018af8c8ab4e0ca97532aa"
    );
    assert!(
        learned.differs(&serde_json::json!({ "a": 1 }), &serde_json::json!({ "a": 1, "b": 2 }), "").is_some()
    );
    assert!(learned.differs(&"sent".into(), &"delivered".into(), "/state").is_some());
}
