//! Relays the beats of instances that other members own, many in one entry.
//!
//! Clients of 1.x send each beat to another collector. The first beat is relayed at once, and then one entry is written in each
//! fifth of the shortest beat term. So no beat is written by itself, and no instance turns unhealthy at its owner. With the usual
//! terms (a beat every 5 s, unhealthy after 15 s) an instance stays healthy if one beat is lost.

use std::time::Duration;

use parking_lot::Mutex;
use rollcall_domain::{
    Moment,
    catalog::{Endpoint, ServiceKey},
};
use tokio::sync::{Notify, futures::Notified};

use super::entries::ReceivedBeats;

/// The part of a beat term after which the next entry is written.
const PART: u32 = 5;
/// The longest and the shortest time between two entries.
const LONGEST: Duration = Duration::from_secs(3);
const SHORTEST: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
pub(super) struct Relays {
    state: Mutex<State>,
    added: Notify,
}

#[derive(Debug, Default)]
struct State {
    beaten: ReceivedBeats,
    /// When the next entry is written; `None` without beats.
    due: Option<Moment>,
    last: Option<Moment>,
}

impl Relays {
    /// Adds a beat of an instance whose beats may pause for `term`. `is_urgent`: the instance is unhealthy.
    pub(super) fn add(
        &self,
        (service, endpoint): (&ServiceKey, &Endpoint),
        term: Duration,
        is_urgent: bool,
        now: Moment,
    ) {
        let mut state = self.state.lock();
        let window = if is_urgent {
            SHORTEST
        } else {
            (term / PART).clamp(SHORTEST, LONGEST)
        };
        let due = state.last.map_or(now, |last| last.after(window).max(now));
        let is_sooner = state.due.is_none_or(|before| due < before);
        if is_sooner {
            state.due = Some(due);
        }
        match state.beaten.get_mut(service) {
            Some(endpoints) => {
                if !endpoints.contains(endpoint) {
                    endpoints.insert(endpoint.clone());
                }
            }
            None => {
                let first = [endpoint.clone()].into();
                state.beaten.insert(service.clone(), first);
            }
        }
        drop(state);
        if is_sooner {
            self.added.notify_one();
        }
    }

    /// Completes when an entry is due earlier than before.
    pub(super) fn added(&self) -> Notified<'_> {
        self.added.notified()
    }

    /// The time until the next entry is due.
    pub(super) fn due_in(&self, now: Moment) -> Option<Duration> {
        self.state.lock().due.map(|due| due.since(now))
    }

    /// The instances of the entry that is due.
    pub(super) fn take(&self, now: Moment) -> ReceivedBeats {
        let mut state = self.state.lock();
        if state.due.is_none_or(|due| due > now) {
            return ReceivedBeats::new();
        }
        state.due = None;
        state.last = Some(now);
        std::mem::take(&mut state.beaten)
    }
}
