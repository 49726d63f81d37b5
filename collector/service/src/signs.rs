//! Applies signals, reports of other collectors, and the ends of connections to the shared state.

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use rollcall_domain::{
    ApplicationId, InstanceId,
    liveness::{
        Arrival, Cause, Closed, ConnectionId, LeaseRecord, Observer, Renewal, Signal, State,
    },
};
use rollcall_link as link;
use rollcall_storage::LastSeen;

use super::{
    Core,
    register::{self, InstanceName},
    stray,
};

/// Two recorded times of one signal may differ by this much, because the wall clock is adjusted.
const SAME_TIME: Duration = Duration::from_secs(1);

impl Core {
    /// Refuses, counts and publishes a sign of life with the id of an instance whose agent uses no ids. Such a sign comes from
    /// another process, which holds the id from an earlier store.
    pub(super) fn admit(&self, id: InstanceId) -> Result<(), register::Error> {
        if self.inventory.is_announced(id) {
            return Ok(());
        }
        self.refuse(id, stray::Reason::NoIds);
        Err(if id.is_internal() {
            register::Error::NotAnInstance(id)
        } else {
            register::Error::NotAnnounced(id)
        })
    }

    /// Refuses, counts and publishes a sign of life that names another application than its instance belongs to: an agent has one
    /// application. An application whose name is unknown may be the same one under an id of an earlier store.
    pub(super) fn admit_application(
        &self,
        id: InstanceId,
        named: ApplicationId,
        recorded: ApplicationId,
    ) -> Result<(), register::Error> {
        let inventory = &self.inventory;
        let (named, known) = (inventory.canonical(named), inventory.canonical(recorded));
        let is_named = |application| {
            let row = inventory.application(application);
            row.is_some_and(|row| row.code.is_some())
        };
        if named == known || !is_named(named) {
            return Ok(());
        }
        self.refuse(id, stray::Reason::OtherApplication);
        Err(register::Error::OtherApplication {
            instance: id,
            known: inventory.shown(known),
        })
    }

    fn refuse(&self, id: InstanceId, reason: stray::Reason) {
        if self.strays.observe(reason) {
            self.events.stray(self, id, reason);
        }
    }

    /// Renews the lease of an instance, and publishes a change of state. Returns `false` if the instance has no lease.
    pub(super) fn renew(&self, id: InstanceId, signal: Signal) -> bool {
        match self.observe(id, signal) {
            Some((Renewal::Kept, Arrival::Same)) if signal != Signal::Recover => true,
            Some((renewal, arrival)) => {
                self.arrived(id, signal, renewal, arrival);
                true
            }
            None => false,
        }
    }

    /// Records a signal, and the connection that carried it.
    fn observe(&self, id: InstanceId, signal: Signal) -> Option<(Renewal<InstanceId>, Arrival)> {
        let now = self.clock.now();
        let over_connection = link::current(|seen| {
            let (renewal, arrival) = self.lessor.renew_on(seen.connection(), id, signal, now)?;
            if arrival != Arrival::Same
                && let Err(cause) = seen.remember(id)
            {
                // The connection ended while the writer worked for the caller.
                self.lessor
                    .close(id, seen.connection(), Closed { at: now, cause });
            }
            Some((renewal, arrival))
        });
        over_connection.unwrap_or_else(|| {
            let renewal = self.lessor.renew(id, signal, now)?;
            Some((renewal, Arrival::Same))
        })
    }

    /// Publishes the changes that a signal caused.
    fn arrived(
        &self,
        id: InstanceId,
        signal: Signal,
        renewal: Renewal<InstanceId>,
        arrival: Arrival,
    ) {
        match arrival {
            // This collector's own tag stands for an earlier run of it.
            Arrival::From(Some(member)) if member != self.own => {
                let from = Observer::Elsewhere(Some(member));
                self.events.moved(self, id, from, Observer::Here);
            }
            Arrival::Back if signal != Signal::Recover => self.events.reconnected(self, id),
            _ => {}
        }
        if signal == Signal::Recover && renewal == Renewal::Kept {
            self.events.recovered(self, id);
        }
        self.publish(id, renewal);
    }

    /// Renews the lease of a recorded instance, or grants its first one.
    pub(super) fn renew_or_grant(&self, id: InstanceId, signal: Signal) {
        if !self.renew(id, signal) {
            let renewal = self.lessor.grant(id, signal, self.clock.now());
            self.publish(id, renewal);
            // The second call also records the connection.
            if let Some((renewal, _)) = self.observe(id, signal) {
                self.publish(id, renewal);
            }
        }
    }

    /// Whether an instance has no lease because it was never seen. The inventory may still have it: other instances mentioned it,
    /// or the store became unavailable between its adoption and its first sign.
    pub(super) fn is_unseen(&self, id: InstanceId) -> bool {
        self.lessor.view(id).is_none()
    }

    /// Records that an instance has left. Returns whether that changed its state; `None` if it has no lease.
    pub(super) fn leave(&self, id: InstanceId) -> Option<bool> {
        let renewal = self.lessor.leave(id, self.clock.now())?;
        self.publish(id, renewal);
        Some(matches!(renewal, Renewal::Changed(_)))
    }

    /// Applies the report of another collector about an instance.
    pub(super) fn relay(&self, seen: LastSeen) {
        let reported = LeaseRecord {
            key: seen.instance,
            last_seen: self.clock.moment_of(seen.last_seen),
            signal: seen.signal,
            state: seen.state,
            usual: seen.usual,
            observer: Observer::Elsewhere(seen.observer),
            forgotten: seen.forgotten,
        };
        let renewal = self.lessor.relay(reported, self.clock.now());
        self.publish(seen.instance, renewal);
    }

    /// Forgets an instance because the store does, unless it was seen since.
    pub(super) fn forget_as_stored(&self, seen: LastSeen) {
        let stored = self.clock.moment_of(seen.last_seen).after(SAME_TIME);
        let known = self.lessor.view(seen.instance);
        if seen.forgotten && known.is_some_and(|known| known.last_seen <= stored) {
            self.lessor.forget(seen.instance);
        }
    }

    /// Whether this collector lacks a fact that it read from the store before and that no later signal would restore: that the
    /// instance exists, that it is down or left, or that it was forgotten. A lost signal needs no repair, because the next signal
    /// replaces it or the lease expires.
    ///
    /// A report that is older than this collector's evidence reveals no gap: another collector may have sent the later evidence
    /// directly, and stores it soon.
    pub(super) fn knows_less(&self, seen: LastSeen) -> bool {
        let Some(known) = self.lessor.view(seen.instance) else {
            return true;
        };
        let reported = self.clock.moment_of(seen.last_seen);
        let is_later = known.last_seen > reported.after(SAME_TIME);
        let lacks_end = known.state < seen.state && known.relayed;
        let lacks_forgetting = seen.forgotten && !known.forgotten && known.state >= State::Down;
        seen.state >= State::Down && !is_later && (lacks_end || lacks_forgetting)
    }

    /// The lease of an instance as this collector stores it; `None` if it has none to store. With a shared store, other members learn
    /// which one observed the signal.
    pub(super) fn last_seen(&self, instance: InstanceId, is_shared: bool) -> Option<LastSeen> {
        let lease = self.lessor.record(instance)?;
        Some(LastSeen {
            instance: lease.key,
            last_seen: self.clock.wall_at(lease.last_seen),
            signal: lease.signal,
            state: lease.state,
            usual: lease.usual,
            observer: match lease.observer {
                Observer::Here => is_shared.then_some(self.own),
                Observer::Elsewhere(member) => member,
            },
            forgotten: lease.forgotten,
        })
    }

    /// The id of the instance that is recorded under these names.
    pub(super) fn instance_named(&self, name: InstanceName<'_>) -> Option<InstanceId> {
        let application = self.inventory.application_id(name.service)?;
        self.inventory.named_instance_id(application, name.instance)
    }

    pub(super) fn publish(&self, id: InstanceId, renewal: Renewal<InstanceId>) {
        match renewal {
            Renewal::Kept => {}
            Renewal::Granted => self.events.granted(self, id),
            Renewal::Changed(transition) => self.events.changed(self, &transition),
            Renewal::Moved { from, to } => self.events.moved(self, id, from, to),
        }
    }
}

impl link::Observer for Core {
    fn closed(
        &self,
        connection: ConnectionId,
        remote: SocketAddr,
        seen: &[InstanceId],
        cause: Cause,
    ) {
        let closed = Closed {
            at: self.clock.now(),
            cause,
        };
        // A stopping collector closes all connections itself, so their ends are no evidence about the instances.
        let is_own = cause == Cause::ClosedByCollector && self.is_stopping.load(Ordering::Relaxed);
        let at = self.clock.wall_at(closed.at);
        for instance in seen {
            if self.lessor.close(*instance, connection, closed) && !is_own {
                self.events.closed(*instance, at, remote, cause);
            }
        }
    }
}
