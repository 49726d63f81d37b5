//! Wraps the service of a connection: counts its requests, and charges their bodies and answers to the budgets.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use hyper::service::Service;
use pin_project_lite::pin_project;

use super::deadline::Deadline;
use super::fault::{Exchange, Fault};
use super::inbound::Inbound;
use super::outbound::{Outbound, Paid};
use super::refusal::Refusal;
use super::traffic::{Reading, Traffic, Working};

/// The service of one connection.
#[derive(Debug)]
pub(super) struct Exchanging<S> {
    pub(super) service: S,
    pub(super) traffic: Arc<Traffic>,
}

impl<S, B, R> Service<Request<R>> for Exchanging<S>
where
    S: Service<Request<Inbound<R>>, Response = Response<B>, Error = Infallible>,
    R: Body,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Response = Response<Outbound<B>>;
    type Error = Infallible;
    type Future = Answer<S::Future>;

    fn call(&self, request: Request<R>) -> Self::Future {
        let is_grpc = request.method() == Method::POST && is_grpc(request.headers());
        let working = match self.traffic.begin() {
            Ok(working) => working,
            Err(over) => {
                let refusal = Refusal::of(over.into(), is_grpc);
                return Answer::Refused {
                    refusal: Some(refusal),
                };
            }
        };
        let deadline = if is_grpc {
            Deadline::of(request.headers(), self.limit(request.uri().path()))
        } else {
            Deadline::NEVER
        };
        let exchange = (!request.body().is_end_stream()).then(|| Exchange::new(is_grpc));
        if exchange.is_none() {
            self.traffic.end_message();
        }
        let request = request.map(|body| match &exchange {
            Some(exchange) => Inbound::new(body, exchange, Reading::new(&self.traffic)),
            None => Inbound::empty(body),
        });
        Answer::Awaited {
            answer: self.service.call(request),
            working: Some(working),
            exchange,
            is_grpc,
            deadline,
        }
    }
}

impl<S> Exchanging<S> {
    /// The longest time of a gRPC call, whatever its caller sets. A stream has no limit.
    fn limit(&self, path: &str) -> Option<Duration> {
        let serving = &self.traffic.serving;
        let is_streamed = serving.streams.contains(path.trim_start_matches('/'));
        (!is_streamed).then(|| 2 * serving.limits.read_timeout)
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

pin_project! {
    /// The future of an answer that has not begun.
    #[project = AnswerProjection]
    pub(super) enum Answer<F> {
        Awaited {
            #[pin]
            answer: F,
            working: Option<Working>,
            exchange: Option<Arc<Exchange>>,
            is_grpc: bool,
            deadline: Deadline,
        },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F, B> Future for Answer<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Output = Result<Response<Outbound<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (answer, working, exchange, is_grpc, deadline) = match self.project() {
            AnswerProjection::Refused { refusal } => {
                return match refusal.take() {
                    Some(refusal) => Poll::Ready(Ok(refusal.into_response(None))),
                    None => Poll::Pending, // answered already
                };
            }
            AnswerProjection::Awaited {
                answer,
                working,
                exchange,
                is_grpc,
                deadline,
            } => (answer, working, exchange, *is_grpc, deadline),
        };
        let answer = match answer.poll(context) {
            Poll::Ready(answer) => Ok(answer),
            Poll::Pending => Err(Fault::Deadline(ready!(deadline.poll(context)))),
        };
        let answering = match working.take() {
            Some(working) => working.answer(),
            None => return Poll::Pending, // answered already
        };
        let fault = exchange.take().and_then(|exchange| exchange.fault());
        let answer = match (fault, answer) {
            (None, Ok(Ok(answer))) => answer,
            (Some(fault), _) | (None, Err(fault)) => {
                let stats = &answering.traffic().stats;
                match fault {
                    Fault::TooSlow(_) => stats.stalled.fetch_add(1, Relaxed),
                    Fault::Deadline(_) => stats.expired.fetch_add(1, Relaxed),
                    Fault::OverBudget(_) => 0, // its budget counts it
                };
                let refusal = Refusal::of(fault, is_grpc);
                return Poll::Ready(Ok(refusal.into_response(Some(answering))));
            }
        };
        let (mut head, body) = answer.into_parts();
        let paid = head.extensions.remove::<Paid>();
        Poll::Ready(Ok(match Outbound::begin(body, paid, answering, context) {
            Ok(body) => Response::from_parts(head, body),
            Err((over, answering)) => {
                Refusal::of(over.into(), is_grpc).into_response(Some(answering))
            }
        }))
    }
}
