//! Which addresses we may connect to when somebody else has chosen the name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::AllowFrom;

/// Decides about each address just before it is connected to.
///
/// A webhook's URL is a customer's word. Followed blindly it would let the customer reach what only this machine can
/// reach: its own admin listener, a database beside it, a cloud's metadata service.
#[derive(Clone, Debug)]
pub struct Guard(Rule);

#[derive(Clone, Debug)]
enum Rule {
    Any,
    Public(Option<AllowFrom>),
}

impl Guard {
    /// Every address will do: the operator has written the name into the configuration as an upstream.
    pub fn any() -> Self {
        Self(Rule::Any)
    }

    /// Addresses of the public Internet, and those of `allow_private`.
    pub fn public(allow_private: Option<AllowFrom>) -> Self {
        Self(Rule::Public(allow_private))
    }

    /// Whether `address` may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        match &self.0 {
            Rule::Any => true,
            Rule::Public(allow_private) => {
                is_public(address)
                    || allow_private.as_ref().is_some_and(|networks| networks.contains(address))
            }
        }
    }

    /// Those of `addresses` that may be connected to.
    ///
    /// # Errors
    /// The first refused address when none may.
    pub(super) fn choose(
        &self,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Option<IpAddr>> {
        let (allowed, refused): (Vec<_>, Vec<_>) =
            addresses.into_iter().partition(|address| self.allows(address.ip()));
        match allowed.is_empty() {
            true => Err(refused.first().map(SocketAddr::ip)),
            false => Ok(allowed),
        }
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self::public(None)
    }
}

/// Whether packets to `address` leave for the public Internet (IANA's special-purpose registries, RFC 6890).
///
/// An IPv6 address that carries an IPv4 one (mapped, 6to4, NAT64) is as public as that one.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// IPv4 networks that are not the public Internet: first address and prefix.
const SPECIAL_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8), // this network, and "unspecified", which reaches this machine
    (Ipv4Addr::new(10, 0, 0, 0), 8), // private
    (Ipv4Addr::new(100, 64, 0, 0), 10), // carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8), // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16), // link-local, metadata services of clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12), // private
    (Ipv4Addr::new(192, 0, 0, 0), 24), // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24), // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24), // AS112
    (Ipv4Addr::new(192, 88, 99, 0), 24), // 6to4 relays, gone
    (Ipv4Addr::new(192, 168, 0, 0), 16), // private
    (Ipv4Addr::new(198, 18, 0, 0), 15), // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24), // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4), // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4), // reserved, broadcast
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let shares = |(first, bits): &(Ipv4Addr, u32)| (first.to_bits() ^ address.to_bits()) >> (32 - bits) == 0;
    !SPECIAL_V4.iter().any(shares)
}

/// IPv6 networks inside global unicast (2000::/3) that are not the public Internet.
const SPECIAL_V6: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, ORCHID, benchmarks
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    match address.segments() {
        // ::ffff:a.b.c.d (RFC 4291 §2.5.5.2) and 64:ff9b::a.b.c.d (RFC 6052): the last four octets.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        // 2002:aabb:ccdd:: (RFC 3056): the two groups after the prefix.
        | [0x2002, high, low, ..] => {
            is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        // Everything else outside 2000::/3 is loopback, unspecified, local, multicast, or nobody's yet.
        [first, ..] if first & 0xe000 != 0x2000 => false,
        _ => !SPECIAL_V6.iter().any(|(first, prefix)| (first.to_bits() ^ bits) >> (128 - prefix) == 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(address: &str) -> bool {
        Guard::default().allows(address.parse().expect(address))
    }

    #[test]
    fn the_public_internet_may_be_reached() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2606:4700::1111",
            "2a01:e00::1",
            "3ffe::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn ipv4_that_is_not_the_internet_is_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.7",
            "192.88.99.1",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.9",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn ipv6_that_is_not_the_internet_is_refused() {
        for address in [
            "::",
            "::1",
            "::2",
            "::127.0.0.1",
            "100::1",
            "64:ff9b:1::1",
            "1000::1",
            "2001::1",
            "2001:0:53aa:64c:0:0:7f00:1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:1ff::1",
            "2001:db8::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ffff::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn an_ipv4_address_hides_in_no_ipv6_address() {
        for address in [
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "64:ff9b::127.0.0.1",
            "64:ff9b::192.168.1.1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2002:c0a8:101:1:2:3:4:5",
            "2002:a9fe:a9fe::",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn what_is_listed_may_be_reached_and_nothing_beside_it() {
        let guard = Guard::public(Some(AllowFrom::new(|address| address == IpAddr::from([10, 1, 2, 3]))));
        assert!(guard.allows(IpAddr::from([10, 1, 2, 3])));
        assert!(guard.allows("::ffff:10.1.2.3".parse().expect("an address")));
        assert!(!guard.allows("2002:a01:203::".parse().expect("an address")));
        assert!(!guard.allows(IpAddr::from([10, 1, 2, 4])));
        assert!(guard.allows(IpAddr::from([8, 8, 8, 8])));
        assert!(Guard::any().allows(IpAddr::from([127, 0, 0, 1])));
    }

    #[test]
    fn only_the_allowed_addresses_of_a_name_are_tried() {
        let at = |ip: &str| SocketAddr::new(ip.parse().expect(ip), 443);
        let guard = Guard::default();
        assert_eq!(guard.choose([at("127.0.0.1"), at("8.8.8.8")]), Ok(vec![at("8.8.8.8")]));
        assert_eq!(guard.choose([at("10.0.0.1"), at("::1")]), Err(Some(IpAddr::from([10, 0, 0, 1]))));
        assert_eq!(guard.choose([]), Err(None));
    }
}
