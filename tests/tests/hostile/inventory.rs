//! Tests the limit of the inventory's memory. Registered names are never removed, so the limit must hold across restarts.

use std::time::Duration;

use rollcall_proto::{
    common::KeyWithStringValue,
    management::{InstanceProperties, v3::ManagementServiceClient},
};
use rollcall_tests::{
    cluster::Cluster,
    engine::directory_in_memory,
    grpc,
    process::{Collector, Options},
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::{Code, transport::Channel};

use crate::victim::Victim;

const MIB: u64 = 1 << 20;

/// The number of concurrent callers, each of which sends its requests one after the other.
const CALLERS: usize = 16;

/// A report of 256 KiB of properties, which is the largest that an early release kept.
fn large(instance: usize) -> InstanceProperties {
    let property = |number: usize| KeyWithStringValue {
        key: format!("{number:0>1024}"),
        value: format!("{instance:0>3072}"),
    };
    InstanceProperties {
        service: "large".to_owned(),
        service_instance: instance.to_string(),
        properties: (0..64).map(property).collect(),
    }
}

/// Runs `call` for every number below `count`, with several concurrent callers.
async fn each<F: Future<Output = ()> + Send + 'static>(
    count: usize,
    call: impl Fn(usize) -> F + Clone + Send + 'static,
) {
    let mut callers = JoinSet::new();
    for first in 0..CALLERS {
        let call = call.clone();
        callers.spawn(async move {
            for number in (first..count).step_by(CALLERS) {
                call(number).await;
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.expect("no call fails");
    }
}

async fn report_large(channel: Channel, instances: usize) {
    each(instances, move |instance| {
        let mut client = ManagementServiceClient::new(channel.clone());
        async move {
            client
                .report_instance_properties(large(instance))
                .await
                .expect("an answer: large properties are truncated, not refused");
        }
    })
    .await;
}

fn metric(exposition: &str, name: &str) -> Option<u64> {
    let line = exposition.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn held(collector: &Collector) -> u64 {
    let exposition = collector
        .http(collector.listeners().ui)
        .get("/metrics")
        .await
        .expect("metrics")
        .text();
    metric(&exposition, "rollcall_budget_bytes{budget=\"inventory\"}").expect("a gauge")
}

#[tokio::test]
async fn a_collector_survives_large_properties_of_many_instances_and_a_restart() {
    const INSTANCES: usize = 1_792;
    let store = directory_in_memory();
    let options = || Collector::options().data_dir(store.path().join("data"));
    let victim = Victim::start(options()).await;
    report_large(victim.collector.grpc().await.channel, INSTANCES).await;
    let inventory = held(&victim.collector).await;
    assert!(inventory < 40 * MIB, "{inventory} bytes");
    victim.survives().await;
    let mut again = options().release().ulimit("-d 524288").start().await;
    let resident = again.resident_bytes();
    assert!(
        resident < 128 * MIB,
        "{} MiB after a restart",
        resident / MIB
    );
    assert_eq!(again.terminate().await.code(), Some(0));
}

/// A collector whose inventory is limited to this many bytes, such as `1MiB`.
fn small(store: &TempDir, bytes: &str) -> Options {
    Collector::options()
        .release()
        .data_dir(store.path().join("data"))
        .env("SW_REGISTER_INVENTORY_MEMORY", bytes)
}

/// Registers new applications with codes of this length until one is refused. Returns the last application that was registered,
/// if there was room for one.
async fn fill(client: &grpc::Client, length: usize) -> Option<(String, i32)> {
    let mut last = None;
    for number in 0..10_000 {
        let code = format!("{number:0>length$}");
        match client.application(&code).await {
            Ok(id) => last = Some((code, id)),
            Err(status) => {
                assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
                let message = status.message();
                assert!(
                    message.contains("register.default.inventory_memory"),
                    "{message}"
                );
                return last;
            }
        }
    }
    panic!("no new name was refused")
}

async fn readiness(collector: &Collector) -> String {
    let reply = collector
        .http(collector.listeners().ui)
        .get("/readyz")
        .await
        .unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text()
}

#[tokio::test]
async fn a_full_inventory_refuses_new_names_and_serves_known_ones() {
    let store = directory_in_memory();
    let mut collector = small(&store, "1MiB").start().await;
    collector.expect_log("the inventory is");
    let client = collector.grpc().await;
    let application = client.application("known").await.unwrap();
    let instance = client.instance(application, "known").await.unwrap();
    let (code, id) = fill(&client, 1_000).await.expect("room for some");
    // After this, the remaining memory is too small for any new row.
    fill(&client, 8).await;
    assert!(held(&collector).await <= MIB);
    let answers_what_it_knows = async |client: &grpc::Client| {
        assert_eq!(client.application(&code).await.unwrap(), id);
        assert_eq!(
            client.instance(application, "known").await.unwrap(),
            instance
        );
        client.heartbeat(instance).await.unwrap();
        let unknown = client
            .heartbeat(1_000_000)
            .await
            .expect_err("no room for its row");
        assert_eq!(unknown.code(), Code::ResourceExhausted);
    };
    answers_what_it_knows(&client).await;
    assert!(
        readiness(&collector)
            .await
            .contains("register.default.inventory_memory")
    );
    assert_eq!(collector.terminate().await.code(), Some(0));

    // With a limit below the stored size, the collector still starts, reports the full inventory, and serves the known names.
    let mut lowered = small(&store, "512KiB").start().await;
    lowered.expect_log("the inventory is full");
    answers_what_it_knows(&lowered.grpc().await).await;
    assert!(readiness(&lowered).await.contains("is full"));
    assert_eq!(lowered.terminate().await.code(), Some(0));

    let raised = small(&store, "16MiB").start().await;
    assert!(readiness(&raised).await.contains("\"ready\""));
    raised.grpc().await.application("new").await.unwrap();
}

#[tokio::test]
async fn a_store_that_exceeds_the_memory_of_the_process_is_refused_and_can_be_pruned() {
    const INSTANCES: usize = 2_500;
    let store = directory_in_memory();
    let options = || {
        Collector::options()
            .release()
            .data_dir(store.path().join("data"))
    };
    let mut roomy = options()
        .env("SW_REGISTER_MAX_PROPERTY_NAME_BYTES", "8KiB")
        .env("SW_REGISTER_MAX_PROPERTY_VALUE_BYTES", "16KiB")
        .env("SW_REGISTER_MAX_PROPERTIES_BYTES", "64KiB")
        .start()
        .await;
    report_large(roomy.grpc().await.channel, INSTANCES).await;
    assert!(held(&roomy).await > 154 * MIB);
    assert_eq!(roomy.terminate().await.code(), Some(0));

    // The process gets 256 MiB, of which the store may use 60 % at the start.
    let cramped = || options().ulimit("-d 262144");
    let refused = cramped().run().await;
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("store prune"), "{}", refused.stderr);

    let prune = |more: &'static [&'static str]| {
        let arguments = ["store", "prune"].into_iter().chain(more.iter().copied());
        arguments.fold(cramped(), Options::argument).run()
    };
    let dry = prune(&["--dry-run"]).await;
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    assert!(dry.stdout.contains("nothing was changed"), "{}", dry.stdout);
    assert_eq!(
        cramped().run().await.code,
        Some(1),
        "the dry run changed the store"
    );
    let pruned = prune(&[]).await;
    assert_eq!(pruned.code, Some(0), "{}", pruned.stderr);
    let mut fits = cramped().start().await;
    let instances = fits.query().applications().await.unwrap()[0].instances;
    assert_eq!(instances.up, 2_500, "instances are missing");
    assert_eq!(fits.terminate().await.code(), Some(0));
}

/// Instances of a shared store are kept in chunks of neighbouring ids. An id without neighbours must not cost the memory of a full
/// chunk.
#[tokio::test]
async fn ids_far_apart_do_not_make_a_restart_expensive() {
    const INSTANCES: usize = 4_000;
    let options = || {
        Collector::options()
            .without_listening()
            .release()
            .ulimit("-d 131072")
    };
    let mut cluster = Cluster::start_with(1, options).await;
    let client = cluster.members[0].collector.grpc().await;
    each(INSTANCES, move |number| {
        let client = client.clone();
        let id = 1024 * i32::try_from(number + 1).expect("small");
        async move {
            client.heartbeat(id).await.expect("an adopted id");
        }
    })
    .await;
    let member = &mut cluster.members[0].collector;
    assert_eq!(member.terminate().await.code(), Some(0));
    let started = std::time::Instant::now();
    member.restart().await;
    let (peak, took) = (member.peak_resident_bytes(), started.elapsed());
    assert!(peak < 64 * MIB, "{} MiB at the restart", peak / MIB);
    assert!(took < Duration::from_secs(20), "{took:?}");
    let last = 1024 * i32::try_from(INSTANCES).expect("small");
    assert!(member.query().instance(last).await.unwrap().adopted);
}
