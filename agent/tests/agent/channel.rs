//! Tests how the agent keeps a connection and when it reconnects.

use std::time::Duration;

use rollcall_agent::{Activity, Phase};
use tonic::Code;

use crate::{
    fake::{Behaviour, Call, Collector, Seen},
    harness::{builder, ms, naming_for, running_on, until, until_running},
};

#[test]
fn a_restarted_collector_receives_the_ids() {
    let collector = Collector::start();
    let agent = running_on(&collector);
    let before = agent.status();
    let at = collector.socket();
    drop(collector);
    let without = until(&agent, "no collector", |status| status.collector.is_none());
    assert_eq!(without.phase, Phase::InstanceKnown);
    let collector = Collector::start_at(at, 100);
    let after = until_running(&agent);
    assert_eq!(
        (after.application_id, after.instance_id),
        (before.application_id, before.instance_id)
    );
    let Seen::Recover(recover) = collector.wait_for(Call::Recover, 1) else {
        panic!()
    };
    assert_eq!(
        Some(recover.application_id),
        before.application_id.map(|id| id.get())
    );
    assert_eq!(
        Some(recover.application_instance_id),
        before.instance_id.map(|id| id.get())
    );
    assert!(recover.register_time > 0 && recover.osinfo.is_some());
    assert_eq!(
        collector.read(|state| state.seen[0].call()),
        Call::Recover,
        "the first call on the new connection is the recover call"
    );
}

#[test]
fn a_broken_connection_is_detected_without_a_call() {
    let collector = Collector::start();
    let agent = builder()
        .register_interval(Duration::from_secs(3600))
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    until_running(&agent);
    drop(collector);
    until(&agent, "no collector", |status| status.collector.is_none());
}

#[test]
fn after_a_lost_connection_another_member_is_tried_first() {
    let collectors = [Collector::start(), Collector::start(), Collector::start()];
    let [a, b, c] = &collectors;
    let naming = naming_for(&[a, b, c]);
    let agent = builder().collectors([naming.address()]).start().unwrap();
    until_running(&agent);
    let (left, others): (Vec<_>, Vec<_>) = collectors
        .into_iter()
        .partition(|collector| Some(collector.address()) == agent.status().collector);
    left[0].script(Call::Heartbeat, Behaviour::Hang);
    drop(left);
    let after = until_running_elsewhere(&agent, &others);
    assert_eq!(
        after.counts.connection_failures, 1,
        "the dead member was tried first"
    );
}

fn until_running_elsewhere(
    agent: &rollcall_agent::Agent,
    others: &[Collector],
) -> rollcall_agent::Status {
    until(agent, "another collector", |status| {
        let elsewhere = others
            .iter()
            .any(|other| Some(other.address()) == status.collector);
        elsewhere && status.phase == Phase::Running
    })
}

#[test]
fn upstreams_error_classes_decide_whether_to_reconnect() {
    for code in (1..17).map(Code::from_i32) {
        let collector = Collector::start();
        collector.script(Call::Application, Behaviour::Fail(code));
        let agent = builder()
            .direct_collectors([collector.address()])
            .start()
            .unwrap();
        collector.wait_for(Call::Application, 4);
        let reconnects = [
            Code::Unavailable,
            Code::PermissionDenied,
            Code::Unauthenticated,
            Code::ResourceExhausted,
            Code::Unknown,
        ]
        .contains(&code);
        let connections = collector.read(|state| state.connections);
        assert_eq!(
            connections > 1,
            reconnects,
            "{code:?}: {connections} connections"
        );
        collector.script(Call::Application, Behaviour::Answer);
        until_running(&agent);
    }
}

#[test]
fn the_agent_leaves_a_silent_collector_after_three_calls() {
    let collector = Collector::start();
    collector.script(Call::Application, Behaviour::Hang);
    let agent = builder()
        .call_timeout(ms(50))
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    collector.wait_for_connections(2);
    let calls = collector.read(|state| state.seen.len());
    assert!(calls >= 3, "left after {calls} calls");
    let status = agent.status();
    assert_eq!(status.phase, Phase::Unregistered);
    assert!(status.counts.call_failures >= 3);
    collector.script(Call::Application, Behaviour::Answer);
    until_running(&agent);
}

#[test]
fn a_listener_that_is_not_a_collector_is_reported() {
    let collector = Collector::start();
    let naming = naming_for(&[&collector]);
    // An HTTP/1 server, as if the ports were mixed up in the settings.
    let agent = builder()
        .direct_collectors([naming.address()])
        .start()
        .unwrap();
    let status = until(&agent, "an error", |status| {
        status.counts.connection_failures > 1
    });
    assert_eq!(status.phase, Phase::Unregistered);
    assert_eq!(status.last_error.unwrap().activity, Activity::Connection);
}

#[test]
fn every_call_has_the_token_a_deadline_and_a_name() {
    let collector = Collector::start();
    let agent = builder()
        .authentication("s3cret")
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    until_running(&agent);
    for metadata in collector.read(|state| state.metadata.clone()) {
        assert_eq!(metadata.get("authentication").unwrap(), "s3cret");
        assert!(metadata.get("grpc-timeout").is_some());
        let name = metadata.get("user-agent").unwrap().to_str().unwrap();
        assert!(name.starts_with("rollcall-agent/"), "{name}");
    }
    assert!(!format!("{agent:?}").contains("s3cret"));
}

#[test]
fn the_agent_leaves_a_connection_that_becomes_silent_between_calls() {
    // The collector answers the calls and, once frozen, nothing more, not even pings: its thread is blocked, and its sockets stay
    // open.
    let collector = Collector::start();
    let agent = builder()
        .register_interval(Duration::from_secs(3600))
        .keepalive_interval(ms(50))
        .keepalive_timeout(ms(50))
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    until_running(&agent);
    collector.freeze();
    let status = until(&agent, "no collector", |status| status.collector.is_none());
    assert_eq!(status.phase, Phase::InstanceKnown);
    let error = until(&agent, "an error", |status| status.last_error.is_some())
        .last_error
        .unwrap();
    assert_eq!(error.activity, Activity::Connection);
    assert!(error.message.contains("keep-alive"), "{}", error.message);
    collector.thaw();
    until_running(&agent);
}
