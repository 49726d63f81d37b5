//! A collector on its own thread that notes every call and answers as told.

use std::{
    collections::HashMap,
    future::pending,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use prost::Message;
use rollcall_proto::{
    application::{
        Application, ApplicationMapping, ApplicationRegisterService,
        ApplicationRegisterServiceServer,
    },
    common::{Downstream, KeyWithIntegerValue},
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceMapping,
        ApplicationInstanceRecover, InstanceDiscoveryService, InstanceDiscoveryServiceServer,
    },
    network_address::{
        NetworkAddressMappings, NetworkAddressRegisterService, NetworkAddressRegisterServiceServer,
        NetworkAddresses,
    },
    service_name::{
        ServiceNameCollection, ServiceNameDiscoveryService, ServiceNameDiscoveryServiceServer,
        ServiceNameMappingCollection, ServiceNameMappingElement,
    },
};
use tokio::{runtime, sync::oneshot};
use tokio_stream::{StreamExt, wrappers::TcpListenerStream};
use tonic::{Code, Request, Response, Status, metadata::MetadataMap, transport::Server};

use super::Watched;

/// The calls, to script them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Application,
    Instance,
    Recover,
    Heartbeat,
    Operations,
    Addresses,
}

/// How a call is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Well.
    #[default]
    Answer,
    /// With no id, as upstream's collectors do at first.
    NoId,
    Fail(Code),
    /// Never.
    Hang,
}

/// A call that came in.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Application(Application),
    Instance(ApplicationInstance),
    Recover(ApplicationInstanceRecover),
    Heartbeat(ApplicationInstanceHeartbeat),
    Operations(ServiceNameCollection),
    Addresses(NetworkAddresses),
}

impl Seen {
    pub(crate) fn call(&self) -> Call {
        match self {
            Self::Application(_) => Call::Application,
            Self::Instance(_) => Call::Instance,
            Self::Recover(_) => Call::Recover,
            Self::Heartbeat(_) => Call::Heartbeat,
            Self::Operations(_) => Call::Operations,
            Self::Addresses(_) => Call::Addresses,
        }
    }

    /// The size of the message.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Application(message) => message.encoded_len(),
            Self::Instance(message) => message.encoded_len(),
            Self::Recover(message) => message.encoded_len(),
            Self::Heartbeat(message) => message.encoded_len(),
            Self::Operations(message) => message.encoded_len(),
            Self::Addresses(message) => message.encoded_len(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) seen: Vec<Seen>,
    pub(crate) metadata: Vec<MetadataMap>,
    pub(crate) connections: usize,
    behaviours: HashMap<Call, Behaviour>,
    ids: HashMap<String, i32>,
    last_id: i32,
}

impl State {
    fn id(&mut self, kind: &str, key: &str) -> i32 {
        let last_id = &mut self.last_id;
        *self.ids.entry(format!("{kind} {key}")).or_insert_with(|| {
            *last_id += 1;
            *last_id
        })
    }
}

/// Killed when it is dropped: its connections break.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    state: Arc<Watched<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Collector {
    /// One whose ids begin with 1.
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), 0)
    }

    /// One whose first id follows `last_id`.
    pub(crate) fn start_at(address: SocketAddr, last_id: i32) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Watched::new(State {
            last_id,
            ..State::default()
        }));
        let (stop, stopped) = oneshot::channel();
        let theirs = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, theirs) => {}
                    _ = stopped => {}
                }
            });
            // Breaks the connections.
            runtime.shutdown_timeout(Duration::ZERO);
        });
        Self {
            address,
            state,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn socket(&self) -> SocketAddr {
        self.address
    }

    /// Answers a call so from now on.
    pub(crate) fn script(&self, call: Call, behaviour: Behaviour) {
        self.state
            .change(|state| state.behaviours.insert(call, behaviour));
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        self.state.read(read)
    }

    /// Waits for the `number`th of these calls, and gives it.
    pub(crate) fn wait_for(&self, call: Call, number: usize) -> Seen {
        self.state
            .wait_for(&format!("{call:?} number {number}"), |state| {
                let mut these = state.seen.iter().filter(|seen| seen.call() == call);
                these.nth(number - 1).cloned()
            })
    }

    pub(crate) fn wait_for_connections(&self, number: usize) {
        self.state.wait_for("connections", |state| {
            (state.connections >= number).then_some(())
        });
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<Watched<State>>) {
    let counted = Arc::clone(&state);
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let incoming = TcpListenerStream::new(listener).map(move |stream| {
        counted.change(|state| state.connections += 1);
        stream
    });
    let service = Service { state };
    Server::builder()
        .add_service(ApplicationRegisterServiceServer::new(service.clone()))
        .add_service(InstanceDiscoveryServiceServer::new(service.clone()))
        .add_service(ServiceNameDiscoveryServiceServer::new(service.clone()))
        .add_service(NetworkAddressRegisterServiceServer::new(service))
        .serve_with_incoming(incoming)
        .await
        .unwrap();
}

#[derive(Clone, Debug)]
struct Service {
    state: Arc<Watched<State>>,
}

impl Service {
    /// Notes the call. True if it is to be answered with ids.
    async fn note<T>(
        &self,
        request: Request<T>,
        seen: impl FnOnce(T) -> Seen,
    ) -> Result<bool, Status> {
        let metadata = request.metadata().clone();
        let seen = seen(request.into_inner());
        let behaviour = self.state.change(|state| {
            let behaviour = state
                .behaviours
                .get(&seen.call())
                .copied()
                .unwrap_or_default();
            state.metadata.push(metadata);
            state.seen.push(seen);
            behaviour
        });
        match behaviour {
            Behaviour::Answer => Ok(true),
            Behaviour::NoId => Ok(false),
            Behaviour::Fail(code) => Err(Status::new(code, "as told")),
            Behaviour::Hang => pending().await,
        }
    }

    fn ids<'a>(&self, kind: &str, keys: impl Iterator<Item = &'a str>) -> Vec<i32> {
        self.state
            .change(|state| keys.map(|key| state.id(kind, key)).collect())
    }

    fn mappings(&self, kind: &str, keys: &[String]) -> Vec<KeyWithIntegerValue> {
        let ids = self.ids(kind, keys.iter().map(String::as_str));
        let pairs = keys.iter().cloned().zip(ids);
        pairs
            .map(|(key, value)| KeyWithIntegerValue { key, value })
            .collect()
    }
}

#[tonic::async_trait]
impl ApplicationRegisterService for Service {
    async fn register(
        &self,
        _: Request<Application>,
    ) -> Result<Response<ApplicationMapping>, Status> {
        Err(Status::unimplemented("not a call of this agent"))
    }

    async fn application_code_register(
        &self,
        request: Request<Application>,
    ) -> Result<Response<ApplicationMapping>, Status> {
        let codes = request.get_ref().application_code.clone();
        let assigned = self.note(request, Seen::Application).await?;
        let application = if assigned {
            self.mappings("application", &codes)
        } else {
            Vec::new()
        };
        Ok(Response::new(ApplicationMapping { application }))
    }
}

#[tonic::async_trait]
impl InstanceDiscoveryService for Service {
    async fn register(
        &self,
        _: Request<ApplicationInstance>,
    ) -> Result<Response<ApplicationInstanceMapping>, Status> {
        Err(Status::unimplemented("not a call of this agent"))
    }

    async fn register_instance(
        &self,
        request: Request<ApplicationInstance>,
    ) -> Result<Response<ApplicationInstanceMapping>, Status> {
        let instance = request.get_ref().clone();
        let assigned = self.note(request, Seen::Instance).await?;
        let id = if assigned {
            self.ids("instance", [&*instance.agent_uuid].into_iter())[0]
        } else {
            0
        };
        Ok(Response::new(ApplicationInstanceMapping {
            application_id: instance.application_id,
            application_instance_id: id,
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<ApplicationInstanceHeartbeat>,
    ) -> Result<Response<Downstream>, Status> {
        self.note(request, Seen::Heartbeat).await?;
        Ok(Response::new(Downstream {}))
    }

    async fn register_recover(
        &self,
        request: Request<ApplicationInstanceRecover>,
    ) -> Result<Response<Downstream>, Status> {
        self.note(request, Seen::Recover).await?;
        Ok(Response::new(Downstream {}))
    }
}

#[tonic::async_trait]
impl ServiceNameDiscoveryService for Service {
    async fn discovery(
        &self,
        request: Request<ServiceNameCollection>,
    ) -> Result<Response<ServiceNameMappingCollection>, Status> {
        let elements = request.get_ref().elements.clone();
        let assigned = self.note(request, Seen::Operations).await?;
        let keys: Vec<_> = elements
            .iter()
            .map(|e| {
                format!(
                    "{} {} {}",
                    e.application_id, e.src_span_type, e.service_name
                )
            })
            .collect();
        let ids = self.ids("operation", keys.iter().map(String::as_str));
        let pairs = ids.into_iter().zip(elements).filter(|_| assigned);
        let elements = pairs
            .map(|(service_id, element)| ServiceNameMappingElement {
                service_id,
                element: Some(element),
            })
            .collect();
        Ok(Response::new(ServiceNameMappingCollection { elements }))
    }
}

#[tonic::async_trait]
impl NetworkAddressRegisterService for Service {
    async fn batch_register(
        &self,
        request: Request<NetworkAddresses>,
    ) -> Result<Response<NetworkAddressMappings>, Status> {
        let addresses = request.get_ref().addresses.clone();
        let assigned = self.note(request, Seen::Addresses).await?;
        let address_ids = if assigned {
            self.mappings("address", &addresses)
        } else {
            Vec::new()
        };
        Ok(Response::new(NetworkAddressMappings { address_ids }))
    }
}
