//! An SMSC's deliver_sm, as the gateway wants it.

use super::{kept, sar};
use crate::gateway::id::MessageId;
use crate::gateway::port::Arrived;
use crate::gateway::record::{MoContent, Report};
use crate::pdu::receipt::{NetworkErrorCode, Receipt, ReceiptKind};
use crate::pdu::{DeliverSm, EsmClass, MessageState, Tag};
use crate::text::udh::{self, Concatenation, ReferenceSize};

/// What a deliver_sm is: a receipt, a message, or a part of one. Receipts give our own id back in the TLV `reference`, if
/// the SMSC has such a one.
pub(in crate::smpp) fn arrived(deliver_sm: &DeliverSm<'_>, reference: Option<Tag>) -> Arrived {
    match Receipt::from_deliver(deliver_sm) {
        Some(receipt) => {
            let ours = reference.and_then(|tag| deliver_sm.tlvs.find(tag)).and_then(id_of);
            Arrived::Receipt(Report { message: ours, ..report(deliver_sm, &receipt) })
        }
        None => message(deliver_sm),
    }
}

fn report(deliver_sm: &DeliverSm<'_>, receipt: &Receipt<'_>) -> Report {
    let upstream_id = receipt.id().unwrap_or_default();
    let other_id = receipt.text_id.as_deref().filter(|other| *other != upstream_id).unwrap_or_default();
    let told = receipt.state.or_else(|| receipt.stat.as_deref().and_then(vendor_state));
    let state = match (receipt.kind, told) {
        (ReceiptKind::Delivery, Some(state)) => state,
        // It ends nothing, whatever state it names.
        (ReceiptKind::Intermediate, Some(state)) if !state.is_final() => state,
        (ReceiptKind::Intermediate, _) => MessageState::ENROUTE,
        (ReceiptKind::Delivery, None) => MessageState::UNKNOWN,
    };
    let error = match receipt.network_error_code {
        Some(NetworkErrorCode::Network { code, .. }) => u32::from(code),
        Some(NetworkErrorCode::Text(digits)) => number(digits),
        None => receipt.err.as_deref().map_or(0, number),
    };
    Report {
        upstream_id: upstream_id.into(),
        other_id: other_id.into(),
        source: deliver_sm.source,
        destination: deliver_sm.destination,
        state,
        error,
        message: None,
    }
}

/// Our id as an SMSC gives it back, with a NUL or without.
fn id_of(octets: &[u8]) -> Option<MessageId> {
    let octets = octets.strip_suffix(b"\0").unwrap_or(octets);
    MessageId::from_hex(std::str::from_utf8(octets).ok()?)
}

/// The vendor's own words (contracts/timetochat.md §5), which may stand as `stat`.
fn vendor_state(stat: &[u8]) -> Option<MessageState> {
    const PREFIX: &[u8] = b"CRA_SMS_";
    const FAILURES: [&[u8]; 13] = [
        b"ERROR",
        b"OPINVALID",
        b"BLACKLIST",
        b"OPBLACKLIST",
        b"INVALIDFROM",
        b"WRONGNUMBER",
        b"FALSENUMBER",
        b"OPERROR",
        b"OPFAILURE",
        b"OPFULL",
        b"COUNTRY",
        b"FULLSIM",
        b"LOTOFMSG",
    ];
    let word = match stat.split_at_checked(PREFIX.len()) {
        Some((prefix, word)) if prefix.eq_ignore_ascii_case(PREFIX) => word,
        _ => stat,
    };
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    if is(b"RECEIVED") || is(b"ANSWERED") {
        Some(MessageState::DELIVERED)
    } else if is(b"NEW") || is(b"SENT") {
        Some(MessageState::ENROUTE)
    } else if is(b"REJECTED") || is(b"BLOCKED") {
        Some(MessageState::REJECTED)
    } else {
        FAILURES.iter().any(|name| is(name)).then_some(MessageState::UNDELIVERABLE)
    }
}

/// A code in decimal digits, or else in hexadecimal ones; 0 for anything else.
fn number(digits: &[u8]) -> u32 {
    let text = std::str::from_utf8(digits).unwrap_or_default().trim();
    text.parse().or_else(|_| u32::from_str_radix(text, 16)).unwrap_or(0)
}

fn message(deliver_sm: &DeliverSm<'_>) -> Arrived {
    let user_data = deliver_sm.message();
    let esm_class = deliver_sm.esm_class;
    if let Some((part, body)) = part_by_header(esm_class, user_data) {
        let wide = part.reference().size() == ReferenceSize::Sixteen;
        let esm_class = EsmClass(esm_class.0 & !EsmClass::UDHI.0);
        return part_or_whole(
            (part.reference().number(), wide, part.total(), part.sequence()),
            content(deliver_sm, esm_class, body),
        );
    }
    let mo = content(deliver_sm, esm_class, user_data);
    match sar(deliver_sm.tlvs) {
        Some((reference, total, number)) => part_or_whole((reference, true, total, number), mo),
        None => Arrived::Mo(mo),
    }
}

/// The place of a part by its user data header, and what follows the header.
///
/// Some peers send the header without UDHI. Then only the plain header of one concatenation is believed: as text it would
/// be `é@¥` and three more characters that nobody writes.
fn part_by_header(esm_class: EsmClass, user_data: &[u8]) -> Option<(Concatenation, &[u8])> {
    let plain = matches!(user_data, [5, 0, 3, _, 2..=255, ..] | [6, 8, 4, _, _, 2..=255, ..]);
    if !esm_class.has_udhi() && !plain {
        return None;
    }
    let (header, body) = udh::Header::read(user_data).ok()?;
    Some((header.concatenation()?, body))
}

fn part_or_whole((reference, wide, total, number): (u16, bool, u8, u8), mo: MoContent) -> Arrived {
    if total == 1 { Arrived::Mo(mo) } else { Arrived::MoPart { reference, wide, total, number, mo } }
}

fn content(deliver_sm: &DeliverSm<'_>, esm_class: EsmClass, payload: &[u8]) -> MoContent {
    MoContent {
        source: deliver_sm.source,
        destination: deliver_sm.destination,
        esm_class,
        protocol_id: deliver_sm.protocol_id,
        data_coding: deliver_sm.data_coding,
        payload: payload.into(),
        tlvs: kept(deliver_sm.tlvs, |tag| {
            matches!(
                tag,
                Tag::MESSAGE_PAYLOAD
                    | Tag::SAR_MSG_REF_NUM
                    | Tag::SAR_TOTAL_SEGMENTS
                    | Tag::SAR_SEGMENT_SEQNUM
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::pdu::{Tlvs, tlv};

    fn deliver<'a>(esm_class: u8, short_message: &'a [u8], tlvs: &'a [u8]) -> DeliverSm<'a> {
        let tlvs = Tlvs::read(tlvs).expect("good TLVs");
        DeliverSm { esm_class: EsmClass(esm_class), short_message, tlvs, ..DeliverSm::default() }
    }

    fn receipt(deliver_sm: &DeliverSm<'_>) -> Report {
        match arrived(deliver_sm, Some(Tag(0x1501))) {
            Arrived::Receipt(report) => report,
            other => panic!("no receipt: {other:?}"),
        }
    }

    const TEXT: &[u8] = b"id:0000436949 sub:001 dlvrd:001 submit date:2611221432 done date:2611221433 stat:UNDELIV err:034 text:Hi";

    #[test]
    fn a_receipt_is_read_from_its_text() {
        for esm_class in [0x04, 0x00, 0x07] {
            let report = receipt(&deliver(esm_class, TEXT, b""));
            assert_eq!((&*report.upstream_id, &*report.other_id), (&b"0000436949"[..], &b""[..]));
            assert_eq!((report.state, report.error), (MessageState::UNDELIVERABLE, 34));
        }
    }

    #[test]
    fn tlvs_win_over_the_text_and_the_other_id_is_kept() {
        let mut tlvs = BytesMut::new();
        tlv::put_c_octets(&mut tlvs, Tag::RECEIPTED_MESSAGE_ID, b"6AAD5");
        tlv::put_u8(&mut tlvs, Tag::MESSAGE_STATE, 2);
        tlv::put_octets(&mut tlvs, Tag::NETWORK_ERROR_CODE, &[3, 1, 2]);
        let report = receipt(&deliver(0x04, TEXT, &tlvs));
        assert_eq!((&*report.upstream_id, &*report.other_id), (&b"6AAD5"[..], &b"0000436949"[..]));
        assert_eq!((report.state, report.error), (MessageState::DELIVERED, 0x0102));
    }

    #[test]
    fn our_own_id_comes_back_where_it_was_sent() {
        for (octets, expected) in [
            (&b"0123456789abcdef01234567"[..], true),
            (b"0123456789ABCDEF01234567\0", true),
            (b"the client's", false),
            (b"", false),
        ] {
            let mut tlvs = BytesMut::new();
            tlv::put_octets(&mut tlvs, Tag(0x1501), octets);
            assert_eq!(receipt(&deliver(0x04, TEXT, &tlvs)).message.is_some(), expected, "{octets:?}");
        }
    }

    #[test]
    fn an_intermediate_notification_ends_nothing() {
        assert_eq!(receipt(&deliver(0x20, TEXT, b"")).state, MessageState::ENROUTE);
    }

    #[test]
    fn the_vendors_own_states_are_understood() {
        for (stat, state) in [
            ("CRA_SMS_RECEIVED", MessageState::DELIVERED),
            ("SENT", MessageState::ENROUTE),
            ("FALSENUMBER", MessageState::UNDELIVERABLE),
            ("blocked", MessageState::REJECTED),
            ("ANYTHING", MessageState::UNKNOWN),
        ] {
            let text = format!("id:1 sub:001 stat:{stat} err:000");
            assert_eq!(receipt(&deliver(0x04, text.as_bytes(), b"")).state, state, "{stat}");
        }
    }

    #[test]
    fn a_message_is_whole_with_its_tlvs() {
        let mut tlvs = BytesMut::new();
        tlv::put_octets(&mut tlvs, Tag::MESSAGE_PAYLOAD, b"long text");
        tlv::put_u8(&mut tlvs, Tag(0x1444), 7);
        let Arrived::Mo(mo) = arrived(&deliver(0x00, b"", &tlvs), Some(Tag(0x1501))) else {
            panic!("a message")
        };
        assert_eq!((&*mo.payload, &*mo.tlvs), (&b"long text"[..], &b"\x14\x44\x00\x01\x07"[..]));
    }

    #[test]
    fn parts_are_told_by_header_or_by_sar() {
        let mut sar = BytesMut::new();
        tlv::put_u16(&mut sar, Tag::SAR_MSG_REF_NUM, 0x0107);
        tlv::put_u8(&mut sar, Tag::SAR_TOTAL_SEGMENTS, 3);
        tlv::put_u8(&mut sar, Tag::SAR_SEGMENT_SEQNUM, 2);
        for (pdu, expected) in [
            (deliver(0x40, b"\x05\x00\x03\x07\x03\x02body", b""), (7, false)),
            (deliver(0x40, b"\x06\x08\x04\x01\x07\x03\x02body", b""), (0x0107, true)),
            (deliver(0x00, b"\x05\x00\x03\x07\x03\x02body", b""), (7, false)),
            (deliver(0x00, b"body", &sar), (0x0107, true)),
        ] {
            let Arrived::MoPart { reference, wide, total, number, mo } = arrived(&pdu, Some(Tag(0x1501)))
            else {
                panic!("a part: {pdu:?}")
            };
            assert_eq!(((reference, wide), total, number), (expected, 3, 2), "{pdu:?}");
            assert_eq!((&*mo.payload, mo.esm_class, mo.tlvs.len()), (&b"body"[..], EsmClass::DEFAULT, 0));
        }
    }

    #[test]
    fn impossible_parts_are_plain_messages() {
        for (esm_class, message) in [
            (0x40, &b"\x05\x00\x03\x07\x00\x00body"[..]),
            (0x40, b"\x05\x00\x03\x07\x02\x03body"),
            (0x40, b"\x05\x00"),
            (0x00, b"\x05\x00\x03\x07\x01\x01body"),
        ] {
            let Arrived::Mo(mo) = arrived(&deliver(esm_class, message, b""), Some(Tag(0x1501))) else {
                panic!("a whole message")
            };
            assert_eq!(&*mo.payload, message, "passed on as it came");
        }
    }
}
