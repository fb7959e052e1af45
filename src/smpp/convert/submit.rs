//! An ESME's submit_sm, as the gateway wants it.

use super::{kept, sar};
use crate::gateway::message::{Content, Interface};
use crate::gateway::port::{Submission, When};
use crate::gateway::settings::Profile;
use crate::pdu::time::{self, SmppTime};
use crate::pdu::{CommandStatus, DataCoding, EsmClass, RegisteredDelivery, SequenceNumber, SubmitSm, Tag};
use crate::text::udh;

/// What a submit_sm asks for; permission is the gateway's to give.
///
/// `reference` is the TLV of the client's reference in profile `timetochat`; in `standard` it is user_message_reference.
///
/// # Errors
/// The status to refuse it with. In `timetochat`, what the vendor's server does not read is not looked at.
pub(in crate::smpp) fn submission(
    sequence: SequenceNumber,
    submit_sm: &SubmitSm<'_>,
    profile: Profile,
    reference: Option<Tag>,
    now_ms: u64,
) -> Result<Submission, CommandStatus> {
    let (content, schedule) = match profile {
        Profile::Standard => (standard(submit_sm)?, when(submit_sm.schedule_delivery_time, now_ms)),
        Profile::TimeToChat => (timetochat(submit_sm, reference), None),
    };
    let validity = when(submit_sm.validity_period, now_ms);
    Ok(Submission { reply: sequence.0, validity, schedule, ..Submission::new(content, Interface::Smpp) })
}

fn standard(submit_sm: &SubmitSm<'_>) -> Result<Content, CommandStatus> {
    if submit_sm.has_two_messages() {
        return Err(CommandStatus::ESME_ROPTPARNOTALLWD);
    }
    if submit_sm.replace_if_present != 0 {
        return Err(CommandStatus::ESME_RINVREPFLAG);
    }
    if submit_sm.sm_default_msg_id != 0 {
        return Err(CommandStatus::ESME_RINVDFTMSGID);
    }
    let tlvs = submit_sm.tlvs;
    Ok(Content {
        source: submit_sm.source,
        destination: submit_sm.destination,
        esm_class: submit_sm.esm_class,
        protocol_id: submit_sm.protocol_id,
        priority: submit_sm.priority_flag,
        registered_delivery: submit_sm.registered_delivery,
        data_coding: submit_sm.data_coding,
        payload: submit_sm.message().into(),
        tlvs: kept(tlvs, |tag| tag == Tag::MESSAGE_PAYLOAD),
        reference: tlvs.find(Tag::USER_MESSAGE_REFERENCE).unwrap_or_default().into(),
    })
}

/// The fields of contracts/timetochat.md §7 and no other: receipts always, default alphabet unless 0x08 or 0xF0.
///
/// UDHI alone is kept of the esm_class: without it a header, which is not to be submitted, would be shown as text.
fn timetochat(submit_sm: &SubmitSm<'_>, reference: Option<Tag>) -> Content {
    /// dest_addr_subunit: the mobile's display.
    const DISPLAY: u8 = 0x01;
    let tlvs = submit_sm.tlvs;
    let flash = tlvs.find_u8(Tag::DEST_ADDR_SUBUNIT) == Some(DISPLAY);
    let data_coding = match (submit_sm.data_coding, flash) {
        (DataCoding::UCS2, false) => DataCoding::UCS2,
        (DataCoding::UCS2, true) => DataCoding::FLASH_UCS2,
        (DataCoding::GSM7_CLASS_0, _) | (_, true) => DataCoding::GSM7_CLASS_0,
        _ => DataCoding::DEFAULT,
    };
    Content {
        source: submit_sm.source,
        destination: submit_sm.destination,
        esm_class: EsmClass(submit_sm.esm_class.0 & EsmClass::UDHI.0),
        protocol_id: 0,
        priority: 0,
        registered_delivery: RegisteredDelivery::RECEIPT,
        data_coding,
        payload: submit_sm.message().into(),
        tlvs: Box::default(),
        reference: reference.and_then(|tag| tlvs.find(tag)).unwrap_or_default().into(),
    }
}

/// `None` for an empty field. One that cannot be read was refused when the PDU was decoded.
fn when(field: &[u8], now_ms: u64) -> Option<When> {
    if field.is_empty() {
        return None;
    }
    let now = i64::try_from(now_ms).unwrap_or(i64::MAX);
    Some(match time::parse(field).ok()? {
        SmppTime::Absolute { utc_ms } => When::At(u64::try_from(utc_ms).unwrap_or(0)),
        SmppTime::Relative(span) => When::In(u64::try_from(span.after(now).saturating_sub(now)).unwrap_or(0)),
    })
}

/// What a part says of the message it belongs to: a hash of what its parts share, and their number.
/// `None` for a message of one part.
pub(in crate::smpp) fn concatenation(
    submit_sm: &SubmitSm<'_>,
    hasher: &ahash::RandomState,
) -> Option<(u64, u8)> {
    let (reference, size, total) = if submit_sm.esm_class.has_udhi() {
        let (header, _) = udh::Header::read(submit_sm.message()).ok()?;
        let concatenation = header.concatenation()?;
        let reference = concatenation.reference();
        (reference.number(), reference.size().header_octets(), concatenation.total())
    } else {
        let (reference, total, _) = sar(submit_sm.tlvs)?;
        (reference, 0, total)
    };
    let shared = (submit_sm.source, submit_sm.destination, reference, size, total);
    (total > 1).then(|| (hasher.hash_one(shared), total))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::pdu::{Address, Npi, Tlvs, Ton, tlv};

    const NOW: u64 = 1_795_348_800_000;
    const SEQUENCE: SequenceNumber = SequenceNumber(0xA285_9F22);

    fn submit_sm<'a>(short_message: &'a [u8], tlvs: &'a [u8]) -> SubmitSm<'a> {
        SubmitSm {
            source: Address::new(Ton::ALPHANUMERIC, Npi::UNKNOWN, b"SHOP").expect("short"),
            destination: Address::new(Ton::INTERNATIONAL, Npi::ISDN, b"33601020304").expect("short"),
            short_message,
            tlvs: Tlvs::read(tlvs).expect("good TLVs"),
            ..SubmitSm::default()
        }
    }

    fn tlvs(write: impl Fn(&mut BytesMut)) -> BytesMut {
        let mut out = BytesMut::new();
        write(&mut out);
        out
    }

    #[test]
    fn standard_refuses_what_it_would_have_to_trim() {
        let payload = tlvs(|out| tlv::put_octets(out, Tag::MESSAGE_PAYLOAD, b"payload"));
        let both = submit_sm(b"short", &payload);
        let refused =
            |pdu: &SubmitSm<'_>| submission(SEQUENCE, pdu, Profile::Standard, None, NOW).unwrap_err();
        assert_eq!(refused(&both), CommandStatus::ESME_ROPTPARNOTALLWD);
        assert_eq!(
            refused(&SubmitSm { replace_if_present: 1, ..submit_sm(b"x", b"") }),
            CommandStatus::ESME_RINVREPFLAG
        );
        assert_eq!(
            refused(&SubmitSm { sm_default_msg_id: 1, ..submit_sm(b"", b"") }),
            CommandStatus::ESME_RINVDFTMSGID
        );
    }

    #[test]
    fn standard_passes_unknown_tlvs_on_and_takes_the_payload_out() {
        let all = tlvs(|out| {
            tlv::put_u8(out, Tag(0x1444), 7);
            tlv::put_octets(out, Tag::MESSAGE_PAYLOAD, b"payload");
            tlv::put_u16(out, Tag::USER_MESSAGE_REFERENCE, 0x0102);
        });
        let submission =
            submission(SEQUENCE, &submit_sm(b"", &all), Profile::Standard, None, NOW).expect("good");
        assert_eq!(submission.reply, SEQUENCE.0);
        assert_eq!(&*submission.content.payload, b"payload");
        assert_eq!(&*submission.content.tlvs, b"\x14\x44\x00\x01\x07\x02\x04\x00\x02\x01\x02");
        assert_eq!(&*submission.content.reference, b"\x01\x02");
    }

    #[test]
    fn timetochat_reads_the_fields_of_its_table_and_no_other() {
        let all = tlvs(|out| {
            tlv::put_octets(out, Tag::MESSAGE_PAYLOAD, b"payload");
            tlv::put_octets(out, Tag(0x1501), b"ref");
            tlv::put_u8(out, Tag(0x1444), 7);
        });
        let mut pdu = submit_sm(b"short", &all);
        pdu.priority_flag = 3;
        pdu.replace_if_present = 1;
        pdu.schedule_delivery_time = b"000001000000000R";
        pdu.registered_delivery = RegisteredDelivery::NONE;
        let Submission { content, schedule, validity, .. } =
            submission(SEQUENCE, &pdu, Profile::TimeToChat, Some(Tag(0x1501)), NOW)
                .expect("nothing is malformed");
        assert_eq!(
            (&*content.payload, &*content.reference, &*content.tlvs),
            (&b"payload"[..], &b"ref"[..], &b""[..])
        );
        assert_eq!((content.priority, schedule, validity), (0, None, None));
        assert_eq!(content.registered_delivery, RegisteredDelivery::RECEIPT);
    }

    #[test]
    fn timetochat_knows_two_codings_and_flash() {
        let subunit = tlvs(|out| tlv::put_u8(out, Tag::DEST_ADDR_SUBUNIT, 1));
        for (coding, tlvs, expected) in [
            (0x00, &b""[..], DataCoding::DEFAULT),
            (0x03, b"", DataCoding::DEFAULT),
            (0x08, b"", DataCoding::UCS2),
            (0xF0, b"", DataCoding::GSM7_CLASS_0),
            (0x00, &subunit[..], DataCoding::GSM7_CLASS_0),
            (0x08, &subunit[..], DataCoding::FLASH_UCS2),
        ] {
            let pdu = SubmitSm { data_coding: DataCoding(coding), ..submit_sm(b"hi", tlvs) };
            let read = submission(SEQUENCE, &pdu, Profile::TimeToChat, None, NOW).expect("good");
            assert_eq!(read.content.data_coding, expected, "{coding:#x}");
        }
    }

    #[test]
    fn times_are_absolute_or_from_now() {
        let mut pdu = submit_sm(b"x", b"");
        pdu.validity_period = b"000000010000000R";
        pdu.schedule_delivery_time = b"261122130000000+";
        let read = submission(SEQUENCE, &pdu, Profile::Standard, None, NOW).expect("good");
        assert_eq!(read.validity, Some(When::In(3_600_000)));
        assert_eq!(read.schedule, Some(When::At(NOW + 3_600_000)));
        // The vendor's twelve digits.
        pdu.validity_period = b"261122130000";
        let read = submission(SEQUENCE, &pdu, Profile::TimeToChat, None, NOW).expect("good");
        assert_eq!(read.validity, Some(When::At(NOW + 3_600_000)));
    }

    #[test]
    fn parts_of_one_message_are_known_by_what_they_share() {
        let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
        let part = |message: &'static [u8]| {
            let pdu = SubmitSm { esm_class: EsmClass::UDHI, ..submit_sm(message, b"") };
            concatenation(&pdu, &hasher)
        };
        assert_eq!(part(b"\x05\x00\x03\x07\x02\x01one"), part(b"\x05\x00\x03\x07\x02\x02two"));
        assert_ne!(part(b"\x05\x00\x03\x07\x02\x01one"), part(b"\x05\x00\x03\x08\x02\x01one"));
        assert_ne!(part(b"\x05\x00\x03\x07\x02\x01one"), part(b"\x06\x08\x04\x00\x07\x02\x01one"));
        assert_eq!(part(b"\x05\x00\x03\x07\x01\x01one"), None, "a message of one part is no concatenation");
        let sar = tlvs(|out| {
            tlv::put_u16(out, Tag::SAR_MSG_REF_NUM, 7);
            tlv::put_u8(out, Tag::SAR_TOTAL_SEGMENTS, 3);
            tlv::put_u8(out, Tag::SAR_SEGMENT_SEQNUM, 3);
        });
        assert_eq!(concatenation(&submit_sm(b"x", &sar), &hasher).map(|(_, total)| total), Some(3));
        assert_eq!(concatenation(&submit_sm(b"x", b""), &hasher), None);
    }
}
