//! `trunkline count`: what a text costs, and which characters made it dear.
//!
//! Only the wording; reading the argument and printing are the caller's.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::text::{Alphabet, Count, Dear, Reason, Table, count, dear};

/// The report on `text`: lines for a person, or one JSON object on one line. Ends in a line feed.
///
/// Segments are told as billed and as sent; the two differ when pairs that may not be cut need a part
/// more than the vendor's table counts.
#[must_use]
pub(super) fn render(text: &str, json: bool) -> String {
    let report = Report::of(text);
    if json { format!("{}\n", report.to_json()) } else { report.to_lines() }
}

const TABLES: [(&str, Table); 2] = [("timetochat", Table::TimeToChat), ("standard", Table::STANDARD)];

struct Report {
    counts: Counts,
    dear: Vec<Dear>,
    /// The text with every dear character replaced that can be, when that changes anything.
    replaced: Option<Replaced>,
}

struct Replaced {
    text: String,
    counts: Counts,
}

type Counts = [(&'static str, Table, Count); 2];

impl Report {
    fn of(text: &str) -> Self {
        let dear = dear(text);
        let cheap = replace(text, &dear);
        let replaced = (cheap != text).then(|| Replaced { counts: counts(&cheap), text: cheap });
        Self { counts: counts(text), dear, replaced }
    }

    fn to_json(&self) -> Value {
        let [(_, _, any), _] = self.counts;
        json!({
            "alphabet": name(any.alphabet),
            "units": any.units,
            "tables": tables(&self.counts),
            "dear": self.dear.iter().map(|dear| json!({
                "character": dear.character,
                "code_point": code_point(dear.character),
                "times": dear.times,
                "reason": match dear.reason {
                    Reason::ForcesUcs2 => "forces_ucs2",
                    Reason::TwoSeptets => "two_septets",
                },
                "substitute": dear.substitute,
            })).collect::<Vec<_>>(),
            "replaced": self.replaced.as_ref().map(|replaced| {
                let [(_, _, any), _] = replaced.counts;
                json!({
                    "text": replaced.text,
                    "alphabet": name(any.alphabet),
                    "units": any.units,
                    "tables": tables(&replaced.counts),
                })
            }),
        })
    }

    fn to_lines(&self) -> String {
        let [(_, _, any), _] = self.counts;
        let mut out = String::new();
        line(&mut out, format_args!("alphabet    {}", title(any.alphabet)));
        line(&mut out, format_args!("units       {} {}", any.units, unit(any.alphabet)));
        for (table_name, table, count) in &self.counts {
            line(&mut out, format_args!("{table_name:<11} {}", cost(*table, count)));
        }
        if !self.dear.is_empty() {
            line(&mut out, format_args!("\nmade dear by"));
        }
        for dear in &self.dear {
            let why = match dear.reason {
                Reason::ForcesUcs2 => "not in GSM 03.38, forces UCS-2",
                Reason::TwoSeptets => "costs two septets",
            };
            let instead = match dear.substitute {
                None => "nothing resembles it".to_owned(),
                Some("") => "leave it out".to_owned(),
                Some("\n") => "write a line break".to_owned(),
                Some(" ") => "write a plain space".to_owned(),
                Some(cheap) => format!("write {cheap}"),
            };
            let Dear { character, times, .. } = *dear;
            let (shown, code) = (printable(character), code_point(character));
            line(&mut out, format_args!("  {shown}  {code}  {times} times  {why}; {instead}"));
        }
        if let Some(replaced) = &self.replaced {
            self.savings(&mut out, replaced);
        }
        out
    }

    fn savings(&self, out: &mut String, replaced: &Replaced) {
        let [(_, _, any), _] = replaced.counts;
        let left = self.dear.iter().filter(|dear| dear.substitute.is_none()).count();
        let left =
            if left > 0 { format!(", {left} kind(s) of character left as they are") } else { String::new() };
        let (units, alphabet) = (any.units, title(any.alphabet));
        line(out, format_args!("\nreplaced    {units} {} of {alphabet}{left}", unit(any.alphabet)));
        for ((table_name, table, before), (_, _, after)) in self.counts.iter().zip(&replaced.counts) {
            let saved = match before.billed.saturating_sub(after.billed) {
                0 => "saves nothing".to_owned(),
                saved => format!("saves {saved}"),
            };
            line(out, format_args!("{table_name:<11} {}: {saved}", cost(*table, after)));
        }
    }
}

fn counts(text: &str) -> Counts {
    TABLES.map(|(name, table)| (name, table, count(text, table)))
}

/// Every dear character replaced that has a likeness.
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

fn tables(counts: &Counts) -> Value {
    counts
        .iter()
        .map(|(name, table, count)| {
            let kind = count.alphabet.unit_kind();
            let value = json!({
                "billed": count.billed,
                "sent": count.sent,
                "fits": count.fits,
                "units_alone": table.units_alone(kind),
                "units_per_part": table.units_per_part(kind),
                "segments_max": table.parts_max(),
            });
            ((*name).to_owned(), value)
        })
        .collect::<serde_json::Map<String, Value>>()
        .into()
}

/// "2 segments (160 alone, 153 each)", with what is out of the ordinary.
fn cost(table: Table, count: &Count) -> String {
    let kind = count.alphabet.unit_kind();
    let Count { sent, billed, .. } = *count;
    let segments = if billed == 1 { "segment" } else { "segments" };
    let mut text = format!(
        "{billed} {segments} ({} alone, {} each)",
        table.units_alone(kind),
        table.units_per_part(kind)
    );
    if sent != billed {
        text.push_str(&format!(", sent as {sent}: no pair is cut in two"));
    }
    if !count.fits {
        text.push_str(&format!(", too long: at most {}", table.parts_max()));
    }
    text
}

const fn name(alphabet: Alphabet) -> &'static str {
    match alphabet {
        Alphabet::Gsm7 => "gsm7",
        Alphabet::Ucs2 => "ucs2",
    }
}

const fn title(alphabet: Alphabet) -> &'static str {
    match alphabet {
        Alphabet::Gsm7 => "GSM 7-bit",
        Alphabet::Ucs2 => "UCS-2",
    }
}

const fn unit(alphabet: Alphabet) -> &'static str {
    match alphabet {
        Alphabet::Gsm7 => "septets",
        Alphabet::Ucs2 => "code units",
    }
}

fn code_point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

/// The character itself, or a middle dot for one that a terminal would not show or would obey.
fn printable(c: char) -> char {
    let is_hidden = c.is_control()
        || c.is_whitespace()
        || matches!(c, '\u{00AD}' | '\u{0300}'..='\u{036F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}')
        || matches!(c, '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}');
    if is_hidden { '·' } else { c }
}

fn line(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(out, "{arguments}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Value {
        serde_json::from_str(&render(text, true)).unwrap()
    }

    #[test]
    fn a_plain_text_needs_no_advice() {
        assert_eq!(
            render("Bonjour", false),
            "alphabet    GSM 7-bit\n\
             units       7 septets\n\
             timetochat  1 segment (160 alone, 153 each)\n\
             standard    1 segment (160 alone, 153 each)\n"
        );
    }

    #[test]
    fn a_person_reads_what_replacing_would_save() {
        let text = "L’agence de Besançon est ouverte de 9 h à 18 h, du lundi au samedi. À bientôt !";
        assert_eq!(
            render(text, false),
            "alphabet    UCS-2\n\
             units       79 code units\n\
             timetochat  2 segments (70 alone, 66 each)\n\
             standard    2 segments (70 alone, 67 each)\n\
             \n\
             made dear by\n  \
               ’  U+2019  1 times  not in GSM 03.38, forces UCS-2; write '\n  \
               ç  U+00E7  1 times  not in GSM 03.38, forces UCS-2; write c\n  \
               À  U+00C0  1 times  not in GSM 03.38, forces UCS-2; write A\n  \
               ô  U+00F4  1 times  not in GSM 03.38, forces UCS-2; write o\n\
             \n\
             replaced    79 septets of GSM 7-bit\n\
             timetochat  1 segment (160 alone, 153 each): saves 1\n\
             standard    1 segment (160 alone, 153 each): saves 1\n"
        );
    }

    #[test]
    fn json_has_both_tables_and_the_replaced_text() {
        let report = parsed(&"ç".repeat(133));
        assert_eq!(report["alphabet"], "ucs2");
        assert_eq!(report["units"], 133);
        assert_eq!(report["tables"]["timetochat"]["billed"], 3);
        assert_eq!(report["tables"]["standard"]["billed"], 2);
        assert_eq!(report["dear"][0]["code_point"], "U+00E7");
        assert_eq!(report["dear"][0]["times"], 133);
        assert_eq!(report["replaced"]["tables"]["timetochat"]["billed"], 1);
        assert_eq!(report["replaced"]["text"], "c".repeat(133));
    }

    #[test]
    fn sent_and_billed_are_both_told() {
        let text = "€".repeat(612);
        let vendor = &parsed(&text)["tables"]["timetochat"];
        assert_eq!((&vendor["billed"], &vendor["sent"]), (&json!(8), &json!(9)));
        assert!(render(&text, false).contains("8 segments (160 alone, 153 each), sent as 9: no pair is cut"));
    }

    #[test]
    fn too_long_is_said() {
        assert!(render(&"a".repeat(1225), false).contains("too long: at most 8"));
        assert_eq!(parsed(&"a".repeat(1225))["tables"]["timetochat"]["fits"], false);
    }

    #[test]
    fn what_resembles_nothing_stays() {
        let report = render("ç 😀", false);
        assert!(report.contains("nothing resembles it"), "{report}");
        assert!(report.contains("1 kind(s) of character left as they are"), "{report}");
        assert_eq!(parsed("10 €")["replaced"], Value::Null);
    }

    #[test]
    fn a_terminal_is_not_sent_control_characters() {
        let report = render("a\u{1b}[31m\u{0007}\u{202E}", false);
        assert!(!report.contains(['\u{1b}', '\u{0007}', '\u{202E}']), "{report:?}");
    }
}
