//! What is mounted on the façade, and what it is told of the configuration.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::clock::Clock;
use crate::config::{HttpService, OutsideGsm, Settings};
use crate::engine::Engine;
use crate::gateway::settings::{Endpoint, Unknown};
use crate::http::facade::{self, Part};
use crate::http::hooks::{Hooks, Rejected};
use crate::http::mug::{self, Mug, Outside, SigningKey, Vocabulary};
use crate::http::v1::{self, V1};
use crate::http::{self, Limits, Server};
use crate::net::Gate;

/// The façade's listener, bound and not served yet.
pub(super) struct Bound {
    pub(super) server: Server,
    pub(super) limits: Limits,
}

impl Bound {
    pub(super) async fn bind(config: &http::Config, gate: &Arc<Gate>) -> Result<Self, StartError> {
        let addr = config.listen;
        let bound = http::bind(addr).await;
        let server = bound.map_err(|error| StartError::Listen { what: "http", addr, error })?;
        let server = server.named("facade").over(config.tls.clone()).behind(Arc::clone(gate));
        Ok(Self { server, limits: config.limits })
    }
}

/// The interfaces that applications use over HTTP.
#[derive(Debug)]
pub(super) struct Interfaces {
    v1: V1,
    mug: Mug,
    /// What the tokens of the vendor's methods are signed with.
    key: SigningKey,
    hooks: Hooks,
}

impl Interfaces {
    pub(super) fn new(settings: &Settings, key: SigningKey, engine: &Engine, clock: &Arc<Clock>) -> Self {
        let rejected = settings.engine.data_dir.join("hooks-rejected");
        Self {
            v1: V1::new(native(settings), engine.clone(), Arc::clone(clock)),
            mug: Mug::new(timetochat(settings, key.clone()), engine.clone(), Arc::clone(clock)),
            key,
            // Closed: nothing is under their paths until somebody receives.
            hooks: Hooks::new(Vec::new(), Rejected::new(rejected, Arc::clone(clock))),
        }
    }

    /// Takes other services, logins and keys over.
    pub(super) fn configure(&self, settings: &Settings) {
        self.v1.configure(native(settings));
        self.mug.configure(timetochat(settings, self.key.clone()));
    }

    /// Ends the event streams, which would not end by themselves.
    pub(super) fn end_streams(&self) {
        self.v1.end_streams();
    }

    /// All of it, refusing new requests once `closing` is cancelled.
    pub(super) fn router(&self, closing: CancellationToken) -> Router {
        let mut parts: Vec<Part> = facade::native(&self.v1);
        parts.extend(facade::timetochat(&self.mug));
        // What outside systems push comes once: it is taken as long as the engine is there.
        facade::until(closing, facade::router(parts)).merge(self.hooks.router())
    }

    /// Where outside systems push to.
    pub(super) fn hooks(&self) -> Hooks {
        self.hooks.clone()
    }
}

/// What the native API is told: who has a key may use it.
fn native(settings: &Settings) -> v1::Config {
    let services = settings.http_services.iter().filter(|service| !service.keys.is_empty());
    let rules = &settings.gateway.rules;
    v1::Config {
        services: services.clone().map(|service| access(settings, service)).collect(),
        keys: services.flat_map(|service| service.keys.iter().cloned()).collect(),
        timezone: rules.timezone.clone(),
        ..v1::Config::new(rules.country.clone())
    }
}

fn access(settings: &Settings, service: &HttpService) -> v1::ServiceAccess {
    let told = settings.gateway.services.iter().find(|told| told.id == service.service);
    let endpoints = told.map(|told| told.endpoints.as_slice()).unwrap_or_default();
    let webhook = |endpoint: &Endpoint| {
        let hook = service.webhooks.iter().find(|hook| hook.id == endpoint.id);
        v1::Webhook::of(endpoint, hook.and_then(|hook| hook.url.host()).unwrap_or_default())
    };
    v1::ServiceAccess {
        profile: service.profile,
        rate: service.rate,
        allow_from: service.allow_from.clone(),
        quota: told.map(v1::Quota::of).unwrap_or_default(),
        webhooks: endpoints.iter().map(webhook).collect(),
        ..v1::ServiceAccess::new(&service.service)
    }
}

/// What the vendor's methods are told: who has a login may use them.
fn timetochat(settings: &Settings, key: SigningKey) -> mug::Config {
    let account = |service: &HttpService| {
        let rest = service.rest.as_ref()?;
        Some(mug::Account {
            rest_id: rest.id.clone(),
            service: service.service.clone(),
            password: rest.password.clone(),
            rate: service.rate,
            vocabulary: if rest.long_states { Vocabulary::Long } else { Vocabulary::Short },
            outside: match rest.outside_gsm {
                OutsideGsm::Promote => Outside::Promote,
                OutsideGsm::Refuse => Outside::Refuse,
                OutsideGsm::Transliterate => Outside::Transliterate,
            },
            allow_from: service.allow_from.clone(),
        })
    };
    mug::Config {
        accounts: settings.http_services.iter().filter_map(account).collect(),
        errors: errors(settings),
        ..mug::Config::new(settings.gateway.rules.country.clone(), key)
    }
}

/// What error numbers of upstreams mean in the vendor's words. Who is reconciled speaks the vendor's REST, and reports errors
/// by the vendor's states.
pub(super) fn errors(settings: &Settings) -> HashMap<String, mug::Errors> {
    let upstreams =
        settings.gateway.upstreams.iter().filter(|upstream| upstream.unknown == Unknown::Reconcile);
    upstreams.map(|upstream| (upstream.id.clone(), mug::vendor_errors())).collect()
}
