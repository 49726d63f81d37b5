use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    time::Duration,
};

use super::{Dump, History, Operation, Reply, Request, liveness};
use crate::key::{Dictionary, Key};

/// A result that no sequential collector can produce.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Violation {
    /// Two requests for a key returned different ids.
    TwoIds(Key, [i32; 2]),
    /// An id was returned for two keys.
    TwoKeys(i32, [Key; 2]),
    /// At the end, a member does not know a requested key.
    ForgottenKey(usize, Key),
    /// At the end, a member does not have an id whose adoption was acknowledged.
    ForgottenAdoption(usize, Dictionary, i32),
    /// An id was skipped although no agent holds it.
    Gap(Dictionary, i32),
    /// A key got an id that had been adopted before the request for the key.
    AdoptedAssigned(i32, Key),
    /// The first id comes before the second in the sequence, but the second was acknowledged before the request for the first.
    OutOfOrder(Dictionary, [i32; 2]),
    /// A member reports an id as unknown that was assigned before the process sent its signal.
    Reset(usize, Key),
    /// A member reports an instance down at this time, although its signals were still arriving at some member.
    Down(usize, Key, Duration),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoIds(key, [one, other]) => write!(f, "{key} is {one} and {other}"),
            Self::TwoKeys(id, [one, other]) => write!(f, "{id} is {one} and {other}"),
            Self::ForgottenKey(member, key) => {
                write!(f, "member {member} does not know {key} at the end")
            }
            Self::ForgottenAdoption(member, dictionary, id) => write!(
                f,
                "member {member} does not know the adopted {id} of the {dictionary:?} at the end"
            ),
            Self::Gap(dictionary, id) => {
                write!(
                    f,
                    "{id} of the {dictionary:?} was skipped without an adoption"
                )
            }
            Self::AdoptedAssigned(id, key) => write!(f, "the adopted {id} was assigned to {key}"),
            Self::OutOfOrder(dictionary, [first, second]) => write!(
                f,
                "{second} of the {dictionary:?} was assigned before the request for {first}"
            ),
            Self::Reset(member, process) => write!(
                f,
                "member {member} reports {process} as unknown although its id was assigned"
            ),
            Self::Down(member, process, at) => write!(
                f,
                "member {member} reports {process} down at {at:?} although its signals kept arriving"
            ),
        }
    }
}

impl std::error::Error for Violation {}

/// The period in which an id can have been assigned or adopted.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// The time of the first request that can have caused it.
    sent: Duration,
    /// The time of the first answer that proves it.
    known: Duration,
}

impl Window {
    const NEVER: Self = Self {
        sent: Duration::MAX,
        known: Duration::MAX,
    };

    fn record(&mut self, operation: &Operation) {
        self.sent = self.sent.min(operation.sent);
        if operation.answer.is_ok() {
            self.known = self.known.min(operation.ended);
        }
    }
}

/// The facts of the history, indexed by key and by id.
#[derive(Debug, Default)]
struct Facts {
    ids: BTreeMap<Key, i32>,
    keys: BTreeMap<(Dictionary, i32), Key>,
    assigned: BTreeMap<Key, Window>,
    adopted: BTreeMap<(Dictionary, i32), Window>,
    resets: Vec<Reset>,
}

/// An answer that the id of a process is unknown.
#[derive(Debug)]
struct Reset {
    member: usize,
    process: Key,
    /// The time at which the process sent its signal.
    sent: Duration,
}

impl History {
    /// Checks the whole history.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self) -> Result<(), Violation> {
        let mut facts = Facts::default();
        for operation in &self.operations {
            facts.record(operation)?;
        }
        for (member, dump) in self.dumps.iter().enumerate() {
            facts.compare(member, dump)?;
        }
        for dictionary in Dictionary::ALL {
            facts.check_sequence(dictionary)?;
        }
        facts.check_resets()?;
        liveness::check(self)
    }
}

impl Facts {
    fn record(&mut self, operation: &Operation) -> Result<(), Violation> {
        match &operation.request {
            Request::Assign(key) => {
                let window = self.assigned.entry(key.clone()).or_insert(Window::NEVER);
                window.record(operation);
                if let Ok(Reply::Id(id)) = operation.answer {
                    self.learn(key, id)?;
                }
            }
            &Request::Recover {
                application,
                instance,
            } => {
                for id in [
                    (Dictionary::Applications, application),
                    (Dictionary::Instances, instance),
                ] {
                    self.adopted
                        .entry(id)
                        .or_insert(Window::NEVER)
                        .record(operation);
                }
            }
            Request::Signal { process, .. } => {
                if operation.answer == Ok(Reply::Unknown) {
                    self.resets.push(Reset {
                        member: operation.member,
                        process: process.clone(),
                        sent: operation.sent,
                    });
                }
            }
        }
        Ok(())
    }

    /// Records the id of a key, and checks that each key has one id and each id one key.
    fn learn(&mut self, key: &Key, id: i32) -> Result<(), Violation> {
        let known = *self.ids.entry(key.clone()).or_insert(id);
        if known != id {
            return Err(Violation::TwoIds(key.clone(), [known, id]));
        }
        match self.keys.entry((key.dictionary(), id)) {
            Entry::Vacant(entry) => drop(entry.insert(key.clone())),
            Entry::Occupied(entry) if entry.get() == key => {}
            Entry::Occupied(entry) => {
                return Err(Violation::TwoKeys(id, [entry.get().clone(), key.clone()]));
            }
        }
        Ok(())
    }

    /// Checks that a member's final state has every requested key and every adopted id.
    fn compare(&mut self, member: usize, dump: &Dump) -> Result<(), Violation> {
        for (key, id) in &dump.ids {
            self.learn(key, *id)?;
        }
        let forgotten = self.assigned.keys().find(|key| !dump.ids.contains_key(key));
        if let Some(key) = forgotten {
            return Err(Violation::ForgottenKey(member, key.clone()));
        }
        let is_forgotten =
            |id, window: &Window| window.known < Duration::MAX && !dump.on_record.contains(id);
        let forgotten = self
            .adopted
            .iter()
            .find(|(id, window)| is_forgotten(*id, window));
        if let Some((&(dictionary, id), _)) = forgotten {
            return Err(Violation::ForgottenAdoption(member, dictionary, id));
        }
        Ok(())
    }

    /// Checks that ids were assigned in the order of the sequence, and that only adopted ids were skipped.
    fn check_sequence(&self, dictionary: Dictionary) -> Result<(), Violation> {
        let mut missing = self
            .keys
            .range((dictionary, i32::MIN)..=(dictionary, i32::MAX))
            .count();
        // Among the ids so far, the id whose first request is the latest, and the time of that request.
        let mut latest: Option<(i32, Duration)> = None;
        for id in dictionary.sequence() {
            if missing == 0 {
                break;
            }
            let adopted = self.adopted.get(&(dictionary, id)).copied();
            let sent = match self.keys.get(&(dictionary, id)) {
                Some(key) => {
                    missing -= 1;
                    let adopted = adopted.unwrap_or(Window::NEVER);
                    self.check_assigned(dictionary, id, key, adopted, latest)?;
                    self.assigned[key].sent
                }
                // Later ids of the sequence were assigned after this adoption; otherwise this id would have been assigned.
                None => adopted.ok_or(Violation::Gap(dictionary, id))?.sent,
            };
            if latest.is_none_or(|(_, latest)| latest < sent) {
                latest = Some((id, sent));
            }
        }
        Ok(())
    }

    /// Checks that no member reports an id as unknown after the answer that assigned it.
    fn check_resets(&self) -> Result<(), Violation> {
        let was_assigned = |reset: &&Reset| {
            let window = self.assigned.get(&reset.process);
            window.is_some_and(|window| window.known < reset.sent)
        };
        let Some(reset) = self.resets.iter().find(was_assigned) else {
            return Ok(());
        };
        Err(Violation::Reset(reset.member, reset.process.clone()))
    }

    /// Checks that the id of `key` was assigned after all earlier ids of the sequence, and before the id was adopted.
    fn check_assigned(
        &self,
        dictionary: Dictionary,
        id: i32,
        key: &Key,
        adopted: Window,
        latest: Option<(i32, Duration)>,
    ) -> Result<(), Violation> {
        let window = self.assigned[key];
        if adopted.known < window.sent {
            return Err(Violation::AdoptedAssigned(id, key.clone()));
        }
        let known = window.known.min(adopted.known);
        match latest {
            Some((earlier, sent)) if known < sent => {
                Err(Violation::OutOfOrder(dictionary, [earlier, id]))
            }
            _ => Ok(()),
        }
    }
}
