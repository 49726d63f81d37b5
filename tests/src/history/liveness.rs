//! No member reports an instance down whose signals arrive at any member.
//!
//! A member may report an instance down only after a time without a signal that is as long as the term. The checker sees a
//! signal only as a question and its answer, so such a time is at most what lies between a question and the answer to the next
//! one. It must not have been over already when the same member last reported the instance otherwise. What follows is certain:
//! a report that no such time explains breaks the promise.

use std::{collections::BTreeMap, time::Duration};

use super::{Answer, History, Report, Request, Violation};
use crate::{key::Key, query::State};

#[cfg(test)]
mod tests;

/// When a signal was sent, and when its answer came.
type Sign = (Duration, Duration);

/// What is known of one process.
struct Process<'a> {
    key: &'a Key,
    signs: Vec<Sign>,
}

/// Checks every report of the history.
pub(super) fn check(history: &History) -> Result<(), Violation> {
    let processes = processes(history);
    let mut reports = history.reports.iter().collect::<Vec<_>>();
    reports.sort_by_key(|report| report.sent);
    // When each member last reported each instance otherwise than down.
    let mut alive = BTreeMap::new();
    for report in reports {
        for (instance, state) in &report.states {
            let place = (report.member, *instance);
            if *state != State::Down {
                alive.insert(place, report.sent);
            } else if let Some(process) = processes.get(instance) {
                let since = alive.get(&place).copied().unwrap_or_default();
                if !process.was_quiet(history.down_after, since, report) {
                    let key = process.key.clone();
                    return Err(Violation::Down(report.member, key, report.sent));
                }
            }
        }
    }
    Ok(())
}

/// The processes that were given an id, by it, with every signal that a member acknowledged.
fn processes(history: &History) -> BTreeMap<i32, Process<'_>> {
    let mut processes = BTreeMap::new();
    for operation in &history.operations {
        let (key, instance) = match (&operation.request, &operation.answer) {
            (Request::Assign(key @ Key::Instance(..)), Ok(Answer::Id(id))) => (key, *id),
            (
                Request::Signal {
                    process, instance, ..
                },
                Ok(Answer::Renewed),
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
    /// Whether there may have been no signal for `term` before `report`, in a time that was not over at `since`.
    fn was_quiet(&self, term: Duration, since: Duration, report: &Report) -> bool {
        let ends = self.signs.iter().skip(1).map(|(_, ended)| *ended);
        let ends = ends.chain([Duration::MAX]);
        self.signs.iter().zip(ends).any(|((sent, _), end)| {
            end >= since && end.min(report.ended).saturating_sub(*sent) >= term
        })
    }
}
