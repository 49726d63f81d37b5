//! Whether two endpoints are too close to be listened on both.
//!
//! A wildcard includes other addresses: `0.0.0.0` all of IPv4, and `::` those of both families, since a Linux system serves IPv4 on
//! an IPv6 socket unless `net.ipv6.bindv6only` is set. Two addresses that are no wildcards can have the same port.

use std::net::IpAddr;

use super::Endpoint;

/// Whether no two sockets can listen on one port of these addresses.
#[must_use]
pub fn overlap(one: IpAddr, other: IpAddr) -> bool {
    let [one, other] = [one, other].map(|address| address.to_canonical());
    let includes = |wildcard: IpAddr, address: IpAddr| {
        wildcard.is_unspecified() && (wildcard.is_ipv6() || address.is_ipv4())
    };
    one == other || includes(one, other) || includes(other, one)
}

impl Endpoint {
    /// Whether this endpoint and another one overlap, as far as that is certain without a look-up of their names.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let is_one_host = match (self.address(), other.address()) {
            (Some((one, scope)), Some((other, other_scope))) if one == other => {
                scope == other_scope
            }
            (Some((one, _)), Some((other, _))) => overlap(one, other),
            (Some((address, _)), None) | (None, Some((address, _))) => address.is_unspecified(),
            (None, None) => self.host == other.host,
        };
        self.port != 0 && self.port == other.port && is_one_host
    }

    /// The address and its scope, as in `fe80::1%eth0`; `None` for a name.
    fn address(&self) -> Option<(IpAddr, &str)> {
        let (address, scope) = self.host.split_once('%').unwrap_or((&self.host, ""));
        Some((address.parse().ok()?, scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_includes_the_addresses_of_its_families() {
        let hosts = [
            "0.0.0.0", "::", "10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2",
        ];
        let overlapping = [
            ["0.0.0.0", "::"],
            ["0.0.0.0", "10.0.0.1"],
            ["0.0.0.0", "10.0.0.2"],
            ["::", "10.0.0.1"],
            ["::", "10.0.0.2"],
            ["::", "fd00::1"],
            ["::", "fd00::2"],
        ];
        for (at, one) in hosts.iter().enumerate() {
            for other in &hosts[at + 1..] {
                let expected = overlapping.contains(&[*one, *other]);
                let [left, right] = [one, other].map(|host| host.parse().unwrap());
                assert_eq!(overlap(left, right), expected, "{one} {other}");
                assert_eq!(overlap(right, left), expected, "{other} {one}");
            }
        }
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        assert!(overlap(mapped, "10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn names_are_not_looked_up() {
        let at = |host: &str, port| Endpoint {
            host: host.to_owned(),
            port,
        };
        assert!(at("a.example", 80).overlaps(&at("a.example", 80)));
        assert!(at("a.example", 80).overlaps(&at("0.0.0.0", 80)));
        assert!(!at("a.example", 80).overlaps(&at("b.example", 80)));
        assert!(!at("localhost", 80).overlaps(&at("127.0.0.1", 80)));
        assert!(!at("0.0.0.0", 80).overlaps(&at("0.0.0.0", 81)));
        assert!(!at("0.0.0.0", 0).overlaps(&at("0.0.0.0", 0)));
    }

    #[test]
    fn addresses_of_one_interface_are_compared_with_their_scope() {
        let at = |host: &str| Endpoint {
            host: host.to_owned(),
            port: 80,
        };
        assert!(at("fe80::1%eth0").overlaps(&at("::")));
        assert!(!at("fe80::1%eth0").overlaps(&at("0.0.0.0")));
        assert!(at("fe80::1%eth0").overlaps(&at("fe80::1%eth0")));
        assert!(!at("fe80::1%eth0").overlaps(&at("fe80::1%eth1")));
    }
}
