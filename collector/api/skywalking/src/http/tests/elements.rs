//! The limit on the elements of one body, in every HTTP call of agents of every generation.

use rollcall_limits::work::MAX_BATCH as KEY;
use rollcall_service::testing::MAX_BATCH;

use super::*;
use crate::http::registration::calls;

/// A body that every call refuses.
fn hostile() -> String {
    let body = format!("[{}0]", "0,".repeat(MAX_BATCH));
    assert!(body.len() <= limits().max_body_size);
    body
}

/// A call added without a limit fails here.
#[tokio::test]
async fn every_call_refuses_a_body_with_too_many_elements_or_bytes() {
    let collector = Collector::start();
    let calls = calls(&collector.fixture.services, &limits());
    for call in ["/application/register", "/v2/segments", "/v3/segments"] {
        assert!(calls.contains(&call), "{call}");
    }
    for call in &calls {
        let reply = collector.post(call, hostile()).await;
        assert_eq!(reply.refused(413), "body", "{call}");
        assert!(reply.text().contains(KEY), "{call}: {}", reply.text());
        let reply = collector.post(call, " ".repeat((64 << 10) + 1)).await;
        assert_eq!(reply.refused(413), "body", "{call}");
    }
    let written = collector.fixture.services.exposition();
    assert!(written.contains("adopted=\"true\"} 0"), "{written}");
    let nothing = "rollcall_budget_bytes{budget=\"work\"} 0";
    assert!(written.contains(nothing), "{written}");
}
