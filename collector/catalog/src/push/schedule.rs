//! Schedules pushes: the first change of a service at once, later ones at most once in a window.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use parking_lot::Mutex;
use rollcall_domain::{Moment, catalog::ServiceKey};
use tokio::sync::{Notify, futures::Notified};

/// Services with a change to push. Holds one entry for each service that changed within the last window.
#[derive(Debug)]
pub(crate) struct Schedule {
    window: Duration,
    state: Mutex<State>,
    added: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Services to be pushed now.
    due: VecDeque<ServiceKey>,
    /// The open windows: whether the service changed since it was pushed.
    open: HashMap<ServiceKey, bool>,
    /// The end of each open window, in the order in which the windows began, because all have the same length.
    closing: VecDeque<(Moment, ServiceKey)>,
}

impl Schedule {
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            window,
            state: Mutex::default(),
            added: Notify::new(),
        }
    }

    /// Records a change of a service.
    pub(crate) fn changed(&self, service: &ServiceKey, now: Moment) {
        let mut state = self.state.lock();
        if let Some(changed) = state.open.get_mut(service) {
            *changed = true;
            return;
        }
        state.begin(service.clone(), now.after(self.window));
        drop(state);
        self.added.notify_one();
    }

    /// Completes when a service was added since this call.
    pub(super) fn added(&self) -> Notified<'_> {
        self.added.notified()
    }

    /// The number of services that wait for a push.
    pub(crate) fn due(&self) -> usize {
        let state = self.state.lock();
        state.due.len() + state.open.values().filter(|changed| **changed).count()
    }

    /// Takes a service to be pushed now. Fails with the time to wait if none is due but a window is open.
    pub(super) fn take(&self, now: Moment) -> Result<ServiceKey, Option<Duration>> {
        let mut state = self.state.lock();
        loop {
            if let Some(due) = state.due.pop_front() {
                return Ok(due);
            }
            let Some((closes, _)) = state.closing.front() else {
                return Err(None);
            };
            if *closes > now {
                return Err(Some(closes.since(now)));
            }
            let Some((_, service)) = state.closing.pop_front() else {
                return Err(None);
            };
            if state.open.remove(&service) == Some(true) {
                state.begin(service, now.after(self.window));
            }
        }
    }
}

impl State {
    fn begin(&mut self, service: ServiceKey, closes: Moment) {
        self.open.insert(service.clone(), false);
        self.closing.push_back((closes, service.clone()));
        self.due.push_back(service);
    }
}
