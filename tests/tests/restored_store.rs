//! Tests a collector that starts on an older copy of its store, while agents hold ids that were assigned after the copy was made.

use std::{path::Path, process::Command};

use rollcall_tests::{
    PATIENCE, eventually,
    process::{Collector, Options},
};
use tonic::Code;

fn options(data: &Path, listen: &str) -> Options {
    Collector::options()
        .data_dir(data)
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
    std::fs::create_dir(&data).unwrap();
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

    std::fs::remove_dir_all(&data).unwrap();
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
