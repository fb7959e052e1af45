//! `--upstream URL`: a real SMSC behind the demo, in one word.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use super::limit;
use crate::config;
use crate::gateway::settings as gateway;
use crate::net;
use crate::smpp;

/// `smpp://user[:password]@host[:port]?key=value&…`, or `smpps://…` for TLS.
///
/// Keys: `password_file`, `window`, `sessions`, `rate` (submits per second), `ca` (PEM file), `insecure`.
#[derive(Clone)]
pub struct UpstreamUrl {
    host: String,
    port: u16,
    tls: Option<net::PeerTls>,
    system_id: String,
    password: net::Secret,
    window: Option<u32>,
    sessions: Option<u32>,
    rate: Option<NonZeroU32>,
    /// The password stood in the URL, where other users of the machine can read it.
    pub has_open_password: bool,
}

impl fmt::Debug for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamUrl")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// What is wrong with an upstream's URL. It does not repeat the URL, which may hold a password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UrlError(String);

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UrlError {}

fn wrong(what: impl Into<String>) -> UrlError {
    UrlError(what.into())
}

impl FromStr for UpstreamUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let form = "the form is smpp://user@host:port?password_file=…, or smpps:// for TLS";
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong(form))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (user, host) = rest.rsplit_once('@').ok_or_else(|| wrong(format!("there is no user; {form}")))?;
        let target = config::parse_target(&format!("{scheme}://{host}"))
            .map_err(|flaw| wrong(format!("{}; {}", flaw.what, flaw.remedy)))?;
        let (system_id, password) = match user.split_once(':') {
            Some((system_id, password)) => (decoded(system_id)?, Some(decoded(password)?)),
            None => (decoded(user)?, None),
        };
        if system_id.is_empty() || system_id.len() > 15 {
            return Err(wrong("the user is the system_id, of 1 to 15 octets"));
        }
        let mut read = Self {
            host: target.host,
            port: target.port,
            tls: target.tls.then(net::PeerTls::default),
            system_id,
            has_open_password: password.is_some(),
            password: net::Secret::new(password.clone().unwrap_or_default()),
            window: None,
            sessions: None,
            rate: None,
        };
        let mut has_password = password.is_some();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(value)?;
            let number = |most: u32| {
                let number = value.parse::<u32>().ok().filter(|number| *number <= most);
                number.ok_or_else(|| wrong(format!("{key} is a number up to {most}")))
            };
            match key {
                "password_file" if has_password => return Err(wrong("there are two passwords")),
                "password_file" => {
                    let file = config::read_secret_file(&PathBuf::from(&value)).map_err(wrong)?;
                    if file.open_to_others {
                        tracing::warn!(file = value, "the password file can be read by others");
                    }
                    read.password = net::Secret::new(file.secret.reveal());
                    has_password = true;
                }
                "window" => read.window = Some(number(10_000)?.max(1)),
                "sessions" => read.sessions = Some(number(64)?.max(1)),
                "rate" => read.rate = limit(number(1_000_000)?),
                "ca" => tls_of(&mut read.tls, key)?.ca = Some(PathBuf::from(value)),
                "insecure" => match value.as_str() {
                    "" | "1" | "true" => tls_of(&mut read.tls, key)?.insecure = true,
                    "0" | "false" => {}
                    _ => return Err(wrong("insecure has no value, or true or false")),
                },
                _ => {
                    let known = "password_file, window, sessions, rate, ca, insecure";
                    return Err(wrong(format!("{key} is not known; known are: {known}")));
                }
            }
        }
        if !has_password {
            return Err(wrong("there is no password; add ?password_file=…"));
        }
        Ok(read)
    }
}

impl UpstreamUrl {
    /// The upstream as a configuration would have it; `at` tells several apart.
    pub(super) fn configure(&self, at: usize) -> (gateway::Upstream, smpp::Peer) {
        let id = format!("upstream-{}", at + 1);
        let usual = smpp::Peer::new(&id, &self.host, self.port);
        let peer = smpp::Peer {
            tls: self.tls.clone(),
            system_id: self.system_id.clone(),
            password: self.password.clone(),
            window: self.window.unwrap_or(usual.window),
            sessions: self.sessions.unwrap_or(usual.sessions),
            ..usual
        };
        (gateway::Upstream { rate: self.rate, ..config::default_upstream(id) }, peer)
    }
}

fn tls_of<'a>(tls: &'a mut Option<net::PeerTls>, key: &str) -> Result<&'a mut net::PeerTls, UrlError> {
    tls.as_mut().ok_or_else(|| wrong(format!("{key} has no meaning without TLS; write smpps://")))
}

/// Undoes the percent signs of a URL.
fn decoded(text: &str) -> Result<String, UrlError> {
    let flaw = || wrong("a % is followed by two hexadecimal digits");
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit = || rest.next().and_then(|c| char::from(c).to_digit(16)).ok_or_else(flaw);
        let value = digit()? * 16 + digit()?;
        octets.push(u8::try_from(value).map_err(|_| flaw())?);
    }
    String::from_utf8(octets).map_err(|_| wrong("it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (gateway::Upstream, smpp::Peer) {
        url.parse::<UpstreamUrl>().unwrap_or_else(|error| panic!("{url}: {error}")).configure(0)
    }

    #[test]
    fn everything_may_stand_in_the_url() {
        let (upstream, peer) =
            read("smpps://load:se%40cret@127.0.0.1:5772?window=50&sessions=4&rate=20&ca=/tmp/a.pem");
        assert_eq!((peer.host.as_str(), peer.port, peer.system_id.as_str()), ("127.0.0.1", 5772, "load"));
        assert_eq!((peer.window, peer.sessions), (50, 4));
        assert_eq!(upstream.rate.map(NonZeroU32::get), Some(20));
        assert_eq!(peer.password, net::Secret::new("se@cret"));
        assert_eq!(peer.tls.and_then(|tls| tls.ca), Some(PathBuf::from("/tmp/a.pem")));
        let (_, peer) = read("smpps://load:x@[::1]:1?insecure");
        assert!(peer.tls.is_some_and(|tls| tls.insecure));
        let (upstream, peer) = read("smpp://load:x@smsc.example.com?rate=0");
        assert_eq!((peer.port, peer.tls, upstream.rate), (2775, None, None));
    }

    #[test]
    fn the_password_may_lie_in_a_file() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "s3cret\n").expect("the file is ours");
        let url = format!("smpp://load@127.0.0.1:1?password_file={}", file.path().display());
        let read = url.parse::<UpstreamUrl>().expect("it is right");
        assert!(!read.has_open_password);
        assert_eq!(read.configure(0).1.password, net::Secret::new("s3cret"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, word) in [
            ("127.0.0.1:2775", "the form is"),
            ("http://u:hunter2@h:1", "not the URL"),
            ("smpp://h:1", "no user"),
            ("smpp://u@h:1", "no password"),
            ("smpp://u:hunter2@h:1?windw=1", "not known"),
            ("smpp://u:hunter2@h:1?window=x", "is a number"),
            ("smpp://u:hunter2@h:1?ca=/x", "without TLS"),
            ("smpp://u:hunter2@h:1?password_file=/x", "two passwords"),
            ("smpp://u:%zz@h:1", "hexadecimal"),
            ("smpp://0123456789abcdef:hunter2@h:1", "15 octets"),
        ] {
            let error = url.parse::<UpstreamUrl>().expect_err(url).to_string();
            assert!(error.contains(word), "{url}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
