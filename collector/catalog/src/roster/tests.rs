//! Syncs of the journal while the rows are written.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::*;
use crate::{
    Catalog, Config, NoEvents, open,
    store::{Journal as _, Memory, Store, Stores},
    testing::TestClock,
};

/// A store of rosters. An instance registers during its first commit, and the machine crashes during the second one.
#[derive(Debug, Default)]
struct Crashing {
    memory: Memory,
    catalog: Mutex<Option<Catalog>>,
    commits: AtomicUsize,
    is_late_kept: AtomicBool,
    crashed: Notify,
}

impl Store<Table> for Crashing {
    fn load(&self) -> Result<Vec<Row>, Error> {
        self.memory.load()
    }

    fn get(&self, table: Table, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.memory.get(table, key)
    }

    fn commit(&self, changes: &[Change]) -> Result<(), Error> {
        self.memory.commit(changes)?;
        match self.commits.fetch_add(1, Relaxed) {
            0 => {
                let catalog = self.catalog.lock().clone().unwrap();
                register(&catalog, "late");
            }
            1 => {
                self.memory.lose_unsynced();
                let lines = String::from_utf8(self.memory.lines()?).unwrap();
                self.is_late_kept.store(lines.contains("late"), Relaxed);
                self.crashed.notify_one();
            }
            _ => {}
        }
        Ok(())
    }
}

fn register(catalog: &Catalog, service: &str) {
    let key = ServiceKey::new("", "", service).unwrap();
    let at = Endpoint::new("10.0.0.1", 80, "").unwrap();
    let registration = Registration::new(at, Kind::Ephemeral);
    let registered = catalog.register_ephemeral(&Publisher::Operator, &key, registration);
    registered.unwrap();
}

/// A regression test: a write of many rows takes long, and the journal was synced only after it.
#[tokio::test(start_paused = true)]
async fn the_journal_is_synced_between_two_commits_of_a_write() {
    let store = Arc::new(Crashing::default());
    let stores = Stores {
        roster: Some(Arc::clone(&store) as Arc<dyn Store<Table>>),
        ..store.memory.clone().into()
    };
    let clock = Arc::new(TestClock::start());
    let (catalog, workers) = open(Config::default(), clock, stores, Arc::new(NoEvents)).unwrap();
    for number in 0..BATCH {
        register(&catalog, &number.to_string());
    }
    *store.catalog.lock() = Some(catalog);
    tokio::select! {
        ended = workers.run(CancellationToken::new()) => panic!("the workers ended: {ended:?}"),
        () = store.crashed.notified() => {}
    }
    assert!(store.is_late_kept.load(Relaxed));
}

/// A line has the text of the key as it is, a row has it built from the parts.
#[test]
fn the_journal_and_the_rows_name_a_service_alike() {
    let service = ServiceKey::new("tenant", "group", "name").unwrap();
    let in_a_line: &str = std::borrow::Borrow::borrow(&service);
    assert_eq!(in_a_line, rows::service_text(&service));
    assert_eq!(rows::service_of(in_a_line), Some(service));
}
