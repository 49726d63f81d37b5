//! Subscriptions to the changes of services, indexed both ways.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use super::{Clusters, Full, Resource, ServiceKey, Subscriber};

/// One subscription of a service: its subscriber and, for subscribers that may have several, its clusters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionKey {
    /// The client that receives changes.
    pub subscriber: Subscriber,
    /// Empty for a connection, which has one subscription of a service for any clusters.
    clusters: Arc<str>,
}

/// Subscriptions, each with a value of the caller. They do not depend on whether the service exists.
#[derive(Debug)]
pub struct Subscriptions<T> {
    by_service: HashMap<ServiceKey, BTreeMap<SubscriptionKey, T>>,
    by_subscriber: HashMap<Subscriber, BTreeSet<(ServiceKey, Arc<str>)>>,
    /// The subscribers without a connection, which renew their subscriptions.
    renewed: BTreeSet<Subscriber>,
    len: usize,
    /// Subscriptions of pollers.
    polled: usize,
}

/// The most subscriptions of one poller. No configuration key sets it: these subscriptions are only shown to operators, so a larger
/// number would cost memory and change no answer.
const MOST_POLLED: usize = 256;
/// Pollers may use one part in this many of the subscription limit. They are recorded for operators only, and the rest of the limit
/// is left to subscribers that receive pushes.
const POLLED_PART: usize = 10;

impl SubscriptionKey {
    /// The key of this subscriber's subscription with these clusters.
    #[must_use]
    pub fn new(subscriber: Subscriber, clusters: &Clusters) -> Self {
        let clusters = match subscriber {
            Subscriber::Connection(_) => Arc::default(),
            Subscriber::Udp { .. } | Subscriber::Poller { .. } => Arc::clone(clusters.text()),
        };
        Self {
            subscriber,
            clusters,
        }
    }
}

impl<T> Default for Subscriptions<T> {
    fn default() -> Self {
        Self {
            by_service: HashMap::new(),
            by_subscriber: HashMap::new(),
            renewed: BTreeSet::new(),
            len: 0,
            polled: 0,
        }
    }
}

impl<T> Subscriptions<T> {
    /// Checks that there is room for another subscription of this subscriber.
    ///
    /// # Errors
    /// There are `limit` subscriptions, or pollers already use their part of the limit.
    pub fn admits(&self, subscriber: &Subscriber, limit: usize) -> Result<(), Full> {
        let full = Full {
            resource: Resource::Subscriptions,
            limit,
        };
        if is_poller(subscriber) {
            let held = self.by_subscriber.get(subscriber).map_or(0, BTreeSet::len);
            if held >= MOST_POLLED || self.polled >= limit.div_ceil(POLLED_PART) {
                return Err(full);
            }
        }
        Full::check(full.resource, self.len + 1, limit)
    }

    /// Adds a subscription, or replaces and returns the one with the same key.
    ///
    /// # Errors
    /// As [`Subscriptions::admits`].
    pub fn add(
        &mut self,
        service: &ServiceKey,
        key: SubscriptionKey,
        value: T,
        limit: usize,
    ) -> Result<Option<T>, Full> {
        let known = self.by_service.get_mut(service);
        if let Some(old) = known.and_then(|subscriptions| subscriptions.get_mut(&key)) {
            return Ok(Some(std::mem::replace(old, value)));
        }
        self.admits(&key.subscriber, limit)?;
        if !matches!(key.subscriber, Subscriber::Connection(_)) {
            self.renewed.insert(key.subscriber.clone());
        }
        self.polled += usize::from(is_poller(&key.subscriber));
        let held = self.by_subscriber.entry(key.subscriber.clone());
        held.or_default()
            .insert((service.clone(), Arc::clone(&key.clusters)));
        let subscriptions = self.by_service.entry(service.clone()).or_default();
        subscriptions.insert(key, value);
        self.len += 1;
        Ok(None)
    }

    /// The subscription with this key.
    #[must_use]
    pub fn get(&self, service: &ServiceKey, key: &SubscriptionKey) -> Option<&T> {
        self.by_service.get(service)?.get(key)
    }

    /// Removes a subscription.
    pub fn remove(&mut self, service: &ServiceKey, key: &SubscriptionKey) -> Option<T> {
        let subscriptions = self.by_service.get_mut(service)?;
        let removed = subscriptions.remove(key)?;
        if subscriptions.is_empty() {
            self.by_service.remove(service);
        }
        self.len -= 1;
        if let Some(held) = self.by_subscriber.get_mut(&key.subscriber) {
            held.remove(&(service.clone(), Arc::clone(&key.clusters)));
            if held.is_empty() {
                self.by_subscriber.remove(&key.subscriber);
                self.renewed.remove(&key.subscriber);
            }
        }
        self.polled -= usize::from(is_poller(&key.subscriber));
        Some(removed)
    }

    /// Removes all subscriptions of a subscriber.
    pub fn end(&mut self, subscriber: &Subscriber) -> Vec<T> {
        let held = self.by_subscriber.remove(subscriber).unwrap_or_default();
        let mut removed = Vec::with_capacity(held.len());
        for (service, clusters) in held {
            let key = SubscriptionKey {
                subscriber: subscriber.clone(),
                clusters,
            };
            if let Some(subscriptions) = self.by_service.get_mut(&service) {
                removed.extend(subscriptions.remove(&key));
                if subscriptions.is_empty() {
                    self.by_service.remove(&service);
                }
            }
        }
        self.len -= removed.len();
        self.renewed.remove(subscriber);
        if is_poller(subscriber) {
            self.polled -= removed.len();
        }
        removed
    }

    /// The subscriptions of a service, ordered by key. Starts behind the key `after` if it is given.
    pub fn of_service(
        &self,
        service: &ServiceKey,
        after: Option<&SubscriptionKey>,
    ) -> impl Iterator<Item = (&SubscriptionKey, &T)> {
        let from = after.map_or(Unbounded, Excluded);
        self.by_service
            .get(service)
            .into_iter()
            .flat_map(move |subscriptions| subscriptions.range((from, Unbounded)))
    }

    /// Whether a service has subscriptions.
    #[must_use]
    pub fn has_any(&self, service: &ServiceKey) -> bool {
        self.by_service.contains_key(service)
    }

    /// The subscriptions of a subscriber, ordered by service.
    pub fn of_subscriber(
        &self,
        subscriber: &Subscriber,
    ) -> impl Iterator<Item = (&ServiceKey, &T)> {
        let held = self.by_subscriber.get(subscriber).into_iter().flatten();
        held.filter_map(|(service, clusters)| {
            let key = SubscriptionKey {
                subscriber: subscriber.clone(),
                clusters: Arc::clone(clusters),
            };
            Some((service, self.get(service, &key)?))
        })
    }

    /// The subscribers without a connection, in order. Starts behind the subscriber `after` if it is given.
    pub fn renewed(&self, after: Option<&Subscriber>) -> impl Iterator<Item = &Subscriber> {
        let from = after.map_or(Unbounded, Excluded);
        self.renewed.range((from, Unbounded))
    }

    /// The services and keys of the subscriptions of a subscriber.
    pub fn keys_of<'a>(
        &'a self,
        subscriber: &'a Subscriber,
    ) -> impl Iterator<Item = (ServiceKey, SubscriptionKey)> + 'a {
        let held = self.by_subscriber.get(subscriber).into_iter().flatten();
        held.map(|(service, clusters)| {
            let key = SubscriptionKey {
                subscriber: subscriber.clone(),
                clusters: Arc::clone(clusters),
            };
            (service.clone(), key)
        })
    }

    /// The services that have subscriptions, in no order.
    pub fn services(&self) -> impl Iterator<Item = &ServiceKey> {
        self.by_service.keys()
    }

    /// The number of subscriptions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no subscriptions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of subscribers.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.by_subscriber.len()
    }
}

const fn is_poller(subscriber: &Subscriber) -> bool {
    matches!(subscriber, Subscriber::Poller { .. })
}
