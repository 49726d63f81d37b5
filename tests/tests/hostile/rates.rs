//! Tests one address that registers names without end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use rollcall_tests::{http, process::Collector};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use crate::victim::{REFUSED, Victim};

/// The attacker's address on this machine, which makes it a different peer than the honest agent.
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Posts a body from the attacker's address. Returns the whole answer.
async fn post(server: SocketAddr, path: &str, body: &str) -> String {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind(SocketAddr::new(ATTACKER, 0))
        .expect("an address of the loopback network");
    let mut connection = socket.connect(server).await.expect("a connection");
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body.as_bytes()].concat();
    connection
        .write_all(&request)
        .await
        .expect("a collector that reads the request");
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .await
        .expect("an answer");
    answer
}

fn names(prefix: &str, count: usize) -> String {
    let names: Vec<_> = (0..count).map(|at| format!("\"{prefix}-{at}\"")).collect();
    format!("[{}]", names.join(","))
}

async fn metrics(victim: &Victim) -> String {
    let ui = http::Client::new(victim.collector.listeners().ui);
    ui.get("/metrics").await.expect("metrics").text()
}

#[tokio::test]
async fn a_peer_beyond_its_rate_gets_known_ids_and_affects_no_other_peer() {
    // The limits fit the honest agent, which registers at most fifty names a second and uses some of its burst.
    let options = Collector::options()
        .env("SW_REGISTER_MAX_NEW_PER_PEER", "100")
        .env("SW_REGISTER_MAX_NEW_BURST_PER_PEER", "1000")
        .env("SW_REGISTER_DEADLINE", "9s");
    let victim = Victim::start(options).await;
    let jetty = victim.collector.listeners().jetty;
    let answer = post(jetty, "/application/register", &names("a", 20_000)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:.200}");
    let assigned = answer.matches("\"i\":").count() - answer.matches("\"i\":0}").count();
    assert!((1000..5000).contains(&assigned), "{assigned} new ids");
    // Until the next token, the attacker is refused, with the reason.
    let mut refused = String::new();
    for round in 0..20 {
        refused = post(
            jetty,
            "/application/register",
            &names(&round.to_string(), 500),
        )
        .await;
    }
    // These are far more instances than the tokens that the attacker gets in the meantime.
    let instances: Vec<_> = (0..2000)
        .map(|at| format!(r#"{{"serviceId":1,"instanceUUID":"u-{at}"}}"#))
        .collect();
    let instances = format!(r#"{{"instances":[{}]}}"#, instances.join(","));
    let refused_again = post(jetty, "/v2/instance/register", &instances).await;
    for (answer, without_id) in [(refused, "\"i\":0}"), (refused_again, "\"value\":0}")] {
        let is_explained =
            answer.starts_with("HTTP/1.1 503 ") && answer.contains("max_new_per_peer");
        assert!(answer.contains(without_id) || is_explained, "{answer:.300}");
    }
    // Known names are answered at once, at any rate.
    for _ in 0..50 {
        let known = post(jetty, "/application/register", &names("a", 1000)).await;
        assert!(!known.contains("\"i\":0}"), "{known:.200}");
    }
    let text = metrics(&victim).await;
    let counted = "rollcall_peer_refused_total{reason=\"registrations\",peer=\"loopback\"} ";
    let counted = text.lines().find_map(|line| line.strip_prefix(counted));
    let counted: u64 = counted.expect("the refusals").parse().expect("a number");
    assert!(counted > 15_000, "{counted}");
    assert!(
        !text.contains("127.0.0.2"),
        "the metrics contain the attacker's address"
    );
    let log = victim.collector.log();
    let lines: Vec<_> = log
        .iter()
        .filter(|line| line.message.starts_with(REFUSED))
        .collect();
    let named = lines
        .iter()
        .find(|line| line.fields["reason"] == "registrations");
    let named = &named.expect("a line about registrations").fields;
    assert_eq!(named["peer"], "127.0.0.2");
    assert_eq!(named["key"], "register.default.max_new_per_peer");
    assert!(lines.len() < 50, "{} lines", lines.len());
    victim.survives().await;
}

#[tokio::test]
async fn invented_instances_of_a_peer_have_a_limit_separate_from_its_registrations() {
    let options = Collector::options()
        .env("SW_REGISTER_MAX_NEW_PER_PEER", "100")
        .env("SW_REGISTER_MAX_NEW_BURST_PER_PEER", "1000")
        .env("SW_REGISTER_DEADLINE", "9s");
    let victim = Victim::start(options).await;
    let jetty = victim.collector.listeners().jetty;
    let segments: Vec<_> = (100..20_100)
        .map(|id| format!(r#"{{"sg":{{"ai":5,"ii":{id},"ss":[]}}}}"#))
        .collect();
    let body = format!("[{}]", segments.join(","));
    let answer = post(jetty, "/segments", &body).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer:.200}");
    assert!(answer.contains("max_new_per_peer"), "{answer:.300}");
    let text = metrics(&victim).await;
    let adopted = "rollcall_entries{dictionary=\"instances\",adopted=\"true\"} ";
    let adopted = text.lines().find_map(|line| line.strip_prefix(adopted));
    let adopted: u64 = adopted.expect("the entries").parse().expect("a number");
    assert!((1000..5000).contains(&adopted), "{adopted} adopted");
    let registered = post(jetty, "/application/register", r#"["still-here"]"#).await;
    assert!(!registered.contains("\"i\":0}"), "{registered}");
    victim.survives().await;
}
