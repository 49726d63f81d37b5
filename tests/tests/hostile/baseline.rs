//! Tests the harness itself: without an attack, every promise is kept.

use rollcall_tests::process::Collector;

use crate::victim::Victim;

#[tokio::test]
async fn a_collector_without_an_attacker_keeps_every_promise() {
    let victim = Victim::start(Collector::options()).await;
    victim.agent_makes_progress().await;
    victim.survives().await;
}
