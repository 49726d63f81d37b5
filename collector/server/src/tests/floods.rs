//! Peers whose connections are closed because of the frames that they send.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rollcall_link::Closing;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::*;
use crate::Closed;

const PREFACE_AND_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingping";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

/// A frame of a stream: its kind, flags and payload.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let head = [0, 0, length, kind, flags];
    [&head, &stream.to_be_bytes()[..], payload].concat()
}

/// The request `GET /` as a stream.
fn get_root(stream: u32) -> Vec<u8> {
    frame(HEADERS, 5, stream, b"\x82\x86\x84\x41\x01x")
}

/// The request `GET /held` as a stream.
fn get_held(stream: u32) -> Vec<u8> {
    frame(HEADERS, 5, stream, b"\x82\x86\x04\x05/held\x41\x01x")
}

/// The cancellation of a stream.
fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

impl Running {
    /// A peer that sends `count` pings and reads nothing. Its system takes few bytes of the acknowledgements.
    async fn flood(&self, count: usize) -> TcpStream {
        let before = self.stats.closed_for(Closed::Flood);
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        stream.write_all(PREFACE_AND_SETTINGS).await.unwrap();
        // The collector may close the connection before it has read them all.
        let pings = PING.repeat(count);
        let sent = tokio::time::timeout(PATIENCE, stream.write_all(&pings));
        let (Ok(()) | Err(_)) = sent.await.expect("the collector reads");
        wait_until(|| self.stats.closed_for(Closed::Flood) > before).await;
        stream
    }
}

/// The kinds and payloads of the frames that are received until the connection ends, which must not be a reset.
async fn frames(stream: &mut TcpStream) -> Vec<(u8, Vec<u8>)> {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("the collector closes")
        .expect("no reset");
    let (mut frames, mut rest) = (Vec::new(), &bytes[..]);
    while let [a, b, c, kind, _flags, _, _, _, _, payload @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]);
        let (payload, more) = payload.split_at(usize::try_from(length).unwrap());
        frames.push((*kind, payload.to_vec()));
        rest = more;
    }
    frames
}

/// Waits for the head of the answer on `stream`; there must be no GOAWAY before it.
async fn answered(connection: &mut TcpStream, stream: u32) {
    let read = async {
        loop {
            let mut head = [0; 9];
            connection.read_exact(&mut head).await.unwrap();
            let [a, b, c, kind, _flags, id @ ..] = head;
            let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap();
            connection.read_exact(&mut vec![0; length]).await.unwrap();
            assert_ne!(kind, GOAWAY);
            if (kind, u32::from_be_bytes(id)) == (HEADERS, stream) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("an answer");
}

/// The payload of a GOAWAY with the code ENHANCE_YOUR_CALM and this text.
fn calm(last: u8, text: &str) -> Vec<u8> {
    [&[0, 0, 0, last, 0, 0, 0, 11], text.as_bytes()].concat()
}

#[tokio::test]
async fn a_peer_that_reads_late_receives_goaway_and_no_reset() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut stream = server.flood(10_000).await;
        let frames = frames(&mut stream).await;
        assert_eq!(frames.last(), Some(&(GOAWAY, calm(0, "flood"))));
        drop(stream);
        server.wait_for_open(0).await;
    })
    .await;
}

#[tokio::test]
async fn calls_that_were_cancelled_before_the_collector_could_read_them_do_not_close_their_connection()
 {
    const LAST: u8 = 101;
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let mut sent = PREFACE_AND_SETTINGS.to_vec();
        for id in (1..LAST).step_by(2) {
            sent.extend(get_root(id.into()));
            sent.extend(reset(id.into()));
        }
        sent.extend(get_root(LAST.into()));
        stream.write_all(&sent).await.unwrap();
        answered(&mut stream, LAST.into()).await;
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

/// Why the collector closes a connection that has sent `GET /held` and then these bytes, as the call can read it at its end; `None`
/// in their place: the collector stops.
async fn closing(sent: Option<&[u8]>, counted: Option<Closed>) -> Closing {
    let link = Arc::new(OnceLock::new());
    let slot = Arc::clone(&link);
    let held = get(move || async move {
        slot.set(rollcall_link::kept().unwrap()).unwrap();
        std::future::pending::<&'static str>().await
    });
    let routes = Router::new().route("/held", held);
    let server = serve_with(routes, Serving::generous()).await;
    let request = [PREFACE_AND_SETTINGS, &get_held(1)].concat();
    let mut stream = server.send(&request).await;
    wait_until(|| link.get().is_some()).await;
    match sent {
        // The collector may close the connection before it has read them all.
        Some(bytes) => {
            let (Ok(()) | Err(_)) = stream.write_all(bytes).await;
        }
        None => server.cancel.cancel(),
    }
    let why = || link.get().and_then(|link| link.closing());
    wait_until(|| why().is_some()).await;
    if let Some(counted) = counted {
        wait_until(|| server.stats.closed_for(counted) == 1).await;
    }
    why().unwrap()
}

#[tokio::test]
async fn a_call_that_ends_with_its_connection_can_read_why_the_collector_closed_it() {
    local(async {
        let flood = PING.repeat(2_000);
        let flooded = closing(Some(&flood), Some(Closed::Flood)).await;
        assert_eq!(flooded, Closing::OverLimit);
        // h2 closes the connection itself: after a frame without its stream, and after too many heads without a path.
        let data = frame(0, 0, 0, b"data");
        let violated = closing(Some(&data), Some(Closed::Violation)).await;
        assert_eq!(violated, Closing::Violation);
        let heads: Vec<u8> = (1..2_000)
            .flat_map(|call| frame(HEADERS, 5, 2 * call + 1, b"\x82"))
            .collect();
        let malformed = closing(Some(&heads), Some(Closed::Flood)).await;
        assert_eq!(malformed, Closing::OverLimit);
        assert_eq!(closing(None, None).await, Closing::Requested);
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_only_opens_and_resets_streams_is_closed_and_its_neighbours_are_not() {
    /// The streams of a new connection before time adds to them.
    const MOST: u128 = 1000;
    local(async {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let held = get(move || async move {
            counted.fetch_add(1, Relaxed);
            "held"
        });
        let server = serve_with(Router::new().route("/held", held), Serving::generous()).await;
        let mut neighbour = http2(server.address).await;
        let start = Instant::now();
        let mut hostile = TcpStream::connect(server.address).await.unwrap();
        hostile.write_all(PREFACE_AND_SETTINGS).await.unwrap();
        let (mut read, mut write) = hostile.into_split();
        let attack = async {
            for stream in (1..).step_by(2) {
                let pair = [get_held(stream), reset(stream)].concat();
                if write.write_all(&pair).await.is_err() {
                    return;
                }
            }
        };
        let mut received = Vec::new();
        tokio::select! {
            _ = read.read_to_end(&mut received) => {}
            () = attack => {}
            () = tokio::time::sleep(PATIENCE) => panic!("the collector closes"),
        }
        wait_until(|| server.stats.closed_for(Closed::Flood) == 1).await;
        let most = MOST + start.elapsed().as_millis();
        let calls = calls.load(Relaxed);
        assert!(calls > 0 && calls as u128 <= most, "{calls} of {most}");
        server.wait_for_open(1).await;
        let answer = neighbour.send_request(request(server.address, "/")).await;
        assert_eq!(answer.unwrap().status().as_u16(), 200);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_cancels_one_call_in_two_keeps_its_connection() {
    local(async {
        let server = start(Limits::generous(), PATIENCE).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(PREFACE_AND_SETTINGS).await.unwrap();
        for call in 0..5_000 {
            let (cancelled, answer) = (4 * call + 1, 4 * call + 3);
            let calls = [get_root(cancelled), reset(cancelled), get_root(answer)].concat();
            stream.write_all(&calls).await.unwrap();
            answered(&mut stream, answer).await;
        }
        assert_eq!(server.stats.closed_for(Closed::Flood), 0);
    })
    .await;
}

/// h2 has a limit of its own for the calls that were cancelled before they began.
#[tokio::test]
async fn thousands_of_calls_that_were_cancelled_before_they_were_read_do_not_close_their_connection()
 {
    const CALLS: u32 = 1000;
    const DEADLINES: u32 = 3;
    local(async {
        let limits = Limits {
            max_streams_per_connection: 1024,
            ..Limits::generous()
        };
        let server = start(limits, PATIENCE).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(PREFACE_AND_SETTINGS).await.unwrap();
        let mut next = 1;
        let mut open = |calls: u32| {
            let streams = (next..).step_by(2).take(usize::try_from(calls).unwrap());
            next += 2 * calls;
            streams.collect::<Vec<u32>>()
        };
        for _ in 0..4 * DEADLINES {
            let calls = open(CALLS / 4);
            let requests: Vec<u8> = calls.iter().flat_map(|call| get_root(*call)).collect();
            stream.write_all(&requests).await.unwrap();
            answered(&mut stream, calls[calls.len() - 1]).await;
        }
        let mut sent = Vec::new();
        for _ in 0..DEADLINES {
            let calls = open(CALLS);
            sent.extend(calls.iter().flat_map(|call| get_root(*call)));
            sent.extend(calls.iter().flat_map(|call| reset(*call)));
        }
        let last = open(1)[0];
        sent.extend(get_root(last));
        stream.write_all(&sent).await.unwrap();
        answered(&mut stream, last).await;
    })
    .await;
}
