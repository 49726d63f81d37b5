//! The shares of peers: how many services and bytes each peer has added to the registry.
//!
//! A service and an instance are charged to the peer that registered them, until they are removed. An instance that another peer
//! registers again is charged to that peer. Such a registration adds nothing, so it is admitted even if the share is used up. Items
//! that an operator adds or a store restores are charged to no peer until a peer registers them again.
//!
//! Settings and overrides are charged to the peer of their service. A service that is charged to no peer is charged to the first
//! peer that sets some.
//!
//! The shares are those of one collector since its start: a peer has a share at each collector that it registers at, and what a
//! start restores is in no share until a peer registers or sets it again. The limits of the whole registry count it.

use std::{collections::HashMap, net::IpAddr, num::NonZeroU32};

use super::{
    super::{ConnectionId, Full, InstanceRef, Publisher, Resource, ServiceKey, slab::Slab},
    Registry,
};

/// The client that registers: the publisher of its instances, and the peer that they are charged to.
#[derive(Clone, Debug)]
pub struct Registrant {
    /// The publisher.
    pub publisher: Publisher,
    /// The address that limits count by. `None`: no share limits the registration.
    pub peer: Option<IpAddr>,
}

/// What is charged to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Services.
    pub services: usize,
    /// Bytes of services, their settings and overrides, and instances.
    pub bytes: usize,
}

/// The peers that have a share.
#[derive(Debug, Default)]
pub(super) struct Shares {
    by_peer: HashMap<IpAddr, u32>,
    shares: Slab<Share>,
}

#[derive(Debug)]
struct Share {
    peer: IpAddr,
    held: Held,
}

/// The share that a service or an instance is charged to, as its slot plus one. `None`: it is charged to no peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Payer(Option<NonZeroU32>);

impl From<&Publisher> for Registrant {
    fn from(publisher: &Publisher) -> Self {
        Self {
            publisher: publisher.clone(),
            peer: None,
        }
    }
}

impl From<ConnectionId> for Registrant {
    fn from(connection: ConnectionId) -> Self {
        Self {
            publisher: Publisher::Connection(connection),
            peer: None,
        }
    }
}

impl Payer {
    fn slot(self) -> Option<u32> {
        Some(self.0?.get() - 1)
    }
}

impl Shares {
    /// What is charged to a peer.
    fn of(&self, peer: Option<IpAddr>) -> Held {
        let share = peer.and_then(|peer| self.by_peer.get(&peer));
        let share = share.and_then(|slot| self.shares.at(*slot));
        share.map(|share| share.held).unwrap_or_default()
    }

    pub(super) fn of_payer(&self, payer: Payer) -> Held {
        let share = payer.slot().and_then(|slot| self.shares.at(slot));
        share.map(|share| share.held).unwrap_or_default()
    }

    /// Whether `payer` is the share of this peer.
    fn is_of(&self, payer: Payer, peer: IpAddr) -> bool {
        let share = payer.slot().and_then(|slot| self.shares.at(slot));
        share.is_some_and(|share| share.peer == peer)
    }

    /// Charges a peer.
    pub(super) fn charge(&mut self, peer: Option<IpAddr>, added: Held) -> Payer {
        let Some(peer) = peer else {
            return Payer::default();
        };
        let slot = match self.by_peer.get(&peer) {
            Some(slot) => *slot,
            None => {
                let held = Held::default();
                let Some(share) = self.shares.insert(Share { peer, held }) else {
                    return Payer::default();
                };
                self.by_peer.insert(peer, share.index);
                share.index
            }
        };
        if let Some(share) = self.shares.at_mut(slot) {
            share.held.services += added.services;
            share.held.bytes += added.bytes;
        }
        Payer(slot.checked_add(1).and_then(NonZeroU32::new))
    }

    /// Releases a charge. A share without a charge is removed.
    pub(super) fn release(&mut self, payer: Payer, removed: Held) {
        let Some(slot) = payer.slot() else {
            return;
        };
        let Some(share) = self.shares.at_mut(slot) else {
            return;
        };
        share.held.services = share.held.services.saturating_sub(removed.services);
        share.held.bytes = share.held.bytes.saturating_sub(removed.bytes);
        if share.held == Held::default() {
            let peer = share.peer;
            self.shares.remove(slot);
            self.by_peer.remove(&peer);
        }
    }

    /// Changes the bytes of an item that is charged.
    pub(super) fn resize(&mut self, payer: Payer, before: usize, after: usize) {
        if let Some(share) = payer.slot().and_then(|slot| self.shares.at_mut(slot)) {
            share.held.bytes = (share.held.bytes + after).saturating_sub(before);
        }
    }
}

impl Held {
    /// The larger number of services, and the larger number of bytes.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        Self {
            services: self.services.max(other.services),
            bytes: self.bytes.max(other.bytes),
        }
    }
}

impl Registry {
    /// The largest number of services and the largest number of bytes charged to any one peer, among one part of the peers; `None`
    /// beyond the last part.
    #[must_use]
    pub fn largest_shares_in(&self, part: usize) -> Option<Held> {
        let shares = self.shares.shares.chunk(part)?;
        let held = shares.map(|share| share.held);
        Some(held.fold(Held::default(), Held::most))
    }

    /// Charges an instance, and its service if that is charged to no peer, to the peer that has registered the instance again.
    pub fn charge(&mut self, instance: InstanceRef, peer: Option<IpAddr>) {
        if self.records.get(instance).is_some() {
            self.charge_at(instance.index, peer);
        }
    }

    pub(super) fn charge_at(&mut self, index: u32, peer: Option<IpAddr>) {
        let (Some(peer), Some(record)) = (peer, self.records.at_mut(index)) else {
            return;
        };
        let service = record.service;
        if !self.shares.is_of(record.payer, peer) {
            let held = Held {
                services: 0,
                bytes: record.cost(),
            };
            self.shares.release(record.payer, held);
            record.payer = self.shares.charge(Some(peer), held);
        }
        self.charge_service_at(service, peer);
    }

    /// Charges a service to a peer, unless it is charged already.
    pub fn charge_service(&mut self, key: &ServiceKey, peer: Option<IpAddr>) {
        if let (Some(peer), Some(id)) = (peer, self.ids.get(key).copied()) {
            self.charge_service_at(id, peer);
        }
    }

    fn charge_service_at(&mut self, id: u32, peer: IpAddr) {
        let service = self.services.at_mut(id);
        if let Some(service) = service.filter(|service| service.payer == Payer::default()) {
            service.payer = self.shares.charge(Some(peer), service.share());
        }
    }

    /// Checks that the share of a peer has room for another service.
    pub(super) fn share_in_services(&self, peer: Option<IpAddr>) -> Result<(), Full> {
        let wanted = self.shares.of(peer).services + 1;
        let limit = self.limits.services_per_peer;
        match peer {
            Some(_) => Full::check(Resource::ServicesPerPeer, wanted, limit),
            None => Ok(()),
        }
    }

    /// Checks that the share of a peer has room for these bytes.
    pub(super) fn share_in_bytes(&self, peer: Option<IpAddr>, added: usize) -> Result<(), Full> {
        let wanted = self.shares.of(peer).bytes.saturating_add(added);
        let limit = self.limits.bytes_per_peer;
        match peer {
            Some(_) if added > 0 => Full::check(Resource::BytesPerPeer, wanted, limit),
            _ => Ok(()),
        }
    }

    /// Checks that the share that an existing item is charged to has room for these bytes.
    pub(super) fn share_of_payer(&self, payer: Payer, added: usize) -> Result<(), Full> {
        let wanted = self.shares.of_payer(payer).bytes.saturating_add(added);
        let limit = self.limits.bytes_per_peer;
        if payer == Payer::default() || added == 0 {
            return Ok(());
        }
        Full::check(Resource::BytesPerPeer, wanted, limit)
    }
}

#[cfg(test)]
impl Registry {
    pub(in super::super) fn largest_shares(&self) -> Held {
        let parts = (0..).map_while(|part| self.largest_shares_in(part));
        parts.fold(Held::default(), Held::most)
    }

    /// Checks that each peer is charged for its services and instances, and for nothing else.
    pub(in super::super) fn check_shares(&self) {
        let mut charged: HashMap<u32, Held> = HashMap::new();
        let mut add = |payer: Payer, held: Held| {
            if let Some(slot) = payer.slot() {
                let sum = charged.entry(slot).or_default();
                sum.services += held.services;
                sum.bytes += held.bytes;
            }
        };
        for service in self.order.values().filter_map(|id| self.services.at(*id)) {
            add(service.payer, service.share());
            let members = service.members.iter();
            for record in members.filter_map(|index| self.records.at(*index)) {
                let bytes = record.cost();
                add(record.payer, Held { services: 0, bytes });
            }
        }
        let shares = self.shares.by_peer.values();
        let held = |slot: &u32| Some((*slot, self.shares.shares.at(*slot)?.held));
        let shares: HashMap<u32, Held> = shares.filter_map(held).collect();
        assert_eq!(shares, charged);
    }
}
