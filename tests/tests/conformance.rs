//! Tests every promise with every agent: see [`rollcall_tests::conformance`]. Also writes the table of the results.

use std::fs;

use rollcall_tests::conformance;

const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/RESULTS.md");

#[tokio::test]
async fn every_agent_is_served_as_promised() {
    let results = conformance::every_agent(env!("CARGO_BIN_EXE_observed-application")).await;
    fs::write(RESULTS, results.document()).expect("writing the results");
    let broken = results.broken();
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}
