//! `GET /metrics`: what the engine has counted, brought into the recorder as it is asked for.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics::{counter, gauge};

use super::Admin;
use crate::engine::Figures;
use crate::gateway::message::{Doubt, End};
use crate::pdu::CommandStatus;

/// Gauge: 1 when messages are taken.
const READY: &str = "trunkline_ready";
/// Counter: messages accepted, by `service`.
const ACCEPTED: &str = "trunkline_messages_accepted_total";
/// Counter: messages ended, by `service` and `end`.
const ENDED: &str = "trunkline_messages_ended_total";
/// Gauge: messages accepted and not ended, by `service`.
const WAITING: &str = "trunkline_messages_waiting";
/// Gauge: messages that wait for an upstream or are under way to it, by `service`.
const QUEUED: &str = "trunkline_messages_queued";
/// Counter: messages from mobiles, by `service`.
const INCOMING: &str = "trunkline_incoming_total";
/// Gauge: deliver_sm owed, by `service`.
const OWED: &str = "trunkline_deliveries_owed";
/// Gauge: dead letters, by `service`.
const DEAD: &str = "trunkline_dead_letters";
/// Gauge: segments of the current month, by `service`.
const MONTH: &str = "trunkline_month_segments";
/// Gauge: messages by `stage`: waiting, dispatched, sent (their receipt is pending), and notify (a deliver_sm is owed).
const STAGES: &str = "trunkline_messages";
/// Gauges by `upstream`.
const SESSIONS: &str = "trunkline_upstream_sessions";
const IN_FLIGHT: &str = "trunkline_upstream_in_flight";
const WINDOW: &str = "trunkline_upstream_window";
const PAUSED: &str = "trunkline_upstream_paused_sessions";
/// Counter: submissions refused, by `reason`.
const REFUSED: &str = "trunkline_submissions_refused_total";
/// Counter: refusing answers, by `upstream` and `status`.
const ANSWERS: &str = "trunkline_upstream_refusals_total";
/// Counter: what may have gone twice (SEMANTICS 1), by `kind` (dispatch, delivery) and `cause`.
const DOUBTS: &str = "trunkline_duplicates_total";

pub(super) async fn render(State(admin): State<Admin>) -> Response {
    gauge!(READY).set(if admin.unready().is_none() { 1.0 } else { 0.0 });
    if let Some(open) = admin.is_open() {
        record(&open.engine.figures());
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], admin.0.metrics.render()).into_response()
}

fn record(figures: &Figures) {
    for service in &figures.services {
        let id = || service.id.clone();
        let totals = &service.totals;
        counter!(ACCEPTED, "service" => id()).absolute(totals.accepted);
        for (end, count) in End::ALL.iter().zip(totals.ended) {
            counter!(ENDED, "service" => id(), "end" => end.name()).absolute(count);
        }
        counter!(INCOMING, "service" => id()).absolute(totals.incoming);
        for (name, value) in [
            (WAITING, totals.waiting()),
            (QUEUED, totals.queued),
            (OWED, totals.owed),
            (DEAD, totals.dead),
            (MONTH, totals.used),
        ] {
            gauge!(name, "service" => id()).set(float(value));
        }
    }
    for upstream in &figures.upstreams {
        let standing = &upstream.figures;
        for (name, value) in [
            (SESSIONS, standing.sessions),
            (IN_FLIGHT, standing.in_flight),
            (WINDOW, standing.window),
            (PAUSED, standing.paused),
        ] {
            gauge!(name, "upstream" => upstream.id.clone()).set(f64::from(value));
        }
    }
    let [waiting, dispatched, sent] = figures.stages;
    for (stage, value) in
        [("waiting", waiting), ("dispatched", dispatched), ("sent", sent), ("notify", figures.notify)]
    {
        gauge!(STAGES, "stage" => stage).set(float(value));
    }
    for (kind, doubts) in [("dispatch", figures.dispatch_doubts), ("delivery", figures.delivery_doubts)] {
        for (doubt, count) in Doubt::ALL.iter().zip(doubts) {
            counter!(DOUBTS, "kind" => kind, "cause" => doubt.name()).absolute(count);
        }
    }
    let counts = &figures.counts;
    for (refusal, count) in &counts.refused {
        counter!(REFUSED, "reason" => refusal.name()).absolute(*count);
    }
    for ((upstream, status), count) in &counts.answers {
        let id = figures
            .upstreams
            .get(usize::from(*upstream))
            .map(|upstream| upstream.id.clone())
            .unwrap_or_default();
        counter!(ANSWERS, "upstream" => id, "status" => CommandStatus(*status).to_string()).absolute(*count);
    }
    for (name, value) in [
        ("trunkline_receipts_repeated_total", counts.receipts_repeated),
        ("trunkline_receipts_transformed_total", counts.receipts_transformed),
        ("trunkline_receipts_ambiguous_total", counts.receipts_ambiguous),
        ("trunkline_receipts_unmatched_dropped_total", figures.unmatched_dropped),
        ("trunkline_incoming_repeated_total", counts.mo_repeated),
        ("trunkline_incoming_unrouted_total", figures.unrouted),
        ("trunkline_answers_late_total", counts.answers_late),
        ("trunkline_batches_total", figures.batches),
        ("trunkline_engine_busy_microseconds_total", figures.busy_us),
        ("trunkline_checkpoints_total", figures.checkpoints),
    ] {
        counter!(name).absolute(value);
    }
    for (name, value) in [
        ("trunkline_receipts_unmatched", figures.unmatched),
        ("trunkline_joins", figures.joins),
        ("trunkline_messages_in_memory", figures.live),
        ("trunkline_journal_bytes", figures.journal_octets),
    ] {
        gauge!(name).set(float(value));
    }
}

/// A gauge's value; exact up to 2^53.
fn float(value: u64) -> f64 {
    value as f64
}
