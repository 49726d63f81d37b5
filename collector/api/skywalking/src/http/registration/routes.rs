//! Adds calls to this face. There is no other way to add one, so every call has limits: its body is read within the limits on bytes
//! and time, and its elements are counted before a handler gets it ([`Input`]).

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    response::{IntoResponse, Response},
    routing::{MethodRouter, post},
};
use rollcall_metrics::{Call, Durations, Outcome, Protocol};
use rollcall_server::face::{below, json, wrong_method};
use tokio::time::Instant;

use super::{Face, Handled, Input};

/// The counters of one call.
#[derive(Clone)]
struct Counts {
    call: Call,
    durations: Durations,
}

/// The calls of the face, collected one by one.
pub(super) struct Routes<'a> {
    pub(super) face: Arc<Face>,
    context_path: &'a str,
    router: Router,
    /// The paths, for tests that make every call.
    pub(super) calls: Vec<&'static str>,
}

impl<'a> Routes<'a> {
    pub(super) fn new(face: Arc<Face>, context_path: &'a str) -> Self {
        Self {
            face,
            context_path,
            router: Router::new(),
            calls: Vec::new(),
        }
    }

    /// Adds a `POST`. Its body is read whatever its content type, `handle` answers it, and the outcome is counted.
    pub(super) fn post<F, A>(self, call: &'static str, handle: F) -> Self
    where
        F: FnOnce(Arc<Face>, Input) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Handled> + Send + 'static,
    {
        self.post_layered(call, handle, |method| method)
    }

    /// As [`Routes::post`], behind the layers that `layer` adds.
    pub(super) fn post_layered<F, A>(
        mut self,
        call: &'static str,
        handle: F,
        layer: impl FnOnce(MethodRouter) -> MethodRouter,
    ) -> Self
    where
        F: FnOnce(Arc<Face>, Input) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Handled> + Send + 'static,
    {
        let face = Arc::clone(&self.face);
        let counts = Counts {
            call: face.services.metrics.call(Protocol::Http, call),
            durations: face.services.metrics.durations(generation(call)),
        };
        let method = post(move |request| answer(face, request, handle, counts));
        let path = below(self.context_path, call);
        self.router = self.router.route(&path, layer(method));
        self.calls.push(call);
        self
    }

    /// The router with all calls.
    pub(super) fn finish(self) -> Router {
        self.router.method_not_allowed_fallback(wrong_method)
    }
}

/// The releases of agents that use the call at this path, for the metrics.
fn generation(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("v2") => "6-7",
        Some("v3" | "browser") => "8-10",
        _ => "3-5",
    }
}

async fn answer<F, A>(face: Arc<Face>, request: Request, handle: F, counts: Counts) -> Response
where
    F: FnOnce(Arc<Face>, Input) -> A,
    A: Future<Output = Handled>,
{
    let peer = request.extensions().get().copied();
    let (outcome, response) = match json::read(request.into_body(), &face.limits).await {
        Ok(parts) => {
            let start = Instant::now();
            let answer = match Input::new(&face.services, peer, parts).await {
                Ok(input) => handle(face, input).await,
                Err(refusal) => Err(refusal),
            };
            let (outcome, response) = ended(answer);
            counts.durations.count(outcome, start.elapsed());
            (outcome, response)
        }
        Err(refusal) => ended(Err(refusal)),
    };
    counts.call.count(outcome);
    response
}

fn ended(answer: Handled) -> (Outcome, Response) {
    answer.unwrap_or_else(|refusal| (refusal.outcome(), refusal.into_response()))
}
