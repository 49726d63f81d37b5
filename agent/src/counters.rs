//! The agent's counters.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows. Counting is one relaxed addition, from any thread.
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

/// One table for the live counters, their snapshot and their names in the `metrics` facade.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident = $metric:literal,)*) => {
        /// The live counters.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        /// What the agent counted since it started.
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

            /// Hands all of them to the recorder that the host application installed, if it did.
            ///
            /// Done by the agent's thread at its own pace, so that a slow recorder never slows a caller, and so that a
            /// recorder installed after the agent's start is found.
            pub(crate) fn publish(&self) {
                $(metrics::counter!($metric).absolute(self.$name.get());)*
            }
        }
    };
}

counters! {
    /// Naming servers that were asked and gave no usable list.
    naming_failures = "rollcall_agent_naming_failures_total",
    /// Connections opened to collectors.
    connections = "rollcall_agent_connections_total",
    /// Connections to collectors that could not be opened or were lost.
    connection_failures = "rollcall_agent_connection_failures_total",
    /// Calls made to collectors.
    calls = "rollcall_agent_calls_total",
    /// Calls that ended in an error, or in none before their deadline.
    call_failures = "rollcall_agent_call_failures_total",
    /// Instance registrations that gave an id.
    registrations = "rollcall_agent_registrations_total",
    /// Times a collector was told, after a reconnect, which ids this process holds.
    recoveries = "rollcall_agent_recoveries_total",
    /// Heartbeats that a collector acknowledged.
    heartbeats = "rollcall_agent_heartbeats_total",
    /// Goodbyes that a collector acknowledged: one at most.
    goodbyes = "rollcall_agent_goodbyes_total",
    /// Names and addresses not queued, because the dictionary was full or the text too long.
    dictionary_dropped = "rollcall_agent_dictionary_dropped_total",
    /// Names and addresses whose id a collector changed, having lost its store.
    ids_changed = "rollcall_agent_ids_changed_total",
    /// Times the background loop panicked and was started again.
    restarts = "rollcall_agent_restarts_total",
    /// Times the background loop did not tick for two of its periods.
    stalls = "rollcall_agent_stalls_total",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_has_what_was_counted() {
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
