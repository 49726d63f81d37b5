//! Peers whose connections are closed because of the frames that they send.

use std::sync::OnceLock;

use rollcall_link::Closing;
use tokio::net::TcpSocket;

use super::*;
use crate::Closed;

const PREFACE_AND_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingping";
const GOAWAY: u8 = 7;
/// The headers of `GET /held`.
const GET_HELD: &[u8] = b"\0\0\x0c\x01\x05\0\0\0\x01\x82\x86\x04\x05/held\x41\x01x";

/// A frame of a stream: its kind, flags and payload.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

impl Running {
    /// A peer that sends `count` pings and reads nothing. Its system takes few bytes of the acknowledgements.
    async fn flood(&self, count: usize) -> TcpStream {
        self.flood_after(&[], count).await
    }

    /// As [`Running::flood`], after a request.
    async fn flood_after(&self, request: &[u8], count: usize) -> TcpStream {
        let before = self.stats.closed_for(Closed::Flood);
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        stream.write_all(PREFACE_AND_SETTINGS).await.unwrap();
        stream.write_all(request).await.unwrap();
        // The collector may close the connection before it has read them all.
        let pings = PING.repeat(count);
        let sent = tokio::time::timeout(PATIENCE, stream.write_all(&pings));
        let (Ok(()) | Err(_)) = sent.await.expect("the collector reads");
        wait_until(|| self.stats.closed_for(Closed::Flood) > before).await;
        stream
    }
}

/// The kinds of the frames that are received until the connection ends, which must not be a reset.
async fn kinds(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the collector closes")
        .expect("no reset");
    let (mut kinds, mut rest) = (Vec::new(), &bytes[..]);
    while let [a, b, c, kind, _flags, _, _, _, _, payload @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]);
        kinds.push(*kind);
        rest = &payload[usize::try_from(length).unwrap()..];
    }
    kinds
}

#[tokio::test]
async fn a_peer_that_reads_late_receives_goaway_and_no_reset() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut stream = server.flood(10_000).await;
        let kinds = kinds(&mut stream).await;
        // With a graceful GOAWAY, h2 pings the peer.
        assert!(kinds.ends_with(&[GOAWAY, PING[3]]), "{kinds:?}");
        drop(stream);
        server.wait_for_open(0).await;
    })
    .await;
}

#[tokio::test]
async fn calls_that_were_cancelled_before_the_collector_could_read_them_do_not_close_their_connection()
 {
    const HEADERS: u8 = 1;
    const RST_STREAM: u8 = 3;
    const LAST: u8 = 101;
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let get = |stream| frame(HEADERS, 5, stream, b"\x82\x86\x84\x41\x01x");
        let mut sent = PREFACE_AND_SETTINGS.to_vec();
        for id in (1..LAST).step_by(2) {
            sent.extend(get(id));
            sent.extend(frame(RST_STREAM, 0, id, &[0, 0, 0, 8]));
        }
        sent.extend(get(LAST));
        stream.write_all(&sent).await.unwrap();
        let read = async {
            loop {
                let mut head = [0; 9];
                stream.read_exact(&mut head).await.unwrap();
                let [a, b, c, kind, _flags, _, _, _, id] = head;
                assert_ne!(kind, GOAWAY);
                if (kind, id) == (HEADERS, LAST) {
                    return;
                }
                let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap();
                stream.read_exact(&mut vec![0; length]).await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("an answer");
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_does_not_close_after_a_flood_is_closed() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let stream = server.flood(2_000).await;
        server.wait_for_open(0).await;
        drop(stream);
        // A peer that never stops is read for a limited number of bytes.
        let (mut stream, pings) = (server.flood(2_000).await, PING.repeat(4096));
        let endless = async { while stream.write_all(&pings).await.is_ok() {} };
        tokio::time::timeout(PATIENCE, endless).await.unwrap();
        server.wait_for_open(0).await;
        assert_eq!(server.stats.closed_for(Closed::Flood), 2);
    })
    .await;
}

#[tokio::test]
async fn a_call_that_ends_with_its_connection_can_read_why_the_collector_closed_it() {
    local(async {
        let link = Arc::new(OnceLock::new());
        let slot = Arc::clone(&link);
        let held = get(move || async move {
            slot.set(rollcall_link::kept().unwrap()).unwrap();
            std::future::pending::<&'static str>().await
        });
        let routes = Router::new().route("/held", held);
        let server = serve_with(routes, Serving::generous()).await;
        let _stream = server.flood_after(GET_HELD, 2_000).await;
        let read = async {
            loop {
                match link.get().and_then(|link| link.closing()) {
                    Some(why) => return why,
                    None => tokio::task::yield_now().await,
                }
            }
        };
        let why = tokio::time::timeout(PATIENCE, read).await.unwrap();
        assert_eq!(why, Closing::OverLimit);
    })
    .await;
}
