//! Ids that agents hold and this inventory has never assigned.

use super::*;

#[test]
fn an_unknown_pair_is_adopted_and_its_ids_are_never_assigned() {
    let mut allocator = allocator();
    commit(&mut allocator, |p| {
        p.recover(app(-1), inst(2), None, Properties::default())
            .unwrap();
        p.adopt_operation(OperationId::new(-1).unwrap()).unwrap();
        p.adopt_address(AddressId::new(-1).unwrap()).unwrap();
    });
    let (ids, _) = commit(&mut allocator, |p| {
        let instances =
            ["a", "b"].map(|uuid| p.instance(new_instance(-1, uuid, "")).unwrap().get());
        let operation = p
            .operation(operation(-1, SpanType::Entry, "/"))
            .unwrap()
            .get();
        (
            p.application("a").unwrap().get(),
            instances,
            operation,
            p.address("h:1").unwrap().get(),
        )
    });
    assert_eq!(ids, (2, [1, 3], 2, 1));
    let inventory = allocator.inventory();
    let adopted = inventory.instance(inst(2)).unwrap();
    assert_eq!(
        (adopted.application, adopted.uuid, adopted.adopted),
        (Some(app(-1)), None, true)
    );
    assert_eq!(
        inventory.count(Dictionary::Instances),
        Count {
            keyed: 2,
            adopted: 1
        }
    );
}

#[test]
fn an_adopted_instance_learns_its_application_once() {
    let mut allocator = allocator();
    let inventory = allocator.inventory();
    let ids = |application| inventory.instance_ids(application, None, 9);
    commit(&mut allocator, |p| p.adopt_instance(inst(9), None).unwrap());
    assert_eq!(ids(None), [inst(9)]);
    commit(&mut allocator, |p| {
        p.adopt_instance(inst(9), Some(app(3))).unwrap();
        p.adopt_instance(inst(9), None).unwrap();
        let error = p
            .recover(app(4), inst(9), None, Properties::default())
            .unwrap_err();
        assert_eq!(
            error,
            proposal::Error::OtherApplication {
                instance: inst(9),
                known: app(3)
            }
        );
    });
    assert_eq!((ids(None), ids(Some(app(3)))), (vec![], vec![inst(9)]));
    assert!(inventory.application(app(4)).is_none());
}

#[test]
fn agents_may_use_the_reserved_ids_which_stay_reserved() {
    let mut allocator = allocator();
    let (_, rows) = commit(&mut allocator, |p| {
        p.adopt_operation(OperationId::new(1).unwrap()).unwrap();
        p.instance(new_instance(1, "u", "")).unwrap();
    });
    assert_eq!(rows.len(), 3);
    let inventory = allocator.inventory();
    assert_eq!(
        inventory.count(Dictionary::Applications),
        Count {
            keyed: 0,
            adopted: 0
        }
    );
    let (first, rows) = commit(&mut allocator, |p| p.application("a").unwrap());
    assert_eq!((first, rows.len()), (app(-1), 1));
}

#[test]
fn adopting_stops_at_the_limit_and_registering_continues() {
    let mut allocator = Allocator::new(Limits {
        assigned: usize::MAX,
        adopted: 2,
        bytes: usize::MAX,
    });
    let full = Err(proposal::Error::TooManyAdopted(Dictionary::Instances));
    for restart in [false, true] {
        let (_, rows) = commit(&mut allocator, |p| {
            p.adopt_instance(inst(10), None).unwrap();
            p.adopt_instance(inst(11), None).unwrap();
            assert_eq!(p.adopt_instance(inst(12), None), full);
            assert_eq!(p.adopt_instance(inst(10), None), Ok(()));
            p.instance(new_instance(1, &restart.to_string(), ""))
                .unwrap();
        });
        if !restart {
            allocator = Allocator::new(Limits {
                assigned: usize::MAX,
                adopted: 2,
                bytes: usize::MAX,
            });
            rows.into_iter()
                .for_each(|row| allocator.restore(row).unwrap());
        }
    }
}

#[test]
fn an_instance_id_below_one_is_not_adopted() {
    let mut allocator = allocator();
    let (result, rows) = commit(&mut allocator, |p| p.adopt_instance(inst(-4), Some(app(2))));
    assert_eq!(result, Err(proposal::Error::NotAnInstance(inst(-4))));
    assert_eq!(rows, []);
}
