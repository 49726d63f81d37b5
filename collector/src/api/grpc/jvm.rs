//! `JVMMetricsService`: a sign of life every second. The measurements themselves are counted and dropped.

use prometheus_client::metrics::counter::Counter;
use rollcall_domain::liveness::Signal;
use rollcall_proto::{
    common::Downstream,
    jvm::{JvmMetrics, JvmMetricsService},
};
use tonic::{Request, Response, Status, async_trait};

use super::{
    call::{Refusal, end},
    convert,
};
use crate::{
    metrics::{Call, Protocol},
    service::{
        Services,
        heartbeat::{self, Sign},
    },
};

#[derive(Debug)]
pub(super) struct Handler {
    heartbeat: heartbeat::Handle,
    collect_calls: Call,
    dropped: Counter,
}

impl Handler {
    pub(super) fn new(services: &Services) -> Self {
        Self {
            heartbeat: services.heartbeat.clone(),
            collect_calls: services
                .metrics
                .call(Protocol::Grpc, "JVMMetricsService/collect"),
            dropped: services.metrics.dropped("jvm_metrics"),
        }
    }

    async fn take(&self, metrics: JvmMetrics) -> Result<Downstream, Refusal> {
        let sign = Sign {
            instance: convert::instance_id(metrics.application_instance_id)?,
            application: None,
            signal: Signal::JvmMetrics,
        };
        self.heartbeat.renew(sign).await?;
        self.dropped.inc();
        Ok(Downstream {})
    }
}

#[async_trait]
impl JvmMetricsService for Handler {
    async fn collect(&self, request: Request<JvmMetrics>) -> Result<Response<Downstream>, Status> {
        end(&self.collect_calls, self.take(request.into_inner()).await)
    }
}
