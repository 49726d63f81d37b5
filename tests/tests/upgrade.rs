//! Tests a rolling upgrade. A member of a later release writes values that this release does not know, while real collectors share
//! the store, stop and start again. The collectors keep the values, show them as unknown, and continue to serve.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use rollcall_domain::{
    ApplicationId, InstanceId,
    inventory::{
        Allocator, Generation, Instance, Limits, NewInstance, Operation, OperationKey, Properties,
        Row, SpanType,
    },
    liveness::{Signal, State},
};
use rollcall_etcd::{Client, Config};
use rollcall_runtime::Clock;
use rollcall_storage::{Batch, Commit, LastSeen, Record, Storage, etcd};
use rollcall_tests::{
    PATIENCE,
    cluster::{Cluster, Member},
    eventually,
    process::{Collector, Options},
    query,
};
use tokio::{runtime::Handle, task::spawn_blocking};

/// Values that this release does not know.
const GENERATION: u8 = 9;
const SPAN_TYPE: u8 = 200;
const SIGNAL: u8 = 40;
/// The store's format as the later release records it. Builds that use version 2 can read it.
const FORMAT: (&str, &[u8]) = ("/rollcall/store/format", b"3");
/// A key of a kind that this release does not know.
const KEY: &str = "/rollcall/store/later/0000000001";

/// Limits that the test never reaches.
const LIMITS: Limits = Limits {
    assigned: 1000,
    adopted: 1000,
    bytes: 1 << 30,
};

/// The member of the later release. It runs this release's storage code with other values.
struct Later {
    storage: Box<dyn Storage>,
    allocator: Allocator,
    rows: Vec<Row>,
    seen: BTreeMap<InstanceId, LastSeen>,
    clock: Clock,
}

impl Later {
    /// Opens the store and reads all of it. Blocks.
    fn join(address: SocketAddr, runtime: &Handle) -> Self {
        let _within = runtime.enter();
        let client = Client::new(&Config {
            endpoints: vec![address.to_string()],
            ..Config::default()
        });
        let clock = Clock::start();
        let client = client.expect("a client of etcd");
        let opened = etcd::open(client, clock, runtime.clone(), "").expect("the store");
        let mut later = Self {
            storage: opened.storage,
            allocator: Allocator::new(LIMITS),
            rows: Vec::new(),
            seen: BTreeMap::new(),
            clock,
        };
        later.read(|storage, sink| storage.load(sink));
        later
    }

    fn read(
        &mut self,
        read: impl FnOnce(
            &mut dyn Storage,
            &mut dyn FnMut(Record),
        ) -> Result<(), rollcall_storage::Error>,
    ) {
        let mut records = Vec::new();
        read(&mut *self.storage, &mut |record| records.push(record)).expect("a readable store");
        for record in records {
            match record {
                Record::Row(row) => self.add(row),
                Record::Changed(instance) => self.add(Row::Instance(instance)),
                Record::LastSeen(seen) | Record::Unchanged(seen) => {
                    self.seen.insert(seen.instance, seen);
                }
                Record::Digest(_) => {}
                Record::Damage(damage) => panic!("{damage:?}"),
            }
        }
    }

    fn add(&mut self, row: Row) {
        self.rows.push(row.clone());
        self.allocator.restore(row).expect("no contradiction");
    }

    /// Registers a process and an operation of the application with values of the later release, and records a signal of the
    /// process.
    fn register(&mut self, application: ApplicationId, name: &str) -> InstanceId {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.read(|storage, sink| storage.read_latest(sink));
            let mut proposal = self.allocator.propose(self.clock.wall());
            let process = NewInstance {
                application,
                uuid: name.into(),
                generation: Generation::from_number(GENERATION),
                properties: Properties::default(),
            };
            let instance = proposal.instance(process).expect("an id");
            let operation = OperationKey {
                application,
                span_type: SpanType::from_number(SPAN_TYPE),
                name: name.into(),
            };
            proposal.operation(operation).expect("an id");
            let seen = LastSeen {
                observer: None,
                instance,
                last_seen: self.clock.wall(),
                signal: Signal::from_code(SIGNAL).expect("a code"),
                state: State::Up,
                usual: Duration::ZERO,
                forgotten: false,
            };
            let committed = self.storage.commit(Batch {
                rows: proposal.rows(),
                seen: &[seen],
                digest: Some(proposal.digest()),
            });
            match committed {
                Ok(Commit::Durable) => {
                    proposal.confirm();
                    return instance;
                }
                Ok(_) => {}
                // etcd may answer late on a busy machine.
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
        }
    }

    /// The number of instances and operations with values of the later release, and the recorded signal of an instance.
    fn kept(&self, instance: InstanceId) -> (usize, usize, Option<u8>) {
        let (mut instances, mut operations) = (BTreeSet::new(), BTreeSet::new());
        for row in &self.rows {
            match row {
                Row::Instance(Instance { id, generation, .. })
                    if *generation == Generation::from_number(GENERATION) =>
                {
                    instances.insert(*id);
                }
                Row::Operation(Operation { id, key: Some(key) })
                    if key.span_type.number() == SPAN_TYPE =>
                {
                    operations.insert(*id);
                }
                _ => {}
            }
        }
        let signal = self.seen.get(&instance).map(|seen| seen.signal.code());
        (instances.len(), operations.len(), signal)
    }
}

fn options() -> Options {
    Collector::options().env("SW_LIVENESS_WRITE_BACK_INTERVAL", "200ms")
}

/// Checks that the member shows the process of the later release as up and of an unknown generation.
async fn shows(member: &Member, instance: InstanceId) {
    let query = member.collector.query();
    eventually(PATIENCE, async || {
        let shown = query.instance(instance.get()).await?;
        let state = (shown.state, shown.generation.as_deref());
        if state == (query::State::Up, Some("unknown")) {
            Ok(())
        } else {
            Err(format!("{shown:?}"))
        }
    })
    .await;
}

/// Checks that the member assigns an id to a new name, and renews the lease of a process that is stored under the same key as the
/// process of the later release.
async fn serves(member: &Member, name: &str, neighbour: i32) {
    let client = member.collector.grpc().await;
    eventually(PATIENCE, async || client.application(name).await).await;
    eventually(PATIENCE, async || client.heartbeat(neighbour).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_a_later_release_survive_restarts_of_the_members() {
    let mut cluster = Cluster::start_with(3, options).await;
    let client = cluster.members[0].collector.grpc().await;
    let orders = client.application("orders").await.unwrap();
    let neighbour = client.instance(orders, "neighbour").await.unwrap();
    let application = ApplicationId::new(orders).unwrap();

    let (address, runtime) = (cluster.etcd.address(), Handle::current());
    cluster.etcd.put(FORMAT.0, FORMAT.1).await;
    cluster.etcd.put(KEY, b"x").await;
    let joined = {
        let runtime = runtime.clone();
        spawn_blocking(move || {
            let mut later = Later::join(address, &runtime);
            let instance = later.register(application, "first");
            (later, instance)
        })
    };
    let (mut later, first) = joined.await.unwrap();
    for (number, member) in cluster.members.iter().enumerate() {
        shows(member, first).await;
        serves(member, &format!("before {number}"), neighbour).await;
    }

    // Each member in turn stops while the others serve, and reads the whole store again when it restarts.
    for number in 0..cluster.members.len() {
        cluster.members[number].collector.terminate().await;
        let written = spawn_blocking(move || {
            let instance = later.register(application, &format!("while {number} is stopped"));
            (later, instance)
        });
        let instance;
        (later, instance) = written.await.unwrap();
        for (other, member) in cluster.members.iter().enumerate() {
            if other != number {
                serves(member, &format!("{number} {other}"), neighbour).await;
            }
        }
        cluster.members[number].collector.restart().await;
        for member in &cluster.members {
            shows(member, first).await;
            shows(member, instance).await;
        }
        let member = &cluster.members[number];
        serves(member, &format!("after {number}"), neighbour).await;
    }
    cluster.join().await;
    shows(&cluster.members[3], first).await;
    cluster.settle().await;

    let kept = spawn_blocking(move || Later::join(address, &runtime).kept(first));
    assert_eq!(kept.await.unwrap(), (4, 4, Some(SIGNAL)));
    for (key, value) in [FORMAT, (KEY, b"x")] {
        assert!(cluster.etcd.holds(key, value).await, "{key}");
    }
}
