//! The memory limit of an inventory.

use proptest::prelude::*;

use super::*;

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
    let bytes = rows.iter().map(Row::cost).sum::<usize>();
    assert_eq!(allocator.inventory().bytes(), bytes);
    let (refused, _) = commit(&mut allocator, |p| p.application("one more"));
    assert_eq!(refused, Err(proposal::Error::NoRoom { limit: 1024 }));
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
            prop_assert_eq!(held, rows.map(|row| row.cost()).sum::<usize>());
        }
    }
}
