//! Networks that may connect: `allow_from`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use toml::de::DeValue;

use super::problem::Flaw;
use super::read::{Section, text};
use crate::net::AllowFrom;

/// Reads a list of networks; `None` without the key: from anywhere.
pub(super) fn read_allow_from(section: &mut Section<'_>, key: &'static str) -> Option<AllowFrom> {
    let networks = section.read(key, networks)?;
    Some(AllowFrom::new(move |address| networks.iter().any(|network| network.contains(address))))
}

fn networks(value: &DeValue<'_>) -> Result<Vec<Network>, Flaw> {
    let items = value
        .as_array()
        .ok_or_else(|| Flaw::new("is not a list", "write [\"192.0.2.7\", \"10.0.0.0/8\"]"))?;
    items.iter().map(|item| Network::parse(text(item.get_ref())?)).collect()
}

/// Addresses that share their first bits: `10.0.0.0/8`, `2001:db8::/32`, or one address alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether `address` lies in it. An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) counts as IPv4.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(u32::from(32 - self.bits)).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(u32::from(128 - self.bits)).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, Flaw> {
        let flaw = || {
            let remedy = "write an address or a network, as in \"192.0.2.7\" or \"10.0.0.0/8\"";
            Flaw::new(format!("\"{text}\" is not a network"), remedy)
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| flaw())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| flaw())?;
        let whole = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        let network = Self { address, bits: bits.unwrap_or(whole) };
        if network.bits > whole {
            return Err(flaw());
        }
        let first = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(u32::from(32 - network.bits)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(u32::from(128 - network.bits)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        };
        if first != address {
            let what = format!("\"{text}\" has bits set beyond its first {}", network.bits);
            return Err(Flaw::new(what, format!("write \"{first}/{}\"", network.bits)));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_shares_its_first_bits() {
        let holds = |network: &str, address: &str| {
            Network::parse(network).expect(network).contains(address.parse().expect(address))
        };
        assert!(holds("10.0.0.0/8", "10.255.1.2"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("192.0.2.7", "192.0.2.7"));
        assert!(holds("192.0.2.7", "::ffff:192.0.2.7"));
        assert!(!holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("0.0.0.0/0", "203.0.113.9"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:ffff::1"));
        assert!(holds("::/0", "2001:db8::1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/x", "host"] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
        let flaw = Network::parse("10.1.0.0/8").expect_err("it has bits beyond the eighth");
        assert!(flaw.remedy.contains("10.0.0.0/8"), "{flaw:?}");
    }
}
