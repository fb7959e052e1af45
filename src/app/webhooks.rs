//! Webhooks as they are sent to, out of the settings.

use std::sync::Arc;

use crate::config::Settings;
use crate::gateway::settings::EndpointKind;
use crate::push::{Endpoint, Errors, Kind};
use crate::vendor::timetochat::Vocabulary;

/// The webhooks of all services.
pub(super) fn endpoints(settings: &Settings) -> Vec<Endpoint> {
    let errors: Arc<Errors> = Arc::new(super::facade::errors(settings));
    let mut endpoints = Vec::new();
    for service in &settings.http_services {
        // The vendor's clients know a service by its login, the native ones by its name.
        let login = service.rest.as_ref().map_or(&service.service, |rest| &rest.id);
        let is_long = service.rest.as_ref().is_some_and(|rest| rest.long_states);
        for hook in &service.webhooks {
            let (name, kind) = match hook.kind {
                EndpointKind::PushCra => {
                    let vocabulary = if is_long { Vocabulary::Long } else { Vocabulary::Short };
                    (login, Kind::PushCra { vocabulary, errors: Arc::clone(&errors) })
                }
                EndpointKind::Native => {
                    let secrets = hook.secret.iter().chain(&hook.secret_old).cloned().collect();
                    (&service.service, Kind::Native { secrets })
                }
            };
            endpoints.push(Endpoint {
                concurrency: hook.concurrency,
                timeout: hook.timeout,
                allow_private: settings.allow_private.clone(),
                ca: hook.ca.clone(),
                ..Endpoint::new(&hook.id, name, kind, hook.url.clone())
            });
        }
    }
    endpoints
}
