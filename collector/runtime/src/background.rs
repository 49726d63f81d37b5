//! A runtime for work that must not delay the calls of agents.
//!
//! A page, a list or a scrape can take many milliseconds of a processor. On the threads of the calls, or on other threads with the
//! same priority, it would delay calls by that time. The threads of this runtime have a lower priority, so the kernel runs a call
//! before them. Some kernels do so only at the end of a slice of 1 to 3 ms, so long work also offers the processor often.
//!
//! A thread that waits for a processor may hold a lock. So work that runs here must hold a lock that calls need only for a bounded
//! part of its work.

use std::{convert::Infallible, io};

use tokio::runtime::{Builder, Handle};

use super::{OnError, TaskSet};

#[cfg(test)]
mod tests;

/// The value that is added to the niceness of the process. On a busy processor, a thread whose niceness is 10 higher gets about a
/// tenth of the time of another thread, so pages still open on an overloaded machine.
#[cfg(target_os = "linux")]
const NICER: i32 = 10;
/// The largest niceness.
#[cfg(target_os = "linux")]
const NICEST: i32 = 19;
/// The most threads for work that blocks. Further work waits.
const MOST_BLOCKING: usize = 8;

/// Starts a runtime whose threads have a lower priority, and stops it when `tasks` stop. Work that has not ended by then is
/// dropped.
///
/// # Errors
/// The system refused to start a thread.
pub fn background(tasks: &TaskSet, name: &'static str) -> io::Result<Handle> {
    let priority = Priority::lower();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .thread_name(name)
        .max_blocking_threads(MOST_BLOCKING)
        .on_thread_start(move || priority.apply())
        .build()?;
    let (handle, stop) = (runtime.handle().clone(), tasks.token());
    tasks.spawn_thread(name, OnError::Stop, move || {
        priority.apply();
        runtime.block_on(stop.cancelled());
        runtime.shutdown_background();
        Ok::<_, Infallible>(())
    })?;
    Ok(handle)
}

/// The niceness of the threads. A thread inherits the niceness of the thread that starts it, so each thread sets this value instead
/// of adding to its own. `None` if the system has no niceness for each thread.
#[derive(Clone, Copy, Debug)]
struct Priority(Option<i32>);

impl Priority {
    /// A priority that is lower than that of the calling thread.
    #[cfg(target_os = "linux")]
    fn lower() -> Self {
        // Linux keeps a niceness for each thread, and `None` stands for the calling one.
        let own = rustix::process::getpriority_process(None);
        Self(own.ok().map(|own| own.saturating_add(NICER).min(NICEST)))
    }

    #[cfg(not(target_os = "linux"))]
    const fn lower() -> Self {
        Self(None)
    }

    /// Sets the niceness of the calling thread.
    fn apply(self) {
        let Some(niceness) = self.0 else { return };
        if let Err(error) = rustix::process::setpriority_process(None, niceness) {
            tracing::debug!(%error, "the priority of a thread cannot be lowered");
        }
    }
}
