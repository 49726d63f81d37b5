//! Tests messages that are small on the wire and large in memory, and large batches of new names and unknown senders.
//!
//! A message of many tiny elements must be refused before it is decoded, with an answer that names the limit. A batch within the
//! limit must be committed in few steps and answered in full. During both, [`Prober`] measures that requests for the list of
//! collectors stay fast, and [`Victim::survives`] checks memory and the honest agent.
//!
//! The bounds on the number of commits are far above the expected numbers: they distinguish jobs of many rows from one commit for
//! each row.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use prost::Message;
use rollcall_proto::{
    register::{RegisterClient, ServiceInstance, ServiceInstances, Services},
    trace::{TraceSegmentServiceClient, UpstreamSegment},
};
use rollcall_tests::{
    grpc::{self, raw},
    http,
    process::Collector,
};
use tokio::task::JoinSet;
use tonic::{Code, transport::Endpoint};

use crate::victim::Victim;

const MIB: usize = 1 << 20;

/// The configuration key of the limit on the elements of one message, which the answers name.
const KEY: &str = "register.default.max_batch";

/// The default of that limit.
const LARGEST: usize = 100_000;

/// The unknown senders in one attack.
const SENDERS: i32 = 30_000;

/// The longest allowed 99th percentile of requests for `/agent/gRPC` under attack.
const LONGEST_P99: Duration = Duration::from_millis(100);

/// The allowed slowdown on a machine that is too busy for [`LONGEST_P99`].
const SLOWDOWN: u32 = 4;

/// The duration of the measurement before the attack.
const BASELINE: Duration = Duration::from_secs(1);

/// Requests the list of collectors repeatedly, on its own thread.
struct Prober {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<Duration>>,
    /// The 99th percentile before the attack.
    baseline: Duration,
}

impl Prober {
    /// Measures requests before the attack, and then starts measuring requests under attack.
    async fn start(victim: &Victim) -> Self {
        let prober = Self::spawn(victim, Duration::ZERO);
        tokio::time::sleep(BASELINE).await;
        let baseline = prober.p99("before the attack");
        Self::spawn(victim, baseline)
    }

    fn spawn(victim: &Victim, baseline: Duration) -> Self {
        let naming = http::Client::new(victim.collector.listeners().naming);
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let probe = async move {
            let mut delays = Vec::new();
            while !stopped.load(Ordering::Acquire) {
                let begun = Instant::now();
                naming.get("/agent/gRPC").await.expect("an answer");
                delays.push(begun.elapsed());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            delays
        };
        let thread = thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(probe)
        });
        Self {
            stop,
            thread,
            baseline,
        }
    }

    /// Stops measuring, and checks the 99th percentile.
    fn stop(self) {
        let most = LONGEST_P99.max(SLOWDOWN * self.baseline);
        let p99 = self.p99("under attack");
        assert!(p99 <= most, "p99 of naming {p99:?}, at most {most:?}");
    }

    /// Stops measuring, and returns the 99th percentile.
    fn p99(self, when: &str) -> Duration {
        self.stop.store(true, Ordering::Release);
        let mut delays = self.thread.join().expect("every request was answered");
        delays.sort_unstable();
        let most = delays.last().copied().unwrap_or_default();
        let p99 = delays[delays.len() * 99 / 100];
        eprintln!(
            "naming {when}: p99 {p99:?}, at most {most:?}, {} requests",
            delays.len()
        );
        p99
    }
}

/// A message of this many bytes. Every two bytes are an empty element: field 1 with the length 0.
fn message_of_empty_elements(bytes: usize) -> Bytes {
    let length = u32::try_from(bytes).expect("a message");
    raw::frame(length, &b"\x0a\x00".repeat(bytes / 2))
}

/// Calls of every kind: decoded registrations, telemetry that is only scanned, segments, and the names of 8.x.
const CALLS: [&str; 9] = [
    "/Register/doServiceInstanceRegister",
    "/JVMMetricsService/collect",
    "/ApplicationRegisterService/register",
    "/ServiceNameDiscoveryService/discovery",
    "/NetworkAddressRegisterService/batchRegister",
    "/Register/doEndpointRegister",
    "/TraceSegmentService/collect",
    "/skywalking.v3.TraceSegmentReportService/collectInSync",
    "/skywalking.v3.ManagementService/reportInstanceProperties",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_of_tiny_elements_stay_within_the_budgets() {
    let victim = Victim::start(Collector::options()).await;
    let server = victim.collector.listeners().grpc;
    let prober = Prober::start(&victim).await;
    for (size, at_once) in [(5 * MIB, 4), (50 * MIB, 2)] {
        let body = message_of_empty_elements(size);
        for path in CALLS {
            let mut attack = JoinSet::new();
            for _ in 0..at_once {
                attack.spawn(raw::call(server, path, body.clone()));
            }
            for answer in attack.join_all().await {
                assert_eq!(answer, Ok(Code::ResourceExhausted), "{path}");
            }
        }
    }
    prober.stop();
    victim.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_tiny_elements_stay_within_the_budgets() {
    let victim = Victim::start(Collector::options()).await;
    let client = http::Client::new(victim.collector.listeners().jetty);
    let prober = Prober::start(&victim).await;
    // 50 MiB of `"a",`, up to the limit of the body.
    let body = ["[", &r#""a","#.repeat(50 * MIB / 4 - 2), r#""a"]"#].concat();
    assert!(body.len() <= 50 * MIB);
    let body = Bytes::from(body);
    for path in [
        "/application/register",
        "/networkAddress/register",
        "/servicename/discovery",
        "/segments",
        "/v3/segments",
        "/v3/management/reportProperties",
    ] {
        let reply = client.post(path, body.clone()).await.expect("an answer");
        assert_eq!(reply.status, 413, "{path}: {}", reply.text());
        assert!(reply.text().contains(KEY), "{path}: {}", reply.text());
    }
    let mut attack = JoinSet::new();
    for _ in 0..4 {
        let (client, body) = (client.clone(), body.clone());
        attack.spawn(async move { client.post("/application/register", body).await });
    }
    for reply in attack.join_all().await {
        // A request that gets no memory is answered before the client has sent all of it, which may abort the request.
        let status = reply.map_or(503, |reply| reply.status.as_u16());
        assert!([413, 503].contains(&status), "{status}");
    }
    prober.stop();
    victim.survives().await;
}

/// A victim with the longest deadline of registrations, so that large batches, which the writer commits in several steps, are
/// answered in full.
async fn victim_with_a_long_deadline() -> Victim {
    let options = Collector::options().env("SW_REGISTER_DEADLINE", "9s");
    Victim::start(options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn naming_stays_fast_under_batches_of_the_largest_size() {
    let victim = victim_with_a_long_deadline().await;
    let listeners = victim.collector.listeners();
    let jetty = http::Client::new(listeners.jetty);
    let names: Vec<_> = (0..LARGEST)
        .map(|number| format!("\"n-{number}\""))
        .collect();
    let body = Bytes::from(format!("[{}]", names.join(",")));
    // Requests the ids of all names, and returns how many names have none yet.
    let register = async || {
        let reply = jetty.post("/networkAddress/register", body.clone()).await;
        let reply = reply.expect("an answer");
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.text().matches("\"i\":0}").count()
    };
    // The first rounds register new names. From then on, all names are known.
    while register().await > 0 {}
    let instance = ServiceInstance {
        service_id: 1,
        instance_uuid: "u".to_owned(),
        properties: vec![Default::default(); 2],
        ..ServiceInstance::default()
    };
    let instances = ServiceInstances {
        instances: vec![instance; LARGEST / 4],
    };
    let instances = Bytes::from(instances.encode_to_vec());
    let length = u32::try_from(instances.len()).expect("a message");
    let instances = raw::frame(length, &instances);
    let prober = Prober::start(&victim).await;
    for _ in 0..8 {
        assert_eq!(register().await, 0);
        let path = "/Register/doServiceInstanceRegister";
        let answer = raw::call(listeners.grpc, path, instances.clone()).await;
        assert_eq!(answer, Ok(Code::Ok));
    }
    prober.stop();
    victim.survives().await;
}

/// The value in the line of the metrics that begins with `name`.
async fn metric(victim: &Victim, name: &str) -> f64 {
    let ui = http::Client::new(victim.collector.listeners().ui);
    let text = ui.get("/metrics").await.expect("metrics").text();
    let samples = text.lines().filter_map(|line| line.strip_prefix(name));
    samples.filter_map(|value| value.parse::<f64>().ok()).sum()
}

/// The number of batches that the writer has committed.
async fn commits(victim: &Victim) -> f64 {
    metric(victim, "rollcall_commit_seconds_count ").await
}

async fn instances_up(victim: &Victim) -> f64 {
    metric(victim, "rollcall_leases{state=\"up\"} ").await
}

/// Ids that no honest agent of the victim holds. (If one did, a segment that names another application for its id would be
/// refused.)
fn unknown_senders() -> impl Iterator<Item = i32> + Send + 'static {
    (1..=SENDERS).map(|id| 1_000 + id)
}

#[tokio::test]
async fn a_body_of_unknown_senders_is_adopted_in_few_commits() {
    let victim = victim_with_a_long_deadline().await;
    let client = http::Client::new(victim.collector.listeners().jetty);
    let segments: Vec<_> = unknown_senders()
        .map(|id| format!(r#"{{"gt":[],"sg":{{"ts":[],"ai":5,"ii":{id},"ss":[]}}}}"#))
        .collect();
    let before = commits(&victim).await;
    let body = format!("[{}]", segments.join(","));
    let reply = client.post("/segments", body).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.text());
    // During the attack, the honest agent registers a name every 20 ms. The senders arrive at the writer in jobs of 1024.
    let commits = commits(&victim).await - before;
    assert!(commits < 1000.0, "{commits} commits");
    assert!(instances_up(&victim).await >= f64::from(SENDERS));
    victim.survives().await;
}

#[tokio::test]
async fn a_stream_of_unknown_senders_is_adopted_in_few_commits() {
    let victim = victim_with_a_long_deadline().await;
    let segment = |id: i32| {
        // Field 3, the application, is 5. Field 4 is the instance.
        let mut segment = vec![0x18, 5, 0x20];
        prost::encoding::encode_varint(u64::try_from(id).expect("positive"), &mut segment);
        UpstreamSegment {
            segment: segment.into(),
            ..UpstreamSegment::default()
        }
    };
    let client = grpc::Client::connect(victim.collector.listeners().grpc).await;
    let before = commits(&victim).await;
    let segments = stream::iter(unknown_senders().map(segment));
    TraceSegmentServiceClient::new(client.channel)
        .collect(segments)
        .await
        .expect("an answer that accepts all segments");
    let commits = commits(&victim).await - before;
    assert!(commits < 5000.0, "{commits} commits");
    assert!(instances_up(&victim).await >= f64::from(SENDERS));
    victim.survives().await;
}

#[tokio::test]
async fn a_batch_of_new_instances_is_answered_in_full_and_the_refusal_of_a_larger_one_names_the_limit()
 {
    let victim = victim_with_a_long_deadline().await;
    let server = victim.collector.listeners().grpc;
    let endpoint = Endpoint::from_shared(format!("http://{server}")).expect("an address");
    let channel = endpoint.connect().await.expect("a connection");
    let mut client = RegisterClient::new(channel)
        .max_decoding_message_size(50 * MIB)
        .max_encoding_message_size(50 * MIB);
    let service = rollcall_proto::register::Service {
        service_name: "orders".to_owned(),
    };
    let services = Services {
        services: vec![service],
    };
    let reply = client.do_service_register(services).await.expect("an id");
    let service_id = reply.into_inner().services[0].value;
    let instances = |count: usize| ServiceInstances {
        instances: (0..count)
            .map(|at| ServiceInstance {
                service_id,
                instance_uuid: format!("u-{at}"),
                ..ServiceInstance::default()
            })
            .collect(),
    };
    let before = commits(&victim).await;
    let reply = client.do_service_instance_register(instances(20_000)).await;
    let mappings = reply.expect("ids").into_inner().service_instances;
    assert_eq!(mappings.len(), 20_000);
    let commits = commits(&victim).await - before;
    assert!(commits < 1000.0, "{commits} commits");
    let too_many = instances(150_000);
    assert!(too_many.encoded_len() < 50 * MIB);
    let refused = client
        .do_service_instance_register(too_many)
        .await
        .expect_err("more elements than the limit of one message");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains(KEY), "{refused:?}");
    victim.survives().await;
}
