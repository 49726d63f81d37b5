//! Events of 8.5 and later: an agent announces the start and the stop of its own process, and any other event is only counted.

use std::time::Duration;

use rollcall_domain::liveness::{Signal, State};
use tonic::Code;

use super::fixture::{self, Collector, frame};

const PATH: &str = "/skywalking.v3.EventService/collect";
/// The first instance of agents that use no ids.
const FIRST: i32 = i32::MIN + 1;

/// An event with this name about `orders`/`one`.
fn event(name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    let source = b"\x0a\x01u\x12\x0d\x0a\x06orders\x12\x03one";
    [&source[..], &[0x1a, length], name.as_bytes()].concat()
}

/// Sends one stream of events.
async fn send(collector: &Collector, names: &[&str]) {
    let body: Vec<u8> = names.iter().flat_map(|name| frame(&event(name))).collect();
    let (status, _) = fixture::call(collector.router(), PATH, &[], body).await;
    assert_eq!(status, Code::Ok);
}

/// A collector with the instance `orders`/`one`, which has sent a segment.
async fn with_one() -> Collector {
    let collector = Collector::start();
    let segment = frame(b"\x0a\x01t\x12\x01s\x22\x06orders\x2a\x03one");
    let path = "/skywalking.v3.TraceSegmentReportService/collect";
    fixture::call(collector.router(), path, &[], segment).await;
    collector
}

/// Waits until a signal no longer counts as sent before the goodbye.
async fn long_after_a_goodbye() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
}

fn state(collector: &Collector) -> (State, Signal) {
    let status = collector.instance(FIRST);
    (status.state, status.signal)
}

#[tokio::test]
async fn an_event_of_another_sender_is_no_sign_of_life() {
    let collector = with_one().await;
    for name in ["Killing", "Reboot", "start", "Started", ""] {
        send(&collector, &[name]).await;
        assert_eq!(state(&collector), (State::Up, Signal::Register), "{name}");
    }
    send(&collector, &["Shutdown"]).await;
    long_after_a_goodbye().await;
    send(&collector, &["Killing"]).await;
    assert_eq!(state(&collector), (State::Left, Signal::Leave));
    let exposition = collector.services.exposition();
    let dropped = "rollcall_dropped_total{what=\"events\"} 7\n";
    assert!(exposition.contains(dropped), "{exposition}");
}

#[tokio::test]
async fn an_agent_announces_its_stop_and_its_start() {
    let collector = with_one().await;
    send(&collector, &["Shutdown"]).await;
    assert_eq!(state(&collector), (State::Left, Signal::Leave));
    long_after_a_goodbye().await;
    send(&collector, &["Start"]).await;
    assert_eq!(state(&collector), (State::Up, Signal::Telemetry));
    // A proxy of agents sends the events of several processes in one stream. The last announcement counts.
    send(&collector, &["Start", "Shutdown"]).await;
    assert_eq!(state(&collector).0, State::Left);
    long_after_a_goodbye().await;
    send(&collector, &["Shutdown", "Start"]).await;
    assert_eq!(state(&collector).0, State::Up);
}

#[tokio::test]
async fn no_event_registers_an_instance() {
    let collector = Collector::start();
    send(&collector, &["Start", "Shutdown", "Killing"]).await;
    let applications = collector.services.roster.applications(None, 10).items;
    assert!(applications.is_empty(), "{applications:?}");
}
