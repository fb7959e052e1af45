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

/// How the keys of one secret are called.
pub(super) struct Names {
    /// What it is: "password".
    pub(super) what: &'static str,
    /// The key that is refused, since secrets do not stand in the configuration.
    pub(super) plain: &'static str,
    pub(super) file: &'static str,
    pub(super) env: &'static str,
    /// That it is missing is a problem.
    pub(super) is_required: bool,
}

const PASSWORD: Names = Names {
    what: "password",
    plain: "password",
    file: "password_file",
    env: "password_env",
    is_required: true,
};

/// Reads `password_file` or `password_env` of a section; `None` when there is none, or it was noted as wrong.
pub(super) fn read_password(
    section: &mut Section<'_>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Secret> {
    read_secret(section, &PASSWORD, environment)
}

/// Reads a secret of a section; `None` when there is none, or it was noted as wrong.
pub(super) fn read_secret(
    section: &mut Section<'_>,
    names: &Names,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Secret> {
    let Names { what, plain, file, env, is_required } = *names;
    section.refuse_if_present(
        plain,
        &format!("a {what} does not stand in the configuration"),
        &format!("put it into a file of mode 0600 and write {file} = \"…\", or into the environment and write {env} = \"NAME\""),
    );
    let was_refused = section.has(plain);
    let path = section.path(file);
    let from_environment = section.parsed(env, |name| match environment(name) {
        Some(value) if !value.is_empty() => Ok(Secret::new(value)),
        _ => Err(Flaw::new(
            format!("the environment has no {name}"),
            format!("start trunkline with {name} set"),
        )),
    });
    match (path, section.has(env)) {
        (Some(_), true) => {
            section.refuse(env, format!("there is a {file} as well"), "keep one of the two");
            None
        }
        (Some(path), false) => match read_file(&path) {
            Ok(read) => {
                if read.open_to_others {
                    let what = format!("{} can be read by others", path.display());
                    section.warn(file, what, format!("chmod 600 {}", path.display()));
                }
                Some(read.secret)
            }
            Err(why) => {
                section.refuse(file, why, format!("a {what} file holds the {what} in its first line"));
                None
            }
        },
        (None, true) => from_environment,
        (None, false) => {
            if is_required && !was_refused && !section.has(file) {
                section.refuse(
                    file,
                    format!("the {what} is missing"),
                    format!("add {file} = \"…\" or {env} = \"NAME\""),
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
