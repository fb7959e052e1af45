//! End to end over real sockets: the built program between an ESME and an SMSC of the tests' own.

mod support;

use std::collections::HashSet;
use std::time::Duration;

use support::esme::{Esme, SENDER, plain};
use support::gateway::{Site, Wanted, mo_route, route, service, upstream};
use support::smsc::{Answer, Owed, Smsc, receipt, text_receipt};
use support::tls::Identity;
use support::wire::number;
use support::{ms, pass, until};
use trunkline::pdu::{
    CommandId, CommandStatus, DataCoding, EsmClass, MessageState, RegisteredDelivery, SubmitSm, Tag, Tlvs,
};

const TRX: CommandId = CommandId::BIND_TRANSCEIVER;
const MOBILE: &str = "33612345678";

/// One service, one upstream, all MO to the service.
fn usual(smsc: &Smsc, service_more: &str, upstream_more: &str) -> String {
    [
        service("shop", service_more),
        upstream("a", smsc.addr, upstream_more),
        route(&["a"], ""),
        mo_route("shop"),
    ]
    .concat()
}

async fn site(smsc: &Smsc, service_more: &str, upstream_more: &str) -> Site {
    Site::new(&Wanted { rest: &usual(smsc, service_more, upstream_more), ..Wanted::default() })
}

async fn there_and_back(esme: &mut Esme, smsc: &Smsc) {
    let before = smsc.book().seen.len();
    let id = esme.send(MOBILE, "Hello").await.expect("it is taken");
    let receipt = esme.receipt().await;
    assert_eq!(receipt.receipted_message_id.as_deref(), Some(&id[..]));
    assert_eq!(receipt.state, Some(MessageState::DELIVERED));
    assert_eq!((receipt.source.as_str(), receipt.destination.as_str()), (MOBILE, SENDER));
    let text = String::from_utf8(receipt.text).expect("ASCII");
    assert!(text.starts_with(&format!("id:{id} sub:001 dlvrd:001 submit date:")), "{text}");
    assert!(text.contains(" stat:DELIVRD err:000 text:Hello"), "{text}");
    let seen = smsc.seen(before + 1).await;
    assert_eq!((seen[before].text.as_slice(), seen[before].destination.as_str()), (&b"Hello"[..], MOBILE));
    smsc.mo(MOBILE, SENDER, b"Hello yourself");
    let mo = esme.delivery().await;
    assert_eq!((mo.esm_class, mo.text.as_slice()), (0, &b"Hello yourself"[..]));
    assert_eq!((mo.source.as_str(), mo.destination.as_str()), (MOBILE, SENDER));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_its_receipt_and_a_reply_over_tls_1_2_tls_1_3_and_plain() {
    let identity = Identity::new();
    let smsc = Smsc::start(Some(identity.acceptor())).await;
    let secured = "ca = \"smsc.pem\"\nserver_name = \"localhost\"";
    let rest = usual(&smsc, "", secured).replace("smpp://", "smpps://");
    let site = Site::new(&Wanted { rest: &rest, ..Wanted::default() });
    site.write("smsc.pem", &identity.certificate_pem);
    let gateway = site.start().await;
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let connector = site.identity.connector(versions);
        let mut esme = Esme::bound(site.smpp_tls, Some(&connector), TRX, "shop").await;
        there_and_back(&mut esme, &smsc).await;
        esme.unbind().await;
    }
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    there_and_back(&mut esme, &smsc).await;
    assert_eq!(esme.enquire().await.expect("it lives"), CommandStatus::ESME_ROK);
    esme.unbind().await;
    gateway.metrics().await.add_up();
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_with_a_foreign_certificate_is_not_bound_to() {
    let smsc = Smsc::start(Some(Identity::new().acceptor())).await;
    let rest = usual(&smsc, "", "ca = \"smsc.pem\"").replace("smpp://", "smpps://");
    let site = Site::new(&Wanted { rest: &rest, ..Wanted::default() });
    site.write("smsc.pem", &Identity::new().certificate_pem);
    let gateway = site.start().await;
    pass(ms(500)).await;
    assert_eq!(smsc.book().sessions_made, 0);
    drop(gateway);
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_wait_on_disk_while_no_esme_is_bound_and_drain_in_order() {
    const COUNT: usize = 60;
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "").await;
    let gateway = site.start().await;
    let mut transmitter =
        Esme::bound(site.smpp_tls, Some(&site.connector()), CommandId::BIND_TRANSMITTER, "shop").await;
    let mut ids = Vec::new();
    for nth in 0..COUNT {
        ids.push(transmitter.send(MOBILE, &format!("text {nth}")).await.expect("it is taken"));
    }
    smsc.mo(MOBILE, SENDER, b"anybody there?");
    let waiting = COUNT as u64 + 1;
    gateway.until("all wait for a receiver", |metrics| metrics.stage("notify") == waiting).await;
    // Once politely and once not.
    assert!(gateway.terminate().await.success());
    site.start().await.kill();
    let gateway = site.start().await;
    assert_eq!(gateway.metrics().await.stage("notify"), waiting);

    let mut receiver =
        Esme::bound(site.smpp_tls, Some(&site.connector()), CommandId::BIND_RECEIVER, "shop").await;
    let mut received = Vec::new();
    for _ in 0..waiting {
        received.push(receiver.delivery().await);
    }
    let receipts: Vec<_> =
        received.iter().filter_map(|delivery| delivery.receipted_message_id.clone()).collect();
    assert_eq!(receipts, ids, "in the order in which they came");
    assert_eq!(received.iter().filter(|delivery| delivery.text == b"anybody there?").count(), 1);
    let metrics = gateway.until("nothing is owed", |metrics| metrics.stages() == [0; 4]).await;
    metrics.add_up();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_left_unanswered_goes_to_another_bind() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "").await;
    let _gateway = site.start().await;
    let mut first = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    first.answers = false;
    let id = first.send(MOBILE, "Hello").await.expect("it is taken");
    assert_eq!(first.receipt().await.receipted_message_id.as_deref(), Some(&id[..]));
    drop(first);
    let mut second = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    assert_eq!(second.receipt().await.receipted_message_id.as_deref(), Some(&id[..]));
    assert_eq!(second.deliveries_within(ms(300)).await.len(), 0, "answered, so not again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_refused_for_now_comes_again_and_one_refused_for_good_does_not_for_ever() {
    let smsc = Smsc::start(None).await;
    let rules = "delivery_delay = \"50ms\"\ndelivery_delay_max = \"100ms\"";
    let site = Site::new(&Wanted { rules, rest: &usual(&smsc, "", ""), ..Wanted::default() });
    let gateway = site.start().await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    esme.answers = false;
    esme.send(MOBILE, "Hello").await.expect("it is taken");
    for status in [CommandStatus::ESME_RMSGQFUL, CommandStatus::ESME_RX_T_APPN, CommandStatus::ESME_ROK] {
        let receipt = esme.receipt().await;
        esme.answer(&receipt, status).await;
    }
    esme.send(MOBILE, "Hello again").await.expect("it is taken");
    for _ in 0..3 {
        let receipt = esme.receipt().await;
        esme.answer(&receipt, CommandStatus::ESME_RX_P_APPN).await;
    }
    assert_eq!(esme.deliveries_within(ms(500)).await.len(), 0, "a dead letter after three tries");
    assert_eq!(gateway.metrics().await.sum("trunkline_dead_letters", &[]), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_unbinds_drains_and_ends_with_status_0() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "").await;
    let gateway = site.start().await;
    let mut esme = Esme::bound(site.smpp_tls, Some(&site.connector()), TRX, "shop").await;
    smsc.set(|book| book.holds_answers = true);
    esme.send(MOBILE, "under way").await.expect("it is taken");
    smsc.seen(1).await;
    let ending = tokio::spawn(gateway.terminate());
    loop {
        let frame = esme.link.next().await;
        if frame.id() == CommandId::UNBIND {
            let sequence = frame.header().sequence_number;
            esme.link
                .send(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence, &())
                .await
                .expect("it reads");
            break;
        }
    }
    esme.link.closed().await;
    smsc.set(|book| book.holds_answers = false);
    let status = ending.await.expect("the test's own task");
    assert!(status.success(), "{status}");

    // The answer was waited for and is on disk: nothing goes out twice.
    let gateway = site.start().await;
    smsc.bound(1).await;
    let mut esme = Esme::bound(site.smpp_tls, Some(&site.connector()), TRX, "shop").await;
    assert_eq!(esme.receipt().await.state, Some(MessageState::DELIVERED));
    assert_eq!(smsc.book().seen.len(), 1);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.duplicates("dispatch"), 0);
    metrics.add_up();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_data_is_refused() {
    let smsc = Smsc::start(None).await;
    let rest = usual(&smsc, "", "");
    let site = Site::new(&Wanted { rest: &rest, ..Wanted::default() });
    let mut gateway = site.start().await;
    let data = site.path("data");
    let other = Site::new(&Wanted { rest: &rest, data_dir: Some(&data), ..Wanted::default() });
    let status = other.spawn().ended().await;
    assert!(!status.success(), "{status}");
    let log = other.log();
    assert!(log.contains(&*data.to_string_lossy()), "it says which: {log}");
    assert!(gateway.is_alive());
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    there_and_back(&mut esme, &smsc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paces_to_twenty_a_second_and_loses_nothing() {
    const COUNT: usize = 50;
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "rate = 20").await;
    let _gateway = site.start().await;
    smsc.bound(1).await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    for nth in 0..COUNT {
        esme.send(&format!("336000000{nth:02}"), &format!("text {nth}")).await.expect("it is taken");
    }
    let seen = smsc.seen(COUNT).await;
    let texts: HashSet<_> = seen.iter().map(|seen| &seen.text).collect();
    assert_eq!(texts.len(), COUNT);
    // Sent 50 ms apart; a scheduler may let two arrive closer together.
    for (first, after) in seen.iter().zip(&seen[20..]) {
        let span = after.at - first.at;
        assert!(span > Duration::from_millis(940), "21 submits in {span:?}");
    }
    let whole = seen[COUNT - 1].at - seen[0].at;
    assert!(whole < Duration::from_secs(5), "it is a pace and not a brake: {whole:?}");
    for _ in 0..COUNT {
        assert_eq!(esme.receipt().await.state, Some(MessageState::DELIVERED));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_pauses_the_bind_and_keeps_the_order() {
    let mut refused = false;
    let conduct = move |seen: &support::smsc::Seen| {
        if seen.text == b"text 3" && !refused {
            refused = true;
            return Answer::Refuse(CommandStatus::ESME_RTHROTTLED);
        }
        Answer::delivered()
    };
    let smsc = Smsc::with(None, "A", conduct).await;
    let site = site(&smsc, "", "window = 1\nthrottle_pause = \"400ms\"").await;
    let _gateway = site.start().await;
    smsc.bound(1).await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    for nth in 0..10 {
        esme.send(MOBILE, &format!("text {nth}")).await.expect("it is taken");
    }
    let seen = smsc.seen(11).await;
    let texts: Vec<_> = seen.iter().map(|seen| String::from_utf8_lossy(&seen.text).into_owned()).collect();
    let expected: Vec<_> = [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9].map(|nth| format!("text {nth}")).to_vec();
    assert_eq!(texts, expected);
    let pause = seen[4].at - seen[3].at;
    assert!(pause > ms(350), "the bind paused for {pause:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_delays_that_message_and_lets_others_pass() {
    let mut refusals = 0;
    let conduct = move |seen: &support::smsc::Seen| {
        if seen.text == b"text 0" && refusals < 2 {
            refusals += 1;
            return Answer::Refuse(CommandStatus::ESME_RMSGQFUL);
        }
        Answer::delivered()
    };
    let smsc = Smsc::with(None, "A", conduct).await;
    let site = site(&smsc, "", "window = 1\ndelay = \"300ms\"").await;
    let _gateway = site.start().await;
    smsc.bound(1).await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    for nth in 0..5 {
        esme.send(MOBILE, &format!("text {nth}")).await.expect("it is taken");
    }
    let seen = smsc.seen(7).await;
    let delayed: Vec<usize> = (0..7).filter(|nth| seen[*nth].text == b"text 0").collect();
    assert_eq!((delayed.len(), delayed[0], delayed[2]), (3, 0, 6), "{delayed:?}: others passed it");
    let (first, second) = (seen[delayed[1]].at - seen[0].at, seen[6].at - seen[delayed[1]].at);
    assert!(first > ms(140) && second > ms(290), "300 and 600 ms, jittered: {first:?}, {second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permanent_refusal_is_final_and_told() {
    let conduct = |_: &support::smsc::Seen| Answer::Refuse(CommandStatus::ESME_RINVDSTADR);
    let smsc = Smsc::with(None, "A", conduct).await;
    let site = site(&smsc, "", "").await;
    let gateway = site.start().await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    let id = esme.send(MOBILE, "never").await.expect("it is taken");
    let receipt = esme.receipt().await;
    assert_eq!(receipt.receipted_message_id.as_deref(), Some(&id[..]));
    assert_eq!(receipt.state, Some(MessageState::REJECTED), "{receipt:?}");
    pass(ms(300)).await;
    assert_eq!(smsc.book().seen.len(), 1, "not tried again");
    gateway.metrics().await.add_up();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_to_the_next_upstream_and_comes_back() {
    let mut first = Smsc::with(None, "A", |_| Answer::delivered()).await;
    let second = Smsc::with(None, "B", |_| Answer::delivered()).await;
    let rest = [
        service("shop", ""),
        upstream("a", first.addr, "failover_after = \"300ms\""),
        upstream("b", second.addr, ""),
        route(&["a", "b"], ""),
    ];
    let site = Site::new(&Wanted { rest: &rest.concat(), ..Wanted::default() });
    let _gateway = site.start().await;
    first.bound(1).await;
    second.bound(1).await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    esme.send(MOBILE, "one").await.expect("it is taken");
    first.seen(1).await;
    first.go_away().await;
    esme.send(MOBILE, "two").await.expect("it is taken");
    assert_eq!(second.seen(1).await[0].text, b"two");
    first.come_back().await;
    first.bound(1).await;
    // The session is bound at the SMSC a moment before the gateway has read so.
    pass(ms(200)).await;
    esme.send(MOBILE, "three").await.expect("it is taken");
    assert_eq!(first.seen(2).await[1].text, b"three");
    for _ in 0..3 {
        assert_eq!(esme.receipt().await.state, Some(MessageState::DELIVERED));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_messages_leave_as_payload_header_or_sar_as_the_upstream_wants() {
    let smscs = [Smsc::start(None).await, Smsc::start(None).await, Smsc::start(None).await];
    let mut rest = service("shop", "");
    for (smsc, (long, prefix)) in smscs.iter().zip([("payload", "331"), ("udh", "332"), ("sar", "333")]) {
        rest += &upstream(long, smsc.addr, &format!("long = \"{long}\""));
        rest += &route(&[long], &format!("destination = \"{prefix}\""));
    }
    let site = Site::new(&Wanted { rest: &rest, ..Wanted::default() });
    let _gateway = site.start().await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    let text = "A long text of four hundred septets. ".repeat(11).as_bytes()[..400].to_vec();
    let mut tlvs = bytes::BytesMut::new();
    trunkline::pdu::tlv::put_octets(&mut tlvs, Tag::MESSAGE_PAYLOAD, &text);
    for prefix in ["331", "332", "333"] {
        let submit = SubmitSm {
            short_message: b"",
            tlvs: Tlvs::read(&tlvs).expect("it is whole"),
            ..plain(&format!("{prefix}12345678"), b"")
        };
        let id = esme.submit(&submit).await.expect("it is taken");
        let receipt = esme.receipt().await;
        assert_eq!(receipt.receipted_message_id.as_deref(), Some(&id[..]), "one receipt per submit_sm");
    }
    assert_eq!(esme.deliveries_within(ms(300)).await.len(), 0, "and no more than one");
    let value =
        |seen: &support::smsc::Seen, tag| seen.tlvs.iter().find(|tlv| tlv.0 == tag).map(|tlv| tlv.1.clone());

    let payload = smscs[0].seen(1).await;
    assert_eq!((payload.len(), payload[0].short_message.len()), (1, 0));
    assert_eq!(value(&payload[0], Tag::MESSAGE_PAYLOAD), Some(text.clone()));

    let parts = smscs[1].seen(3).await;
    assert_eq!(parts.len(), 3);
    for (nth, part) in (1..).zip(&parts) {
        assert_eq!(part.esm_class & 0x40, 0x40);
        let [5, 0, 3, reference, 3, sequence] = part.short_message[..6] else {
            panic!("{:?}", part.short_message)
        };
        assert_eq!((reference, sequence), (parts[0].short_message[3], nth));
        assert!(part.text.len() <= 153);
    }
    assert_eq!(parts.iter().flat_map(|part| part.text.clone()).collect::<Vec<_>>(), text);

    let parts = smscs[2].seen(3).await;
    assert_eq!(parts.len(), 3);
    for (nth, part) in (1..).zip(&parts) {
        assert_eq!(part.esm_class & 0x40, 0);
        assert_eq!(value(part, Tag::SAR_TOTAL_SEGMENTS), Some(vec![3]));
        assert_eq!(value(part, Tag::SAR_SEGMENT_SEQNUM), Some(vec![nth]));
        assert_eq!(value(part, Tag::SAR_MSG_REF_NUM), value(&parts[0], Tag::SAR_MSG_REF_NUM));
    }
    assert_eq!(parts.iter().flat_map(|part| part.text.clone()).collect::<Vec<_>>(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_an_mo_are_joined_in_any_order_and_over_a_restart() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "sessions = 2").await;
    let gateway = site.start().await;
    smsc.bound(2).await;
    let part = |sequence: u8, text: &str| Owed {
        source: MOBILE.into(),
        destination: SENDER.into(),
        esm_class: EsmClass::UDHI,
        data_coding: 0,
        text: [&[5, 0, 3, 7, 3, sequence], text.as_bytes()].concat(),
        tlvs: Vec::new(),
    };
    smsc.deliver(part(3, "and end."));
    smsc.deliver(part(1, "Beginning, "));
    smsc.deliver(part(1, "Beginning, "));
    until("the parts were taken", || (smsc.book().deliveries_answered == 3).then_some(())).await;
    gateway.kill();
    let _gateway = site.start().await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    assert_eq!(esme.deliveries_within(ms(300)).await.len(), 0, "a part is missing");
    smsc.bound(2).await;
    smsc.deliver(part(2, "middle "));
    let whole = esme.delivery().await;
    assert_eq!(String::from_utf8_lossy(&whole.text), "Beginning, middle and end.");
    assert_eq!((whole.esm_class, whole.data_coding), (0, 0));
    assert_eq!(esme.deliveries_within(ms(300)).await.len(), 0, "once");
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_matched_early_late_by_text_repeated_and_on_another_session() {
    let smsc = Smsc::with(None, "A", |_| Answer::Take(vec![])).await;
    let site = site(&smsc, "", "sessions = 2").await;
    let gateway = site.start().await;
    smsc.bound(2).await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;

    // By text, and twice: told once.
    let id = esme.send(MOBILE, "text only").await.expect("it is taken");
    let seen = smsc.seen(1).await[0].clone();
    smsc.deliver(text_receipt(&seen, MessageState::DELIVERED));
    smsc.deliver(text_receipt(&seen, MessageState::DELIVERED));
    assert_eq!(esme.receipt().await.receipted_message_id.as_deref(), Some(&id[..]));
    assert_eq!(esme.deliveries_within(ms(300)).await.len(), 0);

    // Before the answer to its submit_sm.
    smsc.set(|book| book.holds_answers = true);
    let id = esme.send(MOBILE, "early").await.expect("it is taken");
    let seen = smsc.seen(2).await[1].clone();
    smsc.deliver(receipt(&seen, MessageState::UNDELIVERABLE));
    until("the early one was taken", || (smsc.book().deliveries_answered == 3).then_some(())).await;
    assert_eq!(esme.deliveries_within(ms(200)).await.len(), 0, "whose it is, is not known yet");
    smsc.set(|book| book.holds_answers = false);
    let told = esme.receipt().await;
    assert_eq!(
        (told.receipted_message_id.as_deref(), told.state),
        (Some(&id[..]), Some(MessageState::UNDELIVERABLE))
    );

    // Not final, then final, after every session was replaced.
    let id = esme.send(MOBILE, "late").await.expect("it is taken");
    let seen = smsc.seen(3).await[2].clone();
    smsc.cut();
    until("two new sessions", || (smsc.book().sessions_made == 4 && smsc.book().sessions == 2).then_some(()))
        .await;
    smsc.deliver(receipt(&seen, MessageState::ENROUTE));
    smsc.deliver(receipt(&seen, MessageState::EXPIRED));
    let told = esme.receipt().await;
    assert_eq!(
        (told.receipted_message_id.as_deref(), told.state),
        (Some(&id[..]), Some(MessageState::EXPIRED))
    );

    // One that nobody knows is taken and kept.
    smsc.deliver(receipt(&support::smsc::Seen { id: "nobody".into(), ..seen }, MessageState::DELIVERED));
    until("it was taken", || (smsc.book().deliveries_answered == 6).then_some(())).await;
    gateway.until("it is kept", |metrics| metrics.sum("trunkline_receipts_unmatched", &[]) >= 1.0).await;
    gateway.metrics().await.add_up();
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_ghost_is_waited_out() {
    let smsc = Smsc::start(None).await;
    smsc.set(|book| book.bind_status = CommandStatus::ESME_RALYBND);
    let site = site(&smsc, "", "").await;
    let _gateway = site.start().await;
    until("refused twice", || (smsc.book().binds_refused >= 2).then_some(())).await;
    smsc.set(|book| book.bind_status = CommandStatus::ESME_ROK);
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    there_and_back(&mut esme, &smsc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_late_answer_does_not_drop_the_link() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "response = \"1s\"\nenquire_link = \"20s\"").await;
    let gateway = site.start().await;
    smsc.bound(1).await;
    smsc.set(|book| book.holds_answers = true);
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    let id = esme.send(MOBILE, "late").await.expect("it is taken");
    gateway.until("it was sent again", |metrics| metrics.duplicates("dispatch") >= 1).await;
    smsc.set(|book| book.holds_answers = false);
    assert_eq!(esme.receipt().await.receipted_message_id.as_deref(), Some(&id[..]));
    there_and_back(&mut esme, &smsc).await;
    assert_eq!(smsc.book().sessions_made, 1, "the link was kept");
    gateway.metrics().await.add_up();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_wait_over_a_restart_while_the_upstream_is_away() {
    let mut smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "").await;
    let gateway = site.start().await;
    smsc.bound(1).await;
    smsc.go_away().await;
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    for nth in 0..20 {
        esme.send(MOBILE, &format!("text {nth}")).await.expect("it is taken");
    }
    gateway.kill();
    let gateway = site.start().await;
    assert_eq!(gateway.metrics().await.stage("waiting"), 20);
    smsc.come_back().await;
    let seen = smsc.seen(20).await;
    let order: Vec<_> = seen.iter().map(|seen| String::from_utf8_lossy(&seen.text).into_owned()).collect();
    assert_eq!(order, (0..20).map(|nth| format!("text {nth}")).collect::<Vec<_>>());
    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    for _ in 0..20 {
        assert_eq!(esme.receipt().await.state, Some(MessageState::DELIVERED));
    }
    assert_eq!(smsc.book().extra_copies(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_delayed_and_refused_and_binds_are_limited() {
    let smsc = Smsc::start(None).await;
    let rest = usual(&smsc, "bind_limit = 2", "");
    let site =
        Site::new(&Wanted { smpp: "bind_failure_delay = \"500ms\"", rest: &rest, ..Wanted::default() });
    let _gateway = site.start().await;
    let clock = trunkline::clock::Clock::system();
    for (system_id, password) in [("shop", "wrong"), ("nobody", "s3cret"), ("shop", "")] {
        let asked = clock.instant();
        let mut esme = Esme::connect(site.smpp_plain, None).await;
        let status = esme.bind(TRX, system_id, password).await;
        let expected =
            [CommandStatus::ESME_RBINDFAIL, CommandStatus::ESME_RINVPASWD, CommandStatus::ESME_RINVSYSID];
        assert!(expected.contains(&status), "{status:?}");
        assert!(clock.instant() - asked > ms(450), "the answer is held back");
    }
    let mut bound = Vec::new();
    for kind in [TRX, CommandId::BIND_RECEIVER] {
        bound.push(Esme::bound(site.smpp_plain, None, kind, "shop").await);
    }
    let mut third = Esme::connect(site.smpp_plain, None).await;
    let status = third.bind(CommandId::BIND_TRANSMITTER, "shop", "s3cret").await;
    assert_ne!(status, CommandStatus::ESME_ROK, "two are the limit");
    bound.pop().expect("two are bound").unbind().await;
    let bound_again = async {
        loop {
            let mut esme = Esme::connect(site.smpp_plain, None).await;
            if esme.bind(TRX, "shop", "s3cret").await == CommandStatus::ESME_ROK {
                return;
            }
        }
    };
    tokio::time::timeout(support::PATIENCE, bound_again).await.expect("a place is free again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_is_one_bucket_over_all_sessions_of_a_service() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "rate = 5", "").await;
    let _gateway = site.start().await;
    let mut esmes = [
        Esme::bound(site.smpp_plain, None, TRX, "shop").await,
        Esme::bound(site.smpp_plain, None, TRX, "shop").await,
    ];
    let mut taken = 0;
    let mut throttled = 0;
    for nth in 0..20 {
        match esmes[nth % 2].send(MOBILE, &format!("text {nth}")).await {
            Ok(_) => taken += 1,
            Err(CommandStatus::ESME_RTHROTTLED) => throttled += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!((5..15).contains(&taken), "{taken} taken, {throttled} throttled");
    assert_eq!(esmes[0].enquire().await.expect("it lives"), CommandStatus::ESME_ROK, "free of charge");
    pass(ms(1_200)).await;
    esmes[1].send(MOBILE, "a second later").await.expect("the bucket has filled");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_standard_profile_refuses_what_it_must_with_the_fitting_status() {
    use CommandStatus as Status;
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "senders = [\"33930000000\"]", "").await;
    let gateway = site.start().await;

    let mut esme = Esme::connect(site.smpp_plain, None).await;
    assert_eq!(esme.send(MOBILE, "early").await, Err(Status::ESME_RINVBNDSTS), "before the bind");
    let mut receiver = Esme::bound(site.smpp_plain, None, CommandId::BIND_RECEIVER, "shop").await;
    assert_eq!(receiver.send(MOBILE, "wrong way").await, Err(Status::ESME_RINVBNDSTS), "on a receiver");

    let mut esme = Esme::bound(site.smpp_plain, None, TRX, "shop").await;
    let good = plain(MOBILE, b"good");
    for (submit, expected) in [
        (SubmitSm { source: number("33999999999"), ..good }, Status::ESME_RINVSRCADR),
        (SubmitSm { destination: number(""), ..good }, Status::ESME_RINVDSTADR),
        (SubmitSm { destination: number("abc"), ..good }, Status::ESME_RINVDSTADR),
        (SubmitSm { validity_period: b"200101000000000+", ..good }, Status::ESME_RINVEXPIRY),
    ] {
        assert_eq!(esme.submit(&submit).await, Err(expected), "{submit:?}");
    }
    let unknown = esme.ask(CommandId(0x0000_0999), &()).await;
    assert_eq!((unknown.id(), unknown.status()), (CommandId::GENERIC_NACK, Status::ESME_RINVCMDID));
    assert_eq!(esme.ask(TRX, &trunkline::pdu::Bind::default()).await.status(), Status::ESME_RALYBND);
    assert_eq!(esme.send(MOBILE, "good").await.map(|id| id.len()), Ok(24), "and the session lives on");
    let accepted =
        |metrics: &support::metrics::Metrics| metrics.sum("trunkline_messages_accepted_total", &[]);
    let metrics = gateway.until("it is counted", |metrics| accepted(metrics) > 0.0).await;
    assert_eq!(accepted(&metrics), 1.0);
}

/// contracts/timetochat.md §7 and §8a, cell by cell.
#[tokio::test(flavor = "multi_thread")]
async fn the_timetochat_profile_answers_as_its_table_says() {
    use CommandStatus as Status;
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "profile = \"timetochat\"\nsenders = [\"33930000000\"]\nrate = 200", "").await;
    let _gateway = site.start().await;
    let connector = site.connector();

    for kind in [CommandId::BIND_TRANSMITTER, CommandId::BIND_RECEIVER] {
        let mut esme = Esme::connect(site.smpp_tls, Some(&connector)).await;
        assert_eq!(esme.bind(kind, "shop", "s3cret").await, Status::ESME_RBINDFAIL, "{kind:?}");
    }
    let mut esme = Esme::connect(site.smpp_tls, Some(&connector)).await;
    assert_eq!(esme.bind(TRX, "shop", "wrong").await, Status::ESME_RBINDFAIL);

    let mut esme = Esme::bound(site.smpp_tls, Some(&connector), TRX, "shop").await;
    for (id, response, expected) in [
        (CommandId::SUBMIT_MULTI, CommandId::SUBMIT_MULTI_RESP, Status::ESME_RSUBMITFAIL),
        (CommandId::DATA_SM, CommandId::DATA_SM_RESP, Status::ESME_RSUBMITFAIL),
        (CommandId::QUERY_SM, CommandId::QUERY_SM_RESP, Status::ESME_RQUERYFAIL),
        (CommandId::CANCEL_SM, CommandId::CANCEL_SM_RESP, Status::ESME_RCANCELFAIL),
        (CommandId::REPLACE_SM, CommandId::REPLACE_SM_RESP, Status::ESME_RREPLACEFAIL),
        (CommandId::DELIVER_SM, CommandId::DELIVER_SM_RESP, Status::ESME_RDELIVERYFAILURE),
        (CommandId::OUTBIND, CommandId::GENERIC_NACK, Status::ESME_RBINDFAIL),
        // Malformed: there is no body at all.
        (CommandId::SUBMIT_SM, CommandId::SUBMIT_SM_RESP, Status::ESME_RQUERYFAIL),
    ] {
        let answer = esme.ask(id, &()).await;
        assert_eq!((answer.id(), answer.status()), (response, expected), "{id:?}");
    }
    // Not listed: ignored, with no answer at all; the next answer belongs to the next request.
    esme.link.request(CommandId(0x0000_0999), &()).await.expect("it reads");
    esme.link.request(CommandId::ALERT_NOTIFICATION, &()).await.expect("it reads");
    assert_eq!(esme.enquire().await.expect("it lives"), Status::ESME_ROK);

    let good = plain("0612345678", b"good");
    for (submit, why) in [
        (SubmitSm { source: number("33999999999"), ..good }, "a sender that is not the service's"),
        (SubmitSm { destination: number("nobody"), ..good }, "no number"),
        (SubmitSm { destination: number(""), ..good }, "no destination"),
        (SubmitSm { short_message: b"", ..good }, "no text"),
        (SubmitSm { validity_period: b"200101000000", ..good }, "expired"),
    ] {
        assert_eq!(esme.submit(&submit).await, Err(Status::ESME_RSUBMITFAIL), "{why}");
    }
    let text_of = |septets: usize| {
        let mut tlvs = bytes::BytesMut::new();
        trunkline::pdu::tlv::put_octets(&mut tlvs, Tag::MESSAGE_PAYLOAD, &vec![b'a'; septets]);
        tlvs
    };
    let (long, too_long) = (text_of(1_224), text_of(1_225));
    let tlvs = |octets| Tlvs::read(octets).expect("they are whole");
    let submit = SubmitSm { short_message: b"", tlvs: tlvs(&too_long), ..good };
    assert_eq!(esme.submit(&submit).await, Err(Status::ESME_RSUBMITFAIL), "1,225 septets");
    let submit = SubmitSm { short_message: b"ignored", tlvs: tlvs(&long), ..good };
    let id = esme.submit(&submit).await.expect("1,224 septets, and the payload wins");
    assert_eq!(smsc.seen(1).await[0].text.len(), 1_224);
    let mut numbers = Vec::new();
    for _ in 0..8 {
        let receipt = esme.receipt().await;
        assert_eq!(receipt.receipted_message_id.as_deref(), Some(&id[..]));
        let value = |tag| receipt.tlvs.iter().find(|tlv| tlv.0 == tag).map(|tlv| tlv.1.clone());
        let last_two = u16::from_str_radix(&id[20..], 16).expect("hexadecimal digits").to_be_bytes();
        assert_eq!(value(Tag::SAR_MSG_REF_NUM), Some(last_two.to_vec()));
        assert_eq!(value(Tag::SAR_TOTAL_SEGMENTS), Some(vec![8]));
        numbers.extend(value(Tag::SAR_SEGMENT_SEQNUM).expect("one receipt for each part"));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);

    // Read: payload or short_message, data_coding, validity, external_reference; not read: registered_delivery, UDH.
    let mut reference = bytes::BytesMut::new();
    trunkline::pdu::tlv::put_octets(&mut reference, Tag(0x1501), b"order 66");
    let submit = SubmitSm {
        destination: number("+33612345678"),
        registered_delivery: RegisteredDelivery::NONE,
        data_coding: DataCoding::UCS2,
        short_message: &[0x04, 0x14, 0x04, 0x30],
        validity_period: b"000000010000000R",
        tlvs: tlvs(&reference),
        ..good
    };
    let id = esme.submit(&submit).await.expect("it is taken");
    let receipt = esme.receipt().await;
    assert_eq!(receipt.receipted_message_id.as_deref(), Some(&id[..]), "receipts come regardless");
    assert_eq!((receipt.esm_class, receipt.state), (0x04, Some(MessageState::DELIVERED)));
    assert_eq!(receipt.source, "+33612345678", "as it was written");
    assert!(receipt.tlvs.iter().any(|(tag, value)| *tag == Tag(0x1501) && value.starts_with(b"order 66")));
    let text = String::from_utf8_lossy(&receipt.text).into_owned();
    assert!(text.starts_with(&format!("id:{id} sub:001 dlvrd:001 submit date:")), "{text}");
    assert_eq!(smsc.seen(2).await[1].data_coding, 0x08);

    // MO: esm_class 0, GSM text with data_coding 0.
    smsc.mo("33612345678", "33930000000", b"Bonjour");
    let mo = esme.delivery().await;
    assert_eq!((mo.esm_class, mo.data_coding, mo.text.as_slice()), (0, 0, &b"Bonjour"[..]));
    assert_eq!(mo.source, "33612345678");

    // Over the rate.
    let mut throttled = 0;
    for _ in 0..600 {
        esme.link
            .request(CommandId::SUBMIT_SM, &plain("nobody", b"wrong on purpose"))
            .await
            .expect("it reads");
    }
    for _ in 0..600 {
        let frame = esme.link.next().await;
        throttled += u32::from(frame.status() == Status::ESME_RTHROTTLED);
    }
    assert!(throttled > 0, "600 requests at once are more than 200 a second");
    esme.unbind().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_shows_no_number_no_text_and_no_password() {
    let smsc = Smsc::start(None).await;
    let site = site(&smsc, "", "").await;
    let text = std::fs::read_to_string(site.path("trunkline.toml")).expect("it was written");
    site.write("trunkline.toml", &text.replace("level = \"info\"", "level = \"trace\""));
    let gateway = site.start().await;
    let mut esme = Esme::bound(site.smpp_tls, Some(&site.connector()), TRX, "shop").await;
    there_and_back(&mut esme, &smsc).await;
    let mut stranger = Esme::connect(site.smpp_plain, None).await;
    stranger.bind(TRX, "shop", "opensesame").await;
    gateway.terminate().await;
    let log = site.log();
    for secret in [MOBILE, SENDER, "Hello", "s3cret", "opensesame"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    assert!(!log.is_empty());
}
