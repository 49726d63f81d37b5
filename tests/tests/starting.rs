//! Tests the start of a collector: what ends it, and what is answered and reported meanwhile.

use rollcall_tests::{
    PATIENCE,
    process::{Child, Collector, Level, Line, free_addresses},
};
use rustix::process::Signal;
use tempfile::TempDir;

fn log(child: &Child) -> Vec<Line> {
    let lines = child.stderr.so_far();
    lines.iter().map(|line| Line::parse(line)).collect()
}

/// A supervisor stops a collector that still waits for its store, or reads it.
#[tokio::test]
async fn a_signal_during_the_start_ends_it_cleanly() {
    let data = TempDir::new().unwrap();
    let [nowhere] = free_addresses::<1>();
    for signal in [Signal::TERM, Signal::INT] {
        let options = Collector::options()
            .env("SW_STORAGE", "etcd")
            .env("SW_STORAGE_ETCD_ENDPOINTS", nowhere.to_string());
        let (mut collector, _) = options.launch(data.path());
        let waits = collector.stderr.find(PATIENCE, |lines| {
            let waits = |line: &String| line.contains("store unavailable at start, retrying");
            lines.iter().any(waits).then_some(())
        });
        waits.await.expect("it waits for its store");
        collector.signal(signal);
        assert_eq!(collector.exit(PATIENCE).await.code(), Some(0));
        let log = log(&collector);
        let stopped = |line: &Line| line.message == "stopped before the store was read";
        assert!(log.iter().any(stopped), "{log:#?}");
        assert!(log.iter().all(|line| line.level < Level::Error), "{log:#?}");
    }
}
