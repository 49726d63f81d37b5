//! Members in etcd. Each collector has one lease, and one key that ends with the lease: `<prefix>/members/<address>`.
//!
//! A session reads all keys and follows a watch of the changes after them. When the watch breaks, the session reads all keys again.
//! The server behind the endpoint may have been replaced by one with an earlier state, and a watch from a revision that this server
//! has not reached would deliver nothing.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use bytes::Bytes;
use rollcall_domain::membership::Member;
use rollcall_etcd::proto::{
    Event, RangeRequest, TxnRequest, WatchCreateRequest, WatchResponse, compare, event::EventType,
};
use rollcall_etcd::{
    self as etcd, Client, Watch,
    request::{end_of, equal, put_with},
};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    coordinated::{self, Coordinated, Coordinator, Fault, Keeper, Port},
    entry,
};

/// The session with etcd.
struct Etcd {
    client: Client,
    term: Duration,
    lease: Option<i64>,
}

/// The cluster, and the task that serves it. A collector that does not renew its lease for `term` is not a member.
#[must_use]
pub fn cluster(client: Client, term: Duration) -> (Coordinated, Keeper) {
    coordinated::pair(Etcd {
        client,
        term,
        lease: None,
    })
}

/// Why a session ends.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// A call failed.
    #[error(transparent)]
    Call(#[from] etcd::Error),
    /// This collector did not renew its lease in time, so its registration has ended.
    #[error("the lease in etcd has ended")]
    LeaseEnded,
}

/// The members' keys.
type Keys = BTreeMap<Vec<u8>, Value>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Value {
    entry: Bytes,
    lease: i64,
}

/// The step towards the desired registration.
#[derive(Clone, Debug, PartialEq)]
enum Plan {
    /// The collector is registered as desired.
    Nothing,
    /// Write the collector's key, if it is unchanged since it was read.
    Write(TxnRequest),
    /// End the collector's lease. etcd removes the lease's key with it, even if the watch has not delivered the write of the key
    /// yet.
    Leave,
    /// Another collector holds the key.
    Taken,
}

impl Coordinator for Etcd {
    type Error = Error;

    async fn session(&mut self, port: &mut Port) -> Result<Infallible, Error> {
        if let Some(lease) = self.lease
            && !self.client.keep_alive(lease).await?
        {
            self.lease = None;
        }
        let (mut keys, mut watch) = self.follow().await?;
        let mut is_resumed = false;
        let mut renewal = interval(self.term / 3);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            port.publish(members(&keys));
            self.register(port, &keys).await?;
            tokio::select! {
                change = watch.next() => match change {
                    Ok(change) => {
                        apply(&mut keys, change);
                        is_resumed = false;
                    }
                    Err(_ended) if !is_resumed => {
                        (keys, watch) = self.follow().await?;
                        is_resumed = true;
                    }
                    Err(error) => return Err(error.into()),
                },
                () = port.desired_changed() => {}
                _ = renewal.tick() => {
                    self.renew().await?;
                    is_resumed = false;
                }
            }
        }
    }
}

impl Etcd {
    fn key(&self, address: &str) -> Vec<u8> {
        format!("{}/members/{address}", self.client.prefix()).into()
    }

    /// The first key of the members, and the first key after them.
    fn range(&self) -> (Vec<u8>, Vec<u8>) {
        (self.key(""), end_of(self.key("")))
    }

    /// Reads the members' keys, and opens a watch that delivers the changes after them.
    async fn follow(&self) -> Result<(Keys, Watch), Error> {
        let (key, range_end) = self.range();
        let range = RangeRequest {
            key: key.clone(),
            range_end: range_end.clone(),
            ..RangeRequest::default()
        };
        let answer = self.client.range(range).await?;
        let changes = WatchCreateRequest {
            key,
            range_end,
            start_revision: answer.header.unwrap_or_default().revision + 1,
            ..WatchCreateRequest::default()
        };
        let watch = self.client.watch(changes).await?;
        let value = |entry, lease| Value { entry, lease };
        let keys = answer.kvs.into_iter();
        let keys = keys.map(|kv| (kv.key, value(kv.value, kv.lease)));
        Ok((keys.collect(), watch))
    }

    async fn renew(&mut self) -> Result<(), Error> {
        match self.lease {
            Some(lease) if !self.client.keep_alive(lease).await? => {
                self.lease = None;
                Err(Error::LeaseEnded)
            }
            _ => Ok(()),
        }
    }

    /// Takes the next step towards the desired registration. The watch delivers the result of a write.
    async fn register(&mut self, port: &mut Port, keys: &Keys) -> Result<(), Error> {
        let desired = port.desired();
        if desired.is_some() && self.lease.is_none() {
            self.lease = Some(self.client.grant(self.term).await?);
        }
        let Some(lease) = self.lease else {
            port.registered(None);
            return Ok(());
        };
        let key = desired.as_ref().map(|member| self.key(&member.address));
        match plan(keys, key.zip(desired.as_ref()), lease) {
            Plan::Nothing => port.registered(desired.as_ref()),
            Plan::Write(transaction) => {
                self.client.transaction(transaction).await?;
            }
            Plan::Leave => {
                self.client.revoke(lease).await?;
                self.lease = None;
                port.registered(None);
            }
            Plan::Taken => port.degraded(Fault::Taken, &format!(
                "{} in etcd belongs to another collector, or to an earlier one of this address whose lease has not ended: \
                 if it stays, give each collector an advertised host or port of its own",
                desired.map_or_else(String::new, |member| member.address.to_string())
            )),
        }
        Ok(())
    }
}

fn plan(keys: &Keys, desired: Option<(Vec<u8>, &Member)>, lease: i64) -> Plan {
    let Some((key, member)) = desired else {
        return Plan::Leave;
    };
    let entry = entry::encode(member);
    let (target, unchanged) = match keys.get(&key) {
        Some(value) if value.lease != lease => return Plan::Taken,
        Some(value) if value.entry == entry => return Plan::Nothing,
        Some(_) => (
            compare::CompareTarget::Lease,
            compare::TargetUnion::Lease(lease),
        ),
        None => (
            compare::CompareTarget::Create,
            compare::TargetUnion::CreateRevision(0),
        ),
    };
    Plan::Write(TxnRequest {
        compare: vec![equal(&*key, target, unchanged)],
        success: vec![put_with(lease, key, entry)],
        failure: Vec::new(),
    })
}

/// Applies the changes of a watch response.
fn apply(keys: &mut Keys, response: WatchResponse) {
    for event in response.events {
        let kind = event.r#type();
        let Event { kv: Some(kv), .. } = event else {
            continue;
        };
        match kind {
            EventType::Put => {
                let (entry, lease) = (kv.value, kv.lease);
                keys.insert(kv.key, Value { entry, lease });
            }
            EventType::Delete => drop(keys.remove(&kv.key)),
        }
    }
}

fn members(keys: &Keys) -> impl Iterator<Item = Member> {
    keys.values().filter_map(|value| {
        entry::decode(&value.entry)
            .inspect_err(|error| tracing::debug!(%error, "a member entry cannot be read"))
            .ok()
    })
}
