//! Members in etcd: one lease for each collector, and one key that ends with it, `<prefix>/members/<address>`.
//!
//! A session reads all keys once, then follows a watch. A broken watch resumes after the last change that it delivered. If that
//! revision is compacted, the session ends, and the next one reads all keys again.

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
    /// This collector did not renew its lease in time; its registration is gone.
    #[error("the lease in etcd has ended")]
    LeaseEnded,
    /// The watch cannot deliver every change.
    #[error("the watch in etcd has ended: {0}")]
    WatchEnded(String),
}

/// The members' keys.
type Keys = BTreeMap<Vec<u8>, Value>;

/// The members' keys as of a revision.
#[derive(Debug)]
struct Members {
    keys: Keys,
    /// The last applied revision.
    revision: i64,
}

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
    /// End the collector's lease; etcd removes its key with it, also one whose write the watch has not delivered yet.
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
        let mut known = self.read().await?;
        let mut watch = self.client.watch(self.after(&known)).await?;
        let mut is_resumed = false;
        let mut renewal = interval(self.term / 3);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            port.publish(members(&known.keys));
            self.register(port, &known.keys).await?;
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

    /// A watch that delivers the changes after these keys.
    fn after(&self, known: &Members) -> WatchCreateRequest {
        let (key, range_end) = self.range();
        WatchCreateRequest {
            key,
            range_end,
            start_revision: known.revision + 1,
            progress_notify: true,
        }
    }

    async fn read(&self) -> Result<Members, Error> {
        let (key, range_end) = self.range();
        let range = RangeRequest {
            key,
            range_end,
            ..RangeRequest::default()
        };
        let answer = self.client.range(range).await?;
        let value = |entry, lease| Value { entry, lease };
        let keys = answer.kvs.into_iter();
        Ok(Members {
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

impl Members {
    /// Applies the changes of a watch response.
    ///
    /// The revision is that of the last change and not that of the response's header, which is the server's: a watch from an
    /// earlier revision receives the changes in parts, and each part has the header of the last one.
    fn apply(&mut self, response: WatchResponse) -> Result<(), Error> {
        if response.canceled || response.compact_revision > 0 {
            return Err(Error::WatchEnded(response.cancel_reason));
        }
        if response.events.is_empty() {
            // etcd sends a progress notification only after every change.
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
            .inspect_err(|error| tracing::debug!(%error, "a member entry cannot be read"))
            .ok()
    })
}
