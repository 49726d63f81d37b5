//! Registers 100,000 instances of 200 applications, and sends their heartbeats.

use futures_util::{StreamExt as _, stream};
use rollcall_tests::{grpc, process::Collector};

pub(crate) const APPLICATIONS: usize = 200;
pub(crate) const INSTANCES: usize = 100_000;
const CONCURRENCY: usize = 64;

/// Registers all instances, and returns their ids.
pub(crate) async fn fill(collector: &Collector) -> Vec<i32> {
    let client = collector.grpc().await;
    let mut instances = Vec::with_capacity(INSTANCES);
    let mut applications = stream::iter(0..APPLICATIONS)
        .map(|at| {
            let client = client.clone();
            async move { fill_one(&client, at).await }
        })
        .buffer_unordered(CONCURRENCY);
    while let Some(some) = applications.next().await {
        instances.extend(some);
    }
    instances
}

async fn fill_one(client: &grpc::Client, at: usize) -> Vec<i32> {
    let code = format!("application-{at:03}");
    let application = client.application(&code).await.expect("an id");
    let mut instances = Vec::new();
    for number in 0..INSTANCES / APPLICATIONS {
        let name = format!("{code}-{number:03}.cluster.example");
        instances.push(client.instance(application, &name).await.expect("an id"));
    }
    instances
}

/// Sends one heartbeat for each of these instances.
pub(crate) async fn beat(collector: &Collector, instances: &[i32]) {
    let client = &collector.grpc().await;
    stream::iter(instances)
        .map(|instance| async move { client.heartbeat(*instance).await.expect("an answer") })
        .buffer_unordered(CONCURRENCY)
        .for_each(async |_| {})
        .await;
}
