//! A server of the face alone, and a client that behaves like the SDKs.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint},
};

use crate::grpc::wire::{
    Body, Metadata, Payload, bi_request_stream_client::BiRequestStreamClient,
    request_client::RequestClient,
};

mod bodies;
mod server;

pub(super) use bodies::*;
pub(super) use server::*;

/// How long anything may take before a test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How long a test waits to show that no message arrives.
pub(super) const SETTLED: Duration = Duration::from_millis(300);

pub(super) struct Client {
    unary: RequestClient<Channel>,
    channel: Channel,
    sender: Option<mpsc::Sender<Payload>>,
    stream: Option<Streaming<Payload>>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) acknowledges: bool,
}

impl Client {
    /// A connection without a stream.
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        Self {
            unary: RequestClient::new(channel.clone()),
            channel,
            sender: None,
            stream: None,
            headers: Vec::new(),
            acknowledges: true,
        }
    }

    /// Opens the stream.
    pub(super) async fn open(&mut self) {
        let (sender, receiver) = mpsc::channel(16);
        let mut client = BiRequestStreamClient::new(self.channel.clone());
        let opened = client.request_bi_stream(ReceiverStream::new(receiver));
        self.stream = Some(opened.await.unwrap().into_inner());
        self.sender = Some(sender);
    }

    pub(super) async fn try_open(&mut self) -> Result<(), Status> {
        let (_sender, receiver) = mpsc::channel(1);
        let mut client = BiRequestStreamClient::new(self.channel.clone());
        let opened = client.request_bi_stream(ReceiverStream::new(receiver));
        opened.await.map(drop)
    }

    /// The stream as it is; the client can open another one.
    pub(super) fn take_stream(&mut self) -> Streaming<Payload> {
        // The sender stays open, so that the client has not ended the stream.
        std::mem::forget(self.sender.take());
        self.stream.take().unwrap()
    }

    /// A client for calls on the same connection.
    pub(super) fn clone_unary(&self) -> Self {
        Self {
            unary: self.unary.clone(),
            channel: self.channel.clone(),
            sender: None,
            stream: None,
            headers: Vec::new(),
            acknowledges: true,
        }
    }

    pub(super) async fn send_raw(&self, payload: Payload) {
        self.sender.as_ref().unwrap().send(payload).await.unwrap();
    }

    /// The next message; `None` at the end of the stream, however it ends.
    pub(super) async fn try_next(&mut self) -> Option<(String, Value)> {
        let stream = self.stream.as_mut().unwrap();
        let message = timeout(PATIENCE, stream.message()).await.unwrap();
        message.ok().flatten().map(read)
    }

    pub(super) async fn set_up(&mut self) {
        self.send("ConnectionSetupRequest", setup()).await;
        assert_eq!(self.next().await.0, "SetupAckRequest");
    }

    /// Ends the stream and the connection in order.
    pub(super) fn close(self) {}

    pub(super) async fn send(&self, kind: &str, body: Value) {
        let payload = self.payload(kind, body.to_string());
        let sender = self.sender.as_ref().unwrap();
        sender.send(payload).await.unwrap();
    }

    pub(super) async fn call(&mut self, kind: &str, body: Value) -> (String, Value) {
        self.call_raw(kind, body.to_string()).await.unwrap()
    }

    pub(super) async fn call_raw(
        &mut self,
        kind: &str,
        body: impl Into<String>,
    ) -> Result<(String, Value), Status> {
        let payload = self.payload(kind, body.into());
        let answer = timeout(PATIENCE, self.unary.request(payload))
            .await
            .unwrap()?;
        Ok(read(answer.into_inner()))
    }

    /// Calls and expects success.
    pub(super) async fn ok(&mut self, kind: &str, body: Value) -> Value {
        let (name, answer) = self.call(kind, body).await;
        assert_eq!(answer["resultCode"], 200, "{name} {answer}");
        answer
    }

    /// The next message on the stream; acknowledges it if the message requires that.
    pub(super) async fn next(&mut self) -> (String, Value) {
        let stream = self.stream.as_mut().unwrap();
        let message = timeout(PATIENCE, stream.message()).await.unwrap();
        let (kind, body) = read(message.unwrap().expect("another message of the stream"));
        if self.acknowledges && kind != "SetupAckRequest" {
            let ack = kind.replace("Request", "Response");
            let body = json!({"resultCode":200,"requestId":body["requestId"]});
            self.send(&ack, body).await;
        }
        (kind, body)
    }

    /// The next push of a service: its hosts by their ports.
    pub(super) async fn pushed(&mut self) -> (Value, Vec<i64>) {
        let (kind, body) = self.next().await;
        assert_eq!(kind, "NotifySubscriberRequest", "{body}");
        let service = body["serviceInfo"].clone();
        let ports = ports(&service);
        (service, ports)
    }

    /// Checks that no message arrives for [`SETTLED`].
    pub(super) async fn receives_nothing(&mut self) {
        let stream = self.stream.as_mut().unwrap();
        if let Ok(message) = timeout(SETTLED, stream.message()).await {
            panic!("{:?}", message.map(|message| message.map(read)));
        }
    }

    /// Waits for the end of the stream, and skips messages before it.
    pub(super) async fn end(&mut self) -> Result<(), Status> {
        let stream = self.stream.as_mut().unwrap();
        loop {
            if timeout(PATIENCE, stream.message())
                .await
                .unwrap()?
                .is_none()
            {
                return Ok(());
            }
        }
    }

    pub(super) async fn register(&mut self, service: &str, port: u16) {
        self.ok(
            "InstanceRequest",
            instance(service, "registerInstance", port),
        )
        .await;
    }

    /// Subscribes to a service; its state comes in the answer, and once more as a push.
    pub(super) async fn subscribe(&mut self, service: &str) -> Vec<i64> {
        self.subscribe_to(service, "").await
    }

    pub(super) async fn subscribe_to(&mut self, service: &str, clusters: &str) -> Vec<i64> {
        let body = subscribe(service, clusters);
        let answer = self.ok("SubscribeServiceRequest", body).await;
        assert_eq!(answer["serviceInfo"]["clusters"], clusters);
        let (pushed, ports) = self.pushed().await;
        assert_eq!(pushed["clusters"], clusters);
        assert_eq!(pushed["hosts"], answer["serviceInfo"]["hosts"]);
        ports
    }

    pub(super) async fn query(&mut self, service: &str) -> Vec<i64> {
        let answer = self.ok("ServiceQueryRequest", of(service)).await;
        ports(&answer["serviceInfo"])
    }

    fn payload(&self, kind: &str, body: String) -> Payload {
        Payload {
            metadata: Some(Metadata {
                r#type: kind.into(),
                headers: self.headers.iter().cloned().collect(),
                client_ip: "10.0.0.9".into(),
            }),
            body: Some(Body {
                type_url: kind.into(),
                value: body.into(),
            }),
        }
    }
}
