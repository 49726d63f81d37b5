use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::future::poll_fn;
use tokio::sync::oneshot;

use super::*;

/// One turn of a connection.
async fn turn(calls: &mut Calls) {
    poll_fn(|context| {
        calls.poll(context);
        Poll::Ready(())
    })
    .await;
}

#[tokio::test]
async fn a_call_runs_in_the_turn_that_began_it_or_when_it_is_woken() {
    let mut calls = Calls::default();
    let (answer, question) = oneshot::channel();
    let ended = Arc::new(AtomicUsize::new(0));
    for question in [None, Some(question)] {
        let ended = Arc::clone(&ended);
        calls.begun().execute(async move {
            if let Some(question) = question {
                question.await.unwrap();
            }
            ended.fetch_add(1, Relaxed);
        });
    }
    assert_eq!(ended.load(Relaxed), 0, "hyper is still reading");
    turn(&mut calls).await;
    assert_eq!(ended.load(Relaxed), 1);
    answer.send(()).unwrap();
    turn(&mut calls).await;
    assert_eq!(ended.load(Relaxed), 2);
}

#[tokio::test]
async fn many_calls_that_end_at_once_leave_turns_to_other_tasks() {
    let mut calls = Calls::default();
    (0..3 * TURN).for_each(|_| calls.begun().execute(ready(())));
    for left in [2 * TURN, TURN, 0] {
        turn(&mut calls).await;
        assert_eq!(calls.running.len(), left);
    }
}

#[tokio::test]
async fn a_woken_call_wakes_the_connection() {
    let mut calls = Calls::default();
    let (answer, question) = oneshot::channel::<()>();
    calls.begun().execute(question);
    let connection = poll_fn(|context| {
        calls.poll(context);
        match calls.running.len() {
            0 => Poll::Ready(()),
            _ => Poll::Pending,
        }
    });
    let writer = async {
        tokio::task::yield_now().await;
        answer.send(()).unwrap();
    };
    tokio::join!(connection, writer);
}

#[tokio::test]
async fn a_panic_ends_only_its_call() {
    let mut calls = Calls::default();
    calls.begun().execute(pending::<()>());
    calls.begun().execute(async { panic!("a handler fails") });
    turn(&mut calls).await;
    assert_eq!(calls.running.len(), 1);
}

#[tokio::test]
async fn the_end_of_a_connection_lets_its_calls_end() {
    let (tasks, mut calls) = (TaskTracker::new(), Calls::default());
    let (stream, end) = oneshot::channel::<()>();
    let ended = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ended);
    calls.begun().execute(async move {
        end.await.unwrap_err();
        counted.fetch_add(1, Relaxed);
    });
    turn(&mut calls).await;
    calls.outlive(&tasks);
    drop(stream);
    tasks.close();
    tasks.wait().await;
    assert_eq!(ended.load(Relaxed), 1);
}
