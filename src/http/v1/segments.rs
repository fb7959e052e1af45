//! `POST /v1/segments`: what a text costs, before it is sent. What `trunkline count` prints.

use axum::routing::post;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::V1;
use super::body::{Faults, JsonBody, Members};
use super::guard::Authenticated;
use super::messages::Alphabets;
use crate::http::problem::Problem;
use crate::text::{Alphabet, Count, Dear, Reason, Table, UnitKind, billed_of, dear, fits, segments_of};

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(segments),
    components(schemas(Ask, Report)),
    tags((name = "segments", description = "What a text costs."))
)]
pub(super) struct Api;

pub(super) fn router() -> Router<V1> {
    Router::new().route("/v1/segments", post(segments))
}

/// A text to be counted.
#[derive(ToSchema)]
#[schema(as = Text)]
#[serde(deny_unknown_fields)]
struct Ask {
    /// The text.
    #[schema(max_length = 100000, example = "L’agence ouvre à 9 h.")]
    text: String,
    /// In which alphabet it would go; `gsm` counts it as `outside: transliterate` would send it.
    #[schema(value_type = Option<Alphabets>, default = "auto")]
    alphabet: Alphabets,
}

/// What a text costs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Segments)]
struct Report {
    #[serde(flatten)]
    cost: Cost,
    /// The characters that made it dear, in the order of their appearance.
    dear: Vec<DearCharacter>,
    /// The same text with every dear character replaced that resembles a cheap one. Absent: that changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replaced: Option<Replaced>,
}

/// A text in an alphabet.
#[derive(Debug, Serialize, ToSchema)]
struct Cost {
    /// `gsm` or `unicode`.
    #[schema(value_type = String, example = "unicode")]
    alphabet: &'static str,
    /// Septets or code units.
    units: usize,
    /// By each table.
    tables: Tables,
}

/// By each table of segments.
#[derive(Debug, Serialize, ToSchema)]
struct Tables {
    /// 3GPP TS 23.040.
    standard: Segments,
    /// The vendor's price list.
    timetochat: Segments,
}

/// By one table.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SegmentCount)]
struct Segments {
    /// Segments that are billed.
    billed: u32,
    /// Segments that go on the air: no pair is cut in two, so there may be one more.
    sent: u32,
    /// Whether the table takes it as one message.
    fits: bool,
    /// Units that fit in a message of one segment.
    units_alone: usize,
    /// Units that fit in each of several.
    units_per_segment: usize,
    /// Segments a message may have.
    segments_max: u32,
}

/// A character that makes a text dear.
#[derive(Debug, Serialize, ToSchema)]
struct DearCharacter {
    /// The character.
    #[schema(value_type = String)]
    character: char,
    /// Its number.
    #[schema(example = "U+2019")]
    code_point: String,
    /// How often it stands there.
    times: usize,
    /// `forces_unicode`: it is not in GSM 03.38; `two_septets`: it costs two.
    #[schema(value_type = String, example = "forces_unicode")]
    reason: &'static str,
    /// What could stand instead; empty: it can be left out. Absent: nothing resembles it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    substitute: Option<&'static str>,
}

/// The text in cheap characters.
#[derive(Debug, Serialize, ToSchema)]
struct Replaced {
    /// The text.
    text: String,
    #[serde(flatten)]
    cost: Cost,
    /// Segments saved by the table `standard`.
    saves: u32,
}

/// Count a text.
#[utoipa::path(
    post, path = "/v1/segments", tag = "segments", operation_id = "count_segments",
    request_body = Ask,
    responses((status = 200, description = "What it costs", body = Report))
)]
async fn segments(_: Authenticated, JsonBody(body): JsonBody) -> Result<Json<Report>, Problem> {
    let Ask { text, alphabet } = Ask::of(body)?;
    Ok(Json(report(&text, alphabet)))
}

impl Ask {
    fn of(body: Value) -> Result<Self, Problem> {
        let faults = Faults::default();
        let read = Members::of(body, "", &faults).and_then(|mut members| {
            let text = members.needed_text("text");
            if text.as_ref().is_some_and(|text| text.chars().count() > TEXT_MAX) {
                members.fault("text", "length", "has more than 100000 characters");
            }
            let alphabet = members.word("alphabet", &Alphabets::WORDS).unwrap_or_default();
            members.end();
            text.map(|text| Self { text, alphabet })
        });
        faults.none_or(read)
    }
}

fn report(text: &str, alphabet: Alphabets) -> Report {
    let dear: Vec<Dear> = if alphabet == Alphabets::Unicode { Vec::new() } else { dear(text) };
    let cost = match alphabet {
        Alphabets::Auto => Cost::of(text, Alphabet::needed(text)),
        Alphabets::Gsm => Cost::of(&crate::text::transliterate(text), Alphabet::Gsm7),
        Alphabets::Unicode => Cost::of(text, Alphabet::Ucs2),
    };
    let cheap = replace(text, &dear);
    let replaced = (cheap != text).then(|| {
        let less = Cost::of(&cheap, Alphabet::needed(&cheap));
        let saves = cost.tables.standard.billed.saturating_sub(less.tables.standard.billed);
        Replaced { text: cheap, cost: less, saves }
    });
    let dear = dear
        .into_iter()
        .map(|dear| DearCharacter {
            character: dear.character,
            code_point: format!("U+{:04X}", u32::from(dear.character)),
            times: dear.times,
            reason: match dear.reason {
                Reason::ForcesUcs2 => "forces_unicode",
                Reason::TwoSeptets => "two_septets",
            },
            substitute: dear.substitute,
        })
        .collect();
    Report { cost, dear, replaced }
}

impl Cost {
    fn of(text: &str, alphabet: Alphabet) -> Self {
        let payload = alphabet.encode(text).unwrap_or_default();
        let kind = alphabet.unit_kind();
        let count = |table: Table| Count {
            alphabet,
            units: payload.len() / kind.octets_per_unit(),
            sent: segments_of(&payload, kind, table),
            billed: billed_of(&payload, kind, table),
            fits: fits(&payload, kind, table),
        };
        let standard = count(Table::STANDARD);
        Self {
            alphabet: match alphabet {
                Alphabet::Gsm7 => "gsm",
                Alphabet::Ucs2 => "unicode",
            },
            units: standard.units,
            tables: Tables {
                standard: Segments::of(standard, Table::STANDARD, kind),
                timetochat: Segments::of(count(Table::TimeToChat), Table::TimeToChat, kind),
            },
        }
    }
}

impl Segments {
    fn of(count: Count, table: Table, kind: UnitKind) -> Self {
        Self {
            billed: count.billed.max(1),
            sent: count.sent.max(1),
            fits: count.fits,
            units_alone: table.units_alone(kind),
            units_per_segment: table.units_per_part(kind),
            segments_max: table.parts_max(),
        }
    }
}

/// Every dear character replaced that resembles a cheap one.
fn replace(text: &str, dear: &[Dear]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match dear.iter().find(|dear| dear.character == c).and_then(|dear| dear.substitute) {
            Some(cheap) => out.push_str(cheap),
            None => out.push(c),
        }
    }
    out
}

/// Characters that are counted at once.
const TEXT_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_says_what_replacing_would_save() {
        let report = serde_json::to_value(report(&"ç".repeat(133), Alphabets::Auto)).expect("JSON");
        assert_eq!((&report["alphabet"], &report["units"]), (&json!("unicode"), &json!(133)));
        assert_eq!(report["tables"]["timetochat"]["billed"], 3);
        assert_eq!(report["tables"]["standard"]["billed"], 2);
        assert_eq!(report["dear"][0]["code_point"], "U+00E7");
        assert_eq!(
            (&report["replaced"]["text"], &report["replaced"]["saves"]),
            (&json!("c".repeat(133)), &json!(1))
        );
    }

    #[test]
    fn sent_and_billed_are_both_told() {
        let report = serde_json::to_value(report(&"€".repeat(612), Alphabets::Gsm)).expect("JSON");
        let vendor = &report["tables"]["timetochat"];
        assert_eq!((&vendor["billed"], &vendor["sent"]), (&json!(8), &json!(9)));
    }

    #[test]
    fn the_alphabet_can_be_chosen() {
        let alphabet =
            |alphabet| serde_json::to_value(report("abc", alphabet)).expect("JSON")["alphabet"].clone();
        assert_eq!(alphabet(Alphabets::Unicode), "unicode");
        assert_eq!(alphabet(Alphabets::Auto), "gsm");
        let gsm = serde_json::to_value(report("日", Alphabets::Gsm)).expect("JSON");
        assert_eq!((&gsm["alphabet"], &gsm["units"]), (&json!("gsm"), &json!(1)));
    }
}
