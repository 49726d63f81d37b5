//! Agents that register and send heartbeats over gRPC.

use std::net::{IpAddr, SocketAddr};

use rollcall_proto::{
    application::{Application, ApplicationRegisterServiceClient},
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, InstanceDiscoveryServiceClient, OsInfo,
    },
    jvm::{
        Cpu, Gc, GcPhrase, JvmMetric, JvmMetrics, JvmMetricsServiceClient, Memory, MemoryPool,
        PoolType,
    },
};
use tonic::Status;

use super::{connection::Connection, load};

/// The call that a caller repeats.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Call {
    /// `applicationCodeRegister` of the same code.
    KnownApplication,
    /// `registerInstance` of the same process.
    KnownInstance,
    /// `heartbeat` of the same instance.
    Heartbeat,
    /// `heartbeat` of the instances 1 to this number, one after another, in a scattered order.
    HeartbeatOf(u32),
    /// JVM metrics of the same instance, with what a Java agent measures in a second.
    JvmMetrics,
    /// `applicationCodeRegister` of a new code.
    NewApplication,
    /// `registerInstance` of a new process.
    NewInstance,
}

/// The application that every scenario can use.
const KNOWN_CODE: &str = "known-application";

/// The number of the instance that every scenario can use.
const KNOWN: u64 = 0;

/// An agent; several may share a connection.
#[derive(Clone, Debug)]
pub struct Caller {
    call: Call,
    applications: ApplicationRegisterServiceClient<Connection>,
    instances: InstanceDiscoveryServiceClient<Connection>,
    metrics: JvmMetricsServiceClient<Connection>,
    known: Known,
    /// The number of the next new name. No two callers use the same numbers.
    next: u64,
}

/// The ids of the known application and instance.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    application: i32,
    instance: i32,
}

/// Connects `callers` callers to a server over `connections` connections, and registers the known application and instance. Two
/// calls whose `first` differs by at least `callers` give their callers different numbers.
///
/// # Panics
/// When the server does not answer.
pub async fn connect(
    server: SocketAddr,
    call: Call,
    callers: usize,
    connections: usize,
    first: usize,
) -> Vec<Caller> {
    let mut connected = Vec::with_capacity(connections);
    for _ in 0..connections {
        connected.push(Caller::connect(None, server, call).await);
    }
    let known = connected[0]
        .register_known()
        .await
        .expect("registering the known keys");
    let numbers = (0..).step_by(1 << 32).skip(first);
    let shared = connected.iter().cycle().cloned();
    shared
        .zip(numbers)
        .take(callers)
        .map(|(caller, next)| Caller {
            known,
            next,
            ..caller
        })
        .collect()
}

impl load::Caller for Caller {
    /// # Panics
    /// When a call fails or gets no id, because a server that returns errors must not be measured.
    async fn run(&mut self, mut more: impl FnMut() -> bool + Send) -> u64 {
        let mut calls = 0;
        while more() {
            self.call().await.expect("an answer");
            calls += 1;
        }
        calls
    }
}

impl Caller {
    /// An agent that has registered its application and its instance, over its own connection from the address `source`.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn registered(source: Option<IpAddr>, server: SocketAddr) -> Self {
        let mut caller = Self::connect(source, server, Call::Heartbeat).await;
        let known = caller.register_known().await;
        known.expect("registering the known keys");
        caller
    }

    async fn connect(source: Option<IpAddr>, server: SocketAddr, call: Call) -> Self {
        let connection = Connection::open(source, server).await;
        let origin = http::Uri::try_from(format!("http://{server}")).expect("a valid origin");
        Self {
            call,
            applications: ApplicationRegisterServiceClient::with_origin(
                connection.clone(),
                origin.clone(),
            ),
            instances: InstanceDiscoveryServiceClient::with_origin(
                connection.clone(),
                origin.clone(),
            ),
            metrics: JvmMetricsServiceClient::with_origin(connection, origin),
            known: Known::default(),
            next: 0,
        }
    }

    async fn call(&mut self) -> Result<(), Status> {
        match self.call {
            Call::KnownApplication => self.register_application(KNOWN_CODE.into()).await.map(drop),
            Call::KnownInstance => self.register_instance(KNOWN).await.map(drop),
            Call::Heartbeat => self.heartbeat(self.known.instance).await,
            Call::HeartbeatOf(fleet) => {
                let instance = scattered(self.fresh(), fleet);
                self.heartbeat(instance).await
            }
            Call::JvmMetrics => {
                let request = measurement(self.known.instance);
                self.metrics.collect(request).await.map(drop)
            }
            Call::NewApplication => {
                let code = format!("application-{:013x}", self.fresh());
                self.register_application(code).await.map(drop)
            }
            Call::NewInstance => {
                let number = self.fresh();
                self.register_instance(number).await.map(drop)
            }
        }
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    async fn register_known(&mut self) -> Result<Known, Status> {
        self.known.application = self.register_application(KNOWN_CODE.into()).await?;
        self.known.instance = self.register_instance(KNOWN).await?;
        Ok(self.known)
    }

    async fn register_application(&mut self, code: String) -> Result<i32, Status> {
        let request = Application {
            application_code: vec![code],
        };
        let reply = self
            .applications
            .application_code_register(request)
            .await?
            .into_inner();
        match reply.application.as_slice() {
            [mapping] if mapping.value != 0 => Ok(mapping.value),
            other => panic!("no id in {other:?}"),
        }
    }

    async fn register_instance(&mut self, number: u64) -> Result<i32, Status> {
        let request = process(self.known.application, number);
        let reply = self
            .instances
            .register_instance(request)
            .await?
            .into_inner();
        assert_ne!(reply.application_instance_id, 0, "no id");
        Ok(reply.application_instance_id)
    }

    async fn heartbeat(&mut self, instance: i32) -> Result<(), Status> {
        let request = ApplicationInstanceHeartbeat {
            application_instance_id: instance,
            heartbeat_time: 1_527_811_260_000,
        };
        self.instances.heartbeat(request).await.map(drop)
    }
}

/// The registration of one process. The length of its strings does not depend on its number.
fn process(application: i32, number: u64) -> ApplicationInstance {
    let octet = |at: u32| 100 + number / 100_u64.pow(at) % 100;
    ApplicationInstance {
        application_id: application,
        // Agents of both generations generate 32 hexadecimal digits.
        agent_uuid: format!("{:032x}", u128::from(number + 1).wrapping_mul(SCATTER)),
        register_time: 1_527_811_200_000,
        osinfo: Some(OsInfo {
            os_name: "Linux".into(),
            hostname: format!("orders-5d8c7f9b6d-{:05x}", number % 0x10_0000),
            process_no: 17,
            ipv4s: vec![format!("10.{}.{}.{}", octet(2), octet(1), octet(0))],
        }),
    }
}

/// The measurement of a JVM with a heap of generations, as a Java agent of 5.x sends it every second.
fn measurement(instance: i32) -> JvmMetrics {
    const MIB: i64 = 1024 * 1024;
    let memory = |is_heap| Memory {
        is_heap,
        init: 256 * MIB,
        max: 4096 * MIB,
        used: 180 * MIB,
        committed: 300 * MIB,
    };
    let pool = |kind: PoolType| MemoryPool {
        r#type: kind.into(),
        init: 16 * MIB,
        max: 1024 * MIB,
        used: 12 * MIB,
        commited: 32 * MIB,
    };
    let gc = |phrase: GcPhrase| Gc {
        phrase: phrase.into(),
        count: 1,
        time: 12,
    };
    let pools = [
        PoolType::CodeCacheUsage,
        PoolType::NewgenUsage,
        PoolType::OldgenUsage,
        PoolType::SurvivorUsage,
        PoolType::MetaspaceUsage,
    ];
    JvmMetrics {
        metrics: vec![JvmMetric {
            time: 1_527_811_260_000,
            cpu: Some(Cpu { usage_percent: 1.5 }),
            memory: vec![memory(true), memory(false)],
            memory_pool: pools.map(pool).into(),
            gc: vec![gc(GcPhrase::New), gc(GcPhrase::Old)],
        }],
        application_instance_id: instance,
    }
}

/// The factor that maps numbers to UUIDs. It is odd, so different numbers give different UUIDs.
const SCATTER: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

/// Maps a number to an instance from 1 to `fleet`. Consecutive numbers give distant instances, like the signals of a real fleet.
fn scattered(number: u64, fleet: u32) -> i32 {
    let place = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let instance = (place * u64::from(fleet)) >> 32;
    i32::try_from(instance).expect("fewer than an i32") + 1
}

/// The total length of the strings in the registration of one process, in bytes.
///
/// # Panics
/// Never: the registration has properties.
#[must_use]
pub fn string_bytes() -> usize {
    let ApplicationInstance {
        agent_uuid, osinfo, ..
    } = process(0, KNOWN);
    let OsInfo {
        os_name,
        hostname,
        ipv4s,
        ..
    } = osinfo.expect("process properties");
    agent_uuid.len() + os_name.len() + hostname.len() + ipv4s.iter().map(String::len).sum::<usize>()
}
