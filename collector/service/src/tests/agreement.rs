//! Collectors that share one log, one of which has diverged.

mod rosters;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rollcall_domain::{
    AddressId, Timestamp,
    inventory::{Address, Allocator, Application, Instance, Limits, Row},
};
use rollcall_storage::{Commit, LastSeen};
use tokio::{sync::broadcast, time::timeout};

use super::*;
use crate::events::Shared;

/// The store that collectors share: a sequence of entries, and the last report about each instance.
#[derive(Clone, Debug, Default)]
struct Log {
    entries: Arc<Mutex<Vec<Vec<Record>>>>,
    seen: Arc<Mutex<HashMap<InstanceId, LastSeen>>>,
}

/// The log in the state that one collector has read.
#[derive(Debug)]
struct Reader {
    log: Log,
    read: usize,
    given: HashMap<InstanceId, LastSeen>,
    /// Added to every digest that is written and subtracted from every digest that is read. It simulates another release, which
    /// hashes more of a row.
    release: u64,
    faults: Arc<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    /// The next catch-up loses its records.
    forgets: AtomicBool,
    /// The number of reads of the whole log.
    loads: AtomicUsize,
}

impl Reader {
    fn read(&mut self, sink: &mut dyn FnMut(Record)) {
        let entries = self.log.entries.lock();
        for record in entries.iter().skip(self.read).flatten() {
            sink(match record {
                Record::Digest(digest) => Record::Digest(digest.wrapping_sub(self.release)),
                other => other.clone(),
            });
        }
        self.read = entries.len();
        for seen in self.log.seen.lock().values() {
            let before = self.given.insert(seen.instance, *seen);
            sink(match before == Some(*seen) {
                true => Record::Unchanged(*seen),
                false => Record::LastSeen(*seen),
            });
        }
    }
}

impl Storage for Reader {
    fn is_shared(&self) -> bool {
        true
    }

    fn counts(&mut self) -> Result<storage::Counts, storage::Error> {
        Ok(storage::Counts::default())
    }

    fn load(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), storage::Error> {
        self.faults.loads.fetch_add(1, SeqCst);
        self.read = 0;
        self.read(sink);
        Ok(())
    }

    fn commit(&mut self, batch: Batch<'_>) -> Result<Commit, storage::Error> {
        let mut entries = self.log.entries.lock();
        if self.read < entries.len() {
            return Ok(Commit::Conflict);
        }
        let digest = batch.digest.map(|digest| digest.wrapping_add(self.release));
        let rows = batch.rows.iter().cloned().map(Record::Row);
        entries.push(rows.chain(digest.map(Record::Digest)).collect());
        self.read = entries.len();
        let seen = batch.seen.iter().map(|seen| (seen.instance, *seen));
        self.log.seen.lock().extend(seen);
        Ok(Commit::Durable)
    }

    fn catch_up(&mut self, sink: &mut dyn FnMut(Record)) -> Result<(), storage::Error> {
        if self.faults.forgets.swap(false, SeqCst) {
            self.read(&mut |_| ());
        } else {
            self.read(sink);
        }
        Ok(())
    }
}

struct Collector {
    services: Services,
    events: broadcast::Receiver<Event>,
    faults: Arc<Faults>,
    writer: JoinHandle<Result<(), Failure>>,
}

impl Collector {
    fn on(log: &Log, release: u64) -> Self {
        let faults = Arc::<Faults>::default();
        let (services, workers) = parts(Reader {
            log: log.clone(),
            read: 0,
            given: HashMap::new(),
            release,
            faults: Arc::clone(&faults),
        });
        Self {
            events: services.events.subscribe(),
            writer: start(workers.writer),
            services,
            faults,
        }
    }

    /// Waits until the collector has read the new entries.
    async fn catch_up(&self) {
        self.services.register.catch_up();
        self.services.register.record(Vec::new()).await.unwrap();
    }

    /// The events since the last call: its inventory differs (`false`), or agrees again (`true`).
    fn changes(&mut self) -> Vec<bool> {
        let mut changes = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let Some((about, agrees)) = agreement(event) {
                assert_eq!(about, Shared::Inventory);
                changes.push(agrees);
            }
        }
        changes
    }

    fn agrees(&self) -> bool {
        let metrics = self.services.exposition();
        metrics.contains("rollcall_inventory_diverged 0")
    }

    /// The state of an instance, and when it was last seen.
    fn known(&self, id: i32) -> (State, Timestamp) {
        let known = self.services.roster.instance(instance(id)).unwrap();
        (known.state, known.last_seen)
    }

    fn loads(&self) -> usize {
        self.faults.loads.load(SeqCst)
    }

    fn stop(self) {
        self.services.register.stop();
        self.writer.join().unwrap().unwrap();
    }
}

/// Rows in the form that a correct collector commits to an empty log.
fn entry(rows: &[Row]) -> Vec<Record> {
    let mut model = Allocator::new(Limits {
        assigned: 10,
        adopted: 10,
        bytes: usize::MAX,
    });
    rows.iter()
        .for_each(|row| model.restore(row.clone()).unwrap());
    let digest = Record::Digest(model.inventory().digest());
    rows.iter()
        .cloned()
        .map(Record::Row)
        .chain([digest])
        .collect()
}

fn address(id: i32) -> Row {
    Row::Address(Address {
        id: AddressId::new(id).unwrap(),
        address: Some(format!("10.0.0.1:{id}").into()),
    })
}

#[tokio::test]
async fn a_diverged_collector_that_writes_is_repaired() {
    let log = Log::default();
    let mut collectors = [0, 0, 0].map(|release| Collector::on(&log, release));
    let [writer, others @ ..] = &mut collectors;
    log.entries.lock().push(entry(&[address(-1)]));
    writer.faults.forgets.store(true, SeqCst);
    writer.catch_up().await;
    writer
        .services
        .register
        .application("orders")
        .await
        .unwrap();
    let [other, third] = others;
    other.catch_up().await;
    assert_eq!(other.changes(), [false], "the last entry is wrong");
    assert_eq!(other.loads(), 1);
    third.catch_up().await;
    assert!(
        third.changes().is_empty(),
        "the third collector reads the wrong digest together with the right one"
    );
    writer.catch_up().await;
    assert_eq!(writer.changes(), [false, true]);
    other.catch_up().await;
    assert_eq!(other.changes(), [true]);
    let entries = log.entries.lock().len();
    for collector in &mut collectors {
        collector.catch_up().await;
        assert!(collector.agrees());
    }
    assert_eq!(
        log.entries.lock().len(),
        entries,
        "no further digest is published"
    );
    collectors.into_iter().for_each(Collector::stop);
}

#[tokio::test]
async fn releases_that_hash_differently_read_the_store_once_and_work_on() {
    let log = Log::default();
    let mut collectors = [0, 0, 1].map(|release| Collector::on(&log, release));
    for round in 0..20 {
        for (number, collector) in collectors.iter().enumerate() {
            let code = format!("{round}-{number}");
            let register = collector.services.register.application(&code);
            timeout(DEADLINE, register).await.unwrap().unwrap();
        }
        for collector in &collectors {
            collector.catch_up().await;
        }
    }
    for collector in &mut collectors {
        assert_eq!(collector.loads(), 1);
        assert!(
            collector.changes().len() <= 2,
            "at most one divergence and its end"
        );
    }
    assert!(
        !collectors[2].agrees(),
        "no other collector publishes its digest"
    );
    assert!(log.entries.lock().len() <= 60 + collectors.len());
    collectors.into_iter().for_each(Collector::stop);
}

#[tokio::test]
async fn a_digest_does_not_cover_the_rows_after_it() {
    let log = Log::default();
    let mut reader = Collector::on(&log, 0);
    // The first part of a large batch; only the last part has the digest.
    let part = vec![Record::Row(address(-2))];
    log.entries.lock().extend([entry(&[address(-1)]), part]);
    reader.catch_up().await;
    assert!(reader.changes().is_empty());
    assert_eq!(reader.loads(), 0);
    assert!(reader.agrees());
    reader.stop();
}
