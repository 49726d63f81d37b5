//! A collector on its own thread that records every call and answers as the test requires.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
    time::Duration,
};

use prost::Message;
use rollcall_proto::{
    application::{Application, ApplicationRegisterServiceServer},
    goodbye::{AgentServer, LeaveRequest},
    instance::{
        ApplicationInstance, ApplicationInstanceHeartbeat, ApplicationInstanceRecover,
        InstanceDiscoveryServiceServer,
    },
    network_address::{NetworkAddressRegisterServiceServer, NetworkAddresses},
    service_name::{ServiceNameCollection, ServiceNameDiscoveryServiceServer},
};
use tokio::{runtime, sync::oneshot};
use tokio_stream::{StreamExt, wrappers::TcpListenerStream};
use tonic::{Code, metadata::MetadataMap, transport::Server};

use super::Watched;
use service::Service;

mod service;

/// The calls that a test can script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Application,
    Instance,
    Recover,
    Heartbeat,
    Operations,
    Addresses,
    Leave,
}

/// The answer to a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// The expected answer.
    #[default]
    Answer,
    /// An answer without an id, which is the first answer of upstream's collectors.
    NoId,
    Fail(Code),
    /// No answer.
    Hang,
}

/// A received call.
#[derive(Clone, Debug)]
pub(crate) enum Seen {
    Application(Application),
    Instance(ApplicationInstance),
    Recover(ApplicationInstanceRecover),
    Heartbeat(ApplicationInstanceHeartbeat),
    Operations(ServiceNameCollection),
    Addresses(NetworkAddresses),
    Leave(LeaveRequest),
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
            Self::Leave(_) => Call::Leave,
        }
    }

    /// The encoded size of the message.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Application(message) => message.encoded_len(),
            Self::Instance(message) => message.encoded_len(),
            Self::Recover(message) => message.encoded_len(),
            Self::Heartbeat(message) => message.encoded_len(),
            Self::Operations(message) => message.encoded_len(),
            Self::Addresses(message) => message.encoded_len(),
            Self::Leave(message) => message.encoded_len(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) seen: Vec<Seen>,
    pub(crate) metadata: Vec<MetadataMap>,
    pub(crate) connections: usize,
    behaviours: HashMap<Call, Behaviour>,
    frozen: bool,
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

/// A fake collector. Dropping it stops it abruptly: its connections break.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    state: Arc<Watched<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Collector {
    /// A collector whose ids begin with 1.
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), 0)
    }

    /// A collector whose first id follows `last_id`.
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
                let freezer = Arc::clone(&theirs);
                tokio::select! {
                    () = serve(listener, theirs) => {}
                    never = freeze_when_requested(&freezer) => match never {},
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

    /// Sets the behaviour of a call from now on.
    pub(crate) fn script(&self, call: Call, behaviour: Behaviour) {
        self.state
            .change(|state| state.behaviours.insert(call, behaviour));
    }

    /// Keeps the connections open and answers nothing: the collector's thread blocks within 5 ms.
    pub(crate) fn freeze(&self) {
        self.state.change(|state| state.frozen = true);
    }

    pub(crate) fn thaw(&self) {
        self.state.change(|state| state.frozen = false);
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        self.state.read(read)
    }

    /// Waits until `number` calls of this kind have arrived, and returns the last of them.
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

/// Blocks the collector's thread while the test has frozen the collector.
async fn freeze_when_requested(state: &Watched<State>) -> Infallible {
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        state.wait_for("thaw", |state| (!state.frozen).then_some(()));
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
        .add_service(NetworkAddressRegisterServiceServer::new(service.clone()))
        .add_service(AgentServer::new(service))
        .serve_with_incoming(incoming)
        .await
        .unwrap();
}
