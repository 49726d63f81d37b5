//! Which requests of one connection are under way.
//!
//! Whether a drain may end is a question about requests, not about connections: a peer that is paused, or whose host is lost,
//! holds its HTTP/2 connection open and answers nothing, and has asked nothing either.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::service::Service;
use pin_project_lite::pin_project;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long a peer may take, with nothing of it under way, to fetch its last answer and to say goodbye.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// A service that knows how many of its requests are under way: asked, and not answered to the end.
#[derive(Debug)]
pub(super) struct Counting<S> {
    service: S,
    requests: Requests,
}

/// The requests under way. A cheap clone tells the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests(TaskTracker);

impl Requests {
    pub(super) fn count<S>(&self, service: S) -> Counting<S> {
        Counting {
            service,
            requests: self.clone(),
        }
    }

    pub(super) fn under_way(&self) -> usize {
        self.0.len()
    }

    /// Returns once none is under way, and none has been [`FAREWELL`] later.
    pub(super) async fn answered(&self) {
        self.0.close();
        loop {
            self.0.wait().await;
            tokio::time::sleep(FAREWELL).await;
            if self.0.is_empty() {
                return;
            }
        }
    }
}

impl<S, R, B> Service<R> for Counting<S>
where
    S: Service<R, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<Answer<B>>;
    type Error = Infallible;
    type Future = Answering<S::Future>;

    fn call(&self, request: R) -> Self::Future {
        Answering {
            request: Some(self.requests.0.token()),
            answer: self.service.call(request),
        }
    }
}

pin_project! {
    /// A request whose answer has not begun.
    pub(super) struct Answering<F> {
        #[pin]
        answer: F,
        request: Option<TaskTrackerToken>,
    }
}

impl<F, B> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<Answer<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(answer) = ready!(this.answer.poll(context));
        let request = this.request.take();
        Poll::Ready(Ok(answer.map(|body| Answer {
            body,
            _request: request,
        })))
    }
}

pin_project! {
    /// The body of an answer; its request is under way as long as this lives.
    pub(super) struct Answer<B> {
        #[pin]
        body: B,
        _request: Option<TaskTrackerToken>,
    }
}

impl<B: Body> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{FAREWELL, Requests};

    #[tokio::test(start_paused = true)]
    async fn who_asks_during_the_farewell_is_answered_and_has_a_farewell_of_its_own() {
        let requests = Requests::default();
        let first = requests.0.token();
        let start = Instant::now();
        let life = async {
            tokio::time::sleep(10 * FAREWELL).await;
            drop(first);
            tokio::time::sleep(FAREWELL / 2).await;
            let second = requests.0.token();
            tokio::time::sleep(10 * FAREWELL).await;
            assert_eq!(requests.under_way(), 1);
            drop(second);
        };
        tokio::join!(requests.answered(), life);
        let took = start.elapsed() - 21 * FAREWELL - FAREWELL / 2;
        assert!(took < Duration::from_millis(10), "{took:?}");
        assert_eq!(requests.under_way(), 0);
    }
}
