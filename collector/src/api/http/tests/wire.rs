//! What only shows on a connection: naming as agents read it, and the event feed.

use std::{net::SocketAddr, time::Duration};

use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use rollcall_domain::membership::{Member, State, View};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use super::*;
use crate::api::http::FastPath;

/// How long an answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A collector on a socket, with the fast path in front. It ends with this value.
struct Listening {
    collector: Collector,
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Collector {
    async fn listen(self) -> Listening {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = TowerToHyperService::new(self.router.clone());
        let service = FastPath::new(&self.fixture.services, Some("/"), router);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
                connections.spawn(async move { connection.await.unwrap() });
            }
        });
        Listening {
            collector: self,
            address,
            _tasks: tasks,
        }
    }
}

impl Listening {
    async fn send(&self, method: &str, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn answer(&self, method: &str, path: &str) -> String {
        let mut stream = self.send(method, path).await;
        let mut answer = String::new();
        let reading = stream.read_to_string(&mut answer);
        timeout(PATIENCE, reading).await.unwrap().unwrap();
        answer
    }
}

/// Reads until `end` was read.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(end) {
        let reading = stream.read_buf(&mut read);
        let count = timeout(PATIENCE, reading).await.unwrap().unwrap();
        assert_ne!(count, 0, "closed before {end}");
    }
    String::from_utf8(read).unwrap()
}

fn serving(agent_grpc: &str) -> View {
    View::new([Member {
        address: agent_grpc.into(),
        agent_grpc: Some(agent_grpc.into()),
        agent_jetty: Some("10.0.0.1:12800/".into()),
        ui: Some("10.0.0.1:12800/ui".into()),
        version: Some("0.1.0".into()),
        state: State::Serving,
        since: rollcall_domain::Timestamp::from_millis(0),
    }])
}

#[tokio::test]
async fn each_naming_path_has_its_list() {
    let collector = Collector::start();
    collector
        .fixture
        .services
        .naming
        .publish(&serving("10.0.0.1:11800"));
    let listening = collector.listen().await;
    for (path, body) in [
        ("/agent/gRPC", r#"["10.0.0.1:11800"]"#),
        ("/agentstream/grpc", r#"["10.0.0.1:11800"]"#),
        ("/agent/jetty", r#"["10.0.0.1:12800/"]"#),
        ("/ui/jetty", r#"["10.0.0.1:12800/ui"]"#),
    ] {
        let answer = listening.answer("GET", path).await;
        let (head, answered) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(answered, body, "{path}");
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(
            head.contains("content-type: application/json;charset=utf-8\r\n"),
            "{head}"
        );
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
        assert_eq!(
            listening.collector.get(path).await.text(),
            body,
            "the router answers the same"
        );
        assert_eq!(listening.collector.counted(path, "ok").await, 2, "{path}");
    }
}

#[tokio::test]
async fn a_list_changes_with_the_view_and_query_strings_do_not_matter() {
    let listening = Collector::start().listen().await;
    assert!(
        listening
            .answer("GET", "/agent/gRPC?x=1")
            .await
            .ends_with("\r\n\r\n[]")
    );
    listening
        .collector
        .fixture
        .services
        .naming
        .publish(&serving("10.0.0.2:11800"));
    assert!(
        listening
            .answer("GET", "/agent/gRPC")
            .await
            .ends_with(r#"["10.0.0.2:11800"]"#)
    );
}

#[tokio::test]
async fn what_is_not_a_get_of_a_list_passes_the_fast_path() {
    let listening = Collector::start().listen().await;
    let head = listening.answer("HEAD", "/agent/gRPC").await;
    assert!(
        head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert!(head.contains("content-length: 2"), "{head}");
    let wrong = listening.answer("POST", "/agent/gRPC").await;
    assert!(wrong.starts_with("HTTP/1.1 405"), "{wrong}");
    assert!(
        wrong.contains("error-message: POST is not allowed on /agent/gRPC"),
        "{wrong}"
    );
    assert!(
        listening
            .answer("GET", "/agent/gRPC/")
            .await
            .starts_with("HTTP/1.1 404")
    );
    assert!(
        listening
            .answer("GET", "/livez")
            .await
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn the_feed_tells_what_happens_until_the_collector_drains() {
    let listening = Collector::start().listen().await;
    let collector = &listening.collector;
    let mut feed = listening.send("GET", "/api/events").await;
    let head = read_until(&mut feed, "\r\n\r\n").await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");

    let one_too_many = listening.answer("GET", "/api/events").await;
    assert!(one_too_many.starts_with("HTTP/1.1 503"), "{one_too_many}");

    let process = r#"{"ai":-3,"au":"u","rt":0,"oi":{}}"#;
    collector.post("/instance/register", process).await;
    let event = read_until(&mut feed, "\n\n").await;
    assert!(event.contains("event: registered\n"), "{event}");
    assert!(
        event.contains(r#""instance_id":1,"application_id":-3}"#),
        "{event}"
    );
    assert!(event.contains("-1\n"), "an id: {event}");

    collector
        .post("/instance/heartbeat", r#"{"ii":7,"ht":0}"#)
        .await;
    let event = read_until(&mut feed, "\n\n").await;
    assert!(
        event.contains("event: adopted\n") && event.contains(r#""instance_id":7"#),
        "{event}"
    );

    collector.closing.cancel();
    assert!(read_until(&mut feed, "0\r\n\r\n").await.starts_with('0'));
    assert_eq!(collector.fixture.services.events.subscribers(), 0);
}

#[tokio::test]
async fn a_slow_reader_of_the_feed_is_told_how_much_it_missed() {
    let collector = Collector::start();
    let request = Request::get("/api/events").body(Body::empty()).unwrap();
    let feed = collector.router.clone().oneshot(request).await.unwrap();
    for uuid in 0..20 {
        let process = format!(r#"{{"ai":-3,"au":"{uuid}","rt":0,"oi":{{}}}}"#);
        collector.post("/instance/register", process).await;
    }
    let mut feed = feed.into_body();
    let mut next = async || {
        let event = feed.frame().await.unwrap().unwrap().into_data().unwrap();
        String::from_utf8(event.to_vec()).unwrap()
    };
    assert_eq!(next().await, "event: lagged\ndata: {\"missed\":4}\n\n");
    assert!(
        next().await.contains(r#""instance_id":5"#),
        "the oldest that is left"
    );
}
