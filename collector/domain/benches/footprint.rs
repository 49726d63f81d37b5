//! The cost of a million instances: resident memory beyond their own strings, and the time of the hot calls.
//!
//! `cargo bench -p rollcall-domain`. It prints and bounds nothing. Linux only: memory and time come from `/proc/self`,
//! and the time is that on the processor.
//!
//! With glibc's allocator: 153 bytes beyond the strings right after restoring, 158 after five minutes of renewals. On two cores
//! with a load of 15, restoring took 1.3 us per instance, renewing in an order that misses the caches 0.2 us, and looking up by
//! key 1.1 us.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and stops on the first surprise"
)]

use std::{hint::black_box, time::Duration};

use rollcall_domain::{
    ApplicationId, InstanceId, Moment, Timestamp,
    inventory::{Allocator, Dictionary, Generation, Instance, Limits, Properties, Row},
    liveness::{LeaseRecord, Lessor, Signal, State, Terms},
};

const INSTANCES: i32 = 1_000_000;
const PER_APPLICATION: i32 = 100;
const LIMITS: Limits = Limits {
    assigned: usize::MAX,
    adopted: 100_000,
    bytes: usize::MAX,
};

const TERMS: Terms = Terms {
    silent_after: Duration::from_secs(120),
    down_after: Duration::from_secs(300),
    relay: Duration::ZERO,
    spread: Duration::from_secs(30),
    forget_after: Duration::from_secs(604_800),
};

fn main() {
    let before = resident_kib();
    let start = on_cpu();
    let mut allocator = Allocator::new(LIMITS);
    let lessor = Lessor::new(TERMS);
    let instances = usize::try_from(INSTANCES).unwrap();
    allocator.reserve(Dictionary::Instances, instances);
    lessor.reserve(instances);
    let mut strings = 0;
    for number in 1..=INSTANCES {
        let instance = instance(number);
        strings += own_strings(&instance);
        allocator.restore(Row::Instance(instance)).unwrap();
        let stored = LeaseRecord {
            observer: rollcall_domain::liveness::Observer::Here,
            key: id(number),
            last_seen: Moment::from_millis(-60_000),
            signal: Signal::Heartbeat,
            state: State::Up,
            usual: Duration::ZERO,
            forgotten: false,
        };
        lessor.restore(stored, Moment::from_millis(0));
    }
    report("restore", on_cpu() - start, INSTANCES);
    footprint("restored", before, strings);

    let inventory = allocator.inventory();
    measure("look up by key", |number| {
        inventory
            .instance_id(application(number), &uuid(number))
            .unwrap()
    });
    measure("format a uuid (part of the above)", uuid);
    measure("renew", |number| {
        lessor
            .renew(id(number), Signal::JvmMetrics, Moment::from_millis(1_000))
            .unwrap()
    });

    // Five minutes of renewals every half minute, with a check each second.
    let start = on_cpu();
    let mut changed = Vec::new();
    for second in 1..=300 {
        let now = Moment::from_millis(second * 1_000);
        for number in (1..=INSTANCES).filter(|number| i64::from(number % 30) == second % 30) {
            let _renewed = lessor.renew(id(number), Signal::JvmMetrics, now);
        }
        while lessor.expire(now, 4_096, &mut changed) {}
    }
    assert!(changed.is_empty(), "every lease was renewed in time");
    report(
        "five minutes of life, per renewal",
        on_cpu() - start,
        10 * INSTANCES,
    );
    footprint("alive for five minutes", before, strings);

    let start = on_cpu();
    while lessor.expire(Moment::from_millis(600_000), 4_096, &mut changed) {}
    report("all turn silent", on_cpu() - start, INSTANCES);
    assert_eq!(changed.len(), instances);
}

fn id(number: i32) -> InstanceId {
    InstanceId::new(number).unwrap()
}

fn application(number: i32) -> ApplicationId {
    ApplicationId::new(2 + number / PER_APPLICATION).unwrap()
}

/// 32 characters, as agents make theirs.
fn uuid(number: i32) -> String {
    format!(
        "{:032x}",
        u128::from(number.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    )
}

fn instance(number: i32) -> Instance {
    let host = format!("host-{number}.example.org");
    let address = format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255);
    let process = number.to_string();
    let properties = [
        ("os_name", "Linux"),
        ("host_name", &host),
        ("process_no", &process),
        ("ipv4", &address),
    ];
    Instance {
        id: id(number),
        application: Some(application(number)),
        uuid: Some(uuid(number).into()),
        registered_at: Timestamp::from_millis(1),
        generation: Some(Generation::V5),
        adopted: false,
        properties: properties.into_iter().collect::<Properties>(),
    }
}

/// The characters of an instance: its UUID, and the values of its properties. All instances share the names.
fn own_strings(instance: &Instance) -> usize {
    let values = instance.properties.iter().map(|(_, value)| value.len());
    instance.uuid.as_ref().map_or(0, |uuid| uuid.len()) + values.sum::<usize>()
}

fn measure<R>(what: &str, call: impl Fn(i32) -> R) {
    let start = on_cpu();
    // In an order that misses the caches.
    for step in 0..INSTANCES {
        let number = 1 + i32::try_from(i64::from(step) * 7_919 % i64::from(INSTANCES)).unwrap();
        black_box(call(number));
    }
    report(what, on_cpu() - start, INSTANCES);
}

fn report(what: &str, took: Duration, calls: i32) {
    let calls = f64::from(calls);
    println!(
        "{what:40} {:8.0} ns each, {took:.2?}",
        took.as_secs_f64() * 1e9 / calls
    );
}

fn footprint(what: &str, before: usize, strings: usize) {
    let instances = usize::try_from(INSTANCES).unwrap();
    let each = (resident_kib() - before) * 1024 / instances;
    let strings = strings / instances;
    println!(
        "{what:40} {each:8} B each, {} beyond the {strings} of its strings",
        each - strings
    );
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How long this process, which has one thread, has been on a processor.
fn on_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    let nanos = stat.split_whitespace().next().unwrap();
    Duration::from_nanos(nanos.parse().unwrap())
}
