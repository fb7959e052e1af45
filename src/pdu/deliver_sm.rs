use bytes::{BufMut, BytesMut};

use super::field;
use super::message::{message_id_body, short_message_body};
use super::read::{Fault, Reader};
use super::write::{Write, put_address, put_c_octets};
use super::{Address, DataCoding, EsmClass, RegisteredDelivery, Tag, Tlvs};

short_message_body! {
    /// Body of `deliver_sm`: a message or a receipt for an ESME (SMPP 3.4 §4.6.1).
    ///
    /// Schedule, validity, replace flag and `sm_default_msg_id` mean nothing here and are taken as they come.
    DeliverSm, strict: false
}

message_id_body! {
    /// Body of `deliver_sm_resp` (SMPP 3.4 §4.6.2). Its `message_id` means nothing and is empty when we write it.
    DeliverSmResp
}
