//! What is counted and numbered.

use super::super::id::{Outlet, ServiceNo, UpstreamNo};

/// How many messages of a service have come to what (SEMANTICS 18).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Accepted ever.
    pub accepted: u64,
    /// Ended ever, in the order of [`End::ALL`].
    pub ended: [u64; 5],
    /// Waiting for an upstream or under way to it (the limit `waiting_max` counts these).
    pub queued: u64,
    /// MO received ever.
    pub incoming: u64,
    /// Deliveries that are owed.
    pub owed: u64,
    /// Dead letters.
    pub dead: u64,
    /// The month of `used`, as yyyymm.
    pub month: u32,
    /// Segments billed in that month.
    pub used: u64,
}

impl Totals {
    /// Accepted and not ended.
    pub fn waiting(&self) -> u64 {
        self.accepted.saturating_sub(self.ended.iter().sum())
    }
}

/// What is owed to a webhook.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutletTotals {
    /// Its id.
    pub name: String,
    /// Whose it is.
    pub service: ServiceNo,
    /// Deliveries that are owed.
    pub owed: u64,
    /// Dead letters.
    pub dead: u64,
}

impl Counters {
    /// The name of an endpoint.
    pub(super) fn name_outlet(&mut self, outlet: Outlet, service: ServiceNo, name: String) {
        let Some(at) = outlet.endpoint_number() else { return };
        while self.outlets.len() <= at {
            self.outlets.push(OutletTotals { name: String::new(), service, owed: 0, dead: 0 });
        }
        self.outlets[at].name = name;
        self.outlets[at].service = service;
    }

    /// What is owed to an endpoint, and its dead letters.
    pub(super) fn owed_by(&mut self, outlet: Outlet) -> (&mut u64, &mut u64) {
        let at = outlet.endpoint_number().unwrap_or(0);
        while self.outlets.len() <= at {
            let service = ServiceNo(u16::MAX);
            self.outlets.push(OutletTotals { name: String::new(), service, owed: 0, dead: 0 });
        }
        let totals = &mut self.outlets[at];
        (&mut totals.owed, &mut totals.dead)
    }
}

/// All that is counted or numbered, and the names that numbers stand for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Service ids by number.
    pub services: Vec<String>,
    /// Upstream ids by number.
    pub upstreams: Vec<String>,
    /// Per service.
    pub totals: Vec<Totals>,
    /// Messages waiting, dispatched, and sent.
    pub stages: [u64; 3],
    /// The newest place in a queue.
    pub place: u64,
    /// The newest number of a delivery.
    pub delivery: u64,
    /// The newest number of a parked receipt.
    pub parked: u64,
    /// The newest number of a set.
    pub set: u64,
    /// Seconds of the newest message id.
    pub seconds: u32,
    /// Parts sent again, in the order of [`Doubt::ALL`].
    pub dispatch_doubts: [u64; 3],
    /// Deliveries sent again, in the order of [`Doubt::ALL`].
    pub delivery_doubts: [u64; 3],
    /// MO for numbers of no service.
    pub unrouted: u64,
    /// Receipts dropped since too many had no message, or after their time.
    pub unmatched_dropped: u64,
    /// Forms of ids learned, by upstream.
    pub forms: Vec<(UpstreamNo, u8)>,
    /// Webhooks by number.
    pub outlets: Vec<OutletTotals>,
    /// The newest number of an event.
    pub event: u64,
}
