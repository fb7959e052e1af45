//! What a service may use and where it is told, as far as the native API shows it; decided upon elsewhere.

use crate::gateway::event::EventKind;
use crate::gateway::message::End;
use crate::gateway::settings::{Endpoint, EndpointKind, Service};

/// Limits of a service, for showing.
#[derive(Clone, Debug, Default)]
pub struct Quota {
    /// Segments per calendar month. `None`: unlimited.
    pub monthly_limit: Option<u64>,
    /// UTC milliseconds from which nothing is accepted any more.
    pub ends_at_ms: Option<u64>,
    /// Messages that may wait at once.
    pub waiting_max: u64,
    /// Senders it may use, normalised, in order. `None`: any.
    pub senders: Option<Vec<String>>,
}

impl Quota {
    /// What the gateway was told of a service.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        let sorted = |senders: &std::collections::HashSet<String>| {
            let mut senders: Vec<_> = senders.iter().cloned().collect();
            senders.sort_unstable();
            senders
        };
        Self {
            monthly_limit: service.monthly_limit,
            ends_at_ms: service.ends_at_ms,
            waiting_max: service.waiting_max,
            senders: service.senders.as_ref().map(sorted),
        }
    }
}

/// A webhook of a service, for showing: nothing of its address but the host, since the rest may hold secrets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Webhook {
    /// Its name within the service.
    pub name: String,
    /// The host it goes to.
    pub host: String,
    /// What is sent there.
    pub kind: EndpointKind,
    /// It is told when a message was given to the operator, too.
    pub sent: bool,
    /// It is told how messages end.
    pub receipts: bool,
    /// It gets what mobiles send.
    pub incoming: bool,
}

impl Webhook {
    /// What the gateway was told of an endpoint, and the host it goes to.
    #[must_use]
    pub fn of(endpoint: &Endpoint, host: impl Into<String>) -> Self {
        let name = endpoint.id.split_once('/').map_or(endpoint.id.as_str(), |(_, name)| name);
        Self {
            name: name.to_owned(),
            host: host.into(),
            kind: endpoint.kind,
            sent: endpoint.sent,
            receipts: endpoint.receipts,
            incoming: endpoint.incoming,
        }
    }

    /// The word for its kind.
    pub(super) fn kind_name(&self) -> &'static str {
        match self.kind {
            EndpointKind::PushCra => "push_cra",
            EndpointKind::Native => "native",
        }
    }

    /// The events that it is told of.
    pub(super) fn events(&self) -> Vec<&'static str> {
        let ends = End::ALL.map(EventKind::Ended);
        let told = [
            (self.sent, &[EventKind::Sent][..]),
            (self.receipts, &ends),
            (self.receipts, &[EventKind::LateReceipt]),
            (self.incoming, &[EventKind::Incoming]),
        ];
        told.iter()
            .filter(|(is_told, _)| *is_told)
            .flat_map(|(_, kinds)| kinds.iter().map(|kind| kind.name()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_has_the_name_within_its_service_and_tells_what_it_is_told() {
        let endpoint = Endpoint { receipts: false, ..Endpoint::new("shop/main", EndpointKind::Native) };
        let webhook = Webhook::of(&endpoint, "shop.example");
        assert_eq!((webhook.name.as_str(), webhook.kind_name()), ("main", "native"));
        assert_eq!(webhook.events(), ["message.sent", "message.received"]);
    }
}
