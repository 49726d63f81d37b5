use std::{fs, time::Duration};

use rollcall_domain::{
    InstanceId, Timestamp,
    liveness::{Cause, Observer, Signal, State},
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::*;

mod gap;

fn config() -> Config {
    Config {
        backlog: 8,
        per_peer: 1_000,
        per_instance: 4,
        memory: 1 << 20,
        journal_size: 1 << 20,
    }
}

fn id(number: i32) -> InstanceId {
    InstanceId::new(number).unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn closed(number: i32) -> InstanceEvent {
    InstanceEvent {
        instance: id(number),
        kind: InstanceKind::ConnectionClosed {
            peer: None,
            cause: Cause::ClosedByPeer,
        },
    }
}

fn registered(number: i32) -> InstanceEvent {
    InstanceEvent {
        instance: id(number),
        kind: InstanceKind::Registered(Contact::default()),
    }
}

fn silent(number: i32) -> InstanceEvent {
    InstanceEvent {
        instance: id(number),
        kind: InstanceKind::StateChanged(Changed {
            from: State::Up,
            to: State::Silent,
            since: at(0),
            last_seen: at(0),
            signal: Signal::Heartbeat,
            usual: Duration::ZERO,
            term: Duration::ZERO,
            connection: Connection::Unknown,
            observer: Observer::Here,
            is_reported: false,
        }),
    }
}

fn numbers(timeline: &Timeline) -> Vec<u64> {
    timeline.events.iter().map(|event| event.number).collect()
}

/// Everything that a reader finds after this number: the numbers of events, and for a gap `Some(31) lost`, or `None lost` if its
/// size is unknown.
async fn all(feed: &Feed, after: u64) -> Vec<String> {
    let mut reader = feed.read(Some(after));
    let mut found = Vec::new();
    while let Ok(Some(next)) = tokio::time::timeout(Duration::from_millis(200), reader.next()).await
    {
        found.push(match next {
            Next::Event(event) => event.number.to_string(),
            Next::Lost(lost) => format!("{lost:?} lost"),
        });
    }
    found
}

#[tokio::test]
async fn lanes_are_read_in_one_order_and_do_not_push_out_each_other() {
    let feed = Feed::new(&config(), 1);
    feed.instance(at(1), registered(1));
    for number in 2..=40 {
        feed.collector(at(number), CollectorEvent::Stalled { late_ms: 1 });
    }
    let found = all(&feed, 0).await;
    assert_eq!(found[..3], ["1", "Some(31) lost", "33"]);
    assert_eq!(found.last().unwrap(), "40");
    assert_eq!(feed.timeline(id(1)).events.len(), 1);
}

#[test]
fn a_timeline_holds_the_last_changes_and_counts_the_others() {
    let feed = Feed::new(&config(), 1);
    feed.instance(at(0), registered(1));
    for number in 1..=6 {
        feed.instance(at(number * 61_000), closed(1));
    }
    let timeline = feed.timeline(id(1));
    assert_eq!(numbers(&timeline), [4, 5, 6, 7]);
    assert_eq!(timeline.lost, Some(3));
    assert_eq!(feed.timeline(id(2)).lost, None);
}

#[test]
fn an_instance_that_flaps_costs_a_few_events_a_minute_and_its_decided_states_stay() {
    let feed = Feed::new(&config(), 1);
    feed.instance(at(0), registered(1));
    for number in 1..=100_000 {
        feed.instance(at(number / 10), closed(1));
    }
    assert_eq!(feed.newest(), 4);
    feed.instance(at(20_000), silent(1));
    assert_eq!(feed.newest(), 5, "a peer cannot hide a silence");
    feed.instance(at(90_000), closed(1));
    let timeline = feed.timeline(id(1));
    let last = &timeline.events[timeline.events.len() - 2].event;
    let Event::Instance(InstanceEvent {
        kind: InstanceKind::Flapping { unrecorded, .. },
        ..
    }) = last
    else {
        panic!("{timeline:?}");
    };
    assert_eq!(*unrecorded, 100_000 - 3);
}

/// The report must not wait for the next change of the instance, because there may be none.
#[test]
fn a_flood_that_has_ended_is_reported_without_another_change() {
    let feed = Feed::new(&config(), 1);
    feed.instance(at(0), registered(1));
    feed.instance(at(0), registered(2));
    for number in 1..=1_000 {
        feed.instance(at(number), closed(1));
    }
    let flooded = feed.newest();
    let first = feed.timeline(id(1)).events[0].at.millis();
    feed.report_counted(at(first + 59_999));
    assert_eq!(feed.newest(), flooded, "the flood may go on");
    feed.report_counted(at(first + 60_000));
    assert_eq!(feed.newest(), flooded + 1);
    let timeline = feed.timeline(id(1));
    let last = &timeline.events.last().unwrap().event;
    let Event::Instance(InstanceEvent {
        instance,
        kind: InstanceKind::Flapping { unrecorded, .. },
    }) = last
    else {
        panic!("{timeline:?}");
    };
    assert_eq!((*instance, *unrecorded), (id(1), 1_000 - 3));
    feed.report_counted(at(first + 600_000));
    assert_eq!(feed.newest(), flooded + 1, "once");
    feed.instance(at(first + 600_000), closed(1));
    assert_eq!(feed.newest(), flooded + 2, "it was counted once");
}

#[test]
fn changes_after_the_clock_was_set_back_are_recorded_within_the_usual_limit() {
    let feed = Feed::new(&config(), 1);
    let hour = 3_600_000;
    for number in 1..=4 {
        feed.instance(at(hour + number), closed(1));
    }
    for number in 1..=100 {
        feed.instance(at(number), closed(1));
    }
    let timeline = feed.timeline(id(1));
    let times: Vec<_> = timeline.events.iter().map(|event| event.at).collect();
    assert_eq!(times, [at(1), at(2), at(3), at(4)]);
    assert_eq!(feed.newest(), 8);
}

#[test]
fn the_memory_of_timelines_is_bounded_and_the_longest_unchanged_go_first() {
    let limits = Config {
        memory: 64 * 1024,
        ..config()
    };
    let feed = Feed::new(&limits, 1);
    for number in 1..=1_000 {
        feed.instance(at(0), registered(number));
        feed.instance(at(0), silent(1));
    }
    let [agents, services] = feed.budgets();
    assert!(agents.held() <= agents.limit() && agents.held() > agents.limit() / 2);
    assert!(agents.refused() > 0 && services.held() == 0);
    assert!(!feed.timeline(id(1)).events.is_empty(), "it changed last");
    assert!(feed.timeline(id(2)).events.is_empty());
    assert!(!feed.timeline(id(1_000)).events.is_empty());
}

/// Runs the recorder while `work` runs.
async fn recording(directory: &TempDir, work: impl AsyncFnOnce(&Feed)) {
    let (feed, recorder) = Feed::open(&config(), directory.path(), 5).unwrap();
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(recorder.run(stop.clone()));
    work(&feed).await;
    stop.cancel();
    running.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn numbers_and_timelines_continue_over_a_clean_stop() {
    let directory = TempDir::new().unwrap();
    recording(&directory, async |feed| {
        feed.instance(at(1), registered(1));
        for number in 0..30 {
            feed.instance(at(2), silent(number + 2));
        }
        feed.stopped(at(3));
        assert_eq!(all(feed, 0).await.len(), 32);
    })
    .await;
    recording(&directory, async |feed| {
        assert_eq!(feed.series(), 5);
        assert_eq!(feed.newest(), 32);
        feed.instance(at(4), closed(1));
        assert_eq!(numbers(&feed.timeline(id(1))), [1, 33]);
        let expected: Vec<_> = (1..=33).map(|number| number.to_string()).collect();
        assert_eq!(all(feed, 0).await, expected);
        assert_eq!(feed.before(at(2)).await, 1);
    })
    .await;
}

#[tokio::test]
async fn after_a_crash_no_number_is_assigned_twice_and_the_gap_is_reported() {
    let directory = TempDir::new().unwrap();
    recording(&directory, async |feed| feed.instance(at(1), registered(1))).await;
    recording(&directory, async |feed| {
        feed.instance(at(4), closed(1));
        let newest = feed.newest();
        assert!(newest > 100_000);
        assert_eq!(
            all(feed, 0).await,
            ["1".to_owned(), "None lost".to_owned(), newest.to_string()]
        );
    })
    .await;
}

/// A run that ends before its recorder writes. Returns its series and the number of its last event.
fn killed(config: &Config, directory: &TempDir, events: u64) -> (i64, u64) {
    let (feed, _recorder) = Feed::open(config, directory.path(), 7).unwrap();
    for _ in 0..events {
        feed.collector(at(9), CollectorEvent::Stalled { late_ms: 1 });
    }
    (feed.series(), feed.newest())
}

#[tokio::test]
async fn a_run_that_wrote_no_event_leaves_its_numbers_to_no_other() {
    let directory = TempDir::new().unwrap();
    assert_eq!(killed(&config(), &directory, 1), (7, 1));
    let (series, newest) = killed(&config(), &directory, 1);
    assert_eq!(series, 7);
    assert!(newest > 100_000, "{newest}");

    let directory = TempDir::new().unwrap();
    recording(&directory, async |feed| feed.stopped(at(3))).await;
    assert_eq!(killed(&config(), &directory, 1), (5, 2));
    let (series, newest) = killed(&config(), &directory, 1);
    assert_eq!(series, 5);
    assert!(newest > 100_000, "{newest}");
}

#[tokio::test]
async fn a_run_whose_begin_cannot_be_recorded_has_a_series_of_its_own() {
    let directory = TempDir::new().unwrap();
    recording(&directory, async |feed| feed.stopped(at(3))).await;
    // Every write needs a new file, but a directory is in its place.
    let limits = Config {
        journal_size: 0,
        ..config()
    };
    let obstacle = directory.path().join("collector.new.log");
    fs::create_dir(&obstacle).unwrap();
    assert_eq!(killed(&limits, &directory, 1), (7, 2));
    fs::remove_dir(&obstacle).unwrap();
    assert_eq!(killed(&config(), &directory, 1), (5, 2));
}

#[tokio::test]
async fn a_run_that_cannot_write_for_long_assigns_no_number_that_the_next_one_may() {
    let directory = TempDir::new().unwrap();
    let end = state::SKIPPED;
    assert_eq!(killed(&config(), &directory, end), (7, end));
    assert_eq!(killed(&config(), &directory, 1), (7, end + 1));
    let (series, newest) = killed(&config(), &directory, end + 1);
    assert!(series > 7 && newest > 2 * end, "{series}: {newest}");
}

#[tokio::test]
async fn a_disk_that_refuses_writes_costs_events_and_stops_nothing() {
    let directory = TempDir::new().unwrap();
    recording(&directory, async |feed| feed.instance(at(1), registered(1))).await;
    let (feed, recorder) = Feed::open(&config(), directory.path(), 5).unwrap();
    // No file can be created in place of the full one: a file is in the place of the directory.
    fs::remove_dir_all(directory.path()).unwrap();
    fs::write(directory.path(), b"").unwrap();
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(recorder.run(stop.clone()));
    for number in 1..20_000 {
        feed.instance(at(1), silent(number));
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(feed.timeline(id(19_999)).events.len(), 1);
    stop.cancel();
    running.join_next().await.unwrap().unwrap();
    assert!(feed.figures().missing > 0);
    fs::remove_file(directory.path()).unwrap();
}

#[tokio::test]
async fn a_journal_that_cannot_be_read_is_an_error_that_names_it() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("agents.log")).unwrap();
    let error = Feed::open(&config(), directory.path(), 5).unwrap_err();
    assert!(error.to_string().contains("agents.log"), "{error}");
}
