//! Tests registration and heartbeats.

use rollcall_agent::{Activity, Phase};
use tonic::Code;

use crate::{
    fake::{Behaviour, Call, Collector, PATIENCE, Seen},
    harness::{builder, ms, running_on, until, until_running},
};

#[test]
fn the_application_and_then_the_instance_get_their_ids() {
    let collector = Collector::start();
    let agent = running_on(&collector);
    let status = agent.status();
    let Seen::Application(application) = collector.wait_for(Call::Application, 1) else {
        panic!()
    };
    assert_eq!(application.application_code, ["orders"]);
    let Seen::Instance(instance) = collector.wait_for(Call::Instance, 1) else {
        panic!()
    };
    assert_eq!(
        Some(instance.application_id),
        status.application_id.map(|id| id.get())
    );
    assert_eq!(instance.agent_uuid, status.instance_uuid);
    assert_eq!(instance.agent_uuid.len(), 32);
    assert!(
        instance.register_time > 1_600_000_000_000,
        "milliseconds since the epoch"
    );
    let process = instance.osinfo.unwrap();
    assert_eq!(
        u32::try_from(process.process_no).unwrap(),
        std::process::id()
    );
    assert!(!process.os_name.is_empty() && !process.hostname.is_empty());
    assert_eq!(
        collector.read(|state| state.seen.len()),
        2,
        "the agent registers this process only"
    );
    assert_eq!(status.counts.registrations, 1);
}

#[test]
fn ids_that_are_not_assigned_yet_are_requested_again() {
    let collector = Collector::start();
    collector.script(Call::Application, Behaviour::NoId);
    collector.script(Call::Instance, Behaviour::NoId);
    let agent = builder()
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    collector.wait_for(Call::Application, 3);
    assert_eq!(agent.status().phase, Phase::Unregistered);
    collector.script(Call::Application, Behaviour::Answer);
    collector.wait_for(Call::Instance, 3);
    assert_eq!(agent.status().phase, Phase::ApplicationKnown);
    collector.script(Call::Instance, Behaviour::Answer);
    until_running(&agent);
}

#[test]
fn heartbeats_arrive_if_no_segment_is_ever_finished() {
    let collector = Collector::start();
    let agent = builder()
        .heartbeat_after(ms(30))
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    let Seen::Heartbeat(heartbeat) = collector.wait_for(Call::Heartbeat, 3) else {
        panic!()
    };
    let status = until(&agent, "acknowledgement", |status| {
        status.counts.heartbeats >= 2
    });
    assert_eq!(
        Some(heartbeat.application_instance_id),
        status.instance_id.map(|id| id.get())
    );
    assert!(heartbeat.heartbeat_time > 0);
    assert!(status.last_heartbeat.is_some());
}

#[test]
fn heartbeats_arrive_while_segments_are_finished_constantly() {
    let collector = Collector::start();
    let agent = builder()
        .heartbeat_after(ms(30))
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    let busy = agent.clone();
    let segments = std::thread::spawn(move || {
        while busy.status().phase != Phase::Stopped {
            busy.segment_finished();
        }
    });
    collector.wait_for(Call::Heartbeat, 2);
    agent.shutdown(PATIENCE).unwrap();
    segments.join().unwrap();
}

#[test]
fn an_instance_that_the_collector_no_longer_knows_registers_again() {
    let collector = Collector::start();
    let agent = builder()
        .heartbeat_after(ms(30))
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    until_running(&agent);
    collector.script(Call::Heartbeat, Behaviour::Fail(Code::NotFound));
    let (Seen::Instance(first), Seen::Instance(second)) = (
        collector.wait_for(Call::Instance, 1),
        collector.wait_for(Call::Instance, 2),
    ) else {
        panic!()
    };
    assert_eq!(first.agent_uuid, second.agent_uuid);
    collector.wait_for(Call::Application, 2);
    collector.script(Call::Heartbeat, Behaviour::Answer);
    until_running(&agent);
    assert_eq!(collector.read(|state| state.connections), 1);
}

#[test]
fn a_collector_without_recover_gets_a_heartbeat_at_once_instead() {
    let collector = Collector::start();
    let agent = running_on(&collector);
    let at = collector.socket();
    drop(collector);
    until(&agent, "no collector", |status| status.collector.is_none());
    let collector = Collector::start_at(at, 0);
    collector.script(Call::Recover, Behaviour::Fail(Code::Unimplemented));
    collector.wait_for(Call::Heartbeat, 1);
    until_running(&agent);
}

#[test]
fn a_collector_without_the_registration_calls_is_reported_and_tried_again() {
    for lacking in [Call::Application, Call::Instance] {
        let collector = Collector::start();
        collector.script(lacking, Behaviour::Fail(Code::Unimplemented));
        let agent = builder()
            .direct_collectors([collector.address()])
            .start()
            .unwrap();
        collector.wait_for(lacking, 5);
        let error = agent.status().last_error.unwrap();
        assert_eq!(error.activity, Activity::Registration);
        assert!(error.message.contains("SkyWalking 5.x"), "{error:?}");
        assert_eq!(collector.read(|state| state.connections), 1);
        collector.script(lacking, Behaviour::Answer);
        until_running(&agent);
    }
}
