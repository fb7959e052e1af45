//! What cannot change while the process runs.

use super::Settings;

/// Keys whose values differ between two configurations and hold only from the start of a process.
pub fn needs_restart(running: &Settings, read: &Settings) -> Vec<String> {
    let listener = |settings: &Settings, tls: bool| {
        settings.smpp.listeners.iter().find(|listener| listener.tls.is_some() == tls).map(|l| l.address)
    };
    let profile = |settings: &Settings| settings.smpp.listeners.first().map(|listener| listener.profile);
    let listen = |settings: &Settings| settings.http.as_ref().map(|http| http.listen);
    let speaks_tls = |settings: &Settings| settings.http.as_ref().is_some_and(|http| http.tls.is_some());
    let connections = |settings: &Settings| settings.http.as_ref().map(|http| http.limits.connections_max);
    let (a, b) = (running, read);
    let differ = [
        ("data_dir", a.engine.data_dir != b.engine.data_dir),
        ("threads", a.process.threads != b.process.threads),
        ("drain", a.process.drain != b.process.drain),
        ("log.format", a.log.format != b.log.format),
        ("log.level", a.log.level != b.log.level),
        ("store.disk_reserve", a.engine.disk_reserve_octets != b.engine.disk_reserve_octets),
        ("store.segment", a.engine.segment_octets_max != b.engine.segment_octets_max),
        ("store.batch_every", a.engine.batch_ms != b.engine.batch_ms),
        ("store.checkpoint_every", a.engine.checkpoint_ms != b.engine.checkpoint_ms),
        ("store.checkpoint_octets", a.engine.checkpoint_octets != b.engine.checkpoint_octets),
        ("store.cache", a.engine.cache_octets != b.engine.cache_octets),
        ("store.queue", a.engine.queue_max != b.engine.queue_max),
        ("store.history_days", a.engine.history_days != b.engine.history_days),
        ("smpp.tls", listener(a, true) != listener(b, true)),
        ("smpp.plain", listener(a, false) != listener(b, false)),
        ("smpp.profile", profile(a) != profile(b)),
        ("smpp.system_id", a.smpp.system_id != b.smpp.system_id),
        ("smpp.connections_max", a.smpp.connections_max != b.smpp.connections_max),
        ("smpp.unbound_per_address_max", a.smpp.unbound_per_address_max != b.smpp.unbound_per_address_max),
        ("smpp.tls_handshake", a.smpp.tls_handshake != b.smpp.tls_handshake),
        ("smpp.session_init", a.smpp.session_init != b.smpp.session_init),
        ("smpp.enquire_link", a.smpp.enquire_link != b.smpp.enquire_link),
        ("smpp.inactivity", a.smpp.inactivity != b.smpp.inactivity),
        ("smpp.response", a.smpp.response != b.smpp.response),
        ("smpp.unbind", a.smpp.unbind != b.smpp.unbind),
        ("smpp.window", a.smpp.window != b.smpp.window),
        ("smpp.pdu_max", a.smpp.pdu_octets_max != b.smpp.pdu_octets_max),
        ("smpp.bind_failure_delay", a.smpp.bind_failure_delay != b.smpp.bind_failure_delay),
        ("smpp.write_stall", a.smpp.write_stall != b.smpp.write_stall),
        ("smpp.external_reference", a.smpp.external_reference != b.smpp.external_reference),
        ("http.listen", listen(a) != listen(b)),
        ("http.certificate", listen(a).is_some() && listen(b).is_some() && speaks_tls(a) != speaks_tls(b)),
        (
            "http.connections_max",
            connections(a).is_some() && connections(b).is_some() && connections(a) != connections(b),
        ),
        ("admin.listen", a.admin != b.admin),
    ];
    differ.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key.to_owned()).collect()
}
