//! The allowance of resets: a peer that only opens and resets streams is closed, and clients that have a reason to reset are not.

use super::*;

/// The concurrent calls of one client.
const CALLS: usize = 1000;

/// A connection whose peer opens and resets streams.
struct Peer {
    frames: Frames,
    traffic: Arc<Traffic>,
    last: u32,
}

impl Peer {
    fn new() -> Self {
        Self {
            frames: begun(),
            traffic: traffic(),
            last: 1,
        }
    }

    fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<(), Abuse> {
        let [.., length] = payload.len().to_be_bytes();
        let mut bytes = vec![0, 0, length, kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        self.traffic.begin_turn();
        self.frames.read(&bytes, &self.traffic)
    }

    /// Opens this many streams, and returns their numbers.
    fn open(&mut self, count: usize) -> Vec<u32> {
        let opened = (0..count).map(|_| {
            self.send(HEADERS, END_HEADERS, self.last, b"head").unwrap();
            self.last += 2;
            self.last - 2
        });
        opened.collect()
    }

    fn reset(&mut self, stream: u32) -> Result<(), Abuse> {
        self.send(RST_STREAM, 0, stream, &[0, 0, 0, 8])
    }

    fn reset_all(&mut self, streams: &[u32]) {
        for (at, stream) in streams.iter().enumerate() {
            assert_eq!(self.reset(*stream), Ok(()), "reset {at}");
        }
    }

    /// The number of streams that the peer opens and resets until its connection is closed, up to `most`.
    fn opens_and_resets(&mut self, most: usize) -> usize {
        let pairs = (0..most).take_while(|_| {
            let opened = self.open(1);
            self.reset(opened[0]).is_ok()
        });
        pairs.count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_only_opens_and_resets_streams_is_closed() {
    let mut peer = Peer::new();
    assert_eq!(peer.opens_and_resets(100_000), RESETS);
    // Time adds 1,000 in a second, and no more than the burst.
    let mut peer = Peer::new();
    for _ in 0..1000 {
        assert_eq!(peer.opens_and_resets(1), 1);
        tokio::time::advance(RESETS_EACH).await;
    }
    let mut idle = Peer::new();
    tokio::time::advance(Duration::from_secs(3600)).await;
    let most = RESETS + RESETS_BURST;
    let taken = idle.opens_and_resets(100_000);
    assert!((most - 2..=most).contains(&taken), "{taken}");
    // Requests that were answered before add to it, up to a limit.
    let mut busy = Peer::new();
    busy.open(10 * MOST);
    assert!(busy.opens_and_resets(100_000) <= MOST + 1);
}

#[tokio::test(start_paused = true)]
async fn the_trailers_of_a_stream_add_nothing() {
    let mut peer = Peer::new();
    let pairs = (0..100_000).take_while(|_| {
        let opened = peer.open(1);
        let trailers = peer.send(HEADERS, END_HEADERS | END_STREAM, opened[0], b"trailers");
        trailers.is_ok() && peer.reset(opened[0]).is_ok()
    });
    assert_eq!(pairs.count(), RESETS);
    // Neither does the first bit of a number, which has no meaning.
    let mut peer = Peer::new();
    let opened = peer.open(1)[0];
    peer.send(HEADERS, END_HEADERS, opened | RESERVED, b"trailers")
        .unwrap();
    assert_eq!(peer.frames.last, opened);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cancels_one_call_in_two_stays_connected() {
    let mut client = Peer::new();
    for _ in 0..100_000 {
        let calls = client.open(2);
        client.reset_all(&calls[1..]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_calls_all_end_at_their_deadline_stays_connected() {
    for seconds in [1, 3, 10] {
        let mut client = Peer::new();
        for _ in 0..100 {
            let calls = client.open(CALLS);
            tokio::time::advance(Duration::from_secs(seconds)).await;
            client.reset_all(&calls);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_calls_were_cancelled_while_the_collector_was_paused_stays_connected() {
    let deadline = Duration::from_secs(3);
    let mut client = Peer::new();
    for deadlines in [1, 2, 3] {
        let mut calls = client.open(CALLS);
        // What arrived during the pause is read at once.
        tokio::time::advance(deadline * deadlines).await;
        for _ in 0..deadlines {
            client.reset_all(&calls);
            calls = client.open(CALLS);
        }
        tokio::time::advance(deadline).await;
        client.reset_all(&calls);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_streams_are_refused_before_they_are_sent_stays_connected() {
    let mut client = Peer::new();
    for _ in 0..60 {
        for _ in 0..9 {
            let refused = client.open(100);
            client.reset_all(&refused);
        }
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}
