//! Subscriptions, and the pushes to their subscribers.

use std::sync::Arc;

use rollcall_domain::catalog::{
    Clusters, Selection, ServiceKey, ServiceView, Subscriber, SubscriptionKey,
};

use super::{Body, Catalog};
use crate::{Encoded, Error, Form, Interest, Invalid, Outbox, Subscription};

impl Catalog {
    /// Subscribes to a service, whether it exists or not. A connection has one subscription of a service: a later one with
    /// other clusters replaces it. An equal one only renews it.
    ///
    /// # Errors
    /// The connection has ended, or the limit of subscriptions is reached.
    pub fn subscribe(
        &self,
        interest: Interest<'_>,
        outbox: &Outbox,
    ) -> Result<Arc<Subscription>, Error> {
        let now = self.now();
        let service = interest.service;
        let key = SubscriptionKey::new(interest.subscriber.clone(), &interest.clusters);
        {
            let subscriptions = self.0.subscriptions.read();
            let known = subscriptions.get(service, &key);
            match known {
                Some(known) if known.is_same(&interest) => {
                    known.renew(now);
                    return Ok(Arc::clone(known));
                }
                Some(_) => {}
                // Checked without the write lock, because a refused poller repeats its call.
                None => {
                    let limit = self.0.config.limits.subscriptions;
                    subscriptions.admits(&interest.subscriber, limit)?;
                }
            }
        }
        let subscription = Subscription::new(interest, outbox, now);
        let mut subscriptions = self.0.subscriptions.write();
        if let Subscriber::Connection(id) = &subscription.subscriber
            && self.0.connections.get(*id).is_none()
        {
            return Err(Invalid::Connection.into());
        }
        let limit = self.0.config.limits.subscriptions;
        let service = subscription.service.clone();
        let replaced = subscriptions.add(&service, key, Arc::clone(&subscription), limit)?;
        if let Some(replaced) = replaced {
            replaced.end();
        }
        Ok(subscription)
    }

    /// Ends a subscription. Returns `false` if there is none. If a connection's later subscription named other clusters, that
    /// subscription stays; empty `clusters` stand for any.
    pub fn unsubscribe(
        &self,
        service: &ServiceKey,
        subscriber: &Subscriber,
        clusters: &Clusters,
    ) -> bool {
        let key = SubscriptionKey::new(subscriber.clone(), clusters);
        let mut subscriptions = self.0.subscriptions.write();
        let known = subscriptions.get(service, &key);
        if known.is_some_and(|known| !clusters.is_any() && known.clusters != *clusters) {
            return false;
        }
        let ended = subscriptions.remove(service, &key);
        drop(subscriptions);
        if let Some(ended) = &ended {
            ended.end();
        }
        ended.is_some()
    }

    /// The list to push to a subscriber now, as [`Catalog::body`] for all instances of its clusters. `None` if the subscriber has
    /// the current revision, if pushes are switched off, or if the subscription has ended.
    ///
    /// # Errors
    /// The catalog is loading.
    pub fn push(
        &self,
        subscription: &Subscription,
        selection: Selection,
        form: Form,
        encode: impl FnOnce(&ServiceView) -> Encoded,
    ) -> Result<Option<Body>, Error> {
        let is_on = self.0.switches().push_enabled;
        let revision = self.0.registry.read().revision(&subscription.service);
        if !is_on || subscription.is_ended() || subscription.has(revision) {
            return Ok(None);
        }
        let selection = Selection {
            clusters: subscription.clusters.clone(),
            ..selection
        };
        self.body(&subscription.service, &selection, form, encode)
            .map(Some)
    }

    /// Up to `limit` subscriptions of a service, of all subscribers.
    #[must_use]
    pub fn subscribers_of(&self, service: &ServiceKey, limit: usize) -> Vec<Arc<Subscription>> {
        let subscriptions = self.0.subscriptions.read();
        let all = subscriptions.of_service(service, None).take(limit);
        all.map(|(_, subscription)| Arc::clone(subscription))
            .collect()
    }

    /// The subscriptions of a subscriber, ordered by service.
    #[must_use]
    pub fn subscriptions_of(&self, subscriber: &Subscriber) -> Vec<Arc<Subscription>> {
        let subscriptions = self.0.subscriptions.read();
        let all = subscriptions.of_subscriber(subscriber);
        all.map(|(_, subscription)| Arc::clone(subscription))
            .collect()
    }

    /// The services that have subscriptions and that `is_wanted` accepts, up to `limit` of them, in order.
    #[must_use]
    pub fn subscribed_services(
        &self,
        limit: usize,
        mut is_wanted: impl FnMut(&ServiceKey) -> bool,
    ) -> Vec<ServiceKey> {
        let mut wanted: Vec<ServiceKey> = {
            let subscriptions = self.0.subscriptions.read();
            let wanted = subscriptions.services().filter(|key| is_wanted(key));
            wanted.cloned().collect()
        };
        wanted.sort();
        wanted.truncate(limit);
        wanted
    }
}
