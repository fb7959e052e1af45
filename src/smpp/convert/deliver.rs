//! Our deliver_sm to an ESME: receipts in the form of Appendix B, and messages from mobiles.

use bytes::{BufMut, BytesMut};

use super::{Placed, Places};
use crate::gateway::port::{Carry, ReceiptFact};
use crate::gateway::record::MoContent;
use crate::gateway::settings::Profile;
use crate::pdu::receipt::ReceiptText;
use crate::pdu::{DataCoding, DeliverSm, EsmClass, Tag, Tlvs, Write, time, tlv};
use crate::text::{gsm7, latin1, ucs2};

/// network_error_code: the network is a GSM one.
const GSM: u8 = 3;

/// A receipt that is ready to be written.
#[derive(Debug)]
pub(in crate::smpp) struct ReceiptBody<'a> {
    /// What it says.
    pub(in crate::smpp) fact: &'a ReceiptFact,
    /// Whose rules.
    pub(in crate::smpp) profile: Profile,
    /// TLV of the client's reference in profile `timetochat`.
    pub(in crate::smpp) reference: Option<Tag>,
    /// The ESME knows no TLVs.
    pub(in crate::smpp) without_tlvs: bool,
}

impl Write for ReceiptBody<'_> {
    fn octets_max(&self) -> usize {
        // Fixed fields, two addresses, 140 octets of text and the TLVs.
        320 + self.fact.reference.len()
    }

    fn write(&self, out: &mut BytesMut) {
        let fact = self.fact;
        let id = fact.id.to_hex();
        let mut text = [0; TEXT_MAX];
        let octets = self.text(&id, &mut text);
        let body = DeliverSm {
            source: fact.recipient,
            destination: fact.sender,
            esm_class: if fact.intermediate { EsmClass::INTERMEDIATE } else { EsmClass::DELIVERY_RECEIPT },
            short_message: text.get(..octets).unwrap_or_default(),
            ..DeliverSm::default()
        };
        body.write(out);
        if self.without_tlvs {
            return;
        }
        tlv::put_c_octets(out, Tag::RECEIPTED_MESSAGE_ID, &id);
        tlv::put_u8(out, Tag::MESSAGE_STATE, fact.state.0);
        match self.profile {
            Profile::Standard => {
                if let Ok([high, low]) = u16::try_from(fact.error).map(u16::to_be_bytes)
                    && fact.error != 0
                {
                    tlv::put_octets(out, Tag::NETWORK_ERROR_CODE, &[GSM, high, low]);
                }
                if let [high, low] = *fact.reference {
                    tlv::put_octets(out, Tag::USER_MESSAGE_REFERENCE, &[high, low]);
                }
            }
            Profile::TimeToChat => {
                if let (Some(tag), [_, ..]) = (self.reference, &*fact.reference) {
                    tlv::put_octets(out, tag, &fact.reference);
                }
                let [.., high, low] = fact.id.0;
                let (number, total) = fact.part;
                tlv::put_octets(out, Tag::SAR_MSG_REF_NUM, &[high, low]);
                tlv::put_u8(out, Tag::SAR_SEGMENT_SEQNUM, number);
                tlv::put_u8(out, Tag::SAR_TOTAL_SEGMENTS, total);
            }
        }
    }
}

/// Longer than any receipt text: 101 octets of keys and values, 10 of an error, 20 of text.
const TEXT_MAX: usize = 160;

impl ReceiptBody<'_> {
    /// Writes the text, and says how long it is.
    fn text(&self, id: &[u8], text: &mut [u8; TEXT_MAX]) -> usize {
        let fact = self.fact;
        let date = |ms: u64| time::date10(i64::try_from(ms).unwrap_or(i64::MAX));
        let (submitted, done) = (date(fact.submitted_ms), date(fact.done_ms));
        let mut digits = [b'0'; 10];
        let mut excerpt = [0; 20];
        let octets = excerpt_of(&fact.text, fact.data_coding, &mut excerpt);
        let receipt = ReceiptText {
            id: Some(id),
            sub: Some(b"001"),
            // The vendor's is always 001; in the specification it counts what was delivered.
            dlvrd: (self.profile == Profile::TimeToChat).then_some(b"001"),
            submit_date: Some(&submitted),
            done_date: Some(&done),
            stat: Some(fact.state.stat().as_bytes()),
            err: Some(error_digits(fact.error, &mut digits)),
            text: excerpt.get(..octets),
        };
        let mut rest = &mut text[..];
        receipt.write(&mut rest);
        let left = rest.remaining_mut();
        TEXT_MAX - left
    }
}

/// Three decimal digits, or as many as it takes.
fn error_digits(error: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut left = error;
    let mut used = 0;
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        if left > 0 {
            used = place + 1;
        }
        left /= 10;
    }
    digits.get(10 - used.max(3)..).unwrap_or_default()
}

/// What a receipt repeats of the message: the first characters, in GSM 7-bit. Nothing of a binary one.
fn excerpt_of(text: &[u8], coding: DataCoding, excerpt: &mut [u8; 20]) -> usize {
    let text = match text {
        // The header of a part that the client cut is no text.
        [5, 0, 3, _, _, _, rest @ ..] | [6, 8, 4, _, _, _, _, rest @ ..] if !coding.is_ucs2() => rest,
        text => text,
    };
    let septets = |text: &str| -> Vec<u8> {
        let known: String = text.chars().map(|c| if gsm7::code(c).is_some() { c } else { '?' }).collect();
        gsm7::encode(&known).unwrap_or_default()
    };
    let read = if coding.is_ucs2() {
        septets(&ucs2::decode(text))
    } else if coding == DataCoding::LATIN_1 {
        septets(&latin1::decode(text))
    } else if coding.is_binary() {
        Vec::new()
    } else {
        return copy(text, excerpt);
    };
    copy(&read, excerpt)
}

fn copy(from: &[u8], to: &mut [u8; 20]) -> usize {
    let fitting = from.get(..to.len()).unwrap_or(from);
    // An escape whose character is cut off says nothing.
    let fitting = fitting.strip_suffix(&[0x1B]).unwrap_or(fitting);
    to.iter_mut().zip(fitting).for_each(|(to, from)| *to = *from);
    fitting.len()
}

/// A message from a mobile that is ready to be written.
#[derive(Debug)]
pub(in crate::smpp) struct MoBody<'a> {
    mo: &'a MoContent,
    carry: Carry,
    /// Another coding of the text, and that text.
    recoded: Option<(DataCoding, Vec<u8>)>,
    profile: Profile,
    without_tlvs: bool,
}

impl<'a> MoBody<'a> {
    /// The deliver_sm of `mo`. In profile `timetochat` a text is 0x00 if GSM 7-bit can hold it, and 0x08 if not
    /// (SEMANTICS 19), and nothing else is passed on.
    pub(in crate::smpp) fn new(
        mo: &'a MoContent,
        carry: Carry,
        profile: Profile,
        without_tlvs: bool,
    ) -> Self {
        let is_part = mo.esm_class.has_udhi() || matches!(carry, Carry::Sar { .. });
        let recoded = match profile {
            Profile::TimeToChat if !is_part => recode(mo),
            Profile::TimeToChat | Profile::Standard => None,
        };
        Self { mo, carry, recoded, profile, without_tlvs }
    }

    fn placed(&self) -> Placed<'_, DeliverSm<'_>> {
        let mo = self.mo;
        let (data_coding, payload) = match &self.recoded {
            Some((coding, payload)) => (*coding, payload.as_slice()),
            None => (mo.data_coding, &*mo.payload),
        };
        let places = Places::of(payload, self.carry);
        let (kept, tlvs) = match self.profile {
            Profile::TimeToChat => (EsmClass::UDHI.0, Tlvs::EMPTY),
            Profile::Standard if self.without_tlvs => (!0x03, Tlvs::EMPTY),
            Profile::Standard => (!0x03, Tlvs::read_as_far_as_good(&mo.tlvs)),
        };
        let body = DeliverSm {
            source: mo.source,
            destination: mo.destination,
            esm_class: EsmClass(mo.esm_class.0 & kept),
            protocol_id: mo.protocol_id,
            data_coding,
            short_message: places.short_message,
            tlvs,
            ..DeliverSm::default()
        };
        Placed { body, places }
    }
}

/// The text in GSM 7-bit or UCS-2, if that is not what it is in already.
fn recode(mo: &MoContent) -> Option<(DataCoding, Vec<u8>)> {
    let text = if mo.data_coding.is_ucs2() {
        ucs2::decode(&mo.payload)
    } else if mo.data_coding == DataCoding::LATIN_1 || mo.data_coding == DataCoding::ASCII {
        latin1::decode(&mo.payload)
    } else {
        return None;
    };
    match gsm7::encode(&text) {
        Ok(septets) => Some((DataCoding::DEFAULT, septets)),
        Err(_) if mo.data_coding == DataCoding::UCS2 => None,
        Err(_) => Some((DataCoding::UCS2, ucs2::encode(&text))),
    }
}

impl Write for MoBody<'_> {
    fn octets_max(&self) -> usize {
        self.placed().octets_max()
    }

    fn write(&self, out: &mut BytesMut) {
        self.placed().write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::id::{MessageId, UpstreamNo};
    use crate::pdu::{
        Address, CommandId, CommandStatus, MessageState, Npi, Pdu, SequenceNumber, Ton, decode, encode,
    };

    const ID: &str = "66018af8c8ab4e0ca97532f1";

    fn address(octets: &[u8]) -> Address {
        Address::new(Ton::INTERNATIONAL, Npi::ISDN, octets).expect("short")
    }

    fn fact() -> ReceiptFact {
        ReceiptFact {
            id: MessageId::from_hex(ID).expect("an id"),
            sender: address(b"33930000000"),
            recipient: address(b"33601020304"),
            state: MessageState::DELIVERED,
            error: 0,
            part: (1, 1),
            submitted_ms: 1_711_377_144_000,
            done_ms: 1_711_377_145_000,
            text: b"Bonjour"[..].into(),
            data_coding: DataCoding::DEFAULT,
            intermediate: false,
            reference: Box::default(),
            late: false,
            billed: 1,
            upstream: UpstreamNo(0),
            reason: None,
        }
    }

    fn written(body: &impl Write) -> BytesMut {
        let mut out = BytesMut::new();
        encode(&mut out, CommandId::DELIVER_SM, CommandStatus::ESME_ROK, SequenceNumber(1), body);
        assert!(out.len() <= 16 + body.octets_max(), "room is made for all of it");
        out
    }

    fn receipt(fact: &ReceiptFact, profile: Profile) -> BytesMut {
        written(&ReceiptBody { fact, profile, reference: Some(Tag(0x1501)), without_tlvs: false })
    }

    fn read(octets: &[u8]) -> DeliverSm<'_> {
        match decode(octets) {
            Ok((_, Pdu::DeliverSm(deliver_sm))) => deliver_sm,
            other => panic!("no deliver_sm: {other:?}"),
        }
    }

    #[test]
    fn the_vendors_receipt_is_written_to_the_letter() {
        let fact = ReceiptFact { reference: b"abc123"[..].into(), part: (2, 3), ..fact() };
        let octets = receipt(&fact, Profile::TimeToChat);
        let sent = read(&octets);
        let text = format!(
            "id:{ID} sub:001 dlvrd:001 submit date:2403251432 done date:2403251432 stat:DELIVRD err:000 text:Bonjour"
        );
        assert_eq!(sent.short_message, text.as_bytes());
        assert_eq!((sent.esm_class, sent.data_coding), (EsmClass::DELIVERY_RECEIPT, DataCoding::DEFAULT));
        assert_eq!((sent.source, sent.destination), (fact.recipient, fact.sender));
        let tlvs: Vec<_> = sent.tlvs.iter().collect();
        let mut id = ID.as_bytes().to_vec();
        id.push(0);
        let expected: [(Tag, &[u8]); 6] = [
            (Tag::RECEIPTED_MESSAGE_ID, &id),
            (Tag::MESSAGE_STATE, &[2]),
            (Tag(0x1501), b"abc123"),
            (Tag::SAR_MSG_REF_NUM, &[0x32, 0xF1]),
            (Tag::SAR_SEGMENT_SEQNUM, &[2]),
            (Tag::SAR_TOTAL_SEGMENTS, &[3]),
        ];
        assert_eq!(tlvs, expected);
    }

    #[test]
    fn the_standard_receipt_names_the_error() {
        let fact = ReceiptFact { state: MessageState::UNDELIVERABLE, error: 34, ..fact() };
        let octets = receipt(&fact, Profile::Standard);
        let sent = read(&octets);
        let text = String::from_utf8_lossy(sent.short_message).into_owned();
        assert!(
            text.contains(" sub:001 dlvrd:000 ") && text.contains(" stat:UNDELIV err:034 text:Bonjour"),
            "{text}"
        );
        assert_eq!(sent.tlvs.find(Tag::NETWORK_ERROR_CODE), Some(&[3, 0, 34][..]));
        assert_eq!(sent.tlvs.find(Tag::SAR_TOTAL_SEGMENTS), None);
    }

    #[test]
    fn the_vendor_counts_one_delivered_whatever_the_state() {
        let fact = ReceiptFact { state: MessageState::EXPIRED, error: 4_294_967_295, ..fact() };
        let octets = receipt(&fact, Profile::TimeToChat);
        let text = String::from_utf8_lossy(read(&octets).short_message).into_owned();
        assert!(text.contains(" dlvrd:001 ") && text.contains(" stat:EXPIRED err:4294967295 "), "{text}");
        assert_eq!(read(&octets).tlvs.find(Tag::NETWORK_ERROR_CODE), None, "not in the vendor's table");
    }

    #[test]
    fn an_older_esme_gets_no_tlvs() {
        let fact = fact();
        let body =
            ReceiptBody { fact: &fact, profile: Profile::Standard, reference: None, without_tlvs: true };
        let octets = written(&body);
        assert!(read(&octets).tlvs.is_empty());
    }

    #[test]
    fn the_excerpt_is_text_whatever_the_message_was_in() {
        let excerpt = |text: &[u8], coding: DataCoding| {
            let fact = ReceiptFact { text: text.into(), data_coding: coding, ..fact() };
            let octets = receipt(&fact, Profile::Standard);
            let text = String::from_utf8_lossy(read(&octets).short_message).into_owned();
            text.split_once(" text:").expect("a text").1.to_owned()
        };
        assert_eq!(excerpt(b"\0H\0i\x04\x16", DataCoding::UCS2), "Hi?");
        assert_eq!(excerpt(b"Hi", DataCoding::LATIN_1), "Hi");
        assert_eq!(excerpt(b"\x01\x02", DataCoding::OCTETS), "");
        assert_eq!(excerpt(b"\x05\x00\x03\x07\x02\x01Hi", DataCoding::DEFAULT), "Hi");
        assert_eq!(excerpt(b"1234567890123456789\x1B", DataCoding::DEFAULT), "1234567890123456789");
    }

    fn mo(coding: u8, payload: &[u8]) -> MoContent {
        MoContent {
            source: address(b"33601020304"),
            destination: address(b"33930000000"),
            esm_class: EsmClass::DEFAULT,
            protocol_id: 0,
            data_coding: DataCoding(coding),
            payload: payload.into(),
            tlvs: b"\x14\x44\x00\x01\x07"[..].into(),
        }
    }

    #[test]
    fn a_message_leaves_timetochat_in_one_of_two_codings() {
        for (coding, payload, expected) in [
            (0x00, &b"Salut"[..], (DataCoding::DEFAULT, &b"Salut"[..])),
            (0x08, b"\0S\0a", (DataCoding::DEFAULT, b"Sa")),
            (0x08, b"\x04\x16", (DataCoding::UCS2, b"\x04\x16")),
            (0x03, b"\xE9", (DataCoding::DEFAULT, b"\x05")),
            (0x03, b"\xC2", (DataCoding::UCS2, b"\x00\xC2")),
            (0x04, b"\x01\xFF", (DataCoding::OCTETS, b"\x01\xFF")),
        ] {
            let mo = mo(coding, payload);
            let octets = written(&MoBody::new(&mo, Carry::Short, Profile::TimeToChat, false));
            let sent = read(&octets);
            assert_eq!((sent.data_coding, sent.short_message), expected, "{coding:#x}");
            assert!(sent.tlvs.is_empty() && sent.esm_class == EsmClass::DEFAULT);
        }
    }

    #[test]
    fn standard_passes_a_message_on_as_it_came() {
        let mo = mo(0x03, b"\xE9");
        let octets = written(&MoBody::new(&mo, Carry::Short, Profile::Standard, false));
        let sent = read(&octets);
        assert_eq!((sent.data_coding, sent.short_message), (DataCoding::LATIN_1, &b"\xE9"[..]));
        assert_eq!(sent.tlvs.find_u8(Tag(0x1444)), Some(7));
    }

    #[test]
    fn a_long_message_goes_as_payload_or_in_parts() {
        let long = mo(0x00, &[b'x'; 300]);
        let octets = written(&MoBody::new(&long, Carry::Short, Profile::TimeToChat, false));
        assert_eq!(read(&octets).message().len(), 300);
        assert!(read(&octets).short_message.is_empty());
        let part = mo(0x08, b"\0S\0a");
        let carry = Carry::Sar { reference: 9, total: 2, number: 1 };
        let octets = written(&MoBody::new(&part, carry, Profile::TimeToChat, false));
        assert_eq!(super::super::sar(read(&octets).tlvs), Some((9, 2, 1)));
        assert_eq!(
            read(&octets).data_coding,
            DataCoding::UCS2,
            "parts stay in the coding that they were cut in"
        );
    }
}
