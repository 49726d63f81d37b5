use std::fs;

use rollcall_domain::Timestamp;
use tempfile::TempDir;

use super::{BATCH, SKIPPED};
use crate::{CollectorEvent, Config, Feed};

fn record(feed: &Feed) {
    let event = CollectorEvent::Stalled { late_ms: 1 };
    feed.collector(Timestamp::from_millis(1), event);
}

#[tokio::test]
async fn the_end_of_a_failure_is_reported_once_writes_are_durable_again() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("events");
    let config = Config {
        backlog: 8,
        per_peer: 1_000,
        per_instance: 4,
        memory: 1 << 20,
        journal_size: 1 << 20,
    };
    let (feed, mut recorder) = Feed::open(&config, &path, 5).unwrap();
    recorder.sync().await;
    assert!(!recorder.is_failing);
    // A file is in the place of the directory: the open files can still be written, and their names cannot be synchronised.
    fs::rename(&path, path.with_extension("moved")).unwrap();
    fs::write(&path, b"").unwrap();
    for _ in 0..2 {
        record(&feed);
        recorder.write().await;
        recorder.sync().await;
        assert!(recorder.is_failing);
        record(&feed);
        recorder.write().await;
        assert!(recorder.is_failing, "a write is not durable");
        assert_eq!(recorder.inner.state.lock().durable, Some(0));
    }
    fs::remove_file(&path).unwrap();
    recorder.sync().await;
    assert!(recorder.is_failing, "the journal is begun again");
    record(&feed);
    recorder.write().await;
    recorder.sync().await;
    assert!(!recorder.is_failing);
    let durable = recorder.inner.state.lock().durable;
    assert_eq!(durable, Some(feed.newest()));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_events_is_synchronised_before_it_uses_up_the_numbers_of_the_run() {
    let directory = TempDir::new().unwrap();
    let config = Config {
        backlog: 8,
        per_peer: 1_000,
        per_instance: 4,
        memory: 1 << 20,
        journal_size: 1 << 30,
    };
    let (feed, mut recorder) = Feed::open(&config, directory.path(), 5).unwrap();
    // No time passes, so no synchronisation is due by time.
    let mut recorded = 0;
    while recorded < SKIPPED {
        for _ in 0..BATCH {
            record(&feed);
            recorded += 1;
        }
        recorder.write().await;
        recorder.sync_if_due().await;
    }
    let durable = recorder.inner.state.lock().durable.unwrap();
    let unsynchronised = feed.newest() - durable;
    assert!(unsynchronised < SKIPPED / 2, "{unsynchronised}");
    assert_eq!(feed.series(), 5);
}
