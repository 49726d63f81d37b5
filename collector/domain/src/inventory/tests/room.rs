//! The memory limit of an inventory.

use std::collections::HashSet;

use proptest::prelude::*;

use super::{entry::Entry as _, *};

fn with_room(bytes: usize) -> Allocator {
    Allocator::new(Limits {
        assigned: usize::MAX,
        adopted: usize::MAX,
        bytes,
    })
}

fn register_until_full(allocator: &mut Allocator) -> usize {
    for number in 0.. {
        let code = format!("application-{number}");
        let (registered, _) = commit(allocator, |p| p.application(&code));
        if registered.is_err() {
            return number;
        }
    }
    0
}

/// The memory that these rows take in an inventory, in bytes.
pub(super) fn memory_of(rows: impl IntoIterator<Item = Row>) -> usize {
    let mut blocks = HashSet::new();
    let mut bytes = 0;
    for row in rows {
        let (dictionary, id, block) = match &row {
            Row::Application(row) => (1, row.id.get(), Application::BLOCK),
            Row::Instance(row) => (2, row.id.get(), Instance::BLOCK),
            Row::Operation(row) => (3, row.id.get(), Operation::BLOCK),
            Row::Address(row) => (4, row.id.get(), Address::BLOCK),
        };
        if blocks.insert((dictionary, id.div_euclid(8))) {
            bytes += block;
        }
        bytes += row.cost();
    }
    bytes
}

#[test]
fn a_full_inventory_refuses_new_rows_and_resolves_known_keys() {
    let limit = 64 * 1024;
    let mut allocator = with_room(limit);
    commit(&mut allocator, |p| {
        p.instance(new_instance(-1, "u", "Linux")).unwrap()
    });
    let registered = register_until_full(&mut allocator);
    assert!(registered > 100, "{registered}");
    let refused = Err(proposal::Error::NoRoom { limit });
    let mut proposal = allocator.propose(LATER);
    assert_eq!(proposal.application("another application"), refused);
    assert_eq!(
        proposal.adopt_instance(inst(9), None),
        Err(proposal::Error::NoRoom { limit })
    );
    assert_eq!(proposal.refused(), 2);
    assert_eq!(proposal.application("application-0"), Ok(app(2)));
    let larger = "Linux ".repeat(500);
    assert_eq!(
        proposal.instance(new_instance(-1, "u", &larger)),
        Ok(inst(1))
    );
    assert_eq!(proposal.refused(), 3);
    proposal.confirm();
    let inventory = allocator.inventory();
    let properties = inventory.instance(inst(1)).unwrap().properties;
    assert_eq!(
        properties.get("os"),
        Some("Linux"),
        "kept, because larger ones do not fit"
    );
    assert!(inventory.bytes() <= limit);
}

#[test]
fn durable_rows_are_restored_and_counted_beyond_the_limit() {
    let (_, rows) = commit(&mut with_room(usize::MAX), |p| {
        for number in 0..100 {
            p.application(&number.to_string()).unwrap();
        }
    });
    let mut allocator = with_room(1024);
    for row in rows.clone() {
        allocator.restore(row).unwrap();
    }
    assert_eq!(allocator.inventory().bytes(), memory_of(rows));
    let (refused, _) = commit(&mut allocator, |p| p.application("one more"));
    assert_eq!(refused, Err(proposal::Error::NoRoom { limit: 1024 }));
}

/// The bytes that these adopted instances add to an empty inventory with one application.
fn adopted(ids: impl IntoIterator<Item = i32>) -> (usize, Vec<Row>) {
    let mut allocator = allocator();
    let (_, mut rows) = commit(&mut allocator, |p| p.adopt_application(app(2)));
    let inventory = allocator.inventory();
    let before = inventory.bytes();
    let (_, adopted) = commit(&mut allocator, |p| {
        for id in ids {
            p.adopt_instance(inst(id), Some(app(2))).unwrap();
        }
    });
    rows.extend(adopted);
    let bytes = inventory.bytes();
    let mut restarted = with_room(0);
    for row in rows.clone() {
        restarted.restore(row).unwrap();
    }
    assert_eq!(restarted.inventory().bytes(), bytes, "after a restart");
    assert_eq!(bytes, memory_of(rows.clone()));
    (bytes - before, rows)
}

#[test]
fn adopted_ids_share_the_blocks_that_they_need() {
    let (neighbours, _) = adopted(16..80);
    let (far, _) = adopted((16..80).map(|id| id * 1_000));
    assert_eq!(far - neighbours, 56 * Instance::BLOCK);
    assert!(neighbours / 64 < 200, "{neighbours} bytes");
}

#[test]
fn an_adopted_id_is_refused_if_its_block_would_exceed_the_limit() {
    let (_, rows) = adopted([16]);
    let held = memory_of(rows.clone());
    let id = 1_000;
    let needed = held + Instance::BLOCK + rows[1].cost();
    for (limit, is_adopted) in [(needed - 1, false), (needed, true)] {
        let mut allocator = with_room(limit);
        for row in rows.clone() {
            allocator.restore(row).unwrap();
        }
        let (result, _) = commit(&mut allocator, |p| p.adopt_instance(inst(id), Some(app(2))));
        assert_eq!(result.is_ok(), is_adopted, "{result:?}");
        assert!(allocator.inventory().bytes() <= limit);
    }
}

/// The reserved id has a row too, which is written with the first entry or when an agent uses the id.
#[test]
fn the_reserved_ids_are_written_only_within_the_limit() {
    type Register = fn(&mut Proposal<'_>) -> bool;
    let registers: [Register; 5] = [
        |p| p.application("orders").is_ok(),
        |p| p.adopt_application(app(1)).is_ok(),
        |p| p.operation(operation(2, SpanType::Entry, "/")).is_ok(),
        |p| p.adopt_operation(OperationId::new(1).unwrap()).is_ok(),
        |p| p.named_application("orders").is_ok() && p.application("orders").is_ok(),
    ];
    for (case, register) in registers.into_iter().enumerate() {
        let mut registered = 0;
        for limit in (0..4_000).step_by(8) {
            let mut allocator = with_room(limit);
            let (is_registered, _) = commit(&mut allocator, register);
            let held = allocator.inventory().bytes();
            assert!(held <= limit, "case {case}: {held} bytes of {limit}");
            registered += u32::from(is_registered);
        }
        assert!((1..500).contains(&registered), "case {case}: {registered}");
    }
}

proptest! {
    /// The limit holds and the count is exact for all sizes and changes of properties.
    #[test]
    fn proposals_never_exceed_the_limit(
        limit in 1_000_usize..20_000,
        steps in prop::collection::vec((0_u8..20, 0_usize..3_000, any::<bool>()), 1..60),
    ) {
        let mut allocator = with_room(limit);
        for (uuid, size, is_dropped) in steps {
            let mut proposal = allocator.propose(AT);
            for uuid in [uuid, uuid + 1] {
                let _no_room = proposal.instance(new_instance(2, &uuid.to_string(), &"x".repeat(size)));
            }
            if !is_dropped {
                proposal.confirm();
            }
            let inventory = allocator.inventory();
            let held = inventory.bytes();
            prop_assert!(held <= limit, "{held} bytes of {limit}");
            let instances = inventory.instances(Some(app(2)), None, usize::MAX);
            let applications = inventory.applications(None, usize::MAX);
            let rows = applications.into_iter().map(Row::from).chain(instances.into_iter().map(Row::from));
            prop_assert_eq!(held, memory_of(rows));
        }
    }
}
