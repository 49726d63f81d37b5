//! Limits and periods of the catalog.

use std::time::Duration;

use rollcall_domain::catalog::Limits;

use crate::Range;

/// Limits and periods of the catalog.
#[derive(Clone, Debug)]
pub struct Config {
    pub limits: Limits,
    /// After a push of a service, the next one comes no sooner. A change while none is due is pushed at once.
    pub push_window: Duration,
    /// Bytes of encoded lists that are kept for consumers that ask for the same.
    pub body_cache: usize,
    /// How long an operator's override survives its instance.
    pub override_term: Duration,
    /// How long a service that was not created as such stays without instances.
    pub empty_service_after: Duration,
    /// After a start that found no recent roster, how long reads are refused: one beat term.
    pub warm_up: Duration,
    /// How long a subscriber by datagram or poll stays without asking again.
    pub subscriber_term: Duration,
    /// Probes that are under way at most.
    pub max_probes: usize,
    /// The addresses that may be probed: by default the private ranges and loopback.
    pub probe_ranges: Vec<Range>,
    /// Changes that wait for the store at most; more are refused.
    pub write_queue: usize,
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
            subscriber_term: Duration::from_secs(180),
            max_probes: 64,
            probe_ranges: Range::private(),
            write_queue: 4096,
        }
    }
}
