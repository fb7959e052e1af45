//! `trunkline pdu`: what a PDU says, field by field, and why a broken one is refused.
//!
//! Only the wording; reading the argument and printing are the caller's. The text of messages is shown, for
//! whoever asks has it already; passwords are not.

mod layout;
mod words;

use std::fmt::Write;

use serde_json::{Map, Value, json};

use self::layout::{Kind, layout};
use self::words::{
    dest_flag_words, hex, no_words, npi_words, rule, state_words, status_text, status_words, time_words,
    tlv_words, ton_words, utc_words,
};
use crate::pdu::frame::{self, FrameError};
use crate::pdu::receipt::Receipt;
use crate::pdu::{
    CommandId, CommandStatus, DataCoding, DecodeError, EsmClass, Header, MessageState, Pdu, Tag, Tlvs, decode,
};
use crate::text::{gsm7, latin1, ucs2, udh};

/// The largest `command_length` read here. A hexadecimal argument is not longer than that in practice.
const OCTETS_MAX: usize = 1 << 20;

/// The report on the PDUs in `hex`: lines for a person, or JSON, one object for one PDU and an array for
/// several. Ends in a line feed. A refused or incomplete PDU is a report too.
///
/// Spaces, line feeds, commas, colons and `0x` in `hex` mean nothing.
///
/// # Errors
/// What is wrong with `hex`, when it is not hexadecimal or there is nothing in it.
pub(super) fn render(hex: &str, json: bool) -> Result<String, String> {
    let octets = octets_of(hex)?;
    let mut reports = Vec::new();
    let mut rest = octets.as_slice();
    while !rest.is_empty() {
        let begin = octets.len() - rest.len();
        match frame::split(rest, OCTETS_MAX) {
            Ok(Some(length)) => {
                let (pdu, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                reports.push(report(pdu, begin));
                rest = after;
            }
            Ok(None) => {
                reports.push(incomplete(rest, begin));
                break;
            }
            Err(error) => {
                reports.push(unframed(rest, begin, error));
                break;
            }
        }
    }
    if json {
        let mut values: Vec<Value> = reports.iter().map(Report::to_json).collect();
        let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        Ok(format!("{value:#}\n"))
    } else {
        Ok(reports.iter().map(Report::to_lines).collect::<Vec<_>>().join("\n"))
    }
}

fn octets_of(hex: &str) -> Result<Vec<u8>, String> {
    let plain = hex.replace("0x", " ").replace("0X", " ");
    let mut digits = Vec::with_capacity(plain.len());
    for (at, c) in plain.char_indices() {
        match c.to_digit(16) {
            Some(digit) => digits.push(u8::try_from(digit).unwrap_or_default()),
            None if c.is_whitespace() || matches!(c, ',' | ':' | '-') => {}
            None => return Err(format!("`{c}` at character {} is not a hexadecimal digit", at + 1)),
        }
    }
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(format!("{} hexadecimal digits: the last octet is cut in half", digits.len()));
    }
    if pairs.is_empty() {
        return Err("no octets given: paste a PDU in hexadecimal".to_owned());
    }
    Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// What is said about one PDU.
struct Report {
    /// Octets before this PDU in the input.
    begin: usize,
    octets: usize,
    header: Option<Header>,
    fields: Vec<Line>,
    tlvs: Vec<Line>,
    message: Option<Message>,
    receipt: Vec<(&'static str, Value)>,
    notes: Vec<String>,
    refusal: Option<Refusal>,
    incomplete: bool,
}

/// One field or one optional parameter.
struct Line {
    offset: usize,
    name: String,
    raw: Vec<u8>,
    value: Value,
    meaning: String,
}

struct Message {
    octets: usize,
    read_as: &'static str,
    header: Option<String>,
    text: Option<String>,
}

struct Refusal {
    offset: usize,
    field: String,
    flaw: String,
    rule: String,
    answer: String,
    status: Option<CommandStatus>,
}

fn report(octets: &[u8], begin: usize) -> Report {
    let mut report = Report::new(octets, begin);
    let walk = match decode(octets) {
        Ok((_, pdu)) => {
            report.describe(&pdu);
            octets.len()
        }
        Err(error) => {
            report.refuse(&error);
            match error {
                DecodeError::Field { offset, .. } => offset,
                DecodeError::Framing(_) => 0,
            }
        }
    };
    if let Some(header) = report.header {
        Walk { octets, at: Header::OCTETS, until: walk, report: &mut report }.body(header.command_id);
    }
    report
}

fn incomplete(octets: &[u8], begin: usize) -> Report {
    let mut report = Report::new(octets, begin);
    report.incomplete = true;
    report.notes.push(match octets.first_chunk::<4>() {
        Some(length) => format!(
            "incomplete: command_length says {} octets, {} are here; Trunkline would wait for the rest",
            u32::from_be_bytes(*length),
            octets.len()
        ),
        None => format!("incomplete: {} octets, command_length alone has 4", octets.len()),
    });
    report
}

fn unframed(octets: &[u8], begin: usize, error: FrameError) -> Report {
    let mut report = Report::new(octets, begin);
    report.refuse(&DecodeError::Framing(error));
    report
}

impl Report {
    fn new(octets: &[u8], begin: usize) -> Self {
        Self {
            begin,
            octets: octets.len(),
            header: Header::read(octets),
            fields: Vec::new(),
            tlvs: Vec::new(),
            message: None,
            receipt: Vec::new(),
            notes: Vec::new(),
            refusal: None,
            incomplete: false,
        }
    }

    fn refuse(&mut self, error: &DecodeError) {
        self.refusal = Some(match error {
            DecodeError::Framing(frame) => Refusal {
                offset: 0,
                field: "command_length".to_owned(),
                flaw: frame.to_string(),
                rule: "command_length counts the whole PDU, header included: 16 at least (SMPP 3.4 §5.1.1)"
                    .to_owned(),
                answer: match frame {
                    FrameError::Http => "nothing; the connection is closed and counted".to_owned(),
                    FrameError::TooShort { .. } | FrameError::TooLong { .. } => {
                        "generic_nack, sequence_number 0, ESME_RINVCMDLEN (0x00000002); then the connection is closed"
                            .to_owned()
                    }
                },
                status: (*frame != FrameError::Http).then_some(CommandStatus::ESME_RINVCMDLEN),
            },
            DecodeError::Field { name, offset, flaw, .. } => {
                let refusal = error.refusal();
                Refusal {
                    offset: *offset,
                    field: (*name).to_owned(),
                    flaw: flaw.to_string(),
                    rule: rule(name, flaw),
                    answer: match refusal {
                        Some((id, sequence, status)) => format!(
                            "{id}, sequence_number {sequence}, {}; the session goes on",
                            status_text(status)
                        ),
                        None => "nothing: this operation has no answer; the session goes on".to_owned(),
                    },
                    status: refusal.map(|(_, _, status)| status),
                }
            }
        });
    }

    fn describe(&mut self, pdu: &Pdu<'_>) {
        match pdu {
            Pdu::SubmitSm(body) => {
                self.two_messages(body.has_two_messages());
                self.message = Some(message(body.message(), body.esm_class, body.data_coding));
                self.sar(&body.tlvs);
            }
            Pdu::DeliverSm(body) => {
                self.two_messages(body.has_two_messages());
                self.message = Some(message(body.message(), body.esm_class, body.data_coding));
                self.sar(&body.tlvs);
                if let Some(receipt) = Receipt::from_deliver(body) {
                    self.receipt = receipt_rows(&receipt);
                }
            }
            Pdu::DataSm(body) => {
                self.message = Some(message(body.message(), body.esm_class, body.data_coding));
            }
            Pdu::SubmitMulti(body) => {
                self.message = Some(message(body.message(), body.esm_class, body.data_coding));
            }
            Pdu::ReplaceSm(body) => {
                self.message = Some(message(body.short_message, EsmClass::DEFAULT, DataCoding::DEFAULT));
            }
            Pdu::Unknown { body } => {
                let answer = match self.header {
                    Some(header) if header.command_id.is_response() => {
                        "nothing: a response is never answered".to_owned()
                    }
                    _ => format!("generic_nack, {}", status_text(CommandStatus::ESME_RINVCMDID)),
                };
                self.notes.push(format!(
                    "unknown command_id, body of {} octets; the answer is {answer}",
                    body.len()
                ));
            }
            _ => {}
        }
    }

    fn two_messages(&mut self, two: bool) {
        if two {
            self.notes.push(
                "both short_message and message_payload are filled, which SMPP 3.4 §4.4.1 forbids; the payload counts"
                    .to_owned(),
            );
        }
    }

    fn sar(&mut self, tlvs: &Tlvs<'_>) {
        let part = (
            tlvs.find_u16(Tag::SAR_MSG_REF_NUM),
            tlvs.find_u8(Tag::SAR_TOTAL_SEGMENTS),
            tlvs.find_u8(Tag::SAR_SEGMENT_SEQNUM),
        );
        match part {
            (Some(reference), Some(total), Some(sequence)) if sequence >= 1 && sequence <= total => {
                self.notes.push(format!("part {sequence} of {total}, reference {reference} (SAR)"));
            }
            (None, None, None) => {}
            _ => self
                .notes
                .push("SAR parameters that do not fit together: taken as a plain message".to_owned()),
        }
    }

    fn to_lines(&self) -> String {
        let mut out = String::new();
        let row = |out: &mut String, offset: usize, name: &str, value: &str, meaning: &str| {
            let gap = if meaning.is_empty() { "" } else { "  " };
            let _ = writeln!(out, "{offset:>5}  {name:<26} {value}{gap}{meaning}");
        };
        if self.begin > 0 {
            let _ = writeln!(out, "at octet {} of the input:", self.begin);
        }
        if let Some(header) = &self.header {
            row(&mut out, 0, "command_length", &header.command_length.to_string(), "octets");
            let id = format!("0x{:08X}", header.command_id.0);
            row(&mut out, 4, "command_id", &id, header.command_id.name().unwrap_or("unknown"));
            let status = format!("0x{:08X}", header.command_status.0);
            row(&mut out, 8, "command_status", &status, &status_words(header.command_status));
            let sequence = header.sequence_number.0;
            let words = if matches!(sequence, 1..=0x7FFF_FFFF) {
                String::new()
            } else {
                format!("(0x{sequence:08X}: outside 1 to 0x7FFFFFFF, echoed all the same)")
            };
            row(&mut out, 12, "sequence_number", &sequence.to_string(), &words);
        }
        for line in &self.fields {
            row(&mut out, line.offset, &line.name, &shown(&line.value), &line.meaning);
        }
        for line in &self.tlvs {
            row(&mut out, line.offset, &format!("[{}]", line.name), &shown(&line.value), &line.meaning);
        }
        if let Some(message) = &self.message {
            let _ = writeln!(out, "\nmessage: {} octets, read as {}", message.octets, message.read_as);
            if let Some(header) = &message.header {
                let _ = writeln!(out, "  user data header: {header}");
            }
            if let Some(text) = &message.text {
                let _ = writeln!(out, "  {text:?}");
            }
        }
        if !self.receipt.is_empty() {
            out.push_str("\ndelivery receipt:\n");
            for (name, value) in &self.receipt {
                let _ = writeln!(out, "  {name:<20} {}", shown(value));
            }
        }
        for note in &self.notes {
            let _ = writeln!(out, "\n{note}");
        }
        if let Some(refusal) = &self.refusal {
            let _ =
                writeln!(out, "\nrefused at octet {}, {}: {}", refusal.offset, refusal.field, refusal.flaw);
            let _ = writeln!(out, "  rule:   {}", refusal.rule);
            let _ = writeln!(out, "  answer: {}", refusal.answer);
        }
        out
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| {
            object.insert(key.to_owned(), value);
        };
        put("offset", json!(self.begin));
        put("octets", json!(self.octets));
        put("accepted", json!(self.refusal.is_none() && !self.incomplete));
        put("incomplete", json!(self.incomplete));
        if let Some(header) = &self.header {
            put("command_length", json!(header.command_length));
            put("command_id", json!(format!("0x{:08X}", header.command_id.0)));
            put("command", json!(header.command_id.name()));
            put("command_status", json!(format!("0x{:08X}", header.command_status.0)));
            put("status", json!(header.command_status.name()));
            put("sequence_number", json!(header.sequence_number.0));
        }
        let lines = |lines: &[Line], tlv: bool| -> Value {
            lines
                .iter()
                .map(|line| {
                    let mut one = Map::new();
                    if let (true, Some([high, low])) = (tlv, line.raw.first_chunk::<2>()) {
                        one.insert("tag".to_owned(), json!(format!("0x{high:02X}{low:02X}")));
                    }
                    one.insert("name".to_owned(), json!(line.name));
                    one.insert("offset".to_owned(), json!(line.offset));
                    one.insert("value".to_owned(), line.value.clone());
                    if !line.meaning.is_empty() {
                        one.insert("meaning".to_owned(), json!(line.meaning));
                    }
                    Value::Object(one)
                })
                .collect()
        };
        put("fields", lines(&self.fields, false));
        put("tlvs", lines(&self.tlvs, true));
        if let Some(message) = &self.message {
            put(
                "message",
                json!({
                    "octets": message.octets,
                    "read_as": message.read_as,
                    "user_data_header": message.header,
                    "text": message.text,
                }),
            );
        }
        if !self.receipt.is_empty() {
            let rows = self.receipt.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            put("receipt", Value::Object(rows.collect()));
        }
        put("notes", json!(self.notes));
        if let Some(refusal) = &self.refusal {
            put(
                "refusal",
                json!({
                    "offset": refusal.offset,
                    "field": refusal.field,
                    "flaw": refusal.flaw,
                    "rule": refusal.rule,
                    "answer": refusal.answer,
                    "status": refusal.status.map(|status| status.to_string()),
                }),
            );
        }
        Value::Object(object)
    }
}

/// A value for a person: strings in quotes, hexadecimal and numbers as they are.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text.starts_with("0x") => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

/// Goes through a body by the layout of its operation, as far as it has been accepted.
struct Walk<'a> {
    octets: &'a [u8],
    at: usize,
    /// Where the refused field begins, or the end.
    until: usize,
    report: &'a mut Report,
}

impl Walk<'_> {
    fn body(&mut self, id: CommandId) {
        for (name, kind) in layout(id) {
            if self.at >= self.until {
                return;
            }
            match kind {
                Kind::Destinations => self.destinations(name),
                Kind::Unsuccess => self.unsuccess(name),
                Kind::Tlvs => self.tlvs(),
                other => {
                    self.field(name, *other);
                }
            }
        }
        if self.at < self.until {
            self.report
                .notes
                .push(format!("{} octets after the last field are not looked at", self.until - self.at));
        }
    }

    /// The next octets, as many as there are up to `octets`.
    fn take(&mut self, octets: usize) -> &[u8] {
        let end = self.at.saturating_add(octets).min(self.until);
        let taken = self.octets.get(self.at..end).unwrap_or_default();
        self.at = end;
        taken
    }

    /// One field; gives its octets.
    fn field(&mut self, name: &str, kind: Kind) -> Vec<u8> {
        let offset = self.at;
        let rest = self.octets.get(self.at..self.until).unwrap_or_default();
        let until_nul = rest.iter().position(|octet| *octet == 0).map_or(rest.len(), |at| at + 1);
        let octets = match kind {
            Kind::Text | Kind::Password | Kind::Time => until_nul,
            Kind::Status => 4,
            Kind::ShortMessage => rest.first().map_or(0, |length| 1 + usize::from(*length)),
            _ => 1,
        };
        let raw = self.take(octets).to_vec();
        let string = raw.strip_suffix(&[0]).unwrap_or(&raw);
        let (value, meaning) = match kind {
            Kind::Password => (Value::Null, format!("{} octets, not shown", string.len())),
            Kind::Time => (json!(string.escape_ascii().to_string()), time_words(string)),
            Kind::Octet(words) => {
                let octet = raw.first().copied().unwrap_or_default();
                (json!(octet), words(octet))
            }
            Kind::Status => {
                let status = raw.first_chunk::<4>().map_or(0, |status| u32::from_be_bytes(*status));
                (json!(format!("0x{status:08X}")), status_words(CommandStatus(status)))
            }
            Kind::ShortMessage => {
                let (length, text) = raw.split_first().unwrap_or((&0, &[]));
                self.line(offset, "sm_length", vec![*length], json!(length), "octets".to_owned());
                if !text.is_empty() {
                    self.line(offset + 1, "short_message", text.to_vec(), json!(hex(text)), String::new());
                }
                return raw;
            }
            _ => (json!(string.escape_ascii().to_string()), String::new()),
        };
        self.line(offset, name, raw.clone(), value, meaning);
        raw
    }

    fn line(&mut self, offset: usize, name: &str, raw: Vec<u8>, value: Value, meaning: String) {
        self.report.fields.push(Line { offset, name: name.to_owned(), raw, value, meaning });
    }

    fn address(&mut self, ton: &str, npi: &str, address: &str) {
        self.field(ton, Kind::Octet(ton_words));
        self.field(npi, Kind::Octet(npi_words));
        self.field(address, Kind::Text);
    }

    fn destinations(&mut self, name: &str) {
        let number = self.field(name, Kind::Octet(no_words)).first().copied().unwrap_or_default();
        for _ in 0..number {
            if self.at >= self.until {
                return;
            }
            match self.field("dest_flag", Kind::Octet(dest_flag_words)).first() {
                Some(1) => self.address("dest_addr_ton", "dest_addr_npi", "destination_addr"),
                _ => {
                    self.field("dl_name", Kind::Text);
                }
            }
        }
    }

    fn unsuccess(&mut self, name: &str) {
        let number = self.field(name, Kind::Octet(no_words)).first().copied().unwrap_or_default();
        for _ in 0..number {
            if self.at >= self.until {
                return;
            }
            self.address("dest_addr_ton", "dest_addr_npi", "destination_addr");
            self.field("error_status_code", Kind::Status);
        }
    }

    fn tlvs(&mut self) {
        while self.until.saturating_sub(self.at) >= 4 {
            let offset = self.at;
            let head = self.take(4).to_vec();
            let [t0, t1, l0, l1] = head.as_slice() else { return };
            let tag = Tag(u16::from_be_bytes([*t0, *t1]));
            let length = usize::from(u16::from_be_bytes([*l0, *l1]));
            let value = self.take(length).to_vec();
            let name = match tag.name() {
                Some(name) => name.to_owned(),
                None if tag.is_vendor() => format!("vendor 0x{:04X}", tag.0),
                None => format!("unknown 0x{:04X}", tag.0),
            };
            let (shown, meaning) = tlv_words(tag, &value);
            self.report.tlvs.push(Line { offset, name, raw: head, value: shown, meaning });
        }
        let left = self.until.saturating_sub(self.at);
        if (1..4).contains(&left) {
            self.report
                .notes
                .push(format!("{left} octets after the last optional parameter: padding, left out"));
            self.at = self.until;
        }
    }
}

/// The message in words, as far as its alphabet can be known.
fn message(octets: &[u8], class: EsmClass, coding: DataCoding) -> Message {
    let (header, text) = if class.has_udhi() {
        match udh::Header::read(octets) {
            Ok((header, text)) => (Some(udh_words(header)), text),
            Err(error) => (Some(format!("broken: {error}")), octets),
        }
    } else {
        (None, octets)
    };
    let (read_as, text) = match coding.0 {
        _ if coding.is_ucs2() => ("UTF-16BE", Some(ucs2::decode(text))),
        0x01 => ("ASCII", Some(text.escape_ascii().to_string())),
        0x03 => ("Latin-1", Some(latin1::decode(text))),
        0x00 | 0x10 | 0xF0..=0xF3 if gsm7::is_septets(text) => {
            ("GSM 7-bit, one septet per octet", Some(gsm7::decode(text)))
        }
        0x00 => ("the SMSC's default alphabet, which is not GSM 7-bit here", None),
        _ => ("octets", None),
    };
    Message { octets: octets.len(), read_as, header, text }
}

fn udh_words(header: udh::Header<'_>) -> String {
    let elements: Vec<String> = header
        .elements()
        .map(|element| format!("element 0x{:02X} {}", element.iei, hex(element.data)))
        .collect();
    match header.concatenation() {
        Some(part) => format!(
            "part {} of {}, reference {} ({})",
            part.sequence(),
            part.total(),
            part.reference().number(),
            elements.join(", ")
        ),
        None => elements.join(", "),
    }
}

fn receipt_rows(receipt: &Receipt<'_>) -> Vec<(&'static str, Value)> {
    let text = |octets: Option<&[u8]>| octets.map(|octets| octets.escape_ascii().to_string());
    vec![
        ("id in the TLV", json!(text(receipt.tlv_id))),
        ("id in the text", json!(text(receipt.text_id.as_deref()))),
        ("state", json!(receipt.state.map(|state| state_words(state.0)))),
        ("final", json!(receipt.state.map(MessageState::is_final))),
        ("stat", json!(text(receipt.stat.as_deref()))),
        ("err", json!(text(receipt.err.as_deref()))),
        ("submitted", json!(receipt.submit_utc_ms.map(utc_words))),
        ("done", json!(receipt.done_utc_ms.map(utc_words))),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SMPP 3.4 §3.2.2, with spaces and a prefix as pasted.
    const BIND: &str = "0x0000002F 00000002 00000000 00000001 534D50503354455354 00 7365637265743038 00
        5355424D495431 00 00 01 01 00";

    fn submit_sm(fields: &str) -> String {
        let body = fields.replace(' ', "");
        format!("{:08X}000000040000000000000007{body}", 16 + body.len() / 2)
    }

    #[test]
    fn names_every_field_of_the_vector_of_the_specification() {
        let said = render(BIND, false).expect("it is hexadecimal");
        for word in
            ["bind_transmitter", "\"SMPP3TEST\"", "\"SUBMIT1\"", "international", "ESME_ROK", "SMPP 3.3"]
        {
            assert!(said.contains(word), "{word} in\n{said}");
        }
        assert!(!said.contains("secret08"), "{said}");
    }

    #[test]
    fn explains_coding_times_and_optional_parameters() {
        let pdu = submit_sm(
            "00 010133363132333400 010133363536373800 40 00 00 00 3030303030323030303030303030305200 01 00 08 00
             0A 050003070201 00480069 0204 0002 1234 1501 0003 616263",
        );
        let said = render(&pdu, false).expect("it is hexadecimal");
        for word in [
            "part 1 of 2, reference 7",
            "\"Hi\"",
            "UCS-2",
            "2 days",
            "user_message_reference",
            "vendor 0x1501",
            "receipt for success and failure",
        ] {
            assert!(said.contains(word), "{word} in\n{said}");
        }
        let json: Value =
            serde_json::from_str(&render(&pdu, true).expect("it is hexadecimal")).expect("it is JSON");
        assert_eq!(json["accepted"], json!(true));
        assert_eq!(json["command"], json!("submit_sm"));
        assert_eq!(json["message"]["text"], json!("Hi"));
        assert_eq!(json["tlvs"][0]["value"], json!(0x1234));
    }

    #[test]
    fn says_where_and_why_a_broken_one_is_refused_and_with_what() {
        let long = "31".repeat(21);
        let pdu = submit_sm(&format!("00 0101{long}00"));
        let said = render(&pdu, false).expect("it is hexadecimal");
        for word in [
            "refused at octet 19, source_addr",
            "at most 21 octets",
            "ESME_RINVSRCADR (0x0000000A)",
            "§5.2.8",
        ] {
            assert!(said.contains(word), "{word} in\n{said}");
        }
        let json: Value =
            serde_json::from_str(&render(&pdu, true).expect("it is hexadecimal")).expect("it is JSON");
        assert_eq!(json["accepted"], json!(false));
        assert_eq!(json["refusal"]["offset"], json!(19));
        assert_eq!(json["refusal"]["status"], json!("ESME_RINVSRCADR"));
    }

    #[test]
    fn shows_both_identifiers_of_a_receipt() {
        let text = "id:0000436949 sub:001 dlvrd:001 submit date:2403251432 done date:2403251433 stat:DELIVRD err:000 text:";
        let body = format!(
            "00 010133363100 010133363200 04 00 00 00 00 00 00 00 00 {:02X} {} 001E 0006 364141443500 0427 0001 02",
            text.len(),
            hex(text.as_bytes())
        );
        let pdu = submit_sm(&body).replacen("00000004", "00000005", 1);
        let said = render(&pdu, false).expect("it is hexadecimal");
        for word in ["\"6AAD5\"", "\"0000436949\"", "DELIVERED", "2024-03-25T14:32:00Z"] {
            assert!(said.contains(word), "{word} in\n{said}");
        }
    }

    #[test]
    fn tells_incomplete_and_unframed_octets_apart() {
        assert!(render("00000010 00000015", false).expect("hexadecimal").contains("incomplete"));
        assert!(render("0000000F 00000015", false).expect("hexadecimal").contains("ESME_RINVCMDLEN"));
        assert!(render("47455420 2F", false).expect("hexadecimal").contains("HTTP"));
        let two = "00000010 00000015 00000000 00000001 00000010 80000015 00000000 00000001";
        assert!(render(two, false).expect("hexadecimal").contains("enquire_link_resp"));
    }

    #[test]
    fn refuses_what_is_not_hexadecimal() {
        for (input, word) in [("", "no octets"), ("0000001", "cut in half"), ("00 GG", "`G`")] {
            let error = render(input, false).expect_err("nothing to decode");
            assert!(error.contains(word), "{error}");
        }
    }
}
