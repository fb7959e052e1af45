//! The engine as the source of streams.

use tokio::sync::watch;

use super::view::EventView;
use crate::engine::{Engine, Events};
use crate::gateway::cold::Lost;
use crate::gateway::id::ServiceNo;
use crate::http::v1::stream::{Draft, Reading, Source};

/// Reads events of the engine and puts them into JSON.
#[derive(Debug)]
pub(in crate::http::v1) struct EngineSource(pub(in crate::http::v1) Engine);

impl Source for EngineSource {
    fn read(&self, service: ServiceNo, after: u64) -> Result<Reading, Lost> {
        let (events, next) = match self.0.events(service, after, EVENTS_MAX)? {
            Events::TooOld { oldest } => return Ok(Reading::TooOld { oldest }),
            Events::Some { events, next } => (events, next),
        };
        let mut draft = Draft::default();
        for event in &events {
            let view = EventView::of(event, &self.0)?;
            let data = serde_json::to_vec(&view).map_err(|error| Lost(Box::new(error)))?;
            draft.push(event.seq, event.kind, &data);
            if draft.is_full() {
                return Ok(Reading::Page(draft));
            }
        }
        draft.reaches(next);
        Ok(Reading::Page(draft))
    }

    fn newest(&self) -> watch::Receiver<u64> {
        self.0.newest_event()
    }
}

/// Events read at once: about a page of the shortest.
const EVENTS_MAX: usize = 64;
