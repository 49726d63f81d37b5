use std::thread;

use proptest::prelude::*;

use super::*;

/// Looks up a key, and queues it if it is absent. Returns `Absent` if the dictionary is full.
fn look_up<K: Key, Q: Equivalent<K> + Hash + ?Sized, I: Copy + PartialEq>(
    dictionary: &Dictionary<K, I>,
    query: &Q,
    key: K,
) -> Lookup<I> {
    match dictionary.lookup(query) {
        Lookup::Absent if dictionary.queue(|| key).is_ok() => Lookup::Waiting,
        found => found,
    }
}

fn address(dictionary: &Addresses, text: &str) -> Lookup<AddressId> {
    look_up(dictionary, text, text.into())
}

/// Takes the queue as the register loop does, and stores these answers.
fn answer(dictionary: &Addresses, answers: &[(&str, i32)]) -> usize {
    let answers = answers
        .iter()
        .map(|(text, number)| ((*text).into(), id(*number)));
    dictionary.store(dictionary.take_queue(), answers)
}

fn id(number: i32) -> AddressId {
    AddressId::from_wire(number).unwrap()
}

#[test]
fn an_absent_key_is_queued_once_and_known_after_the_answer() {
    let addresses = Addresses::new(10);
    assert_eq!(address(&addresses, "db:3306"), Lookup::Waiting);
    assert_eq!(address(&addresses, "db:3306"), Lookup::Waiting);
    let queue = addresses.take_queue();
    assert_eq!(queue, ["db:3306".into()]);
    assert_eq!(addresses.store(queue, [("db:3306".into(), id(-1))]), 0);
    assert_eq!(address(&addresses, "db:3306"), Lookup::Known(id(-1)));
    assert_eq!(addresses.take_queue(), []);
}

#[test]
fn the_same_name_on_two_sides_has_two_ids() {
    let operations = Operations::new(10);
    let sides = [SpanType::Entry, SpanType::Exit, SpanType::Local];
    for (side, number) in sides.into_iter().zip(1..) {
        let query = OperationRef {
            span: side,
            name: "GET /",
        };
        assert_eq!(look_up(&operations, &query, query.into()), Lookup::Waiting);
        operations.store(
            operations.take_queue(),
            [(query.into(), OperationId::from_wire(number).unwrap())],
        );
    }
    for (side, number) in sides.into_iter().zip(1..) {
        let query = OperationRef {
            span: side,
            name: "GET /",
        };
        assert_eq!(
            look_up(&operations, &query, query.into()),
            Lookup::Known(OperationId::from_wire(number).unwrap())
        );
    }
}

#[test]
fn a_full_dictionary_drops_new_keys_and_keeps_its_entries() {
    let addresses = Addresses::new(2);
    let answers = ["a", "b", "c", "a"].map(|text| address(&addresses, text));
    assert_eq!(
        answers,
        [
            Lookup::Waiting,
            Lookup::Waiting,
            Lookup::Absent,
            Lookup::Waiting
        ]
    );
    assert_eq!(addresses.len(), 2);
}

#[test]
fn concurrent_threads_stay_within_the_limit_and_queue_each_key_once() {
    let addresses = Addresses::new(100);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for n in 0..200 {
                    address(&addresses, &n.to_string());
                }
            });
        }
    });
    let mut queue = addresses.take_queue();
    queue.sort_unstable();
    let queued = queue.len();
    queue.dedup();
    assert_eq!((queue.len(), addresses.len()), (queued, queued));
    assert!(queued <= 100);
}

#[test]
fn requesting_again_keeps_ids_in_use_and_counts_those_that_changed() {
    let addresses = Addresses::new(10);
    for text in ["a", "b"] {
        address(&addresses, text);
    }
    answer(&addresses, &[("a", 1), ("b", 2)]);
    address(&addresses, "c");
    addresses.request_again();
    assert_eq!(address(&addresses, "a"), Lookup::Known(id(1)));
    assert_eq!(answer(&addresses, &[("a", 1), ("b", -2), ("c", 3)]), 1);
    assert_eq!(address(&addresses, "b"), Lookup::Known(id(-2)));
    assert_eq!(addresses.take_queue(), []);
}

#[test]
fn a_name_that_the_collector_lost_has_no_id_and_is_requested_again() {
    let addresses = Addresses::new(10);
    address(&addresses, "a");
    answer(&addresses, &[("a", 1)]);
    addresses.request_again();
    assert_eq!(answer(&addresses, &[]), 0);
    assert_eq!(address(&addresses, "a"), Lookup::Waiting);
    assert_eq!(addresses.take_queue(), ["a".into()]);
}

#[test]
fn a_forgotten_key_is_queued_and_still_counts_towards_the_limit() {
    let addresses = Addresses::new(1);
    address(&addresses, "a");
    answer(&addresses, &[("a", 1)]);
    addresses.forget();
    assert_eq!(address(&addresses, "a"), Lookup::Waiting);
    assert_eq!(addresses.take_queue(), ["a".into()]);
    assert_eq!(address(&addresses, "b"), Lookup::Absent);
}

#[test]
fn an_answer_that_was_not_requested_is_ignored() {
    let addresses = Addresses::new(10);
    assert_eq!(answer(&addresses, &[("a", 1)]), 0);
    assert_eq!(address(&addresses, "a"), Lookup::Waiting);
}

proptest! {
    #[test]
    fn chunks_keep_every_key_in_order_below_the_limit(texts in prop::collection::vec(".{0,80}", 0..200), limit in 100_usize..2000) {
        let keys: Vec<Arc<str>> = texts.iter().map(|text| text.as_str().into()).collect();
        let chunks: Vec<Vec<Arc<str>>> = chunks(keys.clone(), limit).collect();
        for chunk in &chunks {
            let bytes: usize = chunk.iter().map(cost).sum();
            prop_assert!(bytes <= limit || chunk.len() == 1);
        }
        prop_assert_eq!(chunks.concat(), keys);
    }
}
