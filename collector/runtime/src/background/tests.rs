use std::time::Duration;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

#[cfg(target_os = "linux")]
fn niceness() -> i32 {
    rustix::process::getpriority_process(None).unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn its_threads_have_a_lower_priority_and_the_others_keep_theirs() {
    let (tasks, own) = (TaskSet::new(), niceness());
    let handle = background(&tasks, "background").unwrap();
    let expected = (own + NICER).min(NICEST);
    assert_eq!(handle.spawn(async { niceness() }).await.unwrap(), expected);
    let blocking = handle.spawn(async { tokio::task::spawn_blocking(niceness).await });
    assert_eq!(blocking.await.unwrap().unwrap(), expected);
    assert_eq!(niceness(), own);
    tasks.shutdown(PATIENCE).await.unwrap();
}

#[tokio::test]
async fn it_stops_with_its_tasks_and_drops_what_still_runs() {
    let tasks = TaskSet::new();
    let handle = background(&tasks, "background").unwrap();
    let endless = handle.spawn(std::future::pending::<()>());
    tasks.shutdown(PATIENCE).await.unwrap();
    assert!(endless.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_panic_ends_the_work_alone() {
    let tasks = TaskSet::new();
    let handle = background(&tasks, "background").unwrap();
    let panicking = handle.spawn(async { panic!("in a handler") });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(handle.spawn(async { 7 }).await.unwrap(), 7);
    tasks.shutdown(PATIENCE).await.unwrap();
}
