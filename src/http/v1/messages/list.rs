//! `GET /v1/messages`: lists by time, number, state and reference, a page at a time.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::cursor;
use super::show::is_of;
use super::view::{MessageView, STATES, state_of};
use crate::engine::Engine;
use crate::gateway::cold::{By, Lost, Query};
use crate::gateway::id::{MessageId, ServiceNo};
use crate::gateway::port::Found;
use crate::gateway::settings::normalise;
use crate::http::problem::Problem;
use crate::http::reading::read;
use crate::http::v1::guard::Authenticated;
use crate::http::v1::query::{Given, Parameters};
use crate::http::v1::{Scopes, V1};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http::v1) struct Listed {
    /// The messages, without parts and history.
    messages: Vec<MessageView>,
    /// Pass this as `cursor` for what follows. Absent: nothing does. A page may be short, or empty, and still have one:
    /// looking for a state is bounded too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// Which messages are wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wanted {
    pub(super) direction: Direction,
    pub(super) newest_first: bool,
    pub(super) state: Option<&'static str>,
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
    /// Digits of the mobile's number.
    pub(super) number: Option<u64>,
    pub(super) reference: Option<String>,
}

/// Which way they go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Direction {
    /// To mobiles.
    Mt,
    /// From mobiles.
    Mo,
    /// Both.
    Any,
}

/// List messages.
///
/// Newest first unless `order` says otherwise. A `cursor` holds the whole question: only `limit` has to be repeated.
#[utoipa::path(
    get, path = "/v1/messages", tag = "messages", operation_id = "list_messages",
    params(
        ("from" = Option<String>, Query, format = DateTime, description = "Accepted or received not before this time"),
        ("until" = Option<String>, Query, format = DateTime, description = "Not after it"),
        ("number" = Option<String>, Query, pattern = r"^\+?[0-9]{3,15}$", description = "The mobile"),
        ("state" = Option<String>, Query, pattern = "^(accepted|scheduled|sending|sent|delivered|refused|expired|cancelled|unknown|received)$", description = "Only those that stand so now"),
        ("reference" = Option<String>, Query, min_length = 1, max_length = 100, description = "Your own name for them"),
        ("direction" = Option<String>, Query, pattern = "^(mt|mo|any)$", description = "`mt`: to mobiles (default); `mo`: from them; `any` goes with `number`"),
        ("limit" = Option<u64>, Query, minimum = 1, maximum = 500, description = "At most so many (default 100)"),
        ("cursor" = Option<String>, Query, min_length = 1, description = "`next` of the page before"),
        ("order" = Option<String>, Query, pattern = "^(newest|oldest)$", description = "What comes first (default `newest`)"),
    ),
    responses(
        (status = 200, description = "A page", body = Listed),
        (status = 422, description = "Parameters contradict each other", body = crate::http::problem::ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(v1): State<V1>,
    who: Authenticated,
    given: Given,
) -> Result<Json<Listed>, Problem> {
    who.require(Scopes::MESSAGES_READ)?;
    list_of(&v1, who.service, given, Fixed::Nothing).await.map(Json)
}

/// What a path says of a list already, so that the query cannot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http::v1) enum Fixed {
    /// Nothing.
    Nothing,
    /// What mobiles have sent.
    Incoming,
    /// Both directions with the mobile of these digits.
    Conversation(u64),
}

/// A page of a list.
///
/// # Errors
/// 400 and 422 for what is asked wrongly, 503 when it cannot be read.
pub(in crate::http::v1) async fn list_of(
    v1: &V1,
    service: ServiceNo,
    given: Given,
    fixed: Fixed,
) -> Result<Listed, Problem> {
    let asked = Asked::read(given.parameters(), &v1.country(), fixed)?;
    let (engine, now_ms) = (v1.engine().clone(), v1.utc_ms());
    read(move || page(&engine, service, &asked, now_ms)).await
}

/// A request for a page.
struct Asked {
    wanted: Wanted,
    after: Option<MessageId>,
    limit: usize,
}

impl Asked {
    fn read(mut parameters: Parameters, country: &str, fixed: Fixed) -> Result<Self, Problem> {
        let p = &mut parameters;
        let limit = p.number("limit", 1..=LIMIT_MAX);
        let cursor = p.text("cursor").map(|cursor| {
            let read = cursor::read(&cursor);
            if read.is_none() {
                p.relation("cursor", "is no cursor of a list");
            }
            read
        });
        let from_ms = p.time("from");
        let until_ms = p.time("until");
        let number = match fixed {
            Fixed::Nothing | Fixed::Incoming => number(p, country),
            Fixed::Conversation(number) => Some(number),
        };
        let (state, reference, direction) = match fixed {
            Fixed::Nothing => {
                let words = [("mt", Direction::Mt), ("mo", Direction::Mo), ("any", Direction::Any)];
                let state = p.word("state", &STATES.map(|state| (state, state)));
                (state, p.text("reference"), p.word("direction", &words))
            }
            Fixed::Incoming => (None, None, Some(Direction::Mo)),
            Fixed::Conversation(_) => (None, None, Some(Direction::Any)),
        };
        if reference.as_ref().is_some_and(|reference| reference.chars().count() > REFERENCE_MAX) {
            p.fault("reference", "length", "has more than 100 characters");
        }
        let newest_first = p.word("order", &[("newest", true), ("oldest", false)]);
        let (wanted, after) = match cursor.flatten() {
            Some((wanted, after)) => {
                // What is given besides has to be what the cursor is of.
                let agrees = from_ms.is_none_or(|it| it == wanted.from_ms)
                    && until_ms.is_none_or(|it| it == wanted.until_ms)
                    && number.is_none_or(|it| Some(it) == wanted.number)
                    && state.is_none_or(|it| Some(it) == wanted.state)
                    && reference.is_none_or(|it| Some(it) == wanted.reference)
                    && direction.is_none_or(|it| it == wanted.direction)
                    && newest_first.is_none_or(|it| it == wanted.newest_first);
                if !agrees {
                    p.relation("cursor", "is of another list than the other parameters ask for");
                }
                (wanted, Some(after))
            }
            None => {
                let wanted = Wanted {
                    direction: direction.unwrap_or(Direction::Mt),
                    newest_first: newest_first.unwrap_or(true),
                    state,
                    from_ms: from_ms.unwrap_or(0),
                    until_ms: until_ms.unwrap_or(u64::MAX),
                    number,
                    reference,
                };
                wanted.check(p);
                (wanted, None)
            }
        };
        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIMIT_DEFAULT);
        parameters.end(Self { wanted, after, limit })
    }
}

/// Digits of a mobile's number.
fn number(p: &mut Parameters, country: &str) -> Option<u64> {
    let written = p.text("number")?;
    let digits = normalise(&written, country);
    let is_number = (3..=15).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit());
    let number = digits.parse().ok().filter(|_| is_number);
    if number.is_none() {
        p.fault("number", "format", "has to be a number of 3 to 15 digits (write + as %2B)");
    }
    number
}

impl Wanted {
    /// What parameters mean together.
    fn check(&self, p: &Parameters) {
        if self.direction == Direction::Any && self.number.is_none() {
            p.relation("direction", "any goes with number");
        }
        if self.direction != Direction::Mt && self.reference.is_some() {
            p.relation("reference", "is of messages to mobiles");
        }
    }

    fn by(&self) -> By {
        match (&self.reference, self.number, self.direction) {
            (Some(reference), ..) => By::Reference(reference.clone().into_bytes()),
            (None, Some(number), _) => By::Number(number),
            (None, None, Direction::Mo) => By::Incoming,
            (None, None, Direction::Mt | Direction::Any) => By::Messages,
        }
    }

    /// Whether a message that the index names is one of those wanted; if so, as it is shown.
    fn view(&self, found: &Found, now_ms: u64) -> Option<MessageView> {
        let is_state = |state: &str| self.state.is_none_or(|wanted| wanted == state);
        match found {
            Found::Mt(message) if self.direction != Direction::Mo && is_state(state_of(message, now_ms)) => {
                let to = std::str::from_utf8(message.content.destination.as_bytes()).ok();
                let is_to = |number: u64| {
                    message.ties.watch == Some(number) || to.is_some_and(|to| to.parse() == Ok(number))
                };
                self.number.is_none_or(is_to).then(|| MessageView::brief(message, now_ms))
            }
            Found::Mo(incoming) if self.direction != Direction::Mt && is_state("received") => {
                Some(MessageView::came(incoming))
            }
            Found::Mt(_) | Found::Mo(_) => None,
        }
    }
}

/// Looks at so many messages as it takes to fill the page, within bounds.
fn page(engine: &Engine, service: ServiceNo, asked: &Asked, now_ms: u64) -> Result<Listed, Lost> {
    let Asked { wanted, limit, .. } = asked;
    let mut messages = Vec::new();
    let (mut after, mut looked) = (asked.after, 0);
    loop {
        let query = Query {
            by: wanted.by(),
            from_ms: wanted.from_ms,
            until_ms: wanted.until_ms,
            after,
            newest_first: wanted.newest_first,
            limit: limit.saturating_sub(messages.len()).clamp(1, STEP),
        };
        let page = engine.list(service, &query)?;
        for (id, _) in &page.ids {
            looked += 1;
            // Its row may be gone with its day while the index is not yet.
            if let Some(found) = engine.find(*id)?.filter(|found| is_of(found, service)) {
                messages.extend(wanted.view(&found, now_ms));
            }
        }
        // Nothing follows an empty page whatever it says.
        after = page.ids.last().map(|(id, _)| *id).filter(|_| page.more);
        if after.is_none() || messages.len() >= *limit || looked >= SCAN_MAX {
            break;
        }
    }
    Ok(Listed { messages, next: after.map(|after| cursor::write(wanted, after)) })
}

/// Messages of a page.
const LIMIT_MAX: u64 = 500;

const LIMIT_DEFAULT: usize = 100;

/// Messages asked of the index at once.
const STEP: usize = 500;

/// Messages looked at for one page.
const SCAN_MAX: usize = 2_000;

const REFERENCE_MAX: usize = 100;
