//! A service whose calls find their connection.

use std::sync::Arc;

use hyper::service::Service;
use tokio::task::futures::TaskLocalFuture;

use super::{CURRENT, Seen};

/// A service whose calls run within a link.
#[derive(Clone, Debug)]
pub struct Linked<S> {
    pub(super) service: S,
    pub(super) seen: Arc<Seen>,
}

impl<S, R> Service<R> for Linked<S>
where
    S: Service<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TaskLocalFuture<Arc<Seen>, S::Future>;

    fn call(&self, request: R) -> Self::Future {
        CURRENT.scope(Arc::clone(&self.seen), self.service.call(request))
    }
}
