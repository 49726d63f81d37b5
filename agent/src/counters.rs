//! The agent's counters.

use std::sync::atomic::{AtomicU64, Ordering};

/// A monotonic counter. Any thread may count; counting is one relaxed atomic addition.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, number: usize) {
        self.0
            .fetch_add(u64::try_from(number).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The labels of an agent's metrics: its application, and its number.
pub(crate) type Labels = Vec<metrics::Label>;

/// The labels of a new agent. Agents of one application in one process differ in their number. An agent never gets the number of an
/// earlier one, because a recorder would show the earlier counts until the new ones exceed them.
pub(crate) fn labels(application: &str) -> Labels {
    static AGENTS: AtomicU64 = AtomicU64::new(0);
    let number = AGENTS.fetch_add(1, Ordering::Relaxed) + 1;
    vec![
        metrics::Label::new("application", application.to_owned()),
        metrics::Label::new("agent", number.to_string()),
    ]
}

/// One table for the live counters, their snapshot and their names in the `metrics` facade.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $metric:literal,)*) => {
        /// The live counters.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        /// The counts of the agent since it started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts {
            $($(#[$doc])* #[doc = concat!("\n\nMetric `", $metric, "`.")] pub $name: u64,)*
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Counts {
                Counts {
                    $($name: self.$name.get(),)*
                }
            }

            /// Publishes all counters to the recorder of the host application, if it installed one.
            ///
            /// The agent's thread does this periodically, so that a slow recorder never delays a caller and a recorder
            /// installed after the agent's start is used.
            pub(crate) fn publish(&self, labels: &Labels) {
                $(metrics::counter!($metric, labels.clone()).absolute(self.$name.get());)*
            }
        }
    };
}

counters! {
    /// Requests to naming servers that returned no usable list.
    naming_failures = "rollcall_agent_naming_failures_total",
    /// Connections opened to collectors.
    connections = "rollcall_agent_connections_total",
    /// Connections to collectors that could not be opened or were lost.
    connection_failures = "rollcall_agent_connection_failures_total",
    /// Calls made to collectors.
    calls = "rollcall_agent_calls_total",
    /// Calls that ended in an error or reached their deadline.
    call_failures = "rollcall_agent_call_failures_total",
    /// Instance registrations that returned an id.
    registrations = "rollcall_agent_registrations_total",
    /// Announcements of this process's ids to a collector after a reconnect.
    recoveries = "rollcall_agent_recoveries_total",
    /// Heartbeats that a collector acknowledged.
    heartbeats = "rollcall_agent_heartbeats_total",
    /// Goodbye calls that a collector acknowledged: at most one.
    goodbyes = "rollcall_agent_goodbyes_total",
    /// Look-ups whose name or address was not queued, because the dictionary was full, or the text was empty or too long.
    dictionary_dropped = "rollcall_agent_dictionary_dropped_total",
    /// Names and addresses whose id changed because the collector lost its store.
    ids_changed = "rollcall_agent_ids_changed_total",
    /// Panics of the background loop, each followed by a restart of the loop.
    restarts = "rollcall_agent_restarts_total",
    /// Stalls of the background loop: it did not run for two of its periods.
    stalls = "rollcall_agent_stalls_total",
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use metrics::{
        Counter as Handle, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit,
    };
    use parking_lot::Mutex;

    use super::*;

    /// Records the names and labels of counters.
    #[derive(Default)]
    struct Recorder(Mutex<Vec<String>>);

    impl metrics::Recorder for Recorder {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Handle {
            self.0.lock().push(key.to_string());
            Handle::noop()
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn the_counters_of_two_agents_are_separate_also_of_one_application() {
        let recorder = Recorder::default();
        metrics::with_local_recorder(&recorder, || {
            for application in ["orders", "orders", "stock"] {
                Counters::default().publish(&labels(application));
            }
        });
        let keys = recorder.0.into_inner();
        let of = |application: &str| keys.iter().filter(|key| key.contains(application)).count();
        assert_eq!((of("orders"), of("stock")), (26, 13), "{keys:?}");
        let different: HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len(), "{keys:?}");
    }

    #[test]
    fn a_snapshot_has_the_counted_values() {
        let counters = Counters::default();
        counters.heartbeats.increment();
        counters.heartbeats.increment();
        assert_eq!(
            counters.snapshot(),
            Counts {
                heartbeats: 2,
                ..Counts::default()
            }
        );
    }
}
