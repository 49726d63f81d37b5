//! Tests files whose result depends on the addresses and ports of the machine.

use std::{net::TcpListener, process::Command};

use super::{BAD_CONFIGURATION, logged, options};

#[tokio::test]
async fn a_port_in_use_on_localhost_is_not_bound_at_another_address() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let run = options("07-localhost.yml")
        .env("SW_NAMING_JETTY_PORT", &port)
        .run()
        .await;
    assert_eq!(run.code, Some(1), "{run:#?}");
    let last = logged(&run).pop();
    let expected = format!(
        "another program uses the port of naming.jetty: stop it, or set another port (SW_NAMING_JETTY_PORT): cannot listen on localhost port {port}: Address already in use (os error 98)"
    );
    assert_eq!(last, Some(expected));
    drop(taken);
    let mut collector = options("07-localhost.yml").start().await;
    assert!(collector.listeners().naming.is_ipv4());
    assert_eq!(collector.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn wildcards_advertise_the_only_address_of_a_machine_without_a_default_route() {
    let is_allowed = Command::new("unshare").args(["-rn", "true"]).status();
    if !is_allowed.is_ok_and(|status| status.success()) {
        eprintln!(
            "skipped: this machine does not allow a separate network; unit tests of config have the same cases"
        );
        return;
    }
    let inside = |addresses: &str| {
        let script = format!(
            "ip link add v0 type veth peer name v1; {addresses} ip link set v0 up; exec \"$0\" \"$@\""
        );
        options("16-wildcards.yml")
            .env("SW_UI_JETTY_ALLOW_ANONYMOUS", "true")
            .through(&["unshare", "-rn", "sh", "-c", &script])
    };
    let one = inside("ip addr add 10.9.8.7/24 dev v0;").argument("--print-config");
    let run = one.run().await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(
        run.stdout.matches("advertised_host: \"10.9.8.7\"").count(),
        4,
        "{run:#?}"
    );
    let two = "ip addr add 10.9.8.7/24 dev v0; ip addr add 10.9.8.8/24 dev v0;";
    let run = inside(two).argument("--check").run().await;
    let errors = ["remote.gRPC", "agent_gRPC.gRPC", "agent_jetty.jetty", "ui.jetty"].map(|face| {
        let variable = format!("SW_{}_ADVERTISED_HOST", face.replace(['.', '_'], "_").to_uppercase());
        let variable = variable.replace("AGENT_GRPC_GRPC", "AGENT_GRPC").replace("AGENT_JETTY_JETTY", "AGENT_JETTY");
        format!(
            "16-wildcards.yml: {face}.host: 0.0.0.0 is not an address that other machines can connect to, and this machine has \
             several addresses (10.9.8.7, 10.9.8.8): set {face}.advertised_host ({variable}) to the one that they use"
        )
    });
    assert_eq!(
        (run.code, logged(&run)),
        (BAD_CONFIGURATION, errors.to_vec())
    );
}
