//! Tests every promise with every Nacos client (see [`rollcall_tests::nacos`]), and writes the table of the results.

use std::{path::Path, rc::Rc, thread};

use rollcall_tests::{
    nacos::{self, Client, Outcome, Results, Row},
    process::collector_binary,
    results,
};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, LocalSet},
};

const RESULTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/NACOS.md");

/// The number of clients that run at a time, with two processes each. It is small, because the tests time the clients' reports.
const LIVES: usize = 2;

#[tokio::test]
async fn every_client_is_served_as_promised() {
    let clients = nacos::all();
    collector_binary();
    thread::scope(|scope| {
        for client in &clients {
            scope.spawn(|| client.install());
        }
    });
    let alone = lives(&clients).await;
    let together = nacos::on_one_collector(&clients).await;
    let rows = clients.into_iter().zip(alone).zip(together);
    let results = Results::new(
        rows.map(|((client, mut outcomes), together)| {
            outcomes.extend(together);
            Row { client, outcomes }
        })
        .collect(),
    );
    results::write(Path::new(RESULTS), &results.document());
    let broken = results.broken();
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

async fn lives(clients: &[Client]) -> Vec<Vec<Outcome>> {
    let permits = Rc::new(Semaphore::new(LIVES));
    let mut lives = JoinSet::new();
    let mut outcomes = LocalSet::new()
        .run_until(async {
            for (place, client) in clients.iter().copied().enumerate() {
                let permits = Rc::clone(&permits);
                lives.spawn_local(async move {
                    let _permit = permits.acquire().await.expect("an open semaphore");
                    let outcomes = nacos::on_its_own_collector(client).await;
                    let broken = Results::new(vec![Row {
                        client,
                        outcomes: outcomes.clone(),
                    }])
                    .broken();
                    eprintln!(
                        "{client}: {}",
                        if broken.is_empty() {
                            "held".to_owned()
                        } else {
                            broken.join("\n")
                        }
                    );
                    (place, outcomes)
                });
            }
            lives.join_all().await
        })
        .await;
    outcomes.sort_by_key(|&(place, _)| place);
    outcomes.into_iter().map(|(_, outcomes)| outcomes).collect()
}
