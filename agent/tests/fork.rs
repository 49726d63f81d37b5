//! Tests forked children of a process that runs an agent, while other threads of the process use the agent.
//!
//! The test runs without the test harness, because a forked child would inherit locks that the threads of the harness hold.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    unused_imports,
    reason = "helpers of tests fail like tests; the helpers are written for the other tests"
)]

use std::{
    io::{self, Read, Write, pipe},
    os::unix::process::CommandExt,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{self, Command},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use fork::Fork;
use rollcall_agent::{Activity, Agent, Changes, Phase, SpanType};
use tokio::time::Instant;

use agent::{
    fake::{self, Collector, PATIENCE},
    harness::{builder, running_on, until_running},
};

mod agent {
    pub(crate) mod fake;
    pub(crate) mod harness;
}

const FORKS: usize = 100;

/// Every 20th child starts an agent of its own.
const OWN_AGENTS: usize = 20;

/// The limit for all calls of a child together: none of them has anything to wait for.
const AT_ONCE: Duration = Duration::from_secs(5);

fn main() {
    let collector = Collector::start();
    let agent = running_on(&collector);
    let before = agent.status();
    agent.operation("known", SpanType::Entry);
    while agent.operation("known", SpanType::Entry).is_none() {
        thread::park_timeout(Duration::from_millis(1));
    }
    let over = AtomicBool::new(false);
    let names = AtomicUsize::new(0);
    let mut uuids = vec![before.instance_uuid.clone()];
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    use_agent(&agent, names.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
        for number in 0..FORKS {
            let own = number % OWN_AGENTS == 0;
            let report = in_child(&agent, own.then_some(&collector));
            let Some(uuid) = report.strip_prefix("ok: ") else {
                over.store(true, Ordering::Relaxed);
                panic!("fork {number}: {report:?}");
            };
            if own {
                uuids.push(uuid.to_owned());
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    let number = uuids.len();
    uuids.sort();
    uuids.dedup();
    assert_eq!((number, uuids.len()), (1 + FORKS / OWN_AGENTS, number));
    let after = agent.status();
    assert_eq!(
        (after.phase, after.instance_id, after.counts.connections),
        (Phase::Running, before.instance_id, 1),
        "the forks changed the parent's agent"
    );
    agent.shutdown(PATIENCE).unwrap();
}

/// Takes and releases every lock that an application's calls take.
fn use_agent(agent: &Agent, number: usize) {
    let mut changes = agent.subscribe();
    agent.operation(&format!("name {}", number % 50_000), SpanType::Exit);
    agent.address(&format!("host:{}", number % 50_000));
    drop((agent.status(), changes.wait(Duration::ZERO)));
}

/// The report of a child that checks its parent's agent: `ok: ` and the UUID of the child's own agent, or the failure.
fn in_child(agent: &Agent, own: Option<&Collector>) -> String {
    let changes = agent.subscribe();
    let (mut reader, writer) = pipe().unwrap();
    match fork::fork().unwrap() {
        Fork::Child => child(agent, changes, own, writer),
        Fork::Parent(child) => {
            drop(writer);
            let mut report = String::new();
            reader.read_to_string(&mut report).unwrap();
            fork::waitpid(child).unwrap();
            report
        }
    }
}

fn child(
    agent: &Agent,
    changes: Changes,
    own: Option<&Collector>,
    mut writer: io::PipeWriter,
) -> ! {
    // Aborts a child that hangs, so that it ends without a report.
    thread::spawn(|| {
        thread::park_timeout(PATIENCE);
        process::abort();
    });
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        is_stopped(agent, changes);
        own.map_or_else(String::new, |collector| starts_its_own(agent, collector))
    }));
    let report = match outcome {
        Ok(uuid) => format!("ok: {uuid}"),
        Err(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| "a panic without a message".to_owned()),
    };
    writer.write_all(report.as_bytes()).unwrap();
    drop(writer);
    // Does not call `exit`, because exit handlers may wait for a lock that a thread of the parent held.
    drop(Command::new("true").exec());
    process::abort()
}

/// Checks that the parent's agent is stopped in the child and that no call waits.
fn is_stopped(agent: &Agent, mut changes: Changes) {
    let start = Instant::now();
    let dropped = agent.status().counts.dictionary_dropped;
    agent.segment_finished();
    assert_eq!(agent.operation("of the child", SpanType::Entry), None);
    assert_eq!(agent.address("of:1"), None);
    let known = || agent.operation("known", SpanType::Entry);
    assert_eq!(
        known(),
        None,
        "an id was returned after a call had detected the fork"
    );
    thread::scope(|scope| assert_eq!(scope.spawn(known).join().unwrap(), None));
    let status = agent.status();
    assert_eq!((status.phase, &status.collector), (Phase::Stopped, &None));
    assert_eq!((status.instance_id, status.stalled_for), (None, None));
    assert_eq!(status.counts.dictionary_dropped, dropped);
    let error = status.last_error.unwrap();
    assert_eq!(error.activity, Activity::Loop);
    assert!(error.message.contains("forked"), "{}", error.message);
    let wanted = |status: &rollcall_agent::Status| status.phase == Phase::Running;
    assert!(changes.wait_for(PATIENCE, wanted).is_err());
    let last = changes.wait(PATIENCE).map(|status| status.phase);
    assert_eq!(last, Some(Phase::Stopped));
    assert_eq!(changes.wait(PATIENCE), None);
    drop((changes, agent.subscribe(), format!("{agent:?}")));
    agent.stop();
    agent.shutdown(PATIENCE).unwrap();
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

/// Checks that an agent which the child starts is another instance. Returns its UUID.
fn starts_its_own(parents: &Agent, collector: &Collector) -> String {
    let agent = builder()
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    let status = until_running(&agent);
    assert!(status.instance_id.is_some());
    assert_eq!(parents.status().phase, Phase::Stopped);
    agent.shutdown(PATIENCE).unwrap();
    status.instance_uuid
}
