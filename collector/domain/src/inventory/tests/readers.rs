//! Readers concurrent with the writer.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::*;

const BATCHES: usize = 400;
const PER_BATCH: usize = 20;

/// At every moment, an id that a reader finds through a key, a listing or another entry has an entry.
#[test]
fn every_id_that_a_reader_finds_resolves() {
    let mut allocator = allocator();
    let inventory = allocator.inventory();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    read_all(&inventory);
                }
            });
        }
        for batch in 0..BATCHES {
            commit(&mut allocator, |p| {
                for n in 0..PER_BATCH {
                    let name = format!("{batch}.{n}");
                    let application = p.application(&name).unwrap().get();
                    p.instance(new_instance(application, &name, "")).unwrap();
                    p.operation(operation(application, SpanType::Exit, &name))
                        .unwrap();
                }
                // It is listed under no application at first, and under one from the next batch on.
                p.adopt_instance(inst(1_000_000), (batch > 0).then(|| app(-1)))
                    .unwrap();
            });
        }
        done.store(true, Ordering::Relaxed);
    });
    read_all(&inventory);
    assert_eq!(
        inventory.count(Dictionary::Instances).keyed,
        BATCHES * PER_BATCH
    );
}

fn read_all(inventory: &Inventory) {
    for batch in 0..BATCHES {
        let name = format!("{batch}.0");
        let Some(id) = inventory.application_id(&name) else {
            break;
        };
        assert_eq!(
            inventory.application(id).unwrap().code.as_deref(),
            Some(&*name)
        );
        if let Some(instance) = inventory.instance_id(id, &name) {
            let application = inventory.read_instance(instance, |i| i.application);
            assert_eq!(application, Some(Some(id)));
        }
        if let Some(operation) = inventory.operation_id(id, SpanType::Exit, &name) {
            assert_eq!(
                inventory
                    .operation(operation)
                    .unwrap()
                    .key
                    .unwrap()
                    .application,
                id
            );
        }
    }
    for id in inventory.instance_ids(Some(app(-1)), None, 10) {
        let application = inventory.instance(id).unwrap().application.unwrap();
        assert!(inventory.application(application).is_some());
    }
}
