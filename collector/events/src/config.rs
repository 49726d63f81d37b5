//! The limits of a feed.

use super::event::Lane;

/// The limits of a feed.
#[derive(Clone, Debug)]
pub struct Config {
    /// The number of events of each lane by which a reader may be behind without reading the journal.
    pub backlog: usize,
    /// The number of changes that one peer may cause in each lane within an hour. Further changes are only counted.
    pub per_peer: usize,
    /// The number of changes that a timeline keeps: the last ones.
    pub per_instance: usize,
    /// The most bytes of all timelines: one half for agents, the other for Nacos services.
    pub memory: usize,
    /// The most bytes of the journals on disk: seven sixteenths each for agents and for services, and the rest for the collector.
    pub journal_size: u64,
}

impl Config {
    /// The share of a lane in the size of the journals.
    pub(super) const fn journal_size_of(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Agents | Lane::Services => self.journal_size / 16 * 7,
            Lane::Collector => self.journal_size / 8,
        }
    }
}
