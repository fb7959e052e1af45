//! A session's place in the engine.

use std::sync::Arc;

use crate::engine::{Engine, Mailbox};
use crate::gateway::id::LinkId;

/// An open link; closed when dropped, however the session ends.
pub(super) struct Link {
    engine: Engine,
    pub(super) id: LinkId,
    pub(super) mailbox: Arc<Mailbox>,
}

impl Link {
    pub(super) fn open(engine: &Engine) -> Self {
        let (id, mailbox) = engine.open_link();
        Self { engine: engine.clone(), id, mailbox }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.engine.close_link(self.id);
    }
}
