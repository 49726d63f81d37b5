use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::{OnCancel, OnError, Policy, StillRunning, TaskSet};

const LOG: Policy = Policy {
    on_error: OnError::Log,
    on_cancel: OnCancel::Wait,
};
const ABORT: Policy = Policy {
    on_error: OnError::Stop,
    on_cancel: OnCancel::Abort,
};
const GRACE: Duration = Duration::from_secs(10);

fn broken() -> Result<(), io::Error> {
    Err(io::Error::other("disk removed"))
}

fn full_message(failure: &super::Failure) -> String {
    format!("{failure}: {}", std::error::Error::source(failure).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_stop_task_is_reported_with_its_name() {
    let tasks = TaskSet::new();
    tasks.spawn("writer", Policy::default(), async { broken() });
    assert_eq!(
        full_message(&tasks.failed().await),
        "task writer failed: disk removed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error() {
    let tasks = TaskSet::new();
    tasks.spawn("sweeper", Policy::default(), async {
        if tokio::time::timeout(Duration::ZERO, std::future::pending::<()>())
            .await
            .is_err()
        {
            panic!("no {}", "wheel");
        }
        Ok::<(), io::Error>(())
    });
    assert_eq!(
        full_message(&tasks.failed().await),
        "task sweeper failed: panicked: no wheel"
    );
    assert!(tasks.shutdown(GRACE).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_is_reported() {
    let tasks = TaskSet::new();
    tasks.spawn("first", Policy::default(), async { broken() });
    tasks.failed().await;
    tasks.spawn("second", Policy::default(), async { broken() });
    assert!(tasks.shutdown(GRACE).await.is_ok());
    assert_eq!(tasks.failed().await.task(), "first");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_log_task_stops_no_other_task() {
    let tasks = TaskSet::new();
    tasks.spawn("notifier", LOG, async { broken() });
    assert!(tokio::time::timeout(GRACE, tasks.failed()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_a_stage_is_reported_by_the_whole_set() {
    let tasks = TaskSet::new();
    tasks
        .stage()
        .spawn("listener", Policy::default(), async { broken() });
    assert_eq!(tasks.failed().await.task(), "listener");
}

#[tokio::test(start_paused = true)]
async fn a_stage_stops_without_the_others() {
    let tasks = TaskSet::new();
    let stage = tasks.stage();
    stage.spawn(
        "listener",
        ABORT,
        std::future::pending::<Result<(), io::Error>>(),
    );
    assert!(stage.shutdown(GRACE).await.is_ok());
    assert!(!tasks.token().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_a_task_to_finish_its_work() {
    let tasks = TaskSet::new();
    let (cancel, (done, finished)) = (tasks.token(), oneshot::channel());
    tasks.spawn("loop", Policy::default(), async move {
        cancel.cancelled().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        done.send(()).map_err(|()| io::Error::other("no receiver"))
    });
    assert!(tasks.shutdown(GRACE).await.is_ok());
    assert!(finished.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn shutdown_names_the_tasks_that_do_not_stop() {
    let tasks = TaskSet::new();
    tasks.spawn(
        "stubborn",
        Policy::default(),
        std::future::pending::<Result<(), io::Error>>(),
    );
    tasks.spawn(
        "aborted",
        ABORT,
        std::future::pending::<Result<(), io::Error>>(),
    );
    let late = tasks.shutdown(GRACE).await.unwrap_err();
    assert_eq!(late.names, ["stubborn"]);
    assert_eq!(late.to_string(), "still running: stubborn");
}

#[test]
fn several_shutdowns_name_the_tasks_of_all() {
    let running = |name: &'static str| {
        Err(StillRunning {
            names: vec![name.into()],
        })
    };
    StillRunning::all([Ok(()), Ok(())]).unwrap();
    let late = StillRunning::all([Ok(()), running("a"), Ok(()), running("b")]).unwrap_err();
    assert_eq!(late.to_string(), "still running: a, b");
}

#[tokio::test(start_paused = true)]
async fn an_aborted_task_is_not_a_failure() {
    let tasks = TaskSet::new();
    tasks.spawn(
        "poller",
        ABORT,
        std::future::pending::<Result<(), io::Error>>(),
    );
    assert!(tasks.shutdown(GRACE).await.is_ok());
    assert!(tokio::time::timeout(GRACE, tasks.failed()).await.is_err());
}

#[tokio::test]
async fn a_thread_is_waited_for_and_its_panic_is_an_error() {
    let tasks = TaskSet::new();
    let (queue, served) = crossbeam_channel::bounded::<u32>(1);
    tasks
        .spawn_thread("writer", OnError::Stop, move || {
            if served.recv().is_ok() {
                panic!("poisoned")
            } else {
                broken()
            }
        })
        .unwrap();
    queue.send(1).unwrap();
    assert_eq!(
        full_message(&tasks.failed().await),
        "task writer failed: panicked: poisoned"
    );
    assert!(tasks.shutdown(GRACE).await.is_ok());
}

#[tokio::test]
async fn a_thread_that_does_not_stop_is_named() {
    let tasks = TaskSet::new();
    let (queue, served) = crossbeam_channel::bounded::<u32>(1);
    tasks
        .spawn_thread("writer", OnError::Log, move || served.recv().map(drop))
        .unwrap();
    assert_eq!(
        tasks
            .shutdown(Duration::from_millis(10))
            .await
            .unwrap_err()
            .names,
        ["writer"]
    );
    drop(queue);
    assert!(tasks.shutdown(GRACE).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_task_spawned_during_shutdown_is_waited_for() {
    let tasks = TaskSet::new();
    let (go, inner) = (Arc::new(Notify::new()), tasks.clone());
    tasks.spawn("outer", Policy::default(), async move {
        inner.token().cancelled().await;
        let released = Arc::clone(&go);
        inner.spawn("late", Policy::default(), async move {
            released.notified().await;
            Ok::<(), io::Error>(())
        });
        go.notify_one();
        Ok::<(), io::Error>(())
    });
    assert!(tasks.shutdown(GRACE).await.is_ok());
}
