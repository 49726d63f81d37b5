//! Tests the ids of names and addresses.

use rollcall_agent::{Activity, Agent, SpanType};
use tonic::Code;

use crate::{
    fake::{Behaviour, Call, Collector, PATIENCE, Response, Seen},
    harness::{builder, naming_for, running_on, until, until_running},
};

/// Polls until `look_up` returns an id. Ids arrive at a tick of the register loop, without a notification.
fn eventually<T>(mut look_up: impl FnMut() -> Option<T>) -> T {
    let mut polls = 0;
    loop {
        if let Some(answer) = look_up() {
            return answer;
        }
        polls += 1;
        assert!(polls < PATIENCE.as_millis(), "no id arrived in time");
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
}

#[test]
fn an_unknown_name_has_no_id_at_first_and_has_one_later() {
    let collector = Collector::start();
    let agent = running_on(&collector);
    assert_eq!(agent.operation("GET /orders", SpanType::Entry), None);
    assert_eq!(agent.address("db:3306"), None);
    let entry = eventually(|| agent.operation("GET /orders", SpanType::Entry));
    let exit = eventually(|| agent.operation("GET /orders", SpanType::Exit));
    assert_ne!(entry, exit);
    eventually(|| agent.address("db:3306"));
    let Seen::Operations(operations) = collector.wait_for(Call::Operations, 1) else {
        panic!()
    };
    assert_eq!(
        Some(operations.elements[0].application_id),
        agent.status().application_id.map(|id| id.get())
    );
    assert_eq!(operations.elements[0].service_name, "GET /orders");
}

#[test]
fn names_queued_before_the_first_connection_are_requested() {
    let collector = Collector::start();
    let agent = builder()
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    assert_eq!(agent.operation("early", SpanType::Local), None);
    eventually(|| agent.operation("early", SpanType::Local));
}

#[test]
fn names_beyond_the_limit_are_dropped_and_counted() {
    let collector = Collector::start();
    let agent = builder()
        .operation_limit(3)
        .address_limit(1)
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    for n in 0..5 {
        agent.operation(&format!("operation {n}"), SpanType::Entry);
        agent.address(&format!("host-{n}:1"));
    }
    assert_eq!(agent.status().counts.dictionary_dropped, 2 + 4);
    agent.operation("", SpanType::Entry);
    agent.operation(&"x".repeat(1025), SpanType::Entry);
    assert_eq!(agent.status().counts.dictionary_dropped, 2 + 4 + 2);
    eventually(|| agent.operation("operation 2", SpanType::Entry));
    assert_eq!(agent.operation("operation 3", SpanType::Entry), None);
}

#[test]
fn a_large_dictionary_is_sent_in_messages_below_the_limit() {
    const NAMES: usize = 20_000;
    let collector = Collector::start();
    let agent = builder()
        .direct_collectors([collector.address()])
        .start()
        .unwrap();
    let name = |n: usize| format!("{n:0>500}");
    for n in 0..NAMES {
        agent.operation(&name(n), SpanType::Exit);
    }
    for n in 0..NAMES {
        eventually(|| agent.operation(&name(n), SpanType::Exit));
    }
    let sizes = collector.read(|state| state.seen.iter().map(Seen::bytes).collect::<Vec<_>>());
    assert!(sizes.iter().sum::<usize>() >= NAMES * 500);
    assert!(
        sizes.iter().all(|size| *size <= 256 * 1024),
        "{:?}",
        sizes.iter().max()
    );
    assert_eq!(agent.status().counts.call_failures, 0);
}

#[test]
fn ids_are_correct_after_a_lost_store() {
    let collector = Collector::start();
    let agent = running_on(&collector);
    let ids = |agent: &Agent| {
        (
            eventually(|| agent.operation("GET /", SpanType::Entry)),
            eventually(|| agent.address("db:1")),
        )
    };
    let before = ids(&agent);
    let at = collector.socket();
    drop(collector);
    until(&agent, "no collector", |status| status.collector.is_none());
    assert_eq!(ids(&agent), before, "known ids stay in use meanwhile");
    let _collector = Collector::start_at(at, 1000);
    until_running(&agent);
    eventually(|| (agent.status().counts.ids_changed == 2).then_some(()));
    let after = ids(&agent);
    assert!(after.0.get() > 1000 && after.1.get() > 1000, "{after:?}");
}

#[test]
fn a_collector_without_addresses_still_assigns_ids_to_names() {
    let collector = Collector::start();
    collector.script(Call::Addresses, Behaviour::Fail(Code::Unimplemented));
    let agent = running_on(&collector);
    agent.address("db:1");
    eventually(|| agent.operation("GET /", SpanType::Entry));
    assert_eq!(agent.address("db:1"), None);
    collector.script(Call::Addresses, Behaviour::Answer);
    eventually(|| agent.address("db:1"));
}

#[test]
fn names_without_an_id_are_requested_until_they_have_an_id() {
    let collector = Collector::start();
    collector.script(Call::Operations, Behaviour::NoId);
    let agent = running_on(&collector);
    agent.operation("GET /", SpanType::Entry);
    collector.wait_for(Call::Operations, 3);
    assert_eq!(agent.operation("GET /", SpanType::Entry), None);
    collector.script(Call::Operations, Behaviour::Answer);
    eventually(|| agent.operation("GET /", SpanType::Entry));
}

#[test]
fn refused_names_are_requested_again_on_the_same_connection() {
    for code in [Code::ResourceExhausted, Code::Unavailable] {
        for refused in [Call::Addresses, Call::Operations] {
            let collector = Collector::start();
            collector.script(refused, Behaviour::Fail(code));
            let agent = running_on(&collector);
            agent.operation("GET /", SpanType::Entry);
            agent.address("db:1");
            collector.wait_for(refused, 4);
            match refused {
                Call::Addresses => _ = eventually(|| agent.operation("GET /", SpanType::Entry)),
                _ => _ = eventually(|| agent.address("db:1")),
            }
            let error = agent.status().last_error.unwrap();
            assert_eq!(error.activity, Activity::Dictionary);
            collector.script(refused, Behaviour::Answer);
            eventually(|| agent.operation("GET /", SpanType::Entry));
            eventually(|| agent.address("db:1"));
            let connections = collector.read(|state| state.connections);
            assert_eq!(connections, 1, "{refused:?} {code:?}");
        }
    }
}

#[test]
fn a_collector_that_keeps_refusing_names_is_left_for_another_one() {
    for refused in [Call::Addresses, Call::Operations] {
        let collectors = [Collector::start(), Collector::start()];
        let [a, b] = &collectors;
        collectors
            .iter()
            .for_each(|it| it.script(refused, Behaviour::Fail(Code::Unavailable)));
        let agent = builder()
            .direct_collectors([a.address(), b.address()])
            .start()
            .unwrap();
        let first = until_running(&agent).collector.unwrap();
        let another = if first == a.address() { b } else { a };
        another.script(refused, Behaviour::Answer);
        agent.operation("GET /", SpanType::Entry);
        agent.address("db:1");
        eventually(|| agent.operation("GET /", SpanType::Entry));
        eventually(|| agent.address("db:1"));
        let status = agent.status();
        assert_eq!(status.collector, Some(another.address()));
        assert_eq!(status.counts.connection_failures, 1);
        let error = status.last_error.unwrap();
        assert!(error.message.contains("names refused for"), "{error:?}");
    }
}

#[test]
fn a_refusing_collector_that_left_the_list_is_left_for_the_only_one_in_it() {
    let (first, second) = (Collector::start(), Collector::start());
    first.script(Call::Operations, Behaviour::Fail(Code::Unavailable));
    let naming = naming_for(&[&first]);
    let agent = builder().collectors([naming.address()]).start().unwrap();
    until_running(&agent);
    naming.answers(Response::List(vec![second.address()]));
    agent.operation("GET /", SpanType::Entry);
    eventually(|| agent.operation("GET /", SpanType::Entry));
    assert_eq!(agent.status().collector, Some(second.address()));
}
