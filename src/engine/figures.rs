//! What the engine counts, for metrics and for people.

use std::collections::BTreeMap;

use super::core::{Core, Failure};
use crate::gateway::port::Refusal;
use crate::gateway::state::Totals;
use crate::gateway::{OutletFigures, UpstreamFigures};

/// A picture of the engine.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// By service number.
    pub services: Vec<ServiceFigures>,
    /// By upstream number.
    pub upstreams: Vec<UpstreamStanding>,
    /// Webhooks by number.
    pub endpoints: Vec<EndpointStanding>,
    /// Messages waiting, dispatched, and sent (their receipt is pending).
    pub stages: [u64; 3],
    /// Deliveries owed to services.
    pub notify: u64,
    /// Parts sent upstream again, by [`Doubt`](crate::gateway::message::Doubt).
    pub dispatch_doubts: [u64; 3],
    /// Deliveries sent again, by [`Doubt`](crate::gateway::message::Doubt).
    pub delivery_doubts: [u64; 3],
    /// MO for numbers of no service.
    pub unrouted: u64,
    /// Receipts without a message that are kept.
    pub unmatched: u64,
    /// Receipts without a message that were dropped.
    pub unmatched_dropped: u64,
    /// Sets of parts of long MO.
    pub joins: u64,
    /// Counted since the start of the run.
    pub counts: Counts,
    /// Messages in memory.
    pub live: u64,
    /// Octets of journal on disk.
    pub journal_octets: u64,
    /// Batches synced since the start of the run.
    pub batches: u64,
    /// Microseconds spent deciding, writing and syncing since the start of the run.
    pub busy_us: u64,
    /// Checkpoints made.
    pub checkpoints: u64,
    /// Whether messages are taken, and if not why.
    pub health: Health,
}

/// Counted since the start of the run.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Refused submissions by reason.
    pub refused: BTreeMap<Refusal, u64>,
    /// Refusing answers by upstream number and status.
    pub answers: BTreeMap<(u16, u32), u64>,
    /// Receipts that repeated what was known.
    pub receipts_repeated: u64,
    /// Receipts matched in another form of their id.
    pub receipts_transformed: u64,
    /// Receipts that more than one message could have been meant by.
    pub receipts_ambiguous: u64,
    /// MO dropped as repetitions.
    pub mo_repeated: u64,
    /// Answers that came after their time.
    pub answers_late: u64,
}

/// How a service stands.
#[derive(Clone, Debug, Default)]
pub struct ServiceFigures {
    /// Its id.
    pub id: String,
    /// Its counters.
    pub totals: Totals,
}

/// How an upstream stands.
#[derive(Clone, Debug, Default)]
pub struct UpstreamStanding {
    /// Its id.
    pub id: String,
    /// Its sessions and windows.
    pub figures: UpstreamFigures,
}

/// How a webhook stands.
#[derive(Clone, Debug, Default)]
pub struct EndpointStanding {
    /// Its id: `service/name`.
    pub id: String,
    /// The number of its service.
    pub service: u16,
    /// Deliveries that are owed.
    pub owed: u64,
    /// Dead letters.
    pub dead: u64,
    /// Its link.
    pub figures: OutletFigures,
}

/// Whether new messages are taken.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Health {
    /// They are.
    pub ready: bool,
    /// If not, why.
    pub why: Option<String>,
}

impl Figures {
    /// The picture of `core`; `failure` is why it does not work at the moment.
    pub(super) fn of(core: &Core, failure: Option<&Failure>) -> Self {
        let why = failure.map(ToString::to_string);
        let Some(gateway) = core.gateway() else {
            return Self { health: Health { ready: false, why }, ..Self::default() };
        };
        let state = gateway.state();
        let c = &state.counters;
        let totals = |at: usize| c.totals.get(at).copied().unwrap_or_default();
        let standing = gateway.upstream_figures();
        let endpoints = gateway.endpoint_figures();
        Self {
            services: c
                .services
                .iter()
                .enumerate()
                .map(|(at, id)| ServiceFigures { id: id.clone(), totals: totals(at) })
                .collect(),
            upstreams: c
                .upstreams
                .iter()
                .enumerate()
                .map(|(at, id)| UpstreamStanding {
                    id: id.clone(),
                    figures: standing.get(at).copied().unwrap_or_default(),
                })
                .collect(),
            endpoints: c
                .outlets
                .iter()
                .enumerate()
                .map(|(at, o)| EndpointStanding {
                    id: o.name.clone(),
                    service: o.service.0,
                    owed: o.owed,
                    dead: o.dead,
                    figures: endpoints.get(at).copied().unwrap_or_default(),
                })
                .collect(),
            stages: c.stages,
            notify: c.totals.iter().map(|t| t.owed).chain(c.outlets.iter().map(|o| o.owed)).sum(),
            dispatch_doubts: c.dispatch_doubts,
            delivery_doubts: c.delivery_doubts,
            unrouted: c.unrouted,
            unmatched: state.parked().len() as u64,
            unmatched_dropped: c.unmatched_dropped,
            joins: state.sets_len() as u64,
            counts: Counts {
                refused: gateway.counts.refused.clone(),
                answers: gateway.counts.answers.iter().map(|((u, s), n)| ((u.0, *s), *n)).collect(),
                receipts_repeated: gateway.counts.receipts_repeated,
                receipts_transformed: gateway.counts.receipts_transformed,
                receipts_ambiguous: gateway.counts.receipts_ambiguous,
                mo_repeated: gateway.counts.mo_repeated,
                answers_late: gateway.counts.answers_late,
            },
            live: state.live_len() as u64,
            journal_octets: core.journal_octets(),
            health: {
                let low = gateway.is_disk_low().then(|| "the disk is below its reserve".to_owned());
                let why = why.or(low);
                Health { ready: why.is_none(), why }
            },
            ..Self::default()
        }
    }
}
