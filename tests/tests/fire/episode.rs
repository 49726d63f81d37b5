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

/// The longest duration of most faults. It is short, so that faults end in the middle of other work.
const SHORT: Duration = Duration::from_millis(400);
/// One in this many episodes lasts longer than every lease.
const LONG_ONE_IN: usize = 6;
const LONG: Duration = Duration::from_millis(2_500);
/// The key of the first entry of the log, which no snapshot replaces.
const FIRST_ENTRY: &str = "/rollcall/store/log/00000000000000000001";

/// A fault of one part of the cluster.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The engine, or the member with this number, is killed, and restarted at the end.
    Kill(Option<usize>),
    /// The engine, or the member with this number, is stopped, and restarted at the end.
    Stop(Option<usize>),
    /// The engine, or the member with this number, is paused, and resumed at the end.
    Pause(Option<usize>),
    /// Keys of the store with soft state are overwritten, and foreign keys are added.
    Garbage,
    /// The first entry of the log is deleted, and restored at the end.
    Vanish,
    /// The engine has no space until the end of the episode: it answers every read and refuses every write.
    Full,
    /// This member gets requests with names that are too long for the store.
    Long(usize),
    /// The link between this member and the other side is cut, and restored at the end.
    Cut(usize, Side, Link),
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
    lasting: Duration,
}

impl Episode {
    /// One episode for every kind of fault, each longer than any lease.
    pub(crate) fn one_of_each(random: &mut Rng) -> Vec<Self> {
        let mut member = || random.usize(..MEMBERS);
        let mut faults = vec![
            Fault::Kill(None),
            Fault::Kill(Some(member())),
            Fault::Stop(None),
            Fault::Stop(Some(member())),
            Fault::Pause(None),
            Fault::Pause(Some(member())),
            Fault::Garbage,
            Fault::Vanish,
            Fault::Full,
            Fault::Long(member()),
        ];
        for side in [Side::Engine, Side::Peers] {
            for link in [Link::Refusing, Link::Stalled] {
                faults.push(Fault::Cut(member(), side, link));
            }
        }
        random.shuffle(&mut faults);
        let episode = |fault| Self {
            faults: vec![fault],
            lasting: LONG,
        };
        faults.into_iter().map(episode).collect()
    }

    /// An episode of one to three faults of different parts.
    pub(crate) fn random(random: &mut Rng) -> Self {
        let processes = (0..MEMBERS).map(Some).chain([None]);
        let mut faults = processes
            .map(|process| Fault::of_process(process, random))
            .collect::<Vec<_>>();
        for side in [Side::Engine, Side::Peers] {
            faults.extend((0..MEMBERS).map(|member| Fault::of_link(member, side, random)));
        }
        faults.extend([Fault::Garbage, Fault::Vanish, Fault::Full]);
        faults.push(Fault::Long(random.usize(..MEMBERS)));
        random.shuffle(&mut faults);
        faults.truncate(random.usize(1..=3));
        // Sorts the faults that need a working part first: an engine without space accepts no garbage, a stopped engine accepts
        // nothing, and a stopped member accepts no names.
        faults.sort_by_key(|fault| match fault {
            Fault::Garbage | Fault::Vanish | Fault::Long(_) => 0,
            Fault::Full => 1,
            Fault::Kill(_) | Fault::Stop(_) | Fault::Pause(_) | Fault::Cut(..) => 2,
        });
        let lasting = if random.usize(..LONG_ONE_IN) == 0 {
            LONG
        } else {
            SHORT.mul_f64(random.f64())
        };
        Self { faults, lasting }
    }

    /// Injects the faults and repairs everything at the end.
    pub(crate) async fn run(&self, cluster: &mut Cluster) {
        let mut taken = None;
        for fault in &self.faults {
            match fault {
                Fault::Vanish => taken = Some(cluster.etcd.take(FIRST_ENTRY).await),
                fault => fault.begin(cluster).await,
            }
        }
        tokio::time::sleep(self.lasting).await;
        let mut faults = self.faults.clone();
        // Repairs in this order, because a member becomes ready only after it has reached the engine and read the whole store, and
        // stops only after its peers have received its answers.
        faults.sort_by_key(|fault| match fault {
            Fault::Kill(None) | Fault::Stop(None) | Fault::Pause(None) => 0,
            Fault::Full => 1,
            Fault::Vanish => 2,
            Fault::Cut(..) => 3,
            Fault::Pause(Some(_)) => 4,
            Fault::Kill(Some(_)) | Fault::Stop(Some(_)) => 5,
            Fault::Garbage | Fault::Long(_) => 6,
        });
        for fault in faults {
            fault.end(cluster, taken.as_ref()).await;
        }
    }
}

impl Fault {
    fn of_process(process: Option<usize>, random: &mut Rng) -> Self {
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

    async fn begin(self, cluster: &mut Cluster) {
        match self {
            Self::Kill(None) => cluster.etcd.kill(),
            Self::Kill(Some(member)) => cluster.members[member].collector.kill(),
            Self::Stop(None) => cluster.etcd.stop().await,
            Self::Stop(Some(member)) => cluster.members[member].collector.signal(Signal::TERM),
            Self::Pause(None) => cluster.etcd.pause(),
            Self::Pause(Some(member)) => cluster.members[member].collector.signal(Signal::STOP),
            Self::Cut(member, side, link) => side.of(&cluster.members[member]).set(link),
            Self::Garbage => garbage(cluster).await,
            // `run` deletes the entry, because it keeps the entry for the repair.
            Self::Vanish => {}
            Self::Full => cluster.etcd.run_out_of_space().await,
            Self::Long(member) => long(&cluster.members[member]).await,
        }
    }

    async fn end(self, cluster: &mut Cluster, taken: Option<&Taken>) {
        match self {
            Self::Kill(None) | Self::Stop(None) => cluster.etcd.restart().await,
            Self::Kill(Some(member)) => cluster.members[member].collector.restart().await,
            Self::Stop(Some(member)) => {
                let collector = &mut cluster.members[member].collector;
                assert_eq!(collector.exit().await.code(), Some(0), "member {member}");
                collector.restart().await;
            }
            Self::Pause(None) => cluster.etcd.resume(),
            Self::Pause(Some(member)) => cluster.members[member].collector.signal(Signal::CONT),
            Self::Cut(member, side, _) => side.of(&cluster.members[member]).set(Link::Whole),
            Self::Full => cluster.etcd.disarm().await,
            Self::Vanish => {
                let taken = taken.expect("the entry that was deleted");
                cluster.etcd.restore(taken).await;
            }
            Self::Garbage | Self::Long(_) => {}
        }
    }
}

/// Overwrites keys of the store with garbage. The collectors rewrite unreadable keys.
async fn garbage(cluster: &Cluster) {
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
async fn long(member: &Member) {
    let client = Client::lazy(member.collector.listeners().grpc);
    for bytes in [LONGEST + 1, 1_600_000] {
        let code = "x".repeat(bytes);
        let called = tokio::time::timeout(SHORT, client.application(&code));
        assert!(
            !matches!(called.await, Ok(Ok(_))),
            "{bytes} bytes got an id"
        );
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
        write!(f, "{:?} for {:?}", self.faults, self.lasting)
    }
}
