//! Tests that acknowledged ids survive when a collector is killed at random moments while agents register.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use fastrand::Rng;
use rollcall_tests::{
    grpc::Client,
    key::{Dictionary, Key},
    process::Collector,
};
use tokio::task::JoinSet;

const ROUNDS: u32 = 100;
const WRITERS: u32 = 64;
const CONNECTIONS: usize = 8;
/// The longest time from the writers' start to a kill. It is short, so that most kills happen during a commit.
const LONGEST_ROUND: Duration = Duration::from_millis(150);
/// The number of acknowledged keys that are requested again after each kill.
const SAMPLE: usize = 200;

/// All acknowledged ids.
#[derive(Debug, Default)]
struct Ledger {
    ids: BTreeMap<Key, i32>,
    keys: BTreeMap<(Dictionary, i32), Key>,
}

impl Ledger {
    /// Records an answer, and panics if it contradicts an earlier one.
    fn record(&mut self, key: Key, id: i32) {
        match self.keys.entry((key.dictionary(), id)) {
            Entry::Vacant(entry) => drop(entry.insert(key.clone())),
            Entry::Occupied(entry) => assert_eq!(*entry.get(), key, "id {id} was assigned twice"),
        }
        let earlier = self.ids.insert(key.clone(), id);
        assert!(
            earlier.is_none_or(|earlier| earlier == id),
            "{key:?} had the id {earlier:?} and now has {id}"
        );
    }

    /// Requests all of `keys` again, and records the answers.
    async fn check(&mut self, collector: &Collector, keys: Vec<Key>) {
        let mut callers = JoinSet::new();
        for keys in keys.chunks(keys.len().div_ceil(CONNECTIONS).max(1)) {
            let (keys, client) = (keys.to_vec(), collector.grpc().await);
            callers.spawn(async move {
                let mut answers = Vec::new();
                for key in keys {
                    let answer = key
                        .register(&client)
                        .await
                        .expect("an answer to a known key");
                    let id = answer.unwrap_or_else(|| panic!("{key:?} was forgotten"));
                    answers.push((key, id));
                }
                answers
            });
        }
        for (key, id) in callers.join_all().await.into_iter().flatten() {
            self.record(key, id);
        }
    }
}

/// Requests new ids of every kind until the collector is dead. Other writers request some of the same keys.
async fn write(client: Client, round: u32, writer: u32) -> Vec<(Key, i32)> {
    let mut acknowledged = Vec::new();
    let mut application = 0;
    for n in 0.. {
        let own = format!("r{round}w{writer}n{n}");
        let shared = format!("r{round}n{n}");
        for key in [
            Key::Application(own.clone()),
            Key::Application(shared.clone()),
            Key::Instance(application, own.clone()),
            Key::Operation(application, shared),
            Key::Address(own),
        ] {
            if matches!(key, Key::Instance(0, _) | Key::Operation(0, _)) {
                continue;
            }
            match key.register(&client).await {
                Err(_disconnected) => return acknowledged,
                Ok(None) => {}
                Ok(Some(id)) => {
                    if matches!(key, Key::Application(_)) {
                        application = id;
                    }
                    acknowledged.push((key, id));
                }
            }
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_id_is_lost_changed_or_assigned_twice() {
    let seed = std::env::var("KILL9_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("KILL9_SEED={seed} repeats the moments of these kills");
    let mut random = Rng::with_seed(seed);
    let mut ledger = Ledger::default();
    let mut collector = Collector::start().await;
    for round in 0..ROUNDS {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(collector.grpc().await);
        }
        let mut writers = JoinSet::new();
        for (writer, client) in (0..WRITERS).zip(clients.iter().cycle()) {
            writers.spawn(write(client.clone(), round, writer));
        }
        tokio::time::sleep(LONGEST_ROUND.mul_f64(random.f64())).await;
        collector.kill();
        for (key, id) in writers.join_all().await.into_iter().flatten() {
            ledger.record(key, id);
        }
        collector.restart().await;
        let sample = random.choose_multiple(ledger.ids.keys().cloned(), SAMPLE);
        ledger.check(&collector, sample).await;
    }
    let known = ledger.ids.len();
    println!("{known} ids were acknowledged over {ROUNDS} kills");
    assert!(known > 1000, "too few ids for a meaningful result: {known}");
    let all = ledger.ids.keys().cloned().collect();
    ledger.check(&collector, all).await;
}
