//! Members in etcd: one lease for each collector, and one key that ends with it, `<prefix>/members/<address>`.
//!
//! All keys are read once, and from there on a watch tells of changes. A watch that breaks off goes on at the revision it
//! had reached; one whose revision is no longer in etcd's history ends the round, and the next one reads again.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use bytes::Bytes;
use rollcall_domain::membership::Member;
use rollcall_proto::etcd::{
    Compare, Event, PutRequest, RangeRequest, RequestOp, TxnRequest, WatchCreateRequest,
    WatchResponse, compare, event::EventType, request_op::Request,
};
use tokio::time::{MissedTickBehavior, interval};

use super::{
    coordinated::{self, Coordinated, Coordinator, Desk, Keeper, Trouble},
    entry,
};
use crate::etcd::{self, Client};

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
        let (mut keys, mut revision) = self.read().await?;
        let mut watch = self.client.watch(self.from(revision + 1)).await?;
        let mut is_resumed = false;
        let mut renewal = interval(self.term / 3);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            desk.publish(members(&keys));
            self.fulfil(desk, &keys).await?;
            tokio::select! {
                change = watch.next() => match change {
                    Ok(change) => {
                        revision = apply(&mut keys, change)?;
                        is_resumed = false;
                    }
                    Err(_ended) if !is_resumed => {
                        watch = self.client.watch(self.from(revision + 1)).await?;
                        is_resumed = true;
                    }
                    Err(error) => return Err(error.into()),
                },
                () = desk.another_wish() => {}
                _ = renewal.tick() => self.renew().await?,
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
        let behind = format!("{}/members0", self.client.prefix()); // '0' comes after '/'
        (self.key(""), behind.into())
    }

    fn from(&self, revision: i64) -> WatchCreateRequest {
        let (key, range_end) = self.range();
        WatchCreateRequest {
            key,
            range_end,
            start_revision: revision,
            progress_notify: true,
        }
    }

    /// All keys, and the revision at which they were so.
    async fn read(&self) -> Result<(Keys, i64), Error> {
        let (key, range_end) = self.range();
        let range = RangeRequest {
            key,
            range_end,
            ..RangeRequest::default()
        };
        let answer = self.client.range(range).await?;
        let value = |entry, lease| Value { entry, lease };
        let keys = answer.kvs.into_iter();
        let keys = keys.map(|kv| (kv.key, value(kv.value, kv.lease))).collect();
        Ok((keys, answer.header.unwrap_or_default().revision))
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
    let unchanged = Compare {
        result: compare::CompareResult::Equal.into(),
        target: target.into(),
        key: key.clone(),
        target_union: Some(unchanged),
    };
    let put = PutRequest {
        key,
        value: entry,
        lease,
    };
    Plan::Write(TxnRequest {
        compare: vec![unchanged],
        success: vec![RequestOp {
            request: Some(Request::RequestPut(put)),
        }],
        failure: Vec::new(),
    })
}

/// Brings the keys up to date; the revision at which they are so.
fn apply(keys: &mut Keys, change: WatchResponse) -> Result<i64, Error> {
    if change.canceled || change.compact_revision > 0 {
        return Err(Error::WatchEnded(change.cancel_reason));
    }
    for event in change.events {
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
    Ok(change.header.unwrap_or_default().revision)
}

fn members(keys: &Keys) -> impl Iterator<Item = Member> {
    keys.values().filter_map(|value| {
        entry::decode(&value.entry)
            .inspect_err(|error| tracing::debug!(%error, "a member that cannot be read"))
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use rollcall_domain::membership::State;
    use rollcall_proto::etcd::{KeyValue, ResponseHeader};

    use super::*;
    use crate::cluster::testing::member;

    const KEY: &[u8] = b"/rollcall/members/a:11800";
    const OWN: i64 = 7;
    const OTHER: i64 = 8;

    fn keys(entry: Vec<u8>, lease: i64) -> Keys {
        let entry = entry.into();
        [(KEY.to_vec(), Value { entry, lease })].into()
    }

    fn planned(keys: &Keys, member: &Member) -> Plan {
        plan(keys, Some((KEY.to_vec(), member)), OWN)
    }

    /// The condition of a plan to write.
    fn condition(plan: Plan) -> compare::TargetUnion {
        match plan {
            Plan::Write(transaction) => transaction.compare[0].target_union.clone().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_is_written_only_where_there_is_none_or_over_the_own_one() {
        let member = member("a");
        let fresh = planned(&Keys::new(), &member);
        assert_eq!(condition(fresh), compare::TargetUnion::CreateRevision(0));
        let own = keys(entry::encode(&member), OWN);
        assert_eq!(planned(&own, &member), Plan::Nothing);
        let draining = Member {
            state: State::Draining,
            ..member.clone()
        };
        let again = planned(&own, &draining);
        assert_eq!(condition(again), compare::TargetUnion::Lease(OWN));
        let other = keys(entry::encode(&member), OTHER);
        assert_eq!(planned(&other, &member), Plan::Taken);
    }

    #[test]
    fn a_collector_leaves_with_its_lease_and_only_once() {
        let member = member("a");
        let own = keys(entry::encode(&member), OWN);
        assert_eq!(plan(&own, None, OWN), Plan::Leave);
        assert_eq!(plan(&own, None, OTHER), Plan::Nothing);
    }

    #[test]
    fn changes_are_applied_in_order_and_what_cannot_be_read_is_no_member() {
        let change = |kind: EventType, value: Vec<u8>| Event {
            r#type: kind.into(),
            kv: Some(KeyValue {
                key: KEY.to_vec(),
                value: value.into(),
                ..KeyValue::default()
            }),
        };
        let response = |events| WatchResponse {
            header: Some(ResponseHeader {
                revision: 9,
                ..ResponseHeader::default()
            }),
            events,
            ..WatchResponse::default()
        };
        let mut keys = Keys::new();
        let put = || change(EventType::Put, entry::encode(&member("a")));
        let seen: Vec<_> = [
            vec![put()],
            vec![put(), change(EventType::Delete, Vec::new()), put()],
            vec![change(EventType::Put, b"{}".to_vec())],
            vec![put(), change(EventType::Delete, Vec::new())],
        ]
        .map(|events| {
            assert_eq!(apply(&mut keys, response(events)).unwrap(), 9);
            (keys.len(), members(&keys).count())
        })
        .into();
        assert_eq!(seen, [(1, 1), (1, 1), (1, 0), (0, 0)]);
    }

    #[test]
    fn a_watch_whose_history_is_gone_ends_the_round() {
        let compacted = WatchResponse {
            compact_revision: 5,
            ..WatchResponse::default()
        };
        assert!(apply(&mut Keys::new(), compacted).is_err());
    }
}
