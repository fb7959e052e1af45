//! Our submit_sm to an SMSC.

use bytes::BytesMut;

use super::{Placed, Places};
use crate::gateway::id::MessageId;
use crate::gateway::port::Dispatch;
use crate::pdu::{EsmClass, RegisteredDelivery, SubmitSm, Tag, Tlvs, Write, time, tlv};

/// A submit_sm that is ready to be written.
#[derive(Debug)]
pub(in crate::smpp) struct Outgoing<'a> {
    dispatch: &'a Dispatch,
    validity_period: [u8; 16],
    /// Tag of the TLV that carries our id.
    reference: Option<Tag>,
}

impl<'a> Outgoing<'a> {
    /// The submit_sm of `dispatch`: a receipt is always asked for, and validity is what is left of it.
    /// With a `reference` our id goes in that TLV; of several parts only the first tells it, since receipts could not say
    /// which part they mean.
    pub(in crate::smpp) fn new(dispatch: &'a Dispatch, reference: Option<Tag>) -> Self {
        let reference = reference.filter(|_| dispatch.ticket.part == 0);
        Self { dispatch, validity_period: time::write_relative(dispatch.validity_s.max(1)), reference }
    }

    fn placed(&self) -> Placed<'_, SubmitSm<'_>> {
        let content = &self.dispatch.content;
        let places = Places::of(&content.payload, self.dispatch.carry);
        let body = SubmitSm {
            source: content.source,
            destination: content.destination,
            // Receipts need the SMSC's own mode: neither datagram nor transaction.
            esm_class: EsmClass(content.esm_class.0 & !0x03),
            protocol_id: content.protocol_id,
            priority_flag: content.priority,
            validity_period: &self.validity_period,
            registered_delivery: RegisteredDelivery::RECEIPT,
            data_coding: content.data_coding,
            short_message: places.short_message,
            // They were judged when they came in.
            tlvs: Tlvs::read_as_far_as_good(&content.tlvs),
            ..SubmitSm::default()
        };
        Placed { body, places }
    }
}

impl Write for Outgoing<'_> {
    fn octets_max(&self) -> usize {
        self.placed().octets_max() + REFERENCE_OCTETS
    }

    fn write(&self, out: &mut BytesMut) {
        self.placed().write(out);
        if let Some(tag) = self.reference {
            tlv::put_octets(out, tag, &self.dispatch.ticket.id.to_hex());
        }
    }
}

/// Octets of the TLV with our id.
const REFERENCE_OCTETS: usize = 4 + 2 * MessageId::OCTETS;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::id::MessageId;
    use crate::gateway::message::Content;
    use crate::gateway::port::{Carry, Ticket};
    use crate::pdu::{
        Address, CommandId, CommandStatus, DataCoding, Npi, Pdu, SequenceNumber, Tag, Ton, decode, encode,
    };

    fn dispatch(payload: &[u8], carry: Carry) -> Dispatch {
        let address = |octets| Address::new(Ton::INTERNATIONAL, Npi::ISDN, octets).expect("short");
        Dispatch {
            ticket: Ticket { id: MessageId([1; 12]), part: 0, attempt: 1 },
            validity_s: 3_600,
            content: Content {
                source: address(b"33930000000"),
                destination: address(b"33601020304"),
                esm_class: EsmClass(0x03),
                protocol_id: 0,
                priority: 2,
                registered_delivery: RegisteredDelivery::NONE,
                data_coding: DataCoding::UCS2,
                payload: payload.into(),
                tlvs: b"\x14\x44\x00\x01\x07"[..].into(),
                reference: Box::default(),
            },
            carry,
        }
    }

    fn written(dispatch: &Dispatch) -> BytesMut {
        let mut out = BytesMut::new();
        let body = Outgoing::new(dispatch, Some(Tag(0x1501)));
        encode(&mut out, CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, SequenceNumber(1), &body);
        assert!(out.len() <= 16 + body.octets_max(), "room is made for all of it");
        out
    }

    #[test]
    fn a_receipt_is_always_asked_for_and_the_rest_of_the_validity_told() {
        let dispatch = dispatch(b"hello", Carry::Short);
        let octets = written(&dispatch);
        let Ok((_, Pdu::SubmitSm(sent))) = decode(&octets) else { panic!("a submit_sm") };
        assert_eq!(sent.registered_delivery, RegisteredDelivery::RECEIPT);
        assert_eq!(sent.validity_period, b"000000010000000R");
        assert_eq!((sent.esm_class, sent.priority_flag), (EsmClass::DEFAULT, 2));
        assert_eq!((sent.short_message, sent.data_coding), (&b"hello"[..], DataCoding::UCS2));
        assert_eq!(sent.tlvs.find_u8(Tag(0x1444)), Some(7), "unknown TLVs pass through");
        assert_eq!(
            sent.tlvs.find(Tag(0x1501)),
            Some(&b"010101010101010101010101"[..]),
            "and our id goes along"
        );
    }

    #[test]
    fn more_than_254_octets_go_as_message_payload() {
        for (octets, carry) in [(255, Carry::Short), (10, Carry::Payload), (2_000, Carry::Short)] {
            let payload = vec![b'x'; octets];
            let dispatch = dispatch(&payload, carry);
            let octets = written(&dispatch);
            let Ok((_, Pdu::SubmitSm(sent))) = decode(&octets) else { panic!("a submit_sm") };
            assert_eq!(sent.short_message, b"");
            assert_eq!(sent.tlvs.find(Tag::MESSAGE_PAYLOAD), Some(&payload[..]));
        }
        let dispatch = dispatch(&[b'x'; 254], Carry::Short);
        let octets = written(&dispatch);
        let Ok((_, Pdu::SubmitSm(sent))) = decode(&octets) else { panic!("a submit_sm") };
        assert_eq!((sent.short_message.len(), sent.tlvs.find(Tag::MESSAGE_PAYLOAD)), (254, None));
    }

    #[test]
    fn sar_has_all_three_tlvs() {
        let dispatch = dispatch(b"part", Carry::Sar { reference: 0x0A0B, total: 3, number: 2 });
        let octets = written(&dispatch);
        let Ok((_, Pdu::SubmitSm(sent))) = decode(&octets) else { panic!("a submit_sm") };
        assert_eq!(super::super::sar(sent.tlvs), Some((0x0A0B, 3, 2)));
        assert_eq!(sent.short_message, b"part");
    }
}
