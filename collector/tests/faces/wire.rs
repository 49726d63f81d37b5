//! Behaviour that only a connection shows: naming as agents read it, and the event feed.

use std::net::SocketAddr;

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
use rollcall_skywalking::http::FastPath;

/// The timeout of an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A collector on a socket, with the fast path in front. It stops when this value is dropped.
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

/// Reads up to and including `end`.
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
async fn all_requests_but_a_get_of_a_list_reach_the_router() {
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
async fn the_feed_streams_events_until_the_collector_drains() {
    let listening = Collector::start().listen().await;
    let collector = &listening.collector;
    let mut feed = listening.send("GET", "/api/events").await;
    let head = read_until(&mut feed, "\r\n\r\n").await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    assert!(head.contains("x-accel-buffering: no"), "{head}");

    let one_too_many = listening.answer("GET", "/api/events").await;
    assert!(one_too_many.starts_with("HTTP/1.1 503"), "{one_too_many}");

    let process = r#"{"ai":-3,"au":"u","rt":0,"oi":{}}"#;
    collector.post("/instance/register", process).await;
    let event = read_until(&mut feed, "\n\n").await;
    assert!(event.contains("event: instance\n"), "{event}");
    assert!(
        event.contains(r#""kind":"registered""#) && event.contains(r#""application_id":-3"#),
        "{event}"
    );
    assert!(event.contains("-1\n"), "an id: {event}");

    collector
        .post("/instance/heartbeat", r#"{"ii":7,"ht":0}"#)
        .await;
    let event = read_until(&mut feed, "\n\n").await;
    assert!(
        event.contains("event: instance\n")
            && event.contains(r#""kind":"adopted""#)
            && event.contains(r#""id":7"#),
        "{event}"
    );

    collector.tasks.shutdown(PATIENCE).await.unwrap();
    assert!(read_until(&mut feed, "0\r\n\r\n").await.starts_with('0'));
    assert_eq!(collector.fixture.services.events.readers(), 0);
}

/// The first `count` events of the feed with the query `since`.
async fn events_since(collector: &Collector, since: &str, count: usize) -> Vec<String> {
    let request = Request::get(format!("/api/events{since}"));
    let request = request.body(Body::empty()).unwrap();
    let feed = collector.router.clone().oneshot(request).await.unwrap();
    assert_eq!(feed.status(), 200, "{since}");
    let mut feed = feed.into_body();
    let mut events = Vec::new();
    for _ in 0..=count {
        let frame = timeout(PATIENCE, feed.frame()).await.unwrap();
        let event = frame.unwrap().unwrap().into_data().unwrap();
        events.push(String::from_utf8(event.to_vec()).unwrap());
    }
    events.split_off(1)
}

fn id_of(event: &str) -> &str {
    let id = event.lines().find_map(|line| line.strip_prefix("id: "));
    id.unwrap_or_else(|| panic!("no id: {event}"))
}

#[tokio::test]
async fn a_feed_resumes_after_an_event_or_a_time_within_the_history() {
    let collector = Collector::start();
    let register = async |uuid: usize| {
        let process = format!(r#"{{"ai":-3,"au":"{uuid}","rt":0,"oi":{{}}}}"#);
        collector.post("/instance/register", process).await;
    };
    for uuid in 1..=3 {
        register(uuid).await;
    }
    let all = events_since(&collector, "?since=2000-01-01T00:00:00Z", 3).await;
    assert!(all[0].contains(r#""id":1,"#) && all[2].contains(r#""id":3,"#));
    let rest = events_since(&collector, &format!("?since={}", id_of(&all[1])), 1).await;
    assert_eq!(rest, all[2..]);
    let request = Request::get("/api/events").header("last-event-id", id_of(&all[0]));
    let request = request.body(Body::empty()).unwrap();
    let feed = collector.router.clone().oneshot(request).await.unwrap();
    let mut feed = feed.into_body();
    feed.frame().await;
    let second = feed.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(second, all[1].as_bytes());
    drop(feed);
    // A browser that reconnects repeats the address of the feed.
    let request = Request::get("/api/events?since=2000-01-01T00:00:00Z");
    let request = request.header("last-event-id", id_of(&all[1]));
    let request = request.body(Body::empty()).unwrap();
    let feed = collector.router.clone().oneshot(request).await.unwrap();
    let mut feed = feed.into_body();
    feed.frame().await;
    let third = feed.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(third, all[2].as_bytes());
    drop(feed);

    // Another series of numbers, and more events than the history has.
    let other = events_since(&collector, "?since=1-7", 4).await;
    assert_eq!(other[0], "event: lagged\ndata: {\"missed\":null}\n\n");
    assert_eq!(other[1..], all);
    for uuid in 4..=20 {
        register(uuid).await;
    }
    let since = format!("?since={}", id_of(&all[1]));
    let late = events_since(&collector, &since, 2).await;
    assert_eq!(late[0], "event: lagged\ndata: {\"missed\":2}\n\n");
    assert!(late[1].contains(r#""id":5,"#), "{}", late[1]);
}

#[tokio::test]
async fn an_invalid_start_and_unknown_parameters_are_refused() {
    let collector = Collector::start();
    for (query, field) in [("?since=yesterday", "since"), ("?from=now", "from")] {
        let refused = collector
            .get(&format!("/api/events{query}"))
            .await
            .refused(400);
        assert_eq!(refused, field, "{query}");
    }
}

#[tokio::test]
async fn a_request_whose_client_disconnects_is_broken_off_and_not_invalid() {
    let listening = Collector::start().listen().await;
    let mut stream = TcpStream::connect(listening.address).await.unwrap();
    let request =
        "POST /application/register HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n[\"a\"";
    stream.write_all(request.as_bytes()).await.unwrap();
    drop(stream);
    let counted = async || {
        while listening
            .collector
            .counted("/application/register", "broken_off")
            .await
            == 0
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, counted()).await.unwrap();
    assert_eq!(
        listening
            .collector
            .counted("/application/register", "invalid")
            .await,
        0
    );
}
