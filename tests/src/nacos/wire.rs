//! The gRPC protocol of Nacos 2.x and 3.x. Its types are separate from the collector's, so that tests expose mistakes in the
//! collector's definitions.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use http::uri::PathAndQuery;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

/// The largest number of received messages that are queued for a test.
const WAITING: usize = 1024;

/// The envelope of every message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Payload {
    #[prost(message, optional, tag = "2")]
    metadata: Option<Metadata>,
    #[prost(message, optional, tag = "3")]
    body: Option<Body>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Metadata {
    #[prost(string, tag = "3")]
    r#type: String,
    #[prost(map = "string, string", tag = "7")]
    headers: HashMap<String, String>,
    #[prost(string, tag = "8")]
    client_ip: String,
}

/// `google.protobuf.Any`, whose value is JSON here.
#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

impl Payload {
    /// A message of this type.
    pub fn new(r#type: &str, value: Vec<u8>) -> Self {
        Self {
            metadata: Some(Metadata {
                r#type: r#type.to_owned(),
                client_ip: "127.0.0.1".to_owned(),
                ..Metadata::default()
            }),
            body: Some(Body {
                type_url: String::new(),
                value,
            }),
        }
    }

    /// The type of the message.
    pub fn r#type(&self) -> &str {
        self.metadata
            .as_ref()
            .map_or("", |metadata| &metadata.r#type)
    }

    /// The body of the message.
    pub fn body(&self) -> &[u8] {
        self.body.as_ref().map_or(&[], |body| &body.value)
    }
}

/// A message of the client or the server.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its type, such as `InstanceRequest`.
    pub r#type: String,
    /// The address in its metadata.
    pub client_ip: String,
    /// Its body, which should be JSON.
    pub body: String,
}

impl Message {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The type of the acknowledgement that the server expects.
    fn acknowledgement(&self) -> Option<String> {
        let name = self.r#type.strip_suffix("Request")?;
        (name != "SetupAck").then(|| format!("{name}Response"))
    }
}

/// One connection and its stream.
#[derive(Debug)]
pub struct Connection {
    client: Grpc<Channel>,
    outgoing: mpsc::Sender<Payload>,
    incoming: Option<mpsc::Receiver<Message>>,
    unsent: Option<mpsc::Receiver<Payload>>,
    acknowledges: bool,
    is_deaf: bool,
}

impl Connection {
    /// Connects, without opening the stream.
    ///
    /// # Panics
    /// When the connection fails.
    pub async fn open(server: SocketAddr) -> Self {
        Self::open_from(None, server).await
    }

    /// As [`Connection::open`], from this address.
    ///
    /// # Panics
    /// When the connection fails.
    pub async fn open_from(source: Option<IpAddr>, server: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{server}")).expect("an address");
        Self::over(endpoint.local_address(source)).await
    }

    /// Connects as a client that never reads its stream. The server can write 64 KiB to the stream.
    ///
    /// # Panics
    /// When the connection fails.
    pub async fn open_deaf(server: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{server}")).expect("an address");
        Self {
            is_deaf: true,
            ..Self::over(endpoint.initial_stream_window_size(64 << 10)).await
        }
    }

    async fn over(endpoint: Endpoint) -> Self {
        let channel = endpoint.connect().await.expect("a gRPC face");
        let (outgoing, unsent) = mpsc::channel(64);
        Self {
            client: Grpc::new(channel).max_decoding_message_size(64 << 20),
            outgoing,
            incoming: None,
            unsent: Some(unsent),
            acknowledges: true,
            is_deaf: false,
        }
    }

    /// The same connection, without acknowledgements of pushes.
    pub fn silent(mut self) -> Self {
        self.acknowledges = false;
        self
    }

    /// Opens the stream if needed, and introduces the client with these abilities.
    ///
    /// # Panics
    /// When the stream is closed.
    pub async fn set_up(&mut self, abilities: Option<Value>) {
        let mut body = json!({
            "clientVersion": "Nacos-Java-Client:v2.5.1",
            "tenant": "public",
            "labels": {"source": "sdk", "module": "naming"},
            "module": "internal",
        });
        if let Some(abilities) = abilities {
            body["abilityTable"] = abilities;
        }
        self.send("ConnectionSetupRequest", body.to_string())
            .await
            .expect("an open stream");
    }

    /// As [`Connection::set_up`] without abilities, and waits until the server answers calls.
    ///
    /// # Panics
    /// When the server does not answer calls within a few seconds.
    pub async fn introduce(&mut self) {
        self.set_up(None).await;
        // A server may refuse calls until it has read the set-up.
        for _ in 0..500 {
            let reply = self.call("HealthCheckRequest", "{\"module\":\"internal\"}");
            if reply.await.expect("a reply").r#type == "HealthCheckResponse" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the connection is not set up");
    }

    /// Opens the stream if needed, and sends a message on it.
    ///
    /// # Errors
    /// When the stream is closed.
    pub async fn send(&mut self, r#type: &str, body: impl Into<Vec<u8>>) -> Result<(), String> {
        if let Some(unsent) = self.unsent.take() {
            self.open_stream(unsent);
        }
        let sent = self.outgoing.send(Payload::new(r#type, body.into())).await;
        sent.map_err(|_| "the stream is closed".to_owned())
    }

    /// Makes a call with a body that may be invalid JSON.
    ///
    /// # Errors
    /// The status, if the call fails in gRPC itself.
    pub async fn call(&self, r#type: &str, body: impl Into<Vec<u8>>) -> Result<Message, Status> {
        let mut client = self.client.clone();
        client
            .ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static("/Request/request");
        let request = tonic::Request::new(Payload::new(r#type, body.into()));
        let codec = ProstCodec::<Payload, Payload>::default();
        let reply = client.unary(request, path, codec).await?;
        Ok(Message::from(reply.into_inner()))
    }

    /// The next message on the stream; `None` if none arrives in time.
    ///
    /// # Panics
    /// When the stream has ended.
    pub async fn receive(&mut self, within: Duration) -> Option<Message> {
        let incoming = self.incoming.as_mut().expect("an open stream");
        let received = tokio::time::timeout(within, incoming.recv()).await.ok()?;
        Some(received.expect("a stream that has not ended"))
    }

    fn open_stream(&mut self, unsent: mpsc::Receiver<Payload>) {
        let (received, incoming) = mpsc::channel(WAITING);
        self.incoming = Some(incoming);
        let mut client = self.client.clone();
        let outgoing = self.outgoing.clone();
        let (acknowledges, is_deaf) = (self.acknowledges, self.is_deaf);
        // Opens the stream in a task, because the head of the answer may arrive only with the first message.
        tokio::spawn(async move {
            client.ready().await.expect("a connection");
            let path = PathAndQuery::from_static("/BiRequestStream/requestBiStream");
            let request = tonic::Request::new(ReceiverStream::new(unsent));
            let codec = ProstCodec::<Payload, Payload>::default();
            let Ok(stream) = client.streaming(request, path, codec).await else {
                return;
            };
            let mut stream = stream.into_inner();
            if is_deaf {
                outgoing.closed().await;
            }
            while let Ok(Some(message)) = stream.message().await {
                let message = Message::from(message);
                if let Some(answer) = message.acknowledgement().filter(|_| acknowledges) {
                    let body = json!({
                        "resultCode": 200,
                        "errorCode": 0,
                        "success": true,
                        "requestId": message.json()["requestId"],
                    });
                    drop(
                        outgoing
                            .send(Payload::new(&answer, body.to_string().into()))
                            .await,
                    );
                }
                if received.send(message).await.is_err() {
                    return;
                }
            }
        });
    }
}

impl From<Payload> for Message {
    fn from(payload: Payload) -> Self {
        let metadata = payload.metadata.unwrap_or_default();
        let body = payload.body.unwrap_or_default();
        Self {
            r#type: metadata.r#type,
            client_ip: metadata.client_ip,
            body: String::from_utf8_lossy(&body.value).into_owned(),
        }
    }
}
