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
