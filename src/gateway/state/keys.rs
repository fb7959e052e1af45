//! What requests and MO are known by for a day, so that repetitions are recognised.

use std::collections::HashMap;

use super::super::cold::{Cold, Lost};
use super::super::id::{MessageId, ServiceNo, UpstreamNo};

/// Whose keys.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Scope(pub u16);

impl Scope {
    const UPSTREAMS: u16 = 0x8000;

    /// Idempotency keys of a service.
    pub fn service(no: ServiceNo) -> Self {
        Self(no.0)
    }

    /// MO of an upstream.
    pub fn upstream(no: UpstreamNo) -> Self {
        Self(no.0 | Self::UPSTREAMS)
    }
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Known {
    /// Hash of the request; zeros for an MO.
    pub digest: [u8; 16],
    /// The message.
    pub id: MessageId,
    /// UTC milliseconds since when.
    pub at_ms: u64,
}

/// Keys since the last checkpoint; older ones are rows.
#[derive(Debug, Default)]
pub(super) struct Keys {
    live: HashMap<(Scope, [u8; 16]), Known, ahash::RandomState>,
    dirty: Vec<(Scope, [u8; 16])>,
}

impl Keys {
    pub(super) fn insert(&mut self, scope: Scope, key: [u8; 16], known: Known) {
        self.live.insert((scope, key), known);
        self.dirty.push((scope, key));
    }

    /// What a key stands for if it is younger than `life_ms`.
    pub(super) fn find(
        &self,
        cold: &dyn Cold,
        scope: Scope,
        key: [u8; 16],
        now_ms: u64,
        life_ms: u64,
    ) -> Result<Option<Known>, Lost> {
        let since = now_ms.saturating_sub(life_ms);
        let known = match self.live.get(&(scope, key)) {
            Some(known) => Some(*known),
            None => cold.key(scope, key, since, now_ms)?,
        };
        Ok(known.filter(|known| known.at_ms >= since))
    }

    /// Those that no checkpoint has taken.
    pub(super) fn drain(&mut self, mut each: impl FnMut(Scope, [u8; 16], Known)) -> Vec<(Scope, [u8; 16])> {
        let dirty = std::mem::take(&mut self.dirty);
        for &(scope, key) in &dirty {
            if let Some(known) = self.live.get(&(scope, key)) {
                each(scope, key, *known);
            }
        }
        dirty
    }

    /// Their rows are on disk.
    pub(super) fn shipped(&mut self, keys: &[(Scope, [u8; 16])]) {
        for key in keys {
            self.live.remove(key);
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }
}
