//! A peer that sends single HTTP/2 frames, which no client library allows.

use std::{convert::Infallible, net::SocketAddr};

use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rollcall_tests::{PATIENCE, http};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

pub(crate) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A received frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// SETTINGS that set the window of every stream.
pub(crate) fn window(size: u32) -> Vec<u8> {
    let payload = [&[0, 4][..], &size.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &payload)
}

/// A WINDOW_UPDATE that allows `size` more bytes of an answer.
pub(crate) fn open(stream: u32, size: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &size.to_be_bytes())
}

/// The HEADERS frame of a request. Header names and values must be short.
fn head(stream: u32, flags: u8, method: u8, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    // HPACK: the method and the scheme `http` come from the static table, everything else is a literal.
    let mut block = vec![method, 0x86];
    literal(&mut block, &[0x04], path);
    literal(&mut block, &[0x01], "localhost");
    for (name, value) in fields {
        block.push(0);
        literal(&mut block, &[], name);
        literal(&mut block, &[], value);
    }
    frame(HEADERS, END_HEADERS | flags, stream, &block)
}

fn literal(block: &mut Vec<u8>, name: &[u8], text: &str) {
    block.extend(name);
    block.push(
        u8::try_from(text.len())
            .ok()
            .filter(|length| *length < 127)
            .expect("short"),
    );
    block.extend(text.as_bytes());
}

/// A whole GET request.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    head(stream, END_STREAM, 0x82, path, &[])
}

/// The HEADERS frame of a gRPC call, whose messages the test sends afterwards.
pub(crate) fn call(stream: u32, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let fields = [
        &[("content-type", "application/grpc"), ("te", "trailers")],
        fields,
    ]
    .concat();
    head(stream, 0, 0x83, path, &fields)
}

/// The ids of the first `count` streams of a client.
pub(crate) fn streams(count: u32) -> impl Iterator<Item = u32> {
    (0..count).map(|at| 2 * at + 1)
}

/// One HTTP/2 connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
}

impl Peer {
    /// A connection whose streams have a window of `size` bytes for answers.
    pub(crate) async fn connect(server: SocketAddr, size: u32) -> Self {
        let stream = TcpStream::connect(server).await.expect("a connection");
        let mut peer = Self { stream };
        peer.send(&[PREFACE, &window(size)].concat()).await;
        peer
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the collector has closed the connection.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("an open connection");
    }

    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(bytes))
            .await
            .expect("the collector stopped reading")
    }

    /// The next frame; `None` when the connection is closed. Acknowledges frames that require it.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        timeout(PATIENCE, self.read())
            .await
            .expect("the collector sends a frame or closes the connection")
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).expect("at most 16 MiB")];
        self.stream.read_exact(&mut payload).await.ok()?;
        if kind == SETTINGS && flags & ACK == 0 {
            self.try_send(&frame(SETTINGS, ACK, 0, &[])).await.ok()?;
        }
        Some(Frame {
            kind,
            stream: u32::from_be_bytes(stream),
            payload,
        })
    }

    /// Waits until the collector has read all bytes that were sent, which it shows by acknowledging a PING.
    pub(crate) async fn is_read(&mut self) {
        let mark = *b"was read";
        self.send(&frame(PING, 0, 0, &mark)).await;
        loop {
            let frame = self.next().await.expect("an open connection");
            if frame.kind == PING && frame.payload == mark {
                return;
            }
        }
    }

    /// Reads every frame up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}

/// A gRPC call whose request the test sends byte by byte.
pub(crate) struct Call {
    body: mpsc::UnboundedSender<Result<hyper::body::Frame<Bytes>, Infallible>>,
    answer: JoinHandle<hyper::Result<Response<Incoming>>>,
    _connection: JoinSet<()>,
}

impl Call {
    /// Begins a call on its own connection, by sending only its headers.
    pub(crate) async fn begin(server: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Self {
        let io = TokioIo::new(TcpStream::connect(server).await.expect("a connection"));
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io)
            .await
            .expect("HTTP/2");
        let mut connections = JoinSet::new();
        connections.spawn(async move { connection.await.unwrap_or_default() });
        let (body, parts) = mpsc::unbounded_channel();
        let mut request = Request::post(format!("http://{server}{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request
            .body(StreamBody::new(UnboundedReceiverStream::new(parts)))
            .expect("a request");
        let answer = tokio::spawn(async move { sender.send_request(request).await });
        Self {
            body,
            answer,
            _connection: connections,
        }
    }

    pub(crate) fn send(&self, bytes: &[u8]) {
        let frame = hyper::body::Frame::data(Bytes::copy_from_slice(bytes));
        self.body.send(Ok(frame)).expect("an open call");
    }

    pub(crate) fn is_answered(&self) -> bool {
        self.answer.is_finished()
    }

    /// Waits for the status and the message of the answer, with an open request.
    pub(crate) async fn status(self) -> (Code, String) {
        let answer = timeout(PATIENCE, self.answer)
            .await
            .expect("an answer in time");
        let answer = answer.expect("no panic").expect("an answer");
        let (head, body) = answer.into_parts();
        let trailers = body
            .collect()
            .await
            .expect("a whole answer")
            .trailers()
            .cloned();
        let status = [Some(head.headers), trailers]
            .iter()
            .flatten()
            .find_map(Status::from_header_map)
            .expect("a status");
        (status.code(), status.message().to_owned())
    }

    /// Ends the request, and waits for the answer.
    pub(crate) async fn end(mut self) -> (Code, String) {
        self.body = mpsc::unbounded_channel().0;
        self.status().await
    }
}

/// A message in a gRPC frame.
pub(crate) fn message(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a message");
    [&[0][..], &length.to_be_bytes(), bytes].concat()
}

/// The value of a sample in the metrics. `name` includes the labels as in the exposition.
pub(crate) async fn sample(ui: SocketAddr, name: &str) -> f64 {
    let reply = http::Client::new(ui)
        .get("/metrics")
        .await
        .expect("metrics");
    let text = reply.text();
    let samples = text.lines().filter_map(|line| line.strip_prefix(name));
    samples
        .filter_map(|value| value.trim().parse::<f64>().ok())
        .sum()
}
