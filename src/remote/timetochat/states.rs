//! The vendor's states as SMPP's (contracts/timetochat.md §5; SEMANTICS 19 the other way round).

use std::collections::{HashMap, VecDeque};

use crate::pdu::MessageState;
use crate::vendor::timetochat::{Class, LONG_PREFIX, Part, State, Step};

/// A message_state and the error that goes with it: the vendor module's number of the state, 0 if it is no failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Told {
    pub(super) state: MessageState,
    pub(super) error: u32,
}

impl Told {
    const ENROUTE: Self = Self { state: MessageState::ENROUTE, error: 0 };
    const DELIVERED: Self = Self { state: MessageState::DELIVERED, error: 0 };
}

/// What a state means: `states` first, then the contract. `None`: an unknown word, or a message from a mobile.
///
/// `NEW` is ACCEPTED, `SENT` ENROUTE, `RECEIVED` DELIVERED, and so is `ANSWERED`, since nobody answers what did not
/// arrive; `REJECTED` and `BLOCKED` are REJECTED, every other failure UNDELIVERABLE.
pub(super) fn told(kind: &State, states: &HashMap<String, MessageState>) -> Option<Told> {
    let error = u32::from(kind.error_number());
    if let Some(state) = states.get(&word(kind)) {
        return Some(Told { state: *state, error });
    }
    let state = match kind {
        State::Answered => MessageState::DELIVERED,
        State::Rejected | State::Blocked => MessageState::REJECTED,
        _ => match kind.class() {
            Class::Accepted => MessageState::ACCEPTED,
            Class::Sent => MessageState::ENROUTE,
            Class::Delivered => MessageState::DELIVERED,
            Class::Failed(_) => MessageState::UNDELIVERABLE,
            Class::Inbound | Class::Unknown => return None,
        },
    };
    Some(Told { state, error })
}

/// The name as the configuration writes it: upper case, without prefix.
pub(super) fn word(kind: &State) -> String {
    let upper = kind.name().to_ascii_uppercase();
    upper.strip_prefix(LONG_PREFIX).map(str::to_owned).unwrap_or(upper)
}

/// Where a message stands by its history: failed if a part failed, delivered when all parts are, on its way if one is.
/// `None`: at the vendor and no further, or nothing that is understood.
pub(super) fn whole(history: &[Step], states: &HashMap<String, MessageState>) -> Option<Told> {
    let mut parts = Parts::default();
    let mut on_its_way = None;
    for step in history {
        let Some(told) = told(&step.state, states) else { continue };
        if told.state == MessageState::DELIVERED {
            if parts.delivered(step.part) {
                return Some(Told::DELIVERED);
            }
            on_its_way = Some(Told::ENROUTE);
        } else if told.state.is_final() {
            return Some(told);
        } else if told.state == MessageState::ENROUTE {
            on_its_way = Some(told);
        }
    }
    on_its_way
}

/// Which parts of one message were delivered.
#[derive(Debug, Default)]
struct Parts([u64; 4]);

impl Parts {
    /// A part (or the whole) was delivered. Says whether nothing is missing now.
    fn delivered(&mut self, part: Option<Part>) -> bool {
        let Some(Part { number, total }) = part else { return true };
        if let Some(word) = self.0.get_mut(usize::from(number / 64)) {
            *word |= 1 << (number % 64);
        }
        self.0.iter().map(|word| word.count_ones()).sum::<u32>() >= u32::from(total)
    }
}

/// Messages of several parts of which some are delivered, as pushes tell it. Bounded: the oldest is forgotten, as all are
/// at a restart; then a status read tells how the message fares.
#[derive(Debug, Default)]
pub(super) struct Fold {
    parts: HashMap<String, Parts>,
    order: VecDeque<String>,
}

/// Messages remembered.
const MESSAGES_MAX: usize = 10_000;

impl Fold {
    /// What the state of one part says about the whole: DELIVERED counts when it is the last part to be, and is ENROUTE
    /// before.
    pub(super) fn told(&mut self, call_id: &str, part: Option<Part>, told: Told) -> Told {
        let several = part.filter(|part| part.total > 1);
        if told.state != MessageState::DELIVERED || several.is_none() {
            return told;
        }
        if !self.parts.contains_key(call_id) {
            while self.order.len() >= MESSAGES_MAX {
                let Some(oldest) = self.order.pop_front() else { break };
                self.parts.remove(&oldest);
            }
            self.order.push_back(call_id.to_owned());
        }
        // Kept when it is whole, too: a push that could not be stored comes again.
        if self.parts.entry(call_id.to_owned()).or_default().delivered(several) {
            told
        } else {
            Told::ENROUTE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(part: Option<(u8, u8)>, state: State) -> Step {
        Step { part: part.map(|(number, total)| Part { number, total }), date_ms: None, state }
    }

    #[test]
    fn every_state_of_the_vendor_has_one_of_ours() {
        let none = HashMap::new();
        for kind in State::KNOWN {
            let told = told(kind, &none);
            let expected = match kind.name() {
                "NEW" => Some(MessageState::ACCEPTED),
                "SENT" => Some(MessageState::ENROUTE),
                "RECEIVED" | "ANSWERED" => Some(MessageState::DELIVERED),
                "REJECTED" | "BLOCKED" => Some(MessageState::REJECTED),
                "INCOMING" => None,
                _ => Some(MessageState::UNDELIVERABLE),
            };
            assert_eq!(told.map(|told| told.state), expected, "{kind:?}");
            let fails = matches!(kind.class(), Class::Failed(_));
            assert_eq!(told.is_some_and(|told| told.error > 0), fails, "{kind:?} names its error");
        }
        assert_eq!(told(&State::read("NOVELTY"), &none), None);
    }

    #[test]
    fn the_configuration_knows_better() {
        let states = HashMap::from([
            ("NOVELTY".to_owned(), MessageState::EXPIRED),
            ("FULLSIM".to_owned(), MessageState::REJECTED),
        ]);
        assert_eq!(
            told(&State::read("cra_sms_novelty"), &states).map(|told| told.state),
            Some(MessageState::EXPIRED)
        );
        let full = told(&State::FullSim, &states).expect("configured");
        assert_eq!((full.state, full.error), (MessageState::REJECTED, 12));
    }

    #[test]
    fn a_long_message_is_delivered_when_all_parts_are_and_failed_when_one_is() {
        let none = HashMap::new();
        let whole = |history: &[Step]| whole(history, &none).map(|told| told.state);
        let new = step(None, State::New);
        assert_eq!(whole(std::slice::from_ref(&new)), None);
        let sent = [new.clone(), step(Some((1, 2)), State::Sent)];
        assert_eq!(whole(&sent), Some(MessageState::ENROUTE));
        let half = [new.clone(), step(Some((2, 2)), State::Received), step(Some((2, 2)), State::Received)];
        assert_eq!(whole(&half), Some(MessageState::ENROUTE));
        let all = [step(Some((2, 2)), State::Received), step(Some((1, 2)), State::Received), new.clone()];
        assert_eq!(whole(&all), Some(MessageState::DELIVERED));
        let failed = [step(Some((2, 2)), State::Received), step(Some((1, 2)), State::FullSim)];
        assert_eq!(whole(&failed), Some(MessageState::UNDELIVERABLE));
        assert_eq!(whole(&[new, step(None, State::Received)]), Some(MessageState::DELIVERED));
    }

    #[test]
    fn pushes_about_parts_are_folded_in_any_order_and_however_often() {
        let mut fold = Fold::default();
        let part = |number| Some(Part { number, total: 3 });
        for number in [3, 1, 3, 1] {
            assert_eq!(fold.told("a", part(number), Told::DELIVERED), Told::ENROUTE);
        }
        assert_eq!(fold.told("b", part(2), Told::DELIVERED), Told::ENROUTE, "another message");
        assert_eq!(fold.told("a", part(2), Told::DELIVERED), Told::DELIVERED);
        assert_eq!(fold.told("a", part(2), Told::DELIVERED), Told::DELIVERED, "again, if it was not stored");
        let failed = Told { state: MessageState::UNDELIVERABLE, error: 3 };
        assert_eq!(fold.told("c", part(1), failed), failed);
        assert_eq!(fold.told("d", None, Told::DELIVERED), Told::DELIVERED);
    }

    #[test]
    fn the_memory_of_parts_is_bounded() {
        let mut fold = Fold::default();
        for n in 0..MESSAGES_MAX + 10 {
            fold.told(&n.to_string(), Some(Part { number: 1, total: 2 }), Told::DELIVERED);
        }
        assert_eq!((fold.parts.len(), fold.order.len()), (MESSAGES_MAX, MESSAGES_MAX));
    }
}
