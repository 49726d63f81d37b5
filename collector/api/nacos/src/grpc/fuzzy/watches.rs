//! The fuzzy watches of one connection.

use std::collections::BTreeSet;

use super::{Message, Name, Pattern, Watch};

/// The most repetitions in a row of a message that is not acknowledged.
const MOST_FAILURES: u32 = 3;

/// Watches, each with at most one unacknowledged message.
#[derive(Debug, Default)]
pub(in crate::grpc) struct Watches(Vec<Watching>);

#[derive(Debug)]
struct Watching {
    watch: Watch,
    /// The number of the unacknowledged message, and when it was sent.
    awaited: Option<(u64, u64)>,
    is_due: bool,
    failures: u32,
}

impl Watches {
    /// The number of watches.
    pub(in crate::grpc) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is one of this pattern.
    pub(in crate::grpc) fn contains(&self, pattern: &Pattern) -> bool {
        self.0.iter().any(|w| w.watch.pattern() == pattern)
    }

    /// Begins a watch. It replaces an earlier one of the same pattern.
    pub(in crate::grpc) fn begin(&mut self, watch: Watch) {
        self.end(watch.pattern());
        self.0.push(Watching {
            watch,
            awaited: None,
            is_due: true,
            failures: 0,
        });
    }

    /// Ends the watch of a pattern.
    pub(in crate::grpc) fn end(&mut self, pattern: &Pattern) {
        self.0.retain(|w| w.watch.pattern() != pattern);
    }

    /// Records that a service appeared or disappeared.
    pub(in crate::grpc) fn change(&mut self, namespace: &str, name: &Name, is_there: bool) {
        for watching in &mut self.0 {
            if watching.watch.pattern().is_of(namespace) && watching.watch.change(name, is_there) {
                watching.changed();
            }
        }
    }

    /// Makes every watch stale, because changes were missed.
    pub(in crate::grpc) fn expire(&mut self) {
        for watching in &mut self.0 {
            watching.watch.is_stale = true;
        }
    }

    /// Whether a watch is stale.
    pub(in crate::grpc) fn is_stale(&self) -> bool {
        self.0.iter().any(|w| w.watch.is_stale)
    }

    /// The patterns of the stale watches.
    pub(in crate::grpc) fn stale(&self) -> Vec<Pattern> {
        let stale = self.0.iter().filter(|w| w.watch.is_stale);
        stale.map(|w| w.watch.pattern().clone()).collect()
    }

    /// Refreshes the watch of a pattern from a listing.
    pub(in crate::grpc) fn refresh(
        &mut self,
        pattern: &Pattern,
        listed: &BTreeSet<Name>,
        exists: impl Fn(&Name) -> bool,
    ) {
        if let Some(watching) = self.0.iter_mut().find(|w| w.watch.pattern() == pattern) {
            watching.watch.refresh(listed, exists);
            watching.changed();
        }
    }

    /// Whether a watch is due.
    pub(in crate::grpc) fn is_due(&self) -> bool {
        self.0.iter().any(|w| w.is_due)
    }

    /// The pattern of the next watch that is due.
    pub(in crate::grpc) fn next(&mut self) -> Option<Pattern> {
        let watching = self.0.iter_mut().find(|w| w.is_due)?;
        watching.is_due = false;
        Some(watching.watch.pattern().clone())
    }

    /// The next message of the watch of a pattern.
    pub(in crate::grpc) fn advance(
        &mut self,
        pattern: &Pattern,
        number: u64,
        now: u64,
    ) -> Option<Message> {
        let watching = self.0.iter_mut().find(|w| w.watch.pattern() == pattern)?;
        let message = watching.watch.next()?;
        if watching.watch.is_pending() {
            watching.awaited = Some((number, now));
        } else {
            watching.is_due = true;
        }
        Some(message)
    }

    /// Records the client's answer to a message. Returns `false` if the message is not tracked.
    pub(in crate::grpc) fn acknowledge(&mut self, number: u64, is_accepted: bool) -> bool {
        let is_this = |w: &&mut Watching| w.awaited.is_some_and(|(awaited, _)| awaited == number);
        let Some(watching) = self.0.iter_mut().find(is_this) else {
            return false;
        };
        watching.settle(is_accepted);
        true
    }

    /// Repeats messages that were not acknowledged for `patience` milliseconds. Returns whether a watch is due.
    pub(in crate::grpc) fn check_deadlines(&mut self, patience: u64, now: u64) -> bool {
        for watching in &mut self.0 {
            let is_late = |(_, sent): (u64, u64)| now.saturating_sub(sent) >= patience;
            if watching.awaited.is_some_and(is_late) {
                watching.settle(false);
            }
        }
        self.is_due()
    }
}

impl Watching {
    fn changed(&mut self) {
        self.failures = 0;
        self.is_due |= self.awaited.is_none();
    }

    fn settle(&mut self, is_accepted: bool) {
        self.awaited = None;
        self.watch.acknowledge(is_accepted);
        self.failures = if is_accepted { 0 } else { self.failures + 1 };
        self.is_due = self.failures <= MOST_FAILURES;
    }
}
