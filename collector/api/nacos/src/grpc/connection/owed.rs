//! The outstanding messages of a connection: pushes of its subscriptions, and messages of its watches.

use std::sync::Arc;

use rollcall_catalog::Subscription;
use rollcall_domain::catalog::ServiceKey;

use super::Connection;
use crate::grpc::{
    acks::{Acks, Lapsed},
    fuzzy::Watches,
};

impl Connection {
    /// Calls `change` with the pushes that are not acknowledged.
    pub(in crate::grpc) fn with_acks<R>(
        &self,
        change: impl FnOnce(&mut Acks<ServiceKey, Arc<Subscription>>) -> R,
    ) -> R {
        change(&mut self.state.lock().acks)
    }

    /// Records a subscription of the client; returns `false` if it already has `most`.
    pub(in crate::grpc) fn subscribed(&self, service: &ServiceKey, most: usize) -> bool {
        let subscribed = &mut self.state.lock().subscribed;
        if subscribed.contains(service) {
            return true;
        }
        let has_room = subscribed.len() < most;
        if has_room {
            subscribed.insert(service.clone());
        }
        has_room
    }

    /// Removes a subscription of the client, and stops tracking its push.
    pub(in crate::grpc) fn unsubscribed(&self, service: &ServiceKey) {
        let mut state = self.state.lock();
        state.subscribed.remove(service);
        state.acks.forget(service);
    }

    /// Keeps a subscription whose push failed, to be retried by [`Connection::check_deadlines`].
    pub(in crate::grpc) fn postpone(&self, subscription: Arc<Subscription>) {
        let mut state = self.state.lock();
        if state.postponed.len() < state.subscribed.len() {
            state.postponed.push(subscription);
        }
    }

    /// Calls `read` with the client's watches.
    pub(in crate::grpc) fn with_watches<R>(&self, read: impl FnOnce(&mut Watches) -> R) -> R {
        read(&mut self.state.lock().watches)
    }

    /// Calls `change` with the client's watches, and wakes the stream if one is due.
    pub(in crate::grpc) fn change_watches<R>(&self, change: impl FnOnce(&mut Watches) -> R) -> R {
        let (result, is_due) = {
            let watches = &mut self.state.lock().watches;
            (change(watches), watches.is_due())
        };
        if is_due {
            self.waker.wake();
        }
        result
    }

    /// Records the client's answer to a push or a message of a watch; `None` if it belongs to neither.
    pub(in crate::grpc) fn acknowledge(
        &self,
        push: u64,
        is_accepted: bool,
        now: u64,
    ) -> Option<Lapsed> {
        let mut state = self.state.lock();
        if let Some(lapsed) = state.acks.acknowledge(push, is_accepted, now) {
            return Some(lapsed);
        }
        let is_awaited = state.watches.acknowledge(push, is_accepted);
        drop(state);
        if is_awaited {
            self.waker.wake();
        }
        is_awaited.then(Lapsed::default)
    }
}
