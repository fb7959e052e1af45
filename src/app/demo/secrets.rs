//! The demo's credentials and certificate: made once, kept in the data directory for its owner alone.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::beacon::write_private;
use crate::http::admin::random_hex;
use crate::net::tls::Identity;

/// The certificate that clients are to trust, in PEM.
pub const CERTIFICATE_FILE: &str = "demo-ca.pem";
/// The service's password, alone in its file.
pub const PASSWORD_FILE: &str = "demo.password";

/// The service's key of the native API, alone in its file.
pub const API_KEY_FILE: &str = "demo.key";

const KEY_FILE: &str = "demo-key.pem";
const SECRETS_FILE: &str = "demo.json";

/// What the demo needs to be the same after a restart.
pub struct Secrets {
    /// The service's password.
    pub password: String,
    /// The service's key of the native API.
    pub api_key: String,
    /// The password of the simulated SMSC.
    pub simulator_password: String,
    /// Certificate and key of the SMPP server and of the simulated SMSC.
    pub identity: Identity,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

#[derive(Deserialize, Serialize)]
struct Kept {
    password: String,
    simulator_password: String,
    /// Demos of the first release had none.
    #[serde(default)]
    api_key: String,
}

impl Secrets {
    /// Those of `data_dir`, made if they are not there.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is not what this wrote.
    pub fn of(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(SECRETS_FILE);
        let mut kept = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Kept { password: password()?, simulator_password: password()?, api_key: String::new() }
            }
            Err(error) => return Err(error),
        };
        if kept.api_key.is_empty() {
            kept.api_key = random_hex(16)?;
            write_private(&path, &serde_json::to_vec(&kept)?)?;
        }
        write_private(&data_dir.join(PASSWORD_FILE), format!("{}\n", kept.password).as_bytes())?;
        write_private(&data_dir.join(API_KEY_FILE), format!("{}\n", kept.api_key).as_bytes())?;
        Ok(Self {
            password: kept.password,
            api_key: kept.api_key,
            simulator_password: kept.simulator_password,
            identity: identity(data_dir)?,
        })
    }
}

fn identity(data_dir: &Path) -> io::Result<Identity> {
    let (certificate, key) = (data_dir.join(CERTIFICATE_FILE), data_dir.join(KEY_FILE));
    // The key is written first: a certificate without its key is made anew.
    if let (Ok(certificate_pem), Ok(key_pem)) = (fs::read_to_string(&certificate), fs::read_to_string(&key)) {
        return Ok(Identity { certificate_pem, key_pem });
    }
    let made = Identity::self_signed(&["localhost", "127.0.0.1", "::1"]).map_err(io::Error::other)?;
    write_private(&key, made.key_pem.as_bytes())?;
    write_private(&certificate, made.certificate_pem.as_bytes())?;
    Ok(made)
}

/// Eight characters, as many as an SMPP password may have: 40 bits of chance.
fn password() -> io::Result<String> {
    // Without 0, 1, l and o, which look like others.
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut chance = [0; 8];
    aws_lc_rs::rand::fill(&mut chance).map_err(|_| io::Error::other("the system gives no random octets"))?;
    Ok(chance.iter().map(|octet| char::from(LETTERS[usize::from(octet & 31)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn they_are_made_once_and_kept_private() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = Secrets::of(dir.path()).expect("the directory is ours");
        let second = Secrets::of(dir.path()).expect("they are there");
        assert_eq!(first.password, second.password);
        assert_eq!(first.simulator_password, second.simulator_password);
        assert_eq!(first.identity.key_pem, second.identity.key_pem);
        assert_eq!(first.password.len(), 8);
        assert_ne!(first.password, first.simulator_password);
        assert_eq!(first.api_key, second.api_key);
        for file in [SECRETS_FILE, PASSWORD_FILE, API_KEY_FILE, KEY_FILE] {
            let mode = fs::metadata(dir.path().join(file)).expect(file).permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        assert!(!format!("{first:?}").contains(&first.password));
    }
}
