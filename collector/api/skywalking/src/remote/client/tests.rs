//! Registrations sent to a member that is slow, refuses, dies, or is unreachable.

use std::{net::SocketAddr, pin::pin};

use axum::Router;
use futures_util::poll;
use hyper_util::service::TowerToHyperService;
use rollcall_metrics::Metrics;
use rollcall_proto::remote::{Empty, RemoteCommonService, RemoteCommonServiceServer};
use rollcall_server::{self as server, Serving};
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{Response, Streaming, async_trait, service::Routes};

use super::*;

/// The longest wait for an expected event, long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// A timeout that a test waits for.
const SHORT: Duration = Duration::from_millis(100);

fn config(buffer_size: usize, patience: Duration) -> Config {
    Config {
        buffer_size,
        patience,
        certificates: None,
        token: Some(AsciiMetadataValue::from_static("s3cret")),
    }
}

fn application(code: &str) -> Vec<Registration> {
    vec![Registration::Application(code.into())]
}

/// A member whose streams arrive here, each with the channel for its answer.
struct Member {
    address: SocketAddr,
    streams: mpsc::UnboundedReceiver<Stream>,
    stop: CancellationToken,
    served: JoinSet<()>,
}

struct Stream {
    codes: Vec<String>,
    answer: oneshot::Sender<Result<(), Status>>,
}

struct Service(mpsc::UnboundedSender<Stream>);

#[async_trait]
impl RemoteCommonService for Service {
    async fn call(
        &self,
        request: Request<Streaming<RemoteMessage>>,
    ) -> Result<Response<Empty>, Status> {
        assert_eq!(request.metadata().get("authentication").unwrap(), "s3cret");
        let mut messages = request.into_inner();
        let mut codes = Vec::new();
        while let Some(message) = messages.message().await? {
            match columns::decode(message).unwrap() {
                Registration::Application(code) => codes.push(code.to_string()),
                other => panic!("{other:?} was never sent"),
            }
        }
        let (answer, answered) = oneshot::channel();
        self.0.send(Stream { codes, answer }).unwrap_or_default();
        let answered = answered.await;
        answered.unwrap_or_else(|_| Err(Status::internal("the test is over")))?;
        Ok(Response::new(Empty {}))
    }
}

impl Member {
    async fn start() -> Self {
        let bound = server::bind("127.0.0.1", 0)
            .await
            .unwrap()
            .listen()
            .unwrap();
        let address = bound.address();
        let (sender, streams) = mpsc::unbounded_channel();
        let router = Routes::from(Router::new())
            .add_service(RemoteCommonServiceServer::new(Service(sender)))
            .into_axum_router();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let mut served = JoinSet::new();
        served.spawn(async move {
            let serving = Serving {
                grace: Duration::ZERO,
                ..Serving::generous()
            };
            let service = TowerToHyperService::new(router);
            let served = bound.serve(service, serving, stopped);
            assert!(served.await.is_err(), "it dies with a stream under way");
        });
        Self {
            address,
            streams,
            stop,
            served,
        }
    }

    /// The codes on the next stream, which then gets this answer.
    async fn answers(&mut self, answer: Result<(), Status>) -> Vec<String> {
        let stream = self.streams.recv().await.unwrap();
        stream.answer.send(answer).unwrap();
        stream.codes
    }

    /// Accepts the next stream, and ends without an answer.
    async fn dies(mut self) {
        let _unanswered = self.streams.recv().await.unwrap();
        self.stop.cancel();
        self.served.join_all().await;
    }
}

/// A running client.
struct Running {
    client: Client,
    metrics: Metrics,
    link: JoinSet<()>,
}

impl Running {
    fn start(member: SocketAddr, config: &Config) -> Self {
        let metrics = Metrics::new();
        let counters = Counters::new(&metrics);
        let name = member.to_string().into();
        let (client, link) = open(&name, config, Clock::start(), &counters).unwrap();
        let mut running = JoinSet::new();
        running.spawn(link.run());
        Self {
            client,
            metrics,
            link: running,
        }
    }

    fn counted(&self, outcome: &'static str) -> u64 {
        self.metrics.forwarded(outcome).get()
    }
}

#[tokio::test]
async fn registrations_that_arrive_while_the_member_works_go_into_one_stream() {
    let mut member = Member::start().await;
    let running = Running::start(member.address, &config(8, PATIENCE));
    let first = running.client.commit(application("a"));
    let at_work = member.streams.recv().await.unwrap();
    assert_eq!(at_work.codes, ["a"]);
    let others = ["b", "c"].map(|code| running.client.commit(application(code)));
    let pair = [application("d"), application("e")].concat();
    let pair = running.client.commit(pair);
    at_work.answer.send(Ok(())).unwrap();
    assert_eq!(first.await, Ok(()));
    assert_eq!(member.answers(Ok(())).await, ["b", "c", "d", "e"]);
    for other in others {
        assert_eq!(other.await, Ok(()));
    }
    assert_eq!(pair.await, Ok(()));
    assert_eq!(running.counted("committed"), 5);
}

#[tokio::test]
async fn registrations_beyond_the_queue_are_refused_at_once() {
    let mut member = Member::start().await;
    let running = Running::start(member.address, &config(2, PATIENCE));
    let mut first = pin!(running.client.commit(application("a")));
    assert!(poll!(&mut first).is_pending());
    let at_work = member.streams.recv().await.unwrap();
    let pair = [application("b"), application("c")].concat();
    assert_eq!(running.client.commit(pair.clone()).await, Err(Error::Full));
    at_work.answer.send(Ok(())).unwrap();
    assert_eq!(first.await, Ok(()));
    // The batch on its way occupies no place in the queue any more.
    let second = running.client.commit(pair);
    assert_eq!(member.answers(Ok(())).await, ["b", "c"]);
    assert_eq!(second.await, Ok(()));
    assert_eq!(running.counted("full"), 2);
}

#[tokio::test]
async fn the_client_backs_off_after_a_refusal() {
    let mut member = Member::start().await;
    let running = Running::start(member.address, &config(8, PATIENCE));
    let forwarded = ["a", "b"].map(|code| running.client.commit(application(code)));
    let refusal = Err(Status::unavailable("no store"));
    assert_eq!(member.answers(refusal).await, ["a", "b"]);
    for refused in forwarded {
        assert_eq!(refused.await, Err(Error::Failed));
    }
    let refused = running.client.commit(application("c")).await;
    assert_eq!(refused, Err(Error::BackingOff));
    assert_eq!(
        (running.counted("failed"), running.counted("backing_off")),
        (2, 1)
    );
    tokio::time::sleep(BACKOFF).await;
    let again = running.client.commit(application("d"));
    assert_eq!(member.answers(Ok(())).await, ["d"]);
    assert_eq!(again.await, Ok(()));
}

#[tokio::test]
async fn a_timeout_fails_every_caller_of_the_stream() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = Running::start(silent.local_addr().unwrap(), &config(8, SHORT));
    let forwarded = ["a", "b"].map(|code| running.client.commit(application(code)));
    for late in forwarded {
        assert_eq!(late.await, Err(Error::TimedOut));
    }
    assert_eq!(running.counted("timed_out"), 2);
}

#[tokio::test]
async fn the_death_of_a_member_fails_every_caller_of_the_stream() {
    let member = Member::start().await;
    let running = Running::start(member.address, &config(8, PATIENCE));
    let forwarded = running.client.commit(application("a"));
    member.dies().await;
    assert_eq!(forwarded.await, Err(Error::Failed));
}

#[tokio::test]
async fn an_unreachable_address_fails_at_once() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let running = Running::start(address, &config(8, PATIENCE));
    let forwarded = running.client.commit(application("a")).await;
    assert_eq!(forwarded, Err(Error::Failed));
}

#[tokio::test]
async fn closing_the_client_fails_every_waiting_caller() {
    let mut member = Member::start().await;
    let Running {
        client,
        metrics,
        link,
    } = Running::start(member.address, &config(8, PATIENCE));
    let first = client.commit(application("a"));
    let _unanswered = member.streams.recv().await.unwrap();
    let second = client.commit(application("b"));
    drop(client);
    link.join_all().await;
    assert_eq!(
        (first.await, second.await),
        (Err(Error::MemberLeft), Err(Error::MemberLeft))
    );
    assert_eq!(metrics.forwarded("member_left").get(), 2);
}
