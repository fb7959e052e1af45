//! What a value means, in words, and what the specification asks of a field.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::pdu::receipt::NetworkErrorCode;
use crate::pdu::time::{self, SmppTime, Span};
use crate::pdu::{
    CommandStatus, DataCoding, EsmClass, Flaw, MessageState, Npi, RegisteredDelivery, Tag, Ton,
};

pub(super) fn no_words(_: u8) -> String {
    String::new()
}

pub(super) fn ton_words(octet: u8) -> String {
    Ton(octet).name().unwrap_or("reserved").to_owned()
}

pub(super) fn npi_words(octet: u8) -> String {
    Npi(octet).name().unwrap_or("reserved").to_owned()
}

pub(super) fn state_words(octet: u8) -> String {
    MessageState(octet).name().unwrap_or("not a state of SMPP").to_owned()
}

pub(super) fn replace_words(octet: u8) -> String {
    match octet {
        0 => "do not replace",
        1 => "replace a waiting message",
        _ => "reserved",
    }
    .to_owned()
}

pub(super) fn dest_flag_words(octet: u8) -> String {
    match octet {
        1 => "SME address",
        2 => "distribution list",
        _ => "reserved",
    }
    .to_owned()
}

pub(super) fn version_words(octet: u8) -> String {
    match octet {
        0x34 => "0x34, SMPP 3.4".to_owned(),
        0x50 => "0x50, SMPP 5.0".to_owned(),
        0x00..=0x33 => format!("0x{octet:02X}, SMPP 3.3 or earlier: no optional parameters"),
        other => format!("0x{other:02X}"),
    }
}

pub(super) fn coding_words(octet: u8) -> String {
    let coding = DataCoding(octet);
    let name = match coding.name() {
        Some(name) => name,
        None if coding.is_message_waiting() => "message waiting indication",
        None => "not in SMPP's table, passed on as it is",
    };
    format!("0x{octet:02X}, {name}")
}

pub(super) fn registered_words(octet: u8) -> String {
    let wanted = RegisteredDelivery(octet);
    let mut words = vec![match octet & 0x03 {
        0 => "no receipt",
        1 => "receipt for success and failure",
        2 => "receipt for failure",
        _ => "receipt for success (5.0; reserved in 3.4)",
    }];
    for (is_set, word) in [
        (wanted.wants_sme_ack(), "acknowledgement by the SME"),
        (wanted.wants_manual_ack(), "acknowledgement by the person"),
        (wanted.wants_intermediate(), "intermediate notifications"),
    ] {
        if is_set {
            words.push(word);
        }
    }
    format!("0x{octet:02X}, {}", words.join(", "))
}

pub(super) fn submit_class_words(octet: u8) -> String {
    let mode = ["default mode", "datagram", "forward (transaction)", "store and forward"];
    let mode = mode.get(usize::from(EsmClass(octet).mode())).copied().unwrap_or_default();
    let kind = match EsmClass(octet).message_type() {
        0x00 => "",
        0x08 => ", delivery acknowledgement",
        0x10 => ", manual acknowledgement",
        _ => ", reserved type",
    };
    format!("0x{octet:02X}, {mode}{kind}{}", features(octet))
}

pub(super) fn deliver_class_words(octet: u8) -> String {
    let kind = match EsmClass(octet).message_type() {
        0x00 => "message",
        0x04 => "delivery receipt",
        0x08 => "acknowledgement by the SME",
        0x10 => "acknowledgement by the person",
        0x18 => "conversation abort",
        0x20 => "intermediate notification",
        _ => "reserved type",
    };
    format!("0x{octet:02X}, {kind}{}", features(octet))
}

fn features(octet: u8) -> &'static str {
    match (EsmClass(octet).has_udhi(), EsmClass(octet).has_reply_path()) {
        (false, false) => "",
        (true, false) => ", user data header",
        (false, true) => ", reply path",
        (true, true) => ", user data header, reply path",
    }
}

pub(super) fn status_words(status: CommandStatus) -> String {
    match (status.name(), status.meaning()) {
        (Some(name), Some(meaning)) => format!("{name}, {meaning}"),
        _ if status.is_vendor() => "vendor status".to_owned(),
        _ => "not in SMPP's table".to_owned(),
    }
}

pub(super) fn status_text(status: CommandStatus) -> String {
    match status.name() {
        Some(name) => format!("{name} (0x{:08X})", status.0),
        None => format!("0x{:08X}", status.0),
    }
}

pub(super) fn time_words(octets: &[u8]) -> String {
    if octets.is_empty() {
        return "none".to_owned();
    }
    match time::parse(octets) {
        Ok(SmppTime::Absolute { utc_ms }) => utc_words(utc_ms),
        Ok(SmppTime::Relative(span)) => format!("from now: {}", span_words(span)),
        Err(error) => format!("not an SMPP time: {error}"),
    }
}

/// `2026-12-31T23:59:59Z`
pub(super) fn utc_words(utc_ms: i64) -> String {
    let digits = time::write_absolute(utc_ms);
    let pair = |at: usize| String::from_utf8_lossy(digits.get(at..at + 2).unwrap_or_default()).into_owned();
    format!("20{}-{}-{}T{}:{}:{}Z", pair(0), pair(2), pair(4), pair(6), pair(8), pair(10))
}

fn span_words(span: Span) -> String {
    let parts = [
        (span.years, "years"),
        (span.months, "months"),
        (span.days, "days"),
        (span.hours, "hours"),
        (span.minutes, "minutes"),
        (span.seconds, "seconds"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| {
            let unit = if *number == 1 { unit.trim_end_matches('s') } else { unit };
            format!("{number} {unit}")
        })
        .collect();
    if said.is_empty() { "at once".to_owned() } else { said.join(" ") }
}

pub(super) fn tlv_words(tag: Tag, value: &[u8]) -> (Value, String) {
    let raw = json!(format!("0x{}", hex(value)));
    let string = |value: &[u8]| {
        let string = value.strip_suffix(&[0]).unwrap_or(value);
        json!(string.escape_ascii().to_string())
    };
    let words = |words: String| (raw.clone(), words);
    match (tag, value) {
        (Tag::RECEIPTED_MESSAGE_ID | Tag::ADDITIONAL_STATUS_INFO_TEXT, value) => {
            (string(value), String::new())
        }
        (Tag::MESSAGE_STATE, [state]) => (json!(state), state_words(*state)),
        (Tag::SC_INTERFACE_VERSION, [version]) => (json!(version), version_words(*version)),
        (Tag::NETWORK_ERROR_CODE, value) => match NetworkErrorCode::read(value) {
            NetworkErrorCode::Network { network_type, code } => {
                let network = match network_type {
                    1 => "ANSI-136",
                    2 => "IS-95",
                    3 => "GSM",
                    _ => "another network",
                };
                words(format!("{network}, code {code}"))
            }
            NetworkErrorCode::Text(text) => words(format!("as text: {}", text.escape_ascii())),
        },
        (Tag::MESSAGE_PAYLOAD, value) => words(format!("{} octets, the message", value.len())),
        (Tag::MS_AVAILABILITY_STATUS, [status]) => (
            json!(status),
            ["available", "denied", "unavailable"]
                .get(usize::from(*status))
                .unwrap_or(&"reserved")
                .to_string(),
        ),
        (Tag::CONGESTION_STATE, [state]) => (json!(state), "0 idle to 100 full".to_owned()),
        (Tag::DEST_ADDR_SUBUNIT | Tag::SOURCE_ADDR_SUBUNIT, [unit]) => {
            let units = ["unknown", "display (flash)", "mobile", "SIM", "external unit"];
            (json!(unit), (*units.get(usize::from(*unit)).unwrap_or(&"reserved")).to_owned())
        }
        (Tag::PRIVACY_INDICATOR, [level]) => {
            let levels = ["not restricted", "restricted", "confidential", "secret"];
            (json!(level), (*levels.get(usize::from(*level)).unwrap_or(&"reserved")).to_owned())
        }
        (tag, [octet]) if tag.name().is_some() => (json!(octet), String::new()),
        (tag, [high, low]) if tag.name().is_some() => {
            (json!(u16::from_be_bytes([*high, *low])), String::new())
        }
        (_, value) => words(format!("{} octets, \"{}\"", value.len(), value.escape_ascii())),
    }
}

/// What the specification asks of the field that was refused.
pub(super) fn rule(name: &str, flaw: &Flaw) -> String {
    let section = section(name);
    match flaw {
        Flaw::Missing => format!("every mandatory field has to be there, {name} too ({section})"),
        Flaw::TooLong { limit } => {
            format!("{name} is a C-octet string of at most {limit} octets, its NUL included ({section})")
        }
        Flaw::Value(_) => format!("{name} has only the values that the specification names ({section})"),
        Flaw::Time(_) => {
            format!("{name} is empty or YYMMDDhhmmsstnnp, 16 digits and sign and a NUL ({section}, §7.1)")
        }
        Flaw::MessageLength { .. } => format!("sm_length counts the octets of short_message ({section})"),
        Flaw::TlvStream { .. } => {
            "an optional parameter is tag, length and as many octets as its length says (SMPP 3.4 §3.2.4.1)"
                .to_owned()
        }
        Flaw::TlvLength { tag, .. } => {
            format!("{tag} has a length that SMPP 3.4 §5.3.2 fixes or bounds")
        }
        Flaw::TlvValue { tag } => format!("{tag} has only the values that SMPP 3.4 §5.3.2 names"),
    }
}

/// Where SMPP 3.4 defines a field.
fn section(name: &str) -> &'static str {
    match name {
        "system_id" => "SMPP 3.4 §5.2.1",
        "password" => "SMPP 3.4 §5.2.2",
        "system_type" => "SMPP 3.4 §5.2.3",
        "interface_version" => "SMPP 3.4 §5.2.4",
        "addr_ton" | "source_addr_ton" | "dest_addr_ton" | "esme_addr_ton" => "SMPP 3.4 §5.2.5",
        "addr_npi" | "source_addr_npi" | "dest_addr_npi" | "esme_addr_npi" => "SMPP 3.4 §5.2.6",
        "address_range" => "SMPP 3.4 §5.2.7",
        "source_addr" => "SMPP 3.4 §5.2.8",
        "destination_addr" => "SMPP 3.4 §5.2.9",
        "esme_addr" => "SMPP 3.4 §5.2.10",
        "service_type" => "SMPP 3.4 §5.2.11",
        "esm_class" => "SMPP 3.4 §5.2.12",
        "protocol_id" => "SMPP 3.4 §5.2.13",
        "priority_flag" => "SMPP 3.4 §5.2.14",
        "schedule_delivery_time" => "SMPP 3.4 §5.2.15",
        "validity_period" => "SMPP 3.4 §5.2.16",
        "registered_delivery" => "SMPP 3.4 §5.2.17",
        "replace_if_present_flag" => "SMPP 3.4 §5.2.18",
        "data_coding" => "SMPP 3.4 §5.2.19",
        "sm_default_msg_id" => "SMPP 3.4 §5.2.20",
        "sm_length" => "SMPP 3.4 §5.2.21",
        "short_message" => "SMPP 3.4 §5.2.22",
        "message_id" => "SMPP 3.4 §5.2.23",
        "number_of_dests" => "SMPP 3.4 §5.2.24",
        "dest_flag" => "SMPP 3.4 §5.2.25",
        "no_unsuccess" => "SMPP 3.4 §5.2.26",
        "dl_name" => "SMPP 3.4 §5.2.27",
        "message_state" => "SMPP 3.4 §5.2.28",
        _ => "SMPP 3.4 §4",
    }
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut hex, octet| {
        let _ = write!(hex, "{octet:02X}");
        hex
    })
}
