//! Tests `rollcall-collector store backup`: a backup of the store of a running collector, and a start on it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use rollcall_tests::{
    PATIENCE,
    engine::directory_in_memory,
    eventually,
    http::{self, Reply},
    nacos::{self, Http},
    process::{Collector, Options, Run},
};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::task::JoinHandle;

const CALLERS: usize = 64;
const INSTANCE: &str = "/nacos/v1/ns/instance";
const FAILED: &str = "backup of the store failed";
/// The exit code of a command that the collector refused.
const REFUSED: Option<i32> = Some(4);

/// The collector's data, and the directory of its backups.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        Self(directory_in_memory())
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// The default directory of the backups.
    fn backup(&self, name: &str) -> PathBuf {
        self.data().join("backups").join(name)
    }

    fn options(&self) -> Options {
        Collector::options().data_dir(self.data())
    }
}

/// Runs `store backup`.
async fn back_up(collector: &Collector, arguments: &[&str]) -> Run {
    let options = Collector::options()
        .env(
            "ROLLCALL_URL",
            format!("http://{}", collector.listeners().ui),
        )
        .argument("store")
        .argument("backup");
    let arguments = arguments.iter();
    arguments
        .fold(options, |options, argument| options.argument(*argument))
        .run()
        .await
}

async fn post(ui: http::Client, name: String) -> Result<Reply, String> {
    ui.post(&format!("/api/store/backup?name={name}"), "").await
}

/// Adds rows of about 20 MB, so that a backup takes several steps.
async fn fill(collector: &Collector) {
    let client = collector.grpc().await;
    for message in 0..40 {
        let address = |number: usize| format!("{message}.{number}.{}", "x".repeat(2000));
        let addresses: Vec<_> = (0..250).map(address).collect();
        let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
        let known = eventually(PATIENCE, async || {
            client
                .addresses(&addresses)
                .await
                .map_err(|e| e.to_string())
        });
        known.await;
    }
}

async fn has_stopped(collector: &Collector) {
    let stat = format!("/proc/{}/stat", collector.id());
    let is_stopped = async || match fs::read_to_string(&stat).unwrap() {
        stat if stat.contains(") T ") => Ok(()),
        stat => Err(stat),
    };
    eventually(PATIENCE, is_stopped).await;
}

/// Pauses the process in the middle of a backup in this directory. Returns the name of the backup and its call.
async fn paused(
    directory: &Path,
    collector: &Collector,
) -> (String, JoinHandle<Result<Reply, String>>) {
    for attempt in 0.. {
        let name = format!("paused-{attempt}");
        let part = directory.join(format!("{name}.part/rollcall.redb"));
        let ui = collector.http(collector.listeners().ui);
        let call = tokio::spawn(post(ui, name.clone()));
        while !part.exists() && !call.is_finished() {
            tokio::task::yield_now().await;
        }
        collector.signal(Signal::STOP);
        has_stopped(collector).await;
        if part.exists() {
            return (name, call);
        }
        collector.signal(Signal::CONT);
        assert_eq!(call.await.unwrap().unwrap().status, 200);
    }
    unreachable!("a backup ends before this process sees it")
}

/// The names in the default directory of the backups.
fn names(disk: &Disk) -> Vec<String> {
    let entries = fs::read_dir(disk.backup("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// The ids of an application and its instance, by the name of both.
type Ids = BTreeMap<String, (i32, i32)>;

/// Writes a backup while callers register. Returns the ids that they had before it began.
async fn back_up_under_load(collector: &Collector, name: &str) -> (Ids, Run) {
    let (acknowledged, ends) = (RefCell::new(Ids::new()), Cell::new(false));
    let client = collector.grpc().await;
    let register = async |caller: usize| {
        let mut number = 0;
        while !ends.get() {
            let code = format!("app-{caller}-{number}");
            // An error of a single call fails the test.
            let application = client.application(&code).await.unwrap();
            let instance = client.instance(application, &code).await.unwrap();
            let ids = (application, instance);
            acknowledged.borrow_mut().insert(code, ids);
            number += 1;
        }
    };
    let mut callers: FuturesUnordered<_> = (0..CALLERS).map(register).collect();
    let copying = async {
        let has = async || match acknowledged.borrow().len() {
            length if length >= 5 * CALLERS => Ok(()),
            length => Err(length),
        };
        eventually(PATIENCE, has).await;
        let before = acknowledged.borrow().clone();
        let run = back_up(collector, &[name]).await;
        let after = acknowledged.borrow().len();
        assert!(after > before.len(), "the callers waited for the backup");
        ends.set(true);
        (before, run)
    };
    let registering = async { while callers.next().await.is_some() {} };
    tokio::join!(copying, registering).0
}

/// Checks that a collector on this copy of a data directory knows these ids and lists the persistent instance.
async fn assert_restored(copy: &Path, ids: &Ids) {
    let options = Collector::options()
        .data_dir(copy)
        .env("SW_REGISTER_LISTEN_AFTER_LOSS", "always");
    let (mut collector, faces) = nacos::collector(options.env("SW_NACOS_WARM_UP", "1s")).await;
    for line in [
        "the store may be an older copy",
        "could not record all changes of ephemeral instances",
    ] {
        collector.expect_log(line);
    }
    let client = collector.grpc().await;
    for (code, (application, instance)) in ids {
        assert_eq!(client.application(code).await.unwrap(), *application);
        let known = collector.query().instance(*instance).await.unwrap();
        let found = (known.application_id, known.uuid.as_deref());
        assert_eq!(found, (Some(*application), Some(&**code)));
    }
    let http = Http::new(faces.http);
    let list = format!("{INSTANCE}/list?serviceName=s");
    let listed = async || {
        let list = http.call("GET", &list, None, &BTreeMap::new()).await?;
        let text = list.text();
        if text.contains("10.0.0.1") {
            Ok(())
        } else {
            Err(text)
        }
    };
    eventually(PATIENCE, listed).await;
}

#[tokio::test]
async fn a_backup_has_every_id_that_was_acknowledged_before_its_call() {
    let disk = Disk::new();
    let (mut collector, faces) = nacos::collector(disk.options()).await;
    let persistent = format!("{INSTANCE}?serviceName=s&ip=10.0.0.1&port=80&ephemeral=false");
    let http = Http::new(faces.http);
    let reply = http.call("POST", &persistent, None, &BTreeMap::new()).await;
    assert_eq!(reply.unwrap().text(), "ok");
    let (before, run) = back_up_under_load(&collector, "nightly").await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    let path = format!("directory       {}\n", disk.backup("nightly").display());
    assert!(run.stdout.starts_with(&path), "{run:#?}");
    assert_eq!(collector.terminate().await.code(), Some(0));

    let restored = disk.0.path().join("restored");
    let copied = Command::new("cp")
        .arg("-a")
        .args([disk.backup("nightly"), restored.clone()])
        .status();
    assert!(copied.unwrap().success());
    let info = Collector::options().data_dir(&restored);
    let info = info.argument("store").argument("info").run().await;
    assert_eq!(info.code, Some(0), "{info:#?}");
    assert_restored(&restored, &before).await;
}

#[tokio::test]
async fn a_backup_without_its_token_or_with_a_bad_name_is_refused() {
    let disk = Disk::new();
    let collector = disk
        .options()
        .env("SW_UI_JETTY_TOKEN", "t0ken")
        .start()
        .await;
    let ui = || collector.http(collector.listeners().ui);
    for client in [ui(), ui().authorized("Bearer wrong")] {
        assert_eq!(post(client, "a".to_owned()).await.unwrap().status, 401);
    }
    let run = back_up(&collector, &["a", "--token", "wrong"]).await;
    assert_eq!(run.code, REFUSED, "{run:#?}");
    assert!(!disk.backup("").exists(), "nothing was written");
    let owner = ui().authorized("Bearer t0ken");
    for name in [
        "", "..%2Fx", "%2Fx", "x%2Fy", "x%00", ".", "..", "x.part", "%FF",
    ] {
        let refused = post(owner.clone(), name.to_owned()).await.unwrap();
        assert_eq!(refused.status, 400, "{name}: {}", refused.text());
    }
    for query in ["path=%2Ftmp%2Fx", "name=a&name=b"] {
        let refused = owner.post(&format!("/api/store/backup?{query}"), "").await;
        assert_eq!(refused.unwrap().status, 400, "{query}");
    }
    assert!(!disk.backup("").exists(), "nothing was written");
    let read = owner.get("/api/store/backup").await.unwrap();
    assert_eq!(read.status, 405, "{}", read.text());

    let run = back_up(&collector, &["a", "--token", "t0ken", "--json"]).await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    let answer: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(answer["name"], "a");
    assert_eq!(answer["path"], disk.backup("a").display().to_string());
    let run = back_up(&collector, &["a", "--token", "t0ken"]).await;
    assert_eq!(run.code, REFUSED, "{run:#?}");
    assert!(run.stderr.contains("409"), "{run:#?}");
    let run = back_up(&collector, &["--token", "t0ken"]).await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(names(&disk).len(), 2, "{:?}", names(&disk));
}

#[tokio::test]
async fn a_second_backup_at_the_same_time_is_refused() {
    let disk = Disk::new();
    let collector = disk.options().start().await;
    fill(&collector).await;
    // The first one may end before the collector reads the second call.
    for attempt in 0..20 {
        let (name, first) = paused(&disk.backup(""), &collector).await;
        let ui = collector.http(collector.listeners().ui);
        let second = tokio::spawn(post(ui, format!("second-{attempt}")));
        collector.signal(Signal::CONT);
        let second = second.await.unwrap().unwrap();
        assert_eq!(first.await.unwrap().unwrap().status, 200);
        assert!(disk.backup(&name).exists());
        if second.status == 409 {
            let text = second.text();
            assert!(text.contains("another backup is being written"), "{text}");
            return;
        }
    }
    panic!("two backups never met");
}

#[tokio::test]
async fn a_full_disk_ends_a_backup_and_does_not_hurt_the_collector() {
    let is_allowed = Command::new("unshare").args(["-rm", "true"]).status();
    if !is_allowed.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine does not allow a file system of its own");
        return;
    }
    let disk = Disk::new();
    let small = disk.0.path().join("small");
    fs::create_dir(&small).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=8m small {} && exec \"$0\" \"$@\"",
        small.display()
    );
    let mut collector = disk
        .options()
        .env("SW_STORAGE_BACKUP_PATH", small.display().to_string())
        .through(&["unshare", "-rm", "sh", "-c", &script])
        .start()
        .await;
    let seen = |collector: &Collector| {
        let inside = format!("/proc/{}/root{}", collector.id(), small.display());
        fs::read_dir(inside).unwrap().count()
    };
    let run = back_up(&collector, &["fits"]).await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(seen(&collector), 1);
    fill(&collector).await;
    collector.expect_log(FAILED);
    for name in ["full", "full", "full-again"] {
        let run = back_up(&collector, &[name]).await;
        assert_eq!(run.code, REFUSED, "{run:#?}");
        assert!(run.stderr.contains("No space left on device"), "{run:#?}");
        assert_eq!(seen(&collector), 1, "the backup that fitted");
        let client = collector.grpc().await;
        client.application(&format!("after {name}")).await.unwrap();
    }
    let failures = collector
        .query()
        .metric("rollcall_backup_failures_total")
        .await;
    assert_eq!(failures, Ok(3));
    let ready = collector
        .http(collector.listeners().ui)
        .get("/readyz")
        .await;
    assert!(ready.unwrap().text().contains(r#""status":"ready""#));
    assert_eq!(collector.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_backup_on_another_disk_ends_before_the_disk_of_the_store_is_full() {
    let is_allowed = Command::new("unshare").args(["-rm", "true"]).status();
    if !is_allowed.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine does not allow a file system of its own");
        return;
    }
    let disk = Disk::new();
    let elsewhere = disk.0.path().join("elsewhere");
    fs::create_dir(disk.data()).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=256m data {} && exec \"$0\" \"$@\"",
        disk.data().display()
    );
    let mut collector = disk
        .options()
        .env("SW_STORAGE_BACKUP_PATH", elsewhere.display().to_string())
        .through(&["unshare", "-rm", "sh", "-c", &script])
        .start()
        .await;
    fill(&collector).await;
    collector.expect_log(FAILED);
    let (name, call) = paused(&elsewhere, &collector).await;
    // Something else takes the room that the store needs.
    let inside = PathBuf::from(format!("/proc/{}/root", collector.id()));
    let data = inside.join(disk.data().strip_prefix("/").unwrap());
    let filler = data.join("filler");
    let free = rustix::fs::statvfs(&data).unwrap();
    let free = free.f_bavail * free.f_frsize;
    assert!(free > 96 << 20, "{free}");
    let full = usize::try_from(free - (40 << 20)).unwrap();
    fs::write(&filler, vec![0; full]).unwrap();
    collector.signal(Signal::CONT);
    let refused = call.await.unwrap().unwrap();
    let text = refused.text();
    assert_eq!(refused.status, 500, "{text}");
    assert!(text.contains("free on the disk of the store"), "{text}");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    // Less than the reserve was free before this backup, so it leaves half of that.
    let run = back_up(&collector, &[&name]).await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(collector.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn an_interrupted_backup_leaves_nothing_that_looks_like_one() {
    let disk = Disk::new();
    let mut collector = disk.options().start().await;
    fill(&collector).await;
    let (name, call) = paused(&disk.backup(""), &collector).await;
    assert!(!disk.backup(&name).exists());
    collector.kill();
    assert!(call.await.unwrap().is_err(), "the collector was killed");
    assert!(!disk.backup(&name).exists());
    assert!(disk.backup(&format!("{name}.part")).exists());

    collector.restart().await;
    let is_removed = async || match names(&disk) {
        names if names.iter().any(|name| name.ends_with(".part")) => Err(names),
        _ => Ok(()),
    };
    eventually(PATIENCE, is_removed).await;
    let run = back_up(&collector, &[&name]).await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    fs::remove_dir_all(disk.backup("")).unwrap();

    collector.expect_log(FAILED);
    // A stop may also arrive after the last step.
    for _ in 0..20 {
        let (name, call) = paused(&disk.backup(""), &collector).await;
        collector.signal(Signal::TERM);
        collector.signal(Signal::CONT);
        assert_eq!(collector.exit().await.code(), Some(0));
        let status = call.await.unwrap().map(|reply| reply.status.as_u16());
        is_removed().await.unwrap();
        collector.restart().await;
        if !disk.backup(&name).exists() {
            assert_eq!(status, Ok(503));
            return;
        }
    }
    panic!("every backup was complete");
}

#[tokio::test]
async fn a_backup_of_another_directory_and_without_nacos_has_both_stores() {
    let disk = Disk::new();
    let (mut collector, _) = nacos::collector(disk.options()).await;
    assert_eq!(collector.terminate().await.code(), Some(0));
    let elsewhere: &Path = &disk.0.path().join("elsewhere/deep");
    let mut collector = disk
        .options()
        .env("SW_NACOS", "none")
        .env("SW_STORAGE_BACKUP_PATH", elsewhere.display().to_string())
        .start()
        .await;
    let run = back_up(&collector, &["a"]).await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    for file in [
        "rollcall.redb",
        "catalog.redb",
        "catalog.journal.incomplete",
    ] {
        assert!(elsewhere.join("a").join(file).exists(), "{file}");
    }
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(60), collector.terminate())
            .await
            .unwrap()
            .code(),
        Some(0)
    );
}

#[tokio::test]
async fn a_damaged_catalog_without_nacos_is_named_and_can_be_moved_away() {
    let disk = Disk::new();
    let mut collector = disk.options().env("SW_NACOS", "none").start().await;
    let catalog = disk.data().join("catalog.redb");
    fs::write(&catalog, "no store").unwrap();
    collector.expect_log(FAILED);
    let run = back_up(&collector, &["a"]).await;
    assert_eq!(run.code, REFUSED, "{run:#?}");
    for part in [
        &*catalog.display().to_string(),
        "nacos.selector",
        "move this file elsewhere",
    ] {
        assert!(run.stderr.contains(part), "{run:#?}");
    }
    fs::rename(&catalog, disk.0.path().join("damaged")).unwrap();
    let run = back_up(&collector, &["a"]).await;
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert!(disk.backup("a").join("rollcall.redb").exists());
    assert_eq!(collector.terminate().await.code(), Some(0));
}
