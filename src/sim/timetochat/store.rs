//! The messages that were sent to us, over REST and SMPP alike; the oldest are forgotten.

use std::collections::{HashMap, VecDeque};

use super::conduct::Conduct;
use crate::pdu::Address;
use crate::text::{Alphabet, Table, UnitKind, count, fits, segments_of, ucs2};
use crate::vendor::timetochat::{Part, State, StatusAnswer, Step, number};

/// How a message came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Via {
    Rest,
    Smpp,
}

/// A message that was taken.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) id: String,
    pub(super) via: Via,
    /// Source and destination as they came over SMPP.
    pub(super) addresses: Option<(Address, Address)>,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) text: String,
    pub(super) unicode: bool,
    pub(super) flash: bool,
    pub(super) reference: Option<Vec<u8>>,
    pub(super) created_ms: u64,
    pub(super) parts: u8,
    pub(super) history: Vec<Step>,
    pub(super) conduct: Conduct,
}

impl Sent {
    /// What each part comes to when the message comes to `state`; one entry without a part for a message of one.
    pub(super) fn entries(&self, state: &State) -> Vec<(Option<Part>, State)> {
        if self.parts < 2 {
            return vec![(None, state.clone())];
        }
        (1..=self.parts)
            .map(|number| {
                let own = self.conduct.second_part.as_ref().filter(|_| number == 2 && state.is_final());
                (Some(Part { number, total: self.parts }), own.unwrap_or(state).clone())
            })
            .collect()
    }

    pub(super) fn is_over(&self) -> bool {
        self.history.iter().any(|step| step.state.is_final())
    }

    /// The client's reference as text.
    pub(super) fn ext_ref(&self) -> Option<String> {
        self.reference.as_ref().map(|octets| String::from_utf8_lossy(octets).into_owned())
    }

    /// As `GET messages/{id}` tells it.
    pub(super) fn status(&self) -> StatusAnswer {
        StatusAnswer {
            from: Some(self.from.clone()),
            to: Some(self.to.clone()),
            text: Some(self.text.clone()),
            unicode: Some(self.unicode),
            flash: Some(self.flash),
            id: self.id.clone(),
            ext_ref: self.ext_ref(),
            date_ms: Some(self.created_ms),
            history: self.history.clone(),
        }
    }
}

/// Messages by their ids, at most so many.
#[derive(Debug)]
pub(super) struct Store {
    messages: HashMap<String, Sent>,
    order: VecDeque<String>,
    /// Mobile to the last message that was sent to it.
    last: HashMap<String, String>,
    max: usize,
}

impl Store {
    pub(super) fn new(max: usize) -> Self {
        Self { messages: HashMap::new(), order: VecDeque::new(), last: HashMap::new(), max: max.max(1) }
    }

    pub(super) fn insert(&mut self, sent: Sent) {
        while self.order.len() >= self.max {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(gone) = self.messages.remove(&oldest)
                && self.last.get(&mobile_of(&gone.to)) == Some(&gone.id)
            {
                self.last.remove(&mobile_of(&gone.to));
            }
        }
        self.last.insert(mobile_of(&sent.to), sent.id.clone());
        self.order.push_back(sent.id.clone());
        self.messages.insert(sent.id.clone(), sent);
    }

    pub(super) fn find(&self, id: &str) -> Option<&Sent> {
        self.messages.get(id)
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Option<&mut Sent> {
        self.messages.get_mut(id)
    }

    /// The last message to a mobile, if it was not before `since_ms`.
    pub(super) fn last_to(&self, mobile: &str, since_ms: u64) -> Option<&Sent> {
        let last = self.messages.get(self.last.get(&mobile_of(mobile))?)?;
        (last.created_ms >= since_ms).then_some(last)
    }

    /// The newest first.
    pub(super) fn newest(&self, limit: usize) -> impl Iterator<Item = &Sent> {
        self.order.iter().rev().take(limit).filter_map(|id| self.messages.get(id))
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

/// One form of a mobile's number.
fn mobile_of(number: &str) -> String {
    number::international(number).unwrap_or_else(|| number.to_owned())
}

/// Whether a text goes as UCS-2, in how many parts, and whether the vendor takes it (§6).
///
/// A text without `unicode` that GSM 03.38 cannot hold goes as UCS-2 all the same (invented).
pub(super) fn measure(text: &str, unicode: bool) -> Measured {
    if unicode || Alphabet::needed(text) == Alphabet::Ucs2 {
        let octets = ucs2::encode(text);
        let parts = segments_of(&octets, UnitKind::Ucs2, Table::TimeToChat);
        return Measured {
            unicode: true,
            parts: u8::try_from(parts).unwrap_or(u8::MAX),
            fits: fits(&octets, UnitKind::Ucs2, Table::TimeToChat),
        };
    }
    let counted = count(text, Table::TimeToChat);
    Measured { unicode: false, parts: u8::try_from(counted.sent).unwrap_or(u8::MAX), fits: counted.fits }
}

/// What a text comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Measured {
    pub(super) unicode: bool,
    pub(super) parts: u8,
    pub(super) fits: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(id: &str, to: &str) -> Sent {
        Sent {
            id: id.to_owned(),
            via: Via::Rest,
            addresses: None,
            from: "0930000000".to_owned(),
            to: to.to_owned(),
            text: "x".to_owned(),
            unicode: false,
            flash: false,
            reference: None,
            created_ms: 1_000,
            parts: 1,
            history: Vec::new(),
            conduct: Conduct::of(to),
        }
    }

    #[test]
    fn the_oldest_is_forgotten_and_its_mobile_too() {
        let mut store = Store::new(2);
        for (id, to) in [("a", "0600000001"), ("b", "+33600000001"), ("c", "0600000002")] {
            store.insert(sent(id, to));
        }
        assert!(store.find("a").is_none() && store.find("b").is_some());
        assert_eq!(store.newest(9).map(|sent| sent.id.as_str()).collect::<Vec<_>>(), ["c", "b"]);
        assert_eq!(store.last_to("+33600000001", 0).map(|sent| sent.id.as_str()), Some("b"));
        assert!(store.last_to("+33600000001", 1_001).is_none(), "too long ago");
        store.insert(sent("d", "0600000003"));
        assert!(store.last_to("0600000001", 0).is_none() && store.len() == 2);
    }

    #[test]
    fn texts_are_measured_by_the_vendors_table() {
        let of = |text: &str, unicode| {
            let measured = measure(text, unicode);
            (measured.unicode, measured.parts, measured.fits)
        };
        assert_eq!(of("hello", false), (false, 1, true));
        assert_eq!(of(&"a".repeat(161), false), (false, 2, true));
        assert_eq!(of(&"a".repeat(1_224), false), (false, 8, true));
        assert_eq!(of(&"a".repeat(1_225), false), (false, 9, false));
        assert_eq!(of(&"a".repeat(71), true), (true, 2, true));
        assert_eq!(of(&"a".repeat(529), true), (true, 9, false));
        assert_eq!(of("ç", false), (true, 1, true), "promoted");
    }
}
