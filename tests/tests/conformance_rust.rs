//! The scenarios of [`conformance`] with `rollcall-agent`.

use rollcall_tests::{application::Agent, conformance};

/// The program that is observed.
const RUST: Agent = Agent::Rust(env!("CARGO_BIN_EXE_observed-application"));

#[tokio::test]
async fn is_registered_with_the_first_ids() {
    conformance::is_registered_with_the_first_ids(RUST).await;
}

#[tokio::test]
async fn learns_the_ids_of_names_and_addresses() {
    conformance::learns_the_ids_of_names_and_addresses(RUST).await;
}

#[tokio::test]
async fn stays_up_while_it_runs() {
    conformance::stays_up_while_it_runs(RUST).await;
}

#[tokio::test]
async fn survives_a_restart_of_the_collector() {
    conformance::survives_a_restart_of_the_collector(RUST).await;
}

#[tokio::test]
async fn keeps_its_ids_when_the_store_is_lost() {
    conformance::keeps_its_ids_when_the_store_is_lost(RUST).await;
}

#[tokio::test]
async fn is_marked_after_it_was_killed() {
    conformance::is_marked_after_it_was_killed(RUST).await;
}
