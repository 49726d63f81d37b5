mod resets;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::{Serving, protocol::Protocol, tests::traffic_of};

const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

fn traffic() -> Arc<Traffic> {
    traffic_of(Serving::generous(), Protocol::Http2)
}

/// A frame of stream 1.
fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
    let mut bytes = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
    bytes.resize(HEAD + usize::from(length), 0xff);
    bytes
}

/// Frames of a connection whose preface has been read.
fn begun() -> Frames {
    let mut frames = Frames::new();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(frames.read(preface, &traffic()), Ok(()));
    frames
}

/// The number of these frames that are accepted, up to `most`.
fn taken(frames: &mut Frames, traffic: &Traffic, frame: &[u8], most: usize) -> usize {
    (0..most)
        .take_while(|_| frames.read(frame, traffic).is_ok())
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_control_frames_is_detected_in_any_parts() {
    for size in [1, 4, 17, 1000, 100_000] {
        let (mut frames, traffic) = (begun(), traffic());
        let flood = frame(PING, 0, 8).repeat(BURST + 1);
        let (last, before) = flood.split_at(BURST * 17);
        let all = |frames: &mut Frames, bytes: &[u8]| {
            bytes
                .chunks(size)
                .try_for_each(|part| frames.read(part, &traffic))
        };
        assert_eq!(all(&mut frames, last), Ok(()), "{size}");
        assert_eq!(all(&mut frames, before), Err(Abuse::Flood), "{size}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_requests_something_is_not_a_control_frame() {
    let (mut frames, traffic) = (begun(), traffic());
    for request in [
        frame(HEADERS, 4, 40),
        frame(DATA, 0, 5),
        frame(DATA, END_STREAM, 0),
    ] {
        for _ in 0..10 {
            traffic.begin_turn();
            assert_eq!(taken(&mut frames, &traffic, &request, 1000), 1000);
        }
    }
    let empty = frame(DATA, 0, 0);
    assert!(taken(&mut frames, &traffic, &empty, 100_000) < 100_000);
}

#[tokio::test(start_paused = true)]
async fn padding_is_not_charged_as_a_body_that_waits() {
    for size in [1, 9, 10, 100_000] {
        let (mut frames, traffic) = (begun(), traffic());
        let connections = traffic.serving.budgets.connections.clone();
        let _working = traffic.begin().unwrap();
        // A length of 249 bytes for the padding, of 250.
        let padded = [&[0, 0, 250, DATA, PADDED, 0, 0, 0, 1, 249][..], &[0; 249]].concat();
        for part in padded.repeat(1000).chunks(size) {
            frames.read(part, &traffic).unwrap();
        }
        traffic.settle();
        assert_eq!(connections.held(), 0, "{size}");
        frames
            .read(&frame(DATA, 0, 255).repeat(1000), &traffic)
            .unwrap();
        traffic.settle();
        assert_eq!(connections.held(), 255_000_usize.next_multiple_of(32 << 10));
    }
}

#[tokio::test(start_paused = true)]
async fn requests_answers_and_time_earn_control_frames() {
    let (mut frames, traffic) = (begun(), traffic());
    let update = frame(WINDOW_UPDATE, 0, 0);
    assert_eq!(taken(&mut frames, &traffic, &update, 100_000), BURST);
    frames.read(&frame(HEADERS, 4, 40), &traffic).unwrap();
    assert_eq!(taken(&mut frames, &traffic, &update, 100_000), PER_REQUEST);
    traffic.send(5 * PER_SENT);
    assert_eq!(taken(&mut frames, &traffic, &update, 100_000), 5);
    tokio::time::advance(10 * EACH).await;
    assert_eq!(taken(&mut frames, &traffic, &update, 100_000), 10);
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(taken(&mut frames, &traffic, &update, 100_000), BURST);
}

#[tokio::test(start_paused = true)]
async fn requests_earn_no_settings() {
    let (mut frames, traffic) = (begun(), traffic());
    let settings = frame(SETTINGS, 0, 0);
    assert_eq!(
        taken(&mut frames, &traffic, &settings, 1000),
        SETTINGS_BURST
    );
    frames.read(&frame(HEADERS, 4, 40), &traffic).unwrap();
    assert_eq!(taken(&mut frames, &traffic, &settings, 1000), 0);
    tokio::time::advance(SETTINGS_EACH).await;
    assert_eq!(taken(&mut frames, &traffic, &settings, 1000), 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_has_not_arrived_is_charged_until_it_has() {
    const PART: u8 = 200;
    for size in [1, 100, 100_000] {
        let (mut frames, traffic) = (begun(), traffic());
        let connections = traffic.serving.budgets.connections.clone();
        let mut read = |bytes: &[u8]| {
            for part in bytes.chunks(size) {
                frames.read(part, &traffic).unwrap();
                traffic.settle();
            }
        };
        read(&frame(HEADERS, 0, PART));
        read(&frame(CONTINUATION, 0, PART));
        // Each byte may be a field of the table of headers.
        let decoded = 2 * usize::from(PART) * 200;
        assert!(connections.held() >= decoded, "{size}");
        let last = frame(CONTINUATION, END_HEADERS, PART);
        read(&last[..last.len() - 1]);
        assert!(connections.held() >= decoded, "{size}");
        read(&last[last.len() - 1..]);
        assert_eq!(connections.held(), 0, "{size}");
        // A single frame is not decoded before it has arrived.
        let mut head = frame(HEADERS, END_HEADERS, 0);
        head[1] = 0x40; // 16 KiB
        head.resize(HEAD + (16 << 10), 0xff);
        read(&head[..head.len() - 1]);
        assert_eq!(connections.held(), 32 << 10, "{size}");
        read(&head[head.len() - 1..]);
        assert_eq!(connections.held(), 0, "{size}");
    }
}
