//! Agents that request the list of collectors over keep-alive HTTP/1.1 connections.
//!
//! The client does as little work as possible, because the load shares its cores with the server: the request is one constant, and
//! every reply must have the length of the first one.

use std::net::{IpAddr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{connection, load};

/// The path that agents of both generations request.
pub const PATH: &str = "/agent/gRPC";

/// An agent with its own connection.
#[derive(Debug)]
pub struct Caller {
    stream: TcpStream,
    request: String,
    /// The length of a reply, which never changes: the date in its head has a fixed width.
    reply: usize,
    buffer: Vec<u8>,
}

impl Caller {
    /// Connects, and makes one request to measure the length of the reply.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn connect(server: SocketAddr) -> Self {
        Self::connect_from(None, server).await
    }

    /// As [`Caller::connect`], from this address.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn connect_from(source: Option<IpAddr>, server: SocketAddr) -> Self {
        let stream = connection::tcp(source, server).await;
        let request = format!("GET {PATH} HTTP/1.1\r\nhost: {server}\r\n\r\n");
        let mut caller = Self {
            stream,
            request,
            reply: 0,
            buffer: vec![0; 4096],
        };
        caller.send().await;
        let mut read = 0;
        caller.reply = loop {
            read += caller.read(read).await;
            if let Some(length) = length(&caller.buffer[..read]) {
                break length;
            }
        };
        caller.receive(read).await;
        caller
    }

    /// Makes one request and reads its reply.
    ///
    /// # Panics
    /// When the reply is not the same as the first one.
    pub async fn call(&mut self) {
        self.send().await;
        self.receive(0).await;
    }

    async fn send(&mut self) {
        self.stream
            .write_all(self.request.as_bytes())
            .await
            .expect("writing a request");
    }

    /// Reads the rest of a reply, after `read` bytes of it have arrived.
    async fn receive(&mut self, mut read: usize) {
        while read < self.reply {
            read += self.read(read).await;
        }
        let reply = &self.buffer[..read];
        assert!(
            read == self.reply && reply.starts_with(b"HTTP/1.1 200 "),
            "the reply differs from the first one: {}",
            reply.escape_ascii()
        );
    }

    async fn read(&mut self, at: usize) -> usize {
        let read = self
            .stream
            .read(&mut self.buffer[at..])
            .await
            .expect("reading a reply");
        assert!(read > 0, "the server closed the connection");
        read
    }
}

impl load::Caller for Caller {
    async fn run(&mut self, mut more: impl FnMut() -> bool + Send) -> u64 {
        let mut calls = 0;
        while more() {
            self.call().await;
            calls += 1;
        }
        calls
    }
}

/// The length of a whole reply, once its head has arrived.
fn length(reply: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(reply)
        .expect("a reply in ASCII")
        .to_ascii_lowercase();
    let (head, _) = text.split_once("\r\n\r\n")?;
    let field = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let body: usize = field.expect("a length").trim().parse().expect("a number");
    Some(head.len() + 4 + body)
}
