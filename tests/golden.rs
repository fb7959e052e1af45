//! Records of every version ever written are still read, and written the same.
//!
//! `tests/golden/records-v1.hex` is written once: run with `TRUNKLINE_GOLDEN=write` after adding a record, never to make a
//! changed one pass. A release that changes a record gets a new version and a new file beside this one.

mod world;

use trunkline::gateway::delivery::Owed;
use trunkline::gateway::id::{MessageId, Outlet, ServiceNo, UpstreamNo};
use trunkline::gateway::message::{Asked, AskedLast, Doubt, End, Interface, Reason, Tell, Ties, Written};
use trunkline::gateway::port::Key;
use trunkline::gateway::record::{Accepted, ArrivedPart, Incoming, MoContent, Parked, Record, Report};
use trunkline::gateway::settings::LongMode;
use trunkline::pdu::{CommandStatus, DataCoding, EsmClass, MessageState};
use trunkline::store::record::{RecordError, read_all, write};

fn samples() -> Vec<Record> {
    let id = MessageId([0x66, 1, 0x8a, 0xf8, 1, 2, 3, 4, 5, 0, 0, 9]);
    let (service, upstream, at_ms) = (ServiceNo(3), UpstreamNo(2), 1_711_377_144_123);
    let mut content = world::content("Bonjour", "33612345678");
    (content.tlvs, content.reference) = ([0x02, 0x04, 0, 1, 7][..].into(), b"order-1"[..].into());
    let mo = MoContent {
        source: world::address("33600000000"),
        destination: world::address("33930000000"),
        esm_class: EsmClass(0),
        protocol_id: 0,
        data_coding: DataCoding(8),
        payload: [0, 0x4f, 0, 0x4b][..].into(),
        tlvs: Box::default(),
    };
    let part =
        ArrivedPart { upstream, reference: 0x1234, wide: true, total: 3, number: 2, at_ms, mo: mo.clone() };
    let report = Report {
        upstream_id: b"6AAD5"[..].into(),
        other_id: b"0000436949"[..].into(),
        source: world::address("33612345678"),
        destination: world::address("33930000000"),
        state: MessageState::DELIVERED,
        error: 0,
        message: None,
    };
    let accepted = Accepted {
        id,
        service,
        upstream,
        lane: 17,
        at_ms,
        expires_ms: at_ms + 1,
        receipt_by_ms: at_ms + 2,
        not_before_ms: 0,
        billed: 1,
        month: 202_403,
        parts: 1,
        asked: Asked { last: AskedLast::EachPart, intermediate: true },
        ties: Ties::default(),
        key: None,
        content,
    };
    let tied = Accepted {
        ties: Ties {
            interface: Interface::Native,
            written: Written { national_to: true, national_from: false },
            watch: Some(33_612_345_678),
            tell: [Tell { outlet: Outlet(0x8001), sent: true }][..].into(),
            unsure_until_ms: 0,
        },
        key: Some(Key { key: [7; 16], digest: [8; 16] }),
        ..accepted.clone()
    };
    let received = Incoming {
        id,
        upstream,
        service: Some(service),
        at_ms,
        parts: (2, 3),
        late: false,
        left: 2,
        long: LongMode::Udh,
        watch: None,
        answers: None,
        tell: Box::default(),
        once: None,
        mo,
    };
    let tied_mo = Incoming {
        watch: Some(33_600_000_000),
        answers: Some(id),
        tell: [Outlet(0x8001)][..].into(),
        once: Some([9; 16]),
        ..received.clone()
    };
    let outlet = Outlet(service.0);
    let owed = Owed::Receipt {
        id,
        state: MessageState::DELIVERED,
        error: 3,
        part: (1, 1),
        at_ms,
        intermediate: false,
    };
    let status = CommandStatus::ESME_RMSGQFUL;
    vec![
        Record::ServiceNamed { no: service, name: "demo".into() },
        Record::UpstreamNamed { no: upstream, name: "smsc".into() },
        Record::Accepted(Box::new(accepted)),
        Record::Dispatched { id, part: 0, at_ms },
        Record::Sent { id, part: 0, at_ms, upstream_id: b"abc"[..].into() },
        Record::PutOff { id, part: 0, at_ms, status, not_before_ms: at_ms + 5 },
        Record::Doubted { id, part: 0, at_ms, doubt: Doubt::SessionLost },
        Record::Rerouted { id, upstream, at_ms },
        Record::Refused { id, part: 1, at_ms, status },
        Record::Receipted { id, part: 0, at_ms, state: MessageState::EXPIRED, error: 27 },
        Record::Ended { id, at_ms, end: End::Unknown, reason: Reason::NoReceipt },
        Record::Parked(Box::new(Parked { no: 4, upstream, at_ms, report })),
        Record::Unparked { no: 4 },
        Record::FormLearned { upstream, form: 1 },
        Record::SetOpened { no: 5, deadline_ms: at_ms, part: Box::new(part.clone()) },
        Record::PartArrived(Box::new(part)),
        Record::SetOut { no: 5, forget_ms: at_ms },
        Record::SetForgotten { no: 5 },
        Record::MoReceived(Box::new(received)),
        Record::Delivering { no: 6, outlet, again: Some(Doubt::TimedOut) },
        Record::Delivered { no: 6, outlet, at_ms },
        Record::DeliveryPutOff { no: 6, outlet, not_before_ms: at_ms, counts: true },
        Record::DeliveryDead { no: 6, outlet, at_ms },
        Record::DeliveryRevived { no: 6, outlet, at_ms },
        Record::Accepted(Box::new(tied)),
        Record::MoReceived(Box::new(tied_mo)),
        Record::Unsure { id, part: 0, at_ms, until_ms: at_ms + 9 },
        Record::OutletNamed { outlet: Outlet(0x8001), service, name: "demo/crm".into() },
        Record::Blocked { service, number: 33_600_000_000, blocked: true, at_ms, by: id },
        Record::OwedAgain { outlet: Outlet(0x8001), owed, at_ms },
    ]
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|o| format!("{o:02x}")).collect()
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex")).collect()
}

#[test]
fn records_of_version_1_are_written_and_read_as_they_always_were() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/records-v1.hex");
    let lines: Vec<String> = samples()
        .iter()
        .map(|record| {
            let mut out = Vec::new();
            write(&mut out, record);
            hex(&out)
        })
        .collect();
    if std::env::var("TRUNKLINE_GOLDEN").is_ok_and(|v| v == "write") {
        std::fs::write(path, lines.join("\n") + "\n").expect("written");
    }
    let golden = std::fs::read_to_string(path).expect("the golden file is there");
    let golden: Vec<&str> = golden.lines().collect();
    assert_eq!(lines.len(), golden.len());
    for ((line, golden), sample) in lines.iter().zip(golden).zip(samples()) {
        assert_eq!(line, golden, "{sample:?} is written otherwise than before");
        let mut read = Vec::new();
        read_all(&octets(golden), &mut |r| read.push(r)).expect("golden octets are read");
        let mut again = Vec::new();
        read.iter().for_each(|r| write(&mut again, r));
        assert_eq!(hex(&again), golden);
    }
}

#[test]
fn a_record_of_a_later_release_is_refused_by_name() {
    let mut out = Vec::new();
    write(&mut out, &Record::Unparked { no: 1 });
    out[1] = 9;
    let error = read_all(&out, &mut |_| ()).expect_err("unknown");
    assert_eq!(error, RecordError::Unknown { tag: 13, version: 9 });
    assert!(error.to_string().contains("later release"));
}

#[test]
fn a_cut_record_is_garbled_and_never_another() {
    for sample in samples() {
        let mut out = Vec::new();
        write(&mut out, &sample);
        for cut in 1..out.len() {
            assert!(read_all(&out[..cut], &mut |_| ()).is_err(), "{sample:?} cut at {cut}");
        }
    }
}
