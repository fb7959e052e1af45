//! `[http]`: the façade's listener.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::general::listener;
use super::network;
use super::read::Section;
use super::tls;
use crate::http::{Config, Limits};
use crate::net::AllowFrom;
use crate::net::tls::Inside;

/// Where the façade is unless the file says so.
pub const HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// Connections to the façade at once; event streams are open for long.
pub(super) const CONNECTIONS_MAX: usize = 20_000;

/// The façade at `listen` with everything else as it is when nothing is said about it: plain, and open to every address.
pub fn defaults(listen: SocketAddr) -> Config {
    let limits = Limits { connections_max: CONNECTIONS_MAX, ..Limits::default() };
    Config { listen, tls: None, allow_from: None, limits }
}

/// The façade, and the private networks in which webhooks may be.
pub(super) fn read(mut section: Section<'_>) -> (Option<Config>, Option<AllowFrom>) {
    let listen = listener(&mut section, "listen", Some(HTTP));
    let is_plain = section.flag("plain_http", false);
    let names_certificate = section.has("certificate") || section.has("key");
    let is_loopback = listen.is_none_or(|listen| listen.ip().is_loopback());
    if is_plain && names_certificate {
        let remedy = "keep certificate and key, or plain_http";
        section.refuse("plain_http", "there is a certificate as well", remedy);
    } else if !is_loopback && !is_plain && !names_certificate {
        section.refuse(
            "listen",
            "passwords, tokens and texts would cross the network unprotected",
            "add certificate and key; or plain_http = true if a proxy of yours speaks TLS in front",
        );
    }
    if is_plain && !is_loopback {
        section.warn(
            "plain_http",
            "passwords, tokens and texts cross the network unprotected",
            "add certificate and key, unless a proxy of yours speaks TLS in front",
        );
    }
    let tls = tls::read(
        &mut section,
        listen.is_some() && names_certificate && !is_plain,
        Inside::Http,
        "leave both out on 127.0.0.1",
    );
    let allow_from = network::read_allow_from(&mut section, "allow_from");
    let usual = Limits { connections_max: CONNECTIONS_MAX, ..Limits::default() };
    let limits = Limits {
        connections_max: section.size_of("connections_max", usual.connections_max, 1, 1_000_000),
        ..usual
    };
    let allow_private = network::read_allow_from(&mut section, "allow_private");
    section.end();
    let tls = tls.map(Arc::new);
    (listen.map(|listen| Config { listen, tls, allow_from, limits }), allow_private)
}
