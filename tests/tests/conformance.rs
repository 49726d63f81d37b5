//! Tests every promise with every agent (see [`rollcall_tests::conformance`]), and writes the table of the results.

use std::path::Path;

use rollcall_tests::{conformance, results};

const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/RESULTS.md");

#[tokio::test]
async fn every_agent_is_served_as_promised() {
    let results = conformance::every_agent(env!("CARGO_BIN_EXE_observed-application")).await;
    results::write(Path::new(RESULTS), &results.document());
    let broken = results.broken();
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}
