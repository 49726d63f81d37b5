//! Limits and periods of the catalog.

use std::time::Duration;

use rollcall_domain::catalog::Limits;

use crate::Range;

/// Limits and periods of the catalog.
#[derive(Clone, Debug)]
pub struct Config {
    /// The limits on the contents of the catalog.
    pub limits: Limits,
    /// The shortest interval between two pushes of a service. A change after a longer pause is pushed at once.
    pub push_window: Duration,
    /// The size of the cache of encoded lists, in bytes.
    pub body_cache: usize,
    /// How long an operator's override outlives its instance.
    pub override_term: Duration,
    /// How long a service that was not created explicitly is kept after its last instance.
    pub empty_service_after: Duration,
    /// How long reads are refused after a start without a recent roster, and after every start among other collectors.
    pub warm_up: Duration,
    /// Whether every start refuses reads for `warm_up`, also one that knows its instances, and the first one. Clients that have
    /// used another server must register here before their consumers ask.
    pub always_warm_up: bool,
    /// How long the instances of a collector that has left the cluster stay listed, so that their clients can register elsewhere.
    pub member_grace: Duration,
    /// How long a subscriber without a connection stays subscribed without a renewal.
    pub subscriber_term: Duration,
    /// The most concurrent probes.
    pub max_probes: usize,
    /// The addresses that may be probed: by default the private ranges and loopback.
    pub probe_ranges: Vec<Range>,
    /// The most changes that may wait for the store.
    pub write_queue: usize,
    /// The most bytes of the roster's journal.
    pub journal: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            push_window: Duration::from_millis(50),
            body_cache: 64 * 1024 * 1024,
            override_term: Duration::from_secs(60),
            empty_service_after: Duration::from_secs(60),
            warm_up: Duration::from_secs(15),
            always_warm_up: false,
            member_grace: Duration::from_secs(15),
            subscriber_term: Duration::from_secs(180),
            max_probes: 64,
            probe_ranges: Range::private(),
            write_queue: 4096,
            journal: 64 * 1024 * 1024,
        }
    }
}
