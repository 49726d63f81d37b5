//! Requests as raw bytes that no client library sends.

use std::net::SocketAddr;

use rollcall_tests::PATIENCE;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends `bytes` on a new connection, and returns all received bytes until the server closes the connection.
pub(crate) async fn exchange(server: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    read_to_end(&mut stream).await
}

/// All bytes until the server closes the connection; a reset counts as a close.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    if let Err(error) = tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("the server closes the connection")
    {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of the first answer in `answers`; 0 without one.
pub(crate) fn status(answers: &str) -> u16 {
    let status = answers
        .strip_prefix("HTTP/1.1 ")
        .or(answers.strip_prefix("HTTP/1.0 "));
    status
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or(0)
}

/// The number of HTTP answers in a text.
pub(crate) fn answers(answers: &str) -> usize {
    let lines = answers.split("\r\n");
    lines.filter(|line| line.starts_with("HTTP/1.")).count()
}
