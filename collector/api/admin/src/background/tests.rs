use std::{convert::Infallible, future::pending, panic::AssertUnwindSafe, sync::Arc, thread};

use axum::{
    Router,
    body::to_bytes,
    http::{Method, StatusCode},
    middleware::from_fn_with_state,
    routing::get,
};
use futures_util::FutureExt as _;
use rollcall_runtime::{TaskSet, background};
use tokio::sync::Notify;
use tower::ServiceExt as _;

use super::*;

/// The name of the threads of the runtime.
const BACKGROUND: &str = "background";

async fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

async fn feed() -> Body {
    Body::from_stream(stream::once(thread_name().map(Ok::<_, Infallible>)))
}

/// Routes that return the name of the thread that runs them: a handler and two pages, behind the layer.
fn router(tasks: &TaskSet) -> Router {
    let runtime = background(tasks, BACKGROUND).unwrap();
    Router::new()
        .route("/", get(thread_name).post(thread_name))
        .route("/feed", get(feed))
        .route("/panic", get(|| async { panic_in_a_handler() }))
        .route_layer(from_fn_with_state(runtime, run))
}

fn panic_in_a_handler() {
    panic!("a fault")
}

fn request(method: Method, path: &str) -> Request {
    let request = Request::builder().method(method).uri(path);
    request.body(Body::empty()).unwrap()
}

async fn answer(router: &Router, method: Method, path: &str) -> (StatusCode, String) {
    let response = router.clone().oneshot(request(method, path)).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 10).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn pages_and_feeds_are_written_in_the_background_and_changes_are_not() {
    let tasks = TaskSet::new();
    let router = router(&tasks);
    let background = (StatusCode::OK, BACKGROUND.to_owned());
    assert_eq!(answer(&router, Method::GET, "/").await, background);
    assert_eq!(answer(&router, Method::GET, "/feed").await, background);
    let here = (StatusCode::OK, thread_name().await);
    assert_eq!(answer(&router, Method::POST, "/").await, here);
}

#[tokio::test]
async fn a_handler_is_dropped_when_its_client_disconnects() {
    let tasks = TaskSet::new();
    let runtime = background(&tasks, BACKGROUND).unwrap();
    let [started, dropped] = <[Arc<Notify>; 2]>::default();
    let handler = {
        let (started, dropped) = (Arc::clone(&started), Arc::clone(&dropped));
        move || async move {
            let _at_its_end = notifying(dropped);
            started.notify_one();
            pending::<()>().await;
        }
    };
    let router = Router::new()
        .route("/", get(handler))
        .route_layer(from_fn_with_state(runtime, run));
    let mut call = router.oneshot(request(Method::GET, "/"));
    tokio::select! {
        _ = &mut call => unreachable!("the handler never ends"),
        () = started.notified() => drop(call),
    }
    dropped.notified().await;
}

/// Notifies when it is dropped.
fn notifying(dropped: Arc<Notify>) -> impl Drop {
    struct Guard(Arc<Notify>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    Guard(dropped)
}

#[tokio::test]
async fn a_panic_of_a_handler_is_one_of_its_connection() {
    let tasks = TaskSet::new();
    let router = router(&tasks);
    let call = AssertUnwindSafe(answer(&router, Method::GET, "/panic")).catch_unwind();
    assert!(call.await.is_err());
}

#[tokio::test]
async fn a_request_after_the_stop_is_refused() {
    let tasks = TaskSet::new();
    let router = router(&tasks);
    tasks
        .shutdown(std::time::Duration::from_secs(60))
        .await
        .unwrap();
    let (status, _) = answer(&router, Method::GET, "/").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
}
