//! What is wrong with a configuration, said so that it can be mended at once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where something stands in the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// Its line, from 1; 0 when the whole file is meant.
    pub line: usize,
}

impl Place {
    /// The whole of a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: Arc::from(path.into()), line: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file.display()),
            line => write!(f, "{}:{line}", self.file.display()),
        }
    }
}

/// One thing that is wrong, or, as a warning, that probably is not meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The key, with the section it stands in (`service.shop.rate`). Empty: the file itself.
    pub key: String,
    /// What is wrong, in a phrase.
    pub what: String,
    /// What to do about it, in a phrase. Empty: it goes without saying.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        if !self.remedy.is_empty() {
            write!(f, "\n    {}", self.remedy)?;
        }
        Ok(())
    }
}

/// All that is wrong with a configuration, in the order of its lines. Never empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(problem, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Why a single value does not do, before anybody knows where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Flaw {
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl Flaw {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}
