//! Tests a collector that starts on an older copy of its store, while agents hold ids that were assigned after the copy was made.

use std::{cell::RefCell, collections::BTreeMap, fs, path::Path, process::Command};

use rollcall_tests::{
    PATIENCE, eventually,
    nacos::{self, Http},
    process::{Collector, Options},
};
use rustix::process::Signal;
use tonic::Code;

const INSTANCE: &str = "/nacos/v1/ns/instance";

fn options(data: &Path, listen: &str) -> Options {
    Collector::options()
        .data_dir(data)
        // A busy disk delays commits.
        .env("SW_REGISTER_DEADLINE", "20s")
        .env("SW_REGISTER_LISTENING_PERIOD", "6s")
        .env("SW_REGISTER_LISTEN_AFTER_LOSS", listen)
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

#[tokio::test]
async fn ids_that_a_restored_copy_lacks_stay_with_their_agents() {
    let directory = tempfile::tempdir().unwrap();
    let (data, backup) = (
        directory.path().join("data"),
        directory.path().join("backup"),
    );
    fs::create_dir(&data).unwrap();
    let mut collector = options(&data, "auto").start().await;
    let client = collector.grpc().await;
    assert_eq!(client.application("a").await.unwrap(), -1);
    assert_eq!(client.instance(-1, "a").await.unwrap(), 1);
    collector.terminate().await;
    copy(&data, &backup);
    let mut collector = options(&data, "auto").start().await;
    let client = collector.grpc().await;
    assert_eq!(client.application("c").await.unwrap(), 2);
    assert_eq!(client.instance(2, "c").await.unwrap(), 2);
    collector.terminate().await;

    fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    let mut collector = options(&data, "always").start().await;
    collector.expect_log("the store may be an older copy");
    let client = collector.grpc().await;
    let refused = client.application("d").await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert_eq!(client.application("a").await.unwrap(), -1, "still known");
    // The agent of c is still connected, as it believes.
    client.recover(2, 2).await.unwrap();
    eventually(PATIENCE, async || match client.application("d").await {
        Ok(-2) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(client.instance(-2, "d").await.unwrap(), 3, "2 is held");
}

/// Stops the process, and returns when it has stopped.
async fn pause(collector: &Collector) {
    collector.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", collector.id());
    let is_stopped = async || match fs::read_to_string(&stat).unwrap() {
        stat if stat.contains(") T ") => Ok(()),
        stat => Err(stat),
    };
    eventually(PATIENCE, is_stopped).await;
}

/// What a snapshot of the volume contains. A stopped process writes nothing, so a copy made meanwhile is one of a single instant.
#[tokio::test]
async fn a_copy_of_one_instant_of_a_running_collector_has_all_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (data, backup) = (
        directory.path().join("data"),
        directory.path().join("backup"),
    );
    fs::create_dir(&data).unwrap();
    let (mut collector, faces) = nacos::collector(options(&data, "auto")).await;
    let (client, http) = (collector.grpc().await, Http::new(faces.http));
    let acknowledged = RefCell::new(Vec::new());
    let registering = async {
        for number in 0.. {
            let id = client.application(&format!("app-{number}")).await.unwrap();
            let path = format!(
                "{INSTANCE}?serviceName=s&ip=10.0.0.1&port={}",
                1_000 + number
            );
            let reply = http.call("POST", &path, None, &BTreeMap::new()).await;
            assert_eq!(reply.unwrap().text(), "ok");
            acknowledged.borrow_mut().push(id);
        }
    };
    let copying = async {
        let reaches = async |count| {
            let has = async || {
                (acknowledged.borrow().len() >= count)
                    .then_some(())
                    .ok_or(())
            };
            eventually(PATIENCE, has).await;
        };
        reaches(50).await;
        pause(&collector).await;
        let before = acknowledged.borrow().clone();
        copy(&data, &backup);
        collector.signal(Signal::CONT);
        reaches(before.len() + 10).await;
        before
    };
    let before = tokio::select! {
        () = registering => unreachable!("it has no end"),
        before = copying => before,
    };
    collector.kill();

    let (mut collector, faces) = nacos::collector(options(&backup, "always")).await;
    collector.expect_log("the store may be an older copy");
    let client = collector.grpc().await;
    for (number, id) in before.iter().enumerate() {
        let found = client.application(&format!("app-{number}")).await;
        assert_eq!(found.unwrap(), *id, "app-{number}");
    }
    let list = format!("{INSTANCE}/list?serviceName=s");
    let (http, headers) = (Http::new(faces.http), BTreeMap::new());
    let list = http.call("GET", &list, None, &headers).await.unwrap();
    let list: serde_json::Value = serde_json::from_str(&list.text()).unwrap();
    let hosts = list["hosts"].as_array().unwrap().len();
    assert!(hosts >= before.len(), "{hosts} of {}", before.len());
}
