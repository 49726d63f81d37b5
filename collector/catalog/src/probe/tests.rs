//! Probes. Tests that connect use real sockets.

use std::net::{IpAddr, Ipv4Addr};

use parking_lot::Mutex;
use rollcall_domain::catalog::{Endpoint, Registration, ServiceKey, Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{attempt::Outcome, pace::Pace, *};
use crate::{Config, Event, EventSink, NoEvents, store::Memory, testing::Running};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn http(expected: u16) -> Checker {
    Checker::Http {
        path: "/health?a=b".into(),
        headers: "X-Probe:yes|Bad\r\nHeader:no".into(),
        expected,
    }
}

fn mysql() -> Checker {
    Checker::Mysql {
        user: "".into(),
        password: "".into(),
        command: "".into(),
    }
}

/// The outcome of a probe of a server that sends this answer, and what the server received.
async fn against(checker: Checker, answer: &'static [u8]) -> (Outcome, String) {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(answer).await.unwrap();
        let mut request = vec![0; 1024];
        let count = stream.read(&mut request).await.unwrap_or(0);
        request.truncate(count);
        String::from_utf8(request).unwrap()
    };
    let ((outcome, _), request) = tokio::join!(attempt(&checker, LOCAL, port), serve);
    (outcome, request)
}

fn is_success(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Success(_))
}

#[tokio::test]
async fn an_http_probe_distinguishes_the_expected_status_from_a_busy_and_another_server() {
    let (outcome, request) = against(http(200), b"HTTP/1.1 200 OK\r\n\r\n").await;
    assert!(is_success(outcome));
    assert!(
        request.starts_with("GET /health?a=b HTTP/1.1\r\nHost: 127.0.0.1:"),
        "{request}"
    );
    assert!(
        request.contains("\r\nX-Probe: yes\r\n") && !request.contains("Bad"),
        "{request}"
    );
    let (outcome, _) = against(http(204), b"HTTP/1.1 204 No Content\r\n\r\n").await;
    assert!(is_success(outcome));
    assert_eq!(
        against(http(200), b"HTTP/1.1 503 Busy\r\n\r\n").await.0,
        Outcome::Soft
    );
    assert_eq!(
        against(http(200), b"HTTP/1.0 404 None\r\n\r\n").await.0,
        Outcome::Hard
    );
    assert_eq!(
        against(http(200), b"SSH-2.0-OpenSSH\r\n").await.0,
        Outcome::Hard
    );
}

#[tokio::test]
async fn a_mysql_probe_requires_a_greeting() {
    assert!(is_success(
        against(mysql(), b"\x4a\0\0\0\x0a8.0.36\0").await.0
    ));
    assert_eq!(
        against(mysql(), b"\x17\0\0\0\xff\x10\x04Too many").await.0,
        Outcome::Soft
    );
    assert_eq!(
        against(mysql(), b"HTTP/1.1 400 Bad\r\n").await.0,
        Outcome::Hard
    );
}

#[tokio::test]
async fn a_refused_connection_is_a_certain_failure_and_silence_is_not() {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(is_success(attempt(&Checker::Tcp, LOCAL, port).await.0));
    assert_eq!(
        attempt(&mysql(), LOCAL, port).await.0,
        Outcome::Soft,
        "it sends nothing in time"
    );
    drop(listener);
    assert_eq!(attempt(&Checker::Tcp, LOCAL, port).await.0, Outcome::Hard);
}

#[test]
fn health_flips_after_three_in_a_row_or_one_certain_failure() {
    let mut pace = Pace::default();
    let success = Outcome::Success(Duration::from_millis(3));
    let mut record = |outcome| pace.record(&Checker::Tcp, outcome, 3).0;
    assert_eq!(
        [record(success), record(success), record(success)],
        [None, None, Some(true)]
    );
    assert_eq!([record(Outcome::Soft), record(Outcome::Soft)], [None, None]);
    assert_eq!(record(success), None, "a success starts the count again");
    let soft = [Outcome::Soft; 3].map(&mut record);
    assert_eq!(soft, [None, None, Some(false)]);
    assert_eq!(
        [record(success), record(Outcome::Hard)],
        [None, Some(false)]
    );
}

#[test]
fn the_interval_follows_what_probes_take_within_its_bounds() {
    let mut pace = Pace::default();
    let mut wait = |outcome| pace.record(&Checker::Tcp, outcome, 3).1.as_millis();
    let quick = Outcome::Success(Duration::from_millis(1));
    assert_eq!(wait(quick), 1_500);
    for _ in 0..20 {
        assert!(wait(quick) >= 1_000);
    }
    assert_eq!(wait(quick), 1_000);
    assert_eq!(wait(Outcome::Hard), 2_000);
    for _ in 0..50 {
        assert!(wait(Outcome::Soft) <= 5_000);
    }
    assert_eq!(wait(Outcome::Soft), 5_000);
}

#[test]
fn private_ranges_hold_neither_the_internet_nor_link_local_addresses() {
    let ranges = Range::private();
    let is_in = |text: &str| {
        let address: IpAddr = text.parse().unwrap();
        ranges.iter().any(|range| range.contains(address))
    };
    for inside in [
        "10.1.2.3",
        "172.31.0.1",
        "192.168.1.1",
        "127.0.0.2",
        "::1",
        "fd00::1",
        "::ffff:10.0.0.1",
    ] {
        assert!(is_in(inside), "{inside}");
    }
    for outside in [
        "8.8.8.8",
        "172.32.0.1",
        "169.254.169.254",
        "::ffff:8.8.8.8",
        "fe80::1",
        "2001:db8::1",
        "0.0.0.0",
    ] {
        assert!(!is_in(outside), "{outside}");
    }
    for bad in [
        "",
        "10.0.0.0/33",
        "10.0.0.0/",
        "ten",
        "::/129",
        "10.0.0.0/8/8",
    ] {
        assert!(bad.parse::<Range>().is_err(), "{bad}");
    }
    assert_eq!(
        "0.0.0.0/0"
            .parse::<Range>()
            .map(|all| all.contains("8.8.8.8".parse().unwrap())),
        Ok(true)
    );
}

/// The failed probes of all events.
#[derive(Debug, Default)]
struct FailedProbes(Mutex<Vec<Option<Arc<str>>>>);

impl EventSink for FailedProbes {
    fn record(&self, event: Event) {
        self.0.lock().push(event.failed_probe);
    }
}

#[tokio::test]
async fn a_persistent_instance_is_unhealthy_while_its_server_is_down() {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let events = Arc::<FailedProbes>::default();
    let sink = Arc::clone(&events);
    let running = Running::with(Config::default(), Memory::default(), sink);
    let catalog = &running.catalog;
    let key = ServiceKey::new("", "", "a").unwrap();
    let endpoint = Endpoint::new("127.0.0.1", port, "").unwrap();
    let mut registered = Registration::new(endpoint.clone(), Kind::Persistent);
    registered.healthy = false;
    catalog
        .register(&endpoint.publisher(), &key, registered)
        .await
        .unwrap();
    let instance = catalog.instance(&key, &endpoint, None).unwrap().reference;
    let is_healthy = || {
        catalog
            .instance(&key, &endpoint, None)
            .unwrap()
            .registered
            .healthy
    };
    for expected in [false, false, true] {
        probe_now(&running.catalog.0, instance).await;
        assert_eq!(is_healthy(), expected);
    }
    drop(listener);
    probe_now(&running.catalog.0, instance).await;
    assert!(!is_healthy());
    assert!(running.catalog.counts().probes.failed > 0);
    let mut failed = std::mem::take(&mut *events.0.lock());
    let tried = format!("TCP connection to 127.0.0.1:{port}: the connection was refused");
    assert_eq!(failed.pop(), Some(Some(tried.into())));
    assert!(failed.iter().all(Option::is_none), "{failed:?}");
}

#[test]
fn the_description_of_a_probe_is_bounded_and_has_no_header() {
    let of = |checker| attempt::description(&checker, LOCAL, 80);
    assert_eq!(of(mysql()), "MySQL greeting of 127.0.0.1:80");
    let http = |path: &str| Checker::Http {
        path: path.into(),
        headers: "Authorization:secret".into(),
        expected: 200,
    };
    assert_eq!(
        of(http("/health")),
        "HTTP GET /health at 127.0.0.1:80, expected status 200"
    );
    assert!(of(http(&"ä".repeat(100_000))).len() < 300);
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_not_connected_to() {
    let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
    let config = Config {
        probe_ranges: vec!["10.0.0.0/8".parse().unwrap()],
        ..Config::default()
    };
    let running = Running::with(config, Memory::default(), Arc::new(NoEvents));
    let catalog = &running.catalog;
    let key = ServiceKey::new("", "", "a").unwrap();
    let port = listener.local_addr().unwrap().port();
    catalog
        .create_service(&key, Settings::default())
        .await
        .unwrap();
    for ip in ["127.0.0.1", "localhost"] {
        let endpoint = Endpoint::new(ip, port, "").unwrap();
        let registered = Registration::new(endpoint.clone(), Kind::Persistent);
        catalog
            .register(&endpoint.publisher(), &key, registered)
            .await
            .unwrap();
        let instance = catalog.instance(&key, &endpoint, None).unwrap().reference;
        probe_now(&running.catalog.0, instance).await;
    }
    assert_eq!(catalog.counts().probes.refused, 2);
    let connected = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(
        connected.is_err(),
        "the collector connected to an address that is not allowed"
    );
}

/// A regression test: an instance with a pending lookup was looked up again, so one slow name could take all permits.
#[tokio::test(start_paused = true)]
async fn an_instance_has_one_lookup_at_a_time() {
    let running = Running::start();
    let (catalog, shared) = (&running.catalog, &running.catalog.0);
    let key = ServiceKey::new("", "", "a").unwrap();
    let endpoint = Endpoint::new("slow.example", 80, "").unwrap();
    let registered = Registration::new(endpoint.clone(), Kind::Persistent);
    catalog
        .register(&endpoint.publisher(), &key, registered)
        .await
        .unwrap();
    let instance = catalog.instance(&key, &endpoint, None).unwrap().reference;
    let later = || shared.clock.now().after(10 * IDLE);
    assert_eq!(shared.probes.take(later()), Some(instance));
    let permits = Arc::new(Semaphore::new(1));
    let (answer, answered) = tokio::sync::oneshot::channel();
    let lookup = async move { answered.await.map_err(std::io::Error::other) };
    let Lookup::Nothing(late) = lookup::start(&permits, lookup, attempt::TIMEOUT).await else {
        panic!("the lookup is late");
    };
    let target = target(shared, instance).unwrap();
    let late = unresolved(shared, instance, &target, late).unwrap();
    assert_eq!(shared.probes.take(later()), None);
    answer.send(Vec::new()).unwrap();
    again_after(shared, instance, late).await;
    assert_eq!(shared.probes.take(later()), Some(instance));
    assert_eq!(catalog.counts().probes.skipped, 1);
}

async fn probe_now(shared: &Shared, instance: InstanceRef) {
    let lookups = Arc::new(Semaphore::new(1));
    assert!(probe(shared, &lookups, instance).await.is_none());
}
