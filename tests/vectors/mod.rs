//! The vectors: octets worked out by hand from the specification, and what they have to be read as.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a part of two tests, each of which uses some of it"
)]

use bytes::BytesMut;
use trunkline::pdu::*;

macro_rules! vector_files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!($name, ".txt"))),)*]
    };
}

/// One file for each operation of SMPP 3.4, and one for what is none.
pub const FILES: [(&str, &str); 28] = vector_files![
    "bind_transmitter",
    "bind_transmitter_resp",
    "bind_receiver",
    "bind_receiver_resp",
    "bind_transceiver",
    "bind_transceiver_resp",
    "outbind",
    "unbind",
    "unbind_resp",
    "submit_sm",
    "submit_sm_resp",
    "deliver_sm",
    "deliver_sm_resp",
    "data_sm",
    "data_sm_resp",
    "submit_multi",
    "submit_multi_resp",
    "query_sm",
    "query_sm_resp",
    "cancel_sm",
    "cancel_sm_resp",
    "replace_sm",
    "replace_sm_resp",
    "enquire_link",
    "enquire_link_resp",
    "alert_notification",
    "generic_nack",
    "unknown",
];

pub struct Vector {
    pub file: &'static str,
    /// What stands in brackets.
    pub title: String,
    pub octets: Vec<u8>,
}

impl Vector {
    pub fn is_refused(&self) -> bool {
        self.title.starts_with("refused: ")
    }

    pub fn is_lenient(&self) -> bool {
        self.title.starts_with("lenient: ")
    }

    pub fn name(&self) -> String {
        format!("{}/{}", self.file, self.title)
    }
}

pub fn vectors() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for (file, text) in FILES {
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(title) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                vectors.push(Vector { file, title: title.to_owned(), octets: Vec::new() });
            } else if !line.is_empty() {
                let digits: Vec<u32> = line
                    .chars()
                    .filter(|c| *c != ' ')
                    .map(|c| c.to_digit(16).expect("hexadecimal"))
                    .collect();
                let (pairs, []) = digits.as_chunks::<2>() else { panic!("{file}: half an octet in {line}") };
                let vector = vectors.last_mut().expect("a title comes first");
                vector
                    .octets
                    .extend(pairs.iter().map(|[high, low]| u8::try_from(high << 4 | low).expect("fits")));
            }
        }
    }
    vectors
}

/// The octets of one vector; `title` without `lenient:`, and without what follows in `refused:`.
pub fn vector(file: &str, title: &str) -> Vec<u8> {
    vectors()
        .into_iter()
        .find(|vector| {
            let bare = vector.title.trim_start_matches("lenient: ").trim_start_matches("refused: ");
            vector.file == file && bare.split(' ').next() == Some(title)
        })
        .unwrap_or_else(|| panic!("no vector {file}/{title}"))
        .octets
}

pub fn written(header: &Header, pdu: &Pdu<'_>) -> BytesMut {
    let mut out = BytesMut::new();
    encode(&mut out, header.command_id, header.command_status, header.sequence_number, pdu);
    out
}

pub fn good(octets: &[u8]) -> (Header, Pdu<'_>) {
    decode(octets).expect("a good PDU")
}

macro_rules! body {
    ($octets:expr, $variant:ident) => {
        match good($octets) {
            (_, Pdu::$variant(body)) => body,
            (header, other) => panic!("{header:?} {other:?}"),
        }
    };
}
