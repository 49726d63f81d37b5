//! Compares random histories with a model, whose maps are searched from end to end.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::{
    HealthBy, Host, Instance, InstanceRef, MetadataChange, Override, Patch, Rules, Selection,
};
use super::*;
use crate::Timestamp;
use steps::{Source, Step, at, step};

mod steps;

type InstanceKey = (u8, Endpoint, Kind);

#[derive(Clone, Debug, PartialEq)]
struct Known {
    registered: Registration,
    owner: Publisher,
}

#[derive(Debug, Default)]
struct Model {
    known: BTreeMap<InstanceKey, Known>,
    overrides: BTreeMap<(u8, Endpoint), Override>,
    leased: BTreeSet<InstanceRef>,
}

fn name(service: u8) -> ServiceKey {
    key(&format!("s{service}"))
}

impl Model {
    fn put(&mut self, service: u8, owner: &Publisher, mut registered: Registration) {
        let key = (service, registered.endpoint.clone(), registered.kind);
        if let Some(known) = self.known.get(&key)
            && registered.kind == Kind::Persistent
        {
            registered.healthy = known.registered.healthy;
        }
        let owner = owner.clone();
        self.known.insert(key, Known { registered, owner });
    }

    fn held(&self, owner: &Publisher, service: u8) -> Vec<InstanceKey> {
        let held = self.known.iter();
        held.filter(|((of, ..), known)| *of == service && known.owner == *owner)
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn hosts(&self, service: u8) -> Vec<Host> {
        let own = self.known.iter().filter(|((of, ..), _)| *of == service);
        own.map(|((_, endpoint, kind), known)| {
            let set = self.overrides.get(&(service, endpoint.clone()));
            let registered = &known.registered;
            Host {
                endpoint: endpoint.clone(),
                kind: *kind,
                weight: set.and_then(|o| o.weight).unwrap_or(registered.weight),
                enabled: set.and_then(|o| o.enabled).unwrap_or(registered.enabled),
                healthy: registered.healthy,
                is_healthy: registered.healthy,
                metadata: Arc::clone(&registered.metadata),
                instance_id: None,
            }
        })
        .collect()
    }
}

fn apply(model: &mut Model, fixture: &mut Fixture, step: Step) {
    let (registry, effects, now) = (&mut fixture.registry, &mut fixture.effects, fixture.now);
    match step {
        Step::Register(source, service, registered) => {
            let registered = registered.registration(matches!(source, Source::Connection(_)));
            let owner = source.publisher(&registered);
            if matches!(source, Source::Connection(_)) {
                for key in model.held(&owner, service) {
                    if key.1 != registered.endpoint {
                        model.known.remove(&key);
                    }
                }
            }
            model.put(service, &owner, registered.clone());
            let by = source.registrant(owner);
            let done = registry.register(by, &name(service), registered, now, effects);
            assert_eq!(done.unwrap().revision, registry.revision(&name(service)));
        }
        Step::Batch(source, service, registered) => {
            let registered: Vec<_> = registered
                .iter()
                .map(|one| one.registration(true))
                .collect();
            let owner = Publisher::Connection(connection(u64::from(source) + 1));
            for key in model.held(&owner, service) {
                if registered.iter().all(|one| one.endpoint != key.1) {
                    model.known.remove(&key);
                }
            }
            for one in registered.clone() {
                model.put(service, &owner, one);
            }
            let by = Source::Connection(source).registrant(owner);
            registry
                .batch(by, &name(service), registered, now, effects)
                .unwrap();
        }
        Step::Withdraw(source, service) => {
            let source = connection(u64::from(source) + 1);
            let held = model.held(&Publisher::Connection(source), service);
            for key in &held {
                model.known.remove(key);
            }
            let removed = registry.withdraw(source, &name(service), now, effects);
            assert_eq!(removed, held.len());
        }
        Step::End(source) => {
            let source = connection(u64::from(source) + 1);
            let owner = Publisher::Connection(source);
            model.known.retain(|_, known| known.owner != owner);
            while !registry.end(source, ConnectionEnd::Closed, 1, now, effects) {}
        }
        Step::Deregister(service, key, ephemeral) => {
            let (endpoint, kind) = (at(key), Kind::of(ephemeral));
            let known = model.known.remove(&(service, endpoint.clone(), kind));
            let times = (now, now.after(Duration::from_secs(15)));
            let done = registry.deregister(&name(service), &endpoint, kind, times, effects);
            assert_eq!(done.is_ok(), known.is_some());
        }
        other => apply_rest(model, fixture, other),
    }
}

fn apply_rest(model: &mut Model, fixture: &mut Fixture, step: Step) {
    let (registry, effects) = (&mut fixture.registry, &mut fixture.effects);
    match step {
        Step::Health(service, key, ephemeral, healthy) => {
            let (endpoint, kind) = (at(key), Kind::of(ephemeral));
            let known = model.known.get_mut(&(service, endpoint.clone(), kind));
            let found = registry.lookup(&name(service), &endpoint, Some(kind));
            assert_eq!(found.is_ok(), known.is_some());
            if let (Ok(found), Some(known)) = (found, known) {
                let changed = known.registered.healthy != healthy;
                known.registered.healthy = healthy;
                assert_eq!(
                    registry.set_health(found.reference, healthy, HealthBy::Probe, effects),
                    changed
                );
            }
        }
        Step::Patch(service, key, ephemeral, weight) => {
            let (endpoint, kind) = (at(key), Kind::of(ephemeral));
            let patch = Patch {
                weight: Some(f64::from(weight)),
                metadata: Some(MetadataChange::Merge(metadata(&[("rack", "r")]))),
                ..Patch::default()
            };
            let found = registry.lookup(&name(service), &endpoint, Some(kind));
            if let Some(known) = model.known.get_mut(&(service, endpoint, kind)) {
                known.registered = known.registered.clone().patched(&patch);
                let reference = found.unwrap().reference;
                registry.patch(reference, &patch, effects).unwrap();
            }
        }
        Step::Override(service, key, enabled, weight) => {
            overrule(model, fixture, (service, at(key)), (enabled, weight));
        }
        Step::Adopt(service, key) => {
            let endpoint = at(key);
            let key = (service, endpoint.clone(), Kind::Ephemeral);
            if let Ok(found) = registry.lookup(&name(service), &endpoint, Some(Kind::Ephemeral)) {
                registry.claim(found.reference, effects);
                registry.charge(found.reference, Source::Address.peer());
                let known = model.known.get_mut(&key).unwrap();
                if known.owner == Publisher::Restored {
                    known.owner = endpoint.publisher();
                }
            }
        }
        _ => unreachable!("the other steps are applied above"),
    }
}

fn overrule(
    model: &mut Model,
    fixture: &mut Fixture,
    (service, endpoint): (u8, Endpoint),
    (enabled, weight): (Option<bool>, Option<u8>),
) {
    let (registry, effects) = (&mut fixture.registry, &mut fixture.effects);
    let set = Override {
        enabled,
        weight: weight.map(f64::from),
        ..Override::none(Timestamp::from_millis(0))
    };
    let is_known = Kind::ALL.iter().any(|kind| {
        model
            .known
            .contains_key(&(service, endpoint.clone(), *kind))
    });
    let done = registry.set_override(&name(service), &endpoint, set.clone(), effects);
    // An override can be removed even if its instance has ended.
    let is_removal = set.is_empty() && model.overrides.contains_key(&(service, endpoint.clone()));
    assert_eq!(done.is_ok(), is_known || is_removal);
    if set.is_empty() {
        model.overrides.remove(&(service, endpoint));
    } else if is_known {
        model.overrides.insert((service, endpoint), set);
    }
}

/// Checks everything that can be read.
fn compare(model: &mut Model, fixture: &mut Fixture, before: &[(u64, Vec<Host>)]) {
    let effects = std::mem::take(&mut fixture.effects);
    for ended in &effects.ended {
        assert!(model.leased.remove(ended), "a lease ends that was granted");
    }
    // An instance that was granted and ended in one step is in both lists.
    model.leased.extend(effects.granted.iter().copied());
    model
        .leased
        .retain(|lease| fixture.registry.instance(*lease).is_some());
    let registry = &fixture.registry;
    let mut leased = BTreeSet::new();
    for (service, (revision, hosts)) in before.iter().enumerate() {
        let service = u8::try_from(service).unwrap();
        let found = registry.instances(&name(service)).unwrap_or_default();
        let known: Vec<Known> = model
            .known
            .iter()
            .filter(|((of, ..), _)| *of == service)
            .map(|(_, known)| known.clone())
            .collect();
        let as_known = |instance: &Instance| Known {
            registered: instance.registered.clone(),
            owner: instance.publisher.clone(),
        };
        assert_eq!(found.iter().map(as_known).collect::<Vec<_>>(), known);
        let own = found.iter().filter(|i| {
            i.registered.kind.is_ephemeral() && !matches!(i.publisher, Publisher::Connection(_))
        });
        leased.extend(own.map(|instance| instance.reference));
        let after = (registry.revision(&name(service)), view(registry, service));
        assert_eq!(after.1, model.hosts(service));
        let is_same = after.1 == *hosts && (*revision > 0 || after.0 == 0);
        assert_eq!(
            after.0 == *revision,
            is_same,
            "a revision changes iff what is seen does"
        );
        assert_eq!(
            effects.changed.contains(&name(service)),
            after.0 != *revision
        );
    }
    assert_eq!(model.leased, leased);
    compare_totals(model, registry);
}

fn compare_totals(model: &Model, registry: &Registry) {
    registry.check_shares();
    let counts = registry.counts();
    let all = model.known.values();
    assert_eq!(
        counts.healthy,
        all.clone().filter(|known| known.registered.healthy).count()
    );
    let ephemeral = all
        .clone()
        .filter(|known| known.registered.kind.is_ephemeral())
        .count();
    assert_eq!(
        (counts.ephemeral, counts.ephemeral + counts.persistent),
        (ephemeral, all.len())
    );
    let owners: BTreeSet<&Publisher> = model.known.values().map(|known| &known.owner).collect();
    assert_eq!(registry.publishers().collect::<BTreeSet<_>>(), owners);
    for owner in owners {
        let held = registry.published_by(owner).len();
        let known = model.known.values().filter(|known| known.owner == *owner);
        assert_eq!(held, known.count());
    }
}

fn view(registry: &Registry, service: u8) -> Vec<Host> {
    let selection = Selection {
        with_disabled: true,
        rules: Rules::V2,
        ..Selection::default()
    };
    registry.view(&name(service), &selection).hosts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_registry_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..60)) {
        let mut model = Model::default();
        let mut fixture = Fixture::new();
        for step in steps {
            let before: Vec<_> = (0..2)
                .map(|service| (fixture.registry.revision(&name(service)), view(&fixture.registry, service)))
                .collect();
            apply(&mut model, &mut fixture, step);
            compare(&mut model, &mut fixture, &before);
        }
    }
}
