//! Compares the collector's answers with the answers of real Nacos servers of three generations to the same calls.
//!
//! `tests/golden/nacos` has the recorded conversations. Each test replays one of them with its own collector and compares the
//! answers key by key. Every difference must be in `differences.toml` with its reason, and every row there must still differ. If
//! the recorded servers contradict each other, the rows name the server that the collector follows.
//!
//! Times, counters, addresses of the recording machine and the order of hosts are not compared. The recordings include waits for
//! the delays of the real servers. The collector applies a change before it answers, so the tests wait only for pushes.

mod compare;
mod grpc;
mod http;
mod table;
mod udp;

use std::{fs, path::PathBuf};

use rollcall_tests::{nacos, process::Collector};
use serde::de::DeserializeOwned;

use crate::table::Table;

/// Reads a recorded conversation: one JSON object per line.
fn recording<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = golden(&format!("{name}.jsonl"));
    let text = fs::read_to_string(&path).expect("a recorded conversation");
    let lines = text.lines().enumerate();
    lines
        .map(|(number, line)| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{}:{}: {error}", path.display(), number + 1))
        })
        .collect()
}

fn golden(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden/nacos")
        .join(file)
}

async fn replay_http(scenario: &str) {
    let (_collector, server) = nacos::collector(Collector::options()).await;
    let findings = http::replay(server.http, recording(scenario)).await;
    Table::read(&golden("differences.toml")).check(scenario, findings);
}

#[tokio::test]
async fn calls_of_1_x_clients_are_answered_as_recorded() {
    replay_http("v1").await;
}

#[tokio::test]
async fn calls_of_the_v2_api_are_answered_as_recorded() {
    replay_http("v2").await;
}

#[tokio::test]
async fn calls_of_the_v3_api_are_answered_as_recorded() {
    replay_http("v3").await;
}

#[tokio::test]
async fn a_grpc_conversation_is_answered_as_recorded() {
    let (_collector, server) = nacos::collector(Collector::options()).await;
    let findings = grpc::replay(server.grpc, recording("grpc")).await;
    Table::read(&golden("differences.toml")).check("grpc", findings);
}

#[tokio::test]
async fn a_push_over_udp_has_the_recorded_content() {
    let (_collector, server) = nacos::collector(Collector::options()).await;
    let push = recording("udp").remove(0);
    let findings = udp::replay(server.http, &push).await;
    Table::read(&golden("differences.toml")).check("udp", findings);
}
