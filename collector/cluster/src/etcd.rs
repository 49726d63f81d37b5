//! Members in etcd: one lease for each collector, and one key that ends with it, `<prefix>/members/<address>`.
//!
//! All keys are read once, and from there on a watch tells of changes. A watch that breaks off goes on behind the last change
//! that it told; one whose revision is no longer in etcd's history ends the round, and the next one reads again.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use bytes::Bytes;
use rollcall_domain::membership::Member;
use rollcall_etcd::proto::{
    Event, RangeRequest, TxnRequest, WatchCreateRequest, WatchResponse, compare, event::EventType,
};
use rollcall_etcd::{
    self as etcd, Client,
    request::{end_of, equal, put_with},
};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    coordinated::{self, Coordinated, Coordinator, Desk, Keeper, Trouble},
    entry,
};

/// Speaks to etcd.
struct Etcd {
    client: Client,
    term: Duration,
    lease: Option<i64>,
}

/// The cluster, and the task that has to run for it to work. A collector that is not heard of for `term` is no member.
#[must_use]
pub fn cluster(client: Client, term: Duration) -> (Coordinated, Keeper) {
    coordinated::pair(Etcd {
        client,
        term,
        lease: None,
    })
}

/// Why a round ends.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// A call was not answered.
    #[error(transparent)]
    Call(#[from] etcd::Error),
    /// This collector was not heard of in time, and is registered no more.
    #[error("the lease in etcd has ended")]
    LeaseEnded,
    /// Changes are missing.
    #[error("the watch in etcd has ended: {0}")]
    WatchEnded(String),
}

/// The members' keys.
type Keys = BTreeMap<Vec<u8>, Value>;

/// What is known of them.
#[derive(Debug)]
struct Known {
    keys: Keys,
    /// Every change up to this revision is in them.
    revision: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Value {
    entry: Bytes,
    lease: i64,
}

/// What there is to do for a collector to be registered as it wishes.
#[derive(Clone, Debug, PartialEq)]
enum Plan {
    /// It is.
    Nothing,
    /// Write its key, if it is still as it was.
    Write(TxnRequest),
    /// End its lease, and thereby its key.
    Leave,
    /// Its key is somebody else's.
    Taken,
}

impl Coordinator for Etcd {
    type Error = Error;

    async fn attend(&mut self, desk: &mut Desk) -> Result<Infallible, Error> {
        if let Some(lease) = self.lease
            && !self.client.keep_alive(lease).await?
        {
            self.lease = None;
        }
        let mut known = self.read().await?;
        let mut watch = self.client.watch(self.after(&known)).await?;
        let mut is_resumed = false;
        let mut renewal = interval(self.term / 3);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            desk.publish(members(&known.keys));
            self.fulfil(desk, &known.keys).await?;
            tokio::select! {
                change = watch.next() => match change {
                    Ok(change) => {
                        known.apply(change)?;
                        is_resumed = false;
                    }
                    Err(_ended) if !is_resumed => {
                        watch = self.client.watch(self.after(&known)).await?;
                        is_resumed = true;
                    }
                    Err(error) => return Err(error.into()),
                },
                () = desk.another_wish() => {}
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

    /// The first key of the members, and the first one after them.
    fn range(&self) -> (Vec<u8>, Vec<u8>) {
        (self.key(""), end_of(self.key("")))
    }

    /// A watch that tells what has happened since.
    fn after(&self, known: &Known) -> WatchCreateRequest {
        let (key, range_end) = self.range();
        WatchCreateRequest {
            key,
            range_end,
            start_revision: known.revision + 1,
            progress_notify: true,
        }
    }

    async fn read(&self) -> Result<Known, Error> {
        let (key, range_end) = self.range();
        let range = RangeRequest {
            key,
            range_end,
            ..RangeRequest::default()
        };
        let answer = self.client.range(range).await?;
        let value = |entry, lease| Value { entry, lease };
        let keys = answer.kvs.into_iter();
        Ok(Known {
            keys: keys.map(|kv| (kv.key, value(kv.value, kv.lease))).collect(),
            revision: answer.header.unwrap_or_default().revision,
        })
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

    /// Registers this collector as the desk wishes. What comes of it is seen by the watch.
    async fn fulfil(&mut self, desk: &mut Desk, keys: &Keys) -> Result<(), Error> {
        let wish = desk.wish();
        if wish.is_some() && self.lease.is_none() {
            self.lease = Some(self.client.grant(self.term).await?);
        }
        let Some(lease) = self.lease else {
            desk.fulfilled(None);
            return Ok(());
        };
        let key = wish.as_ref().map(|member| self.key(&member.address));
        match plan(keys, key.zip(wish.as_ref()), lease) {
            Plan::Nothing => desk.fulfilled(wish.as_ref()),
            Plan::Write(transaction) => {
                self.client.transaction(transaction).await?;
            }
            Plan::Leave => {
                self.client.revoke(lease).await?;
                self.lease = None;
            }
            Plan::Taken => desk.hindered(Trouble::Taken, &format!(
                "{} in etcd belongs to another collector, or to an earlier one of this address whose lease has not ended: \
                 if it stays, give each collector an advertised host or port of its own",
                wish.map_or_else(String::new, |member| member.address.to_string())
            )),
        }
        Ok(())
    }
}

fn plan(keys: &Keys, wish: Option<(Vec<u8>, &Member)>, lease: i64) -> Plan {
    let Some((key, member)) = wish else {
        let is_there = keys.values().any(|value| value.lease == lease);
        return if is_there { Plan::Leave } else { Plan::Nothing };
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

impl Known {
    /// Brings the keys up to date.
    ///
    /// The revision is that of the last change. What a response says of its own (its header) is how far the server is: a
    /// watch from an earlier revision on is told what happened since in parts, and each part says where the last will end.
    fn apply(&mut self, response: WatchResponse) -> Result<(), Error> {
        if response.canceled || response.compact_revision > 0 {
            return Err(Error::WatchEnded(response.cancel_reason));
        }
        if response.events.is_empty() {
            // Told only to those who have been told everything.
            self.revision = self
                .revision
                .max(response.header.unwrap_or_default().revision);
        }
        for event in response.events {
            let kind = event.r#type();
            let Event { kv: Some(kv), .. } = event else {
                continue;
            };
            self.revision = kv.mod_revision;
            match kind {
                EventType::Put => {
                    let (entry, lease) = (kv.value, kv.lease);
                    self.keys.insert(kv.key, Value { entry, lease });
                }
                EventType::Delete => drop(self.keys.remove(&kv.key)),
            }
        }
        Ok(())
    }
}

fn members(keys: &Keys) -> impl Iterator<Item = Member> {
    keys.values().filter_map(|value| {
        entry::decode(&value.entry)
            .inspect_err(|error| tracing::debug!(%error, "a member that cannot be read"))
            .ok()
    })
}
