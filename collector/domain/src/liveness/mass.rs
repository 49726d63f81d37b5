//! Detects that many instances fall silent within a short time, and which properties they have in common.
//!
//! It watches the changes to silent and reports one [`Wave`] for all of them, so that an operator sees one cause and not a
//! thousand effects. It decides nothing: the signals alone decide about the states.
//!
//! A wave begins with a change to silent and ends once a pause of one window passes without another, or after ten windows. Each
//! change costs a few counters. The number of distinct values that are counted is bounded; further values are not compared.

use std::{collections::HashMap, hash::Hash, time::Duration};

use crate::{ApplicationId, InstanceId, Moment, membership::Tag};

/// The conditions under which a wave is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MassConfig {
    /// The longest pause between two changes of one wave.
    pub window: Duration,
    /// The fewest instances of a wave that is reported.
    pub instances: usize,
    /// The smallest part of a group that must have fallen silent, in percent.
    pub percent: usize,
}

/// The facts about an instance that fell silent. Hosts and peers are hashes; a wave names an instance that has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SilentInstance {
    /// The instance.
    pub instance: InstanceId,
    /// Its application; `None` if it was never reported.
    pub application: Option<ApplicationId>,
    /// The host of its process.
    pub host: Option<u64>,
    /// The address of the other end of its connections, without the port.
    pub peer: Option<u64>,
    /// The member that observed its last signal.
    pub member: Option<Tag>,
}

/// Counts the instances that are up at the end of a wave.
pub trait Population {
    /// The number of instances of this application that are up.
    fn up_in(&self, application: Option<ApplicationId>) -> usize;
    /// The number of instances of all applications that are up.
    fn up_total(&self) -> usize;
}

/// A part of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many of the group fell silent.
    pub silent: usize,
    /// The size of the group before; `None` if it is not counted.
    pub of: Option<usize>,
}

/// Something that instances of a wave have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// A large part of all instances.
    Everything(Share),
    /// A large part of an application.
    Application(Option<ApplicationId>, Share),
    /// Nearly all instances of the wave belong to one application.
    OneApplication(Option<ApplicationId>, Share),
    /// Nearly all instances of the wave are on the host of this instance.
    Host(InstanceId, Share),
    /// Nearly all instances of the wave had connections from the address of this instance's peer.
    Peer(InstanceId, Share),
    /// Nearly all instances of the wave were last seen by this member.
    Member(Tag, Share),
}

/// Many instances that fell silent within a short time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// How many instances fell silent.
    pub silent: usize,
    /// When the first of them did.
    pub first: Moment,
    /// When the last of them did.
    pub last: Moment,
    /// In the order of [`Pattern`]'s variants; at most 8 applications.
    pub patterns: Vec<Pattern>,
}

/// Watches for waves.
#[derive(Debug)]
pub struct Guard {
    config: MassConfig,
    wave: Option<Counts>,
}

/// Distinct values that one wave counts of each kind.
const VALUES: usize = 4096;
/// Groups that one wave names.
const NAMED: usize = 8;
/// The part of a wave that counts as nearly all, in percent.
const NEARLY_ALL: usize = 90;
/// Windows after which a wave is reported although more instances fall silent.
const LONGEST: u32 = 10;

#[derive(Debug)]
struct Counts {
    first: Moment,
    last: Moment,
    silent: usize,
    applications: Values<Option<ApplicationId>>,
    hosts: Values<u64>,
    peers: Values<u64>,
    members: Values<Tag>,
}

/// Counts of distinct values, each with an instance that has it.
#[derive(Debug)]
struct Values<T>(HashMap<T, (usize, InstanceId)>);

impl<T: Copy + Eq + Hash> Values<T> {
    fn new() -> Self {
        Self(HashMap::new())
    }

    fn add(&mut self, value: T, instance: InstanceId) {
        if self.0.len() < VALUES || self.0.contains_key(&value) {
            self.0.entry(value).or_insert((0, instance)).0 += 1;
        }
    }

    /// The value that nearly all instances of a wave have.
    fn common(&self, silent: usize) -> Option<(T, usize, InstanceId)> {
        let most = self.0.iter().max_by_key(|(_, (count, _))| *count)?;
        let (value, (count, instance)) = most;
        (count * 100 >= silent * NEARLY_ALL).then_some((*value, *count, *instance))
    }
}

impl Guard {
    /// A guard that has seen nothing.
    #[must_use]
    pub const fn new(config: MassConfig) -> Self {
        Self { config, wave: None }
    }

    /// Records that an instance fell silent. Returns the wave before it, if that has ended and is worth a report.
    pub fn observe(
        &mut self,
        instance: SilentInstance,
        now: Moment,
        population: &impl Population,
    ) -> Option<Wave> {
        let ended = self.poll(now, population);
        let wave = self.wave.get_or_insert_with(|| Counts::new(now));
        wave.add(instance, now);
        ended
    }

    /// Returns the wave, if it has ended and is worth a report.
    pub fn poll(&mut self, now: Moment, population: &impl Population) -> Option<Wave> {
        let wave = self.wave.as_ref()?;
        let has_paused = now.since(wave.last) > self.config.window;
        let is_long = now.since(wave.first) > self.config.window * LONGEST;
        if !has_paused && !is_long {
            return None;
        }
        let wave = self.wave.take()?;
        wave.report(&self.config, population)
    }
}

impl Counts {
    fn new(now: Moment) -> Self {
        Self {
            first: now,
            last: now,
            silent: 0,
            applications: Values::new(),
            hosts: Values::new(),
            peers: Values::new(),
            members: Values::new(),
        }
    }

    fn add(&mut self, instance: SilentInstance, now: Moment) {
        self.last = self.last.max(now);
        self.silent += 1;
        self.applications
            .add(instance.application, instance.instance);
        if let Some(host) = instance.host {
            self.hosts.add(host, instance.instance);
        }
        if let Some(peer) = instance.peer {
            self.peers.add(peer, instance.instance);
        }
        if let Some(member) = instance.member {
            self.members.add(member, instance.instance);
        }
    }

    fn report(self, config: &MassConfig, population: &impl Population) -> Option<Wave> {
        if self.silent < config.instances.max(1) {
            return None;
        }
        let large = |silent: usize, up: usize| silent * 100 >= (up + silent) * config.percent;
        let share = |silent: usize, up: usize| Share {
            silent,
            of: Some(up + silent),
        };
        let mut patterns = Vec::new();
        let up = population.up_total();
        if large(self.silent, up) {
            patterns.push(Pattern::Everything(share(self.silent, up)));
        }
        let mut applications: Vec<_> = self.applications.0.iter().collect();
        applications.sort_unstable_by_key(|(id, (count, _))| (std::cmp::Reverse(*count), **id));
        for (application, (silent, _)) in &applications {
            let up = population.up_in(**application);
            if *silent >= config.instances && large(*silent, up) && patterns.len() <= NAMED {
                patterns.push(Pattern::Application(**application, share(*silent, up)));
            }
        }
        let has_group = !patterns.is_empty();
        let common = |silent| Share { silent, of: None };
        if let Some((application, silent, _)) = self.applications.common(self.silent)
            && !has_group
        {
            patterns.push(Pattern::OneApplication(application, common(silent)));
        }
        let places = patterns.len();
        if let Some((_, silent, instance)) = self.hosts.common(self.silent) {
            patterns.push(Pattern::Host(instance, common(silent)));
        }
        if let Some((_, silent, instance)) = self.peers.common(self.silent) {
            patterns.push(Pattern::Peer(instance, common(silent)));
        }
        if let Some((member, silent, _)) = self.members.common(self.silent) {
            patterns.push(Pattern::Member(member, common(silent)));
        }
        // A wave of unrelated instances is not reported, because each has its own event. A common member alone does not relate the
        // instances, because it may be the only member.
        let is_related = has_group || patterns[places..].iter().any(Pattern::is_place);
        is_related.then_some(Wave {
            silent: self.silent,
            first: self.first,
            last: self.last,
            patterns,
        })
    }
}

impl Pattern {
    /// Whether it is a host or a peer.
    const fn is_place(&self) -> bool {
        matches!(self, Self::Host(..) | Self::Peer(..))
    }
}

#[cfg(test)]
mod tests;
