//! Registries that exchange claims, late and repeatedly, against naive models.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::{Claim, EventKind, HealthBy, Place};
use super::*;
use crate::Timestamp;

mod checks;
mod promises;
mod world;

const MEMBERS: usize = 3;

/// What a random history does.
#[derive(Clone, Debug)]
enum Step {
    Register(usize, Source, u8, u8),
    End(usize, u8),
    Deregister(usize, u8),
    /// The lease of a client without a connection ends.
    Expire(usize, u8),
    Health(usize, u8, bool),
    Publish(usize),
    /// A member reads the next changes.
    Read(usize, usize),
    /// A member reads changes that it has read before.
    Repeat(usize, usize),
    /// A member reads all claims at once.
    ReadAll(usize),
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Connection(u8),
    Address,
}

/// What the members exchange.
#[derive(Debug, Default)]
struct Engine {
    rows: BTreeMap<(usize, Place), Claim>,
    log: Vec<(usize, Place, Option<Claim>)>,
}

struct Member {
    name: Arc<str>,
    fixture: Fixture,
    /// The next change to read.
    next: usize,
    unpublished: BTreeSet<Place>,
    connections: [u64; 2],
}

struct World {
    engine: Engine,
    members: Vec<Member>,
    /// The registrations whose publisher has not ended them, and which no later one replaced knowingly.
    alive: BTreeMap<Place, BTreeSet<(usize, Publisher)>>,
    /// The members that deregistered an instance.
    deregistered: BTreeSet<(usize, Place)>,
    /// The instances that a member deregistered although it did not know all registrations, or registered after that. If a
    /// registration follows before the deregistration is published, another member may never learn of it.
    unordered: BTreeSet<Place>,
    /// The latest registration or deregistration.
    latest: BTreeMap<Place, Option<(usize, Publisher)>>,
}

fn place(number: u8) -> Place {
    (key("s"), endpoint(&format!("10.0.0.{number}")))
}

fn step() -> impl Strategy<Value = Step> {
    let (m, p) = (|| 0..MEMBERS, || 0..3_u8);
    let source = prop_oneof![
        (0..2_u8).prop_map(Source::Connection),
        Just(Source::Address)
    ];
    prop_oneof![
        6 => (m(), source, p(), 0..3_u8).prop_map(|(m, s, p, w)| Step::Register(m, s, p, w)),
        2 => (m(), 0..2_u8).prop_map(|(m, c)| Step::End(m, c)),
        1 => (m(), p()).prop_map(|(m, p)| Step::Deregister(m, p)),
        1 => (m(), p()).prop_map(|(m, p)| Step::Expire(m, p)),
        1 => (m(), p(), any::<bool>()).prop_map(|(m, p, h)| Step::Health(m, p, h)),
        4 => m().prop_map(Step::Publish),
        6 => (m(), 1..4_usize).prop_map(|(m, n)| Step::Read(m, n)),
        1 => (m(), 1..4_usize).prop_map(|(m, n)| Step::Repeat(m, n)),
        1 => m().prop_map(Step::ReadAll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn members_agree_after_any_delays(steps in proptest::collection::vec(step(), 1..80)) {
        let mut world = World::new([0; MEMBERS]);
        steps.iter().for_each(|step| world.apply(step));
        world.settle();
        world.check();
        world.check_latest();
    }

    #[test]
    fn members_agree_whatever_their_clocks_show(
        steps in proptest::collection::vec(step(), 1..80),
        skews in proptest::array::uniform3(-50_000..50_000_i64),
    ) {
        // A deregistration that does not know a registration is ordered by the clocks.
        let steps = steps.iter().filter(|step| !matches!(step, Step::Deregister(..)));
        let mut world = World::new(skews);
        steps.for_each(|step| world.apply(step));
        world.settle();
        world.check();
    }

    #[test]
    fn without_delays_members_do_what_one_collector_does(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut world = World::new([0; MEMBERS]);
        for step in &steps {
            world.apply(step);
            world.settle();
            let list = world.members[0].list();
            let owners: BTreeMap<_, _> = list.into_iter().map(|(at, (_, owner))| (at, owner)).collect();
            let naive = world.latest.iter().filter_map(|(at, latest)| {
                let (member, by) = latest.as_ref()?;
                let is_alive = world.alive[at].contains(&(*member, by.clone()));
                is_alive.then(|| (at.clone(), Arc::clone(&world.members[*member].name)))
            });
            assert_eq!(owners, naive.collect());
            world.check();
        }
    }
}
