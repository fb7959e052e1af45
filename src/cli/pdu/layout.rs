//! Which fields the body of each operation has, in their order.

use super::words::{
    coding_words, deliver_class_words, no_words, npi_words, registered_words, replace_words, state_words,
    submit_class_words, ton_words, version_words,
};
use crate::pdu::CommandId;

/// How a field is laid out and what is said about it.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Password,
    Time,
    Octet(fn(u8) -> String),
    Status,
    ShortMessage,
    Destinations,
    Unsuccess,
    Tlvs,
}

pub(super) type Layout = &'static [(&'static str, Kind)];

const BIND: Layout = &[
    ("system_id", Kind::Text),
    ("password", Kind::Password),
    ("system_type", Kind::Text),
    ("interface_version", Kind::Octet(version_words)),
    ("addr_ton", Kind::Octet(ton_words)),
    ("addr_npi", Kind::Octet(npi_words)),
    ("address_range", Kind::Text),
];
const BIND_RESP: Layout = &[("system_id", Kind::Text), ("", Kind::Tlvs)];
const MESSAGE_ID: Layout = &[("message_id", Kind::Text), ("", Kind::Tlvs)];
const SUBMIT: Layout = &[
    ("service_type", Kind::Text),
    ("source_addr_ton", Kind::Octet(ton_words)),
    ("source_addr_npi", Kind::Octet(npi_words)),
    ("source_addr", Kind::Text),
    ("dest_addr_ton", Kind::Octet(ton_words)),
    ("dest_addr_npi", Kind::Octet(npi_words)),
    ("destination_addr", Kind::Text),
    ("esm_class", Kind::Octet(submit_class_words)),
    ("protocol_id", Kind::Octet(no_words)),
    ("priority_flag", Kind::Octet(no_words)),
    ("schedule_delivery_time", Kind::Time),
    ("validity_period", Kind::Time),
    ("registered_delivery", Kind::Octet(registered_words)),
    ("replace_if_present_flag", Kind::Octet(replace_words)),
    ("data_coding", Kind::Octet(coding_words)),
    ("sm_default_msg_id", Kind::Octet(no_words)),
    ("sm_length", Kind::ShortMessage),
    ("", Kind::Tlvs),
];
const DELIVER: Layout = &[
    ("service_type", Kind::Text),
    ("source_addr_ton", Kind::Octet(ton_words)),
    ("source_addr_npi", Kind::Octet(npi_words)),
    ("source_addr", Kind::Text),
    ("dest_addr_ton", Kind::Octet(ton_words)),
    ("dest_addr_npi", Kind::Octet(npi_words)),
    ("destination_addr", Kind::Text),
    ("esm_class", Kind::Octet(deliver_class_words)),
    ("protocol_id", Kind::Octet(no_words)),
    ("priority_flag", Kind::Octet(no_words)),
    ("schedule_delivery_time", Kind::Time),
    ("validity_period", Kind::Time),
    ("registered_delivery", Kind::Octet(registered_words)),
    ("replace_if_present_flag", Kind::Octet(replace_words)),
    ("data_coding", Kind::Octet(coding_words)),
    ("sm_default_msg_id", Kind::Octet(no_words)),
    ("sm_length", Kind::ShortMessage),
    ("", Kind::Tlvs),
];
const SUBMIT_MULTI: Layout = &[
    ("service_type", Kind::Text),
    ("source_addr_ton", Kind::Octet(ton_words)),
    ("source_addr_npi", Kind::Octet(npi_words)),
    ("source_addr", Kind::Text),
    ("number_of_dests", Kind::Destinations),
    ("esm_class", Kind::Octet(submit_class_words)),
    ("protocol_id", Kind::Octet(no_words)),
    ("priority_flag", Kind::Octet(no_words)),
    ("schedule_delivery_time", Kind::Time),
    ("validity_period", Kind::Time),
    ("registered_delivery", Kind::Octet(registered_words)),
    ("replace_if_present_flag", Kind::Octet(replace_words)),
    ("data_coding", Kind::Octet(coding_words)),
    ("sm_default_msg_id", Kind::Octet(no_words)),
    ("sm_length", Kind::ShortMessage),
    ("", Kind::Tlvs),
];
const DATA: Layout = &[
    ("service_type", Kind::Text),
    ("source_addr_ton", Kind::Octet(ton_words)),
    ("source_addr_npi", Kind::Octet(npi_words)),
    ("source_addr", Kind::Text),
    ("dest_addr_ton", Kind::Octet(ton_words)),
    ("dest_addr_npi", Kind::Octet(npi_words)),
    ("destination_addr", Kind::Text),
    ("esm_class", Kind::Octet(submit_class_words)),
    ("registered_delivery", Kind::Octet(registered_words)),
    ("data_coding", Kind::Octet(coding_words)),
    ("", Kind::Tlvs),
];
const QUERY: Layout = &[
    ("message_id", Kind::Text),
    ("source_addr_ton", Kind::Octet(ton_words)),
    ("source_addr_npi", Kind::Octet(npi_words)),
    ("source_addr", Kind::Text),
];
const QUERY_RESP: Layout = &[
    ("message_id", Kind::Text),
    ("final_date", Kind::Time),
    ("message_state", Kind::Octet(state_words)),
    ("error_code", Kind::Octet(no_words)),
];
const CANCEL: Layout = &[
    ("service_type", Kind::Text),
    ("message_id", Kind::Text),
    ("source_addr_ton", Kind::Octet(ton_words)),
    ("source_addr_npi", Kind::Octet(npi_words)),
    ("source_addr", Kind::Text),
    ("dest_addr_ton", Kind::Octet(ton_words)),
    ("dest_addr_npi", Kind::Octet(npi_words)),
    ("destination_addr", Kind::Text),
];
const REPLACE: Layout = &[
    ("message_id", Kind::Text),
    ("source_addr_ton", Kind::Octet(ton_words)),
    ("source_addr_npi", Kind::Octet(npi_words)),
    ("source_addr", Kind::Text),
    ("schedule_delivery_time", Kind::Time),
    ("validity_period", Kind::Time),
    ("registered_delivery", Kind::Octet(registered_words)),
    ("sm_default_msg_id", Kind::Octet(no_words)),
    ("sm_length", Kind::ShortMessage),
];
const ALERT: Layout = &[
    ("source_addr_ton", Kind::Octet(ton_words)),
    ("source_addr_npi", Kind::Octet(npi_words)),
    ("source_addr", Kind::Text),
    ("esme_addr_ton", Kind::Octet(ton_words)),
    ("esme_addr_npi", Kind::Octet(npi_words)),
    ("esme_addr", Kind::Text),
    ("", Kind::Tlvs),
];

/// The fields of an operation's body, in their order. None for an empty or unknown body.
pub(super) fn layout(id: CommandId) -> Layout {
    match id {
        CommandId::BIND_RECEIVER | CommandId::BIND_TRANSMITTER | CommandId::BIND_TRANSCEIVER => BIND,
        CommandId::BIND_RECEIVER_RESP
        | CommandId::BIND_TRANSMITTER_RESP
        | CommandId::BIND_TRANSCEIVER_RESP => BIND_RESP,
        CommandId::OUTBIND => &[("system_id", Kind::Text), ("password", Kind::Password)],
        CommandId::SUBMIT_SM => SUBMIT,
        CommandId::DELIVER_SM => DELIVER,
        CommandId::SUBMIT_SM_RESP | CommandId::DELIVER_SM_RESP | CommandId::DATA_SM_RESP => MESSAGE_ID,
        CommandId::DATA_SM => DATA,
        CommandId::SUBMIT_MULTI => SUBMIT_MULTI,
        CommandId::SUBMIT_MULTI_RESP => &[("message_id", Kind::Text), ("no_unsuccess", Kind::Unsuccess)],
        CommandId::QUERY_SM => QUERY,
        CommandId::QUERY_SM_RESP => QUERY_RESP,
        CommandId::CANCEL_SM => CANCEL,
        CommandId::REPLACE_SM => REPLACE,
        CommandId::ALERT_NOTIFICATION => ALERT,
        _ => &[],
    }
}
