//! Which ids agents receive: those up to 7.0 ids of the sequences, those of 8.0 and later none.

use super::*;

fn named(p: &mut Proposal<'_>, code: &str, name: &str) -> (ApplicationId, InstanceId) {
    let application = p.named_application(code).unwrap();
    let new = NewInstance {
        application,
        uuid: name.into(),
        generation: Some(Generation::V8),
        properties: Properties::default(),
    };
    (application, p.named_instance(new).unwrap())
}

/// An allocator that restored the rows.
fn copy(rows: &[Row]) -> Allocator {
    let mut copy = allocator();
    for row in rows {
        copy.restore(row.clone()).unwrap();
    }
    copy
}

#[test]
fn registrations_of_agents_without_ids_use_no_id_of_a_sequence() {
    let mut allocator = allocator();
    commit(&mut allocator, |p| {
        for number in 0..50 {
            let (application, instance) = named(p, &number.to_string(), "a");
            assert!(application.is_internal() && instance.is_internal());
        }
        assert_eq!(p.application("first"), Ok(app(-1)));
        assert_eq!(p.instance(new_instance(-1, "u", "")), Ok(inst(1)));
    });
}

#[test]
fn a_restored_inventory_continues_both_sequences() {
    let mut original = allocator();
    let (last, rows) = commit(&mut original, |p| {
        p.application("a").unwrap();
        named(p, "b", "1");
        named(p, "c", "1")
    });
    let (next, _) = commit(&mut copy(&rows), |p| {
        assert_eq!(p.application("d"), Ok(app(2)));
        assert_eq!(named(p, "c", "1"), last);
        named(p, "e", "1")
    });
    assert_eq!(next.0.get(), last.0.get() + 1);
    assert_eq!(next.1.get(), last.1.get() + 1);
}

#[test]
fn agents_of_both_kinds_share_one_application_in_either_order() {
    let mut allocator = allocator();
    let ((later, earlier), rows) = commit(&mut allocator, |p| {
        // An agent of 8.0 or later is first.
        let (internal, of_later) = named(p, "later", "8.x");
        assert_eq!(
            p.application("later"),
            Ok(app(-1)),
            "assigned for the agent that receives it"
        );
        assert_eq!(p.application("later"), Ok(app(-1)));
        let of_5 = p.instance(new_instance(-1, "5.x", "")).unwrap();
        // A 5.x agent is first.
        let announced = p.application("earlier").unwrap();
        let of_5_first = p
            .instance(new_instance(announced.get(), "5.x", ""))
            .unwrap();
        let (known, of_later_second) = named(p, "earlier", "8.x");
        assert_eq!(known, announced);
        (
            (internal, [of_later, of_5]),
            (announced, [of_later_second, of_5_first]),
        )
    });
    for copy in [copy(&rows), allocator] {
        let inventory = copy.inventory();
        let listed: Vec<_> = inventory
            .applications(None, 9)
            .iter()
            .map(|a| a.id)
            .collect();
        assert_eq!(listed, [later.0, earlier.0]);
        for (id, instances) in [later, earlier] {
            assert_eq!(inventory.instance_ids(Some(id), None, 9), instances);
        }
        assert_eq!(inventory.shown(later.0), app(-1));
        assert_eq!(inventory.canonical(app(-1)), later.0);
        assert_eq!(inventory.announced_application_id("later"), Some(app(-1)));
        assert_eq!(inventory.announced_application_id("earlier"), Some(app(2)));
        assert_eq!(inventory.instance_id(app(-1), "5.x"), Some(later.1[1]));
        let count = inventory.count(Dictionary::Applications);
        assert_eq!(
            count,
            Count {
                keyed: 2,
                adopted: 0
            }
        );
    }
}

#[test]
fn an_alias_means_its_application_in_every_call() {
    let mut allocator = allocator();
    let (internal, _) = commit(&mut allocator, |p| named(p, "orders", "8.x").0);
    commit(&mut allocator, |p| {
        assert_eq!(p.application("orders"), Ok(app(-1)));
        let key = operation(-1, SpanType::Entry, "/");
        assert_eq!(p.operation(key.clone()), Ok(OperationId::new(-1).unwrap()));
        assert_eq!(p.operation(key), Ok(OperationId::new(-1).unwrap()));
        let instance = p.instance(new_instance(-1, "u", "")).unwrap();
        assert_eq!(p.instance(new_instance(-1, "u", "BSD")), Ok(instance));
        p.recover(app(-1), instance, None, Properties::default())
            .unwrap();
        p.adopt_instance(inst(9), Some(app(-1))).unwrap();
    });
    let inventory = allocator.inventory();
    assert_eq!(inventory.instance_ids(Some(internal), None, 9).len(), 3);
    assert!(
        inventory
            .operation_id(app(-1), SpanType::Entry, "/")
            .is_some()
    );
    commit(&mut allocator, |p| {
        let other = p.recover(app(3), inst(9), None, Properties::default());
        let known = app(-1);
        let instance = inst(9);
        assert_eq!(
            other,
            Err(proposal::Error::OtherApplication { instance, known })
        );
    });
}

#[test]
fn an_internal_id_is_never_taken_from_an_agent() {
    let mut allocator = allocator();
    let ((application, instance), _) = commit(&mut allocator, |p| named(p, "orders", "8.x"));
    let inventory = allocator.inventory();
    assert!(!inventory.is_announced(instance) && inventory.is_announced(inst(1)));
    let (_, rows) = commit(&mut allocator, |p| {
        for id in [application, app(i32::MIN), app(-(1 << 30))] {
            let refused = proposal::Error::Internal(Dictionary::Applications, id.get());
            assert_eq!(p.adopt_application(id), Err(refused));
            assert_eq!(p.instance(new_instance(id.get(), "u", "")), Err(refused));
            assert_eq!(p.adopt_instance(inst(5), Some(id)), Err(refused));
        }
        let refused = Err(proposal::Error::NotAnInstance(instance));
        assert_eq!(p.adopt_instance(instance, None), refused);
        assert_eq!(
            p.recover(app(2), instance, None, Properties::default()),
            refused
        );
        assert!(
            p.adopt_operation(OperationId::new(i32::MIN).unwrap())
                .is_err()
        );
        assert!(p.adopt_address(AddressId::new(i32::MIN).unwrap()).is_err());
    });
    assert_eq!(rows, []);
}

/// Stores of earlier releases have instances of 8.x with ids of the sequence; they keep these ids.
#[test]
fn an_instance_with_an_id_that_its_agent_does_not_know_keeps_it() {
    let mut allocator = allocator();
    let old = Instance {
        id: inst(3),
        application: Some(app(2)),
        uuid: Some("8.x".into()),
        registered_at: AT,
        generation: Some(Generation::V8),
        adopted: false,
        properties: Properties::default(),
    };
    let orders = Application {
        id: app(2),
        code: Some("orders".into()),
        registered_at: AT,
        alias_of: None,
    };
    allocator.restore(orders.into()).unwrap();
    allocator.restore(old.into()).unwrap();
    let inventory = allocator.inventory();
    assert_eq!(inventory.named_instance_id(app(2), "8.x"), Some(inst(3)));
    assert!(!inventory.is_announced(inst(3)) && inventory.is_announced(inst(4)));
    commit(&mut allocator, |p| {
        assert_eq!(named(p, "orders", "8.x"), (app(2), inst(3)));
        let refused = Err(proposal::Error::NotAnnounced(inst(3)));
        assert_eq!(p.adopt_instance(inst(3), Some(app(2))), refused);
        assert_eq!(
            p.instance(new_instance(2, "v", "")),
            Ok(inst(4)),
            "3 is taken"
        );
        // An agent of 7.0 or before, with the same name, replaces the agent: it receives the id.
        assert_eq!(p.instance(new_instance(2, "8.x", "")), Ok(inst(3)));
    });
    assert!(inventory.is_announced(inst(3)));
}

#[test]
fn a_process_without_ids_and_one_with_an_id_may_have_the_same_name() {
    let mut allocator = allocator();
    let (_, rows) = commit(&mut allocator, |p| {
        let (_, later) = named(p, "orders", "same");
        let announced = p.application("orders").unwrap();
        let earlier = p
            .instance(new_instance(announced.get(), "same", ""))
            .unwrap();
        assert!(later.is_internal() && earlier == inst(1));
        assert_eq!(named(p, "orders", "same").1, later);
        assert!(named(p, "billing", "same").1.is_internal());
        let billing = p.application("billing").unwrap();
        assert_eq!(
            p.instance(new_instance(billing.get(), "first", "")),
            Ok(inst(2))
        );
        assert!(named(p, "billing", "first").1.is_internal());
    });
    let inventory = copy(&rows).inventory();
    assert_eq!(inventory.instance_id(app(-1), "same"), Some(inst(1)));
}

#[test]
fn adopted_and_internal_ids_do_not_count_as_assigned() {
    let mut allocator = allocator();
    commit(&mut allocator, |p| {
        assert!(named(p, "orders", "a").1.is_internal());
        p.adopt_instance(inst(7), None).unwrap();
    });
    assert!(!allocator.has_assigned());
    commit(&mut allocator, |p| {
        p.address("h:1").unwrap();
    });
    assert!(allocator.has_assigned());
}

#[test]
fn the_ids_of_an_earlier_inventory_are_never_assigned() {
    let mut allocator = allocator();
    assert!(!allocator.has_assigned());
    for dictionary in Dictionary::ALL {
        allocator.reserve_below(dictionary, 1_000);
        allocator.reserve_below(dictionary, 10);
    }
    assert!(allocator.has_assigned());
    let (_, rows) = commit(&mut allocator, |p| {
        let applications = ["a", "b", "c"].map(|code| p.application(code).unwrap().get());
        assert_eq!(applications, [1_000, -1_000, 1_001]);
        let instances = ["x", "y"].map(|uuid| p.instance(new_instance(1_000, uuid, "")).unwrap());
        assert_eq!(instances, [inst(1_000), inst(1_001)]);
        p.adopt_application(app(-7)).unwrap();
        p.adopt_instance(inst(7), Some(app(-7))).unwrap();
        let addresses = ["h:1", "h:2"].map(|address| p.address(address).unwrap().get());
        assert_eq!(addresses, [1_000, -1_000]);
    });
    // The reservation is repeated at each start, before or after the rows are restored.
    let mut copy = copy(&rows);
    copy.reserve_below(Dictionary::Applications, 1_000);
    let (next, _) = commit(&mut copy, |p| p.application("d").unwrap());
    assert_eq!(next, app(-1_001));
}
