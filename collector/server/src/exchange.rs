//! Wraps the service of a connection: counts its requests, and charges their bodies and answers to the budgets.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use hyper::service::Service;
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use rollcall_limits::{Charge, OverBudget};

use super::deadline::Deadline;
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::refusal::Refusal;
use super::traffic::{Reading, Traffic, Working};

/// Why a request is not answered by its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A budget cannot carry it.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The peer owed bytes of it and sent none in time.
    #[error("no bytes of the request arrived within {0:?}")]
    TooSlow(Duration),
    /// Its time limit has passed.
    #[error("the call was not complete within {0:?}")]
    Deadline(Duration),
}

/// A request with a body, shared by its body and its answer.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) is_grpc: bool,
    fault: OnceLock<Fault>,
    /// What the body has left behind for the handler.
    kept: Mutex<Option<Charge>>,
}

impl Exchange {
    pub(super) fn new(is_grpc: bool) -> Arc<Self> {
        Arc::new(Self {
            is_grpc,
            fault: OnceLock::new(),
            kept: Mutex::new(None),
        })
    }

    /// Whatever the handler makes of a broken body, `fault` is why it broke.
    pub(super) fn fail(&self, fault: Fault) -> Fault {
        *self.fault.get_or_init(|| fault)
    }

    /// Why the body broke, if a limit did that.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.get().copied()
    }

    /// Keeps what was charged until the request is answered.
    pub(super) fn keep(&self, charge: Charge) {
        if charge.bytes() > 0 {
            *self.kept.lock() = Some(charge);
        }
    }
}

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
    /// How long a gRPC call may take whatever its caller says. A stream may last.
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
    /// An answer that has not begun.
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
        let (head, body) = answer.into_parts();
        Poll::Ready(Ok(match Outbound::begin(body, answering, context) {
            Ok(body) => Response::from_parts(head, body),
            Err((over, answering)) => {
                Refusal::of(over.into(), is_grpc).into_response(Some(answering))
            }
        }))
    }
}
