//! What webhooks count.

use std::collections::HashMap;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

/// Counter: requests by `endpoint` and `outcome`.
pub const DELIVERIES_TOTAL: &str = "trunkline_webhook_deliveries_total";
/// Gauge: requests under way, by `endpoint`.
pub const IN_FLIGHT: &str = "trunkline_webhook_in_flight";
/// Gauge: 0 all is sent, 1 one request tries whether it works again, 2 nothing is sent; by `endpoint`.
pub const BREAKER: &str = "trunkline_webhook_breaker";
/// Histogram: seconds from the beginning of a request to the end of its answer, by `endpoint`.
pub const SECONDS: &str = "trunkline_webhook_seconds";

/// Says what the metrics are. To be called once the recorder is installed.
pub fn describe() {
    describe_counter!(DELIVERIES_TOTAL, "Webhook requests by endpoint and outcome.");
    describe_gauge!(IN_FLIGHT, "Webhook requests under way, by endpoint.");
    describe_gauge!(BREAKER, "Whether an endpoint is sent to: 0 yes, 1 one trial, 2 no.");
    describe_histogram!(SECONDS, Unit::Seconds, "Time of webhook requests, by endpoint.");
}

/// Handles of one endpoint.
pub(super) struct Metrics {
    endpoint: String,
    deliveries: HashMap<&'static str, Counter>,
    pub(super) in_flight: Gauge,
    pub(super) breaker: Gauge,
    pub(super) seconds: Histogram,
}

impl Metrics {
    pub(super) fn new(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            deliveries: HashMap::new(),
            in_flight: gauge!(IN_FLIGHT, "endpoint" => endpoint.to_owned()),
            breaker: gauge!(BREAKER, "endpoint" => endpoint.to_owned()),
            seconds: histogram!(SECONDS, "endpoint" => endpoint.to_owned()),
        }
    }

    /// Counts one request.
    pub(super) fn count(&mut self, outcome: &'static str) {
        let endpoint = &self.endpoint;
        self.deliveries
            .entry(outcome)
            .or_insert_with(
                || counter!(DELIVERIES_TOTAL, "endpoint" => endpoint.clone(), "outcome" => outcome),
            )
            .increment(1);
    }
}
