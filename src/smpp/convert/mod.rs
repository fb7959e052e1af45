//! Between PDUs and the gateway's values.
//!
//! One file per direction: [`submit`] (an ESME's submit_sm), [`dispatch`] (our submit_sm to an SMSC), [`arrive`] (an SMSC's
//! deliver_sm), [`deliver`] (our deliver_sm to an ESME).

pub(super) mod arrive;
pub(super) mod deliver;
pub(super) mod dispatch;
pub(super) mod submit;

use bytes::BytesMut;

use crate::gateway::port::Carry;
use crate::pdu::{Tag, Tlvs, Write, tlv};

/// The most octets that go as short_message; 255 fit the field's count, and 254 the specification.
const SHORT_MESSAGE_MAX: usize = 254;

/// Where the octets of a message go in its PDU.
#[derive(Clone, Copy, Debug)]
struct Places<'a> {
    short_message: &'a [u8],
    message_payload: Option<&'a [u8]>,
    sar: Option<(u16, u8, u8)>,
}

impl<'a> Places<'a> {
    fn of(payload: &'a [u8], carry: Carry) -> Self {
        let sar = match carry {
            Carry::Sar { reference, total, number } => Some((reference, total, number)),
            Carry::Short | Carry::Payload => None,
        };
        if carry == Carry::Payload || payload.len() > SHORT_MESSAGE_MAX {
            Self { short_message: &[], message_payload: Some(payload), sar }
        } else {
            Self { short_message: payload, message_payload: None, sar }
        }
    }

    fn octets_max(&self) -> usize {
        self.message_payload.map_or(0, |payload| 4 + payload.len()) + 16
    }

    /// Appends the TLVs that the places need.
    fn write(&self, out: &mut BytesMut) {
        if let Some((reference, total, number)) = self.sar {
            tlv::put_u16(out, Tag::SAR_MSG_REF_NUM, reference);
            tlv::put_u8(out, Tag::SAR_TOTAL_SEGMENTS, total);
            tlv::put_u8(out, Tag::SAR_SEGMENT_SEQNUM, number);
        }
        if let Some(payload) = self.message_payload {
            tlv::put_octets(out, Tag::MESSAGE_PAYLOAD, payload);
        }
    }
}

/// A body with the TLVs of its [`Places`] after its own.
#[derive(Debug)]
pub(super) struct Placed<'a, B> {
    body: B,
    places: Places<'a>,
}

impl<B: Write> Write for Placed<'_, B> {
    fn octets_max(&self) -> usize {
        self.body.octets_max() + self.places.octets_max()
    }

    fn write(&self, out: &mut BytesMut) {
        self.body.write(out);
        self.places.write(out);
    }
}

/// `tlvs` without those that `is_left_out`; nothing is allocated when nothing is left.
fn kept(tlvs: Tlvs<'_>, is_left_out: impl Fn(Tag) -> bool) -> Box<[u8]> {
    if tlvs.is_empty() {
        return Box::default();
    }
    let left = tlvs.iter().filter(|(tag, _)| !is_left_out(*tag));
    if left.clone().count() == tlvs.iter().count() {
        return tlvs.as_bytes().into();
    }
    let mut octets = BytesMut::new();
    left.for_each(|(tag, value)| tlv::put_octets(&mut octets, tag, value));
    octets.to_vec().into_boxed_slice()
}

/// The three TLVs of one part, when all are there and possible (contracts/smpp.md §5): reference, total, number.
fn sar(tlvs: Tlvs<'_>) -> Option<(u16, u8, u8)> {
    if tlvs.is_empty() {
        return None;
    }
    let reference = tlvs.find_u16(Tag::SAR_MSG_REF_NUM)?;
    let total = tlvs.find_u8(Tag::SAR_TOTAL_SEGMENTS)?;
    let number = tlvs.find_u8(Tag::SAR_SEGMENT_SEQNUM)?;
    (1..=total).contains(&number).then_some((reference, total, number))
}
