//! Attaches the [`Peer`] of a connection to its requests.

use http::{Method, Request};
use hyper::service::Service;
use rollcall_limits::Peer;

/// Adds the peer to the extensions of each request that may change anything. `GET` and `HEAD` change nothing and are forwarded
/// unchanged.
#[derive(Clone, Debug)]
pub(super) struct WithPeer<S> {
    pub(super) service: S,
    pub(super) peer: Peer,
}

impl<S, B> Service<Request<B>> for WithPeer<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            request.extensions_mut().insert(self.peer);
        }
        self.service.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::Response;
    use http_body_util::Empty;
    use hyper::{body::Bytes, service::service_fn};

    use super::*;

    #[tokio::test]
    async fn a_request_that_may_change_anything_names_its_peer() {
        let peer = Peer::new([10, 0, 0, 1].into());
        let reflect = |request: Request<Empty<Bytes>>| {
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.extensions_mut() = request.extensions().clone();
            std::future::ready(Ok::<_, Infallible>(response))
        };
        let introduced = WithPeer {
            service: service_fn(reflect),
            peer,
        };
        for (method, expected) in [(Method::POST, Some(&peer)), (Method::GET, None)] {
            let request = Request::builder().method(method).body(Empty::new());
            let response = introduced.call(request.unwrap()).await.unwrap();
            assert_eq!(response.extensions().get::<Peer>(), expected);
        }
    }
}
