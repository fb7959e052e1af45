//! Between the façade's hooks and the upstreams that are pushed to: they do not know each other.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Clock;
use crate::config::Settings;
use crate::engine::Engine;
use crate::http::hooks::{Hook, Hooks, Received, Receiver};
use crate::remote::timetochat::{Inlet, Pushed, TimeToChat};

/// Upstreams that are reached by REST, and the hooks that belong to them.
#[derive(Debug)]
pub(super) struct Vendors {
    timetochat: Arc<TimeToChat>,
    hooks: Hooks,
}

impl Vendors {
    /// Begins to hold the lines, and opens the hooks.
    pub(super) fn start(settings: &Settings, engine: Engine, clock: Arc<Clock>, hooks: Hooks) -> Self {
        let timetochat = TimeToChat::start(&settings.vendors, engine, clock, settings.process.drain);
        let vendors = Self { timetochat: Arc::new(timetochat), hooks };
        vendors.open(&settings.inlets);
        vendors
    }

    /// Takes other upstreams and hooks over, once the engine has their settings.
    pub(super) fn configure(&self, settings: &Settings) {
        self.timetochat.configure(&settings.vendors);
        self.open(&settings.inlets);
    }

    /// Sends nothing more, and waits for what is under way. Pushes are taken until the engine stops.
    pub(super) async fn stop(&self, patience: std::time::Duration) {
        self.timetochat.stop(patience).await;
    }

    fn open(&self, inlets: &[Inlet]) {
        let hook = |inlet: &Inlet| Hook {
            name: inlet.upstream.clone(),
            path: inlet.path.clone(),
            allow_from: inlet.allow_from.clone(),
            receiver: Arc::new(ToInbox {
                timetochat: Arc::clone(&self.timetochat),
                upstream: inlet.upstream.clone(),
            }),
        };
        self.hooks.replace(inlets.iter().map(hook).collect());
    }
}

/// Takes what is pushed for one upstream to wherever its inbox is now.
struct ToInbox {
    timetochat: Arc<TimeToChat>,
    upstream: String,
}

impl Receiver for ToInbox {
    fn receive(&self, body: Bytes) -> Pin<Box<dyn Future<Output = Received> + Send + '_>> {
        Box::pin(async move {
            let Some(inbox) = self.timetochat.inbox(&self.upstream) else { return Received::Unavailable };
            match inbox.receive(&body).await {
                Pushed::Stored => Received::Stored,
                Pushed::Odd(why) => Received::Odd(why),
                Pushed::Unavailable => Received::Unavailable,
                Pushed::Unreadable(why) => Received::Unreadable(why),
            }
        })
    }
}
