//! Compares the registry with a naive model, and tests promises that the model does not cover.

use std::{sync::Arc, time::Duration};

use super::{
    ConnectionEnd, ConnectionId, Effects, Endpoint, Kind, Limits, Metadata, Publisher,
    Registration, Registry, ServiceKey,
};
use crate::Moment;

mod limits;
mod members;
mod model;
mod names;
mod promises;
mod selection;
mod shares;
mod subscriptions;

fn key(name: &str) -> ServiceKey {
    ServiceKey::new("", "", name).unwrap()
}

fn endpoint(ip: &str) -> Endpoint {
    Endpoint::new(ip, 80, "").unwrap()
}

fn registration(ip: &str) -> Registration {
    Registration::new(endpoint(ip), Kind::Ephemeral)
}

fn connection(number: u64) -> ConnectionId {
    ConnectionId::new(number).unwrap()
}

fn connection_publisher(number: u64) -> Publisher {
    Publisher::Connection(connection(number))
}

fn metadata(entries: &[(&str, &str)]) -> Arc<Metadata> {
    Arc::new(entries.iter().copied().collect())
}

/// A registry, with short forms of the calls that tests make.
struct Fixture {
    registry: Registry,
    effects: Effects,
    now: Moment,
}

impl Fixture {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        Self {
            registry: Registry::new(limits, Duration::from_secs(60)),
            effects: Effects::default(),
            now: Moment::from_millis(0),
        }
    }

    fn register(&mut self, publisher: &Publisher, name: &str, registration: Registration) {
        self.registry
            .register(
                publisher,
                &key(name),
                registration,
                self.now,
                &mut self.effects,
            )
            .unwrap();
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now.after(Duration::from_secs(seconds));
    }

    fn ips(&self, name: &str) -> Vec<String> {
        let instances = self.registry.instances(&key(name)).unwrap_or_default();
        let ip = |i: super::Instance| i.registered.endpoint.ip.to_string();
        instances.into_iter().map(ip).collect()
    }
}
