//! Secrets: read from files or the environment, never from the configuration itself, never printed.

use std::fmt;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::problem::Flaw;
use super::read::Section;

/// A password. Its `Debug` shows nothing of it.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret from wherever the caller may have it.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A secret as read, and whether its file can be read by others.
#[derive(Debug)]
pub(crate) struct SecretFile {
    pub(crate) secret: Secret,
    pub(crate) open_to_others: bool,
}

/// Reads the first line of a file as a secret.
///
/// # Errors
/// A phrase when the file cannot be read, is longer than [`SECRET_OCTETS_MAX`], is not UTF-8, or its first line is
/// empty.
pub(crate) fn read_file(path: &Path) -> Result<SecretFile, String> {
    let failed = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    let file = fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    let mut text = String::new();
    file.take(SECRET_OCTETS_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() || text.len() as u64 > SECRET_OCTETS_MAX {
        return Err(format!("{} holds no secret in its first line", path.display()));
    }
    Ok(SecretFile { secret: Secret::new(line), open_to_others: mode & 0o077 != 0 })
}

/// Reads `password_file` or `password_env` of a section; `None` when there is none, or it was noted as wrong.
pub(super) fn read_password(
    section: &mut Section<'_>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Secret> {
    section.refuse_if_present(
        "password",
        "a password does not stand in the configuration",
        "put it into a file of mode 0600 and write password_file = \"…\", or into the environment and write password_env = \"NAME\"",
    );
    let was_refused = section.has("password");
    let path = section.path("password_file");
    let from_environment = section.parsed("password_env", |name| match environment(name) {
        Some(value) if !value.is_empty() => Ok(Secret::new(value)),
        _ => Err(Flaw::new(
            format!("the environment has no {name}"),
            format!("start trunkline with {name} set"),
        )),
    });
    match (path, section.has("password_env")) {
        (Some(_), true) => {
            section.refuse("password_env", "there is a password_file as well", "keep one of the two");
            None
        }
        (Some(path), false) => match read_file(&path) {
            Ok(read) => {
                if read.open_to_others {
                    let what = format!("{} can be read by others", path.display());
                    section.warn("password_file", what, format!("chmod 600 {}", path.display()));
                }
                Some(read.secret)
            }
            Err(what) => {
                section.refuse("password_file", what, "a password file holds the password in its first line");
                None
            }
        },
        (None, true) => from_environment,
        (None, false) => {
            if !was_refused && !section.has("password_file") {
                section.refuse(
                    "password_file",
                    "the password is missing",
                    "add password_file = \"…\" or password_env = \"NAME\"",
                );
            }
            None
        }
    }
}

/// Octets of a secret's file that are read.
const SECRET_OCTETS_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn the_first_line_is_the_secret_and_loose_files_are_noticed() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("pw");
        fs::write(&path, "s3cret\nmore\n").expect("the directory is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("the file is ours");
        let read = read_file(&path).expect("it can be read");
        assert_eq!((read.secret.reveal(), read.open_to_others), ("s3cret", true));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
        assert!(!read_file(&path).expect("it can be read").open_to_others);
        fs::write(&path, "\nnot here").expect("the file is ours");
        assert!(read_file(&path).is_err());
        assert!(read_file(&dir.path().join("missing")).is_err());
    }
}
