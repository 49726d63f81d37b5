//! Gaps between the events of two runs.

use super::*;

/// The numbers that a run skips after a crash are no events: how many it lost is unknown, also between two runs that are both over.
#[tokio::test]
async fn after_two_crashes_neither_gap_is_reported_with_a_number() {
    let directory = TempDir::new().unwrap();
    for number in 1..=2 {
        recording(&directory, async |feed| {
            feed.instance(at(number), registered(1));
        })
        .await;
    }
    recording(&directory, async |feed| {
        feed.instance(at(3), closed(1));
        let found = all(feed, 0).await;
        let gap = "None lost";
        let second = (state::SKIPPED + 2).to_string();
        let third = feed.newest().to_string();
        assert_eq!(found, ["1", gap, &second, gap, &third]);
    })
    .await;
}
