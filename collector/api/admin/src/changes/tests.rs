use std::future::poll_fn;

use axum::http::StatusCode;
use futures_util::{FutureExt as _, task::Poll};
use hyper::service::{Service as _, service_fn};
use rollcall_link::Links;
use tokio::sync::Notify;

use super::*;

#[tokio::test]
async fn a_change_goes_on_after_its_client_disconnects() {
    let tasks = TaskSet::new();
    let changes = Changes::new(&tasks);
    let [started, go_on, done] = <[Arc<Notify>; 3]>::default();
    let signals = [&started, &go_on, &done].map(Arc::clone);
    let change = async move {
        let [started, go_on, done] = signals;
        started.notify_one();
        go_on.notified().await;
        done.notify_one();
    };
    let mut call = Box::pin(changes.run(change));
    // The call waits for the change, and is then dropped.
    assert!(poll_fn(|context| Poll::Ready(call.poll_unpin(context).is_pending())).await);
    started.notified().await;
    drop(call);
    go_on.notify_one();
    done.notified().await;
}

#[tokio::test]
async fn a_change_knows_the_link_of_its_call() {
    let links = Links::default();
    let link = links.open(([127, 0, 0, 1], 4711).into());
    let changes = Changes::new(&TaskSet::new());
    let service = link.around(service_fn(move |_: Request| {
        let changes = changes.clone();
        async move {
            let port = async { rollcall_link::current(|seen| seen.remote().port()) };
            let port = changes.run(port).await.unwrap();
            Ok::<_, Infallible>(Response::new(format!("{port:?}")))
        }
    }));
    let answer = service.call(Request::default()).await.unwrap();
    assert_eq!(answer.into_body(), "Some(4711)");
}

#[tokio::test]
async fn a_change_that_panics_is_a_failure_and_not_a_stop() {
    let changes = Changes::new(&TaskSet::new());
    let panicking = async { panic!("a fault") };
    let refusal = changes.run::<()>(panicking).await.unwrap_err();
    let status = refusal.into_response().status();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}
