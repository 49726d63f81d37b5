use std::convert::Infallible;
use std::task::{Context, Waker};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{Service, ServiceExt, service_fn};

use super::{Budget, Counted, FREE};

type Parts =
    StreamBody<tokio_stream::Iter<std::vec::IntoIter<Result<http_body::Frame<Bytes>, Infallible>>>>;

fn parts(sizes: &[usize]) -> Parts {
    let frames: Vec<_> = sizes
        .iter()
        .map(|size| Ok(http_body::Frame::data(Bytes::from(vec![0; *size]))))
        .collect();
    StreamBody::new(tokio_stream::iter(frames))
}

/// Reads the whole body, notes what is held then, and says how it went.
fn reader(
    budget: &Budget,
    max_request: usize,
) -> impl Service<Request<Parts>, Response = Response<Body>, Error = Infallible> + use<> {
    let inner = budget.clone();
    let read = service_fn(move |request: Request<Counted<Parts>>| {
        let budget = inner.clone();
        async move {
            let mut body = request.into_body();
            let mut most = 0;
            while let Some(frame) = body.frame().await {
                if frame.is_err() {
                    return Ok(Response::builder().status(400).body(Body::empty()).unwrap());
                }
                most = most.max(budget.held());
            }
            Ok(Response::new(Body::from(most.to_string())))
        }
    });
    budget.guard(read, max_request)
}

async fn held(budget: &Budget, max_request: usize, sizes: &[usize]) -> String {
    let answer = reader(budget, max_request)
        .oneshot(Request::new(parts(sizes)))
        .await
        .unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn small_requests_are_free() {
    let budget = Budget::new(0);
    assert_eq!(held(&budget, 1 << 20, &[FREE / 2, FREE / 2]).await, "0");
}

#[tokio::test]
async fn a_request_is_charged_until_it_is_answered() {
    let budget = Budget::new(1 << 20);
    assert_eq!(
        held(&budget, 1 << 20, &[FREE, 1, 95]).await,
        (FREE + 96).to_string()
    );
    assert_eq!(budget.held(), 0);
}

#[tokio::test]
async fn a_stream_is_charged_for_one_largest_message() {
    let budget = Budget::new(1 << 20);
    assert_eq!(held(&budget, 10_000, &[5000; 100]).await, "10000");
    assert_eq!(budget.held(), 0);
}

#[tokio::test]
async fn a_request_beyond_the_budget_is_refused_in_its_own_terms() {
    let budget = Budget::new(10_000);
    let answer = reader(&budget, 1 << 20)
        .oneshot(Request::new(parts(&[9000, 9000])))
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    let mut request = Request::new(parts(&[9000, 9000]));
    request
        .headers_mut()
        .insert("content-type", "application/grpc+proto".parse().unwrap());
    let answer = reader(&budget, 1 << 20).oneshot(request).await.unwrap();
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers()["grpc-status"].to_str().unwrap()
        ),
        (200, "8")
    );
    assert_eq!((budget.held(), budget.refused()), (0, 2));
    // And the next one that fits is served.
    assert_eq!(held(&budget, 1 << 20, &[9000]).await, "9000");
}

#[tokio::test]
async fn the_budget_is_one_for_all_requests() {
    let budget = Budget::new(10_000);
    let hold = service_fn(|request: Request<Counted<Full<Bytes>>>| async move {
        let kept = request.into_body().collect().await.is_ok();
        if kept {
            std::future::pending::<()>().await;
        }
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let mut service = budget.guard(hold, 1 << 20);
    let mut first = Box::pin(service.call(Request::new(Full::from(vec![0; 8000]))));
    let mut context = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert_eq!(budget.held(), 8000);
    let second = service
        .call(Request::new(Full::from(vec![0; 8000])))
        .await
        .unwrap();
    assert_eq!((second.status().as_u16(), budget.held()), (503, 8000));
    // A caller that goes away gives back what it held.
    drop(first);
    assert_eq!(budget.held(), 0);
}
