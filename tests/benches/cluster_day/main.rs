//! Simulates a day of a cluster, and measures the size of etcd and of the members at its end.
//!
//! Two members, which consist of a store and an inventory only, work alternately on a real etcd. Its history is compacted after
//! every round, as with `--auto-compaction-retention`. The day has 144 rounds of ten minutes. In each round, the last-seen times of
//! all instances are written back, some instances restart and report different properties, and some other instances report
//! different properties in every round. Three times a day, a deployment renames all instances.
//!
//! Run it with `cargo bench -p rollcall-tests --bench cluster_day`.

use std::{fs, time::Instant};

use rollcall_domain::{
    ApplicationId, InstanceId, Timestamp,
    inventory::{Allocator, Generation, Limits, NewInstance, Properties, Row},
    liveness::{Signal, State},
};
use rollcall_etcd::{self as etcd, Client};
use rollcall_runtime::Clock;
use rollcall_storage::{self as storage, Batch, Commit, LastSeen, Record, Storage};
use rollcall_tests::engine::{Etcd, Server};
use tokio::runtime::Handle;

const INSTANCES: usize = 100_000;
const APPLICATIONS: usize = 200;
const ROUNDS: usize = 144;
/// The number of rounds between two deployments, which rename every instance.
const DEPLOY_EVERY: usize = 48;
/// The number of instances that restart in a round, and of instances that report different properties in every round.
const RESTARTS: usize = 700;
const CHURNING: usize = 1_000;
/// The largest number of rows in one commit.
const BATCH: usize = 1_000;

/// A member: its inventory and the shared store.
struct Member {
    allocator: Allocator,
    storage: Box<dyn Storage>,
}

impl Member {
    fn start(etcd: &Server<Etcd>) -> Self {
        let config = etcd::Config {
            endpoints: vec![etcd.address().to_string()],
            ..etcd::Config::default()
        };
        let client = Client::new(&config).expect("a client");
        let opened = storage::etcd::open(client, Clock::start(), Handle::current(), "");
        let mut member = Self {
            allocator: Allocator::new(Limits {
                assigned: usize::MAX,
                adopted: usize::MAX,
                bytes: usize::MAX,
            }),
            storage: opened.expect("a store").storage,
        };
        member.apply_from(|storage, sink| storage.load(sink));
        member
    }

    fn apply_from(
        &mut self,
        read: impl FnOnce(&mut dyn Storage, &mut dyn FnMut(Record)) -> Result<(), storage::Error>,
    ) {
        let allocator = &mut self.allocator;
        let read = read(&mut *self.storage, &mut |record| match record {
            Record::Row(row) => allocator.restore(row).expect("rows that agree"),
            Record::Changed(instance) => {
                let applied = allocator.restore(Row::Instance(instance));
                applied.expect("rows that agree");
            }
            Record::Damage(damage) => panic!("{damage:?}"),
            Record::LastSeen(_) | Record::Unchanged(_) | Record::Digest(_) => {}
        });
        read.expect("a store that answers");
    }

    /// Registers these processes and returns their ids.
    fn register(&mut self, at: Timestamp, processes: &[NewInstance]) -> Vec<InstanceId> {
        loop {
            let mut proposal = self.allocator.propose(at);
            let ids = processes
                .iter()
                .map(|process| proposal.instance(process.clone()).expect("an id"))
                .collect();
            let batch = Batch {
                rows: proposal.rows(),
                seen: &[],
                digest: Some(proposal.digest()),
            };
            if self.storage.commit(batch).expect("a commit") == Commit::Durable {
                proposal.confirm();
                return ids;
            }
            drop(proposal);
            self.apply_from(|storage, sink| storage.read_latest(sink));
        }
    }

    fn record_seen(&mut self, seen: &[LastSeen]) {
        for seen in seen.chunks(4096) {
            let batch = Batch {
                rows: &[],
                seen,
                digest: None,
            };
            while self.storage.commit(batch).expect("a commit") == Commit::Conflict {
                self.apply_from(|storage, sink| storage.read_latest(sink));
            }
        }
    }
}

/// A process with the names of a deployment and properties as Java agents report them.
fn process(number: usize, deploy: usize, report: usize) -> NewInstance {
    let application = i32::try_from(number % APPLICATIONS).expect("few") + 2;
    let properties = [
        ("OS Name".to_owned(), "Linux".to_owned()),
        ("Process No.".to_owned(), (report * 7 + 1).to_string()),
        ("hostname".to_owned(), format!("orders-{deploy}-{number}")),
        ("language".to_owned(), "java".to_owned()),
        (
            "ipv4s".to_owned(),
            format!("10.0.{}.{}", number / 256 % 256, number % 256),
        ),
        (
            "JVM Arguments".to_owned(),
            format!("-Xmx2g -Dreport={report} {}", "-XX:+UseG1GC ".repeat(12)),
        ),
    ];
    NewInstance {
        application: ApplicationId::new(application).expect("not 0"),
        uuid: format!(
            "deploy-{deploy}-{number:08}@10.0.{}.{}",
            number / 256 % 256,
            number % 256
        )
        .into(),
        generation: Some(Generation::V8),
        properties: properties.into_iter().collect::<Properties>(),
    }
}

fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("the status of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.expect("a size in kB") * 1024
}

#[tokio::main]
async fn main() {
    let etcd = Server::<Etcd>::start().await;
    println!(
        "| | etcd, in use | keys of the log | of the snapshot | of changed instances | resident, {MEMBERS} members |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
    let mut members: Vec<Member> = (0..MEMBERS)
        .map(|_| tokio::task::block_in_place(|| Member::start(&etcd)))
        .collect();
    let start = Instant::now();
    let mut ids = Vec::new();
    for round in 0..ROUNDS {
        let deploy = round / DEPLOY_EVERY;
        let at = Timestamp::from_millis(
            1_700_000_000_000 + i64::try_from(round).expect("few") * 600_000,
        );
        tokio::task::block_in_place(|| {
            let member = &mut members[round % MEMBERS];
            member.apply_from(|storage, sink| storage.read_latest(sink));
            if round % DEPLOY_EVERY == 0 {
                let processes: Vec<_> = (0..INSTANCES)
                    .map(|number| process(number, deploy, 0))
                    .collect();
                ids = processes
                    .chunks(BATCH)
                    .flat_map(|some| member.register(at, some))
                    .collect();
            }
            let restarted = (0..RESTARTS).map(|place| (round * RESTARTS + place) % INSTANCES);
            let reports: Vec<_> = restarted
                .chain(0..CHURNING)
                .map(|number| process(number, deploy, round + 1))
                .collect();
            reports
                .chunks(BATCH)
                .for_each(|some| drop(member.register(at, some)));
            let seen: Vec<_> = ids.iter().map(|id| seen(*id, at)).collect();
            member.record_seen(&seen);
        });
        etcd.compact().await;
        if round % DEPLOY_EVERY == 0 || (round + 1) % DEPLOY_EVERY == 0 {
            report(&etcd, round).await;
        }
    }
    let took = start.elapsed();
    let begun = Instant::now();
    let late = tokio::task::block_in_place(|| Member::start(&etcd));
    println!(
        "\nThe day took {took:.0?}; a member that starts at its end reads the whole store in {:.1?}.",
        begun.elapsed()
    );
    tokio::task::block_in_place(|| {
        let last = &mut members[(ROUNDS - 1) % MEMBERS];
        last.apply_from(|storage, sink| storage.read_latest(sink));
        assert_eq!(
            late.allocator.inventory().digest(),
            last.allocator.inventory().digest()
        );
    });
}

const MEMBERS: usize = 2;

fn seen(instance: InstanceId, at: Timestamp) -> LastSeen {
    LastSeen {
        observer: None,
        instance,
        last_seen: at,
        signal: Signal::Heartbeat,
        state: State::Up,
        usual: std::time::Duration::ZERO,
        forgotten: false,
    }
}

async fn report(etcd: &Server<Etcd>, round: usize) {
    let of = async |name: &str| etcd.count(&format!("/rollcall/store/{name}/")).await;
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    println!(
        "| after {} h | {} | {} | {} | {} | {} |",
        (round + 1) / 6,
        mib(etcd.bytes_in_use().await),
        of("log").await,
        of("snapshot").await,
        of("changed").await,
        mib(resident()),
    );
}
