//! The handle that an application holds.

use std::{hash::Hash, sync::Arc, time::Duration};

use papaya::Equivalent;

use crate::{
    AddressId, Builder, Changes, OperationId, Phase, SpanType, Status,
    dictionary::{Dictionary, Key, Lookup, MAX_TEXT_BYTES, OperationRef},
    park,
    shared::Shared,
};

/// A running agent. Clones are the same agent; when the last one is dropped, the agent stops.
///
/// No method does I/O or waits for the collector, except [`shutdown`](Self::shutdown), which waits for at most its timeout.
/// All may be called from any thread, within any runtime or none, and in a [forked child](crate#forks).
///
/// A handle in a `static` is never dropped: call [`shutdown`](Self::shutdown) before the process ends, so that the collector
/// lists the instance as `left` and not as `down`.
#[derive(Clone, Debug)]
#[must_use = "the agent stops when its last handle is dropped"]
pub struct Agent {
    owner: Arc<Owner>,
}

/// Stops the thread when the application drops its last handle.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    /// Requests the stop without waiting, because a handle may be dropped anywhere.
    fn drop(&mut self) {
        self.shared.request_stop(GOODBYE);
    }
}

/// The longest time that the agent's thread waits for the answer to its goodbye call.
const GOODBYE: Duration = Duration::from_millis(500);

/// The agent's thread did not end within the timeout of [`Agent::shutdown`]. It ends when the scheduler runs it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agent's thread did not end in time")]
#[non_exhaustive]
pub struct NotStopped;

impl Agent {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            owner: Arc::new(Owner { shared }),
        }
    }

    /// Begins the configuration of an agent for the application with this name. The name, like every setting of the builder,
    /// overrides the environment. Begin with [`Builder::default`] to take the name from the environment or a file.
    pub fn builder(application_code: impl Into<String>) -> Builder {
        Builder::default().application_code(application_code)
    }

    fn shared(&self) -> &Shared {
        &self.owner.shared
    }

    /// Reports that the application finished a trace segment and handed it to its sender.
    ///
    /// A segment renews this instance's lease, so a heartbeat is sent only when the last one is older than
    /// [`heartbeat_after`](Builder::heartbeat_after). The agent does not see whether segments arrive, so
    /// they postpone a heartbeat by at most half that time. Costs an atomic load, and once per register interval an atomic store.
    pub fn segment_finished(&self) {
        self.shared().segment_finished();
    }

    /// A snapshot of the agent's state.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared().status()
    }

    /// Notifications of the changes that follow this call.
    #[must_use]
    pub fn subscribe(&self) -> Changes {
        let shared = &self.owner.shared;
        Changes::new(Arc::clone(shared), shared.subscribe())
    }

    /// The id of an operation name on one side of a call.
    ///
    /// The code that sends trace segments writes the id into a span in place of the name. Segments are then smaller, and the
    /// collector finds the operation without comparing texts. An application that sends no segments needs no ids.
    ///
    /// `None` if the id is not known yet; the span then carries the name itself. The first such call queues the name, and the
    /// id is available some register intervals later. A dictionary that is [full](Builder::operation_limit) queues no further
    /// names, and names that are empty or longer than 1,024 bytes are never queued; both are
    /// [counted](crate::Counts::dictionary_dropped). An id may change when a collector loses its store: call this each time
    /// instead of keeping the id. SkyWalking's own collectors of 5.x assign an id only once a segment has carried the name.
    pub fn operation(&self, name: &str, span: SpanType) -> Option<OperationId> {
        let query = OperationRef { span, name };
        let dictionary = &self.shared().operations;
        self.lookup(dictionary, name, &query, || query.into())
    }

    /// The id of a remote peer, such as `db:3306`. Works like [`operation`](Self::operation), with its own
    /// [limit](Builder::address_limit).
    pub fn address(&self, address: &str) -> Option<AddressId> {
        let dictionary = &self.shared().addresses;
        self.lookup(dictionary, address, address, || address.into())
    }

    /// The look-up of a known id makes no system call and takes no lock; see
    /// [`Home::is_in_child_cached`](crate::home::Home::is_in_child_cached).
    fn lookup<K: Key, I: Copy + PartialEq>(
        &self,
        dictionary: &Dictionary<K, I>,
        text: &str,
        query: &(impl Equivalent<K> + Hash + ?Sized),
        to_key: impl FnOnce() -> K,
    ) -> Option<I> {
        let shared = self.shared();
        if shared.home.is_in_child_cached() {
            return None;
        }
        let found = dictionary.lookup(query);
        if let Lookup::Known(id) = found {
            return Some(id);
        }
        if shared.home.is_in_child() {
            return None;
        }
        let sendable = !text.is_empty() && text.len() <= MAX_TEXT_BYTES;
        let queued = match found {
            Lookup::Absent if sendable => dictionary.queue(to_key).is_ok(),
            Lookup::Absent => false,
            Lookup::Known(_) | Lookup::Waiting => true,
        };
        if queued {
            shared.notice_stall();
        } else {
            shared.counters.dictionary_dropped.increment();
        }
        None
    }

    /// Requests that the agent stop, without waiting. A stopped agent does not start again.
    ///
    /// Takes no lock, so it may be called in a panic hook. It is not for a signal handler: the first call of a thread allocates.
    /// Call it from a thread or a task that waits for the signal instead.
    pub fn stop(&self) {
        self.shared().request_stop(GOODBYE);
    }

    /// [Stops](Self::stop) the agent, and blocks this thread until the agent's thread has ended, at most for `timeout`.
    ///
    /// A connected agent reports the end of its process: a Rollcall collector then lists the instance as `left` at once. The
    /// agent waits for the answer for half of `timeout`, and 500 ms at most. Other collectors do not have this call: they
    /// refuse it, and the instance's lease expires. Everything else takes milliseconds, in any state of the agent. May be
    /// called any number of times, and from within a runtime; on the agent's own thread (from a `tracing` subscriber, say) it
    /// only requests the stop.
    ///
    /// # Errors
    ///
    /// [`NotStopped`] if the thread had not ended when the time was up.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), NotStopped> {
        let shared = self.shared();
        if shared.home.is_in_child() {
            return Ok(());
        }
        shared.request_stop(GOODBYE.min(timeout / 2));
        if shared.is_own_thread() {
            return Err(NotStopped);
        }
        let mut receiver = shared.subscribe();
        let stopped = receiver.wait_for(|status| status.phase == Phase::Stopped);
        match park::wait(async { stopped.await.is_ok() }, timeout) {
            Some(true) => Ok(()),
            Some(false) | None => Err(NotStopped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_goodbye_timeout_is_half_of_the_shutdown_timeout_and_at_most_half_a_second() {
        for (timeout, goodbye) in [(0, 0), (100, 50), (20_000, 500)] {
            let config = Agent::builder("a").direct_collectors(["127.0.0.1:1"]);
            let shared = Shared::new(config.resolve().unwrap());
            // This agent has no thread, so the call has nothing to wait for.
            shared.stopped();
            let agent = Agent::new(Arc::clone(&shared));
            agent.shutdown(Duration::from_millis(timeout)).unwrap();
            assert_eq!(shared.stop.goodbye(), Duration::from_millis(goodbye));
        }
    }
}
