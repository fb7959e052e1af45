//! `GET /services/{service_id}/messages/{message_id}` (§2.3).

use std::fmt;

use serde_json::{Map, Value, json};

use super::json::{self, Unreadable};
use super::send::{ID_OCTETS_MAX, REFERENCE_OCTETS_MAX};
use super::{Class, State, Vocabulary, read_date, write_date_ms};

/// What a message is and what happened to it. All but `id` and `history` may be absent.
#[derive(Clone, Eq, PartialEq)]
pub struct StatusAnswer {
    /// The sender.
    pub from: Option<String>,
    /// The recipient, as it was sent.
    pub to: Option<String>,
    /// The text.
    pub text: Option<String>,
    /// UCS-2 on air.
    pub unicode: Option<bool>,
    /// Class 0.
    pub flash: Option<bool>,
    /// The message's id.
    pub id: String,
    /// The client's reference.
    pub ext_ref: Option<String>,
    /// Accepted at, UTC milliseconds.
    pub date_ms: Option<u64>,
    /// What happened, oldest first.
    pub history: Vec<Step>,
}

/// An entry of the history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Of which part, if the message has several; `NEW` has none.
    pub part: Option<Part>,
    /// UTC milliseconds.
    pub date_ms: Option<u64>,
    /// What became of it.
    pub state: State,
}

/// `"1/2"`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Part {
    /// Which one, from 1.
    pub number: u8,
    /// Of how many.
    pub total: u8,
}

impl Part {
    /// Reads `n/total`. `None` for anything else, and for a number beyond its total.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (number, total) = text.split_once('/')?;
        let (number, total) = (number.trim().parse().ok()?, total.trim().parse().ok()?);
        (1 <= number && number <= total).then_some(Self { number, total })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.total)
    }
}

/// Where a message stands, all its parts together (§5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Not at the operator yet, as far as we know.
    Accepted,
    /// At the operator, in whole or in part.
    Sent,
    /// Every part was delivered.
    Delivered,
    /// A part failed, so the whole did.
    Failed(State),
}

impl StatusAnswer {
    /// Reads a 200.
    ///
    /// # Errors
    /// [`Unreadable`] without `id` or `history`.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let members = json::object(body, "id")?;
        let word = |name, max| json::text(&members, name, max);
        let flag = |name| members.get(name).and_then(Value::as_bool);
        let Some(Value::Array(history)) = members.get("history") else {
            return Err(Unreadable::Member("history"));
        };
        let id = word("id", ID_OCTETS_MAX).filter(|id| !id.is_empty()).ok_or(Unreadable::Member("id"))?;
        Ok(Self {
            from: word("from", ID_OCTETS_MAX),
            to: word("to", ID_OCTETS_MAX),
            text: word("text", usize::MAX),
            unicode: flag("unicode"),
            flash: flag("flash"),
            id,
            ext_ref: word("extRef", REFERENCE_OCTETS_MAX),
            date_ms: word("date", ID_OCTETS_MAX).and_then(|date| read_date(&date, false)),
            history: history.iter().filter_map(Value::as_object).filter_map(Step::read).collect(),
        })
    }

    /// The JSON, members in the order of the document's example.
    #[must_use]
    pub fn write(&self, vocabulary: Vocabulary) -> Vec<u8> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        put("from", self.from.as_ref().map(|from| json!(from)));
        put("to", self.to.as_ref().map(|to| json!(to)));
        put("text", self.text.as_ref().map(|text| json!(text)));
        put("unicode", self.unicode.map(Value::Bool));
        put("flash", self.flash.map(Value::Bool));
        put("id", Some(json!(self.id)));
        put("extRef", self.ext_ref.as_ref().map(|reference| json!(reference)));
        put("date", self.date_ms.map(|date| json!(write_date_ms(date))));
        put("history", Some(self.history.iter().map(|step| step.value(vocabulary)).collect()));
        serde_json::to_vec(&members).unwrap_or_default()
    }

    /// Where the message stands. States may have come in any order, or not at all.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let failed = self.history.iter().find(|step| matches!(step.state.class(), Class::Failed(_)));
        if let Some(step) = failed {
            return Standing::Failed(step.state.clone());
        }
        let mut delivered = [false; 256];
        let mut total = None;
        for step in &self.history {
            total = total.max(step.part.map(|part| part.total));
            // Nobody answers what was not delivered.
            if matches!(step.state, State::Received | State::Answered) {
                match step.part {
                    None => return Standing::Delivered,
                    Some(part) => {
                        if let Some(place) = delivered.get_mut(usize::from(part.number)) {
                            *place = true;
                        }
                    }
                }
            }
        }
        let arrived = delivered.iter().filter(|part| **part).count();
        if total.is_some_and(|total| arrived >= usize::from(total)) {
            Standing::Delivered
        } else if self.history.iter().any(|step| step.state.rank() >= Some(1)) {
            Standing::Sent
        } else {
            Standing::Accepted
        }
    }
}

impl Step {
    fn read(members: &Map<String, Value>) -> Option<Self> {
        let word = |name| json::text(members, name, ID_OCTETS_MAX);
        Some(Self {
            part: word("part").and_then(|part| Part::read(&part)),
            date_ms: word("date").and_then(|date| read_date(&date, false)),
            // The pushes' word for it is taken too.
            state: State::read(&word("status").or_else(|| word("type"))?),
        })
    }

    fn value(&self, vocabulary: Vocabulary) -> Value {
        let mut members = Map::new();
        if let Some(part) = self.part {
            members.insert("part".to_owned(), json!(part.to_string()));
        }
        if let Some(date) = self.date_ms {
            members.insert("date".to_owned(), json!(write_date_ms(date)));
        }
        members.insert("status".to_owned(), json!(self.state.write(vocabulary)));
        Value::Object(members)
    }
}

/// Neither numbers nor the text are shown.
impl fmt::Debug for StatusAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusAnswer")
            .field("id", &self.id)
            .field("date_ms", &self.date_ms)
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}
