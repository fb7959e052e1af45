use bytes::{BufMut, BytesMut};

use super::field;
use super::message::{message_id_body, short_message_body};
use super::read::{Fault, Reader};
use super::write::{Write, put_address, put_c_octets};
use super::{Address, DataCoding, EsmClass, RegisteredDelivery, Tag, Tlvs};

short_message_body! {
    /// Body of `submit_sm`: a message for a mobile (SMPP 3.4 §4.4.1).
    ///
    /// Times that cannot be read, a priority above 3 and a replace flag above 1 are refused.
    SubmitSm, strict: true
}

message_id_body! {
    /// Body of `submit_sm_resp` (SMPP 3.4 §4.4.2). Empty when it was left out.
    SubmitSmResp
}
