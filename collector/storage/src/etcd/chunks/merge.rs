//! The value of a chunk: read, and merged with reports.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use rollcall_domain::{InstanceId, Timestamp, liveness::State};
use rollcall_protobuf::{self as protobuf, Fields, Value};

use super::super::value;
use crate::{
    LastSeen,
    codec::{Invalid, row},
};

/// The largest difference between the times that two members give one signal. Their wall clocks are adjusted, so the times differ.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

type Contents = BTreeMap<InstanceId, LastSeen>;

/// The value of a chunk merged with reports. `None` if the merge changes nothing and `in_any_case` is not set.
pub(super) fn merged(
    key: &str,
    value: &[u8],
    reported: &[LastSeen],
    now: Timestamp,
    in_any_case: bool,
) -> Option<Bytes> {
    // Cannot fail: known values were read or written here.
    let before = rows(key, value).unwrap_or_default();
    let mut after: Contents = before.iter().map(|(id, row)| (*id, row.seen)).collect();
    let mut is_changed = false;
    for seen in reported {
        let known = after.entry(seen.instance).or_insert_with(|| {
            is_changed = true;
            *seen
        });
        let seen = LastSeen {
            forgotten: is_forgotten(known, seen),
            ..*seen
        };
        // A fast clock reported a time in the future. That report must not have precedence until then.
        let is_early = known.last_seen > now;
        // Two reports may be about the same signal. The states silent and down are derived from it later, so a report with such a
        // state is the later one.
        if is_early || (known.last_seen, known.state) < (seen.last_seen, seen.state) {
            is_changed |= *known != seen;
            *known = seen;
        } else if seen.forgotten && known.state >= State::Down && !known.forgotten {
            is_changed = true;
            known.forgotten = true;
        }
    }
    if !is_changed && !in_any_case {
        return None;
    }
    let mut message = Vec::new();
    for seen in after.values() {
        match before.get(&seen.instance) {
            // The stored row may have fields of a later release.
            Some(row) if row.seen == *seen => protobuf::put_bytes(&mut message, 1, row.stored),
            _ => row::put(&mut message, 1, seen),
        }
    }
    Some(value::seal(key, &message).into())
}

/// Whether an instance is forgotten after a report. It stays forgotten if the report repeats a known signal: its member may not
/// have read yet that another one forgot the instance.
fn is_forgotten(known: &LastSeen, seen: &LastSeen) -> bool {
    let is_same_signal = seen.last_seen.since(known.last_seen) <= SAME_SIGNAL;
    seen.forgotten || (known.forgotten && seen.state >= State::Down && is_same_signal)
}

/// The row of one instance, decoded and as it is stored.
pub(super) struct Row<'a> {
    pub(super) seen: LastSeen,
    pub(super) stored: &'a [u8],
}

/// The entries in the value of a chunk; none in an empty value, which stands for an absent chunk.
pub(super) fn contents(key: &str, value: &[u8]) -> Result<Contents, Invalid> {
    let rows = rows(key, value)?.into_iter();
    Ok(rows.map(|(instance, row)| (instance, row.seen)).collect())
}

pub(super) fn rows<'a>(
    key: &str,
    value: &'a [u8],
) -> Result<BTreeMap<InstanceId, Row<'a>>, Invalid> {
    let mut rows = BTreeMap::new();
    if value.is_empty() {
        return Ok(rows);
    }
    for field in Fields::of(value::unseal(key, value)?) {
        if let (1, Value::Bytes(stored)) = field? {
            let seen: LastSeen = row::read(stored)?;
            rows.insert(seen.instance, Row { seen, stored });
        }
    }
    Ok(rows)
}
