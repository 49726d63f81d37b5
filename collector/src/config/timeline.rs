//! `timeline.default`: the limits of the history of instances, and the thresholds of a mass silence.

use std::{path::PathBuf, time::Duration};

/// `timeline`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The number of changes that are kept of each instance: the last ones.
    pub per_instance: usize,
    /// The number of changes that one peer may cause within an hour. Further changes are only counted.
    pub per_peer: usize,
    /// The most bytes of all timelines.
    pub memory: usize,
    /// The most bytes of the journal.
    pub journal_size: usize,
    /// The directory of the journal; empty: beside the embedded store.
    pub journal_path: PathBuf,
    /// The longest pause between two instances of one mass silence.
    pub mass_window: Duration,
    /// The fewest instances of a mass silence.
    pub mass_instances: usize,
    /// The smallest part of an application, or of all instances, that must fall silent for a report, in percent.
    pub mass_percent: usize,
}
