//! Makes the calls of clients, and measures their cost for the server.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use rollcall_tests::nacos::{Connection, Http};
use serde_json::{Value, json};

use crate::{
    bare::STORE,
    measures::Lists,
    servers::{Kind, Server},
};

/// The number of concurrent callers.
const CALLERS: u8 = 16;
/// The number of services of the callers over HTTP, the largest number of instances that they register, and the number of instances
/// that they register again.
const SERVICES: u64 = 1_000;
const INSTANCES: u64 = 50_000;
const AGAIN: u64 = 10_000;
/// The number of services of each caller over gRPC.
const OWN_SERVICES: u64 = 100;

const LIST: &str = "/nacos/v1/ns/instance/list";
const INSTANCE: &str = "/nacos/v1/ns/instance";
const BEAT: &str = "/nacos/v1/ns/instance/beat";

/// The answer of a server to a request for the list of a service.
pub(crate) async fn answer(server: &Server, service: &str) -> Bytes {
    let path = format!("{LIST}?serviceName={service}");
    let http = Http::new(server.faces.http);
    let reply = http.call("GET", &path, None, &BTreeMap::new()).await;
    reply.expect("a reply").body
}

/// Stores the answers in the bare server.
pub(crate) async fn store(server: &Server, lists: &Lists) {
    let lists = lists.iter().map(|(service, list)| {
        let list = str::from_utf8(list).expect("JSON");
        (format!("{LIST}/{service}"), list.to_owned())
    });
    let others = [
        (INSTANCE, "ok"),
        (
            BEAT,
            r#"{"clientBeatInterval":5000,"code":10200,"lightBeatEnabled":true}"#,
        ),
    ];
    let others = others.map(|(path, answer)| (path.to_owned(), answer.to_owned()));
    let http = Http::new(server.faces.http);
    for (path, answer) in lists.chain(others) {
        let stored = http
            .call(STORE.as_str(), &path, Some(answer), &BTreeMap::new())
            .await;
        stored.expect("a reply");
    }
}

/// CPU time of a list request, whose answer must have at least `least` bytes.
pub(crate) async fn list(server: &Server, period: Duration, service: &str, least: usize) -> f64 {
    // The bare server finds the stored answer by the path alone.
    let path = match server.kind {
        Kind::Bare => format!("{LIST}/{service}"),
        _ => format!("{LIST}?serviceName={service}"),
    };
    over_http(
        server,
        (period, u64::MAX),
        "GET",
        |_| path.clone(),
        |body| body.len() >= least,
    )
    .await
}

/// CPU time of the registration of a new instance. At most [`INSTANCES`] are registered, because their leases expire during later
/// measurements.
pub(crate) async fn register(server: &Server, period: Duration) -> f64 {
    let most = (period, INSTANCES);
    over_http(server, most, "POST", registration, |body| body == "ok").await
}

/// CPU time of a registration that repeats an earlier one and changes nothing.
pub(crate) async fn register_again(server: &Server, period: Duration) -> f64 {
    let path = |number| registration(number % AGAIN);
    let once = (Duration::MAX, AGAIN);
    over_http(server, once, "POST", path, |body| body == "ok").await;
    let most = (period, u64::MAX);
    over_http(server, most, "POST", path, |body| body == "ok").await
}

fn registration(number: u64) -> String {
    format!("{INSTANCE}?{}", place(number))
}

/// CPU time of a light beat of an instance that [`register`] has registered.
pub(crate) async fn beat(server: &Server, period: Duration) -> f64 {
    let path = |number| format!("{BEAT}?{}", place(number % SERVICES));
    over_http(server, (period, u64::MAX), "PUT", path, |body| {
        body.contains("\"code\":10200")
    })
    .await
}

fn place(number: u64) -> String {
    let (service, a, b) = (number % SERVICES, number / 250, number % 250);
    format!("serviceName=bench.{service}&ip=10.1.{a}.{b}&port=80")
}

/// CPU time of a call. The measurement ends after this time or this number of calls.
async fn over_http(
    server: &Server,
    (period, most): (Duration, u64),
    method: &str,
    path: impl Fn(u64) -> String,
    is_expected: impl Fn(&str) -> bool,
) -> f64 {
    let (number, start, before) = (AtomicU64::new(0), Instant::now(), server.cpu());
    let callers = (0..CALLERS).map(|_| async {
        let http = Http::new(server.faces.http);
        while start.elapsed() < period {
            let next = number.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |number| {
                (number < most).then_some(number + 1)
            });
            let Ok(next) = next else {
                return;
            };
            let path = path(next);
            let reply = http.call(method, &path, None, &BTreeMap::new()).await;
            let text = reply.expect("a reply").text();
            assert!(is_expected(&text), "{method} {path}: {text}");
        }
    });
    join_all(callers).await;
    per_call(server.cpu() - before, number)
}

/// CPU time of a registration that changes the weight of an instance.
pub(crate) async fn register_over_grpc(server: &Server, period: Duration) -> f64 {
    let connections = join_all((0..CALLERS).map(|_| connection(server))).await;
    let (number, start, before) = (AtomicU64::new(0), Instant::now(), server.cpu());
    let callers = connections.iter().zip(1..).map(|(connection, host)| {
        let (number, start) = (&number, &start);
        async move {
            for own in 0.. {
                if start.elapsed() >= period {
                    return;
                }
                let service = format!("grpc.{host}.{}", own % OWN_SERVICES);
                let weight = own / OWN_SERVICES % 90 + 1;
                change(connection, &service, host, weight).await;
                number.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    join_all(callers).await;
    per_call(server.cpu() - before, number)
}

fn per_call(cpu: Duration, calls: AtomicU64) -> f64 {
    cpu.as_secs_f64() * 1e6 / calls.into_inner() as f64
}

/// A gRPC client that has completed its set-up.
pub(crate) async fn connection(server: &Server) -> Connection {
    let mut connection = Connection::open(server.faces.grpc).await;
    connection.introduce().await;
    connection
}

/// Registers an instance of a service with this weight.
pub(crate) async fn change(connection: &Connection, service: &str, host: u8, weight: u64) {
    let instance = instance(&format!("10.2.0.{host}"), weight);
    let body = request(
        service,
        &json!({"type": "registerInstance", "instance": instance}),
    );
    succeed(connection, "InstanceRequest", &body).await;
}

/// Registers a batch of instances of a service.
pub(crate) async fn batch(connection: &Connection, service: &str, network: u8, hosts: u8) {
    let instances = (0..hosts).map(|host| instance(&format!("10.3.{network}.{host}"), 1));
    let instances: Vec<_> = instances.collect();
    let body = json!({"type": "batchRegisterInstance", "instances": instances});
    let body = request(service, &body);
    succeed(connection, "BatchInstanceRequest", &body).await;
}

/// Subscribes to a service.
pub(crate) async fn subscribe(connection: &Connection, service: &str) {
    let body = request(service, &json!({"subscribe": true, "clusters": ""}));
    succeed(connection, "SubscribeServiceRequest", &body).await;
}

async fn succeed(connection: &Connection, kind: &str, body: &Value) {
    let reply = connection.call(kind, body.to_string()).await;
    let reply = reply.expect("a reply");
    assert_eq!(reply.json()["resultCode"], 200, "{reply:?}");
}

fn instance(ip: &str, weight: u64) -> Value {
    json!({
        "ip": ip, "port": 80, "weight": weight as f64, "healthy": true, "enabled": true, "ephemeral": true,
        "clusterName": "DEFAULT", "metadata": {"version": "1.0", "zone": "a"},
    })
}

fn request(service: &str, more: &Value) -> Value {
    let mut body = json!({
        "namespace": "public", "groupName": "DEFAULT_GROUP", "serviceName": service, "module": "naming",
    });
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}
