//! How the members of a random history act, and what holds at its end.

use super::*;
use crate::catalog::Missing;

impl Member {
    pub(super) fn new(index: usize, skew: i64) -> Self {
        let name: Arc<str> = format!("m{index}").into();
        let mut fixture = Fixture::new();
        let epoch = Timestamp::from_millis(1_000_000 + skew);
        fixture.registry.share_as(Arc::clone(&name), epoch);
        Self {
            name,
            fixture,
            next: 0,
            unpublished: BTreeSet::new(),
            connections: [1, 2],
        }
    }

    pub(super) fn change<R>(
        &mut self,
        change: impl FnOnce(&mut Registry, Moment, &mut Effects) -> R,
    ) -> R {
        let Fixture {
            registry,
            effects,
            now,
        } = &mut self.fixture;
        let changed = change(registry, *now, effects);
        self.unpublished.extend(effects.claims.drain(..));
        changed
    }

    pub(super) fn apply(
        &mut self,
        names: &[Arc<str>],
        (member, at, claim): (usize, Place, Option<Claim>),
    ) {
        let name = &names[member];
        if *name == self.name {
            return;
        }
        self.change(|registry, now, effects| {
            registry
                .apply_claim(name, &at, claim, now, effects)
                .unwrap();
        });
    }

    pub(super) fn deregister(&mut self, at: &Place) -> Result<(), Missing> {
        self.change(|registry, now, effects| {
            let times = (now, now.after(Duration::from_secs(15)));
            registry.deregister(&at.0, &at.1, Kind::Ephemeral, times, effects)
        })
    }

    /// The list that its consumers get, with the owners.
    pub(super) fn list(&self) -> BTreeMap<Place, (Registration, Arc<str>)> {
        let instances = self.fixture.registry.instances(&key("s"));
        let shown = |instance: crate::catalog::Instance| {
            let owner = match instance.publisher {
                Publisher::Member(name) => name,
                _ => Arc::clone(&self.name),
            };
            let at = (key("s"), instance.registered.endpoint.clone());
            (at, (instance.registered, owner))
        };
        instances
            .unwrap_or_default()
            .into_iter()
            .map(shown)
            .collect()
    }

    pub(super) fn own(&self, at: &Place) -> Option<crate::catalog::Instance> {
        let found = self.fixture.registry.lookup(&at.0, &at.1, None).ok()?;
        (!matches!(found.publisher, Publisher::Member(_))).then_some(found)
    }
}

impl World {
    pub(super) fn new(skews: [i64; MEMBERS]) -> Self {
        Self {
            engine: Engine::default(),
            members: (0..MEMBERS).map(|i| Member::new(i, skews[i])).collect(),
            alive: BTreeMap::new(),
            deregistered: BTreeSet::new(),
            unordered: BTreeSet::new(),
            latest: BTreeMap::new(),
        }
    }

    pub(super) fn names(&self) -> Vec<Arc<str>> {
        self.members.iter().map(|it| Arc::clone(&it.name)).collect()
    }

    pub(super) fn apply(&mut self, step: &Step) {
        for member in &mut self.members {
            member.fixture.now = member.fixture.now.after(Duration::from_millis(1));
        }
        match *step {
            Step::Register(member, source, number, weight) => {
                self.register(member, source, number, weight);
            }
            Step::End(member, which) => self.end(member, which),
            Step::Deregister(member, number) => {
                let at = place(number);
                let _found = self.members[member].deregister(&at);
                self.deregistered.insert((member, at.clone()));
                if !self.knows_all(member, &at) {
                    self.unordered.insert(at.clone());
                }
                self.alive.remove(&at);
                self.latest.insert(at, None);
            }
            Step::Expire(member, number) => self.expire(member, number),
            Step::Health(member, number, healthy) => {
                let one = &mut self.members[member];
                if let Some(found) = one.own(&place(number)) {
                    one.change(|registry, _, effects| {
                        registry.set_health(found.reference, healthy, HealthBy::Beat, effects);
                    });
                }
            }
            Step::Publish(member) => self.publish(member),
            Step::Read(member, count) => self.read(member, count),
            Step::Repeat(member, count) => {
                let one = &mut self.members[member];
                one.next = one.next.saturating_sub(count);
                self.read(member, count);
            }
            Step::ReadAll(member) => self.read_all(member),
        }
    }

    fn end(&mut self, member: usize, which: u8) {
        let one = &mut self.members[member];
        let ended = connection(one.connections[usize::from(which)]);
        one.connections[usize::from(which)] += 2;
        one.change(
            |registry, now, effects| {
                while !registry.end(ended, ConnectionEnd::Closed, 1, now, effects) {}
            },
        );
        let ended = (member, Publisher::Connection(ended));
        for alive in self.alive.values_mut() {
            alive.remove(&ended);
        }
    }

    fn expire(&mut self, member: usize, number: u8) {
        let at = place(number);
        let one = &mut self.members[member];
        let Some(found) = one.own(&at) else { return };
        if one.fixture.registry.leased(found.reference).is_some() {
            one.change(|registry, now, effects| {
                registry.remove(found.reference, EventKind::Expired, now, effects);
            });
            let alive = self.alive.entry(at).or_default();
            alive.remove(&(member, found.publisher));
        }
    }

    pub(super) fn register(&mut self, member: usize, source: Source, number: u8, weight: u8) {
        let at = place(number);
        let mut registered = Registration::new(at.1.clone(), Kind::Ephemeral);
        registered.weight = f64::from(weight);
        let one = &mut self.members[member];
        let publisher = match source {
            Source::Connection(which) => connection_publisher(one.connections[usize::from(which)]),
            Source::Address => at.1.publisher(),
        };
        let by = &publisher;
        let registered = one.change(|registry, now, effects| {
            // With batches, registrations of a connection do not replace each other.
            let mut all = vec![registered];
            if matches!(by, Publisher::Address { .. }) {
                let done = registry.register(by, &at.0, all[0].clone(), now, effects);
                done.unwrap();
                return all;
            }
            let held = registry.published_by(by).into_iter();
            let held = held.filter(|(_, it)| it.registered.endpoint != at.1);
            all.extend(held.map(|(_, it)| it.registered));
            registry
                .batch(by, &at.0, all.clone(), now, effects)
                .unwrap();
            all
        });
        // A batch also ends the claims that the connection kept behind later ones.
        let publishers = (member, publisher);
        let is_connection = matches!(publishers.1, Publisher::Connection(_));
        self.alive
            .values_mut()
            .filter(|_| is_connection)
            .for_each(|alive| {
                alive.remove(&publishers);
            });
        for registered in registered {
            let at = (key("s"), registered.endpoint);
            if self.deregistered.contains(&(member, at.clone())) {
                self.unordered.insert(at.clone());
            }
            let alive = self.alive.entry(at.clone()).or_default();
            alive.retain(|(other, _)| *other != member);
            alive.insert(publishers.clone());
            self.latest.insert(at, Some(publishers.clone()));
        }
    }

    pub(super) fn publish(&mut self, member: usize) {
        for at in std::mem::take(&mut self.members[member].unpublished) {
            let claim = self.members[member].fixture.registry.own_claim(&at);
            if let Some(claim) = &claim {
                self.replace(member, &at, claim);
                let row = (member, at.clone());
                self.engine.rows.insert(row, claim.clone());
            } else {
                self.engine.rows.remove(&(member, at.clone()));
            }
            self.engine.log.push((member, at, claim));
        }
    }

    /// Whether the claim of a member replaces those of all others.
    pub(super) fn knows_all(&self, member: usize, at: &Place) -> bool {
        let claim = |member: usize| self.members[member].fixture.registry.own_claim(at);
        let replaces = claim(member).map(|own| own.replaces).unwrap_or_default();
        let others = (0..MEMBERS).filter(|other| *other != member);
        others
            .filter_map(|other| Some((other, claim(other)?)))
            .all(|(other, theirs)| {
                let name = &self.members[other].name;
                let mut replaced = replaces.iter();
                replaced.any(|(it, known)| it == name && *known >= theirs.at)
            })
    }

    /// A published claim ends the claims of other members that it replaces.
    pub(super) fn replace(&mut self, member: usize, at: &Place, claim: &Claim) {
        let members = &self.members;
        let replaced = |other: usize| {
            let own = members[other].fixture.registry.own_claim(at);
            let name = &members[other].name;
            let known = claim.replaces.iter().find(|(it, _)| it == name);
            let known = known.filter(|_| other != member);
            known
                .zip(own)
                .is_some_and(|((_, known), own)| own.at <= *known)
        };
        if let Some(alive) = self.alive.get_mut(at) {
            alive.retain(|(other, _)| !replaced(*other));
        }
    }

    pub(super) fn read(&mut self, member: usize, count: usize) {
        let names = self.names();
        let one = &mut self.members[member];
        for change in self.engine.log.iter().skip(one.next).take(count).cloned() {
            one.next += 1;
            one.apply(&names, change);
        }
    }

    pub(super) fn read_all(&mut self, member: usize) {
        let names = self.names();
        let one = &mut self.members[member];
        one.next = self.engine.log.len();
        for ((other, at), claim) in self.engine.rows.clone() {
            one.apply(&names, (other, at, Some(claim)));
        }
        let rows = &self.engine.rows;
        let mut after = None;
        loop {
            after = one.change(|registry, now, effects| {
                let keep = |name: &Arc<str>, at: &Place| {
                    let other = names.iter().position(|it| it == name).unwrap();
                    rows.contains_key(&(other, at.clone()))
                };
                let what = EventKind::MemberRemoved;
                registry.retain_claims(after.as_ref(), what, keep, now, effects)
            });
            if after.is_none() {
                return;
            }
        }
    }

    /// Publishes and reads until nothing changes.
    pub(super) fn settle(&mut self) {
        for _ in 0..20 {
            for member in 0..MEMBERS {
                self.publish(member);
            }
            for member in 0..MEMBERS {
                self.read(member, usize::MAX);
            }
        }
        assert!(self.members.iter().all(|it| it.unpublished.is_empty()));
    }
}
