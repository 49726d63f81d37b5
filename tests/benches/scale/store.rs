//! Writes the store of a fleet directly, without a collector.

use std::time::SystemTime;

use rollcall_domain::{
    InstanceId, Timestamp,
    inventory::{Allocator, Generation, Instance, Limits, Properties, Row},
    liveness::{Signal, State},
};
use rollcall_storage::{
    Batch, Commit, LastSeen, Storage,
    embedded::{self, Embedded},
};
use rollcall_tests::process::{Collector, Options};
use tempfile::TempDir;

/// The number of instances of one application.
const PER_APPLICATION: u32 = 500;
/// The number of rows in one commit.
const BATCH: usize = 50_000;

/// A store with instances of 5.x agents. Their ids are the numbers from 1 on, without gaps.
#[derive(Debug)]
pub(crate) struct Store(TempDir);

impl Store {
    pub(crate) fn write(size: u32) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let config = embedded::Config {
            path: directory.path().join("data"),
            namespace: String::new(),
        };
        let mut storage = embedded::open(&config).expect("a new store");
        storage.load(&mut |_| {}).expect("an empty store");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.expect("a clock after 1970").as_millis();
        let now = Timestamp::from_millis(i64::try_from(now).expect("a time that fits into an i64"));
        let applications = applications(&mut storage, size.div_ceil(PER_APPLICATION), now);
        let numbers: Vec<_> = (0..size).collect();
        for some in numbers.chunks(BATCH) {
            let rows: Vec<_> = some
                .iter()
                .map(|number| {
                    let application = applications[(number / PER_APPLICATION) as usize].clone();
                    instance(application, *number, now)
                })
                .collect();
            let seen: Vec<_> = rows.iter().filter_map(seen).collect();
            commit(&mut storage, &rows, &seen);
        }
        Self(directory)
    }

    /// The size of the file of the store, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let file = self.0.path().join("data/rollcall.redb");
        file.metadata().expect("the file of the store").len()
    }

    /// Options for a collector that uses this store, and that writes back only when it stops.
    pub(crate) fn options(&self) -> Options {
        Collector::options()
            .data_dir(self.0.path().join("data"))
            .env("SW_LIVENESS_WRITE_BACK_INTERVAL", "1h")
            .env("SW_REGISTER_MAX_ASSIGNED_IDS", "100000000")
            .env("SW_TIMELINE_PER_PEER", "100000000")
            .patience(std::time::Duration::from_secs(600))
    }
}

/// The rows of `count` new applications.
fn applications(storage: &mut Embedded, count: u32, now: Timestamp) -> Vec<Row> {
    let mut allocator = Allocator::new(Limits {
        assigned: usize::MAX,
        adopted: usize::MAX,
        bytes: usize::MAX,
    });
    let mut proposal = allocator.propose(now);
    for number in 0..count {
        let code = format!("application-{number:05}");
        proposal.application(&code).expect("an id");
    }
    let rows = proposal.rows().to_vec();
    commit(storage, &rows, &[]);
    let is_named = |row: &Row| matches!(row, Row::Application(row) if !row.is_reserved());
    rows.into_iter().filter(is_named).collect()
}

fn commit(storage: &mut Embedded, rows: &[Row], seen: &[LastSeen]) {
    let batch = Batch {
        rows,
        seen,
        digest: None,
    };
    let committed = storage.commit(batch).expect("room on the disk");
    assert_eq!(committed, Commit::Durable);
}

/// An instance with strings of the same length as those of the bench `load`.
fn instance(application: Row, number: u32, now: Timestamp) -> Row {
    let Row::Application(application) = application else {
        unreachable!("only applications were kept");
    };
    let id = i32::try_from(number + 1).expect("fewer than an i32");
    let hostname = format!("orders-5d8c7f9b6d-{:05x}", number % 0x10_0000);
    let octet = |at: u32| 100 + number / 100_u32.pow(at) % 100;
    let address = format!("10.{}.{}.{}", octet(2), octet(1), octet(0));
    let properties = [
        ("os_name", "Linux"),
        ("host_name", &hostname),
        ("process_no", "17"),
        ("ipv4", &address),
    ];
    Row::Instance(Instance {
        id: InstanceId::new(id).expect("not 0"),
        application: Some(application.id),
        uuid: Some(format!("{:032x}", u128::from(number + 1).wrapping_mul(SCATTER)).into()),
        registered_at: now,
        generation: Some(Generation::V5),
        adopted: false,
        properties: Properties::from(&properties[..]),
    })
}

/// The factor from the number of an instance to its UUID. It is odd, so no two numbers have the same UUID.
const SCATTER: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

fn seen(row: &Row) -> Option<LastSeen> {
    Some(LastSeen {
        signal: Signal::Heartbeat,
        state: State::Up,
        ..LastSeen::registered(row)?
    })
}
