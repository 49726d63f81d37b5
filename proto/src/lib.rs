//! The protocol of SkyWalking agents and collectors, from 3.2.6 on, as Rust types: every call that registers an instance or
//! proves it alive, and Rollcall's own [`goodbye`].
//!
//! The features `client` and `server` add the generated clients and servers, and `remote` the link between collectors. Without
//! features the crate has the messages only.
//!
//! The types are generated at build time from `proto/` in this crate. 3.2.6 and 5.x share one set of services with the method
//! spellings of both; 6.x ([`register`]) and 8.x and later ([`management`]) have their own. Only [`management::v3`] has a proto
//! package; elsewhere a call's `:path` is `/<Service>/<method>`. If generations declare a message differently but encode it in the
//! same way, one type serves them all; for example, a repeated field also serves for a singular field of 5.x. If the encodings
//! differ, each generation has its own type ([`segment`]). Of the later generations the crate has only the messages that identify
//! an instance, not those of metrics and traces.
//!
//! Messages, fields and methods have upstream's names in Rust's spelling (`agentUUID` is `agent_uuid`). An id of 0 means "none";
//! users of the crate may convert it to a better type. Clients and servers are generated without a transport: a client takes any
//! [`tonic::client::GrpcService`], and a server is a [`tower`](https://docs.rs/tower) service.
//!
//! Sources: the `.proto` files of SkyWalking at tag `v3.2.6` (`apm-network`, and `collector-remote-grpc-provider` for
//! [`remote`]) and of its protocol repository at the tags `v1.1.1`, which 5.0.0-GA uses, `v7.0.0` and `v10.3.0`.

pub mod segment;

/// The generated code. The modules below document and re-export the public part.
#[allow(
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    rust_2018_idioms,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code"
)]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/wire.rs"));
}

/// Messages shared by several services. All generations that have them encode them in the same way; later generations call them
/// `KeyIntValuePair` and `KeyStringValuePair`.
pub mod common {
    pub use crate::wire::{Downstream, KeyWithIntegerValue, KeyWithStringValue, SpanType};
}

/// Applications: assigns ids to codes. 3.2.6 calls `register` with any number of codes, 5.x calls `applicationCodeRegister` with
/// one code and requires exactly one mapping in the answer.
pub mod application {
    #[cfg(feature = "client")]
    pub use crate::wire::application_register_service_client::ApplicationRegisterServiceClient;
    #[cfg(feature = "server")]
    pub use crate::wire::application_register_service_server::{
        ApplicationRegisterService, ApplicationRegisterServiceServer,
    };
    pub use crate::wire::{Application, ApplicationMapping};
}

/// Instances: a process gets an id, sends heartbeats, and reports its ids after a reconnect. 3.2.6 calls `register` and
/// `registerRecover`, 5.x `registerInstance`; both declare `heartbeat`.
pub mod instance {
    #[cfg(feature = "client")]
    pub use crate::wire::instance_discovery_service_client::InstanceDiscoveryServiceClient;
    #[cfg(feature = "server")]
    pub use crate::wire::instance_discovery_service_server::{
        InstanceDiscoveryService, InstanceDiscoveryServiceServer,
    };
    pub use crate::wire::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceMapping,
        ApplicationInstanceRecover, OsInfo,
    };
}

/// Operation names: assigns ids to names within an application. 5.x sends the side of the call; 3.2.6 does not.
pub mod service_name {
    #[cfg(feature = "client")]
    pub use crate::wire::service_name_discovery_service_client::ServiceNameDiscoveryServiceClient;
    #[cfg(feature = "server")]
    pub use crate::wire::service_name_discovery_service_server::{
        ServiceNameDiscoveryService, ServiceNameDiscoveryServiceServer,
    };
    pub use crate::wire::{
        ServiceNameCollection, ServiceNameElement, ServiceNameMappingCollection,
        ServiceNameMappingElement,
    };
}

/// Remote peers: assigns ids to addresses. 5.x only; 3.2.6 registers peers as application codes.
pub mod network_address {
    #[cfg(feature = "client")]
    pub use crate::wire::network_address_register_service_client::NetworkAddressRegisterServiceClient;
    #[cfg(feature = "server")]
    pub use crate::wire::network_address_register_service_server::{
        NetworkAddressRegisterService, NetworkAddressRegisterServiceServer,
    };
    pub use crate::wire::{NetworkAddressMappings, NetworkAddresses};
}

/// The metrics of a JVM. The same in 3.2.6 and 5.x.
pub mod jvm {
    #[cfg(feature = "client")]
    pub use crate::wire::jvm_metrics_service_client::JvmMetricsServiceClient;
    #[cfg(feature = "server")]
    pub use crate::wire::jvm_metrics_service_server::{JvmMetricsService, JvmMetricsServiceServer};
    pub use crate::wire::{Cpu, Gc, GcPhrase, JvmMetric, JvmMetrics, Memory, MemoryPool, PoolType};
}

/// The envelope of trace segments. The same in 3.2.6, 5.x and 6.x; the bytes in
/// [`UpstreamSegment::segment`](trace::UpstreamSegment) differ, see [`segment`].
pub mod trace {
    #[cfg(feature = "client")]
    pub use crate::wire::trace_segment_service_client::TraceSegmentServiceClient;
    #[cfg(feature = "server")]
    pub use crate::wire::trace_segment_service_server::{
        TraceSegmentService, TraceSegmentServiceServer,
    };
    pub use crate::wire::{
        LogMessage, RefType, SpanLayer, TraceSegmentReference, UniqueId, UpstreamSegment,
    };
}

/// 6.0.0-beta to 7.0.0: assigns ids to services (applications), instances, endpoints (operations) and the addresses of peers. An
/// instance pings every 3 s, and the answer may have the command to register again.
pub mod register {
    pub use crate::wire::{
        Command, Commands, DetectPoint, Endpoint, EndpointMapping, EndpointMappingElement,
        Endpoints, NetAddressMapping, NetAddresses, Service, ServiceAndNetworkAddressMapping,
        ServiceAndNetworkAddressMappings, ServiceInstance, ServiceInstancePingPkg,
        ServiceInstanceRegisterMapping, ServiceInstances, ServiceRegisterMapping, Services,
    };
    #[cfg(feature = "client")]
    pub use crate::wire::{
        register_client::RegisterClient, service_instance_ping_client::ServiceInstancePingClient,
    };
    #[cfg(feature = "server")]
    pub use crate::wire::{
        register_server::{Register, RegisterServer},
        service_instance_ping_server::{ServiceInstancePing, ServiceInstancePingServer},
    };
}

/// 8.0 and later, without ids. An instance is identified by the name of its service and its own name. It reports its properties and
/// keep-alives. This module has the service of 8.0 to 8.3; [`v3`](management::v3) has the service of later agents.
pub mod management {
    #[cfg(feature = "client")]
    pub use crate::wire::management_service_client::ManagementServiceClient;
    #[cfg(feature = "server")]
    pub use crate::wire::management_service_server::{ManagementService, ManagementServiceServer};
    pub use crate::wire::{Command, Commands, InstancePingPkg, InstanceProperties};

    /// The same service in the package `skywalking.v3`.
    pub mod v3 {
        #[cfg(feature = "client")]
        pub use crate::wire::skywalking::v3::management_service_client::ManagementServiceClient;
        #[cfg(feature = "server")]
        pub use crate::wire::skywalking::v3::management_service_server::{
            ManagementService, ManagementServiceServer,
        };
    }
}

/// The protocol between collectors of one cluster. 5.x adds list columns to the columns of 3.2.6 and never fills the booleans.
#[cfg(feature = "remote")]
pub mod remote {
    #[cfg(feature = "client")]
    pub use crate::wire::remote_common_service_client::RemoteCommonServiceClient;
    #[cfg(feature = "server")]
    pub use crate::wire::remote_common_service_server::{
        RemoteCommonService, RemoteCommonServiceServer,
    };
    pub use crate::wire::{
        DoubleList, Empty, IntegerList, LongList, RemoteData, RemoteMessage, StringList,
    };
}

/// Rollcall's own call, which announces the planned stop of an instance. Other collectors answer UNIMPLEMENTED.
pub mod goodbye {
    #[cfg(feature = "client")]
    pub use crate::wire::rollcall::agent_client::AgentClient;
    #[cfg(feature = "server")]
    pub use crate::wire::rollcall::agent_server::{Agent, AgentServer};
    pub use crate::wire::rollcall::{LeaveRequest, LeaveResponse};
}

/// Every message and service of this crate as an encoded `google.protobuf.FileDescriptorSet`, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
