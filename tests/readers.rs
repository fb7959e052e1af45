//! The engine as its readers see it: lists, events and messages, while it writes.

use std::sync::Arc;
use std::time::Duration;

use trunkline::clock::Clock;
use trunkline::engine::{Config, Engine, Events};
use trunkline::gateway::cold::{By, Query};
use trunkline::gateway::event::{Event, EventKind};
use trunkline::gateway::id::ServiceNo;
use trunkline::gateway::message::{Content, Interface};
use trunkline::gateway::port::{Found, Key, Refusal, Submission};
use trunkline::gateway::settings::{Route, Rules, Service, Settings, Upstream};
use trunkline::pdu::{Address, DataCoding, EsmClass, Npi, RegisteredDelivery, Ton};
use trunkline::store::file::RealDisk;

const SERVICE: ServiceNo = ServiceNo(0);

fn settings() -> Settings {
    let service = |id: &str| Service { watched: true, ..Service::new(id) };
    Settings {
        services: vec![service("one"), service("two")],
        upstreams: vec![Upstream::new("smsc")],
        routes: vec![Route {
            service: None,
            sender: String::new(),
            destination: String::new(),
            upstreams: vec!["smsc".into()],
        }],
        mo_routes: Vec::new(),
        rules: Rules::default(),
    }
}

fn start(dir: &std::path::Path) -> Engine {
    let config =
        Config { data_dir: dir.to_owned(), checkpoint_ms: 40, disk_reserve_octets: 0, ..Config::default() };
    let settings = Arc::new(settings());
    Engine::start(Arc::new(RealDisk), config, settings, Clock::system()).expect("it starts")
}

fn submission(text: &str, to: &str) -> Submission {
    let address = |digits: &str| Address::new(Ton(1), Npi(1), digits.as_bytes()).expect("an address");
    let content = Content {
        source: address("33930000000"),
        destination: address(to),
        esm_class: EsmClass(0),
        protocol_id: 0,
        priority: 0,
        registered_delivery: RegisteredDelivery(1),
        data_coding: DataCoding(0),
        payload: text.as_bytes().into(),
        tlvs: Box::default(),
        reference: text.as_bytes().into(),
    };
    Submission::new(content, Interface::Native)
}

fn query(by: By, limit: usize) -> Query {
    Query { by, from_ms: 0, until_ms: u64::MAX, after: None, newest_first: false, limit }
}

/// All events of a service after `after`, page by page.
fn all_events(engine: &Engine, service: ServiceNo, mut after: u64, page: usize) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        match engine.events(service, after, page).expect("readable") {
            Events::Some { events, next } => {
                all.extend(events);
                if next == after {
                    return all;
                }
                after = next;
            }
            Events::TooOld { oldest } => panic!("{after} is older than {oldest}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_events_miss_nothing_while_checkpoints_come_and_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let engine = start(dir.path());
    let mut ids = Vec::new();
    for n in 0..60 {
        let service = if n % 3 == 2 { ServiceNo(1) } else { SERVICE };
        let batch = (0..4).map(|m| submission(&format!("n{n}m{m}"), &format!("3361234567{m}"))).collect();
        for taken in engine.submit_all(service, batch).await {
            let id = taken.expect("accepted").id;
            if service == SERVICE {
                ids.push(id);
            }
            // Whatever was acknowledged is found at once, by its id and in the lists.
            assert!(matches!(engine.find(id), Ok(Some(Found::Mt(_)))));
        }
        let newest = Query { newest_first: true, ..query(By::Messages, 4) };
        let listed = engine.list(service, &newest).expect("readable").ids;
        if service == SERVICE {
            let last: Vec<_> = ids.iter().rev().take(4).copied().collect();
            assert_eq!(listed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), last, "batch {n}");
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let mut paged = Vec::new();
    let mut after = None;
    loop {
        let page = engine.list(SERVICE, &Query { after, ..query(By::Messages, 7) }).expect("readable");
        paged.extend(page.ids.iter().map(|(id, _)| *id));
        after = paged.last().copied();
        if !page.more {
            break;
        }
    }
    assert_eq!(paged, ids);
    let by = By::Number(33_612_345_671);
    let one_number = engine.list(SERVICE, &query(by, 1_000)).expect("readable").ids;
    assert_eq!(one_number.len(), ids.len() / 4);
    let by = By::Reference(b"n0m2".to_vec());
    assert_eq!(engine.list(SERVICE, &query(by, 10)).expect("readable").ids, [(ids[2], false)]);
    let accepted: Vec<_> = all_events(&engine, SERVICE, 0, 13).into_iter().map(|e| (e.kind, e.id)).collect();
    let expected: Vec<_> = ids.iter().map(|id| (EventKind::Accepted, *id)).collect();
    assert_eq!(accepted, expected);
    let stopping = engine.clone();
    tokio::task::spawn_blocking(move || stopping.stop()).await.expect("it stops");

    // After a start nothing of it is in memory.
    let engine = start(dir.path());
    assert_eq!(all_events(&engine, SERVICE, 0, 50).len(), ids.len());
    let listed = engine.list(SERVICE, &query(By::Messages, 1_000)).expect("readable").ids;
    assert_eq!(listed.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
    let mut newest = engine.newest_event();
    let before = *newest.borrow_and_update();
    let id = engine.submit(SERVICE, submission("again", "33612345678")).await.expect("accepted").id;
    newest.changed().await.expect("the engine runs");
    let events = all_events(&engine, SERVICE, before, 10);
    assert_eq!(events.iter().map(|e| (e.seq, e.id)).collect::<Vec<_>>(), [(before + 1, id)]);
    tokio::task::spawn_blocking(move || engine.stop()).await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_known_in_the_same_batch_and_after_its_row_was_written() {
    let dir = tempfile::tempdir().expect("a directory");
    let engine = start(dir.path());
    let keyed = |digest| Submission {
        key: Some(Key { key: [5; 16], digest: [digest; 16] }),
        ..submission("once", "33612345678")
    };
    let both = engine.submit_all(SERVICE, vec![keyed(1), keyed(1)]).await;
    let first = both[0].expect("accepted");
    assert_eq!(both[1].map(|t| (t.id, t.repeated)), Ok((first.id, true)));
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(engine.submit(SERVICE, keyed(1)).await.map(|t| t.id), Ok(first.id));
        assert_eq!(engine.submit(SERVICE, keyed(2)).await, Err(Refusal::KeyReused));
    }
    assert!(!engine.submit(ServiceNo(1), keyed(1)).await.expect("another service's key").repeated);
    tokio::task::spawn_blocking(move || engine.stop()).await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_numbers_are_listed_at_once_and_after_a_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let engine = start(dir.path());
    for number in [33_600_000_003, 33_600_000_001, 33_600_000_002] {
        assert!(engine.block(SERVICE, number, true).await.expect("it runs"));
    }
    assert!(!engine.block(SERVICE, 33_600_000_001, true).await.expect("it runs"), "it is there already");
    assert!(engine.block(SERVICE, 33_600_000_002, false).await.expect("it runs"));
    assert_eq!(engine.blocked(SERVICE, 0, 10), [33_600_000_001, 33_600_000_003]);
    assert_eq!(engine.blocked(SERVICE, 33_600_000_001, 10), [33_600_000_003]);
    assert_eq!(engine.blocked(ServiceNo(1), 0, 10), [0; 0]);
    let stopping = engine.clone();
    tokio::task::spawn_blocking(move || stopping.stop()).await.expect("it stops");
    let engine = start(dir.path());
    assert!(engine.is_blocked(SERVICE, 33_600_000_003) && !engine.is_blocked(SERVICE, 33_600_000_002));
    tokio::task::spawn_blocking(move || engine.stop()).await.expect("it stops");
}
