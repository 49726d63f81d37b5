//! Servers for tests: [`Server`] answers as a test requires, [`Process`] is a real etcd. [`directory_in_memory`] makes a directory for
//! the data of a server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod directory;
mod process;

use std::{net::SocketAddr, pin::Pin, time::Duration};

use crate::proto::{
    Auth, AuthServer, AuthenticateRequest, AuthenticateResponse, Event, Kv, KvServer, Lease,
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse,
    LeaseRevokeRequest, LeaseRevokeResponse, LeaseServer, RangeRequest, RangeResponse,
    ResponseHeader, TxnRequest, TxnResponse, Watch, WatchRequest, WatchResponse, WatchServer,
    watch_request::RequestUnion,
};
use futures_util::{StreamExt as _, stream};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};
use tokio_stream::{
    Stream,
    wrappers::{TcpListenerStream, UnboundedReceiverStream},
};
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{Client, Config};

pub use directory::directory_in_memory;
pub use process::{Process, Snapshot};

/// Long enough for any expected event on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
    _served: JoinSet<()>,
}

/// A received call, with its token.
#[derive(Debug)]
enum Call {
    Authenticate(oneshot::Sender<String>),
    Range(String, oneshot::Sender<Result<RangeResponse, Status>>),
    Transaction(oneshot::Sender<()>),
    Grant(oneshot::Sender<i64>),
    Revoke(i64),
    Watch(Watching),
}

/// A watch; dropping it breaks its stream.
#[derive(Debug)]
pub struct Watching {
    /// The first requested revision.
    pub from: i64,
    /// The token of the call.
    pub token: String,
    responses: mpsc::UnboundedSender<WatchResponse>,
}

struct Service(mpsc::UnboundedSender<Call>);

/// The responses of a streaming call.
type Responses<R> = Pin<Box<dyn Stream<Item = Result<R, Status>> + Send>>;

impl Server {
    /// Starts a server on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, calls) = mpsc::unbounded_channel();
        let service = tonic::transport::Server::builder()
            .add_service(KvServer::new(Service(sender.clone())))
            .add_service(WatchServer::new(Service(sender.clone())))
            .add_service(LeaseServer::new(Service(sender.clone())))
            .add_service(AuthServer::new(Service(sender)));
        let mut served = JoinSet::new();
        served.spawn(async move {
            let serve = service.serve_with_incoming(TcpListenerStream::new(listener));
            serve.await.unwrap();
        });
        Self {
            address,
            calls,
            _served: served,
        }
    }

    /// A client with a user name to log in with.
    pub fn client(&self) -> Client {
        let config = Config {
            endpoints: vec![self.address.to_string()],
            user: "rollcall".to_owned(),
            ..Config::default()
        };
        Client::new(&config).unwrap()
    }

    /// Expects a login and returns this token to it.
    pub async fn admits(&mut self, token: &str) {
        match self.call().await {
            Call::Authenticate(answer) => answer.send(token.to_owned()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Expects a read of keys and returns `answer`. Returns the reader's token.
    pub async fn reads(&mut self, answer: Result<RangeResponse, Status>) -> String {
        match self.call().await {
            Call::Range(token, answered) => {
                answered.send(answer).unwrap();
                token
            }
            other => panic!("{other:?}"),
        }
    }

    /// Expects a transaction, which succeeds.
    pub async fn writes(&mut self) {
        match self.call().await {
            Call::Transaction(answer) => answer.send(()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Expects the request of a lease, and grants it with this id. The server confirms every renewal.
    pub async fn grants(&mut self, lease: i64) {
        match self.call().await {
            Call::Grant(answer) => answer.send(lease).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Expects the end of a lease, and returns its id.
    pub async fn revokes(&mut self) -> i64 {
        match self.call().await {
            Call::Revoke(lease) => lease,
            other => panic!("{other:?}"),
        }
    }

    /// Expects a watch.
    pub async fn watches(&mut self) -> Watching {
        match self.call().await {
            Call::Watch(watching) => watching,
            other => panic!("{other:?}"),
        }
    }

    async fn call(&mut self) -> Call {
        let call = timeout(PATIENCE, self.calls.recv());
        call.await.expect("a call").expect("a server")
    }
}

impl Watching {
    /// Confirms the watch at this revision of the server.
    pub fn created(&self, revision: i64) {
        self.send(WatchResponse {
            header: header(revision),
            created: true,
            ..WatchResponse::default()
        });
    }

    /// Refuses the watch.
    pub fn refused(&self, reason: &str) {
        self.send(WatchResponse {
            created: true,
            canceled: true,
            cancel_reason: reason.to_owned(),
            ..WatchResponse::default()
        });
    }

    /// Ends the watch, whose stream stays open.
    pub fn cancelled(&self, reason: &str) {
        self.send(WatchResponse {
            canceled: true,
            cancel_reason: reason.to_owned(),
            ..WatchResponse::default()
        });
    }

    /// Delivers changes, at this revision of the server.
    pub fn deliver(&self, revision: i64, events: Vec<Event>) {
        self.send(WatchResponse {
            header: header(revision),
            events,
            ..WatchResponse::default()
        });
    }

    fn send(&self, response: WatchResponse) {
        self.responses.send(response).expect("the watch is open");
    }
}

/// A header with the server's revision.
pub fn header(revision: i64) -> Option<ResponseHeader> {
    Some(ResponseHeader {
        revision,
        ..ResponseHeader::default()
    })
}

impl Service {
    fn called(&self, call: Call) -> Result<(), Status> {
        self.0.send(call).map_err(|_call| is_over())
    }
}

fn is_over() -> Status {
    Status::internal("the test is over")
}

fn token<Q>(request: &Request<Q>) -> String {
    let token = request.metadata().get("token").expect("a token");
    token.to_str().unwrap().to_owned()
}

#[async_trait]
impl Auth for Service {
    async fn authenticate(
        &self,
        _login: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        let (answer, answered) = oneshot::channel();
        self.called(Call::Authenticate(answer))?;
        let token = answered.await.map_err(|_closed| is_over())?;
        Ok(Response::new(AuthenticateResponse {
            header: None,
            token,
        }))
    }
}

#[async_trait]
impl Kv for Service {
    async fn range(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<RangeResponse>, Status> {
        let (answer, answered) = oneshot::channel();
        self.called(Call::Range(token(&request), answer))?;
        let answer = answered.await.unwrap_or_else(|_closed| Err(is_over()));
        answer.map(Response::new)
    }

    async fn txn(&self, _request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let (answer, answered) = oneshot::channel();
        self.called(Call::Transaction(answer))?;
        answered.await.map_err(|_closed| is_over())?;
        Ok(Response::new(TxnResponse {
            succeeded: true,
            ..TxnResponse::default()
        }))
    }
}

#[async_trait]
impl Lease for Service {
    async fn lease_grant(
        &self,
        _grant: Request<LeaseGrantRequest>,
    ) -> Result<Response<LeaseGrantResponse>, Status> {
        let (answer, answered) = oneshot::channel();
        self.called(Call::Grant(answer))?;
        let id = answered.await.map_err(|_closed| is_over())?;
        Ok(Response::new(LeaseGrantResponse {
            id,
            ..LeaseGrantResponse::default()
        }))
    }

    async fn lease_revoke(
        &self,
        revoke: Request<LeaseRevokeRequest>,
    ) -> Result<Response<LeaseRevokeResponse>, Status> {
        self.called(Call::Revoke(revoke.into_inner().id))?;
        Ok(Response::new(LeaseRevokeResponse::default()))
    }

    type LeaseKeepAliveStream = Responses<LeaseKeepAliveResponse>;

    async fn lease_keep_alive(
        &self,
        _renewals: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let renewed = LeaseKeepAliveResponse {
            ttl: 1,
            ..LeaseKeepAliveResponse::default()
        };
        Ok(Response::new(Box::pin(stream::iter([Ok(renewed)]))))
    }
}

#[async_trait]
impl Watch for Service {
    type WatchStream = Responses<WatchResponse>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let token = token(&request);
        let create = request.into_inner().message().await?;
        let create = create.and_then(|request| request.request_union);
        let Some(RequestUnion::CreateRequest(create)) = create else {
            return Err(Status::invalid_argument("no watch to create"));
        };
        let (responses, receiver) = mpsc::unbounded_channel();
        self.called(Call::Watch(Watching {
            from: create.start_revision,
            token,
            responses,
        }))?;
        let responses = UnboundedReceiverStream::new(receiver);
        Ok(Response::new(Box::pin(responses.map(Ok))))
    }
}
