//! Tests a store that cannot be used or fails later: the collector reports a clear error, exits with a non-zero code, and has
//! acknowledged no id that is not on disk.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use rollcall_tests::{
    PATIENCE, eventually,
    grpc::Client,
    process::{Collector, Options, Run, free_addresses},
};
use rustix::process::{Resource, geteuid};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tonic::Code;

/// The exit code of a collector that cannot start or continue.
const FAILURE: Option<i32> = Some(1);

const STOPPING: &str = "stopping after a failure";
const MOVED: &str = "was removed, renamed or replaced while the collector used it";
const NO_ROOM: &str = "no room left to write";

struct Store(TempDir);

impl Store {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn file(&self) -> PathBuf {
        self.path().join("rollcall.redb")
    }

    fn options(&self) -> Options {
        // A busy disk delays commits.
        Collector::options()
            .data_dir(self.path())
            .env("SW_REGISTER_DEADLINE", "20s")
    }

    /// A store that a collector has used and closed.
    async fn used() -> Self {
        let store = Self::new();
        let mut collector = store.options().start().await;
        collector
            .grpc()
            .await
            .application("orders")
            .await
            .expect("an id");
        assert_eq!(collector.terminate().await.code(), Some(0));
        store
    }
}

/// Checks that the collector failed with an error that contains `path` and `what`.
#[track_caller]
fn assert_failed(run: &Run, path: &Path, what: &str) {
    assert_eq!(run.code, FAILURE, "{run:#?}");
    let path = path.to_str().expect("a path in UTF-8");
    assert!(
        run.stderr.contains(path) && run.stderr.contains(what),
        "{run:#?}"
    );
    assert!(!run.stderr.contains("panicked"), "{run:#?}");
    assert_eq!(run.stdout, "");
}

#[tokio::test]
async fn a_store_of_another_namespace_is_refused() {
    let store = Store::new();
    let of = |namespace| store.options().env("SW_NAMESPACE", namespace);
    let mut collector = of("production").start().await;
    assert_eq!(collector.terminate().await.code(), Some(0));
    let what = "holds the inventory of namespace production, and this collector belongs to namespace staging";
    assert_failed(&of("staging").run().await, &store.file(), what);
    let mut collector = of("production").start().await;
    assert_eq!(collector.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_damaged_store_is_refused() {
    let store = Store::used().await;
    let mut content = fs::read(store.file()).expect("a store");
    content[4096..].fill(0);
    fs::write(store.file(), content).expect("damaging the store");
    assert_failed(&store.options().run().await, &store.file(), "is damaged");
}

#[tokio::test]
async fn a_file_of_another_format_is_refused_and_unchanged() {
    let store = Store::used().await;
    for content in [&b"not a store"[..], b""] {
        fs::write(store.file(), content).expect("replacing the store");
        assert_failed(&store.options().run().await, &store.file(), "is damaged");
        assert_eq!(fs::read(store.file()).expect("the file"), content);
    }
}

#[tokio::test]
async fn a_directory_of_another_user_is_refused() {
    let store = Store::used().await;
    let mut options = store.options();
    if geteuid().is_root() {
        // Permissions do not apply to root, so the collector runs as root without root's capabilities.
        chown(store.path(), Some(65534), Some(65534)).expect("a change of the owner");
        options = options.through(&["setpriv", "--bounding-set=-all", "--inh-caps=-all"]);
    } else {
        fs::set_permissions(store.path(), fs::Permissions::from_mode(0o000))
            .expect("own directory");
    }
    let run = options.run().await;
    fs::set_permissions(store.path(), fs::Permissions::from_mode(0o700)).expect("own directory");
    assert_failed(&run, &store.path(), "cannot be used by this process");
}

#[tokio::test]
async fn a_file_in_the_place_of_the_directory_is_refused() {
    let store = Store::new();
    fs::write(store.path(), "").expect("a file");
    assert_failed(
        &store.options().run().await,
        &store.path(),
        "is not a directory: give another one with --data-dir",
    );
}

#[tokio::test]
async fn a_second_collector_on_the_same_directory_is_refused() {
    let store = Store::new();
    let first = store.options().start().await;
    let holder = format!("in use by another collector (process {})", first.id());
    assert_failed(&store.options().run().await, &store.path(), &holder);
    first
        .grpc()
        .await
        .application("orders")
        .await
        .expect("the first collector continues");
}

/// Registers new applications until the collector refuses, because the disk is full. Returns the acknowledged ids.
async fn fill(client: Client, writer: u32) -> BTreeMap<String, i32> {
    let mut acknowledged = BTreeMap::new();
    for n in 0.. {
        let code = format!("{writer}.{n}.{}", "x".repeat(200));
        match client.application(&code).await {
            Ok(id) => acknowledged.insert(code, id),
            Err(refused) => {
                assert_eq!(refused.code(), Code::Unavailable, "{refused}");
                assert!(refused.message().contains("disk"), "{refused}");
                break;
            }
        };
    }
    acknowledged
}

/// The ids of applications, each with its code.
type Owners = BTreeMap<i32, String>;

/// A collector on a disk that is full, with the ids that it has acknowledged.
async fn on_full_disk(store: &Store) -> (Collector, Owners) {
    // The shell counts in blocks of 512 bytes. The collector can still use free space within the file.
    let blocks = fs::metadata(store.file()).expect("a store").len() / 512 + 1;
    let mut collector = store
        .options()
        .ulimit(&format!("-S -f {blocks}"))
        .start()
        .await;
    collector.expect_log("store unavailable, new registrations are refused");
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        writers.spawn(fill(collector.grpc().await, writer));
    }
    let mut owners = Owners::new();
    for (code, id) in writers.join_all().await.into_iter().flatten() {
        assert_eq!(owners.insert(id, code), None, "{id} was assigned twice");
    }
    assert!(!owners.is_empty());
    (collector, owners)
}

/// Checks that the collector still answers these names, with the same ids.
async fn assert_known(collector: &Collector, owners: &Owners) {
    let client = collector.grpc().await;
    for (id, code) in owners {
        assert_eq!(
            client.application(code).await.expect("an id"),
            *id,
            "{code}"
        );
    }
}

/// The status of the collector, and its reason about the store.
async fn readiness(collector: &Collector) -> Result<(String, String), String> {
    let client = collector.http(collector.listeners().ui);
    let reply = client.get("/readyz").await?;
    assert_eq!(reply.status, 200, "it is up: {}", reply.text());
    let body: Value = reply.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok((text(&body["status"]), text(&body["reasons"]["storage"])))
}

#[tokio::test]
async fn on_a_full_disk_the_collector_answers_known_names_until_there_is_room() {
    let store = Store::used().await;
    let (mut collector, owners) = on_full_disk(&store).await;
    let (status, reason) = readiness(&collector).await.expect("an answer");
    assert_eq!(status, "degraded", "{reason}");
    let file = store.file();
    for part in [NO_ROOM, file.to_str().expect("a path in UTF-8")] {
        assert!(reason.contains(part), "{reason}");
    }
    assert_known(&collector, &owners).await;

    collector.lift_limit(Resource::Fsize);
    // No call is needed for that.
    eventually(PATIENCE, async || match readiness(&collector).await? {
        (status, _) if status == "ready" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let client = collector.grpc().await;
    let new = client.application("new").await.expect("an id");
    assert!(!owners.contains_key(&new), "{new} was assigned twice");
    assert_eq!(collector.terminate().await.code(), Some(0));
    let collector = store.options().start().await;
    assert_known(&collector, &owners).await;
    let client = collector.grpc().await;
    assert_eq!(client.application("new").await.expect("an id"), new);
}

#[tokio::test]
async fn a_collector_that_is_killed_on_a_full_disk_has_lost_nothing_acknowledged() {
    let store = Store::used().await;
    let (mut collector, owners) = on_full_disk(&store).await;
    collector.kill();
    let collector = store.options().start().await;
    assert_known(&collector, &owners).await;
    let client = collector.grpc().await;
    let new = client.application("new").await.expect("an id");
    assert!(!owners.contains_key(&new), "{new} was assigned twice");
}

#[tokio::test]
async fn a_data_directory_that_is_removed_while_the_disk_is_full_ends_the_collector() {
    let store = Store::used().await;
    let (mut collector, _) = on_full_disk(&store).await;
    collector.expect_log(STOPPING);
    collector.expect_log(MOVED);
    collector.expect_log("the journal of events cannot be written");
    fs::remove_dir_all(store.path()).expect("the data directory");
    assert_eq!(collector.exit().await.code(), FAILURE);
    let log = collector.log();
    assert!(
        log.iter().any(|line| line.message.contains(MOVED)),
        "{log:#?}"
    );
}

#[tokio::test]
async fn a_removed_data_directory_ends_the_collector_before_the_next_id() {
    let changes: [fn(&Store); 3] = [
        |store| fs::remove_dir_all(store.path()).expect("the data directory"),
        |store| fs::rename(store.path(), store.0.path().join("moved")).expect("renamed"),
        |store| {
            fs::rename(store.path(), store.0.path().join("moved")).expect("renamed");
            fs::create_dir(store.path()).expect("another one");
            fs::copy(store.0.path().join("moved/rollcall.redb"), store.file()).expect("a copy");
        },
    ];
    for change in changes {
        let store = Store::new();
        let mut collector = store.options().start().await;
        let client = collector.grpc().await;
        assert_eq!(client.application("orders").await.expect("an id"), -1);
        collector.expect_log(STOPPING);
        collector.expect_log(MOVED);
        // The journal of events is in the same directory.
        collector.expect_log("the journal of events cannot be written");
        change(&store);
        let refused = client.application("carts").await;
        assert!(
            refused.is_err(),
            "the registration was acknowledged: {refused:?}"
        );
        assert_eq!(collector.exit().await.code(), FAILURE);
        let log = collector.log();
        assert!(
            log.iter().any(|line| line.message.contains(MOVED)),
            "{log:#?}"
        );
    }
}

#[tokio::test]
async fn a_start_without_etcd_logs_rarely_and_ends_with_the_cause() {
    let [address] = free_addresses().map(|address| address.to_string());
    let run = Collector::options()
        .env("SW_STORAGE", "etcd")
        .env("SW_STORAGE_ETCD_ENDPOINTS", address)
        .run()
        .await;
    assert_eq!(run.code, FAILURE, "{run:#?}");
    let lines: Vec<&str> = run.stderr.lines().collect();
    let waiting = lines
        .iter()
        .filter(|line| line.contains("\"WARN\""))
        .count();
    // The collector waits for ten seconds, and logs a warning every five seconds.
    assert!((1..=3).contains(&waiting), "{run:#?}");
    let last = lines.last().copied().unwrap_or_default();
    assert!(
        last.contains("does not start without its store: start it again once etcd answers"),
        "{last}"
    );
}
