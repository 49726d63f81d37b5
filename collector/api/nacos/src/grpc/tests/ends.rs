//! The evidence of instances that end with their connection.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rollcall_catalog::{Event, EventSink, store::Memory, testing::Running};
use rollcall_domain::catalog::{ConnectionEnd, EventKind};
use rollcall_link::Closing;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::{sleep, timeout},
};

use super::kit::{Client, PATIENCE, Server, config, spawn};
use crate::auth::Auth;

#[derive(Clone, Debug, Default)]
struct Recorder(Arc<Mutex<Vec<Event>>>);

impl EventSink for Recorder {
    fn record(&self, event: Event) {
        self.0.lock().push(event);
    }
}

impl Recorder {
    async fn server(&self, config: crate::grpc::Config) -> Server {
        let catalog = rollcall_catalog::Config::default();
        let running = Running::with(catalog, Memory::default(), Arc::new(self.clone()));
        Server::with(config, Auth::off(), running).await
    }

    /// How the connection of the first instance that ended with one has ended. The event names the client.
    async fn end(&self) -> ConnectionEnd {
        let ended = async {
            loop {
                let ended = self
                    .0
                    .lock()
                    .iter()
                    .find_map(|event| match event.event.what {
                        EventKind::ConnectionEnded(end) => Some((end, event.client.clone())),
                        _ => None,
                    });
                match ended {
                    Some(ended) => return ended,
                    None => sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let (end, client) = timeout(PATIENCE, ended).await.unwrap();
        assert_eq!(&*client.unwrap().client_ip, "10.0.0.9");
        end
    }
}

/// How a [`Wire`] ends the server's side of the transport.
enum Cut {
    Close,
    Reset,
    /// Sends the server a frame that HTTP/2 forbids.
    Violate,
}

/// A transport between client and server that can be cut without a goodbye of the client.
struct Wire {
    address: SocketAddr,
    cut: oneshot::Sender<Cut>,
}

impl Wire {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, cutting) = oneshot::channel();
        drop(spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(server).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                how = cutting => {
                    match how {
                        Ok(Cut::Reset) => server.set_zero_linger().unwrap(),
                        Ok(Cut::Violate) => {
                            // DATA of no bytes on stream 0.
                            server.write_all(&[0; 9]).await.unwrap();
                            drop(server.read_to_end(&mut Vec::new()).await);
                        }
                        Ok(Cut::Close) | Err(_) => {}
                    }
                    drop(server);
                    // The client stays connected, so that it does not cause the end.
                    sleep(PATIENCE).await;
                }
            }
        }));
        Self { address, cut }
    }
}

async fn provider(address: SocketAddr) -> Client {
    let mut client = Client::connect(address).await;
    client.open().await;
    client.set_up().await;
    client.register("s", 80).await;
    client
}

#[tokio::test]
async fn a_client_that_leaves_in_order_has_closed_its_connection() {
    let recorder = Recorder::default();
    let server = recorder.server(config()).await;
    provider(server.address).await.close();
    assert_eq!(recorder.end().await, ConnectionEnd::Closed);
}

#[tokio::test]
async fn a_transport_that_ends_without_a_goodbye_is_dropped() {
    let recorder = Recorder::default();
    let server = recorder.server(config()).await;
    let wire = Wire::to(server.address).await;
    let _client = provider(wire.address).await;
    assert!(wire.cut.send(Cut::Close).is_ok());
    assert_eq!(recorder.end().await, ConnectionEnd::Dropped);
}

#[tokio::test]
async fn a_transport_that_is_reset_is_reset() {
    let recorder = Recorder::default();
    let server = recorder.server(config()).await;
    let wire = Wire::to(server.address).await;
    let _client = provider(wire.address).await;
    assert!(wire.cut.send(Cut::Reset).is_ok());
    assert_eq!(recorder.end().await, ConnectionEnd::Reset);
}

#[tokio::test]
async fn a_client_that_violates_http2_is_not_said_to_have_broken_off() {
    let recorder = Recorder::default();
    let server = recorder.server(config()).await;
    let wire = Wire::to(server.address).await;
    let _client = provider(wire.address).await;
    assert!(wire.cut.send(Cut::Violate).is_ok());
    assert_eq!(recorder.end().await, ConnectionEnd::Violation);
}

#[tokio::test]
async fn a_client_that_does_not_answer_has_timed_out() {
    let recorder = Recorder::default();
    let mut config = config();
    config.patience.idle = Duration::from_millis(300);
    config.patience.probe = Duration::from_millis(300);
    let server = recorder.server(config).await;
    let _silent = provider(server.address).await;
    assert_eq!(recorder.end().await, ConnectionEnd::TimedOut);
}

#[tokio::test]
async fn a_client_that_opens_another_stream_supersedes_its_connection() {
    let recorder = Recorder::default();
    let server = recorder.server(config()).await;
    let mut client = provider(server.address).await;
    let _earlier = client.take_stream();
    client.open().await;
    assert_eq!(recorder.end().await, ConnectionEnd::Superseded);
}

#[tokio::test]
async fn a_client_that_sends_no_message_violates_the_protocol() {
    let recorder = Recorder::default();
    let mut config = config();
    config.max_message_size = 4096;
    let server = recorder.server(config).await;
    let mut client = provider(server.address).await;
    client
        .send("Anything", serde_json::json!("x".repeat(8192)))
        .await;
    assert!(client.end().await.is_err());
    assert_eq!(recorder.end().await, ConnectionEnd::Violation);
}

#[tokio::test]
async fn a_connection_that_the_collector_closes_names_the_reason() {
    for (why, expected) in [
        (Closing::Unanswered, ConnectionEnd::TimedOut),
        (Closing::Unread, ConnectionEnd::Unread),
        (Closing::OverLimit, ConnectionEnd::OverLimit),
    ] {
        let recorder = Recorder::default();
        let server = recorder.server(config()).await;
        let _client = provider(server.address).await;
        server.close(why);
        assert_eq!(recorder.end().await, expected);
    }
}

#[tokio::test]
async fn a_server_that_stops_ends_no_instance() {
    let recorder = Recorder::default();
    let server = recorder.server(config()).await;
    let mut client = provider(server.address).await;
    server.stop();
    client.end().await.unwrap();
    while server.catalog().counts().connections > 0 {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.catalog().counts().registry.ephemeral, 1);
    let events = recorder.0.lock();
    let kinds: Vec<_> = events.iter().map(|event| event.event.what).collect();
    assert_eq!(kinds, [EventKind::Registered]);
}
