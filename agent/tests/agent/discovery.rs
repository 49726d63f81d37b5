//! Tests how the agent finds collectors.

use std::time::Duration;

use rollcall_agent::{Activity, Phase};
use tokio::time::Instant;

use crate::{
    fake::{Collector, Naming, PATIENCE, Response},
    harness::{builder, ms, naming_for, until, until_running, unused},
};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn without_a_collector_the_agent_waits_and_reports_the_reason() {
    let agent = builder()
        .collectors([unused().to_string()])
        .start()
        .unwrap();
    let status = until(&agent, "an error", |status| status.last_error.is_some());
    assert_eq!(
        (status.phase, status.collector),
        (Phase::Unregistered, None)
    );
    assert_eq!(status.last_error.unwrap().activity, Activity::Discovery);
}

#[test]
fn a_collector_that_appears_later_is_found() {
    let (naming_at, collector_at) = (unused(), unused());
    let agent = builder()
        .collectors([naming_at.to_string()])
        .start()
        .unwrap();
    until(&agent, "a failure", |status| {
        status.counts.naming_failures > 0
    });
    let _naming = Naming::start_at(naming_at, Response::List(vec![collector_at.to_string()]));
    until(&agent, "no connection", |status| {
        status.counts.connection_failures > 0
    });
    let collector = Collector::start_at(collector_at, 0);
    assert_eq!(until_running(&agent).members, [collector.address()]);
}

/// Answers of a naming server that have no usable list, one of each kind.
fn useless() -> Vec<Response> {
    vec![
        Response::Status(500),
        Response::Status(404),
        Response::Body("<html>not JSON</html>"),
        Response::Body("{\"a\": 1}"),
        Response::Body("[]"),
        Response::Body(""),
        Response::Body("[\"not an address\"]"),
        Response::Raw(b"\x00\x01\x02 not HTTP\r\n\r\n"),
        Response::Endless,
        Response::Hang,
        Response::Close,
    ]
}

#[test]
fn a_useless_naming_server_is_skipped_within_the_tick() {
    let collector = Collector::start();
    let good = naming_for(&[&collector]);
    for answer in useless() {
        let bad = Naming::start(answer.clone());
        // An agent queries a random server first, so several agents may be needed before one queries the bad server.
        let mut agents = 0;
        while bad.requests().is_empty() {
            agents += 1;
            let agent = builder()
                .discovery_interval(HOUR)
                .discovery_timeout(ms(2000))
                .collectors([bad.address(), good.address()])
                .start()
                .unwrap();
            until_running(&agent);
        }
        assert!(
            bad.requests().len() <= agents,
            "{answer:?}: a second request within a tick"
        );
    }
}

#[test]
fn the_last_good_list_stays_while_the_answers_are_useless() {
    let collector = Collector::start();
    let naming = naming_for(&[&collector]);
    let agent = builder().collectors([naming.address()]).start().unwrap();
    let before = until_running(&agent);
    for answer in useless() {
        let sent = naming.requests().len();
        let failed = agent.status().counts.naming_failures;
        naming.answers(answer);
        naming.wait_for_requests(sent + 2);
        let now = until(&agent, "a failure", |status| {
            status.counts.naming_failures > failed
        });
        assert_eq!((now.phase, &now.members), (Phase::Running, &before.members));
    }
    assert_eq!(
        agent.status().counts.connections,
        1,
        "the agent reconnected"
    );
}

#[test]
fn a_changed_list_replaces_the_old_one() {
    let (first, second) = (Collector::start(), Collector::start());
    let naming = naming_for(&[&first]);
    let agent = builder().collectors([naming.address()]).start().unwrap();
    until_running(&agent);
    naming.answers(Response::List(vec![second.address()]));
    until(&agent, "the new list", |status| {
        status.members == [second.address()]
    });
    drop(first);
    until(&agent, "the other collector", |status| {
        status.collector == Some(second.address())
    });
}

#[test]
fn the_list_is_requested_as_upstream_does() {
    let collector = Collector::start();
    let naming = naming_for(&[&collector]);
    let agent = builder().collectors([naming.address()]).start().unwrap();
    until_running(&agent);
    assert_eq!(naming.requests()[0], "GET /agent/gRPC HTTP/1.1");
}

#[test]
fn a_list_of_40_000_entries_is_shortened_and_does_not_delay_calls() {
    let entries: Vec<_> = (1..=40_000_u16)
        .map(|port| format!("c{port}.invalid:{port}"))
        .collect();
    let naming = Naming::start(Response::List(entries));
    let agent = builder().collectors([naming.address()]).start().unwrap();
    let list = until(&agent, "a list", |status| !status.members.is_empty()).members;
    assert_eq!(list.len(), 256);
    assert!(list.is_sorted());
    let sent = naming.requests().len();
    naming.wait_for_requests(sent + 2);
    assert_eq!(agent.status().members, list, "the choice changed");
    // A call of the host waits at most until the agent's loop finishes its current turn.
    let from = Instant::now();
    agent.shutdown(PATIENCE).unwrap();
    assert!(from.elapsed() < Duration::from_secs(5));
}
