//! What a payload says to a person, and a text as a payload.

use super::message::Content;
use crate::pdu::{Address, DataCoding, EsmClass, RegisteredDelivery};
use crate::text::{Alphabet, gsm7, latin1, ucs2, udh};

/// A text in the cheapest alphabet that holds it, whole: the gateway cuts it as its upstream wants. It asks for no receipt.
pub fn content_of(source: Address, destination: Address, text: &str) -> Content {
    let alphabet = Alphabet::needed(text);
    Content {
        source,
        destination,
        esm_class: EsmClass::DEFAULT,
        protocol_id: 0,
        priority: 0,
        registered_delivery: RegisteredDelivery::NONE,
        data_coding: match alphabet {
            Alphabet::Gsm7 => DataCoding::DEFAULT,
            Alphabet::Ucs2 => DataCoding::UCS2,
        },
        payload: alphabet.encode(text).unwrap_or_default().into(),
        tlvs: Box::default(),
        reference: Box::default(),
    }
}

/// The text of a payload, without its user data header; `None`: it is not text.
///
/// data_coding 0 and the message classes of the default alphabet are GSM 7-bit unpacked (SEMANTICS 19).
pub fn text_of(esm_class: EsmClass, data_coding: DataCoding, payload: &[u8]) -> Option<String> {
    let body = if esm_class.has_udhi() { udh::Header::read(payload).ok()?.1 } else { payload };
    if data_coding.is_ucs2() {
        Some(ucs2::decode(body))
    } else if data_coding == DataCoding::LATIN_1 {
        Some(latin1::decode(body))
    } else if data_coding.is_binary() {
        None
    } else {
        Some(gsm7::decode(body))
    }
}
