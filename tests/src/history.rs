//! Records the requests to the members of a cluster and their answers, and checks them against a model: one sequential collector.
//!
//! The model is a dictionary that does one operation at a time. A new key gets the next id of the sequence that is not adopted, a
//! known key keeps its id, and an adopted id is never assigned to a key. A [`History`] is correct if each operation can be given a
//! moment between its request and its answer, so that the model gives the same answers when it executes the operations in the order
//! of these moments. A failed operation may have taken effect at any time after its request, or not at all. Because a key keeps its
//! id for ever, correctness reduces to rules that are checked one after the other, in linear time apart from sorting: see
//! [`Violation`].
//!
//! Two more promises concern processes that send signals. If an id was assigned before a signal with it was sent, no collector
//! answers that the id is unknown. While the signals of an instance arrive at any member, no member reports the instance as down.

mod check;
mod liveness;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    key::{Dictionary, Key},
    query::State,
};

pub use check::Violation;

/// Every request, and the final state of every member.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In any order.
    pub operations: Vec<Operation>,
    /// One for each member, taken when all operations had ended.
    pub dumps: Vec<Dump>,
    /// In any order.
    pub reports: Vec<Report>,
    /// The shortest time without a signal after which a member may report an instance down. Zero allows every report.
    pub down_after: Duration,
}

/// One request to one member.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The member: its index in [`History::dumps`].
    pub member: usize,
    /// The request.
    pub request: Request,
    /// The time of the request, on a clock shared by the whole history.
    pub sent: Duration,
    /// The time of the answer or failure.
    pub ended: Duration,
    /// The answer, or the reason of the failure.
    pub answer: Result<Reply, String>,
}

/// A request to a member.
#[derive(Clone, Debug)]
pub enum Request {
    /// The id of a key.
    Assign(Key),
    /// To adopt an id and that of its application, if unknown.
    Recover {
        /// The application's id.
        application: i32,
        /// The instance's id.
        instance: i32,
    },
    /// A signal of a process that holds an id: a ping of 6.3 to 7.0, or a heartbeat of 5.x.
    Signal {
        /// The key that the id was assigned to.
        process: Key,
        /// The id.
        instance: i32,
        /// The call that carries the signal.
        by: Signal,
    },
}

/// The call by which a process shows that it is alive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// `doPing`, which also names the process.
    Ping,
    /// `heartbeat`.
    Heartbeat,
}

/// The answer of a member.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reply {
    /// To [`Request::Assign`].
    Id(i32),
    /// To [`Request::Recover`]: both ids are recorded.
    Recorded,
    /// To [`Request::Signal`]: the lease is renewed.
    Renewed,
    /// To [`Request::Signal`]: the id is unknown, so the process drops it.
    Unknown,
}

/// The states of some instances, as one member reports them.
#[derive(Clone, Debug)]
pub struct Report {
    /// The member.
    pub member: usize,
    /// The time of the request, on the clock of the history.
    pub sent: Duration,
    /// The time of the answer.
    pub ended: Duration,
    /// The state of each instance by its id.
    pub states: BTreeMap<i32, State>,
}

/// The final state of one member.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// Its answer to every requested key.
    pub ids: BTreeMap<Key, i32>,
    /// Every application and instance id that it has.
    pub on_record: BTreeSet<(Dictionary, i32)>,
}

impl History {
    /// Every requested key.
    pub fn keys(&self) -> BTreeSet<Key> {
        let key = |operation: &Operation| match &operation.request {
            Request::Assign(key) => Some(key.clone()),
            Request::Recover { .. } | Request::Signal { .. } => None,
        };
        self.operations.iter().filter_map(key).collect()
    }
}
