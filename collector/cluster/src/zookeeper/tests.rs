//! The session that the client requests from servers that close the connection or are unavailable.

use bytes::BufMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::*;

/// The session timeout of these tests: short, and longer than two requests take.
const TERM: Duration = Duration::from_millis(300);

/// Accepts a connection; returns the last transaction that the client has seen and the session that it requests, 0 for a new one.
async fn accepted(listener: &TcpListener) -> (TcpStream, i64, i64) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let _length_and_version = stream.read_i64().await.unwrap();
    let seen = stream.read_i64().await.unwrap();
    let _timeout = stream.read_i32().await.unwrap();
    let session = stream.read_i64().await.unwrap();
    (stream, seen, session)
}

/// Opens a session, answers the first request with a transaction, and closes after the client has read it.
async fn open(mut stream: TcpStream, session: i64, transaction: i64) {
    let mut frame = Vec::new();
    frame.put_i32(22);
    frame.put_i32(0);
    frame.put_i32(i32::try_from(TERM.as_millis()).unwrap());
    frame.put_i64(session);
    frame.put_i32(2);
    frame.put_slice(b"pw");
    frame.put_i32(20);
    frame.put_i32(1);
    frame.put_i64(transaction);
    frame.put_i64(0);
    stream.write_all(&frame).await.unwrap();
    stream.shutdown().await.unwrap_or_default();
    let mut unread = Vec::new();
    stream.read_to_end(&mut unread).await.unwrap_or_default();
}

/// Closes every connection until a client requests a new session; returns that connection.
async fn connects_again(listener: &TcpListener, session: i64) -> TcpStream {
    loop {
        match accepted(listener).await {
            (stream, 0, 0) => return stream,
            (_closed, _, resumed) => assert_eq!(resumed, session),
        }
    }
}

#[tokio::test]
async fn a_session_outlives_unavailable_servers_and_is_abandoned_once_another_opens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config {
        servers: vec![listener.local_addr().unwrap().to_string()],
        session_timeout: Duration::from_secs(9),
        ..Config::default()
    };
    let (_cluster, keeper) = cluster(config);
    let mut tasks = JoinSet::new();
    tasks.spawn(keeper.run(CancellationToken::new()));

    let (stream, seen, session) = accepted(&listener).await;
    assert_eq!((seen, session), (0, 0));
    open(stream, 7, 41).await;
    // Unavailable for longer than the term.
    drop(connects_again(&listener, 7).await);
    let (stream, seen, session) = accepted(&listener).await;
    assert_eq!((seen, session), (41, 7));
    open(stream, 7, 42).await;
    // Without the transaction that the client has seen.
    open(connects_again(&listener, 7).await, 8, 1).await;
    let (_stream, seen, session) = accepted(&listener).await;
    assert_eq!((seen, session), (0, 8));
}
