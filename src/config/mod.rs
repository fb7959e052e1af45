//! The configuration: files as written, settings as checked.
//!
//! [`load`] reads one TOML file and the folder that it includes, checks all of it, and returns [`Settings`] or every
//! problem that it found, each with its file, line, key and remedy. Nothing is bound, opened or created here.
//!
//! Reading is in sections ([`read::Section`]): the code that asks for a key is the only place that knows the key. What
//! a file leaves out has its default in the module whose business it is, or beside the reader of its section.

mod general;
mod http;
mod network;
mod problem;
mod read;
mod rest;
mod restart;
mod route;
mod rules;
mod secret;
mod service;
mod tls;
mod upstream;
pub(crate) mod value;
mod webhook;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use toml::de::DeTable;

pub use self::general::{ADMIN, Process, usual_threads};
pub use self::http::{HTTP, defaults as default_http};
pub use self::problem::{Place, Problem, Problems};
pub use self::rest::{HttpService, OutsideGsm, Rest};
pub use self::restart::needs_restart;
pub use self::rules::defaults as default_rules;
pub use self::secret::Secret;
pub use self::service::{BIND_LIMIT, DELIVER_WINDOW, RATE, WAITING_MAX};

pub use self::webhook::Webhook;

pub(crate) use self::secret::read_file as read_secret_file;
pub(crate) use self::upstream::{defaults as default_upstream, parse_target};

use self::problem::Flaw;
use self::read::{Document, Notes, Section};
use self::route::{Mention, Mentions};
use crate::gateway::settings as gateway;
use crate::remote::timetochat;
use crate::{engine, smpp, telemetry};

/// Everything that was configured, as checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The process.
    pub process: Process,
    /// Log format and level.
    pub log: telemetry::Config,
    /// Disk and memory; the directory that everything is kept in.
    pub engine: engine::Config,
    /// The SMPP server.
    pub smpp: smpp::Config,
    /// The HTTP façade. `None`: there is none.
    pub http: Option<crate::http::Config>,
    /// Where the admin listener is.
    pub admin: std::net::SocketAddr,
    /// Private networks in which webhooks may be. `None`: none.
    pub allow_private: Option<crate::net::AllowFrom>,
    /// The services as HTTP knows them, in their order.
    pub http_services: Vec<HttpService>,
    /// Who may bind; one for each service, in their order.
    pub accounts: Vec<smpp::Account>,
    /// How upstreams of kind `smpp` are reached, in their order.
    pub peers: Vec<smpp::Peer>,
    /// How upstreams of kind `timetochat` are reached, in their order.
    pub vendors: Vec<timetochat::Peer>,
    /// Where the vendor pushes to.
    pub inlets: Vec<timetochat::Inlet>,
    /// What the gateway's decisions depend on.
    pub gateway: gateway::Settings,
}

/// What [`load`] found.
#[derive(Debug)]
pub struct Loaded {
    /// Ready to start with.
    pub settings: Settings,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Problem>,
    /// Every key that was looked for, written as docs/CONFIG.md does (`service.rate`).
    pub keys: BTreeSet<String>,
}

/// Reads an address to listen on as the configuration writes it, for the command line.
///
/// # Errors
/// What is wrong with it and what to write instead, in one phrase.
pub fn listen_address(text: &str) -> Result<std::net::SocketAddr, String> {
    value::listen_address(text).map_err(|flaw| format!("{}: {}", flaw.what, flaw.remedy))
}

/// Reads a duration as the configuration writes it, for the command line.
///
/// # Errors
/// What is wrong with it and what to write instead, in one phrase.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    value::duration(text).map_err(|flaw| format!("{}: {}", flaw.what, flaw.remedy))
}

/// What the readers of sections share.
struct Context<'a> {
    notes: &'a Notes,
    environment: &'a dyn Fn(&str) -> Option<String>,
    timezone: TimeZone,
    country: String,
    allow_private: Option<crate::net::AllowFrom>,
}

/// Reads and checks the configuration in `path` and in its include folder.
///
/// # Errors
/// Every problem found, in the order of files and lines.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    load_with(path, &|name| std::env::var(name).ok())
}

/// As [`load`], with the environment given.
///
/// # Errors
/// Every problem found, in the order of files and lines.
pub fn load_with(path: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Problems> {
    let notes = Notes::default();
    let settings = read_all(path, &notes, environment);
    let mut problems = notes.problems.into_inner();
    match settings {
        Some(settings) if problems.is_empty() => {
            Ok(Loaded { settings, warnings: notes.warnings.into_inner(), keys: notes.keys.into_inner() })
        }
        _ => {
            problems.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
            Err(Problems(problems))
        }
    }
}

/// The lists that included files may add to, read from all files.
#[derive(Default)]
struct Lists {
    services: Vec<(Place, gateway::Service, smpp::Account, HttpService)>,
    upstreams: Vec<(Place, gateway::Upstream, upstream::Reached)>,
    routes: Vec<gateway::Route>,
    mo_routes: Vec<gateway::MoRoute>,
    mentions: Mentions,
}

impl Lists {
    fn read(&mut self, top: &mut Section<'_>, context: &Context<'_>) {
        for section in top.tables("service") {
            let place = section.place.clone();
            let (service, account, http) = service::read(section, context);
            self.services.push((place, service, account, http));
        }
        for section in top.tables("upstream") {
            let place = section.place.clone();
            let (upstream, reached) = upstream::read(section, context);
            self.upstreams.push((place, upstream, reached));
        }
        for section in top.tables("route") {
            self.routes.push(route::read(section, context, &mut self.mentions));
        }
        for section in top.tables("mo_route") {
            self.mo_routes.push(route::read_mo(section, context, &mut self.mentions));
        }
    }

    /// Ids that appear twice, names that nothing has, lists that are empty.
    fn check(&self, main: &Place, notes: &Notes) {
        let services =
            unique(notes, "service", "id", self.services.iter().map(|(place, s, ..)| (place, s.id.as_str())));
        let upstreams = unique(
            notes,
            "upstream",
            "id",
            self.upstreams.iter().map(|(place, u, _)| (place, u.id.as_str())),
        );
        let system_ids =
            self.services.iter().map(|(place, _, account, _)| (place, account.system_id.as_str()));
        unique(notes, "service", "system_id", system_ids);
        self.check_http(notes);
        known(notes, &self.mentions.services, &services, "service");
        known(notes, &self.mentions.upstreams, &upstreams, "upstream");
        if self.services.is_empty() {
            notes.warning(
                main,
                "service",
                Flaw::new("there is no service", "nobody can bind until there is a [[service]]"),
            );
        }
        if self.routes.is_empty() {
            let flaw = Flaw::new(
                "there is no route",
                "messages are refused until there is a [[route]] with upstreams",
            );
            notes.warning(main, "route", flaw);
        }
    }
}

impl Lists {
    /// Names and keys of the HTTP side that appear twice.
    fn check_http(&self, notes: &Notes) {
        let https = || self.services.iter().map(|(place, _, _, http)| (place, http));
        let logins = https().filter_map(|(place, http)| Some((place, http.rest.as_ref()?.id.as_str())));
        unique(notes, "service", "rest_id", logins);
        for (place, http) in https() {
            let names = http.keys.iter().map(|key| (place, key.id.as_str()));
            unique(notes, "service.key", "id", names);
            let names = http.webhooks.iter().map(|hook| (place, hook.id.as_str()));
            unique(notes, "service.webhook", "id", names);
        }
        let mut opened = HashMap::new();
        for (place, http) in https() {
            for key in &http.keys {
                if let Some(other) = opened.insert(key.secret_sha256, (&http.service, &key.id)) {
                    let what = format!("the key \"{}\" is that of {}.{}", key.id, other.0, other.1);
                    let remedy = "give each its own: openssl rand -hex 32";
                    notes.problem(place, &format!("service.{}.key", http.service), Flaw::new(what, remedy));
                }
            }
        }
    }
}

fn read_all(path: &Path, notes: &Notes, environment: &dyn Fn(&str) -> Option<String>) -> Option<Settings> {
    let main = read_document(path, notes)?;
    let table = parse(&main, notes)?;
    let mut top = Section::top(notes, &main, &table);

    let data_dir = general::read_data_dir(&mut top);
    let process = general::read_process(&mut top);
    let log = general::read_log(top.table("log"));
    let engine = general::read_store(top.table("store"), data_dir);
    let smpp = general::read_smpp(top.table("smpp"), process.drain);
    let (http, allow_private) = http::read(top.table("http"));
    let admin = general::read_admin(top.table("admin"));
    let rules = rules::read(top.table("rules"));
    let context = Context {
        notes,
        environment,
        timezone: rules.timezone.clone(),
        country: rules.country.clone(),
        allow_private: allow_private.clone(),
    };

    let mut lists = Lists::default();
    lists.read(&mut top, &context);
    for file in included(&mut top) {
        let Some(document) = read_document(&file, notes) else { continue };
        let Some(table) = parse(&document, notes) else { continue };
        let mut part = Section::top(notes, &document, &table);
        lists.read(&mut part, &context);
        part.end();
    }
    lists.check(&top.place, notes);
    top.end();

    let (mut services, mut accounts, mut http_services) = (Vec::new(), Vec::new(), Vec::new());
    for (_, service, account, http) in lists.services {
        services.push(service);
        accounts.push(account);
        http_services.push(http);
    }
    let (mut upstreams, mut peers) = (Vec::new(), Vec::new());
    let (mut vendors, mut inlets) = (Vec::new(), Vec::new());
    for (_, upstream, reached) in lists.upstreams {
        upstreams.push(upstream);
        match reached {
            upstream::Reached::Smpp(peer) => peers.push(peer),
            upstream::Reached::TimeToChat(vendor, inlet) => {
                vendors.push(vendor);
                inlets.extend(inlet);
            }
        }
    }
    let (routes, mo_routes) = (lists.routes, lists.mo_routes);
    let gateway = gateway::Settings { services, upstreams, routes, mo_routes, rules };
    Some(Settings {
        process,
        log,
        engine,
        smpp,
        http,
        admin,
        allow_private,
        http_services,
        accounts,
        peers,
        vendors,
        inlets,
        gateway,
    })
}

fn read_document(path: &Path, notes: &Notes) -> Option<Document> {
    match fs::read_to_string(path) {
        Ok(text) => Some(Document { path: Arc::from(path), text }),
        Err(error) => {
            let flaw = Flaw::new(
                format!("cannot be read: {error}"),
                "trunkline.example.toml shows what it looks like",
            );
            notes.problem(&Place::file(path), "", flaw);
            None
        }
    }
}

/// The file's tree; `None` when its syntax is wrong, which is noted with every place.
fn parse<'a>(document: &'a Document, notes: &Notes) -> Option<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(&document.text);
    for error in &errors {
        let place = document.place(error.span().map_or(0, |span| span.start));
        notes.problem(&place, "", Flaw::new(format!("this is not TOML: {}", error.message()), ""));
    }
    errors.is_empty().then(|| table.into_inner())
}

/// The files of the include folder, by name.
fn included(top: &mut Section<'_>) -> Vec<PathBuf> {
    let Some(folder) = top.path("include") else { return Vec::new() };
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) => {
            let what = format!("{} cannot be read: {error}", folder.display());
            top.refuse("include", what, "name a folder of further .toml files, or leave it out");
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

/// Notes names that appear twice, and returns all of them.
fn unique<'a>(
    notes: &Notes,
    kind: &str,
    key: &str,
    names: impl Iterator<Item = (&'a Place, &'a str)>,
) -> HashSet<&'a str> {
    let mut first: HashMap<&str, &Place> = HashMap::new();
    for (place, name) in names.filter(|(_, name)| !name.is_empty()) {
        if let Some(before) = first.insert(name, place) {
            let what = format!("\"{name}\" is taken by the {kind} at {before}");
            notes.problem(
                place,
                &format!("{kind}.{key}"),
                Flaw::new(what, format!("give each {kind} its own {key}")),
            );
        }
    }
    first.into_keys().collect()
}

/// Notes the mentions of names that nothing has.
fn known(notes: &Notes, mentions: &[Mention], names: &HashSet<&str>, kind: &str) {
    for mention in mentions.iter().filter(|mention| !names.contains(mention.name.as_str())) {
        let remedy = match value::nearest(&mention.name, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("add a [[{kind}]] with id = \"{}\"", mention.name),
        };
        let flaw = Flaw::new(format!("there is no {kind} \"{}\"", mention.name), remedy);
        notes.problem(&mention.place, &mention.key, flaw);
    }
}
