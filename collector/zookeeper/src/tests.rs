//! The client with defective servers. tests/tests/membership tests it with real ones.

use bytes::BufMut;
use tokio::net::TcpListener;

use super::*;

const TERM: Duration = Duration::from_secs(9);

/// A server that sends these bytes on the first connection, and then nothing. The connection stays open until the stream that
/// the future returns is dropped.
async fn server(answer: Vec<u8>) -> (String, impl Future<Output = TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&answer).await.unwrap();
        stream
    };
    (address, serve)
}

fn opened(timeout: i32) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.put_i32(0);
    frame.put_i32(timeout);
    frame.put_i64(7);
    frame.put_i32(2);
    frame.put_slice(b"pw");
    framed(&frame)
}

fn framed(frame: &[u8]) -> Vec<u8> {
    let mut framed = u32::try_from(frame.len()).unwrap().to_be_bytes().to_vec();
    framed.extend(frame);
    framed
}

/// The result of a connection to a server that sends this answer.
async fn connected(answer: Vec<u8>) -> Result<Duration, Error> {
    let (address, serve) = server(answer).await;
    let mut session = Session::default();
    let (client, _server) = tokio::join!(Client::connect(&address, TERM, &mut session), serve);
    client.map(|client| client.term)
}

#[tokio::test]
async fn a_session_has_the_term_that_the_server_sets() {
    let term = connected(opened(4000)).await.unwrap();
    assert_eq!(term, Duration::from_secs(4));
}

#[tokio::test]
async fn a_session_that_cannot_be_resumed_has_expired() {
    let answer = connected(opened(0)).await;
    assert!(matches!(answer, Err(Error::Expired)), "{answer:?}");
}

#[tokio::test]
async fn an_impossible_answer_ends_the_connection() {
    let garbage = [
        b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
        framed(b"short"),
        vec![255; 8],
    ];
    for bytes in garbage {
        let answer = connected(bytes).await;
        assert!(matches!(answer, Err(Error::Lost { .. })), "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_noticed_before_the_session_expires() {
    let (address, serve) = server(opened(300)).await;
    let mut session = Session::default();
    let (client, _server) = tokio::join!(Client::connect(&address, TERM, &mut session), serve);
    let mut client = client.unwrap();
    let before = Instant::now();
    let changed = client.changed().await;
    assert!(matches!(changed, Err(Error::Lost { .. })), "{changed:?}");
    assert!(before.elapsed() >= Duration::from_millis(190));
    assert_eq!(session.id, 7);
}

#[tokio::test]
async fn an_event_between_question_and_answer_is_not_lost() {
    let mut answer = opened(3000);
    let mut event = Vec::new();
    event.put_i32(wire::EVENT);
    event.put_i64(-1);
    event.put_slice(&[0; 12]);
    answer.extend(framed(&event));
    let mut reply = Vec::new();
    reply.put_i32(1);
    reply.put_i64(41);
    reply.put_i32(0);
    reply.put_i32(0);
    answer.extend(framed(&reply));
    let (address, serve) = server(answer).await;
    let mut session = Session::default();
    let (client, _server) = tokio::join!(Client::connect(&address, TERM, &mut session), serve);
    let mut client = client.unwrap();
    assert_eq!(client.children("/a").await.unwrap(), [""; 0]);
    client.changed().await.unwrap();
    assert_eq!(session.seen, 41);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_drops_packets_leaves_time_for_another() {
    // Its queue of new connections is full.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    silent.bind(&any.into()).unwrap();
    silent.listen(0).unwrap();
    let full = silent.local_addr().unwrap().as_socket().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&full, Duration::from_millis(50));
    let _queued: Vec<_> = std::iter::from_fn(|| connect().ok()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let accepting = listener.local_addr().unwrap();
    let connecting = dial::first_of(vec![full, accepting], TERM);
    let stream = timeout(TERM, connecting).await.unwrap().unwrap();
    assert_eq!(stream.peer_addr().unwrap(), accepting);
}
