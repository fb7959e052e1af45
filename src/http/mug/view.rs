//! A message as the vendor's `GET messages/{id}` shows it (contracts/timetochat.md §2.3).

use std::collections::HashMap;

use super::number::number_shown;
use crate::gateway::message::{End, Message, PartStage, Reason, Stage, What};
use crate::gateway::wording::text_of;
use crate::pdu::MessageState;
use crate::vendor::timetochat::{Part, State, StatusAnswer, Step};

/// What an upstream's error numbers mean in the vendor's words; what is not in it is told by the reported state alone.
pub type Errors = HashMap<u32, State>;

/// The whole answer.
pub(super) fn answer(message: &Message, errors: Option<&Errors>, country: &str) -> StatusAnswer {
    let content = &message.content;
    StatusAnswer {
        // Ours is always shown as the vendor shows it, theirs as it was written (§4).
        from: Some(number_shown(&content.source, true, country)),
        to: Some(number_shown(&content.destination, message.ties.written.national_to, country)),
        // What is no text (by SMPP a service may send octets) is an empty one here.
        text: Some(text_of(content.esm_class, content.data_coding, &content.payload).unwrap_or_default()),
        unicode: Some(content.data_coding.is_ucs2()),
        flash: Some(content.data_coding.is_flash()),
        id: message.id.to_string(),
        ext_ref: reference_shown(&content.reference),
        date_ms: Some(message.accepted_ms),
        history: history(message, errors),
    }
}

/// A reference that was not given as text (SMPP's two octets) is not shown as one.
fn reference_shown(reference: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(reference).ok()?;
    (!text.is_empty() && !text.starts_with(|c: char| c.is_control())).then(|| text.to_owned())
}

/// How a reported state reads (SEMANTICS 19).
fn state_of(state: MessageState, error: u32, errors: Option<&Errors>) -> State {
    if state == MessageState::DELIVERED {
        return State::Received;
    }
    match errors.and_then(|errors| errors.get(&error)) {
        Some(known) => known.clone(),
        None if state == MessageState::REJECTED => State::Rejected,
        None => State::Error,
    }
}

fn history(message: &Message, errors: Option<&Errors>) -> Vec<Step> {
    let mut told = Told::of(message);
    for event in &message.history {
        let at_ms = event.at_ms;
        let error = |part: u8| message.error_of(part);
        match event.what {
            What::Accepted => told.steps.push(Step { part: None, date_ms: Some(at_ms), state: State::New }),
            What::Sent => told.sent(event.part, at_ms),
            What::Receipt(state) if state.is_final() => {
                told.ended(event.part, at_ms, &state_of(state, error(event.part), errors));
            }
            What::LateReceipt(state) if state.is_final() => {
                told.changed(event.part, at_ms, &state_of(state, error(event.part), errors));
            }
            // Its status is SMPP's: a number of another list than those of receipts.
            What::Refused(_) => told.ended(event.part, at_ms, &State::Rejected),
            What::Ended(_, Reason::Blacklist) => told.ended(0, at_ms, &State::Blacklist),
            What::Ended(end, _) => told.ended(0, at_ms, &state_of(state_at(end), 0, errors)),
            // The vendor has no word for these.
            What::Dispatched(_)
            | What::Receipt(_)
            | What::LateReceipt(_)
            | What::PutOff(_)
            | What::Doubt(_)
            | What::Rerouted(_)
            | What::Redelivered
            | What::Notified
            | What::Unsure => {}
        }
    }
    if let Stage::Ended(end) = message.stage {
        // A refused part takes those with it that were not sent; and the middle of a long history may be left out. A
        // client that waits for the end of each part finds it all the same.
        let last_ms = message.history.last().map_or(message.accepted_ms, |event| event.at_ms);
        let state =
            told.failure.clone().unwrap_or_else(|| state_of(state_at(end), message.error_of(0), errors));
        told.ended(0, last_ms, &state);
    }
    told.steps
}

/// What the history says so far.
struct Told {
    steps: Vec<Step>,
    /// By part: given to the operator; and the state at its end.
    parts: Vec<(bool, Option<State>)>,
    /// The last state that was no delivery.
    failure: Option<State>,
}

impl Told {
    fn of(message: &Message) -> Self {
        // One PDU upstream may be several segments; what is reported of it holds for all.
        let total = match message.parts.len() {
            0 | 1 => usize::from(message.billed.max(1)),
            several => several,
        };
        Self { steps: Vec::with_capacity(1 + 2 * total), parts: vec![(false, None); total], failure: None }
    }

    /// Given to the operator. Told once: another attempt is no news to the client.
    fn sent(&mut self, part: u8, at_ms: u64) {
        self.each(part, at_ms, &State::Sent, |(sent, end)| !std::mem::replace(sent, true) && end.is_none());
    }

    /// Over, for the parts that were not over before.
    fn ended(&mut self, part: u8, at_ms: u64, state: &State) {
        self.note(state);
        self.each(part, at_ms, state, |(_, end)| {
            let is_new = end.is_none();
            end.get_or_insert_with(|| state.clone());
            is_new
        });
    }

    /// Over in another way than was told before.
    fn changed(&mut self, part: u8, at_ms: u64, state: &State) {
        self.each(part, at_ms, state, |(_, end)| end.replace(state.clone()).as_ref() != Some(state));
    }

    fn note(&mut self, state: &State) {
        if *state != State::Received {
            self.failure = Some(state.clone());
        }
    }

    /// Writes a step for each part that it concerns (0: all) and for which `is_news`.
    fn each(
        &mut self,
        part: u8,
        at_ms: u64,
        state: &State,
        mut is_news: impl FnMut(&mut (bool, Option<State>)) -> bool,
    ) {
        let total = u8::try_from(self.parts.len()).unwrap_or(u8::MAX);
        for (number, told) in (1..=total).zip(&mut self.parts) {
            if (part == 0 || part == number) && is_news(told) {
                let part = (total > 1).then_some(Part { number, total });
                self.steps.push(Step { part, date_ms: Some(at_ms), state: state.clone() });
            }
        }
    }
}

/// The state that the end of a whole message is told as.
fn state_at(end: End) -> MessageState {
    match end {
        End::Delivered => MessageState::DELIVERED,
        End::Refused => MessageState::REJECTED,
        End::Expired => MessageState::EXPIRED,
        End::Cancelled => MessageState::DELETED,
        End::Unknown => MessageState::UNKNOWN,
    }
}

impl Message {
    /// The error that was reported of a part (from 1; 0: the only one), 0 if none was.
    fn error_of(&self, part: u8) -> u32 {
        let part = self.parts.get(usize::from(part.saturating_sub(1)));
        match part.map(|part| part.stage) {
            Some(PartStage::Final { error, .. }) => error,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::id::{MessageId, ServiceNo, UpstreamNo};
    use crate::gateway::message::{Asked, AskedLast, Content, Doubt, Event, Part, Rows, Ties};
    use crate::pdu::{Address, CommandStatus, DataCoding, EsmClass, RegisteredDelivery};

    /// A message of `billed` segments in `parts` PDUs to which these things happened, a second after each other.
    fn told(stage: Stage, billed: u8, parts: usize, history: &[(What, u8)]) -> Vec<String> {
        let content = Content {
            source: Address::EMPTY,
            destination: Address::EMPTY,
            esm_class: EsmClass::DEFAULT,
            protocol_id: 0,
            priority: 0,
            registered_delivery: RegisteredDelivery::NONE,
            data_coding: DataCoding::DEFAULT,
            payload: Box::default(),
            tlvs: Box::default(),
            reference: Box::default(),
        };
        let part = Part {
            stage: PartStage::Sent,
            attempts: 1,
            dispatched_ms: 0,
            upstream_id: Box::default(),
            link: None,
        };
        let event = |(second, &(what, part)): (u64, &(What, u8))| Event { at_ms: second * 1_000, what, part };
        let message = Message {
            id: MessageId([0; 12]),
            service: ServiceNo(0),
            upstream: UpstreamNo(0),
            place: 0,
            lane: 0,
            accepted_ms: 0,
            expires_ms: 0,
            receipt_by_ms: 0,
            not_before_ms: 0,
            billed,
            asked: Asked { last: AskedLast::Never, intermediate: false },
            ties: Ties::default(),
            content,
            stage,
            parts: vec![part; parts],
            pending: 0,
            history: (0..).zip(history).map(event).collect(),
            rows: Rows::default(),
        };
        let word = |step: Step| {
            let part = step.part.map_or(String::new(), |part| format!("{part} "));
            format!("{} {part}{}", step.date_ms.unwrap_or_default() / 1_000, step.state.name())
        };
        super::history(&message, None).into_iter().map(word).collect()
    }

    const DELIVERED: Stage = Stage::Ended(End::Delivered);
    const REFUSED: Stage = Stage::Ended(End::Refused);

    #[test]
    fn what_is_no_news_to_a_client_is_not_told() {
        let history = [
            (What::Accepted, 0),
            (What::Dispatched(UpstreamNo(0)), 0),
            (What::PutOff(CommandStatus::ESME_RTHROTTLED), 0),
            (What::Dispatched(UpstreamNo(0)), 0),
            (What::Sent, 0),
            (What::Doubt(Doubt::Restart), 0),
            (What::Sent, 0),
            (What::Receipt(MessageState::ENROUTE), 0),
            (What::Receipt(MessageState::DELIVERED), 0),
            (What::Notified, 0),
        ];
        assert_eq!(told(DELIVERED, 1, 1, &history), ["0 NEW", "4 SENT", "8 RECEIVED"]);
    }

    #[test]
    fn a_receipt_after_the_end_is_told_if_it_says_something_else() {
        let history = [
            (What::Accepted, 0),
            (What::Sent, 0),
            (What::Ended(End::Unknown, Reason::NoReceipt), 0),
            (What::LateReceipt(MessageState::DELIVERED), 0),
            (What::LateReceipt(MessageState::DELIVERED), 0),
        ];
        let expected = ["0 NEW", "1 SENT", "2 ERROR", "3 RECEIVED"];
        assert_eq!(told(Stage::Ended(End::Unknown), 1, 1, &history), expected);
    }

    #[test]
    fn each_part_of_an_ended_message_has_an_end() {
        let refused =
            [(What::Accepted, 0), (What::Sent, 1), (What::Refused(CommandStatus::ESME_RSUBMITFAIL), 2)];
        let expected = ["0 NEW", "1 1/3 SENT", "2 2/3 REJECTED", "2 1/3 REJECTED", "2 3/3 REJECTED"];
        assert_eq!(told(REFUSED, 3, 3, &refused), expected);
        // Of a long history the middle is left out.
        let cut = [(What::Accepted, 0), (What::Receipt(MessageState::DELIVERED), 2)];
        assert_eq!(told(DELIVERED, 2, 2, &cut), ["0 NEW", "1 2/2 RECEIVED", "1 1/2 RECEIVED"]);
        let whole = [(What::Accepted, 0), (What::Ended(End::Expired, Reason::Validity), 0)];
        assert_eq!(told(Stage::Ended(End::Expired), 2, 1, &whole), ["0 NEW", "1 1/2 ERROR", "1 2/2 ERROR"]);
    }
}
