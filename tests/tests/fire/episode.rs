//! The faults that the test injects, alone or together, and their repair.
//!
//! An [`Episode`] begins one to three faults of different parts of the cluster, waits, and repairs all of them. The test first runs
//! one long episode for every kind of fault, so that each kind occurs in every run, and then random ones. Most episodes are
//! shorter than the leases, so that faults end in the middle of other work.
//!
//! An episode checks only that a stopped member exits cleanly and that names beyond the limit get no id. The history of the whole
//! run has everything else that a fault may break.

use std::{fmt, time::Duration};

use fastrand::Rng;
use rollcall_tests::{
    cluster::{Cluster, Member},
    engine::Taken,
    grpc::Client,
    proxy::{Link, Proxy},
};
use rustix::process::Signal;

use crate::{LONGEST, MEMBERS};

/// The longest duration of a short episode.
const SHORT: Duration = Duration::from_millis(400);
/// The duration of a long episode: longer than every lease.
const LONG: Duration = Duration::from_millis(2_500);
/// One in this many random episodes is long.
const LONG_ONE_IN: usize = 6;
/// A length that exceeds the largest request of the engine, in bytes.
const BEYOND_THE_ENGINE: usize = 1_600_000;
/// The key of the first entry of the log, which no snapshot replaces.
const FIRST_ENTRY: &str = "/rollcall/store/log/00000000000000000001";

/// A process of the cluster.
#[derive(Clone, Copy, Debug)]
enum Process {
    Engine,
    /// The member with this number.
    Member(usize),
}

/// A fault of one part of the cluster.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The process is killed, and restarted at the end.
    Kill(Process),
    /// The process is stopped, and restarted at the end.
    Stop(Process),
    /// The process is paused, and resumed at the end.
    Pause(Process),
    /// The link between this member and the other side is cut, and restored at the end.
    Cut(usize, Side, Link),
    /// The engine has no space until the end of the episode: it answers every read and refuses every write.
    OutOfSpace,
    /// The first entry of the log is deleted, and restored at the end.
    DeletedEntry,
    /// Keys of the store with soft state are overwritten, and foreign keys are added.
    Garbage,
    /// This member gets requests with names that are too long for the store.
    LongNames(usize),
}

/// The other side of a member's link.
#[derive(Clone, Copy, Debug)]
enum Side {
    Engine,
    Peers,
}

/// Concurrent faults and their duration.
pub(crate) struct Episode {
    faults: Vec<Fault>,
    duration: Duration,
}

impl Episode {
    /// One episode for every kind of fault, each longer than any lease.
    pub(crate) fn one_of_each(random: &mut Rng) -> Vec<Self> {
        let mut member = || random.usize(..MEMBERS);
        let mut faults = vec![
            Fault::Kill(Process::Engine),
            Fault::Kill(Process::Member(member())),
            Fault::Stop(Process::Engine),
            Fault::Stop(Process::Member(member())),
            Fault::Pause(Process::Engine),
            Fault::Pause(Process::Member(member())),
            Fault::OutOfSpace,
            Fault::DeletedEntry,
            Fault::Garbage,
            Fault::LongNames(member()),
        ];
        for side in [Side::Engine, Side::Peers] {
            for link in [Link::Refusing, Link::Stalled] {
                faults.push(Fault::Cut(member(), side, link));
            }
        }
        random.shuffle(&mut faults);
        let episode = |fault| Self {
            faults: vec![fault],
            duration: LONG,
        };
        faults.into_iter().map(episode).collect()
    }

    /// An episode of one to three faults of different parts.
    pub(crate) fn random(random: &mut Rng) -> Self {
        let members = (0..MEMBERS).map(Process::Member);
        let mut faults = members
            .chain([Process::Engine])
            .map(|process| Fault::of_process(process, random))
            .collect::<Vec<_>>();
        for side in [Side::Engine, Side::Peers] {
            faults.extend((0..MEMBERS).map(|member| Fault::of_link(member, side, random)));
        }
        faults.extend([Fault::Garbage, Fault::DeletedEntry, Fault::OutOfSpace]);
        faults.push(Fault::LongNames(random.usize(..MEMBERS)));
        random.shuffle(&mut faults);
        faults.truncate(random.usize(1..=3));
        faults.sort_by_key(Fault::begin_order);
        let duration = if random.usize(..LONG_ONE_IN) == 0 {
            LONG
        } else {
            SHORT.mul_f64(random.f64())
        };
        Self { faults, duration }
    }

    /// Begins the faults, waits, and repairs everything.
    pub(crate) async fn run(&self, cluster: &mut Cluster) {
        let mut deleted = None;
        for fault in &self.faults {
            match fault {
                Fault::DeletedEntry => deleted = Some(cluster.etcd.take(FIRST_ENTRY).await),
                fault => fault.begin(cluster).await,
            }
        }
        tokio::time::sleep(self.duration).await;
        let mut faults = self.faults.clone();
        faults.sort_by_key(Fault::repair_order);
        for fault in faults {
            fault.end(cluster, deleted.as_ref()).await;
        }
    }
}

impl Fault {
    fn of_process(process: Process, random: &mut Rng) -> Self {
        match random.usize(..5) {
            0 => Self::Stop(process),
            1 | 2 => Self::Pause(process),
            _ => Self::Kill(process),
        }
    }

    fn of_link(member: usize, side: Side, random: &mut Rng) -> Self {
        let link = if random.bool() {
            Link::Refusing
        } else {
            Link::Stalled
        };
        Self::Cut(member, side, link)
    }

    /// The place in the order in which faults begin. Faults that need working parts come first: an engine without space accepts no
    /// garbage, a stopped engine accepts nothing, and a stopped member accepts no names.
    fn begin_order(&self) -> usize {
        match self {
            Self::Garbage | Self::DeletedEntry | Self::LongNames(_) => 0,
            Self::OutOfSpace => 1,
            Self::Kill(_) | Self::Stop(_) | Self::Pause(_) | Self::Cut(..) => 2,
        }
    }

    /// The place in the order of the repairs. A member becomes ready only after it has reached the engine and read the whole store,
    /// and stops only after its peers have received its answers. So the engine and the links are repaired before the members.
    fn repair_order(&self) -> usize {
        match self {
            Self::Kill(Process::Engine)
            | Self::Stop(Process::Engine)
            | Self::Pause(Process::Engine) => 0,
            Self::OutOfSpace => 1,
            Self::DeletedEntry => 2,
            Self::Cut(..) => 3,
            Self::Pause(Process::Member(_)) => 4,
            Self::Kill(Process::Member(_)) | Self::Stop(Process::Member(_)) => 5,
            Self::Garbage | Self::LongNames(_) => 6,
        }
    }

    async fn begin(self, cluster: &mut Cluster) {
        match self {
            Self::Kill(Process::Engine) => cluster.etcd.kill(),
            Self::Kill(Process::Member(member)) => cluster.members[member].collector.kill(),
            Self::Stop(Process::Engine) => cluster.etcd.stop().await,
            Self::Stop(Process::Member(member)) => signal(cluster, member, Signal::TERM),
            Self::Pause(Process::Engine) => cluster.etcd.pause(),
            Self::Pause(Process::Member(member)) => signal(cluster, member, Signal::STOP),
            Self::Cut(member, side, link) => side.of(&cluster.members[member]).set(link),
            Self::OutOfSpace => cluster.etcd.run_out_of_space().await,
            // `Episode::run` deletes the entry, because it keeps the entry for the repair.
            Self::DeletedEntry => {}
            Self::Garbage => write_garbage(cluster).await,
            Self::LongNames(member) => send_long_names(&cluster.members[member]).await,
        }
    }

    async fn end(self, cluster: &mut Cluster, deleted: Option<&Taken>) {
        match self {
            Self::Kill(Process::Engine) | Self::Stop(Process::Engine) => {
                cluster.etcd.restart().await;
            }
            Self::Kill(Process::Member(member)) => {
                cluster.members[member].collector.restart().await;
            }
            Self::Stop(Process::Member(member)) => {
                let collector = &mut cluster.members[member].collector;
                assert_eq!(collector.exit().await.code(), Some(0), "member {member}");
                collector.restart().await;
            }
            Self::Pause(Process::Engine) => cluster.etcd.resume(),
            Self::Pause(Process::Member(member)) => signal(cluster, member, Signal::CONT),
            Self::Cut(member, side, _) => side.of(&cluster.members[member]).set(Link::Whole),
            Self::OutOfSpace => cluster.etcd.disarm().await,
            Self::DeletedEntry => {
                let deleted = deleted.expect("the entry that was deleted");
                cluster.etcd.restore(deleted).await;
            }
            Self::Garbage | Self::LongNames(_) => {}
        }
    }
}

fn signal(cluster: &Cluster, member: usize, signal: Signal) {
    cluster.members[member].collector.signal(signal);
}

/// Overwrites keys of the store with garbage. It needs no repair: the collectors rewrite unreadable keys.
async fn write_garbage(cluster: &Cluster) {
    for key in [
        "seen/0000000000",
        "seen/x",
        "log/x",
        "snapshot/x",
        "changed/x",
        "changed/0000000001",
    ] {
        cluster
            .etcd
            .put(&format!("/rollcall/store/{key}"), b"x")
            .await;
    }
}

/// Sends one name that is longer than the collector's limit, and one that is longer than the engine's largest request. Neither may
/// get an id. The member may not answer at all, depending on the concurrent faults.
async fn send_long_names(member: &Member) {
    let client = Client::lazy(member.collector.listeners().grpc);
    for bytes in [LONGEST + 1, BEYOND_THE_ENGINE] {
        let code = "x".repeat(bytes);
        let answer = tokio::time::timeout(SHORT, client.application(&code)).await;
        assert!(!matches!(answer, Ok(Ok(_))), "{bytes} bytes got an id");
    }
}

impl Side {
    fn of(self, member: &Member) -> &Proxy {
        match self {
            Self::Engine => &member.engine_link,
            Self::Peers => &member.peer_link,
        }
    }
}

impl fmt::Display for Episode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} for {:?}", self.faults, self.duration)
    }
}
