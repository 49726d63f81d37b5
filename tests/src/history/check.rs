//! Checks the ids in a history.
//!
//! The checker does not search for an order of the operations. It collects the period in which each id was assigned or adopted,
//! and checks rules that hold in every order that the model allows:
//!
//! 1. A key has one id, and an id has one key.
//! 2. At the end, every member has every requested key and every adopted id.
//! 3. The ids of a dictionary are those of its sequence. Only adopted ids are skipped, and an adopted id is not assigned later.
//! 4. No id was certainly assigned before the first request for an earlier id of the sequence.
//! 5. A member reports no id as unknown to a process whose signal was sent after the id was assigned.
//! 6. The reports of states obey the rule in [`liveness`].
//!
//! Operations that overlap in time may have happened in either order, so the checker accepts both. It does not check how fast a
//! member answers, or which requests fail.

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

/// The period in which an id was assigned or adopted.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// Not before this time: that of the first request that can have caused it.
    earliest: Duration,
    /// Not after this time: that of the first answer that proves it. [`Duration::MAX`] if no answer does.
    latest: Duration,
}

impl Window {
    const NEVER: Self = Self {
        earliest: Duration::MAX,
        latest: Duration::MAX,
    };

    fn record(&mut self, operation: &Operation) {
        self.earliest = self.earliest.min(operation.sent);
        if operation.answer.is_ok() {
            self.latest = self.latest.min(operation.ended);
        }
    }
}

/// The facts that follow from the answers.
#[derive(Debug, Default)]
struct Facts {
    id_of: BTreeMap<Key, i32>,
    key_of: BTreeMap<(Dictionary, i32), Key>,
    /// When the id of each requested key was assigned.
    assigned: BTreeMap<Key, Window>,
    /// When each id that an agent reported was adopted.
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
            facts.check_dump(member, dump)?;
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
                    self.record_id(key, id)?;
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

    /// Records the id of a key, and checks that the key has no other id and the id no other key.
    fn record_id(&mut self, key: &Key, id: i32) -> Result<(), Violation> {
        let before = *self.id_of.entry(key.clone()).or_insert(id);
        if before != id {
            return Err(Violation::TwoIds(key.clone(), [before, id]));
        }
        match self.key_of.entry((key.dictionary(), id)) {
            Entry::Vacant(entry) => drop(entry.insert(key.clone())),
            Entry::Occupied(entry) if entry.get() == key => {}
            Entry::Occupied(entry) => {
                return Err(Violation::TwoKeys(id, [entry.get().clone(), key.clone()]));
            }
        }
        Ok(())
    }

    /// Checks that a member's final state has every requested key and every adopted id.
    fn check_dump(&mut self, member: usize, dump: &Dump) -> Result<(), Violation> {
        for (key, id) in &dump.ids {
            self.record_id(key, *id)?;
        }
        let forgotten = self.assigned.keys().find(|key| !dump.ids.contains_key(key));
        if let Some(key) = forgotten {
            return Err(Violation::ForgottenKey(member, key.clone()));
        }
        let is_forgotten = |(id, window): &(&(Dictionary, i32), &Window)| {
            let is_acknowledged = window.latest < Duration::MAX;
            is_acknowledged && !dump.on_record.contains(*id)
        };
        let forgotten = self.adopted.iter().find(is_forgotten);
        if let Some((&(dictionary, id), _)) = forgotten {
            return Err(Violation::ForgottenAdoption(member, dictionary, id));
        }
        Ok(())
    }

    /// Checks that ids were assigned in the order of the sequence, and that only adopted ids were skipped.
    fn check_sequence(&self, dictionary: Dictionary) -> Result<(), Violation> {
        let all = (dictionary, i32::MIN)..=(dictionary, i32::MAX);
        let mut unvisited = self.key_of.range(all).count();
        // The lower bound for every later id of the sequence: it was assigned after this id, whose first request was at this time.
        let mut not_before: Option<(i32, Duration)> = None;
        for id in dictionary.sequence() {
            if unvisited == 0 {
                break;
            }
            let adopted = self.adopted.get(&(dictionary, id)).copied();
            let earliest = match self.key_of.get(&(dictionary, id)) {
                Some(key) => {
                    unvisited -= 1;
                    let assigned = self.assignment(id, key, adopted)?;
                    if let Some((earlier, time)) = not_before
                        && assigned.latest < time
                    {
                        return Err(Violation::OutOfOrder(dictionary, [earlier, id]));
                    }
                    assigned.earliest
                }
                // The id was skipped, so it was adopted before any later id was assigned.
                None => adopted.ok_or(Violation::Gap(dictionary, id))?.earliest,
            };
            if not_before.is_none_or(|(_, time)| time < earliest) {
                not_before = Some((id, earliest));
            }
        }
        Ok(())
    }

    /// The period in which `id` was assigned to `key`. Checks that the id was not adopted before.
    fn assignment(&self, id: i32, key: &Key, adopted: Option<Window>) -> Result<Window, Violation> {
        let assigned = self.assigned[key];
        let adopted = adopted.unwrap_or(Window::NEVER);
        if adopted.latest < assigned.earliest {
            return Err(Violation::AdoptedAssigned(id, key.clone()));
        }
        // An adopted id is never assigned, so the assignment came first, and an acknowledged adoption proves it too.
        Ok(Window {
            earliest: assigned.earliest,
            latest: assigned.latest.min(adopted.latest),
        })
    }

    /// Checks that no member reports an id as unknown after the answer that assigned it.
    fn check_resets(&self) -> Result<(), Violation> {
        let was_assigned = |reset: &&Reset| {
            let assigned = self.assigned.get(&reset.process);
            assigned.is_some_and(|assigned| assigned.latest < reset.sent)
        };
        let Some(reset) = self.resets.iter().find(was_assigned) else {
            return Ok(());
        };
        Err(Violation::Reset(reset.member, reset.process.clone()))
    }
}
