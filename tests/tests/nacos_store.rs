//! Tests faults of the local store of persistent Nacos instances: it is removed, or its disk is full, while the collector runs; or
//! it is damaged or removed while the collector is stopped.

use std::{fs, path::Path};

use ::http::{Method, StatusCode};
use rollcall_tests::{
    PATIENCE, eventually, http,
    process::{Collector, Options},
};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinSet;

const FAILED: &str = "catalog: a commit failed";
const MOVED: &str = "removed, renamed or replaced";
const ROSTER: &str = "catalog: the roster could not be written";

fn options(directory: &Path) -> Options {
    Collector::options().data_dir(directory.join("data"))
}

/// A client of the HTTP face for Nacos clients.
async fn nacos(collector: &Collector) -> http::Client {
    http::Client::new(collector.nacos().await)
}

/// Registers a persistent instance.
async fn register(client: &http::Client, service: &str) -> http::Reply {
    let padding = "x".repeat(900);
    let path = format!(
        "/nacos/v1/ns/instance?serviceName={service}&ip=10.0.0.1&port=80&ephemeral=false&metadata=padding%3D{padding}"
    );
    let registered = client.send(Method::POST, &path, Default::default()).await;
    registered.unwrap()
}

/// The number of listed instances of a service.
async fn listed(client: &http::Client, service: &str) -> usize {
    let path = format!("/nacos/v1/ns/instance/list?serviceName={service}");
    let list: Value = client.get(&path).await.unwrap().json();
    list["hosts"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_removed_data_directory_ends_the_collector_before_the_next_persistent_instance() {
    let directory = TempDir::new().unwrap();
    let mut collector = options(directory.path()).start().await;
    let client = nacos(&collector).await;
    let kept = register(&client, "kept").await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.text());
    let journal = "the journal of events cannot be written";
    for line in [FAILED, ROSTER, journal, "stopping after a failure", MOVED] {
        collector.expect_log(line);
    }
    fs::rename(
        directory.path().join("data"),
        directory.path().join("moved"),
    )
    .unwrap();
    let refused = register(&client, "lost").await;
    assert_ne!(refused.status, StatusCode::OK, "{}", refused.text());
    assert!(refused.text().contains(MOVED), "{}", refused.text());
    assert_eq!(collector.exit().await.code(), Some(1));
}

/// Registers instances until one is refused, and returns the services of the others.
async fn fill(client: http::Client, writer: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    loop {
        let service = format!("s{writer}.{}", acknowledged.len());
        if register(&client, &service).await.status != StatusCode::OK {
            return acknowledged;
        }
        acknowledged.push(service);
    }
}

#[tokio::test]
async fn on_a_full_disk_persistent_instances_are_refused_until_there_is_room() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let mut collector = options(directory.path()).start().await;
    collector.terminate().await;
    // The shell counts in blocks of 512 bytes. With this limit, neither file can grow beyond the size of the larger one.
    let sizes = ["catalog.redb", "rollcall.redb"].map(|file| fs::metadata(data.join(file)));
    let largest = sizes.map(|file| file.unwrap().len()).into_iter().max();
    let blocks = largest.unwrap() / 512 + 1;
    let options = options(directory.path()).ulimit(&format!("-S -f {blocks}"));
    let mut collector = options.start().await;
    for line in [FAILED, ROSTER] {
        collector.expect_log(line);
    }
    let client = nacos(&collector).await;
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        writers.spawn(fill(client.clone(), writer));
    }
    let acknowledged: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    assert!(!acknowledged.is_empty());

    let pid = fs::read_to_string(data.join("lock")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap());
    let room = Rlimit {
        current: getrlimit(Resource::Fsize).maximum,
        ..getrlimit(Resource::Fsize)
    };
    prlimit(pid, Resource::Fsize, room).unwrap();
    eventually(PATIENCE, async || {
        let registered = register(&client, "later").await;
        match registered.status {
            StatusCode::OK => Ok(()),
            _ => Err(registered.text()),
        }
    })
    .await;

    collector.kill();
    collector.restart().await;
    let client = nacos(&collector).await;
    for service in acknowledged.iter().map(String::as_str).chain(["later"]) {
        assert_eq!(listed(&client, service).await, 1, "{service}");
    }
}

/// A regression test: the mark for missing changes used to be a line of the journal, which a full disk also refuses, so the
/// collector answered an empty list after its restart.
#[tokio::test]
async fn after_a_full_disk_a_restart_answers_no_false_empty_list() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    // With `ulimit`, the harness makes the system report a too large file as an error instead of ending the process.
    let options = options(directory.path()).ulimit("-S -f unlimited");
    let mut collector = options.start().await;
    collector.expect_warnings();
    let path = |service| format!("/nacos/v1/ns/instance?serviceName={service}&ip=10.0.0.1&port=80");
    let client = nacos(&collector).await;
    let (kept, missing) = (path("kept"), path("missing"));
    let kept = client.send(Method::POST, &kept, Default::default());
    assert_eq!(kept.await.unwrap().status, StatusCode::OK);

    let pid = fs::read_to_string(data.join("lock")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap());
    let full = Rlimit {
        current: Some(0),
        ..getrlimit(Resource::Fsize)
    };
    prlimit(pid, Resource::Fsize, full).unwrap();
    let missing = client.send(Method::POST, &missing, Default::default());
    assert_eq!(missing.await.unwrap().status, StatusCode::OK);
    let probe = collector.http(collector.listeners().ui);
    eventually(PATIENCE, async || {
        let reply = probe
            .get("/readyz")
            .await
            .map_err(|error| error.to_string())?;
        let reason = reply.json::<Value>()["reasons"]["catalog"].clone();
        match reason.as_str() {
            Some(reason) if reason.contains("refuses reads") => Ok(()),
            _ => Err(reply.text()),
        }
    })
    .await;

    collector.kill();
    collector.restart().await;
    let client = nacos(&collector).await;
    let list = "/nacos/v1/ns/instance/list?serviceName=missing";
    let refused = client.get(list).await.unwrap();
    assert_eq!(
        refused.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        refused.text()
    );
}

#[tokio::test]
async fn a_damaged_store_is_refused_and_none_of_it_is_served() {
    let directory = TempDir::new().unwrap();
    let mut collector = options(directory.path()).start().await;
    let client = nacos(&collector).await;
    let kept = register(&client, "kept").await;
    assert_eq!(kept.status, StatusCode::OK, "{}", kept.text());
    collector.terminate().await;
    let store = directory.path().join("data").join("catalog.redb");
    let whole = fs::read(&store).unwrap();
    // Flips one bit in each copy of the padding, which does not affect any length or order in the file.
    let mut damaged = whole.clone();
    let mut places = 0;
    for place in 0..whole.len() - 100 {
        if whole[place..place + 100] == [b'x'; 100] && whole[place - 1] != b'x' {
            damaged[place] ^= 1;
            places += 1;
        }
    }
    assert!(places > 0);
    for bytes in [damaged, Vec::new(), whole[..whole.len() / 2].to_vec()] {
        fs::write(&store, bytes).unwrap();
        let run = options(directory.path()).run().await;
        assert_eq!(run.code, Some(1), "{run:?}");
        let refused = run.stderr;
        for text in ["catalog.redb is damaged", "restore it from a backup"] {
            assert!(refused.contains(text), "{text}: {refused}");
        }
    }
    fs::write(&store, whole).unwrap();
    let collector = options(directory.path()).start().await;
    assert_eq!(listed(&nacos(&collector).await, "kept").await, 1);
}

#[tokio::test]
async fn a_removed_store_delays_reads_and_a_new_one_does_not() {
    let directory = TempDir::new().unwrap();
    let mut collector = options(directory.path()).start().await;
    let client = nacos(&collector).await;
    assert_eq!(
        listed(&client, "any").await,
        0,
        "a first start must not delay reads"
    );
    collector.terminate().await;
    fs::remove_file(directory.path().join("data").join("catalog.redb")).unwrap();
    let mut collector = options(directory.path()).start().await;
    collector.expect_log("the store of the last run is missing");
    let path = "/nacos/v1/ns/instance/list?serviceName=any";
    let list = nacos(&collector).await.get(path).await.unwrap();
    assert_eq!(
        list.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        list.text()
    );
}

/// Clients that used another server register here only after they have noticed the change.
#[tokio::test]
async fn a_first_start_that_always_warms_up_refuses_lists_until_the_clients_have_arrived() {
    let options = Collector::options()
        .env("SW_NACOS", "default")
        .env("SW_NACOS_ALWAYS_WARM_UP", "true")
        .env("SW_NACOS_WARM_UP", "5s");
    let collector = options.start().await;
    let client = nacos(&collector).await;
    let path = "/nacos/v1/ns/instance/list?serviceName=kept";
    let early = client.get(path).await.unwrap();
    assert_eq!(
        early.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        early.text()
    );
    let arrived = register(&client, "kept").await;
    assert_eq!(arrived.status, StatusCode::OK, "{}", arrived.text());
    let first = eventually(PATIENCE, async || {
        let list = client.get(path).await.unwrap();
        if list.status == StatusCode::OK {
            Ok(list)
        } else {
            Err(list.text().to_string())
        }
    });
    let first: Value = first.await.json();
    assert_eq!(first["hosts"].as_array().unwrap().len(), 1, "{first}");
}
