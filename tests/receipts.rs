//! Receipts and times as SMSCs write them.

#[macro_use]
mod vectors;

use bytes::BytesMut;

use trunkline::pdu::receipt::{
    NetworkErrorCode, Receipt, ReceiptKind, ReceiptText, date_utc_ms, looks_like_receipt,
};
use trunkline::pdu::time::{self, SmppTime, Span, TimeError};
use trunkline::pdu::*;
use vectors::{good, vector};

// ------------------------------------------------------------------------------------------ times

#[test]
fn reads_absolute_times_with_their_offset() {
    let ms = |text: &str| time::parse(text.as_bytes()).map(|time| time.to_utc_ms(0));
    let utc = ms("261122120000000+").expect("UTC");
    assert_eq!(utc, 1_795_348_800_000);
    assert_eq!(ms("261122130000004+"), Ok(utc), "one hour ahead of UTC");
    assert_eq!(ms("261122090000012-"), Ok(utc), "three hours behind UTC");
    assert_eq!(ms("261122120000500+"), Ok(utc + 500), "tenths");
    assert_eq!(ms("261122120000"), Ok(utc), "twelve digits");
    assert_eq!(time::write_absolute(utc + 700), *b"261122120000700+");
    assert_eq!(time::date10(utc), *b"2611221200");
}

#[test]
fn reads_the_relative_example_of_the_specification() {
    let span = Span { years: 2, months: 6, days: 10, hours: 23, minutes: 34, seconds: 29 };
    let parsed = time::parse(b"020610233429000R");
    assert_eq!(parsed, Ok(SmppTime::Relative(span)));
    let now = time::parse(b"260101000000000+").expect("a time").to_utc_ms(0);
    let then = time::parse(b"280711233429000+").expect("a time").to_utc_ms(0);
    assert_eq!(span.after(now), then);
}

#[test]
fn a_month_after_the_31st_is_the_last_of_the_next() {
    let now = time::parse(b"260131100000000+").expect("a time").to_utc_ms(0);
    let then = time::parse(b"260228100000000+").expect("a time").to_utc_ms(0);
    assert_eq!(Span { months: 1, ..Span::default() }.after(now), then);
}

#[test]
fn refuses_what_is_no_time() {
    for (text, error) in [
        ("", TimeError::Length(0)),
        ("2611221200", TimeError::Length(10)),
        ("26112212000000+", TimeError::Length(15)),
        ("2611221200000000+", TimeError::Length(17)),
        ("26112212000a000+", TimeError::NotADigit { at: 11 }),
        ("261122120000x00+", TimeError::NotADigit { at: 12 }),
        ("261322120000000+", TimeError::Range { part: "month" }),
        ("260230120000000+", TimeError::Range { part: "day" }),
        ("261122240000000+", TimeError::Range { part: "hour" }),
        ("261122126000000+", TimeError::Range { part: "minute" }),
        ("261122120061000+", TimeError::Range { part: "second" }),
        ("261122120000049+", TimeError::Range { part: "offset" }),
        ("261122120000000Z", TimeError::Sign(b'Z')),
    ] {
        assert_eq!(time::parse(text.as_bytes()), Err(error), "{text}");
    }
}

#[test]
fn a_relative_time_of_up_to_31_days_is_exact_from_any_day() {
    for seconds in [0, 1, 59, 3600, 86_399, 86_400, 172_800, 604_800, 2_678_399, 2_678_400] {
        let parsed = time::parse(&time::write_relative(seconds)).expect("what is written can be read");
        let now = 1_795_348_800_000;
        assert_eq!(parsed.to_utc_ms(now), now + i64::try_from(seconds).expect("small") * 1000, "{seconds}");
    }
    assert!(time::parse(&time::write_relative(u64::MAX)).is_ok());
}

// --------------------------------------------------------------------------------------- receipts

fn text(octets: &[u8]) -> ReceiptText<'_> {
    ReceiptText::read(octets).unwrap_or_else(|| panic!("no receipt in {}", octets.escape_ascii()))
}

#[test]
fn reads_the_text_of_appendix_b() {
    let read = text(b"id:66018af8c8ab4e0ca97532f1 sub:001 dlvrd:001 submit date:2403251432 done date:2403251433 stat:DELIVRD err:000 text:Bonjour tout le");
    assert_eq!(
        read,
        ReceiptText {
            id: Some(b"66018af8c8ab4e0ca97532f1"),
            sub: Some(b"001"),
            dlvrd: Some(b"001"),
            submit_date: Some(b"2403251432"),
            done_date: Some(b"2403251433"),
            stat: Some(b"DELIVRD"),
            err: Some(b"000"),
            text: Some(b"Bonjour tout le"),
        }
    );
    assert_eq!(read.done_date.and_then(date_utc_ms), Some(1_711_377_180_000));
}

#[test]
fn reads_receipt_texts_in_any_order_case_and_punctuation() {
    for shape in [
        "ID:7 SUB:001 DLVRD:001 SUBMIT DATE:2403251432 DONE DATE:2403251433 STAT:DELIVRD ERR:0A1 TEXT:x",
        "stat:DELIVRD err:0A1 done date:2403251433 submit date:2403251432 id:7",
        "text:x stat:DELIVRD id:7 err:0A1 submit date:2403251432 done date:2403251433",
        "id:7,sub:001,dlvrd:001,submit date:2403251432,done date:2403251433,stat:DELIVRD,err:0A1,text:x",
        "id:7;submit date:2403251432;done date:2403251433;stat:DELIVRD;err:0A1;",
        "id: 7 submit date: 2403251432 done date: 2403251433 stat: DELIVRD err: 0A1 Text: x",
        "id:7\r\nsubmit_date:2403251432\r\ndone_date:2403251433\r\nstat:DELIVRD\r\nerror:0A1\0",
        "Receipt! id:7 submitdate:2403251432 donedate:2403251433 status:delivrd err:0A1 network:20801",
    ] {
        let read = text(shape.as_bytes());
        assert_eq!(read.id, Some(&b"7"[..]), "{shape}");
        assert_eq!(read.state(), Some(MessageState::DELIVERED), "{shape}");
        assert_eq!(read.err, Some(&b"0A1"[..]), "{shape}");
        assert_eq!(read.submit_date, Some(&b"2403251432"[..]), "{shape}");
        assert_eq!(read.done_date, Some(&b"2403251433"[..]), "{shape}");
        assert!(looks_like_receipt(shape.as_bytes()), "{shape}");
    }
}

#[test]
fn reads_receipt_text_without_sub_dlvrd_and_text() {
    let read = text(b"id:7 submit date:240325143200 done date:20240325143307 stat:EXPIRED err:1");
    assert_eq!((read.sub, read.dlvrd, read.text), (None, None, None));
    assert_eq!(read.submit_date.and_then(date_utc_ms), Some(1_711_377_120_000));
    assert_eq!(read.done_date.and_then(date_utc_ms), Some(1_711_377_187_000));
}

#[test]
fn any_string_is_an_id_and_an_empty_field_is_none() {
    assert_eq!(text(b"id:a,b/c-{d}:e stat:DELIVRD").id, Some(&b"a,b/c-{d}:e"[..]));
    let read = text(b"id: sub:001 stat:UNDELIV err: text:");
    assert_eq!((read.id, read.err, read.text), (None, None, Some(&b""[..])));
}

#[test]
fn keys_inside_the_text_of_the_message_are_text() {
    let read = text(b"id:7 stat:DELIVRD text:id:8 stat:EXPIRED");
    assert_eq!((read.id, read.text), (Some(&b"7"[..]), Some(&b"id:8 stat:EXPIRED"[..])));
}

#[test]
fn a_trailing_nul_is_no_part_of_the_last_field() {
    assert_eq!(text(b"id:7 stat:DELIVRD err:000\0").err, Some(&b"000"[..]));
    assert_eq!(text(b"id:7 stat:DELIVRD text:hi\0\0").text, Some(&b"hi"[..]));
}

#[test]
fn a_message_is_not_taken_for_a_receipt() {
    for message in [
        "Hello",
        "id:5 is my favourite",
        "my id:5 stat:ok done",
        "stat:DELIVRD",
        "id:7 stat:DELIVRD",
        "valid:7 undelivered stats:DELIVRD err:1",
    ] {
        assert!(!looks_like_receipt(message.as_bytes()), "{message}");
    }
}

#[test]
fn writes_receipt_text_as_appendix_b_has_it() {
    let receipt = ReceiptText {
        id: Some(b"42"),
        submit_date: Some(b"2403251432"),
        done_date: Some(b"2403251433"),
        stat: Some(MessageState::UNDELIVERABLE.stat().as_bytes()),
        text: Some(b"twenty octets and then some"),
        ..ReceiptText::default()
    };
    let mut out = Vec::new();
    receipt.write(&mut out);
    let expected = "id:42 sub:001 dlvrd:000 submit date:2403251432 done date:2403251433 stat:UNDELIV err:000 text:twenty octets and th";
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

#[test]
fn tlvs_win_over_text_and_both_ids_are_handed_up() {
    let octets = vector("deliver_sm", "ids_hexadecimal_in_tlv_and_decimal_in_text");
    let receipt = Receipt::from_deliver(&body!(&octets, DeliverSm)).expect("a receipt");
    assert_eq!(receipt.tlv_id, Some(&b"6AAD5"[..]));
    assert_eq!(receipt.text_id.as_deref(), Some(&b"0000436949"[..]));
    assert_eq!(receipt.id(), Some(&b"6AAD5"[..]));
    let text = b"id:1 stat:EXPIRED err:001";
    let mut tlvs = BytesMut::new();
    tlv::put_u8(&mut tlvs, Tag::MESSAGE_STATE, 2);
    let deliver = DeliverSm {
        esm_class: EsmClass::DELIVERY_RECEIPT,
        short_message: text,
        tlvs: Tlvs::read(&tlvs).expect("good"),
        ..DeliverSm::default()
    };
    let receipt = Receipt::from_deliver(&deliver).expect("a receipt");
    assert_eq!((receipt.state, receipt.id()), (Some(MessageState::DELIVERED), Some(&b"1"[..])));
}

#[test]
fn reads_a_receipt_with_text_and_tlvs() {
    let octets = vector("deliver_sm", "receipt_with_text_and_tlvs");
    let receipt = Receipt::from_deliver(&body!(&octets, DeliverSm)).expect("a receipt");
    assert_eq!(receipt.kind, ReceiptKind::Delivery);
    assert_eq!(receipt.tlv_id, receipt.text_id.as_deref());
    assert_eq!(receipt.network_error_code, Some(NetworkErrorCode::Network { network_type: 3, code: 0 }));
    assert_eq!((receipt.state, receipt.err.as_deref()), (Some(MessageState::DELIVERED), Some(&b"000"[..])));
    assert_eq!(receipt.submit_utc_ms, Some(1_711_377_120_000));
}

#[test]
fn reads_a_receipt_in_message_payload() {
    let octets = vector("deliver_sm", "receipt_in_message_payload");
    let receipt = Receipt::from_deliver(&body!(&octets, DeliverSm)).expect("a receipt");
    assert_eq!(receipt.id(), Some(&b"66018af8c8ab4e0ca97532f1"[..]));
}

#[test]
fn reads_receipted_message_id_without_nul() {
    let octets = vector("deliver_sm", "receipted_message_id_without_nul");
    let receipt = Receipt::from_deliver(&body!(&octets, DeliverSm)).expect("a receipt");
    assert_eq!((receipt.id(), receipt.state), (Some(&b"6AAD5"[..]), Some(MessageState::UNDELIVERABLE)));
}

#[test]
fn reads_network_error_code_in_ascii() {
    for (title, code) in
        [("network_error_code_in_ascii", b"000"), ("network_error_code_in_ascii_with_nul", b"069")]
    {
        let octets = vector("deliver_sm", title);
        let receipt = Receipt::from_deliver(&body!(&octets, DeliverSm)).expect("a receipt");
        assert_eq!(receipt.network_error_code, Some(NetworkErrorCode::Text(code)));
    }
}

#[test]
fn recognises_a_receipt_with_esm_class_0() {
    let octets = vector("deliver_sm", "receipt_with_esm_class_0");
    let receipt = Receipt::from_deliver(&body!(&octets, DeliverSm)).expect("a receipt by its shape");
    assert_eq!((receipt.id(), receipt.err.as_deref()), (Some(&b"7"[..]), Some(&b"0A1"[..])));
    let octets = vector("deliver_sm", "receipt_with_esm_class_0_and_tlvs_only");
    assert!(Receipt::from_deliver(&body!(&octets, DeliverSm)).is_some());
}

#[test]
fn tells_receipts_notifications_acknowledgements_and_messages_apart() {
    for (title, kind) in [
        ("message", None),
        ("udh_without_udhi", None),
        ("sme_acknowledgement", None),
        ("intermediate_notification", Some(ReceiptKind::Intermediate)),
        ("receipt_with_mode_bits", Some(ReceiptKind::Delivery)),
        ("receipt_that_nobody_can_read", Some(ReceiptKind::Delivery)),
    ] {
        let octets = vector("deliver_sm", title);
        let receipt = Receipt::from_deliver(&body!(&octets, DeliverSm));
        assert_eq!(receipt.as_ref().map(|receipt| receipt.kind), kind, "{title}");
        if title == "receipt_that_nobody_can_read" {
            assert_eq!(receipt.as_ref().and_then(Receipt::id), None);
        }
    }
}

#[test]
fn reads_a_receipt_in_ucs2() {
    let octets = vector("deliver_sm", "receipt_in_ucs2");
    let receipt = Receipt::from_deliver(&body!(&octets, DeliverSm)).expect("a receipt");
    assert_eq!((receipt.id(), receipt.state), (Some(&b"7"[..]), Some(MessageState::EXPIRED)));
    assert_eq!(receipt.err.as_deref(), Some(&b"001"[..]));
}
