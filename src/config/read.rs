//! One table of a file, read key by key.
//!
//! A [`Section`] remembers which keys it was asked for. What is left in the table at the end is unknown, and the keys
//! that were asked for are those that can have been meant. So the code that reads a key is the only list of keys
//! there is: the suggestion for a misspelled one and the test of docs/CONFIG.md both come from it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Flaw, Place, Problem};
use super::value;

/// What reading has brought to light so far.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) problems: RefCell<Vec<Problem>>,
    pub(super) warnings: RefCell<Vec<Problem>>,
    /// Every key that was asked for, as docs/CONFIG.md writes it: `service.rate`.
    pub(super) keys: RefCell<BTreeSet<String>>,
}

impl Notes {
    pub(super) fn problem(&self, place: &Place, key: &str, flaw: Flaw) {
        let Flaw { what, remedy } = flaw;
        self.problems.borrow_mut().push(Problem { place: place.clone(), key: key.to_owned(), what, remedy });
    }

    pub(super) fn warning(&self, place: &Place, key: &str, flaw: Flaw) {
        let Flaw { what, remedy } = flaw;
        self.warnings.borrow_mut().push(Problem { place: place.clone(), key: key.to_owned(), what, remedy });
    }
}

/// A file's text, for finding lines in it.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) path: Arc<Path>,
    pub(super) text: String,
}

impl Document {
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        let line = before.iter().filter(|&&octet| octet == b'\n').count() + 1;
        Place { file: Arc::clone(&self.path), line }
    }

    /// A path written in this file: relative to its directory.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }
}

/// One table, possibly absent, being read.
pub(super) struct Section<'a> {
    notes: &'a Notes,
    document: &'a Document,
    table: Option<&'a DeTable<'a>>,
    /// Where the table begins.
    pub(super) place: Place,
    /// What to call it in a message: `service.shop`. Empty for the top of the file.
    pub(super) name: String,
    /// What docs/CONFIG.md calls it: `service`. Empty for the top of the file.
    kind: &'static str,
    asked: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The top of a file.
    pub(super) fn top(notes: &'a Notes, document: &'a Document, table: &'a DeTable<'a>) -> Self {
        let place = Place { file: Arc::clone(&document.path), line: 0 };
        Self { notes, document, table: Some(table), place, name: String::new(), kind: "", asked: Vec::new() }
    }

    /// The table `key`, or an empty one; to be ended before `self` is.
    pub(super) fn table(&mut self, key: &'static str) -> Self {
        self.asked.push(key);
        let kind = self.kind_of(key);
        let mut place = self.place.clone();
        let mut table = None;
        if let Some((at, value)) = self.find(key) {
            place = at;
            match value.get_ref().as_table() {
                Some(found) => table = Some(found),
                None => {
                    let flaw = Flaw::new(
                        "this is a section, not a value",
                        format!("write it as [{kind}], with its keys below"),
                    );
                    self.notes.problem(&place, key, flaw);
                }
            }
        }
        Self { place, table, name: self.full(key), kind: self.kind_of(key), asked: Vec::new(), ..*self }
    }

    /// What docs/CONFIG.md calls the table `key` of this one.
    fn kind_of(&self, key: &'static str) -> &'static str {
        NESTED
            .iter()
            .find(|(kind, inner, _)| *kind == self.kind && *inner == key)
            .map_or(key, |found| found.2)
    }

    /// The tables written as `[[key]]`, in their order.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Self> {
        self.asked.push(key);
        let Some((at, value)) = self.find(key) else { return Vec::new() };
        let (kind, full) = (self.kind_of(key), self.full(key));
        let mut sections = Vec::new();
        let not_tables = || {
            Flaw::new("this is a list of sections", format!("write each as [[{kind}]], with its keys below"))
        };
        let Some(items) = value.get_ref().as_array() else {
            self.notes.problem(&at, key, not_tables());
            return sections;
        };
        for item in items.iter() {
            let place = self.document.place(item.span().start);
            match item.get_ref().as_table() {
                Some(table) => {
                    let name = match table.get("id").and_then(|id| id.get_ref().as_str()) {
                        Some(id) => format!("{full}.{id}"),
                        None => format!("{full}[{}]", sections.len() + 1),
                    };
                    let table = Some(table);
                    sections.push(Self { place, table, name, kind, asked: Vec::new(), ..*self });
                }
                None => self.notes.problem(&place, key, not_tables()),
            }
        }
        sections
    }

    /// All pairs of a table whose keys are data, with their places.
    pub(super) fn pairs(&mut self, key: &'static str) -> Vec<(Place, &'a str, &'a DeValue<'a>)> {
        self.ask(key);
        let Some((at, value)) = self.find(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            let flaw = Flaw::new("this is a table", format!("write it as [{}.{key}]", self.kind));
            self.notes.problem(&at, &self.full(key), flaw);
            return Vec::new();
        };
        let pair = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &'a std::borrow::Cow<'a, str> = key.get_ref();
            (self.document.place(key.span().start), &**name, value.get_ref())
        };
        table.iter().map(pair).collect()
    }

    /// The value of `key` as `read` makes it; `None` when it is absent or wrong (and then noted).
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, Flaw>,
    ) -> Option<T> {
        self.ask(key);
        let (place, value) = self.find(key)?;
        match read(value.get_ref()) {
            Ok(value) => Some(value),
            Err(flaw) => {
                self.notes.problem(&place, &self.full(key), flaw);
                None
            }
        }
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.read(key, |value| text(value).map(str::to_owned))
    }

    /// A text that must be there and not be empty. The empty text when it is not, which is noted.
    pub(super) fn required_text(&mut self, key: &'static str, example: &str) -> String {
        if !self.has(key) {
            self.ask(key);
            let flaw = Flaw::new(format!("{key} is missing"), format!("add {key} = \"{example}\""));
            self.notes.problem(&self.place, &self.name, flaw);
            return String::new();
        }
        self.read(key, |value| match text(value)? {
            "" => Err(Flaw::new("is empty", format!("write something as \"{example}\""))),
            text => Ok(text.to_owned()),
        })
        .unwrap_or_default()
    }

    /// A text of which another form is made.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Flaw>,
    ) -> Option<T> {
        self.read(key, |value| parse(text(value)?))
    }

    /// One of some names.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, default: T, names: &[(&str, T)]) -> T {
        self.parsed(key, |text| value::choice(text, names)).unwrap_or(default)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str, default: bool) -> bool {
        let read = |value: &DeValue<'_>| value.as_bool().ok_or_else(|| wrong_type(value, "true or false"));
        self.read(key, read).unwrap_or(default)
    }

    /// A whole number from `least` to `most`.
    pub(super) fn count(&mut self, key: &'static str, default: u64, least: u64, most: u64) -> u64 {
        self.count_if(key, least, most).unwrap_or(default)
    }

    /// A whole number from `least` to `most` that may be absent.
    pub(super) fn count_if(&mut self, key: &'static str, least: u64, most: u64) -> Option<u64> {
        self.read(key, |value| {
            let number = integer(value)?;
            u64::try_from(number).ok().filter(|n| (least..=most).contains(n)).ok_or_else(|| {
                Flaw::new(
                    format!("{number} is out of range"),
                    format!("write a number from {least} to {most}"),
                )
            })
        })
    }

    /// A whole number that fits `usize`, from `least` to `most`.
    pub(super) fn size_of(&mut self, key: &'static str, default: usize, least: u32, most: u32) -> usize {
        let found = self.count_if(key, least.into(), most.into());
        found.and_then(|n| usize::try_from(n).ok()).unwrap_or(default)
    }

    /// A whole number that fits `u32`, from `least` to `most`.
    pub(super) fn count_u32(&mut self, key: &'static str, default: u32, least: u32, most: u32) -> u32 {
        let found = self.count_if(key, least.into(), most.into());
        found.and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
    }

    /// A rate per second; 0 is unlimited (`None`).
    pub(super) fn rate(&mut self, key: &'static str, default: Option<NonZeroU32>) -> Option<NonZeroU32> {
        let usual = default.map_or(0, NonZeroU32::get);
        NonZeroU32::new(self.count_u32(key, usual, 0, 1_000_000))
    }

    /// A duration from `least` to `most`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        least: Duration,
        most: Duration,
    ) -> Duration {
        let read = |value: &DeValue<'_>| {
            let duration = value::duration(text(value).map_err(|flaw| Flaw {
                remedy: "write it in quotes with its unit, as in \"30s\"".into(),
                ..flaw
            })?)?;
            if (least..=most).contains(&duration) {
                return Ok(duration);
            }
            let (least, most) = (value::write_duration(least), value::write_duration(most));
            Err(Flaw::new("is out of range", format!("write a duration from \"{least}\" to \"{most}\"")))
        };
        self.read(key, read).unwrap_or(default)
    }

    /// As [`duration`](Self::duration), in whole milliseconds.
    pub(super) fn duration_ms(
        &mut self,
        key: &'static str,
        default_ms: u64,
        least: Duration,
        most: Duration,
    ) -> u64 {
        let duration = self.duration(key, Duration::from_millis(default_ms), least, most);
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
    }

    /// A size in octets from `least` to `most`.
    pub(super) fn size(&mut self, key: &'static str, default: u64, least: u64, most: u64) -> u64 {
        self.parsed(key, |text| {
            let size = value::size(text)?;
            if (least..=most).contains(&size) {
                return Ok(size);
            }
            let (least, most) = (value::write_size(least), value::write_size(most));
            Err(Flaw::new("is out of range", format!("write a size from \"{least}\" to \"{most}\"")))
        })
        .unwrap_or(default)
    }

    /// A list of texts.
    pub(super) fn list(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.read(key, |value| {
            let not_a_list = || wrong_type(value, "a list of texts, as in [\"a\", \"b\"]");
            let items = value.as_array().ok_or_else(not_a_list)?;
            items.iter().map(|item| text(item.get_ref()).map(str::to_owned)).collect()
        })
    }

    /// A path, relative to the file it is written in.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key).map(|path| self.document.resolve(&path))
    }

    /// Whether the table has the key at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Where a key stands, or else its section.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.find(key).map_or_else(|| self.place.clone(), |(place, _)| place)
    }

    /// Notes a problem with a key of this section.
    pub(super) fn refuse(&self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.notes.problem(&self.place_of(key), &self.full(key), Flaw::new(what, remedy));
    }

    /// Notes a warning about a key of this section.
    pub(super) fn warn(&self, key: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.notes.warning(&self.place_of(key), &self.full(key), Flaw::new(what, remedy));
    }

    /// A key that is refused whatever its value, with the remedy.
    pub(super) fn refuse_if_present(&mut self, key: &'static str, what: &str, remedy: &str) {
        if self.has(key) {
            self.refuse(key, what, remedy);
            // Known, so that it is not reported as unknown as well; and not a key that exists.
            self.asked.push(key);
        }
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn end(self) {
        let Some(table) = self.table else { return };
        for key in table.keys() {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            let remedy = match value::nearest(name, self.asked.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => {
                    let mut known = self.asked.clone();
                    known.sort_unstable();
                    format!("known here: {}", known.join(", "))
                }
            };
            let place = self.document.place(key.span().start);
            self.notes.problem(&place, &self.full(name), Flaw::new("unknown key", remedy));
        }
    }

    fn ask(&mut self, key: &'static str) {
        self.asked.push(key);
        let documented = if self.kind.is_empty() { key.to_owned() } else { format!("{}.{key}", self.kind) };
        self.notes.keys.borrow_mut().insert(documented);
    }

    fn find(&self, key: &str) -> Option<(Place, &'a Spanned<DeValue<'a>>)> {
        let (found, value) = self.table?.get_key_value(key)?;
        Some((self.document.place(found.span().start), value))
    }

    fn full(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// Tables inside of others: of which, by which key, and what docs/CONFIG.md calls them.
const NESTED: &[(&str, &str, &str)] = &[
    ("service", "key", "service.key"),
    ("service", "webhook", "service.webhook"),
    ("service", "opt_out", "service.opt_out"),
];

/// The text of a value.
pub(super) fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Flaw> {
    value.as_str().ok_or_else(|| wrong_type(value, "a text in quotes"))
}

fn integer(value: &DeValue<'_>) -> Result<i64, Flaw> {
    let not_one = || wrong_type(value, "a whole number");
    let digits = value.as_integer().ok_or_else(not_one)?;
    i64::from_str_radix(digits.as_str(), digits.radix()).map_err(|_| not_one())
}

fn wrong_type(value: &DeValue<'_>, wanted: &str) -> Flaw {
    Flaw::new(format!("is of the wrong type ({})", value.type_str()), format!("write {wanted}"))
}
