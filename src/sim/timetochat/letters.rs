//! `deliver_sm` of the connector: receipts per part with their TLVs, and messages of mobiles (§7).

use bytes::BytesMut;

use super::store::Sent;
use super::switches::Long;
use crate::pdu::receipt::ReceiptText;
use crate::pdu::{Address, DataCoding, EsmClass, MessageState, Npi, Tag, Ton, time, tlv};
use crate::sim::post::Letter;
use crate::text::udh::{Concatenation, HeaderOctets, Reference};
use crate::text::{Alphabet, Table, gsm7, split};
use crate::vendor::timetochat::{Class, Part, State};

/// The receipt of one part. `has_expired` tells an error of ours from that of validity.
pub(super) fn receipt(
    sent: &Sent,
    (part, state): (Option<Part>, &State),
    has_expired: bool,
    done_ms: u64,
    reference_tag: Tag,
) -> Letter {
    let smpp_state = if has_expired { MessageState::EXPIRED } else { message_state(state) };
    let date = |utc_ms| time::date10(i64::try_from(utc_ms).unwrap_or(i64::MAX));
    let (submitted, done) = (date(sent.created_ms), date(done_ms));
    let err = format!("{:03}", state.error_number());
    let text = gsm7::encode(&sent.text).unwrap_or_default();
    let written = ReceiptText {
        id: Some(sent.id.as_bytes()),
        sub: Some(b"001"),
        dlvrd: Some(b"001"),
        submit_date: Some(&submitted),
        done_date: Some(&done),
        stat: Some(smpp_state.stat().as_bytes()),
        err: Some(err.as_bytes()),
        text: Some(&text),
    };
    let mut short_message = BytesMut::new();
    written.write(&mut short_message);

    let part = part.unwrap_or(Part { number: 1, total: 1 });
    let mut tlvs = BytesMut::new();
    tlv::put_c_octets(&mut tlvs, Tag::RECEIPTED_MESSAGE_ID, sent.id.as_bytes());
    tlv::put_u8(&mut tlvs, Tag::MESSAGE_STATE, smpp_state.0);
    if let Some(reference) = &sent.reference {
        tlv::put_octets(&mut tlvs, reference_tag, reference);
    }
    // The last two of the id's twelve octets.
    let last = sent.id.get(sent.id.len().saturating_sub(4)..).unwrap_or_default();
    tlv::put_u16(&mut tlvs, Tag::SAR_MSG_REF_NUM, u16::from_str_radix(last, 16).unwrap_or(0));
    tlv::put_u8(&mut tlvs, Tag::SAR_SEGMENT_SEQNUM, part.number);
    tlv::put_u8(&mut tlvs, Tag::SAR_TOTAL_SEGMENTS, part.total);
    let (service, mobile) = sent.addresses.unwrap_or_else(|| (address(&sent.from), address(&sent.to)));
    Letter {
        source: mobile,
        destination: service,
        esm_class: EsmClass::DELIVERY_RECEIPT,
        data_coding: DataCoding::DEFAULT,
        short_message: short_message.to_vec(),
        tlvs: tlvs.to_vec(),
    }
}

/// A state as SMPP tells it. Invented but for the clear ones.
pub(super) fn message_state(state: &State) -> MessageState {
    match (state, state.class()) {
        (State::Rejected | State::Blocked | State::Blacklist | State::OpBlacklist, _) => {
            MessageState::REJECTED
        }
        (_, Class::Accepted | Class::Sent) => MessageState::ENROUTE,
        (_, Class::Delivered | Class::Inbound) => MessageState::DELIVERED,
        (_, Class::Failed(_)) => MessageState::UNDELIVERABLE,
        (_, Class::Unknown) => MessageState::UNKNOWN,
    }
}

/// What a mobile wrote: data_coding 0x00 if GSM 03.38 holds it, else 0x08; beyond 254 octets as `long` says.
/// `number` tells messages in parts apart.
pub(super) fn incoming(mobile: &str, service: &str, text: &str, long: Long, number: u8) -> Vec<Letter> {
    let alphabet = Alphabet::needed(text);
    let payload = alphabet.encode(text).unwrap_or_default();
    let data_coding = match alphabet {
        Alphabet::Gsm7 => DataCoding::DEFAULT,
        Alphabet::Ucs2 => DataCoding::UCS2,
    };
    let letter = |esm_class, short_message: Vec<u8>, tlvs: BytesMut| Letter {
        source: address(mobile),
        destination: address(service),
        esm_class,
        data_coding,
        short_message,
        tlvs: tlvs.to_vec(),
    };
    if payload.len() <= SHORT_OCTETS_MAX {
        return vec![letter(EsmClass::DEFAULT, payload, BytesMut::new())];
    }
    let parts = split(&payload, alphabet.unit_kind(), Table::STANDARD);
    let parts: Vec<_> = parts.map(Iterator::collect).unwrap_or_default();
    let total = match (long, u8::try_from(parts.len())) {
        (Long::Udh | Long::Sar, Ok(total)) if total > 0 => total,
        _ => {
            let mut tlvs = BytesMut::new();
            tlv::put_octets(&mut tlvs, Tag::MESSAGE_PAYLOAD, &payload);
            return vec![letter(EsmClass::DEFAULT, Vec::new(), tlvs)];
        }
    };
    let one = |(sequence, piece): (u8, &[u8])| match long {
        Long::Udh => {
            let header = Concatenation::new(Reference::Eight(number), total, sequence);
            let header = header.map(Concatenation::header);
            let header = header.as_ref().map(HeaderOctets::as_bytes).unwrap_or_default();
            letter(EsmClass::UDHI, [header, piece].concat(), BytesMut::new())
        }
        Long::Sar | Long::Payload => {
            let mut tlvs = BytesMut::new();
            tlv::put_u16(&mut tlvs, Tag::SAR_MSG_REF_NUM, u16::from(number));
            tlv::put_u8(&mut tlvs, Tag::SAR_TOTAL_SEGMENTS, total);
            tlv::put_u8(&mut tlvs, Tag::SAR_SEGMENT_SEQNUM, sequence);
            letter(EsmClass::DEFAULT, piece.to_vec(), tlvs)
        }
    };
    (1..=total).zip(parts).map(one).collect()
}

/// International digits with their type of number; national and other ones as they are.
fn address(number: &str) -> Address {
    let (ton, digits) = match (number.strip_prefix('+'), number.as_bytes()) {
        (Some(digits), _) => (Ton::INTERNATIONAL, digits),
        (None, [b'0', ..]) => (Ton::NATIONAL, number),
        (None, octets) if octets.iter().all(u8::is_ascii_digit) => (Ton::INTERNATIONAL, number),
        (None, _) => (Ton::ALPHANUMERIC, number),
    };
    let npi = if ton == Ton::ALPHANUMERIC { Npi::UNKNOWN } else { Npi::ISDN };
    Address::new(ton, npi, digits.as_bytes()).unwrap_or_default()
}

/// Octets of short_message.
const SHORT_OCTETS_MAX: usize = 254;
