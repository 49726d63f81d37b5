//! Wraps the service of a connection: counts its requests, and charges their bodies and answers to the budgets.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use hyper::service::Service;
use pin_project_lite::pin_project;

use super::deadline::Deadline;
use super::fault::{Exchange, Fault, MOST_FIELDS};
use super::inbound::{Inbound, discard};
use super::message::is_grpc;
use super::outbound::{Outbound, Paid};
use super::refusal::{Refusal, Refused};
use super::traffic::{Answering, Reading, Refusing, Traffic, Working};

#[cfg(test)]
mod tests;

/// The service of one connection.
#[derive(Debug)]
pub(super) struct Exchanging<S> {
    pub(super) service: S,
    pub(super) traffic: Arc<Traffic>,
}

impl<S, B, R> Service<Request<R>> for Exchanging<S>
where
    S: Service<Request<Inbound<R>>, Response = Response<B>, Error = Infallible>,
    R: Body<Data = Bytes>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Response = Response<Outbound<B>>;
    type Error = Infallible;
    type Future = AnswerFuture<S::Future>;

    fn call(&self, request: Request<R>) -> Self::Future {
        let is_grpc = request.method() == Method::POST && is_grpc(request.headers());
        let exchange = (!request.body().is_end_stream()).then(|| Exchange::new(is_grpc));
        if exchange.is_none() {
            self.traffic.end_message();
        }
        let working = match self.begin(&request) {
            Ok(working) => working,
            Err((fault, stream)) => {
                let is_last = exchange.is_some() && self.traffic.is_http1();
                discard(pin!(request.into_body()), &self.traffic);
                return AnswerFuture::Refused {
                    refusal: Some((Refusal::of(fault, is_grpc), stream)),
                    is_last,
                };
            }
        };
        let deadline = if is_grpc {
            Deadline::of(request.headers(), self.limit(request.uri().path()))
        } else {
            Deadline::NEVER
        };
        let request = request.map(|body| match &exchange {
            Some(exchange) => Inbound::new(body, Reading::new(&self.traffic, exchange)),
            None => Inbound::empty(body),
        });
        AnswerFuture::Awaited {
            answer: self.service.call(request),
            working: Some(working.with(exchange)),
            is_grpc,
            deadline,
        }
    }
}

impl<S> Exchanging<S> {
    /// Counts and charges a request and its head.
    fn begin<R>(&self, request: &Request<R>) -> Result<Working, (Fault, Refused)> {
        let begun = self.traffic.begin();
        let mut working =
            begun.map_err(|over| (over.into(), Refusing::new(&self.traffic).into()))?;
        let fields = request.headers().len();
        if fields > MOST_FIELDS {
            return Err((Fault::TooManyFields(fields), working.answer().into()));
        }
        match self.traffic.pay_for_head(request, &mut working) {
            Ok(()) => Ok(working),
            Err(over) => Err((over.into(), working.answer().into())),
        }
    }

    /// The longest time of a gRPC call, whatever its caller sets. A stream has no limit.
    fn limit(&self, path: &str) -> Option<Duration> {
        let serving = &self.traffic.serving;
        let is_streamed = serving.streams.contains(path.trim_start_matches('/'));
        (!is_streamed).then(|| 2 * serving.limits.read_timeout)
    }
}

pin_project! {
    /// The future of an answer that has not begun.
    #[project = AnswerFutureProjection]
    pub(super) enum AnswerFuture<F> {
        Awaited {
            #[pin]
            answer: F,
            working: Option<Working>,
            is_grpc: bool,
            deadline: Deadline,
        },
        Refused { refusal: Option<(Refusal, Refused)>, is_last: bool },
    }
}

impl<F, B> Future for AnswerFuture<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Output = Result<Response<Outbound<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (answer, working, is_grpc, deadline) = match self.project() {
            AnswerFutureProjection::Refused { refusal, is_last } => {
                let Some((refusal, stream)) = refusal.take() else {
                    return Poll::Pending; // answered already
                };
                let mut response = refusal.into_response(stream);
                announce_end(&mut response, *is_last);
                return Poll::Ready(Ok(response));
            }
            AnswerFutureProjection::Awaited {
                answer,
                working,
                is_grpc,
                deadline,
            } => (answer, working, *is_grpc, deadline),
        };
        let answer = match answer.poll(context) {
            Poll::Ready(answer) => Ok(answer),
            Poll::Pending => Err(Fault::Deadline(ready!(deadline.poll(context)))),
        };
        let Some(working) = working.take() else {
            return Poll::Pending; // answered already
        };
        let exchange = working.exchange();
        let is_unread = exchange.is_some_and(|exchange| !exchange.is_read());
        let fault = exchange.and_then(Exchange::fault);
        let answering = working.answer();
        let is_last = is_unread && answering.traffic().is_http1();
        let mut response = match (fault, answer) {
            (None, Ok(Ok(answer))) => begin(answer, is_grpc, answering, context),
            (Some(fault), _) | (None, Err(fault)) => refuse(fault, is_grpc, answering),
        };
        announce_end(&mut response, is_last);
        Poll::Ready(Ok(response))
    }
}

/// Charges an answer of a handler, or refuses it.
fn begin<B>(
    answer: Response<B>,
    is_grpc: bool,
    answering: Answering,
    context: &mut Context<'_>,
) -> Response<Outbound<B>>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (mut head, body) = answer.into_parts();
    let paid = head.extensions.remove::<Paid>();
    match Outbound::begin(body, is_grpc, paid, answering, context) {
        Ok(body) => Response::from_parts(head, body),
        Err((over, answering)) => Refusal::of(over.into(), is_grpc).into_response(answering.into()),
    }
}

/// Answers a request that reached a limit, and counts it.
fn refuse<B>(fault: Fault, is_grpc: bool, answering: Answering) -> Response<Outbound<B>> {
    let stats = &answering.traffic().stats;
    match fault {
        Fault::TooSlow(_) => stats.stalled.fetch_add(1, Relaxed),
        Fault::Deadline(_) => stats.expired.fetch_add(1, Relaxed),
        Fault::OverBudget(_) => 0,    // the budget counts its refusals
        Fault::TooManyFields(_) => 0, // refused before its handler runs
    };
    Refusal::of(fault, is_grpc).into_response(answering.into())
}

/// Announces the end of the connection if the answer is the last one. An answer to a request that was not wholly read is the last
/// one, because the start of the next request cannot be found.
fn announce_end<B>(response: &mut Response<B>, is_last: bool) {
    if is_last {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}
