//! The process in which an agent was started.
//!
//! A forked child has a copy of the agent's memory, but not its thread, and a lock that another thread held during the fork stays
//! locked in the child forever. So every method that the application calls checks here before it takes a lock, and takes no lock in
//! a child.

use std::{
    cell::Cell,
    process,
    sync::atomic::{AtomicBool, Ordering},
};

/// Distinguishes the process that started the agent from its forked children.
#[derive(Debug)]
pub(crate) struct Home {
    process: u32,
    /// A call has found that it runs in a forked child.
    in_child: AtomicBool,
}

thread_local! {
    /// Whether this thread has called [`Home::is_in_child_cached`] before. In a child, calls of the thread that forked count too.
    static HAS_CALLED: Cell<bool> = const { Cell::new(false) };
}

impl Home {
    /// The `Home` of an agent that the calling process starts.
    pub(crate) fn here() -> Self {
        Self {
            process: process::id(),
            in_child: AtomicBool::new(false),
        }
    }

    /// The process that started the agent.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// Whether the caller is in a forked child. Makes one system call (0.2 us) each time, until the result has once been `true`.
    pub(crate) fn is_in_child(&self) -> bool {
        if self.in_child.load(Ordering::Relaxed) {
            return true;
        }
        let in_child = process::id() != self.process;
        if in_child {
            self.in_child.store(true, Ordering::Relaxed);
        }
        in_child
    }

    /// As [`is_in_child`](Self::is_in_child), for methods that are called too often to make a system call each time: only the first
    /// call of a thread makes one.
    ///
    /// A child may get `false` until one of its calls has used `is_in_child`. That is enough for reading the dictionaries: only
    /// the first read of a thread takes a lock.
    pub(crate) fn is_in_child_cached(&self) -> bool {
        if HAS_CALLED.get() {
            self.in_child.load(Ordering::Relaxed)
        } else {
            HAS_CALLED.set(true);
            self.is_in_child()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_that_starts_an_agent_is_not_a_child() {
        let home = Home::here();
        assert_eq!(home.process(), process::id());
        assert_eq!(
            [
                home.is_in_child(),
                home.is_in_child_cached(),
                home.is_in_child_cached()
            ],
            [false; 3]
        );
    }

    #[test]
    fn a_thread_that_missed_the_fork_detects_it_at_the_first_full_check() {
        let home = Home {
            process: process::id() + 1,
            in_child: AtomicBool::new(false),
        };
        HAS_CALLED.set(true);
        assert!(!home.is_in_child_cached());
        assert!(home.is_in_child());
        assert!(home.is_in_child_cached());
        HAS_CALLED.set(false);
    }
}
