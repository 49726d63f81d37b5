use super::{Class, Peer};

fn peer(address: &str) -> Peer {
    Peer::new(address.parse().unwrap())
}

#[test]
fn one_host_is_one_peer_with_any_of_its_addresses() {
    assert_eq!(peer("::ffff:10.0.0.1"), peer("10.0.0.1"));
    assert_eq!(peer("2001:db8:0:1::1"), peer("2001:db8:0:1:ffff::2"));
    assert_ne!(peer("2001:db8:0:1::1"), peer("2001:db8:0:2::1"));
    assert_ne!(peer("10.0.0.1"), peer("10.0.0.2"));
}

#[test]
fn a_peer_is_named_by_its_address_or_network() {
    for (address, name) in [
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("::1", "::1"),
    ] {
        assert_eq!(peer(address).to_string(), name);
    }
}

#[test]
fn a_peer_is_shown_by_its_class() {
    for (address, class) in [
        ("127.0.0.1", Class::Loopback),
        ("127.8.0.1", Class::Loopback),
        ("::1", Class::Loopback),
        ("::ffff:127.0.0.1", Class::Loopback),
        ("10.1.2.3", Class::Private),
        ("172.16.0.1", Class::Private),
        ("192.168.0.1", Class::Private),
        ("169.254.0.1", Class::Private),
        ("100.64.0.1", Class::Private),
        ("fd00::1", Class::Private),
        ("fe80::1", Class::Private),
        ("100.128.0.1", Class::Public),
        ("8.8.8.8", Class::Public),
        ("2001:db8::1", Class::Public),
    ] {
        assert_eq!(peer(address).class(), class, "{address}");
    }
}
