//! The clocks of agents: recorded as evidence, compared with this collector's, and never trusted.

use std::time::Duration;

use rollcall_domain::{InstanceId, Timestamp};
use rollcall_link as link;

use super::{
    Core,
    events::{InstanceEvent, InstanceKind},
};

/// A larger difference is an event of the instance. Network and queues delay a call by far less.
const SHOWN: Duration = Duration::from_secs(5);

/// A larger difference is also logged as a warning.
const TOLERATED: Duration = Duration::from_secs(60);

/// The difference that an event reported, in milliseconds; 0 if it was no more than [`SHOWN`].
fn reported(event: &InstanceEvent) -> Option<i32> {
    let InstanceKind::ClockDiffers(contact) = &event.kind else {
        return None;
    };
    let skew = contact.clock_skew?;
    Some(if by(skew.into()) > SHOWN { skew } else { 0 })
}

/// The difference between two clocks that are this many milliseconds apart.
fn by(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}

impl Core {
    /// Records the time of the agent's clock that a call carries. Returns how far the agent's clock is ahead of this
    /// collector's, in milliseconds, for the first call of a connection and about once a minute. Costs one load for every other
    /// call.
    pub(super) fn read_clock(&self, sent_at: Option<Timestamp>) -> Option<i32> {
        let sent_at = sent_at?;
        link::current(|seen| seen.observe_clock(sent_at, || self.clock.wall())).flatten()
    }

    /// Records an event if the clock differs by more than [`SHOWN`], and warns if it differs by more than [`TOLERATED`]. Does so
    /// again only when the difference has changed much since the last report, also when the clock is right again. The timeline of
    /// the instance has the last reported difference. Does nothing for an unknown instance.
    pub(super) fn report_clock(&self, instance: InstanceId, skew: Option<i32>) {
        let Some(skew) = skew else {
            return;
        };
        if self.inventory.read_instance(instance, |_| ()).is_none() {
            return;
        }
        let last = self.events.feed().last(instance, u64::MAX, reported);
        if by(i64::from(skew) - i64::from(last.unwrap_or(0))) <= SHOWN {
            return;
        }
        self.events.clock_differs(self, instance, skew);
        if by(skew.into()) > TOLERATED {
            self.events.skewed(self, instance, skew);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;
    use crate::{events::Event, heartbeat::Sign, testing::Fixture};
    use rollcall_domain::liveness::Signal;

    fn instance(number: usize) -> InstanceId {
        InstanceId::new(i32::try_from(number).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_clock_is_an_event_of_a_known_instance_only() {
        let running = Fixture::start();
        let heartbeat = &running.services.heartbeat;
        let sign = Sign {
            instance: instance(1),
            application: None,
            signal: Signal::Heartbeat,
        };
        heartbeat.renew(sign).await.unwrap();
        let mut events = running.services.events.subscribe();
        heartbeat.report_clock(instance(2), Some(100_000));
        assert!(matches!(events.try_recv(), Err(TryRecvError::Empty)));
        heartbeat.report_clock(sign.instance, Some(100_000));
        let Event::Instance(event) = events.try_recv().unwrap() else {
            panic!("not an event of an instance");
        };
        assert_eq!(event.instance, sign.instance);
        assert!(matches!(event.kind, InstanceKind::ClockDiffers(_)));
    }

    /// A regression test: a clock that was set right kept its old difference.
    #[tokio::test]
    async fn the_latest_comparison_of_a_clock_counts() {
        let running = Fixture::start();
        let services = &running.services;
        let sign = Sign {
            instance: instance(1),
            application: None,
            signal: Signal::Heartbeat,
        };
        services.heartbeat.renew(sign).await.unwrap();
        let before = services.events.newest();
        let report = |skew| {
            let heartbeat = &services.heartbeat;
            heartbeat.report_clock(sign.instance, Some(skew));
            let status = services.roster.instance(sign.instance).unwrap();
            (
                services.events.newest() - before,
                status.clock_skew.map(|it| it.0),
            )
        };
        assert_eq!(report(20), (0, None));
        assert_eq!(report(100_000), (1, Some(100_000)));
        assert_eq!(report(101_000), (1, Some(100_000)), "about the same");
        assert_eq!(report(20), (2, Some(20)), "it is right again");
        assert_eq!(report(40), (2, Some(20)));
        assert_eq!(report(-100_000), (3, Some(-100_000)));
        assert_eq!(report(100_000), (4, Some(100_000)));
        assert_eq!(report(4_900), (5, Some(4_900)));
        assert_eq!(report(5_100), (6, Some(5_100)));
        assert_eq!(report(4_900), (6, Some(5_100)), "about the same");
    }
}
