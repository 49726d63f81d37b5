//! Checks that no member reports an instance as down while its signals arrive at any member.
//!
//! A member may report an instance as down only after [`History::down_after`] without a signal at any member. The checker knows
//! when a signal was sent and answered, but not when it arrived. So it takes the longest period without a signal that is possible:
//! from the request of one signal to the answer of the next. A report is refused if even that period is shorter than the term.
//!
//! A silence that ended before the same member last reported the instance in another state does not excuse the report: by then
//! the member knew that the instance had returned.
//!
//! Only acknowledged signals count. The checker does not require that a member ever reports an instance as down.

use std::{collections::BTreeMap, time::Duration};

use super::{History, Reply, Report, Request, Violation};
use crate::{key::Key, query::State};

#[cfg(test)]
mod tests;

/// An acknowledged signal. It arrived between its request and its answer.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Acknowledged {
    sent: Duration,
    answered: Duration,
}

/// A process with an assigned id.
struct Process<'a> {
    key: &'a Key,
    /// In the order in which they were sent. The registration is the first.
    signals: Vec<Acknowledged>,
}

/// Checks every report of the history.
pub(super) fn check(history: &History) -> Result<(), Violation> {
    let processes = processes(history);
    let mut reports = history.reports.iter().collect::<Vec<_>>();
    reports.sort_by_key(|report| report.sent);
    // When each member last reported each instance in a state other than down.
    let mut last_not_down = BTreeMap::new();
    for report in reports {
        for (instance, state) in &report.states {
            let reported_by = (report.member, *instance);
            if *state != State::Down {
                last_not_down.insert(reported_by, report.sent);
            } else if let Some(process) = processes.get(instance) {
                let returned_at = last_not_down.get(&reported_by).copied();
                let returned_at = returned_at.unwrap_or_default();
                if !process.may_have_been_silent(history.down_after, returned_at, report) {
                    let key = process.key.clone();
                    return Err(Violation::Down(report.member, key, report.sent));
                }
            }
        }
    }
    Ok(())
}

/// The processes by their ids.
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
            signals: Vec::new(),
        });
        process.signals.push(Acknowledged {
            sent: operation.sent,
            answered: operation.ended,
        });
    }
    for process in processes.values_mut() {
        process.signals.sort_unstable();
    }
    processes
}

impl Process<'_> {
    /// Whether the process can have been silent for `term` before `report`, in a silence that lasted until `returned_at` or longer.
    fn may_have_been_silent(&self, term: Duration, returned_at: Duration, report: &Report) -> bool {
        let next_answers = self.signals.iter().skip(1).map(|signal| signal.answered);
        // After the last signal the silence has no end.
        let next_answers = next_answers.chain([Duration::MAX]);
        self.signals.iter().zip(next_answers).any(|(signal, end)| {
            let silence = end.min(report.ended).saturating_sub(signal.sent);
            end >= returned_at && silence >= term
        })
    }
}
