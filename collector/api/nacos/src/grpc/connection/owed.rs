//! What a connection is owed: pushes of its subscriptions, and messages of its watches.

use std::sync::Arc;

use rollcall_catalog::Subscription;
use rollcall_domain::catalog::ServiceKey;

use super::Connection;
use crate::grpc::{
    acks::{Acks, Lapsed},
    fuzzy::Watches,
};

impl Connection {
    /// Pushes that wait for the client.
    pub(in crate::grpc) fn with_acks<R>(
        &self,
        change: impl FnOnce(&mut Acks<ServiceKey, Arc<Subscription>>) -> R,
    ) -> R {
        change(&mut self.state.lock().acks)
    }

    /// Notes that the client subscribes to a service; returns whether it may, as one of `most`.
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

    /// Notes that the client does not subscribe to a service any more. Pushes of it are not waited for.
    pub(in crate::grpc) fn unsubscribed(&self, service: &ServiceKey) {
        let mut state = self.state.lock();
        state.subscribed.remove(service);
        state.acks.forget(service);
    }

    /// A push could not be made; it is tried again when time has passed.
    pub(in crate::grpc) fn postpone(&self, subscription: Arc<Subscription>) {
        let mut state = self.state.lock();
        if state.postponed.len() < state.subscribed.len() {
            state.postponed.push(subscription);
        }
    }

    /// What the client watches.
    pub(in crate::grpc) fn with_watches<R>(&self, read: impl FnOnce(&mut Watches) -> R) -> R {
        read(&mut self.state.lock().watches)
    }

    /// Changes what the client watches, or the notifications that it is due.
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

    /// The client acknowledged a push or a message of a watch; `None` if that was not waited for.
    pub(in crate::grpc) fn acknowledge(
        &self,
        push: u64,
        is_taken: bool,
        now: u64,
    ) -> Option<Lapsed> {
        let mut state = self.state.lock();
        if let Some(lapsed) = state.acks.acknowledge(push, is_taken, now) {
            return Some(lapsed);
        }
        let is_awaited = state.watches.acknowledge(push, is_taken);
        drop(state);
        if is_awaited {
            self.waker.wake();
        }
        is_awaited.then(Lapsed::default)
    }
}
