//! `TraceSegmentService`: segments are signs of life, and tell which ids agents hold. They are counted and dropped.

use std::fmt::Display;

use prometheus_client::metrics::counter::Counter;
use rollcall_proto::{
    common::Downstream,
    segment::Segment,
    trace::{TraceSegmentService, UpstreamSegment},
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{
    call::{Refusal, end},
    convert,
};
use crate::{
    metrics::{Call, Protocol},
    service::{
        Services,
        heartbeat::{self, Sign},
        register,
    },
};

#[derive(Debug)]
pub(super) struct Handler {
    segments: Segments,
    collect_calls: Call,
    stop: CancellationToken,
}

/// Takes segments with ids, one at a time.
#[derive(Clone, Debug)]
pub(super) struct Segments {
    register: register::Handle,
    heartbeat: heartbeat::Handle,
    dropped: Counter,
    undecodable: Counter,
}

impl Segments {
    pub(super) fn new(services: &Services) -> Self {
        Self {
            register: services.register.clone(),
            heartbeat: services.heartbeat.clone(),
            dropped: services.metrics.dropped("segments"),
            undecodable: services.metrics.dropped("undecodable_segments"),
        }
    }

    /// Renews the lease of the sender, and adopts the ids in it that this collector does not know.
    pub(super) async fn take(&self, bytes: &[u8]) -> Result<(), register::Error> {
        let Some((segment, sign)) = decode(bytes) else {
            self.undecodable.inc();
            return Ok(());
        };
        self.dropped.inc();
        let heard = self.heartbeat.renew(sign).await;
        // Whoever sent it, the ids in it are in use.
        match &segment {
            Segment::V3(segment) => self.register.adopt(convert::held_v3(segment)).await,
            Segment::V5(segment) => self.register.adopt(convert::held_v5(segment)).await,
        }?;
        heard
    }
}

impl Handler {
    pub(super) fn new(services: &Services, stop: CancellationToken) -> Self {
        Self {
            stop,
            segments: Segments::new(services),
            collect_calls: services
                .metrics
                .call(Protocol::Grpc, "TraceSegmentService/collect"),
        }
    }

    /// Takes every segment until the agent has no more, or the collector stops. One that makes no sense does not end the
    /// stream: the others have nothing to do with it.
    async fn take_all(
        &self,
        mut segments: Streaming<UpstreamSegment>,
    ) -> Result<Downstream, Refusal> {
        while let Some(next) = self.stop.run_until_cancelled(segments.message()).await {
            let Some(upstream) = next? else { break };
            match self.segments.take(&upstream.segment).await {
                Err(error) if error.retryable() => return Err(error.into()),
                Err(error) => tracing::debug!(%error, "segment not taken as a sign of life"),
                Ok(()) => {}
            }
        }
        Ok(Downstream {})
    }
}

fn decode(bytes: &[u8]) -> Option<(Segment, Sign)> {
    let skipped = |error: &dyn Display| tracing::debug!(%error, "segment skipped");
    let segment = Segment::decode(bytes)
        .inspect_err(|error| skipped(error))
        .ok()?;
    let sign = convert::sign(&segment)
        .inspect_err(|fault| skipped(fault))
        .ok()?;
    Some((segment, sign))
}

#[async_trait]
impl TraceSegmentService for Handler {
    async fn collect(
        &self,
        request: Request<Streaming<UpstreamSegment>>,
    ) -> Result<Response<Downstream>, Status> {
        end(
            &self.collect_calls,
            self.take_all(request.into_inner()).await,
        )
    }
}
