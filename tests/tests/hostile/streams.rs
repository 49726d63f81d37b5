//! Tests unfinished requests and streams.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use rollcall_proto::trace::{TraceSegmentServiceClient, UpstreamSegment};
use rollcall_tests::{PATIENCE, eventually, process::Collector};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, transport::Endpoint};

use crate::{
    peer::{Call, DATA, Peer, call, frame, message, sample, streams},
    victim::Victim,
};

const REGISTER: &str = "/ApplicationRegisterService/register";
const COLLECT: &str = "/TraceSegmentService/collect";

#[tokio::test]
async fn a_half_sent_request_is_answered_at_its_deadline() {
    let options = Collector::options().env("SW_SERVER_READ_TIMEOUT", "1s");
    let collector = options.start().await;
    let server = collector.listeners().grpc;
    let half_sent = Call::begin(server, REGISTER, &[]).await;
    half_sent.send(&message(b"\x0a\x01a")[..6]);
    let streamed = Call::begin(server, COLLECT, &[]).await;
    streamed.send(&message(b"")[..3]);
    let not_begun = Call::begin(server, REGISTER, &[]).await;
    for call in [half_sent, streamed, not_begun] {
        let (code, message) = call.status().await;
        assert_eq!(code, Code::DeadlineExceeded, "{message}");
    }
}

#[tokio::test]
async fn a_stream_may_be_idle_between_whole_messages() {
    let options = Collector::options().env("SW_SERVER_READ_TIMEOUT", "200ms");
    let collector = options.start().await;
    let server = collector.listeners().grpc;
    let begun = Call::begin(server, COLLECT, &[]).await;
    begun.send(&message(b""));
    let silent = Call::begin(server, COLLECT, &[]).await;
    // A unary call reaches its limit in this time, so the streams have been idle for longer than the limit.
    let unary = Call::begin(server, REGISTER, &[]).await.status().await;
    assert_eq!(unary.0, Code::DeadlineExceeded);
    tokio::time::sleep(Duration::from_millis(400)).await;
    for stream in [begun, silent] {
        assert!(!stream.is_answered());
        stream.send(&message(b""));
        assert_eq!(stream.end().await.0, Code::Ok);
    }
}

#[tokio::test]
async fn a_call_is_abandoned_after_its_callers_deadline() {
    let collector = Collector::start().await;
    let server = collector.listeners().grpc;
    for path in [REGISTER, COLLECT] {
        let call = Call::begin(server, path, &[("grpc-timeout", "200m")]).await;
        let (code, message) = call.status().await;
        assert_eq!(code, Code::DeadlineExceeded, "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_streams_hold_no_memory_for_processed_messages() {
    const STREAMS: usize = 600;
    const PER_CONNECTION: usize = 60;
    /// The number of messages that fit into the budgets while the collector receives and reads them.
    const AT_A_TIME: usize = 2;
    let victim = Victim::start(Collector::options()).await;
    let listeners = victim.collector.listeners();
    let segment = UpstreamSegment {
        segment: vec![0xff; 1 << 20].into(),
        ..UpstreamSegment::default()
    };
    let (mut open, mut calls) = (Vec::new(), JoinSet::new());
    for _ in 0..STREAMS / PER_CONNECTION {
        let endpoint = Endpoint::from_shared(format!("http://{}", listeners.grpc));
        let channel = endpoint.expect("a URI").connect_lazy();
        for _ in 0..PER_CONNECTION {
            let (sender, segments) = mpsc::unbounded_channel();
            sender.send(segment.clone()).expect("an open stream");
            let mut client = TraceSegmentServiceClient::new(channel.clone());
            calls
                .spawn(async move { client.collect(UnboundedReceiverStream::new(segments)).await });
            open.push(sender);
            if open.len() % AT_A_TIME == 0 {
                let sent = open.len();
                wait_for_taken(listeners.ui, sent).await;
            }
        }
    }
    assert!(calls.try_join_next().is_none(), "a stream was refused");
    let held = "rollcall_budget_bytes{budget=\"requests\"}";
    assert_eq!(
        sample(listeners.ui, held).await.to_bits(),
        0.0_f64.to_bits()
    );
    drop(open);
    while let Some(answer) = calls.join_next().await {
        answer.expect("no panic").expect("every stream is answered");
    }
    victim.survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_streams_stay_within_their_budget() {
    const CONNECTIONS: usize = 200;
    const STREAMS: u32 = 1000;
    let victim = Victim::start(Collector::options()).await;
    let listeners = victim.collector.listeners();
    // Each stream announces a message of 50 MiB and sends one byte of it.
    let announced = [&[0][..], &(50_u32 << 20).to_be_bytes(), b"x"].concat();
    let begun: Vec<u8> = streams(STREAMS)
        .flat_map(|stream| {
            let head = call(stream, COLLECT, &[]);
            [head, frame(DATA, 0, stream, &announced)].concat()
        })
        .collect();
    let begun = Bytes::from(begun);
    let mut attack = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let begun = begun.clone();
        attack.spawn(async move {
            let mut peer = Peer::connect(listeners.grpc, 65_535).await;
            peer.try_send(&begun).await.unwrap_or_default();
            peer
        });
    }
    let peers = attack.join_all().await;
    victim.agent_makes_progress().await;
    let closed = format!(
        "rollcall_connections_closed_total{{listener=\"{}\",reason=\"over_budget\"}}",
        listeners.grpc
    );
    assert!(sample(listeners.ui, &closed).await >= 100.0);
    drop(peers);
    victim.survives().await;
}

/// Waits until the collector has processed this many messages, which it counts as undecodable segments.
async fn wait_for_taken(ui: SocketAddr, sent: usize) {
    let taken = "rollcall_dropped_total{what=\"undecodable_segments\"}";
    let sent = f64::from(u32::try_from(sent).expect("some hundreds"));
    eventually(PATIENCE, async || match sample(ui, taken).await {
        taken if taken >= sent => Ok(()),
        taken => Err(format!("{taken} of {sent} messages were processed")),
    })
    .await;
}
