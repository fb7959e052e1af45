//! What SMPP counts. Handles are made once: no name is looked up per PDU.

use metrics::{Counter, Gauge, counter, gauge};

use crate::pdu::{CommandId, Header};
use crate::session::{CloseReason, Role};

/// Counter: binds that stand, by our `role` and `mode`.
pub const BINDS_TOTAL: &str = "trunkline_smpp_binds_total";
/// Counter: binds that were refused, by our `role` and `reason`.
pub const BINDS_REFUSED_TOTAL: &str = "trunkline_smpp_binds_refused_total";
/// Gauge: sessions bound now, by our `role`.
pub const SESSIONS: &str = "trunkline_smpp_sessions";
/// Counter: sessions that ended, by our `role` and `reason`.
pub const CLOSED_TOTAL: &str = "trunkline_smpp_closed_total";
/// Counter: PDUs by our `role`, `direction` and `command`.
pub const PDUS_TOTAL: &str = "trunkline_smpp_pdus_total";
/// Counter: submit_sm beyond a service's rate.
pub const THROTTLED_TOTAL: &str = "trunkline_smpp_throttled_total";
/// Counter: PDUs that could not be read, by our `role`.
pub const DECODE_ERRORS_TOTAL: &str = "trunkline_smpp_decode_errors_total";
/// Counter: responses to nothing that is remembered, by our `role`.
pub const STRAY_TOTAL: &str = "trunkline_smpp_stray_responses_total";
/// Counter: responses that came after their timer, by our `role`.
pub const LATE_TOTAL: &str = "trunkline_smpp_late_responses_total";
/// Counter: requests whose answer did not come in time, by our `role`.
pub const EXPIRED_TOTAL: &str = "trunkline_smpp_expired_requests_total";
/// Gauge: requests of ours without an answer, by our `role`.
pub const WINDOW: &str = "trunkline_smpp_window";
/// Counter: peers that spoke HTTP.
pub const HTTP_TOTAL: &str = "trunkline_smpp_http_total";
/// Counter: TLS handshakes that failed, by our `role`.
pub const TLS_FAILURES_TOTAL: &str = "trunkline_smpp_tls_failures_total";
/// Counter: connections closed at once, by `reason`.
pub const CONNECTIONS_REFUSED_TOTAL: &str = "trunkline_smpp_connections_refused_total";
/// Counter: peers cut because they took none of our octets, by our `role`.
pub const WRITE_STALLS_TOTAL: &str = "trunkline_smpp_write_stalls_total";

/// Handles of one role. To be made after the recorder is installed.
#[derive(Debug)]
pub(super) struct Metrics {
    role: Role,
    received: [Counter; COMMANDS.len()],
    sent: [Counter; COMMANDS.len()],
    pub(super) sessions: Gauge,
    pub(super) window: Gauge,
    pub(super) throttled: Counter,
    pub(super) decode_errors: Counter,
    pub(super) stray: Counter,
    pub(super) late: Counter,
    pub(super) expired: Counter,
    pub(super) tls_failures: Counter,
    pub(super) write_stalls: Counter,
}

impl Metrics {
    pub(super) fn new(role: Role) -> Self {
        let name = role.name();
        let pdus = |direction: &'static str| {
            COMMANDS.map(|(_, command)| {
                counter!(PDUS_TOTAL, "role" => name, "direction" => direction, "command" => command)
            })
        };
        Self {
            role,
            received: pdus("in"),
            sent: pdus("out"),
            sessions: gauge!(SESSIONS, "role" => name),
            window: gauge!(WINDOW, "role" => name),
            throttled: counter!(THROTTLED_TOTAL),
            decode_errors: counter!(DECODE_ERRORS_TOTAL, "role" => name),
            stray: counter!(STRAY_TOTAL, "role" => name),
            late: counter!(LATE_TOTAL, "role" => name),
            expired: counter!(EXPIRED_TOTAL, "role" => name),
            tls_failures: counter!(TLS_FAILURES_TOTAL, "role" => name),
            write_stalls: counter!(WRITE_STALLS_TOTAL, "role" => name),
        }
    }

    pub(super) fn bound(&self, mode: &'static str) {
        counter!(BINDS_TOTAL, "role" => self.role.name(), "mode" => mode).increment(1);
    }

    pub(super) fn bind_refused(&self, reason: &'static str) {
        counter!(BINDS_REFUSED_TOTAL, "role" => self.role.name(), "reason" => reason).increment(1);
    }

    pub(super) fn closed(&self, reason: CloseReason) {
        if reason == CloseReason::Http {
            counter!(HTTP_TOTAL).increment(1);
        }
        counter!(CLOSED_TOTAL, "role" => self.role.name(), "reason" => reason.name()).increment(1);
    }
}

pub(super) fn connection_refused(reason: &'static str) {
    counter!(CONNECTIONS_REFUSED_TOTAL, "reason" => reason).increment(1);
}

/// PDUs of one step of a session; added to the counters once.
#[derive(Debug, Default)]
pub(super) struct PduCounts {
    received: [u32; COMMANDS.len()],
    sent: [u32; COMMANDS.len()],
}

impl PduCounts {
    /// A PDU of the peer.
    pub(super) fn received(&mut self, frame: &[u8]) {
        count(&mut self.received, frame);
    }

    /// All PDUs in `written`, which are whole.
    pub(super) fn sent(&mut self, mut written: &[u8]) {
        while let Some(header) = Header::read(written) {
            count(&mut self.sent, written);
            let octets = usize::try_from(header.command_length).unwrap_or(usize::MAX).max(Header::OCTETS);
            written = written.get(octets..).unwrap_or_default();
        }
    }

    /// Adds all to `metrics`, and begins again.
    pub(super) fn flush(&mut self, metrics: &Metrics) {
        for (counts, counters) in [(&mut self.received, &metrics.received), (&mut self.sent, &metrics.sent)] {
            for (count, counter) in counts.iter_mut().zip(counters) {
                if *count > 0 {
                    counter.increment(u64::from(std::mem::take(count)));
                }
            }
        }
    }
}

fn count(counts: &mut [u32; COMMANDS.len()], frame: &[u8]) {
    let id = Header::read(frame).map_or(CommandId(0), |header| header.command_id);
    let place = COMMANDS.iter().position(|(command, _)| *command == id).unwrap_or(COMMANDS.len() - 1);
    if let Some(count) = counts.get_mut(place) {
        *count += 1;
    }
}

/// Commands that are counted by name, the frequent ones first; the last stands for all others.
const COMMANDS: [(CommandId, &str); 18] = [
    (CommandId::SUBMIT_SM, "submit_sm"),
    (CommandId::SUBMIT_SM_RESP, "submit_sm_resp"),
    (CommandId::DELIVER_SM, "deliver_sm"),
    (CommandId::DELIVER_SM_RESP, "deliver_sm_resp"),
    (CommandId::ENQUIRE_LINK, "enquire_link"),
    (CommandId::ENQUIRE_LINK_RESP, "enquire_link_resp"),
    (CommandId::BIND_TRANSMITTER, "bind_transmitter"),
    (CommandId::BIND_TRANSMITTER_RESP, "bind_transmitter_resp"),
    (CommandId::BIND_RECEIVER, "bind_receiver"),
    (CommandId::BIND_RECEIVER_RESP, "bind_receiver_resp"),
    (CommandId::BIND_TRANSCEIVER, "bind_transceiver"),
    (CommandId::BIND_TRANSCEIVER_RESP, "bind_transceiver_resp"),
    (CommandId::UNBIND, "unbind"),
    (CommandId::UNBIND_RESP, "unbind_resp"),
    (CommandId::GENERIC_NACK, "generic_nack"),
    (CommandId::DATA_SM, "data_sm"),
    (CommandId::SUBMIT_MULTI, "submit_multi"),
    // No command has the number 0.
    (CommandId(0), "other"),
];

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::pdu::{CommandStatus, SequenceNumber, encode};

    #[test]
    fn each_pdu_is_counted_under_its_name() {
        let mut out = BytesMut::new();
        let ids =
            [CommandId::SUBMIT_SM, CommandId::ENQUIRE_LINK, CommandId(0x0001_0203), CommandId::SUBMIT_SM];
        for id in ids {
            encode(&mut out, id, CommandStatus::ESME_ROK, SequenceNumber(1), &());
        }
        let mut counts = PduCounts::default();
        counts.sent(&out);
        let counted: Vec<_> = COMMANDS
            .iter()
            .zip(counts.sent)
            .filter(|(_, n)| *n > 0)
            .map(|((_, name), n)| (*name, n))
            .collect();
        assert_eq!(counted, [("submit_sm", 2), ("enquire_link", 1), ("other", 1)]);
    }

    #[test]
    fn every_named_command_is_spelled_as_in_the_specification() {
        for (id, name) in COMMANDS.iter().take(COMMANDS.len() - 1) {
            assert_eq!(id.name(), Some(*name));
        }
    }
}
