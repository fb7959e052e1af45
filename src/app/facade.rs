//! What is mounted on the façade, and what it is told of the configuration.

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::clock::Clock;
use crate::config::{HttpService, Settings};
use crate::engine::Engine;
use crate::http::facade::{self, Part};
use crate::http::hooks::{Hooks, Rejected};
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
    hooks: Hooks,
}

impl Interfaces {
    pub(super) fn new(settings: &Settings, engine: &Engine, clock: &Arc<Clock>) -> Self {
        let rejected = settings.engine.data_dir.join("hooks-rejected");
        Self {
            v1: V1::new(native(settings), engine.clone(), Arc::clone(clock)),
            // Closed: nothing is under their paths until somebody receives.
            hooks: Hooks::new(Vec::new(), Rejected::new(rejected, Arc::clone(clock))),
        }
    }

    /// Takes other services, logins and keys over.
    pub(super) fn configure(&self, settings: &Settings) {
        self.v1.configure(native(settings));
    }

    /// All of it, refusing new requests once `closing` is cancelled.
    pub(super) fn router(&self, closing: CancellationToken) -> Router {
        let parts: Vec<Part> = facade::native(&self.v1);
        facade::until(closing, facade::router(parts).merge(self.hooks.router()))
    }

    /// Where outside systems push to.
    pub(super) fn hooks(&self) -> Hooks {
        self.hooks.clone()
    }
}

/// What the native API is told: who has a key may use it.
fn native(settings: &Settings) -> v1::Config {
    let services = settings.http_services.iter().filter(|service| !service.keys.is_empty());
    let access = |service: &HttpService| v1::ServiceAccess {
        id: service.service.clone(),
        profile: service.profile,
        rate: service.rate,
        allow_from: service.allow_from.clone(),
    };
    v1::Config {
        services: services.clone().map(access).collect(),
        keys: services.flat_map(|service| service.keys.iter().cloned()).collect(),
        ..v1::Config::new(settings.gateway.rules.country.clone())
    }
}
