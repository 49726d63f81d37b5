//! Tests backups on embedded stores. A companion that waits holds a backup in its middle.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use redb::{Builder, ReadableDatabase as _};
use rollcall_storage::{
    Counts, Storage as _,
    embedded::{self, maintenance},
};
use tempfile::TempDir;

use super::*;
use crate::{register::Failure, testing};

/// A collector with a store that has one application.
struct Collector {
    directory: TempDir,
    services: Services,
    writer: Option<JoinHandle<Result<(), Failure>>>,
    stop: CancellationToken,
}

impl Collector {
    async fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let storage = embedded::open(&at(directory.path().join("data"))).unwrap();
        let (services, workers) = testing::parts(storage);
        let collector = Self {
            directory,
            services,
            writer: Some(thread::spawn(|| workers.writer.run())),
            stop: CancellationToken::new(),
        };
        collector
            .services
            .register
            .application("orders")
            .await
            .unwrap();
        collector
    }

    fn config(&self) -> Config {
        Config {
            directory: self.path(""),
            most: 10,
            time_limit: Duration::from_secs(600),
            reserve: 0,
            stores: self.directory.path().join("data"),
            inventory: embedded::STORE,
        }
    }

    fn backups(&self, config: Config, companion: Option<Companion>) -> Backups {
        let background = Handle::current();
        Backups::new(
            config,
            &self.services,
            companion,
            background,
            self.stop.clone(),
        )
    }

    /// A path in the directory of the backups.
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("backups").join(name)
    }

    /// The names in the directory of the backups.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn counts(&self, name: &str) -> Counts {
        let mut store = maintenance::open_to_read(&at(self.path(name))).unwrap();
        store.counts().unwrap()
    }

    fn metric(&self, name: &str) -> i64 {
        self.find_metric(name).unwrap()
    }

    fn find_metric(&self, name: &str) -> Option<i64> {
        let text = self.services.exposition();
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(&format!("rollcall_{name} ")));
        value.map(|value| value.parse().unwrap())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.services.register.stop();
        self.writer.take().unwrap().join().unwrap().unwrap();
    }
}

fn at(path: PathBuf) -> embedded::Config {
    embedded::Config {
        path,
        namespace: String::new(),
    }
}

/// A companion without a store, which reports that a backup has begun and then waits.
fn waiting() -> (Companion, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let waits = Mutex::new((begun, may_go_on));
    let companion = Companion {
        file: "other.redb",
        mark: "other.mark".to_owned(),
        take: Box::new(move || {
            let waits = waits.lock();
            waits.0.send(()).unwrap();
            waits.1.recv().unwrap();
            Ok(None)
        }),
    };
    (companion, has_begun, go_on)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_backup_at_a_time_has_what_was_registered_before_its_call() {
    let collector = Collector::start().await;
    let (companion, has_begun, go_on) = waiting();
    let backups = collector.backups(collector.config(), Some(companion));
    let writing = backups.clone();
    let first = tokio::task::JoinSet::from_iter([async move { writing.write(Some("a")).await }]);
    tokio::task::block_in_place(|| has_begun.recv().unwrap());
    assert_eq!(collector.metric("backup_running"), 1);
    // It is in no backup that has begun, and the writer does not wait for one.
    let register = &collector.services.register;
    register.application("later").await.unwrap();
    assert_eq!(backups.write(Some("b")).await, Err(Error::Running));
    assert_eq!(backups.write(None).await, Err(Error::Running));
    assert_eq!(collector.names(), ["a.part"]);
    go_on.send(()).unwrap();
    let written = first.join_all().await.remove(0).unwrap();
    assert_eq!((&*written.name, &written.path), ("a", &collector.path("a")));
    assert_eq!(collector.names(), ["a"]);
    assert_eq!(collector.counts("a").applications, 2, "the reserved one");
    assert!(written.bytes > 4096, "{written:?}");

    assert_eq!(backups.write(Some("a")).await, Err(Error::Exists));
    go_on.send(()).unwrap();
    let second = backups.write(None).await.unwrap();
    assert_eq!(collector.counts(&second.name).applications, 3);
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(second.path.clone()), 0o700);
    assert_eq!(mode(second.path.join(embedded::STORE)), 0o600);
    assert!(collector.metric("backup_last_success_timestamp_seconds") > 1_500_000_000);
    assert_eq!(
        ["backup_running", "backup_failures_total"].map(|name| collector.metric(name)),
        [0, 0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_a_backup_and_removes_it() {
    let collector = Collector::start().await;
    let (companion, has_begun, go_on) = waiting();
    let backups = collector.backups(collector.config(), Some(companion));
    let writing = backups.clone();
    let first = tokio::task::JoinSet::from_iter([async move { writing.write(Some("a")).await }]);
    tokio::task::block_in_place(|| has_begun.recv().unwrap());
    collector.stop.cancel();
    go_on.send(()).unwrap();
    assert_eq!(first.join_all().await, [Err(Error::Stopping)]);
    assert!(collector.names().is_empty(), "{:?}", collector.names());
    assert_eq!(collector.metric("backup_failures_total"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_ends_at_its_limits_of_time_and_space() {
    let collector = Collector::start().await;
    let slow = Config {
        time_limit: Duration::ZERO,
        ..collector.config()
    };
    let tight = Config {
        reserve: u64::MAX,
        ..collector.config()
    };
    for (config, key) in [(slow, "backup_timeout"), (tight, "backup_path")] {
        let ended = collector.backups(config, None).write(Some("a")).await;
        let ended = ended.unwrap_err().to_string();
        assert!(
            ended.contains(&format!("storage.embedded.{key}")),
            "{ended}"
        );
        assert!(collector.names().is_empty(), "{:?}", collector.names());
    }
    // A file in the place of the directory.
    fs::remove_dir(collector.path("")).unwrap();
    fs::write(collector.directory.path().join("backups"), "").unwrap();
    let backups = collector.backups(collector.config(), None);
    let refused = backups.write(None).await.unwrap_err().to_string();
    assert!(refused.contains("/backups"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_ends_the_backup() {
    let collector = Collector::start().await;
    let companion = Companion {
        take: Box::new(|| Err("other.redb is damaged".to_owned())),
        ..waiting().0
    };
    let backups = collector.backups(collector.config(), Some(companion));
    let failed = backups.write(Some("a")).await.unwrap_err().to_string();
    assert!(failed.ends_with("other.redb is damaged"), "{failed}");
    assert!(collector.names().is_empty(), "{:?}", collector.names());
    // A table that would be missing in the copy.
    let foreign = collector.directory.path().join("foreign");
    let database = Builder::new().create(&foreign).unwrap();
    let write = database.begin_write().unwrap();
    let table = redb::TableDefinition::<i32, i32>::new("of a later release");
    drop(write.open_table(table).unwrap());
    write.commit().unwrap();
    let companion = Companion {
        take: Box::new(move || {
            let read = database.begin_read().unwrap();
            Ok(Some(Snapshot::new(read, Vec::new())))
        }),
        ..waiting().0
    };
    let backups = collector.backups(collector.config(), Some(companion));
    let failed = backups.write(Some("a")).await.unwrap_err().to_string();
    assert!(failed.contains("of a later release"), "{failed}");
    assert!(collector.names().is_empty(), "{:?}", collector.names());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_unfinished_backups_that_nobody_writes_are_removed() {
    let collector = Collector::start().await;
    let make = |name: &str, files: &[&str]| {
        fs::create_dir_all(collector.path(name)).unwrap();
        for file in files {
            fs::write(collector.path(name).join(file), "x").unwrap();
        }
    };
    make("crashed.part", &["lock", embedded::STORE]);
    make("crashed-at-once.part", &[]);
    make("complete", &["lock", embedded::STORE]);
    make("foreign.part", &["lock", embedded::STORE, "thesis.txt"]);
    make("busy.part", &["lock", embedded::STORE]);
    fs::write(collector.path("file.part"), "x").unwrap();
    let busy = fs::File::open(collector.path("busy.part").join("lock")).unwrap();
    busy.try_lock().unwrap();
    let backups = collector.backups(collector.config(), None);
    backups.write(Some("new")).await.unwrap();
    let left = ["busy.part", "complete", "file.part", "foreign.part", "new"];
    assert_eq!(collector.names(), left);
    assert_eq!(
        fs::read_dir(collector.path("foreign.part"))
            .unwrap()
            .count(),
        3
    );
    // The name of a part that another collector writes.
    let taken = backups.write(Some("busy")).await;
    assert_eq!(taken, Err(Error::Exists));
    assert!(collector.path("busy.part").join(embedded::STORE).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_directory_refuses_a_backup_and_names_the_oldest() {
    let collector = Collector::start().await;
    let config = Config {
        most: 2,
        ..collector.config()
    };
    let backups = collector.backups(config, None);
    for name in ["b", "a"] {
        backups.write(Some(name)).await.unwrap();
    }
    // Neither of them is a backup.
    fs::create_dir(collector.path("notes")).unwrap();
    fs::write(collector.path("readme"), "x").unwrap();
    let store = fs::File::open(collector.path("b").join(embedded::STORE)).unwrap();
    store.set_modified(std::time::UNIX_EPOCH).unwrap();
    let refused = backups.write(Some("c")).await.unwrap_err();
    let oldest = collector.path("b");
    assert_eq!(
        refused,
        Error::Many {
            most: 2,
            oldest: oldest.clone()
        }
    );
    let text = refused.to_string();
    assert!(text.contains("storage.embedded.max_backups"), "{text}");
    assert!(text.ends_with("backups/b"), "{text}");
    assert_eq!(collector.names(), ["a", "b", "notes", "readme"]);
    assert_eq!(collector.metric("backup_failures_total"), 1);
    fs::remove_dir_all(oldest).unwrap();
    backups.write(Some("c")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_the_newest_backup_is_known_after_a_restart() {
    const NAME: &str = "backup_last_success_timestamp_seconds";
    let collector = Collector::start().await;
    let first = collector.backups(collector.config(), None);
    assert_eq!(collector.find_metric(NAME), None, "there is no backup");
    first.write(Some("a")).await.unwrap();
    let written = collector.metric(NAME);
    let store = fs::File::open(collector.path("a").join(embedded::STORE)).unwrap();
    let earlier = std::time::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    store.set_modified(earlier).unwrap();
    drop(first);
    let next = Collector::start().await;
    let config = collector.config();
    let _backups = next.backups(config, None);
    while next.find_metric(NAME).is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(next.metric(NAME), 1_795_000_000);
    assert_ne!(written, 1_795_000_000);
}

#[test]
fn a_name_never_leads_out_of_the_directory() {
    for name in ["nightly", "2026-11-27", "a", "A_b.c-1", &"x".repeat(100)] {
        assert_eq!(Name::parse(name).unwrap().as_str(), name);
    }
    let long = "x".repeat(101);
    for name in [
        "", ".", "..", "../x", "x/y", "/x", "x\0", "x\ny", "x y", ".x", "-x", "x.part", "ü",
        "x\\y", &long,
    ] {
        assert_eq!(Name::parse(name), Err(Error::Name), "{name:?}");
    }
    let made = Name::at(rollcall_domain::Timestamp::from_millis(1_795_748_645_007));
    assert_eq!(made.as_str(), "20261127T030405.007Z");
    let extreme = Name::at(rollcall_domain::Timestamp::from_millis(i64::MAX));
    assert_eq!(Name::parse(extreme.as_str()).as_ref(), Ok(&extreme));
}
