//! Names of things: ours, the SMSC's, and the small numbers that stand for configured names.

use std::fmt;

/// Identifies a message of ours: 4 octets of seconds, 5 random per start, 3 counter (SEMANTICS 8).
///
/// Shown as 24 lower-case hexadecimal digits. Ids of one run never repeat and never go back.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MessageId(pub [u8; 12]);

impl MessageId {
    /// Octets on disk and, doubled, digits in text.
    pub const OCTETS: usize = 12;

    /// The 24 digits, without an allocation.
    pub fn to_hex(self) -> [u8; 24] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 24];
        for (pair, octet) in hex.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
        }
        hex
    }

    /// Reads 24 hexadecimal digits of either case; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 24 {
            return None;
        }
        let mut id = [0; 12];
        for (octet, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
            *octet = value(pair[0])? << 4 | value(pair[1])?;
        }
        Some(Self(id))
    }

    /// UTC seconds at which it was made.
    pub fn seconds(self) -> u32 {
        u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_hex().iter().try_for_each(|&c| write!(f, "{}", char::from(c)))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where deliveries go: below 0x8000 the SMPP sessions of the service with this number, from 0x8000 a webhook endpoint.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Outlet(pub u16);

impl Outlet {
    const ENDPOINTS: u16 = 0x8000;

    /// The endpoint with this number, counted from 0 in the order in which endpoints were first configured.
    pub fn endpoint(number: usize) -> Option<Self> {
        u16::try_from(number).ok().filter(|&no| no < Self::ENDPOINTS).map(|no| Self(no | Self::ENDPOINTS))
    }

    /// The number of the endpoint; `None`: it is a service's SMPP sessions.
    pub fn endpoint_number(self) -> Option<usize> {
        (self.0 >= Self::ENDPOINTS).then_some(usize::from(self.0 & !Self::ENDPOINTS))
    }

    /// The service whose SMPP sessions it is; `None`: it is an endpoint.
    pub fn service(self) -> Option<ServiceNo> {
        (self.0 < Self::ENDPOINTS).then_some(ServiceNo(self.0))
    }
}

impl From<ServiceNo> for Outlet {
    fn from(service: ServiceNo) -> Self {
        Self(service.0)
    }
}

/// Makes [`MessageId`]s of one run.
#[derive(Debug)]
pub struct MessageIds {
    seconds: u32,
    run: [u8; 5],
    counter: u32,
}

impl MessageIds {
    const COUNTER_END: u32 = 1 << 24;

    /// `run` is five octets of chance, new at every start; no id will be older than `floor`.
    pub fn new(run: [u8; 5], floor: u32) -> Self {
        Self { seconds: floor, run, counter: 0 }
    }

    /// No id will be older than `floor` (UTC seconds).
    pub fn raise(&mut self, floor: u32) {
        if floor > self.seconds {
            (self.seconds, self.counter) = (floor, 0);
        }
    }

    /// The next id. The seconds stand still while the clock goes back, and run ahead when a second has used its
    /// 16,777,216 numbers.
    pub fn next(&mut self, now_ms: u64) -> MessageId {
        let now = u32::try_from(now_ms / 1000).unwrap_or(u32::MAX);
        if now > self.seconds {
            (self.seconds, self.counter) = (now, 0);
        } else if self.counter == Self::COUNTER_END {
            (self.seconds, self.counter) = (self.seconds.saturating_add(1), 0);
        }
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.seconds.to_be_bytes());
        id[4..9].copy_from_slice(&self.run);
        id[9..].copy_from_slice(&self.counter.to_be_bytes()[1..]);
        self.counter += 1;
        MessageId(id)
    }
}

/// Stands for a service's id in records and rows; given once, in the order of first appearance, and kept.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServiceNo(pub u16);

/// Stands for an upstream's id in records and rows, as [`ServiceNo`] does for a service's.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UpstreamNo(pub u16);

/// One SMPP session of this run, of either side.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LinkId(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_though_the_clock_goes_back() {
        let mut ids = MessageIds::new([7; 5], 0);
        let mut last = ids.next(5_000_000);
        for now in [5_000_000, 4_000_000, 5_000_999, 9_000_000, 1] {
            let id = ids.next(now);
            assert!(id > last, "{id} after {last}");
            last = id;
        }
    }

    #[test]
    fn hex_is_read_back_and_nothing_else_is() {
        let id = MessageIds::new([1, 2, 3, 4, 5], 0).next(1_711_377_144_000);
        assert_eq!(id.to_string(), "66018af80102030405000000");
        assert_eq!(MessageId::from_hex(&id.to_string()), Some(id));
        for bad in ["", "66018af8", "66018af8010203040500000g", "66018af801020304050000000"] {
            assert_eq!(MessageId::from_hex(bad), None, "{bad}");
        }
    }
}
