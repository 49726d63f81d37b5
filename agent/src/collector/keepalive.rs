//! The rate at which the agent pings each collector on an idle connection.

use std::{collections::HashMap, time::Duration};

use crate::peer::Peer;

/// The longest interval after refusals: by default, Java's gRPC servers accept a ping every five minutes.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// The timing of the HTTP/2 pings with which the agent checks an idle connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keepalive {
    /// The time without received data after which a ping is sent.
    pub(crate) interval: Duration,
    /// The time after a ping at which a connection without an answer is lost.
    pub(crate) timeout: Duration,
}

/// The keepalive of each collector: the configured one, or a slower one after the collector rejected pings as too many. (Java's
/// gRPC servers allow two pings between calls.)
#[derive(Debug)]
pub(crate) struct Keepalives {
    configured: Keepalive,
    /// The intervals of the collectors whose last connection ended with a refusal.
    slowed: HashMap<Peer, Duration>,
}

impl Keepalives {
    pub(crate) fn new(configured: Keepalive) -> Self {
        Self {
            configured,
            slowed: HashMap::new(),
        }
    }

    /// The keepalive of the next connection to a collector.
    pub(crate) fn of(&self, collector: &Peer) -> Keepalive {
        let slowed = self.slowed.get(collector).copied();
        Keepalive {
            interval: slowed.unwrap_or(self.configured.interval),
            ..self.configured
        }
    }

    /// The collector rejected the pings as too many: halves their rate. Also forgets the collectors that are not in `members`.
    pub(crate) fn refused(&mut self, collector: &Peer, members: &[Peer]) {
        let longest = LONGEST.max(self.configured.interval);
        let interval = self.of(collector).interval.saturating_mul(2).min(longest);
        self.slowed.retain(|slowed, _| members.contains(slowed));
        self.slowed.insert(collector.clone(), interval);
    }

    /// The connection ended in another way: restores the configured rate, because another collector may answer at this address from
    /// now on.
    pub(crate) fn ended(&mut self, collector: &Peer) {
        self.slowed.remove(collector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIGURED: Keepalive = Keepalive {
        interval: Duration::from_secs(24),
        timeout: Duration::from_secs(5),
    };

    fn peer(text: &str) -> Peer {
        text.parse().unwrap()
    }

    fn seconds(keepalives: &Keepalives, of: &Peer) -> u64 {
        let keepalive = keepalives.of(of);
        assert_eq!(keepalive.timeout, CONFIGURED.timeout);
        keepalive.interval.as_secs()
    }

    #[test]
    fn refusals_slow_down_the_pings_of_one_collector_to_a_limit() {
        let (java, other) = (peer("java:11800"), peer("other:11800"));
        let members = [java.clone(), other.clone()];
        let mut keepalives = Keepalives::new(CONFIGURED);
        let mut after = Vec::new();
        for _refusal in 0..100 {
            keepalives.refused(&java, &members);
            after.push(seconds(&keepalives, &java));
        }
        assert_eq!(after[..5], [48, 96, 192, 300, 300]);
        assert_eq!(after[99], 300);
        assert_eq!(seconds(&keepalives, &other), 24);
    }

    #[test]
    fn another_end_of_a_connection_restores_the_configured_rate() {
        let java = peer("java:11800");
        let mut keepalives = Keepalives::new(CONFIGURED);
        keepalives.refused(&java, std::slice::from_ref(&java));
        keepalives.ended(&java);
        assert_eq!(keepalives.of(&java), CONFIGURED);
    }

    #[test]
    fn a_configured_interval_above_the_limit_stays() {
        let (java, interval) = (peer("java:11800"), Duration::from_secs(3600));
        let mut keepalives = Keepalives::new(Keepalive {
            interval,
            ..CONFIGURED
        });
        keepalives.refused(&java, &[]);
        assert_eq!(keepalives.of(&java).interval, interval);
    }

    #[test]
    fn collectors_that_left_the_list_are_forgotten() {
        let mut keepalives = Keepalives::new(CONFIGURED);
        for port in 1..1_000_u16 {
            let member = peer(&format!("c:{port}"));
            keepalives.refused(&member, std::slice::from_ref(&member));
        }
        assert_eq!(keepalives.slowed.len(), 1);
    }
}
