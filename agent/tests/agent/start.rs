//! Tests the checks of `start`, and agents in different async runtimes.

use rollcall_agent::{Agent, Error, Origin, Phase};

use crate::{
    fake::{Collector, PATIENCE},
    harness::{builder, running_on, until_running, unused},
};

#[test]
fn start_refuses_only_bad_configuration() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        &file,
        "collector.servers = here\ncollector.discovery_check_interval = soon\n",
    )
    .unwrap();
    let started = Agent::builder("")
        .environment([("SW_AGENT_INSTANCE_UUID", "a\tb")])
        .config_file(file.path())
        .start();
    let Err(Error::Config(problems)) = started else {
        panic!("{started:?}")
    };
    let mut places: Vec<_> = problems
        .iter()
        .map(|problem| (problem.origin.to_string(), &*problem.key))
        .collect();
    places.sort();
    let path = file.path().display();
    assert_eq!(
        places,
        [
            (format!("{path}:1"), "collector.servers"),
            (format!("{path}:2"), "collector.discovery_check_interval"),
            ("SW_AGENT_INSTANCE_UUID".to_owned(), "agent.instance_uuid"),
            ("builder".to_owned(), "agent.application_code"),
        ]
    );
    assert!(
        builder()
            .direct_collectors([unused().to_string()])
            .start()
            .is_ok()
    );
}

#[test]
fn a_missing_file_is_a_mistake() {
    let started = builder()
        .config_file("/nowhere/agent.config")
        .direct_collectors(["c:1"])
        .start();
    let Err(Error::Config(problems)) = started else {
        panic!("{started:?}")
    };
    assert_eq!(
        (problems.len(), &problems[0].origin, &*problems[0].key),
        (1, &Origin::Builder, "config_file")
    );
}

#[test]
fn an_agent_runs_without_a_runtime() {
    let collector = Collector::start();
    let status = running_on(&collector).status();
    assert_eq!(status.collector, Some(collector.address()));
    assert_eq!(status.stalled_for, None);
}

/// Starts an agent, awaits its changes and shuts it down, all on a thread of the runtime.
async fn runs(collector: &Collector) {
    let agent = builder()
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    let mut changes = agent.subscribe();
    let running = async {
        while agent.status().phase != Phase::Running {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, running).await.unwrap();
    agent.shutdown(PATIENCE).unwrap();
    while changes.changed().await.is_some() {}
    assert_eq!(agent.status().phase, Phase::Stopped);
}

#[tokio::test(flavor = "current_thread")]
async fn an_agent_runs_in_a_single_threaded_runtime() {
    runs(&Collector::start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_runs_in_a_multi_threaded_runtime() {
    runs(&Collector::start()).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_works_in_a_runtime_with_paused_time() {
    let collector = Collector::start();
    let agent = builder()
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    until_running(&agent);
    agent.shutdown(PATIENCE).unwrap();
}
