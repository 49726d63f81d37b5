//! The memory of the timeline of an instance: `cargo bench -p rollcall-events --bench footprint`. Linux only.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and stops on the first surprise"
)]

use std::{net::SocketAddr, sync::Arc};

use rollcall_domain::{
    InstanceId, Timestamp,
    catalog::{Endpoint, ServiceKey},
    inventory::Generation,
};
use rollcall_events::{
    Config, Contact, Feed, InstanceEvent, InstanceKind, ServiceEvent, ServiceInstance,
};

const INSTANCES: i32 = 500_000;
const PER_CONNECTION: i32 = 200;

fn main() {
    let config = Config {
        per_peer: usize::MAX,
        backlog: 1_024,
        per_instance: 16,
        memory: usize::MAX,
        journal_size: 0,
    };
    let feed = Feed::new(&config, 1);
    let mut services = Vec::new();
    let mut instances = Vec::new();
    for number in 0..INSTANCES {
        if number % PER_CONNECTION == 0 {
            let name = format!("service-{}", number / PER_CONNECTION);
            services.push(ServiceKey::new("", "", &name).unwrap());
        }
        let ip = address(number);
        let endpoint = Endpoint::new(&ip, 8080, "").unwrap();
        let service = services.last().unwrap().clone();
        instances.push(ServiceInstance { service, endpoint });
    }
    measure("an agent's registration", &feed, 0, |number| {
        registered(&feed, number);
    });
    measure("an agent's reconnection", &feed, 0, |number| {
        reconnected(&feed, number);
    });
    measure("a Nacos registration", &feed, 1, |number| {
        let index = usize::try_from(number).unwrap();
        service(&feed, &instances[index], number);
    });
}

fn measure(what: &str, feed: &Feed, kind: usize, record: impl Fn(i32)) {
    let (before, charged) = (resident(), feed.budgets()[kind].held());
    (0..INSTANCES).for_each(record);
    let each = |bytes: usize| bytes / usize::try_from(INSTANCES).unwrap();
    let charged = each(feed.budgets()[kind].held() - charged);
    let taken = each(resident() - before);
    println!("{what:30} {taken:6} B each, {charged} charged");
}

fn address(number: i32) -> String {
    format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255)
}

fn registered(feed: &Feed, number: i32) {
    agent(feed, number, InstanceKind::Registered(contact(number)));
}

fn reconnected(feed: &Feed, number: i32) {
    agent(feed, number, InstanceKind::Reconnected(contact(number)));
}

fn contact(number: i32) -> Contact {
    let ip: std::net::Ipv4Addr = address(number).parse().unwrap();
    Contact {
        peer: Some(SocketAddr::from((ip, 50_123))),
        generation: Some(Generation::V5),
        clock_skew: None,
    }
}

fn agent(feed: &Feed, number: i32, kind: InstanceKind) {
    let instance = InstanceId::new(number + 1).unwrap();
    let event = InstanceEvent { instance, kind };
    feed.instance(Timestamp::from_millis(1_700_000_000_000), event);
}

fn service(feed: &Feed, instance: &ServiceInstance, number: i32) {
    let connection = number / PER_CONNECTION;
    let client: Arc<str> = "Nacos-Java-Client:v2.5.1".into();
    let event = ServiceEvent {
        instance: instance.clone(),
        is_ephemeral: true,
        kind: "registered".into(),
        publisher: format!("connection {connection}").into(),
        peer: Some(format!("{}:50123", address(connection)).into()),
        client: Some(client),
        connection_end: None,
        by: None,
        detail: None,
        unrecorded: 0,
    };
    feed.service(Timestamp::from_millis(1_700_000_000_000), event);
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
