//! How many bytes of request bodies the process holds at any time, over all listeners.
//!
//! A limit per message does not bound the sum: a few hundred peers sending the largest allowed message at once would. So
//! every request is charged for what it sends, and one that the budget cannot carry is answered with 503, or
//! `RESOURCE_EXHAUSTED` over gRPC. The charge is given back when the request has been answered and its body is gone.
//!
//! The first 4 KiB of a request are free, which is what registering and heartbeats need: their number is bounded by the
//! limits on connections and streams. A stream is charged for no more than one largest message, since a face holds no more
//! of it at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::BoxError;
use bytes::{Buf, Bytes};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower::Service;

#[cfg(test)]
mod tests;

/// What a request may send without being charged, in bytes.
const FREE: usize = 4 << 10;

/// The shared budget. A cheap clone is the same budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: usize,
    held: AtomicUsize,
    refused: AtomicU64,
}

impl Budget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Shared {
            limit,
            held: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    /// Bytes charged now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Requests that the budget could not carry, so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// `service` with its request bodies charged here; one request for at most `max_request` bytes.
    #[must_use]
    pub fn guard<S>(&self, service: S, max_request: usize) -> Budgeted<S> {
        Budgeted {
            service,
            budget: self.clone(),
            max_request,
        }
    }

    fn take(&self, bytes: usize) -> bool {
        let held = self.0.held.fetch_add(bytes, Ordering::Relaxed);
        let fits = held.saturating_add(bytes) <= self.0.limit;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    fn give_back(&self, bytes: usize) {
        self.0.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A service whose request bodies are charged to a [`Budget`]; made by [`Budget::guard`].
#[derive(Clone, Debug)]
pub struct Budgeted<S> {
    service: S,
    budget: Budget,
    max_request: usize,
}

impl<S, B> Service<Request<B>> for Budgeted<S>
where
    S: Service<Request<Counted<B>>, Response = Response<axum::body::Body>>,
    B: Body<Data = Bytes>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let charge = if request.body().is_end_stream() {
            None
        } else {
            Some(Arc::new(Charge {
                budget: self.budget.clone(),
                max_request: self.max_request,
                is_grpc: is_grpc(request.headers()),
                taken: AtomicUsize::new(0),
                is_over: AtomicBool::new(false),
            }))
        };
        let request = request.map(|body| Counted {
            body,
            sent: 0,
            charge: charge.clone(),
        });
        Answer {
            answer: self.service.call(request),
            charge,
        }
    }
}

/// What one request has taken, given back when its body and its answer are gone.
#[derive(Debug)]
struct Charge {
    budget: Budget,
    max_request: usize,
    is_grpc: bool,
    taken: AtomicUsize,
    is_over: AtomicBool,
}

impl Charge {
    /// Makes sure that `sent` bytes are paid for.
    fn cover(&self, sent: usize) -> Result<(), OverBudget> {
        let due = if sent <= FREE {
            0
        } else {
            sent.min(self.max_request)
        };
        let taken = self.taken.load(Ordering::Relaxed);
        if due <= taken {
            return Ok(());
        }
        if !self.budget.take(due - taken) {
            self.is_over.store(true, Ordering::Relaxed);
            self.budget.0.refused.fetch_add(1, Ordering::Relaxed);
            return Err(OverBudget);
        }
        self.taken.store(due, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_back(*self.taken.get_mut());
    }
}

/// The collector holds as many bytes of requests as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many bytes of requests are held already, try again later")]
pub struct OverBudget;

pin_project! {
    /// A request body that is charged for what it sends. Fails with [`OverBudget`], or as the body itself fails.
    #[derive(Debug)]
    pub struct Counted<B> {
        #[pin]
        body: B,
        sent: usize,
        charge: Option<Arc<Charge>>,
    }
}

impl<B> Body for Counted<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let frame = match ready!(this.body.poll_frame(context)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        if let (Some(charge), Some(data)) = (this.charge, frame.data_ref()) {
            *this.sent = this.sent.saturating_add(data.remaining());
            charge.cover(*this.sent)?;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// The answer of a [`Budgeted`] service.
    #[derive(Debug)]
    pub struct Answer<F> {
        #[pin]
        answer: F,
        charge: Option<Arc<Charge>>,
    }
}

impl<F, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<axum::body::Body>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(context));
        match this.charge.take() {
            // Whatever the face made of the broken body, this is why it broke.
            Some(charge) if charge.is_over.load(Ordering::Relaxed) => {
                Poll::Ready(answer.map(|_| refusal(charge.is_grpc)))
            }
            _ => Poll::Ready(answer),
        }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

fn refusal(is_grpc: bool) -> Response<axum::body::Body> {
    let mut refusal = Response::new(axum::body::Body::empty());
    let headers = refusal.headers_mut();
    if is_grpc {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static("8")); // RESOURCE_EXHAUSTED
        headers.insert(
            "grpc-message",
            HeaderValue::from_static("too many bytes of requests are held already"),
        );
    } else {
        headers.insert(
            "error-message",
            HeaderValue::from_static("too many bytes of requests are held already"),
        );
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        *refusal.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    refusal
}
