//! Bounds the queries about sockets.
//!
//! A query runs on a worker of the runtime, and the kernel answers one query at a time. If the network of ten thousand peers fails,
//! their connections end at the same moment, and ten thousand queries would delay agents' calls. Beyond the limits, the end of a
//! connection is recorded without the state of its socket, as a plain time-out.
//!
//! The limits have no configuration keys: they bound a cost that is the same on every machine, so other values would protect
//! nothing more.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::{MetricType, counter::ConstCounter};
use tokio::time::Instant;
use tracing::debug;

/// The most queries at the same time.
pub(super) const MOST_AT_ONCE: usize = 4;
/// The most queries in a second; one takes some microseconds.
pub(super) const MOST_IN_A_SECOND: usize = 500;

const SECOND: Duration = Duration::from_secs(1);

/// The queries of a process. Clones share the limits and the counters.
#[derive(Clone, Debug, Default)]
pub struct Queries(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    /// The start of the current second, and its queries.
    second: Mutex<Option<(Instant, usize)>>,
    answered: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
}

/// A running query.
struct Running<'a>(&'a AtomicUsize);

impl Queries {
    /// The result of `query`; `None` if it fails, shows nothing, or a limit is reached.
    pub(in super::super) fn run(
        &self,
        query: impl FnOnce() -> io::Result<Option<bool>>,
    ) -> Option<bool> {
        let shared = &*self.0;
        let Some(_running) = self.admit() else {
            shared.skipped.fetch_add(1, Relaxed);
            debug!("the state of a socket was not read: too many queries");
            return None;
        };
        match query() {
            Ok(state) => {
                shared.answered.fetch_add(1, Relaxed);
                state
            }
            Err(error) => {
                shared.failed.fetch_add(1, Relaxed);
                debug!(%error, "the state of a socket could not be read");
                None
            }
        }
    }

    fn admit(&self) -> Option<Running<'_>> {
        let running = &self.0.running;
        let place = Running(running);
        if running.fetch_add(1, Relaxed) >= MOST_AT_ONCE {
            return None;
        }
        let mut second = self.0.second.lock();
        let now = Instant::now();
        let (_, count) = match &mut *second {
            Some(current) if now.saturating_duration_since(current.0) < SECOND => current,
            other => other.insert((now, 0)),
        };
        *count += 1;
        (*count <= MOST_IN_A_SECOND).then_some(place)
    }

    #[cfg(test)]
    pub(super) fn counts(&self) -> [u64; 3] {
        let Shared {
            answered,
            failed,
            skipped,
            ..
        } = &*self.0;
        [answered, failed, skipped].map(|count| count.load(Relaxed))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Collector for Queries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Queries about the socket of a peer that did not answer, by outcome: answered, failed (the system refused the \
                    query), skipped (too many peers at once)";
        let counter = MetricType::Counter;
        let mut family = encoder.encode_descriptor("socket_queries", help, None, counter)?;
        for (outcome, count) in [
            ("answered", &self.0.answered),
            ("failed", &self.0.failed),
            ("skipped", &self.0.skipped),
        ] {
            let labels = [("outcome", outcome)];
            let metric = family.encode_family(&labels)?;
            ConstCounter::new(count.load(Relaxed)).encode(metric)?;
        }
        Ok(())
    }
}
