//! Writes down, now and then, when instances were last seen, so that a restart does not forget who was down.

use std::time::Duration;

use rollcall_domain::Moment;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Core, register};
use crate::storage::Seen;

/// How often, and how much at once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Time between two rounds: what is stored is behind the truth by that much at the most.
    pub interval: Duration,
    /// Instances in one commit, so that registrations never wait long behind it.
    pub chunk: usize,
}

/// Writes back what changed since the last round. Never on the way of a request.
#[derive(Debug)]
pub struct WriteBack {
    config: Config,
    core: Core,
    register: register::Handle,
}

impl WriteBack {
    pub(super) fn new(config: Config, core: Core, register: register::Handle) -> Self {
        Self {
            config,
            core,
            register,
        }
    }

    /// Writes back until cancelled, and once more then.
    pub async fn run(self, cancel: CancellationToken) {
        let mut ticks = interval(self.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written = self.core.clock.now();
        ticks.tick().await;
        loop {
            let last = tokio::select! {
                biased;
                () = cancel.cancelled() => true,
                _ = ticks.tick() => false,
            };
            let now = self.core.clock.now();
            match self.round(written).await {
                Ok(()) => written = now,
                Err(error) => {
                    tracing::warn!(%error, "could not write back when instances were last seen")
                }
            }
            if last {
                return;
            }
        }
    }

    async fn round(&self, since: Moment) -> Result<(), register::Error> {
        let mut place = Some(0);
        let mut leases = Vec::new();
        while let Some(from) = place {
            place = self
                .core
                .lessor
                .changed_since(since, from, self.config.chunk, &mut leases);
            // In the order of the store, in which neighbours share pages.
            leases.sort_unstable_by_key(|lease| lease.instance);
            let seen: Vec<Seen> = leases
                .drain(..)
                .map(|lease| Seen {
                    instance: lease.instance,
                    last_seen: self.core.clock.wall_at(lease.last_seen),
                    signal: lease.signal,
                    down: lease.down,
                })
                .collect();
            if !seen.is_empty() {
                self.register.note(seen).await?;
            }
        }
        Ok(())
    }
}
