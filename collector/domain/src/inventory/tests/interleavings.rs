//! Registrations, adoptions, dropped proposals and restarts in any order, checked against the invariants of the module.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::{room::memory_of, *};
use crate::id::LAST_INTERNAL;

/// The ids of all steps: so few that they collide often.
const IDS: std::ops::RangeInclusive<i32> = -12..=12;

#[derive(Clone, Debug)]
enum Step {
    Application(u8),
    Instance(i32, u8),
    Named(u8, u8),
    Operation(i32, u8),
    Address(u8),
    AdoptApplication(i32),
    AdoptInstance(i32, Option<i32>),
    AdoptOperation(i32),
    AdoptAddress(i32),
    Recover(i32, i32),
}

#[derive(Clone, Copy, Debug)]
enum End {
    Confirm,
    Drop,
    /// Confirm, then restart with the stored rows rotated by this number.
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let id = || IDS.prop_filter("0 is not an id", |id| *id != 0);
    let name = 0_u8..30;
    prop_oneof![
        3 => name.clone().prop_map(Step::Application),
        3 => (id(), name.clone()).prop_map(|(a, n)| Step::Instance(a, n)),
        3 => (0_u8..6, name.clone()).prop_map(|(a, n)| Step::Named(a, n)),
        3 => (id(), name.clone()).prop_map(|(a, n)| Step::Operation(a, n)),
        3 => name.prop_map(Step::Address),
        1 => id().prop_map(Step::AdoptApplication),
        1 => (id(), prop::option::of(id())).prop_map(|(i, a)| Step::AdoptInstance(i, a)),
        1 => id().prop_map(Step::AdoptOperation),
        1 => id().prop_map(Step::AdoptAddress),
        1 => (id(), id()).prop_map(|(a, i)| Step::Recover(a, i)),
    ]
}

fn batches() -> impl Strategy<Value = Vec<(Vec<Step>, End)>> {
    let end = prop_oneof![
        3 => Just(End::Confirm),
        1 => Just(End::Drop),
        1 => (0_usize..100).prop_map(End::Restart),
    ];
    prop::collection::vec((prop::collection::vec(step(), 0..12), end), 1..20)
}

/// A request, and the id that it received.
type Assigned = (String, Dictionary, i32);

fn apply(proposal: &mut Proposal<'_>, step: &Step) -> Option<Assigned> {
    let key = format!("{step:?}");
    let (dictionary, id) = match step {
        Step::Application(name) => {
            let id = proposal.application(&name.to_string()).unwrap();
            (Dictionary::Applications, id.get())
        }
        Step::Instance(application, uuid) => {
            let new = new_instance(*application, &uuid.to_string(), "");
            (Dictionary::Instances, proposal.instance(new).unwrap().get())
        }
        Step::Named(code, name) => {
            let application = proposal.named_application(&code.to_string()).unwrap();
            let new = NewInstance {
                application,
                generation: Some(Generation::V8),
                ..new_instance(1, &name.to_string(), "")
            };
            let id = proposal.named_instance(new).unwrap();
            (Dictionary::Instances, id.get())
        }
        Step::Operation(application, name) => {
            let key = operation(*application, SpanType::Entry, &name.to_string());
            (
                Dictionary::Operations,
                proposal.operation(key).unwrap().get(),
            )
        }
        Step::Address(name) => {
            let id = proposal.address(&name.to_string()).unwrap();
            (Dictionary::Addresses, id.get())
        }
        adoption => {
            adopt(proposal, adoption);
            return None;
        }
    };
    Some((key, dictionary, id))
}

fn adopt(proposal: &mut Proposal<'_>, step: &Step) {
    use proposal::Error::{NotAnInstance, NotAnnounced, OtherApplication};

    let result = match *step {
        Step::AdoptApplication(id) => proposal.adopt_application(app(id)),
        Step::AdoptInstance(id, application) => {
            proposal.adopt_instance(inst(id), application.map(app))
        }
        Step::AdoptOperation(id) => proposal.adopt_operation(OperationId::new(id).unwrap()),
        Step::AdoptAddress(id) => proposal.adopt_address(AddressId::new(id).unwrap()),
        Step::Recover(application, instance) => proposal.recover(
            app(application),
            inst(instance),
            None,
            Properties::default(),
        ),
        _ => Ok(()),
    };
    assert!(matches!(
        result,
        Ok(()) | Err(NotAnInstance(_) | OtherApplication { .. } | NotAnnounced(_))
    ));
}

/// The contents of a storage, and the ids that the clients of confirmed batches received.
#[derive(Default)]
struct World {
    stored: BTreeMap<(usize, i32), Row>,
    received: HashMap<String, (Dictionary, i32)>,
    keys: HashMap<(Dictionary, i32), String>,
}

impl World {
    fn confirmed(&mut self, rows: Vec<Row>, answers: Vec<Assigned>) {
        for (key, dictionary, id) in answers {
            assert!(
                id > LAST_INTERNAL || key.starts_with("Named"),
                "{key} received {id}"
            );
            let before = self.received.insert(key.clone(), (dictionary, id));
            assert!(
                before.is_none_or(|before| before == (dictionary, id)),
                "{key} changed its id"
            );
            let owner = self
                .keys
                .entry((dictionary, id))
                .or_insert_with(|| key.clone());
            assert_eq!(*owner, key, "one id for two keys");
        }
        for row in rows {
            if let Row::Instance(row) = &row
                && row.id.is_internal()
            {
                assert_eq!(row.generation, Some(Generation::V8), "{row:?}");
            }
            let place = place(&row);
            if let Some(before) = self.stored.get(&place) {
                assert_eq!(
                    identity(before).0,
                    identity(&row).0,
                    "an id changed its meaning"
                );
            }
            self.stored.insert(place, row);
        }
    }

    /// The assigned ids are those of the sequence, with the adopted ids skipped.
    fn dense(&self) {
        for (dictionary, start, reserved) in [
            (0, sequence::Sequence::ZERO_CENTRED, Some(1)),
            (1, sequence::Sequence::COUNTING, None),
            (2, sequence::Sequence::ZERO_CENTRED, Some(1)),
            (3, sequence::Sequence::ZERO_CENTRED, None),
        ] {
            let ids = self
                .stored
                .range((dictionary, LAST_INTERNAL + 1)..=(dictionary, i32::MAX));
            let (adopted, assigned): (Vec<_>, Vec<_>) = ids
                .filter(|((_, id), _)| Some(*id) != reserved)
                .partition(|(_, row)| identity(row).1);
            let mut order = start;
            if let Some(id) = reserved {
                order.observe(id);
            }
            // An id is assigned only if all ids before it in the order are used.
            let mut left = assigned.len();
            for id in order {
                if left == 0 {
                    break;
                }
                if assigned.iter().any(|((_, assigned), _)| *assigned == id) {
                    left -= 1;
                } else {
                    assert!(
                        adopted.iter().any(|((_, adopted), _)| *adopted == id),
                        "{id} was skipped"
                    );
                }
            }
        }
    }

    fn is_held_by(&self, inventory: &Inventory) {
        for row in self.stored.values() {
            let resolves = match row {
                Row::Application(row) => inventory.application(row.id).as_ref() == Some(row),
                Row::Instance(row) => inventory.instance(row.id).as_ref() == Some(row),
                Row::Operation(row) => inventory.operation(row.id).as_ref() == Some(row),
                Row::Address(row) => inventory.address(row.id).as_ref() == Some(row),
            };
            assert!(resolves, "{row:?}");
        }
        let bytes = memory_of(self.stored.values().cloned());
        assert_eq!(inventory.bytes(), bytes, "memory is counted to the byte");
    }

    fn restart(&self, rotate: usize) -> Allocator {
        let mut rows: Vec<_> = self.stored.values().cloned().collect();
        let middle = rotate % rows.len().max(1);
        rows.rotate_left(middle);
        let mut allocator = Allocator::new(Limits {
            assigned: usize::MAX,
            adopted: 1000,
            bytes: usize::MAX,
        });
        rows.into_iter()
            .for_each(|row| allocator.restore(row).unwrap());
        allocator
    }
}

fn place(row: &Row) -> (usize, i32) {
    match row {
        Row::Application(row) => (0, row.id.get()),
        Row::Instance(row) => (1, row.id.get()),
        Row::Operation(row) => (2, row.id.get()),
        Row::Address(row) => (3, row.id.get()),
    }
}

/// The key of a row as text, and whether its id was adopted.
fn identity(row: &Row) -> (String, bool) {
    match row {
        Row::Application(row) => (
            format!("{:?} {:?}", row.code, row.alias_of),
            row.code.is_none() && row.alias_of.is_none(),
        ),
        Row::Instance(row) => (format!("{:?}", row.uuid), row.adopted),
        Row::Operation(row) => (format!("{:?}", row.key), row.key.is_none()),
        Row::Address(row) => (format!("{:?}", row.address), row.address.is_none()),
    }
}

proptest! {
    #[test]
    fn a_key_keeps_its_id_and_an_id_its_key(batches in batches()) {
        let mut world = World::default();
        let mut allocator = world.restart(0);
        for (steps, end) in batches {
            let mut proposal = allocator.propose(AT);
            let answers: Vec<_> = steps.iter().filter_map(|step| apply(&mut proposal, step)).collect();
            let rows = proposal.rows().to_vec();
            if matches!(end, End::Drop) {
                continue;
            }
            proposal.confirm();
            world.confirmed(rows, answers);
            if let End::Restart(rotate) = end {
                allocator = world.restart(rotate);
            }
        }
        world.dense();
        world.is_held_by(&allocator.inventory());
    }

    #[test]
    fn collectors_that_take_turns_assign_ids_like_one_collector(
        batches in prop::collection::vec((0_usize..3, prop::collection::vec(step(), 0..12)), 1..20),
    ) {
        let mut world = World::default();
        let mut owners = [(); 3].map(|()| world.restart(0));
        for (writer, steps) in batches {
            let mut proposal = owners[writer].propose(AT);
            let answers = steps.iter().filter_map(|step| apply(&mut proposal, step)).collect();
            let rows = proposal.rows().to_vec();
            let digest = proposal.digest();
            proposal.confirm();
            prop_assert_eq!(owners[writer].inventory().digest(), digest);
            for (other, owner) in owners.iter_mut().enumerate() {
                if other != writer {
                    rows.iter().for_each(|row| owner.restore(row.clone()).unwrap());
                }
            }
            world.confirmed(rows, answers);
        }
        world.dense();
        let listed = |owner: &Allocator| owner.inventory().applications(None, usize::MAX);
        for owner in &owners {
            world.is_held_by(&owner.inventory());
            prop_assert_eq!(listed(owner), listed(&owners[0]));
            prop_assert_eq!(owner.inventory().digest(), world.restart(0).inventory().digest());
        }
    }
}
