//! The public behaviour of the inventory.

mod adoption;
mod identities;
mod interleavings;
mod readers;
mod room;

use super::*;
use crate::Timestamp;

const AT: Timestamp = Timestamp::from_millis(1_000);
const LATER: Timestamp = Timestamp::from_millis(2_000);

fn allocator() -> Allocator {
    Allocator::new(Limits {
        assigned: usize::MAX,
        adopted: 100,
        bytes: usize::MAX,
    })
}

fn app(id: i32) -> ApplicationId {
    ApplicationId::new(id).unwrap()
}

fn inst(id: i32) -> InstanceId {
    InstanceId::new(id).unwrap()
}

fn new_instance(application: i32, uuid: &str, os: &str) -> NewInstance {
    NewInstance {
        application: app(application),
        uuid: uuid.into(),
        generation: Some(Generation::V3),
        properties: [("os", os)].into_iter().collect(),
    }
}

fn operation(application: i32, span_type: SpanType, name: &str) -> OperationKey {
    OperationKey {
        application: app(application),
        span_type,
        name: name.into(),
    }
}

/// Commits a batch; returns its result and its rows.
fn commit<R>(
    allocator: &mut Allocator,
    batch: impl FnOnce(&mut Proposal<'_>) -> R,
) -> (R, Vec<Row>) {
    let mut proposal = allocator.propose(AT);
    let result = batch(&mut proposal);
    let rows = proposal.rows().to_vec();
    proposal.confirm();
    (result, rows)
}

#[test]
fn the_reserved_row_is_written_with_the_first_one_and_stands_for_no_entry() {
    let mut allocator = allocator();
    let (id, rows) = commit(&mut allocator, |p| p.application("User").unwrap());
    assert_eq!(id, app(-1));
    let [Row::Application(reserved), Row::Application(own)] = &rows[..] else {
        panic!("{rows:?}")
    };
    assert_eq!((own.id, own.code.as_deref()), (app(-1), Some("User")));
    assert_eq!((reserved.id, reserved.code.as_deref()), (app(1), None));
    let (_, rows) = commit(&mut allocator, |p| p.application("b").unwrap());
    assert_eq!(rows.len(), 1);

    let inventory = allocator.inventory();
    let listed: Vec<_> = inventory
        .applications(None, 10)
        .iter()
        .map(|a| a.id)
        .collect();
    assert_eq!(listed, [app(-1), app(2)]);
    assert_eq!(
        inventory.count(Dictionary::Applications),
        Count {
            keyed: 2,
            adopted: 0
        }
    );
    assert!(inventory.application(app(1)).is_some(), "agents may use it");
}

#[test]
fn each_dictionary_follows_its_sequence() {
    let mut allocator = allocator();
    commit(&mut allocator, |p| {
        let applications = ["a", "b", "c"].map(|code| p.application(code).unwrap().get());
        assert_eq!(applications, [-1, 2, -2]);
        let instances =
            ["x", "y", "z"].map(|uuid| p.instance(new_instance(-1, uuid, "")).unwrap().get());
        assert_eq!(instances, [1, 2, 3]);
        let sides = [SpanType::Entry, SpanType::Exit, SpanType::Local];
        let operations = sides.map(|side| p.operation(operation(2, side, "/")).unwrap().get());
        assert_eq!(operations, [-1, 2, -2]);
        let addresses = ["h:1", "h:2", "h:3"].map(|address| p.address(address).unwrap().get());
        assert_eq!(addresses, [-1, 1, 2]);
    });
}

#[test]
fn the_same_key_has_the_same_id_before_and_after_it_is_confirmed() {
    let mut allocator = allocator();
    let register = |p: &mut Proposal<'_>| {
        let application = p.application("a").unwrap();
        let instance = p
            .instance(new_instance(application.get(), "u", "Linux"))
            .unwrap();
        let operation = p
            .operation(operation(application.get(), SpanType::Entry, "/"))
            .unwrap();
        (application, instance, operation, p.address("h:1").unwrap())
    };
    let (first, _) = commit(&mut allocator, |p| {
        let first = register(p);
        assert_eq!(register(p), first);
        first
    });
    let (again, rows) = commit(&mut allocator, register);
    assert_eq!(again, first);
    assert_eq!(rows, [], "nothing changed");

    let inventory = allocator.inventory();
    assert_eq!(inventory.application_id("a"), Some(first.0));
    assert_eq!(inventory.instance_id(first.0, "u"), Some(first.1));
    assert_eq!(
        inventory.operation_id(first.0, SpanType::Entry, "/"),
        Some(first.2)
    );
    assert_eq!(inventory.operation_id(first.0, SpanType::Exit, "/"), None);
    assert_eq!(inventory.address_id("h:1"), Some(first.3));
}

#[test]
fn nothing_proposed_is_visible_and_a_dropped_proposal_changes_nothing() {
    let mut allocator = allocator();
    let inventory = allocator.inventory();
    let mut proposal = allocator.propose(AT);
    proposal.application("a").unwrap();
    proposal.adopt_instance(inst(1), Some(app(7))).unwrap();
    assert_eq!(inventory.application_id("a"), None);
    assert!(inventory.instance(inst(1)).is_none());
    drop(proposal);
    let (ids, _) = commit(&mut allocator, |p| {
        (
            p.application("b").unwrap(),
            p.instance(new_instance(-1, "u", "")).unwrap(),
        )
    });
    assert_eq!(ids, (app(-1), inst(1)));
    assert!(inventory.application(app(7)).is_none());
}

#[test]
fn registering_again_updates_the_entry_and_keeps_the_first_registration_time() {
    let mut allocator = allocator();
    commit(&mut allocator, |p| {
        p.instance(new_instance(5, "u", "Linux")).unwrap()
    });
    let mut proposal = allocator.propose(LATER);
    let mut changed = new_instance(5, "u", "Solaris");
    changed.generation = None;
    assert_eq!(proposal.instance(changed), Ok(inst(1)));
    assert_eq!(proposal.rows().len(), 1);
    proposal.confirm();
    let instance = allocator.inventory().instance(inst(1)).unwrap();
    assert_eq!(instance.properties.get("os"), Some("Solaris"));
    assert_eq!(
        instance.generation,
        Some(Generation::V3),
        "kept if it is not reported"
    );
    assert_eq!(instance.registered_at, AT);
}

#[test]
fn an_instance_or_operation_of_an_unknown_application_adopts_it_first() {
    let mut allocator = allocator();
    let (_, rows) = commit(&mut allocator, |p| {
        p.instance(new_instance(2, "u", "")).unwrap();
        p.operation(operation(-1, SpanType::Local, "job")).unwrap();
    });
    let applications: Vec<_> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Application(a) => Some((a.id.get(), a.code.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(applications, [(2, None), (-1, None)]);
    let (next, _) = commit(&mut allocator, |p| p.application("a").unwrap());
    assert_eq!(next, app(-2), "both ids are skipped");
}

#[test]
fn recovering_keeps_the_identity_and_updates_the_rest() {
    let mut allocator = allocator();
    commit(&mut allocator, |p| {
        p.instance(new_instance(5, "u", "Linux")).unwrap()
    });
    let properties: Properties = [("os", "BSD")].into_iter().collect();
    let recover = |p: &mut Proposal<'_>| p.recover(app(5), inst(1), None, properties.clone());
    let (result, rows) = commit(&mut allocator, recover);
    assert_eq!((result, rows.len()), (Ok(()), 1));
    let (_, rows) = commit(&mut allocator, recover);
    assert_eq!(rows, [], "nothing changed");
    let instance = allocator.inventory().instance(inst(1)).unwrap();
    assert_eq!(instance.uuid.as_deref(), Some("u"));
    assert_eq!(instance.properties, properties);
    assert!(!instance.adopted);
}

#[test]
fn assigning_stops_at_the_limit_and_known_keys_still_resolve() {
    let limits = Limits {
        assigned: 2,
        adopted: 2,
        bytes: usize::MAX,
    };
    let mut allocator = Allocator::new(limits);
    allocator.propose(AT).application("dropped").unwrap();
    for _start in 0..2 {
        let (_, rows) = commit(&mut allocator, |p| {
            assert_eq!(p.application("a"), Ok(app(-1)));
            p.adopt_application(app(7)).unwrap();
            assert_eq!(p.application("b"), Ok(app(2)));
            let exhausted = Err(proposal::Error::Exhausted(Dictionary::Applications));
            assert_eq!(p.application("c"), exhausted);
            assert_eq!(p.application("a"), Ok(app(-1)));
        });
        if !rows.is_empty() {
            allocator = Allocator::new(limits);
            rows.into_iter()
                .for_each(|row| allocator.restore(row).unwrap());
        }
    }
}

#[test]
fn an_exhausted_dictionary_is_an_error_and_known_keys_still_resolve() {
    let mut allocator = allocator();
    let known = Instance {
        id: inst(i32::MAX),
        application: Some(app(2)),
        uuid: Some("u".into()),
        registered_at: AT,
        generation: None,
        adopted: false,
        properties: Properties::default(),
    };
    allocator.restore(known.into()).unwrap();
    commit(&mut allocator, |p| {
        let exhausted = Err(proposal::Error::Exhausted(Dictionary::Instances));
        assert_eq!(p.instance(new_instance(2, "v", "")), exhausted);
        assert_eq!(p.instance(new_instance(2, "u", "")), Ok(inst(i32::MAX)));
    });
}

#[test]
fn listings_continue_after_a_cursor() {
    let mut allocator = allocator();
    commit(&mut allocator, |p| {
        for n in 0..7 {
            p.application(&n.to_string()).unwrap();
            p.instance(new_instance(
                if n % 2 == 0 { -1 } else { 2 },
                &n.to_string(),
                "",
            ))
            .unwrap();
        }
    });
    let inventory = allocator.inventory();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = inventory.applications(after, 3);
        seen.extend(page.iter().map(|a| a.id.get()));
        after = page.last().map(|a| a.id);
        if page.len() < 3 {
            break;
        }
    }
    assert_eq!(seen, [-4, -3, -2, -1, 2, 3, 4]);
    let instances = inventory.instances(Some(app(-1)), Some(inst(1)), 2);
    let instances: Vec<_> = instances.iter().map(|i| i.id.get()).collect();
    assert_eq!(instances, [3, 5]);
    assert!(inventory.instances(Some(app(3)), None, 5).is_empty());
}

#[test]
fn rows_that_contradict_each_other_are_refused() {
    let application = |id, code: Option<&str>| {
        Row::from(Application {
            id: app(id),
            code: code.map(Into::into),
            registered_at: AT,
            alias_of: None,
        })
    };
    let mut allocator = allocator();
    allocator.restore(application(2, Some("a"))).unwrap();
    allocator.restore(application(2, Some("a"))).unwrap();
    let dictionary = Dictionary::Applications;
    let mut refused = |row| allocator.restore(row).unwrap_err();
    let two_keys = |id| restore::Error::TwoKeys { dictionary, id };
    assert_eq!(refused(application(2, Some("b"))), two_keys(2));
    assert_eq!(refused(application(2, None)), two_keys(2));
    assert_eq!(refused(application(1, Some("User"))), two_keys(1));
    let ids = [2, 3];
    let two_ids = restore::Error::TwoIds { dictionary, ids };
    assert_eq!(refused(application(3, Some("a"))), two_ids);
    let (keyed, adopted) = (1, 0);
    let count = allocator.inventory().count(dictionary);
    assert_eq!(count, Count { keyed, adopted });
}
