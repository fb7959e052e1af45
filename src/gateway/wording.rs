//! What a payload says to a person.

use crate::pdu::{DataCoding, EsmClass};
use crate::text::{gsm7, latin1, ucs2, udh};

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
