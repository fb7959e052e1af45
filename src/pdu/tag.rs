use std::fmt;

use super::Flaw;

/// Which optional parameter (SMPP 3.4 §5.3.2). Unknown and vendor tags are values like any other.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tag(pub u16);

macro_rules! tags {
    ($($constant:ident = $value:literal, $name:literal, $least:literal..=$most:literal;)*) => {
        #[allow(missing_docs, reason = "the specification's own name is the documentation")]
        impl Tag {
            $(#[doc = concat!("`", $name, "`, ", $least, " to ", $most, " octets.")]
            pub const $constant: Self = Self($value);)*

            /// The specification's name, `None` for an unknown or vendor tag.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($name),)*
                    _ => None,
                }
            }
        }

        /// What is held against the values of known tags, each in its own slot.
        static RULES: [Rule; SLOTS] = {
            let mut rules = [Rule { tag: 0, least: 0, most: u16::MAX, largest: u8::MAX }; SLOTS];
            $(place(&mut rules, Rule { tag: $value, least: $least, most: $most, largest: largest($value) });)*
            rules
        };
    };
}

/// What the specification says about the value of a tag.
#[derive(Clone, Copy)]
struct Rule {
    tag: u16,
    /// Octets at least.
    least: u16,
    /// Octets at most.
    most: u16,
    /// The largest first octet.
    largest: u8,
}

/// Enough that the known tags do not share one; the compiler checks it.
const SLOTS: usize = 128;

/// Where the rule for a tag is. Looking is one multiplication; a comparison with each tag in turn was
/// the largest part of decoding a PDU with a few optional parameters.
const fn slot(tag: u16) -> usize {
    (tag.wrapping_mul(0x02C5) >> 9) as usize
}

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
const fn place(rules: &mut [Rule; SLOTS], rule: Rule) {
    assert!(rules[slot(rule.tag)].tag == 0, "two tags share a slot: choose another factor");
    rules[slot(rule.tag)] = rule;
}

/// The largest value of a tag, where the specification leaves none to anybody else.
const fn largest(tag: u16) -> u8 {
    match Tag(tag) {
        Tag::PRIVACY_INDICATOR => 3,
        Tag::SET_DPF | Tag::DPF_RESULT | Tag::MORE_MESSAGES_TO_SEND => 1,
        _ => u8::MAX,
    }
}

tags! {
    DEST_ADDR_SUBUNIT = 0x0005, "dest_addr_subunit", 1..=1;
    DEST_NETWORK_TYPE = 0x0006, "dest_network_type", 1..=1;
    DEST_BEARER_TYPE = 0x0007, "dest_bearer_type", 1..=1;
    DEST_TELEMATICS_ID = 0x0008, "dest_telematics_id", 1..=2;
    SOURCE_ADDR_SUBUNIT = 0x000D, "source_addr_subunit", 1..=1;
    SOURCE_NETWORK_TYPE = 0x000E, "source_network_type", 1..=1;
    SOURCE_BEARER_TYPE = 0x000F, "source_bearer_type", 1..=1;
    SOURCE_TELEMATICS_ID = 0x0010, "source_telematics_id", 1..=2;
    QOS_TIME_TO_LIVE = 0x0017, "qos_time_to_live", 4..=4;
    PAYLOAD_TYPE = 0x0019, "payload_type", 1..=1;
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D, "additional_status_info_text", 0..=256;
    RECEIPTED_MESSAGE_ID = 0x001E, "receipted_message_id", 1..=65;
    MS_MSG_WAIT_FACILITIES = 0x0030, "ms_msg_wait_facilities", 1..=1;
    PRIVACY_INDICATOR = 0x0201, "privacy_indicator", 1..=1;
    SOURCE_SUBADDRESS = 0x0202, "source_subaddress", 2..=23;
    DEST_SUBADDRESS = 0x0203, "dest_subaddress", 2..=23;
    USER_MESSAGE_REFERENCE = 0x0204, "user_message_reference", 2..=2;
    USER_RESPONSE_CODE = 0x0205, "user_response_code", 1..=1;
    SOURCE_PORT = 0x020A, "source_port", 2..=2;
    DESTINATION_PORT = 0x020B, "destination_port", 2..=2;
    SAR_MSG_REF_NUM = 0x020C, "sar_msg_ref_num", 2..=2;
    LANGUAGE_INDICATOR = 0x020D, "language_indicator", 1..=1;
    SAR_TOTAL_SEGMENTS = 0x020E, "sar_total_segments", 1..=1;
    SAR_SEGMENT_SEQNUM = 0x020F, "sar_segment_seqnum", 1..=1;
    SC_INTERFACE_VERSION = 0x0210, "sc_interface_version", 1..=1;
    CALLBACK_NUM_PRES_IND = 0x0302, "callback_num_pres_ind", 1..=1;
    CALLBACK_NUM_ATAG = 0x0303, "callback_num_atag", 0..=65;
    NUMBER_OF_MESSAGES = 0x0304, "number_of_messages", 1..=1;
    CALLBACK_NUM = 0x0381, "callback_num", 4..=19;
    DPF_RESULT = 0x0420, "dpf_result", 1..=1;
    SET_DPF = 0x0421, "set_dpf", 1..=1;
    MS_AVAILABILITY_STATUS = 0x0422, "ms_availability_status", 1..=1;
    // Type and two octets; as ASCII digits some peers send three or, with a NUL, four.
    NETWORK_ERROR_CODE = 0x0423, "network_error_code", 3..=4;
    MESSAGE_PAYLOAD = 0x0424, "message_payload", 0..=65535;
    DELIVERY_FAILURE_REASON = 0x0425, "delivery_failure_reason", 1..=1;
    MORE_MESSAGES_TO_SEND = 0x0426, "more_messages_to_send", 1..=1;
    MESSAGE_STATE = 0x0427, "message_state", 1..=1;
    CONGESTION_STATE = 0x0428, "congestion_state", 1..=1;
    USSD_SERVICE_OP = 0x0501, "ussd_service_op", 1..=1;
    BILLING_IDENTIFICATION = 0x060B, "billing_identification", 0..=1024;
    SOURCE_NETWORK_ID = 0x060D, "source_network_id", 0..=65;
    DEST_NETWORK_ID = 0x060E, "dest_network_id", 0..=65;
    SOURCE_NODE_ID = 0x060F, "source_node_id", 0..=65;
    DEST_NODE_ID = 0x0610, "dest_node_id", 0..=65;
    DEST_ADDR_NP_RESOLUTION = 0x0611, "dest_addr_np_resolution", 1..=1;
    DEST_ADDR_NP_INFORMATION = 0x0612, "dest_addr_np_information", 0..=10;
    DEST_ADDR_NP_COUNTRY = 0x0613, "dest_addr_np_country", 0..=5;
    DISPLAY_TIME = 0x1201, "display_time", 1..=1;
    SMS_SIGNAL = 0x1203, "sms_signal", 2..=2;
    // One octet in 3.4, one or four in 5.0.
    MS_VALIDITY = 0x1204, "ms_validity", 1..=4;
    // No octets in 3.4, one in 5.0.
    ALERT_ON_MESSAGE_DELIVERY = 0x130C, "alert_on_message_delivery", 0..=1;
    ITS_REPLY_TYPE = 0x1380, "its_reply_type", 1..=1;
    ITS_SESSION_INFO = 0x1383, "its_session_info", 2..=2;
}

impl Tag {
    /// Whether the tag lies in the range that the specification leaves to vendors (0x1400–0x3FFF).
    pub const fn is_vendor(self) -> bool {
        matches!(self.0, 0x1400..=0x3FFF)
    }

    /// What the specification holds against this value; unknown tags have no rules.
    #[inline]
    pub(crate) fn flaw(self, length: u16, value: &[u8]) -> Option<Flaw> {
        let rule = RULES.get(slot(self.0)).filter(|rule| rule.tag == self.0)?;
        if length < rule.least || length > rule.most {
            return Some(Flaw::TlvLength { tag: self, length });
        }
        value.first().is_some_and(|octet| *octet > rule.largest).then_some(Flaw::TlvValue { tag: self })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "0x{:04X}", self.0),
        }
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
