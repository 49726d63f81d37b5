//! Listen addresses and advertised addresses of the faces.

use super::*;

#[test]
fn the_published_port_is_the_advertised_or_else_the_bound_one() {
    for (host, port, published) in [
        ("a.example", "", "a.example:11800"),
        ("a.example", "31800", "a.example:31800"),
        ("fe80::1", "31800", "[fe80::1]:31800"),
    ] {
        let env = [
            ("SW_REMOTE_GRPC_ADVERTISED_HOST", host),
            ("SW_REMOTE_GRPC_ADVERTISED_PORT", port),
        ];
        let config = loaded("", &env).config;
        assert_eq!(config.remote.advertised.authority(11800), published);
        assert_eq!(loaded(&config.to_yaml(), &[]).config.remote, config.remote);
    }
    let found = problems("", &[("SW_UI_JETTY_ADVERTISED_PORT", "0")]);
    assert!(
        found[0].contains("ui.jetty.advertised_port") && found[0].contains("1 to 65535"),
        "{found:?}"
    );
}

#[test]
fn a_wildcard_is_never_advertised() {
    let env = [
        ("SW_AGENT_JETTY_HOST", "0.0.0.0"),
        ("SW_UI_JETTY_HOST", "0.0.0.0"),
        ("SW_UI_JETTY_ALLOW_ANONYMOUS", "true"),
    ];
    let found = problems("", &env);
    assert!(
        found[0].starts_with("SW_AGENT_JETTY_HOST: agent_jetty.jetty.host: 0.0.0.0 is not an address")
            && found[0].ends_with(
                "set agent_jetty.jetty.advertised_host (SW_AGENT_JETTY_ADVERTISED_HOST) to the one that they use"
            ),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("SW_UI_JETTY_HOST: ui.jetty.host: 0.0.0.0 is not an address"),
        "{found:?}"
    );

    let own = || Detected::Address(Ipv4Addr::new(10, 0, 0, 7).into());
    let detected = load(Sources {
        detect: own,
        ..sources("", &env)
    })
    .unwrap()
    .config;
    assert_eq!(detected.agent_jetty.advertised.host, "10.0.0.7");

    let named = [
        env[0],
        env[1],
        env[2],
        ("SW_AGENT_JETTY_ADVERTISED_HOST", "a.example"),
        ("SW_UI_JETTY_ADVERTISED_HOST", "b.example"),
    ];
    assert_eq!(
        loaded("", &named).config.agent_jetty.advertised.host,
        "a.example"
    );
}

#[test]
fn a_machine_without_a_default_route_advertises_its_only_address() {
    let chosen = |addresses: &[&str]| choose(addresses.iter().map(|it| it.parse().unwrap()));
    let only = Detected::Address(Ipv4Addr::new(10, 0, 0, 7).into());
    assert_eq!(chosen(&["127.0.0.1", "::1", "fe80::1", "10.0.0.7"]), only);
    assert_eq!(chosen(&["2001:db8::7", "10.0.0.7", "169.254.1.1"]), only);
    assert_eq!(
        chosen(&["2001:db8::7"]),
        Detected::Address("2001:db8::7".parse().unwrap())
    );
    assert_eq!(chosen(&["127.0.0.1", "::1"]), Detected::None);
    let found = load(Sources {
        detect: || {
            let addresses = ["10.0.0.8", "10.0.0.7"].into_iter();
            choose(addresses.map(|it| it.parse().unwrap()))
        },
        ..sources("agent_jetty: {jetty: {host: '::'}}", &[])
    });
    let found = found.unwrap_err().to_string();
    assert!(
        found.contains("has several addresses (10.0.0.7, 10.0.0.8)")
            && found.contains("SW_AGENT_JETTY_ADVERTISED_HOST"),
        "{found}"
    );
}

#[test]
fn faces_share_a_listener_only_on_a_chosen_port() {
    let config = loaded("", &[]).config;
    assert!(
        config
            .remote
            .listen
            .is_shared_with(&config.agent_grpc.listen)
    );
    let config = Config::for_test(Path::new("/nowhere"));
    assert!(
        !config
            .remote
            .listen
            .is_shared_with(&config.agent_grpc.listen)
    );
}

#[test]
fn endpoints_that_overlap_on_one_port_are_refused() {
    let naming = |host, port| {
        [
            ("SW_NAMING_JETTY_HOST", host),
            ("SW_NAMING_JETTY_PORT", port),
        ]
    };
    // The last face listens on 127.0.0.1:12800 unless it is set otherwise, and the Nacos faces on 127.0.0.1:8848 and 9848.
    for (host, port, other) in [
        ("0.0.0.0", "12800", "agent_jetty.jetty.host 127.0.0.1"),
        ("::", "12800", "agent_jetty.jetty.host 127.0.0.1"),
        (
            "::ffff:127.0.0.1",
            "12800",
            "agent_jetty.jetty.host 127.0.0.1",
        ),
    ] {
        let found = problems("", &naming(host, port));
        let expected =
            format!("{host} and {other} cannot both have port {port}: write the same host");
        assert!(found[0].contains(&expected), "{found:?}");
    }
    for (host, port, other) in [
        (
            "127.0.0.1",
            "8848",
            "8848 is the port of naming.jetty.port too:",
        ),
        (
            "0.0.0.0",
            "9848",
            "9848 is the port of naming.jetty.port too, and 127.0.0.1 and 0.0.0.0 overlap:",
        ),
        (
            "::",
            "8848",
            "8848 is the port of naming.jetty.port too, and 127.0.0.1 and :: overlap:",
        ),
    ] {
        let found = problems("", &naming(host, port));
        let is_expected = |found: &String| found.contains(other);
        assert!(found.iter().any(is_expected), "{host}: {found:?}");
    }
    let both = [
        ("SW_NAMING_JETTY_HOST", "0.0.0.0"),
        ("SW_NAMING_JETTY_PORT", "12800"),
        ("SW_AGENT_JETTY_HOST", "::"),
        ("SW_AGENT_JETTY_ADVERTISED_HOST", "a.example"),
        ("SW_UI_JETTY_HOST", "127.0.0.1"),
        ("SW_UI_JETTY_PORT", "12801"),
    ];
    let found = problems("", &both);
    assert!(
        found[0].contains("0.0.0.0 and agent_jetty.jetty.host :: cannot both have port 12800"),
        "{found:?}"
    );
}

#[test]
fn different_addresses_may_have_one_port() {
    for (host, port) in [
        ("127.0.0.2", "12800"),
        ("::1", "12800"),
        ("127.0.0.2", "8848"),
        ("::1", "9848"),
    ] {
        let naming = [
            ("SW_NAMING_JETTY_HOST", host),
            ("SW_NAMING_JETTY_PORT", port),
        ];
        assert_eq!(loaded("", &naming).config.naming.listen.host, host);
    }
    let families = [
        ("SW_NAMING_JETTY_HOST", "::1"),
        ("SW_NAMING_JETTY_PORT", "12800"),
        ("SW_AGENT_JETTY_HOST", "0.0.0.0"),
        ("SW_AGENT_JETTY_ADVERTISED_HOST", "a.example"),
        ("SW_UI_JETTY_HOST", "127.0.0.1"),
        ("SW_UI_JETTY_PORT", "12801"),
    ];
    assert_eq!(
        loaded("", &families).config.agent_jetty.listen.host,
        "0.0.0.0"
    );
}
