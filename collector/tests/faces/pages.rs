//! Pages of lists, bounded in bytes.

use rollcall_domain::{
    ApplicationId, InstanceId, Moment, Timestamp,
    inventory::{Application, Instance, Row},
    liveness::{LeaseRecord, Signal, State},
};

use super::*;

/// Instances with the largest property values that are stored; each control character takes six bytes in JSON.
const INSTANCES: i32 = 40;
const VALUE: usize = 60 << 10;

fn fleet() -> Collector {
    let application = ApplicationId::new(-1).unwrap();
    let at = Timestamp::from_millis(0);
    let ids = || (1..=INSTANCES).map(|id| InstanceId::new(id).unwrap());
    Collector::on(Fixture::restored(|allocator, lessor| {
        let row = Row::Application(Application {
            id: application,
            code: Some("orders".into()),
            registered_at: at,
            alias_of: None,
        });
        allocator.restore(row).unwrap();
        for id in ids() {
            let value = if id.get() % 2 == 0 { "\u{1}" } else { "x" };
            let row = Row::Instance(Instance {
                id,
                application: Some(application),
                uuid: Some(format!("uuid-{id}").into()),
                registered_at: at,
                generation: None,
                adopted: false,
                properties: [("value", value.repeat(VALUE))].into_iter().collect(),
            });
            allocator.restore(row).unwrap();
            let lease = LeaseRecord {
                observer: rollcall_domain::liveness::Observer::Here,
                key: id,
                last_seen: Moment::from_millis(0),
                signal: Signal::Heartbeat,
                state: State::Up,
                usual: Duration::ZERO,
                forgotten: false,
            };
            lessor.restore(lease, Moment::from_millis(0));
        }
    }))
}

#[tokio::test]
async fn pages_end_at_their_size_and_together_have_every_item() {
    let collector = fleet();
    for path in ["/api/instances", "/api/applications/-1/instances"] {
        let (mut ids, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = collector.get(&format!("{path}?limit=1000{cursor}")).await;
            assert_eq!(page.status, 200);
            assert!(
                page.body.len() <= MAX_PAGE + 100,
                "{} bytes",
                page.body.len()
            );
            let page = page.json();
            let items = page["items"].as_array().unwrap();
            ids.extend(items.iter().map(|item| item["id"].as_i64().unwrap()));
            pages += 1;
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(ids, (1..=i64::from(INSTANCES)).collect::<Vec<_>>());
        assert!(pages >= 8, "{path}: {pages} pages");
    }
}

#[tokio::test]
async fn a_page_for_which_there_is_no_memory_is_refused() {
    let collector = fleet();
    let held = collector.answers.try_charge(7 << 20).unwrap();
    let refused = collector.get("/api/instances?limit=1000").await;
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("answers"), "{}", refused.text());
    drop(held);
    assert_eq!(collector.get("/api/instances?limit=1000").await.status, 200);
    assert_eq!(collector.answers.held(), 0);
}
