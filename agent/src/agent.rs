//! The handle that an application holds.

use std::{sync::Arc, time::Duration};

use crate::{
    AddressId, Builder, Changes, OperationId, Phase, SpanType, Status,
    dictionary::{Lookup, MAX_TEXT_BYTES, OperationRef},
    park,
    shared::Shared,
};

/// A running agent. Clones are the same agent; when the last one is dropped the agent is asked to stop.
///
/// No method does I/O or waits for the collector, except [`shutdown`](Self::shutdown), which waits as long as it is
/// told to. All may be called from any thread, within any runtime or none.
#[derive(Clone, Debug)]
pub struct Agent {
    owner: Arc<Owner>,
}

/// Stops the thread when the application lets go of it.
#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    /// Asks, and does not wait: a drop may happen anywhere.
    fn drop(&mut self) {
        self.shared.stop.request();
    }
}

/// The thread did not end within the time given to [`Agent::shutdown`]. It was asked to and will, as soon as it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agent's thread did not end in time")]
pub struct NotStopped;

impl Agent {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            owner: Arc::new(Owner { shared }),
        }
    }

    /// An agent for an application of this name. The name, as everything given to the builder, goes before what the
    /// environment says; to leave it to the environment or a file, begin with [`Builder::default`].
    pub fn builder(application_code: impl Into<String>) -> Builder {
        Builder::default().application_code(application_code)
    }

    fn shared(&self) -> &Shared {
        &self.owner.shared
    }

    /// Says that a trace segment was finished and handed to whatever sends segments to the collector.
    ///
    /// A segment renews this instance's lease, so a heartbeat is sent only when the last one is older than
    /// [`heartbeat_after`](Builder::heartbeat_after). The agent does not see whether segments arrive: they put a
    /// heartbeat off by half that time at most. Costs an atomic load, and once per register interval an atomic store.
    pub fn segment_finished(&self) {
        self.shared().segment_finished();
    }

    /// A snapshot of the agent.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared().status()
    }

    /// Notifications of changes from here on.
    #[must_use]
    pub fn subscribe(&self) -> Changes {
        let shared = &self.owner.shared;
        Changes::new(Arc::clone(shared), shared.subscribe())
    }

    /// The id of an operation name on one side of a call.
    ///
    /// `None` if it is not known (yet): then the name itself is to be used in its place. The first such call queues
    /// the name, and the answer is there some register intervals later. A dictionary that is
    /// [full](Builder::operation_limit) queues nothing more, and nor are names queued that are empty or longer than
    /// 1,024 bytes; that is [counted](crate::Counts::dictionary_dropped). An id may change when a collector loses its
    /// store: ask each time instead of keeping it.
    pub fn operation(&self, name: &str, span: SpanType) -> Option<OperationId> {
        let query = OperationRef { span, name };
        self.lookup(name, |shared| {
            shared.operations.lookup(&query, || query.into())
        })
    }

    /// The id of a remote peer, such as `db:3306`. As [`operation`](Self::operation), with its own
    /// [limit](Builder::address_limit).
    pub fn address(&self, address: &str) -> Option<AddressId> {
        self.lookup(address, |shared| {
            shared.addresses.lookup(address, || address.into())
        })
    }

    fn lookup<I>(&self, text: &str, lookup: impl FnOnce(&Shared) -> Lookup<I>) -> Option<I> {
        let shared = self.shared();
        let sendable = !text.is_empty() && text.len() <= MAX_TEXT_BYTES;
        match if sendable {
            lookup(shared)
        } else {
            Lookup::Dropped
        } {
            Lookup::Known(id) => return Some(id),
            Lookup::Waiting => shared.notice_stall(),
            Lookup::Dropped => shared.counters.dictionary_dropped.increment(),
        }
        None
    }

    /// Asks the agent to stop, and does not wait for it. Final: an agent does not start again.
    ///
    /// Takes no lock and allocates nothing, so that it may be called in a signal handler or a panic hook.
    pub fn stop(&self) {
        self.owner.shared.stop.request();
    }

    /// [Stops](Self::stop) the agent, and blocks this thread until the agent's thread has ended, at most for `timeout`.
    ///
    /// The agent drops what it is doing, in whatever state it is; that takes milliseconds. Nothing is said to the
    /// collector: the protocol has no goodbye, and the instance's lease runs out. May be called any number of times,
    /// and from within a runtime; on the agent's own thread (from a `tracing` subscriber, say) it only asks.
    ///
    /// # Errors
    ///
    /// [`NotStopped`] if the time was up before.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), NotStopped> {
        self.stop();
        if self.shared().is_own_thread() {
            return Err(NotStopped);
        }
        let mut receiver = self.shared().subscribe();
        let stopped = receiver.wait_for(|status| status.phase == Phase::Stopped);
        match park::wait(async { stopped.await.is_ok() }, timeout) {
            Some(true) => Ok(()),
            Some(false) | None => Err(NotStopped),
        }
    }
}
