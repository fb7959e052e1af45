//! The vendor's reports: one state per push, as in the document's examples (contracts/timetochat.md §3, §8a).

use std::collections::HashMap;

use crate::gateway::id::UpstreamNo;
use crate::gateway::message::Reason;
use crate::gateway::port::{Fact, IncomingFact, ReceiptFact};
use crate::gateway::wording::text_of;
use crate::pdu::{Address, MessageState};
use crate::vendor::timetochat::{Pushed, State, Vocabulary, number, push};

/// What the error numbers of upstreams mean in the vendor's words, by the upstream's id. What is not in it is told by
/// the reported state alone (SEMANTICS 19).
pub type Errors = HashMap<String, HashMap<u32, State>>;

/// The body of the push that tells `fact`.
pub(super) fn write<'a>(
    username: &str,
    fact: &Fact,
    vocabulary: Vocabulary,
    errors_of: impl FnOnce(UpstreamNo) -> Option<&'a HashMap<u32, State>>,
) -> Option<Vec<u8>> {
    match fact {
        Fact::Receipt(fact) => {
            let state = state_of(fact, errors_of);
            let (to, from) = (international(&fact.recipient), national(&fact.sender));
            let pushed = Pushed {
                to: &to,
                from: &from,
                date_ms: fact.done_ms,
                call_id: &fact.id.to_string(),
                ref_externe: reference(&fact.reference),
                state: &state,
                info: None,
                part: None,
            };
            Some(push::write(username, &[pushed], vocabulary))
        }
        Fact::Incoming(fact) => {
            let IncomingFact { incoming, answers } = &**fact;
            let mo = &incoming.mo;
            // The document knows texts only: of what is none the service is told that it came.
            let text = text_of(mo.esm_class, mo.data_coding, &mo.payload).unwrap_or_default();
            let call_id = answers.as_ref().map(|(id, _)| id.to_string()).unwrap_or_default();
            let (to, from) = (international(&mo.source), national(&mo.destination));
            let pushed = Pushed {
                to: &to,
                from: &from,
                date_ms: incoming.at_ms,
                call_id: &call_id,
                ref_externe: answers.as_ref().and_then(|(_, written)| reference(written)),
                state: if answers.is_some() { &State::Answered } else { &State::Incoming },
                info: Some(&text),
                part: None,
            };
            Some(push::write(username, &[pushed], vocabulary))
        }
        Fact::Mo { .. } => None,
    }
}

/// How a message fares, in the vendor's words.
fn state_of<'a>(
    fact: &ReceiptFact,
    errors_of: impl FnOnce(UpstreamNo) -> Option<&'a HashMap<u32, State>>,
) -> State {
    match fact.state {
        _ if fact.intermediate => State::Sent,
        MessageState::DELIVERED => State::Received,
        _ if fact.reason == Some(Reason::Blacklist) => State::Blacklist,
        state => match errors_of(fact.upstream).and_then(|errors| errors.get(&fact.error)) {
            Some(known) => known.clone(),
            None if state == MessageState::REJECTED => State::Rejected,
            None => State::Error,
        },
    }
}

/// The mobile is always written `+33…`; what is no whole number as it is.
fn international(address: &Address) -> String {
    let written = written(address);
    digits(&written).map_or(written, |digits| format!("+{digits}"))
}

/// Our number is written `093…`; one of another country with its `+`.
fn national(address: &Address) -> String {
    let written = written(address);
    match digits(&written) {
        Some(digits) => number::national(&digits).unwrap_or_else(|| format!("+{digits}")),
        None => written,
    }
}

/// International digits. A short code is none of a country's numbers.
fn digits(written: &str) -> Option<String> {
    number::international(written).filter(|digits| digits.len() >= 8)
}

fn written(address: &Address) -> String {
    address.as_bytes().escape_ascii().to_string()
}

/// A reference that was not given as text (SMPP's two octets) is not shown as one.
fn reference(octets: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    (!text.is_empty() && !text.starts_with(char::is_control)).then_some(text)
}
