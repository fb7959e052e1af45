//! Reading the configuration again while everything runs (SEMANTICS 21).
//!
//! All of it is checked first, and a fault changes nothing. Then certificates, services, upstreams, routes and rules
//! are swapped: the engine takes them first, so that it knows whoever comes, then those through whom they come. Sessions
//! of what stays go on. What holds from the start only is named in the answer.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{Running, Signals};
use crate::config::{self, Loaded, Problem, Settings};
use crate::http::admin::{Complaint, Open, ReloadAsked, Reloaded};

/// How long the engine may take to know new services and upstreams.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is asked.
const LOOK: Duration = Duration::from_millis(10);

impl Running {
    /// Reloads the configuration in `path` whenever somebody asks for it, by SIGHUP or through the admin listener, until
    /// the process is asked to stop.
    pub async fn reload_until_stopped(&self, path: &Path, signals: &Signals) {
        let mut asked = self.admin.reloads();
        loop {
            let answer = tokio::select! {
                () = signals.stopped() => return,
                () = signals.hung_up() => None,
                Some(ReloadAsked(answer)) = asked.recv() => Some(answer),
            };
            let reloaded = self.reload(path).await;
            tell(&reloaded);
            if let Some(answer) = answer {
                // Who asked may have gone.
                let _ = answer.send(reloaded);
            }
        }
    }

    /// Reads the configuration in `path` again and puts it in force, or changes nothing.
    pub async fn reload(&self, path: &Path) -> Reloaded {
        let path = path.to_owned();
        match tokio::task::spawn_blocking(move || config::load(&path)).await {
            Ok(Ok(Loaded { settings, warnings, .. })) => self.take_over(settings, &warnings).await,
            Ok(Err(problems)) => Reloaded::Refused(problems.0.iter().map(complaint).collect()),
            Err(_) => Reloaded::Failed("reading the configuration has failed; the log says where".into()),
        }
    }

    async fn take_over(&self, settings: Settings, warnings: &[Problem]) -> Reloaded {
        let gateway = Arc::new(settings.gateway.clone());
        if self.engine.configure(Arc::clone(&gateway)).await.is_err() {
            return Reloaded::Failed("the engine stops".into());
        }
        let endpoints = || gateway.services.iter().flat_map(|service| &service.endpoints);
        let knows_all = || {
            gateway.services.iter().all(|service| self.engine.service(&service.id).is_some())
                && gateway.upstreams.iter().all(|upstream| self.engine.upstream(&upstream.id).is_some())
                && endpoints().all(|endpoint| self.engine.outlet(&endpoint.id).is_some())
        };
        let known = async {
            while !knows_all() {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, known).await.is_err() {
            // They get ESME_RSYSERR until it does; what was configured before works.
            tracing::error!("the engine does not take the new services and upstreams yet");
        }
        self.smpp.configure(&settings.accounts, &settings.peers);
        self.interfaces.configure(&settings);
        if let Err(error) = self.push.configure(super::webhooks::endpoints(&settings)) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "webhooks are sent to as before");
        }
        self.vendors.configure(&settings);
        self.show(&settings);
        self.admin.open(open(&self.engine, &settings));
        let mut running = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let needs_restart = config::needs_restart(&running, &settings);
        let (services, upstreams) = (settings.gateway.services.len(), settings.gateway.upstreams.len());
        running.accounts = settings.accounts;
        running.peers = settings.peers;
        running.http_services = settings.http_services;
        running.allow_private = settings.allow_private;
        running.vendors = settings.vendors;
        running.inlets = settings.inlets;
        running.gateway = settings.gateway;
        let warnings = warnings.iter().map(complaint).collect();
        Reloaded::Done { warnings, needs_restart, services, upstreams }
    }

    /// Shows new certificates, and lets others in, where it listens already.
    fn show(&self, settings: &Settings) {
        let running = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |settings: &Settings| settings.smpp.listeners.iter().find_map(|l| l.tls.clone());
        if let (Some(shown), Some(new)) = (shown(&running), shown(settings)) {
            shown.replace(&new);
        }
        if let (Some(http), Some(new)) = (&running.http, &settings.http) {
            if let (Some(shown), Some(new)) = (&http.tls, &new.tls) {
                shown.replace(new);
            }
            self.gate.replace(new.allow_from.clone());
        }
    }
}

/// What the admin listener needs of the settings.
pub(super) fn open(engine: &crate::engine::Engine, settings: &Settings) -> Open {
    let services = || settings.gateway.services.iter();
    let webhooks = settings.http_services.iter().flat_map(|service| &service.webhooks);
    Open {
        engine: engine.clone(),
        country: settings.gateway.rules.country.clone(),
        services: services().map(|service| service.id.clone()).collect(),
        listed: services().filter(|service| service.watched).map(|service| service.id.clone()).collect(),
        endpoints: webhooks.map(|webhook| (webhook.id.clone(), webhook.concurrency)).collect(),
    }
}

fn complaint(problem: &Problem) -> Complaint {
    Complaint {
        file: problem.place.file.display().to_string(),
        line: problem.place.line,
        key: problem.key.clone(),
        what: problem.what.clone(),
        remedy: problem.remedy.clone(),
    }
}

/// The log's word on a reload.
fn tell(reloaded: &Reloaded) {
    let each = |complaints: &[Complaint]| {
        for Complaint { file, line, key, what, remedy } in complaints {
            tracing::warn!(file, line, key, remedy, "{what}");
        }
    };
    match reloaded {
        Reloaded::Done { warnings, needs_restart, services, upstreams } => {
            each(warnings);
            tracing::info!(services, upstreams, "the configuration was read anew");
            if !needs_restart.is_empty() {
                tracing::warn!(keys = needs_restart.join(", "), "these hold after a restart only");
            }
        }
        Reloaded::Refused(problems) => {
            each(problems);
            tracing::error!(
                problems = problems.len(),
                "the configuration cannot be used; nothing has changed"
            );
        }
        Reloaded::Failed(why) => tracing::error!(why, "the configuration was not read anew"),
    }
}
