//! A server of the face alone.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use rollcall_catalog::{Catalog, testing::Running};
use rollcall_limits::{Budget, Work};
use rollcall_link::{Closing, Links};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::Client;
use crate::{
    auth::Auth,
    grpc::{Config, Face, Metrics, Patience, Retries, Transport},
};

pub(in crate::grpc::tests) struct Server {
    pub(in crate::grpc::tests) address: SocketAddr,
    pub(in crate::grpc::tests) face: Arc<Face>,
    pub(in crate::grpc::tests) running: Running,
    stop: CancellationToken,
    closing: watch::Sender<Option<Closing>>,
    tasks: Vec<JoinHandle<()>>,
}

pub(in crate::grpc::tests) fn config() -> Config {
    Config {
        own_ip: "127.0.0.1".into(),
        max_message_size: 10 << 20,
        max_connections: 1000,
        max_subscriptions: 100,
        max_patterns: 3,
        max_matches: 50,
        patience: Patience {
            setup: Duration::from_secs(10),
            idle: Duration::from_secs(20),
            probe: Duration::from_secs(5),
            pushes: Retries {
                after: Duration::from_secs(5),
                pause: Duration::from_secs(1),
                most: 3,
            },
        },
    }
}

/// Work with a budget of this many bytes.
pub(in crate::grpc::tests) fn work(bytes: usize) -> Work {
    let metrics = rollcall_metrics::Metrics::new();
    Work::new(
        100_000,
        Budget::new("work", bytes),
        metrics.refusals("max_batch", rollcall_limits::work::MAX_BATCH),
    )
}

impl Server {
    pub(in crate::grpc::tests) async fn start() -> Self {
        Self::with(config(), Auth::off(), Running::start()).await
    }

    /// A server with this budget of work.
    pub(in crate::grpc::tests) async fn working(work: Work) -> Self {
        Self::serve(config(), Auth::off(), Running::start(), work).await
    }

    pub(in crate::grpc::tests) async fn with(config: Config, auth: Auth, running: Running) -> Self {
        Self::serve(config, auth, running, work(64 << 20)).await
    }

    async fn serve(config: Config, auth: Auth, running: Running, work: Work) -> Self {
        let stop = CancellationToken::new();
        let face = Face::new(
            config,
            running.catalog.clone(),
            auth,
            work,
            Metrics::new(&rollcall_metrics::Metrics::new()),
            stop.clone(),
        );
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (closing, closings) = watch::channel(None);
        let tasks = vec![
            spawn(serve(listener, Arc::clone(&face), closings)),
            spawn(Arc::clone(&face).run()),
        ];
        Self {
            address,
            face,
            running,
            stop,
            closing,
            tasks,
        }
    }

    pub(in crate::grpc::tests) fn catalog(&self) -> &Catalog {
        &self.running.catalog
    }

    /// A client that is set up.
    pub(in crate::grpc::tests) async fn client(&self) -> Client {
        let mut client = Client::connect(self.address).await;
        client.open().await;
        client.set_up().await;
        client
    }

    /// Closes all connections for this reason, as the collector's listener does.
    pub(in crate::grpc::tests) fn close(&self, why: Closing) {
        self.closing.send_replace(Some(why));
    }

    pub(in crate::grpc::tests) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no task set; the handle is kept and aborted"
)]
pub(in crate::grpc::tests) fn spawn(
    task: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(task)
}

async fn serve(listener: TcpListener, face: Arc<Face>, closings: watch::Receiver<Option<Closing>>) {
    let links = Links::default();
    let mut connections = JoinSet::new();
    let router = face.router(|extensions| extensions.get().copied());
    for number in 1.. {
        let (stream, remote) = listener.accept().await.unwrap();
        let transport = Transport {
            number,
            remote,
            accepted: 1_700_000_000_000,
        };
        let router = router
            .clone()
            .map_request(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(transport);
                request
            });
        let link = links.open(remote);
        let service = link.around(TowerToHyperService::new(router));
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut closings = closings.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let closing = async { closings.wait_for(Option::is_some).await.map(|why| *why) };
            tokio::select! {
                _ = &mut connection => {}
                why = closing => link.closing(why.unwrap().unwrap()),
            }
        });
    }
}
