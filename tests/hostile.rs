//! Peers that are malformed, slow, silent or gone, and a disk that fills: the daemon lives on, others are served, and
//! nothing acknowledged is lost.

mod support;

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::esme::{Esme, plain};
use support::gateway::{Gateway, Site, Wanted, mo_route, route, service, upstream};
use support::metrics::get;
use support::smsc::{Answer, Smsc};
use support::wire::{Frame, Link};
use support::{ms, pass, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use trunkline::pdu::{self, Bind, CommandId, CommandStatus, MessageState, SMPP_3_4, SequenceNumber};

const TRX: CommandId = CommandId::BIND_TRANSCEIVER;
const MOBILE: &str = "33612345678";

async fn site(smsc: &Smsc, smpp: &str, service_more: &str, upstream_more: &str) -> Site {
    let rest = [
        service("shop", service_more),
        service("other", ""),
        upstream("a", smsc.addr, upstream_more),
        route(&["a"], ""),
        mo_route("shop"),
    ];
    Site::new(&Wanted { smpp, rest: &rest.concat(), ..Wanted::default() })
}

/// Somebody else's message goes through, there and back.
async fn others_are_served(site: &Site) {
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "other").await;
    let id = esme.send(MOBILE, "somebody else").await.expect("it is taken");
    assert_eq!(esme.receipt().await.receipted_message_id.as_deref(), Some(&id[..]));
    esme.unbind().await;
}

async fn alive_and_serving(gateway: &mut Gateway, site: &Site) {
    assert!(gateway.is_alive());
    assert_eq!(get(site.admin, "/healthz").await.expect("it answers").0, 200);
    others_are_served(site).await;
    gateway.metrics().await.add_up();
}

/// A whole PDU of these octets of body.
fn octets(id: CommandId, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).expect("short");
    [length, id.0, 0, sequence]
        .iter()
        .flat_map(|word| word.to_be_bytes())
        .chain(body.iter().copied())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn http_on_the_smpp_ports_is_closed_quietly_and_counted() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "", "").await;
    let mut gateway = site.start().await;
    for request in
        ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.0\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n"]
    {
        let mut socket = TcpStream::connect(site.smpp_plain).await.expect("it listens");
        socket.write_all(request.as_bytes()).await.expect("it reads");
        let mut said = Vec::new();
        let _ =
            tokio::time::timeout(support::PATIENCE, socket.read_to_end(&mut said)).await.expect("it closes");
        assert!(said.is_empty(), "{request:?}: {said:?}");
    }
    let mut socket = TcpStream::connect(site.smpp_tls).await.expect("it listens");
    socket.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
    let mut said = Vec::new();
    let _ = tokio::time::timeout(support::PATIENCE, socket.read_to_end(&mut said)).await.expect("it closes");
    assert!(gateway.metrics().await.sum("trunkline_smpp_http_total", &[]) >= 3.0);
    alive_and_serving(&mut gateway, &site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_length_that_lies_gets_a_nack_and_costs_the_link_and_nothing_else() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "", "").await;
    let mut gateway = site.start().await;
    for length in [0u32, 4, 15, 0x0002_0001, 0x7FFF_FFFF, u32::MAX] {
        for bound in [false, true] {
            let mut link = if bound {
                Esme::bound(site.smpp_plain, None, TRX, "shop").await.link
            } else {
                Link::connect(site.smpp_plain, None).await.expect("it listens")
            };
            // Only the four octets: it is judged before anybody waits for more.
            link.write(&length.to_be_bytes()).await.expect("it reads");
            let said = link.closed().await;
            let nack: Vec<_> = said
                .iter()
                .map(|frame| (frame.id(), frame.status(), frame.header().sequence_number))
                .collect();
            let expected = (CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDLEN, SequenceNumber(0));
            assert_eq!(nack, [expected], "length {length:#x}");
        }
    }
    alive_and_serving(&mut gateway, &site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_and_truncated_bodies_cost_one_answer_each() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "", "").await;
    let mut gateway = site.start().await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    let mut whole = bytes::BytesMut::new();
    let (id, status) = (CommandId::SUBMIT_SM, CommandStatus::ESME_ROK);
    pdu::encode(&mut whole, id, status, SequenceNumber(1), &plain(MOBILE, b"Hello"));
    let body = &whole[16..];
    let mut sequence = 1_000;
    for cut in 0..body.len() {
        sequence += 1;
        esme.link.write(&octets(id, sequence, &body[..cut])).await.expect("it reads");
        let answer = esme.response(SequenceNumber(sequence)).await;
        assert_eq!(answer.id(), CommandId::SUBMIT_SM_RESP);
        assert_ne!(answer.status(), CommandStatus::ESME_ROK, "cut at {cut}");
    }
    for broken in [
        [body, &[0x04, 0x24, 0xFF, 0xFF, b'x'][..]].concat(),
        [body, &[0x02, 0x0C, 0x00, 0x01, 0x01][..]].concat(),
        vec![0xFF; 60],
        vec![0; 1_000],
        vec![b'1'; 70_000],
    ] {
        sequence += 1;
        esme.link.write(&octets(id, sequence, &broken)).await.expect("it reads");
        let answer = esme.response(SequenceNumber(sequence)).await;
        assert_ne!(answer.status(), CommandStatus::ESME_ROK, "{} octets", broken.len());
    }
    for id in [CommandId(0x0000_0100), CommandId(0x0001_0204), CommandId(0x7FFF_FFFF)] {
        sequence += 1;
        esme.link.write(&octets(id, sequence, &[0xAA; 40])).await.expect("it reads");
        let answer = esme.response(SequenceNumber(sequence)).await;
        assert_eq!((answer.id(), answer.status()), (CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDID));
    }
    // Answers to nothing are never answered.
    for id in [
        CommandId::SUBMIT_SM_RESP,
        CommandId::DELIVER_SM_RESP,
        CommandId::GENERIC_NACK,
        CommandId(0x8000_0999),
    ] {
        esme.link.write(&octets(id, 77, b"x\0")).await.expect("it reads");
    }
    assert_eq!(esme.enquire().await.expect("it lives"), CommandStatus::ESME_ROK);
    let id = esme.send(MOBILE, "and still bound").await.expect("it is taken");
    assert_eq!(esme.receipt().await.receipted_message_id.as_deref(), Some(&id[..]));
    alive_and_serving(&mut gateway, &site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_sends_octet_by_octet_and_a_read_of_many_pdus_are_understood() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "", "").await;
    let _gateway = site.start().await;
    let mut esme = Esme::connect(site.smpp_plain, None).await;
    let bind =
        Bind { system_id: b"shop", password: b"s3cret", interface_version: SMPP_3_4, ..Bind::default() };
    let mut out = bytes::BytesMut::new();
    pdu::encode(&mut out, TRX, CommandStatus::ESME_ROK, SequenceNumber(1), &bind);
    for octet in &out {
        esme.link.write(&[*octet]).await.expect("it reads");
        pass(ms(2)).await;
    }
    assert_eq!(esme.response(SequenceNumber(1)).await.status(), CommandStatus::ESME_ROK);
    drop(esme);

    // A bind and what follows it in one write, numbers above the specified range included.
    let mut esme = Esme::connect(site.smpp_plain, None).await;
    for nth in 1..=100u32 {
        let sequence = SequenceNumber(0xA285_9F22 + nth);
        pdu::encode(
            &mut out,
            CommandId::SUBMIT_SM,
            CommandStatus::ESME_ROK,
            sequence,
            &plain(MOBILE, b"at once"),
        );
    }
    esme.link.write(&out).await.expect("it reads");
    assert_eq!(esme.response(SequenceNumber(1)).await.status(), CommandStatus::ESME_ROK);
    let mut answered = 0;
    let mut receipts = 0;
    while answered < 100 || receipts < 100 {
        let frame = esme.link.next().await;
        match frame.id() {
            CommandId::SUBMIT_SM_RESP => {
                assert_eq!(frame.status(), CommandStatus::ESME_ROK);
                assert!(frame.header().sequence_number > SequenceNumber(0xA285_9F22));
                answered += 1;
            }
            _ => receipts += 1,
        }
    }
    assert_eq!((answered, receipts), (100, 100));
}

/// Connects from another address of loopback: connections that have not bound are limited for each.
async fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((from, 0))).expect("all of 127/8 is ours");
    socket.connect(to).await.expect("it listens")
}

#[tokio::test(flavor = "multi_thread")]
async fn half_open_connections_and_slow_handshakes_are_cut_and_others_are_served_meanwhile() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "session_init = \"2s\"", "", "").await;
    let mut gateway = site.start().await;
    let mut silent = Vec::new();
    for _ in 0..150 {
        silent.push(connect_from([127, 0, 0, 2], site.smpp_plain).await);
        silent.push(connect_from([127, 0, 0, 2], site.smpp_tls).await);
    }
    // A handshake that is begun and never ended, and one that trickles in.
    let mut begun = connect_from([127, 0, 0, 3], site.smpp_tls).await;
    begun.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.expect("it reads");
    silent.push(begun);
    let mut trickling = connect_from([127, 0, 0, 3], site.smpp_tls).await;
    let trickle = tokio::spawn(async move {
        for octet in [0x16u8, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00].iter().chain(&[0u8; 2_000]) {
            if trickling.write_all(&[*octet]).await.is_err() {
                return;
            }
            tokio::time::sleep(ms(50)).await;
        }
        panic!("a handshake may take for ever");
    });
    others_are_served(&site).await;
    let all_cut = async {
        for socket in &mut silent {
            let mut octet = [0];
            let read = socket.read(&mut octet).await;
            assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        }
    };
    tokio::time::timeout(support::PATIENCE, all_cut).await.expect("silence is cut");
    trickle.await.expect("the trickle was cut");
    alive_and_serving(&mut gateway, &site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_answers_deliver_sm_is_unbound_and_another_takes_over() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "response = \"1s\"", "", "").await;
    let mut gateway = site.start().await;
    let mut mute = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    mute.answers = false;
    let mut ids = Vec::new();
    for nth in 0..5 {
        ids.push(mute.send(MOBILE, &format!("text {nth}")).await.expect("it is taken"));
    }
    let unbound = async {
        loop {
            let frame = mute.link.next().await;
            if frame.id() == CommandId::UNBIND {
                return frame;
            }
        }
    };
    let unbind: Frame = tokio::time::timeout(support::PATIENCE, unbound).await.expect("it is unbound");
    let (sequence, rok) = (unbind.header().sequence_number, CommandStatus::ESME_ROK);
    mute.link.send(CommandId::UNBIND_RESP, rok, sequence, &()).await.expect("it reads");
    mute.link.closed().await;
    others_are_served(&site).await;
    let mut other = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    let mut told = Vec::new();
    for _ in 0..5 {
        told.extend(other.receipt().await.receipted_message_id);
    }
    ids.sort();
    told.sort();
    assert_eq!(told, ids);
    alive_and_serving(&mut gateway, &site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_writes_and_never_reads_is_cut_and_others_are_served_meanwhile() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "write_stall = \"2s\"", "", "").await;
    let mut gateway = site.start().await;
    let esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    let mut link = esme.link;
    let mut batch = bytes::BytesMut::new();
    for nth in 0..1_000u32 {
        let (id, status) = (CommandId::SUBMIT_SM, CommandStatus::ESME_ROK);
        pdu::encode(
            &mut batch,
            id,
            status,
            SequenceNumber(nth + 2),
            &plain("nobody", b"refused, which is quick"),
        );
    }
    let flood = tokio::spawn(async move {
        // Until the gateway reads no more, and then until it has had enough.
        while link.write(&batch).await.is_ok() {}
    });
    pass(ms(500)).await;
    others_are_served(&site).await;
    tokio::time::timeout(support::PATIENCE, flood).await.expect("it is cut").expect("the test's own task");
    alive_and_serving(&mut gateway, &site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_smsc_that_stops_answering_is_left_and_nothing_is_lost() {
    let smsc = Smsc::start(None).await;
    let timers = "enquire_link = \"1s\"\ninactivity = \"3s\"\nresponse = \"1s\"";
    let site = site(&smsc, "", "", timers).await;
    let mut gateway = site.start().await;
    smsc.bound(1).await;
    smsc.set(|book| book.is_deaf = true);
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    let mut ids = Vec::new();
    for nth in 0..30 {
        ids.push(
            esme.send(MOBILE, &format!("text {nth}")).await.expect("it is taken though the SMSC is deaf"),
        );
    }
    // A deaf peer accepts connections all the same; what counts is that the old one is given up.
    pass(ms(5_000)).await;
    smsc.set(|book| book.is_deaf = false);
    smsc.cut();
    let mut told = Vec::new();
    while told.len() < 30 {
        let receipt = esme.receipt().await;
        if receipt.state == Some(MessageState::DELIVERED) {
            told.extend(receipt.receipted_message_id);
        }
    }
    ids.sort();
    told.sort();
    assert_eq!(told, ids);
    alive_and_serving(&mut gateway, &site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_smsc_that_vanishes_half_way_through_a_pdu_costs_nothing_but_a_counted_duplicate() {
    let mut cuts = 0;
    let conduct = move |_: &support::smsc::Seen| {
        cuts += 1;
        if cuts % 2 == 1 && cuts < 6 { Answer::CutHalfWay } else { Answer::delivered() }
    };
    let smsc = Smsc::with(None, "A", conduct).await;
    let site = site(&smsc, "", "", "window = 1").await;
    let mut gateway = site.start().await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    let mut ids = Vec::new();
    for nth in 0..10 {
        ids.push(esme.send(MOBILE, &format!("text {nth}")).await.expect("it is taken"));
    }
    let mut told = Vec::new();
    for _ in 0..10 {
        told.extend(esme.receipt().await.receipted_message_id);
    }
    ids.sort();
    told.sort();
    assert_eq!(told, ids);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.duplicates("dispatch"), 3, "each cut left one message in doubt");
    alive_and_serving(&mut gateway, &site).await;
}

/// A file system of a few mebibytes. Mounting wants root; a test that cannot run fails.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, mebibytes: u32) -> Self {
        fs::create_dir_all(&at).expect("the folder is ours");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "trunkline-test"])
            .arg(&at)
            .status();
        let is_mounted = mounted.is_ok_and(|status| status.success());
        assert!(is_mounted, "no tmpfs could be mounted: run the tests as root, or with CAP_SYS_ADMIN");
        Self(at)
    }

    /// Writes until nothing more fits, and then takes `back` octets back.
    fn fill(&self, back: u64) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = fs::File::options().create(true).append(true).open(&path).expect("the disk is ours");
        while file.write_all(&[0xAA; 4_096]).is_ok() {}
        let octets = file.metadata().expect("it is open").len();
        file.set_len(octets.saturating_sub(back)).expect("it is ours");
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_and_is_freed_again_loses_nothing() {
    let smsc = Smsc::start(None).await;
    let rest = [
        service("shop", ""),
        service("other", ""),
        upstream("a", smsc.addr, ""),
        route(&["a"], ""),
        mo_route("shop"),
    ]
    .concat();
    let base = tempfile::tempdir().expect("a temporary folder");
    let disk = SmallDisk::mount(base.path().join("disk"), 96);
    let data = disk.0.join("data");
    let store =
        "disk_reserve = \"16MiB\"\nsegment = \"1MiB\"\ncheckpoint_every = \"500ms\"\ncache = \"4MiB\"";
    let site = Site::new(&Wanted { store, rest: &rest, data_dir: Some(&data), ..Wanted::default() });
    let mut gateway = site.start().await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    let mut acknowledged = Vec::new();
    for nth in 0..50 {
        acknowledged.push(esme.send(MOBILE, &format!("before {nth}")).await.expect("there is room"));
    }

    // Inside the reserve: nothing new, but deliveries go on.
    let ballast = disk.fill(6 << 20);
    refused_soon(&mut esme, &mut acknowledged).await;
    not_ready(&site).await;
    smsc.mo(MOBILE, "33930000000", b"inside the reserve");
    let mut delivered = Vec::new();
    while delivered.len() < acknowledged.len() + 1 {
        delivered.push(esme.delivery().await);
    }
    assert!(delivered.iter().any(|delivery| delivery.text == b"inside the reserve"));

    // Quite full: nothing is answered OK, nothing falls over.
    disk.fill(0);
    for nth in 0..20 {
        if let Ok(id) = esme.send(MOBILE, &format!("full {nth}")).await {
            panic!("{id} was acknowledged on a full disk");
        }
    }
    smsc.mo(MOBILE, "33930000000", b"while it was full");
    pass(ms(1_000)).await;
    assert!(gateway.is_alive());

    // Freed: it recovers by itself.
    fs::remove_file(&ballast).expect("it is ours");
    gateway.ready().await;
    let mut esme = esme_again(esme, &site).await;
    for nth in 0..10 {
        acknowledged.push(taken_soon(&mut esme, &format!("after {nth}")).await);
    }
    let mut texts = Vec::new();
    while texts.len() < 11 {
        let delivery = esme.delivery().await;
        texts.push((delivery.receipted_message_id, delivery.text));
    }
    assert!(
        texts.iter().any(|(_, text)| text == b"while it was full"),
        "it was answered late, or came again"
    );
    gateway.metrics().await.add_up();

    // And over a kill everything acknowledged is still known.
    gateway.kill();
    let mut gateway = site.start().await;
    let receipted: Vec<String> = delivered
        .into_iter()
        .map(|d| d.receipted_message_id)
        .chain(texts.into_iter().map(|t| t.0))
        .flatten()
        .collect();
    for id in &acknowledged {
        assert!(receipted.contains(id), "{id} has no receipt");
    }
    let metrics = gateway.metrics().await;
    let accepted = metrics.sum("trunkline_messages_accepted_total", &["service=\"shop\""]);
    assert_eq!(accepted, acknowledged.len() as f64);
    alive_and_serving(&mut gateway, &site).await;
}

/// Waits until the gateway has noticed how little room there is.
async fn refused_soon(esme: &mut Esme, acknowledged: &mut Vec<String>) {
    for _ in 0..200 {
        match esme.send(MOBILE, "noticed?").await {
            Ok(id) => acknowledged.push(id),
            Err(status) => return assert_eq!(status, CommandStatus::ESME_RMSGQFUL, "the retryable refusal"),
        }
        pass(ms(50)).await;
    }
    panic!("never refused");
}

/// Waits until `/readyz` tells that there is no room.
async fn not_ready(site: &Site) {
    let told = async {
        while !matches!(get(site.admin, "/readyz").await, Ok((503, _))) {
            tokio::time::sleep(ms(20)).await;
        }
    };
    tokio::time::timeout(support::PATIENCE, told).await.expect("/readyz tells");
}

async fn taken_soon(esme: &mut Esme, text: &str) -> String {
    for _ in 0..200 {
        if let Ok(id) = esme.send(MOBILE, text).await {
            return id;
        }
        pass(ms(50)).await;
    }
    panic!("never taken again");
}

/// The same session if it lives, a new one otherwise.
async fn esme_again(mut esme: Esme, site: &Site) -> Esme {
    let sequence = esme.link.request(CommandId::ENQUIRE_LINK, &()).await;
    match sequence {
        Ok(sequence) => {
            esme.response(sequence).await;
            esme
        }
        Err(_) => Esme::bound(site.smpp_plain, None, TRX, "shop").await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_started_without_room_takes_nothing_until_there_is_some() {
    let smsc = Smsc::start(None).await;
    let rest = [service("shop", ""), upstream("a", smsc.addr, ""), route(&["a"], "")].concat();
    let base = tempfile::tempdir().expect("a temporary folder");
    let disk = SmallDisk::mount(base.path().join("disk"), 48);
    let data = disk.0.join("data");
    let store = "disk_reserve = \"16MiB\"\nsegment = \"1MiB\"\ncache = \"4MiB\"";
    let site = Site::new(&Wanted { store, rest: &rest, data_dir: Some(&data), ..Wanted::default() });
    site.start().await.kill();
    let ballast = disk.fill(4 << 20);
    let mut gateway = site.spawn();
    not_ready(&site).await;
    free(&ballast);
    gateway.ready().await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    taken_soon(&mut esme, "there is room").await;
    until("it arrived", || smsc.book().seen.first().map(|_| ())).await;
}

fn free(ballast: &Path) {
    fs::remove_file(ballast).expect("it is ours");
}
