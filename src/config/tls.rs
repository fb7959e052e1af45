//! What a TLS listener shows and asks for: `certificate`, `key`, `client_ca`.

use std::fs;

use super::read::Section;
use crate::net::tls::{Identity, Inside, ServerTls};

/// Reads the three keys of a listener. `None` when it needs no TLS, or what is wrong was noted; `off` says how TLS is
/// done without.
pub(super) fn read(
    section: &mut Section<'_>,
    is_needed: bool,
    inside: Inside,
    off: &str,
) -> Option<ServerTls> {
    let certificate = section.path("certificate");
    let key = section.path("key");
    let client_ca = section.path("client_ca");
    if !is_needed {
        if client_ca.is_some() {
            section.refuse("client_ca", "there is no TLS to check it in", "speak TLS, or leave it out");
        }
        return None;
    }
    for (name, path) in [("certificate", &certificate), ("key", &key)] {
        if path.is_none() && !section.has(name) {
            section.refuse(name, "is missing", format!("add {name} = \"….pem\", or {off}"));
        }
    }
    let clients = client_ca.map(|path| {
        let text = fs::read_to_string(&path);
        text.map_err(|error| {
            let what = format!("{} cannot be read: {error}", path.display());
            section.refuse("client_ca", what, "name a PEM file with the certificates that sign clients'");
        })
    });
    let identity = match Identity::read(&certificate?, &key?) {
        Ok(identity) => identity,
        Err(error) => {
            section.refuse(
                "certificate",
                with_cause(&error),
                "name readable PEM files as certificate and key",
            );
            return None;
        }
    };
    let clients = clients.transpose().ok()?;
    match ServerTls::new(&identity, None, inside) {
        Ok(tls) if clients.is_none() => return Some(tls),
        Ok(_) => {}
        Err(error) => {
            section.refuse("certificate", with_cause(&error), "name a PEM certificate and its own key");
            return None;
        }
    }
    match ServerTls::new(&identity, clients.as_deref(), inside) {
        Ok(tls) => Some(tls),
        Err(error) => {
            let remedy = "name a PEM file with the certificates that sign clients'";
            section.refuse("client_ca", with_cause(&error), remedy);
            None
        }
    }
}

/// An error and what caused it, in one phrase.
pub(super) fn with_cause(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", with_cause(cause)),
        None => error.to_string(),
    }
}
