//! The scenarios of [`conformance`] with the unmodified SkyWalking Java agent core 5.0.0-GA.

use rollcall_tests::{application::Agent::Java5, conformance};

#[tokio::test]
async fn is_registered_with_the_first_ids() {
    conformance::is_registered_with_the_first_ids(Java5).await;
}

#[tokio::test]
async fn learns_the_ids_of_names_and_addresses() {
    conformance::learns_the_ids_of_names_and_addresses(Java5).await;
}

#[tokio::test]
async fn stays_up_while_it_runs() {
    conformance::stays_up_while_it_runs(Java5).await;
}

#[tokio::test]
async fn survives_a_restart_of_the_collector() {
    conformance::survives_a_restart_of_the_collector(Java5).await;
}

#[tokio::test]
async fn keeps_its_ids_when_the_store_is_lost() {
    conformance::keeps_its_ids_when_the_store_is_lost(Java5).await;
}

#[tokio::test]
async fn is_marked_after_it_was_killed() {
    conformance::is_marked_after_it_was_killed(Java5).await;
}
