//! Tests that the collector shows the end of the connection on which an instance was last seen, and that this end does not change
//! the instance's state.

use std::net::SocketAddr;

use jiff::{SignedDuration, Timestamp};
use rollcall_tests::{
    PATIENCE, eventually,
    grpc::Client,
    process::Collector,
    proxy::{Link, Proxy},
    query::{Connection, State},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

async fn end(collector: &Collector, instance: i32) -> Connection {
    eventually(PATIENCE, async || {
        let known = collector.query().instance(instance).await?;
        assert_eq!(
            known.state,
            State::Up,
            "the end of the connection changed the state"
        );
        known.why.connection.ok_or_else(|| "open".to_owned())
    })
    .await
}

async fn is_open(collector: &Collector, instance: i32) {
    let known = collector.query().instance(instance).await.unwrap();
    assert_eq!(known.why.connection, None, "{known:?}");
}

/// Sends one HTTP/1.1 request on its own connection, which stays open.
async fn post(server: SocketAddr, path: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_a_connection_is_shown_with_its_time_and_cause() {
    let collector = Collector::start().await;
    let proxy = Proxy::to(collector.listeners().grpc).await;
    let client = Client::connect(proxy.address()).await;
    let application = client.application("orders").await.unwrap();
    let instance = client.instance(application, "process").await.unwrap();
    is_open(&collector, instance).await;

    // The collector shows times with millisecond precision.
    let before = Timestamp::now() - SignedDuration::from_millis(1);
    proxy.set(Link::Refusing);
    let reset = end(&collector, instance).await;
    assert_eq!(reset.cause, "reset");
    assert!((before..=Timestamp::now()).contains(&reset.closed_at));

    let client = collector.grpc().await;
    client.jvm_metrics(instance).await.unwrap();
    is_open(&collector, instance).await;
    drop(client);
    let closed = end(&collector, instance).await;
    assert_eq!(closed.cause, "closed_by_peer");
    assert!(closed.closed_at >= reset.closed_at);
    let known = collector.query().instance(instance).await.unwrap();
    let sentence = known.why.sentence;
    assert!(sentence.contains("was closed by the peer at"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_over_http_have_connections_too() {
    let collector = Collector::start().await;
    let jetty = collector.listeners().jetty;
    let body = r#"{"service":"orders","serviceInstance":"one"}"#;
    let stream = post(jetty, "/v3/management/keepAlive", body).await;
    let query = collector.query();
    let application = query.applications().await.unwrap()[0].id;
    let instance = query.instances(application).await.unwrap()[0].id;
    is_open(&collector, instance).await;
    drop(stream);
    assert_eq!(end(&collector, instance).await.cause, "closed_by_peer");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_moved_to_another_connection_has_an_open_connection() {
    let collector = Collector::start().await;
    let (first, second) = (collector.grpc().await, collector.grpc().await);
    let application = first.application("orders").await.unwrap();
    let instance = first.instance(application, "process").await.unwrap();
    second.heartbeat(instance).await.unwrap();
    drop(first);
    let connections = format!(
        "rollcall_connections{{listener=\"{}\"}}",
        collector.listeners().grpc
    );
    eventually(PATIENCE, async || {
        match collector.query().metric(&connections).await? {
            1 => Ok(()),
            count => Err(format!("{count} connections")),
        }
    })
    .await;
    // Once the end of a later connection is recorded, the end of the first connection has been processed too.
    let other = collector.grpc().await;
    let witness = other.instance(application, "witness").await.unwrap();
    drop(other);
    end(&collector, witness).await;
    is_open(&collector, instance).await;
    drop(second);
    assert_eq!(end(&collector, instance).await.cause, "closed_by_peer");
}
