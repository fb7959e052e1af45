//! Who may ask the admin listener more than how it is: whoever can read the token in the data directory.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::http::keep::kept;

/// The token. Its `Debug` shows nothing of it.
#[derive(Clone, Eq, PartialEq)]
pub struct Token(Box<str>);

impl Token {
    /// A token as its file holds it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().into())
    }

    /// The token itself, for the header that carries it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `given` is it; takes the same time wherever they differ.
    pub(super) fn is(&self, given: &str) -> bool {
        let wanted = self.0.as_bytes();
        !wanted.is_empty()
            && aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), wanted).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Name of the token's file in the data directory.
pub const TOKEN_FILE: &str = "admin.token";

/// The path of the token in `data_dir`.
pub fn token_path(data_dir: &Path) -> PathBuf {
    data_dir.join(TOKEN_FILE)
}

/// The token of `data_dir`, made at the first start and kept, readable by its owner alone.
///
/// # Errors
/// When the file cannot be read or written.
pub fn token(data_dir: &Path) -> io::Result<Token> {
    kept(&token_path(data_dir), || random_hex(16)).map(|token| Token::new(&token))
}

/// Chance, as twice as many hexadecimal digits as `octets`.
///
/// # Errors
/// When the system has no chance to give.
pub fn random_hex(octets: usize) -> io::Result<String> {
    let mut chance = vec![0; octets];
    aws_lc_rs::rand::fill(&mut chance).map_err(|_| io::Error::other("the system gives no random octets"))?;
    Ok(chance
        .iter()
        .flat_map(|octet| [octet >> 4, octet & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_made_once_and_kept_private() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = token(dir.path()).expect("the directory is ours");
        assert_eq!(first.reveal().len(), 32);
        assert_eq!(token(dir.path()).expect("it is there"), first);
        let mode = fs::metadata(token_path(dir.path())).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = tempfile::tempdir().expect("a temporary directory");
        assert_ne!(token(other.path()).expect("the directory is ours"), first);
    }

    #[test]
    fn only_the_token_is_the_token() {
        let token = Token::new("0123");
        assert!(token.is("0123"));
        for wrong in ["", "012", "0124", "01234"] {
            assert!(!token.is(wrong), "{wrong}");
        }
        assert!(!Token::new("").is(""));
    }
}
