//! A request of this face, within its limits.

use axum::{body::Bytes, http::StatusCode, response::Response};
use rollcall_limits::{Charge, Peer, Work, work::Error};
use rollcall_metrics::Outcome;
use rollcall_server::face::{
    Refusal,
    json::{self, Parts},
};
use rollcall_service::{Services, heartbeat, register};
use serde::de::DeserializeOwned;

/// A body whose elements are counted and charged, and the use cases for the peer that sent it.
///
/// Large bodies are decoded, and large answers encoded, on threads outside the runtime.
pub(super) struct Input {
    body: Bytes,
    pub(super) register: register::Handle,
    pub(super) heartbeat: heartbeat::Handle,
    work: Work,
    _charge: Charge,
}

impl Input {
    /// # Errors
    /// The body has too many elements (413), or there is no memory to decode it (503).
    pub(super) async fn new(
        services: &Services,
        peer: Option<Peer>,
        parts: Parts,
    ) -> Result<Self, Refusal> {
        let work = services.work.for_peer(peer);
        let (meter, length) = (work.clone(), parts.len());
        let count = move || {
            // The copy is charged as long as both the parts and the copy are in memory.
            let copy = meter.charge_bytes(parts.copied())?;
            let body = parts.join();
            drop(copy);
            let mut count = meter.count();
            json::count(&body, &mut count)?;
            let charge = meter.charge(body.len(), &count)?;
            Ok((body, charge))
        };
        let (body, charge) = match work.run(length, count).await {
            Ok(Ok(taken)) => taken,
            Ok(Err(error)) | Err(error) => {
                work.refuse(peer, error);
                return Err(refusal(error));
            }
        };
        Ok(Self {
            body,
            register: services.register.for_peer(peer),
            heartbeat: services.heartbeat.for_peer(peer),
            work,
            _charge: charge,
        })
    }

    /// The parsed body.
    ///
    /// # Errors
    /// As [`json::parse`].
    pub(super) async fn parse<T: DeserializeOwned + Send + 'static>(&self) -> Result<T, Refusal> {
        self.parse_with(|body| json::parse(body)).await
    }

    /// The result of `parse` on the body.
    ///
    /// # Errors
    /// As `parse`.
    pub(super) async fn parse_with<T: Send + 'static>(
        &self,
        parse: impl FnOnce(&[u8]) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let body = self.body.clone();
        let parsed = self.work.run(body.len(), move || parse(&body)).await;
        parsed.map_err(refusal)?
    }

    /// Encodes an answer, which is about as large as the body.
    ///
    /// # Errors
    /// The runtime is stopping.
    pub(super) async fn reply(
        &self,
        reply: impl FnOnce() -> Response + Send + 'static,
    ) -> Result<Response, Refusal> {
        self.work.run(self.body.len(), reply).await.map_err(refusal)
    }
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::TooManyElements { .. } => Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body", error),
        Error::OverBudget(_) => Refusal::overloaded(error),
        Error::Stopped => Refusal::overloaded(error).counted(Outcome::Failed),
    }
}
