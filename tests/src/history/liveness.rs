//! Checks that no member reports an instance as down while its signals arrive at any member.
//!
//! A member may report an instance as down only after [`History::down_after`] without a signal. The checker knows when a signal was
//! sent and answered, but not when it arrived. So it assumes the longest possible period without a signal: from the request of one
//! signal to the answer of the next. A period does not count if it ended before the same member last reported the instance in
//! another state. If no period is long enough, the report certainly violates the promise.

use std::{collections::BTreeMap, time::Duration};

use super::{History, Reply, Report, Request, Violation};
use crate::{key::Key, query::State};

#[cfg(test)]
mod tests;

/// The times of a signal's request and of its answer.
type Sign = (Duration, Duration);

/// The recorded facts about one process.
struct Process<'a> {
    key: &'a Key,
    signs: Vec<Sign>,
}

/// Checks every report of the history.
pub(super) fn check(history: &History) -> Result<(), Violation> {
    let processes = processes(history);
    let mut reports = history.reports.iter().collect::<Vec<_>>();
    reports.sort_by_key(|report| report.sent);
    // The time of each member's last report of each instance as not down.
    let mut alive = BTreeMap::new();
    for report in reports {
        for (instance, state) in &report.states {
            let place = (report.member, *instance);
            if *state != State::Down {
                alive.insert(place, report.sent);
            } else if let Some(process) = processes.get(instance) {
                let since = alive.get(&place).copied().unwrap_or_default();
                if !process.may_have_been_silent(history.down_after, since, report) {
                    let key = process.key.clone();
                    return Err(Violation::Down(report.member, key, report.sent));
                }
            }
        }
    }
    Ok(())
}

/// The processes with an assigned id, by id, each with its acknowledged signals.
fn processes(history: &History) -> BTreeMap<i32, Process<'_>> {
    let mut processes = BTreeMap::new();
    for operation in &history.operations {
        let (key, instance) = match (&operation.request, &operation.answer) {
            (Request::Assign(key @ Key::Instance(..)), Ok(Reply::Id(id))) => (key, *id),
            (
                Request::Signal {
                    process, instance, ..
                },
                Ok(Reply::Renewed),
            ) => (process, *instance),
            _ => continue,
        };
        let process = processes.entry(instance).or_insert(Process {
            key,
            signs: Vec::new(),
        });
        process.signs.push((operation.sent, operation.ended));
    }
    for process in processes.values_mut() {
        process.signs.sort_unstable();
    }
    processes
}

impl Process<'_> {
    /// Whether the process can have been silent for `term` before `report`, in a period that had not ended at `since`.
    fn may_have_been_silent(&self, term: Duration, since: Duration, report: &Report) -> bool {
        let ends = self.signs.iter().skip(1).map(|(_, ended)| *ended);
        let ends = ends.chain([Duration::MAX]);
        self.signs.iter().zip(ends).any(|((sent, _), end)| {
            end >= since && end.min(report.ended).saturating_sub(*sent) >= term
        })
    }
}
