//! Tests that an agent stops quickly in every state.

use std::{net::TcpListener, time::Duration};

use rollcall_agent::{Agent, Phase};
use tokio::time::Instant;
use tonic::Code;

use crate::{
    fake::{Behaviour, Call, Collector, Naming, PATIENCE, Response, Seen},
    harness::{builder, naming_for, running_on, until, unused},
};

/// The timeout of a shutdown: far longer than a shutdown takes on a busy machine, and shorter than the deadline of a call.
const WITHIN: Duration = Duration::from_secs(5);

/// Shuts down twice, and checks each time that the shutdown does not wait for a call.
fn ends(agent: &Agent, state: &str) {
    for _ in 0..2 {
        let before = Instant::now();
        agent
            .shutdown(WITHIN)
            .unwrap_or_else(|error| panic!("{state}: {error}"));
        assert!(before.elapsed() < WITHIN, "{state}");
    }
    let status = agent.status();
    assert_eq!(
        (status.phase, status.collector),
        (Phase::Stopped, None),
        "{state}"
    );
}

#[test]
fn at_once() {
    ends(
        &builder()
            .collectors([unused().to_string()])
            .start()
            .unwrap(),
        "just started",
    );
}

#[test]
fn while_no_collector_runs() {
    let agent = builder()
        .collectors([unused().to_string()])
        .start()
        .unwrap();
    until(&agent, "failures", |status| {
        status.counts.naming_failures > 1
    });
    ends(&agent, "no naming server");
    let agent = builder()
        .direct_collectors([unused().to_string()])
        .start()
        .unwrap();
    until(&agent, "failures", |status| {
        status.counts.connection_failures > 1
    });
    ends(&agent, "no collector");
}

#[test]
fn while_the_naming_server_misbehaves() {
    for answer in [
        Response::Hang,
        Response::Status(500),
        Response::Body("garbage"),
        Response::Body("[]"),
        Response::Endless,
    ] {
        let naming = Naming::start(answer.clone());
        let agent = builder()
            .discovery_timeout(PATIENCE)
            .collectors([naming.address()])
            .start()
            .unwrap();
        naming.wait_for_requests(1);
        ends(&agent, &format!("naming server: {answer:?}"));
    }
}

#[test]
fn while_every_call_misbehaves() {
    let calls = [
        Call::Application,
        Call::Instance,
        Call::Heartbeat,
        Call::Operations,
        Call::Addresses,
    ];
    let codes = (1..17).map(Code::from_i32).map(Behaviour::Fail);
    for behaviour in codes.chain([Behaviour::Hang, Behaviour::NoId]) {
        let collector = Collector::start();
        for call in calls {
            collector.script(call, behaviour);
        }
        let agent = builder()
            .call_timeout(PATIENCE)
            .direct_collectors([collector.address()])
            .start()
            .unwrap();
        collector.wait_for(Call::Application, 1);
        ends(&agent, &format!("{behaviour:?}"));
    }
}

#[test]
fn in_the_middle_of_each_call() {
    for call in [
        Call::Instance,
        Call::Heartbeat,
        Call::Operations,
        Call::Addresses,
    ] {
        let collector = Collector::start();
        collector.script(call, Behaviour::Hang);
        let agent = builder()
            .call_timeout(PATIENCE)
            .heartbeat_after(Duration::from_millis(if call == Call::Heartbeat {
                1
            } else {
                60_000
            }))
            .direct_collectors([collector.address()])
            .start()
            .unwrap();
        agent.operation("GET /", rollcall_agent::SpanType::Entry);
        if call == Call::Addresses {
            agent.address("db:1");
        }
        collector.wait_for(call, 1);
        ends(&agent, &format!("in {call:?}"));
    }
}

#[test]
fn while_a_peer_accepts_and_sends_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let agent = builder()
        .call_timeout(PATIENCE)
        .direct_collectors([at])
        .start()
        .unwrap();
    until(&agent, "a connection", |status| status.collector.is_some());
    ends(&agent, "silent peer");
}

#[test]
fn while_nothing_is_due_for_an_hour() {
    let collector = Collector::start();
    let agent = builder()
        .register_interval(Duration::from_secs(3600))
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    until(&agent, "running", |status| status.phase == Phase::Running);
    ends(&agent, "asleep");
}

#[test]
fn while_it_runs_and_after_its_collector_has_stopped() {
    let collector = Collector::start();
    ends(&running_on(&collector), "running");
    let agent = running_on(&collector);
    drop(collector);
    until(&agent, "no collector", |status| status.collector.is_none());
    ends(&agent, "collector killed");
}

#[tokio::test(flavor = "current_thread")]
async fn within_a_single_threaded_runtime() {
    let naming = Naming::start(Response::Hang);
    ends(
        &builder().collectors([naming.address()]).start().unwrap(),
        "current thread",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_a_multi_threaded_runtime() {
    let naming = Naming::start(Response::Hang);
    ends(
        &builder().collectors([naming.address()]).start().unwrap(),
        "multi thread",
    );
}

#[test]
fn by_many_threads_at_once() {
    let collector = Collector::start();
    let agent = running_on(&collector);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| agent.shutdown(WITHIN).unwrap());
        }
    });
}

#[test]
fn a_drop_does_not_hang_and_ends_the_thread() {
    let collector = Collector::start();
    let naming = naming_for(&[&collector]);
    collector.script(Call::Application, Behaviour::Hang);
    let agent = builder()
        .call_timeout(PATIENCE)
        .collectors([naming.address()])
        .start()
        .unwrap();
    collector.wait_for(Call::Application, 1);
    let mut changes = agent.subscribe();
    let clone = agent.clone();
    drop(agent);
    assert_ne!(
        clone.status().phase,
        Phase::Stopped,
        "a clone keeps the agent running"
    );
    drop(clone);
    changes
        .wait_for(PATIENCE, |status| status.phase == Phase::Stopped)
        .unwrap();
}

#[test]
fn a_stopped_agent_still_takes_calls() {
    let collector = Collector::start();
    let agent = running_on(&collector);
    agent.shutdown(WITHIN).unwrap();
    agent.segment_finished();
    assert_eq!(agent.address("db:1"), None);
    let status = agent.status();
    assert_eq!((status.phase, status.stalled_for), (Phase::Stopped, None));
    assert_eq!(agent.subscribe().wait(WITHIN), None);
}

#[test]
fn a_stop_reports_the_end_of_the_instance() {
    let collector = Collector::start();
    let agent = running_on(&collector);
    let running = agent.status();
    agent.shutdown(PATIENCE).unwrap();
    let Seen::Leave(leave) = collector.wait_for(Call::Leave, 1) else {
        panic!()
    };
    assert_eq!(
        (
            Some(leave.application_id),
            Some(leave.application_instance_id)
        ),
        (
            running.application_id.map(|id| id.get()),
            running.instance_id.map(|id| id.get())
        )
    );
    assert_eq!(leave.agent_uuid, running.instance_uuid);
    assert!(!leave.reason.is_empty());
    assert_eq!(agent.status().counts.goodbyes, 1);
    agent.shutdown(PATIENCE).unwrap();
    assert_eq!(
        collector.read(|state| state.seen.len()),
        3,
        "the end was reported twice"
    );
}

#[test]
fn a_drop_reports_the_end_of_the_instance_too() {
    let collector = Collector::start();
    drop(running_on(&collector));
    collector.wait_for(Call::Leave, 1);
}

#[test]
fn an_agent_without_ids_reports_no_end() {
    let collector = Collector::start();
    collector.script(Call::Application, Behaviour::NoId);
    let agent = builder()
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    collector.wait_for(Call::Application, 1);
    agent.shutdown(PATIENCE).unwrap();
    let left = collector.read(|state| state.seen.iter().any(|seen| seen.call() == Call::Leave));
    assert!(!left);
}

#[test]
fn a_goodbye_that_is_refused_or_not_answered_delays_the_end_by_half_the_timeout_at_most() {
    let refusals = (1..17).map(Code::from_i32).map(Behaviour::Fail);
    for behaviour in refusals.chain([Behaviour::Hang]) {
        let collector = Collector::start();
        collector.script(Call::Leave, behaviour);
        let agent = running_on(&collector);
        ends(&agent, &format!("goodbye: {behaviour:?}"));
        let counts = agent.status().counts;
        assert_eq!((counts.goodbyes, counts.call_failures), (0, 0));
    }
}

#[test]
fn a_shutdown_that_may_not_wait_ends_without_an_answer_to_its_goodbye() {
    let collector = Collector::start();
    collector.script(Call::Leave, Behaviour::Hang);
    let agent = running_on(&collector);
    let mut changes = agent.subscribe();
    // The thread may or may not have ended at this point; the test accepts both.
    let _ended = agent.shutdown(Duration::ZERO).is_ok();
    let stopped = changes.wait_for(WITHIN, |status| status.phase == Phase::Stopped);
    stopped.unwrap();
}
