//! What was asked of the members of a cluster and what they answered, checked against one sequential collector.
//!
//! The model is a dictionary that does one thing at a time: a new key is given the next id of the sequence that is not adopted, a known
//! key is answered what it was given, and an adopted id is given to no key. A [`History`] is correct if every operation can be given a
//! moment between its question and its answer such that the model, asked in that order, answers the same; an operation that failed may
//! have happened or not, at any time since its question. As every key is given an id once and for ever, that comes down to rules that
//! are decided one after the other, in time that is linear but for the sorting: see [`Violation`].
//!
//! Two more promises are about processes that send signals: a collector never calls an id unknown that was assigned before the
//! signal was sent, and no member reports an instance down whose signals arrive at any member.

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

/// Everything that was asked for, and what every member knows at the end.
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

/// One question to one member.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Which member was asked: its place in [`History::dumps`].
    pub member: usize,
    /// What it was asked.
    pub request: Request,
    /// When, since any moment that is the same for the whole history.
    pub sent: Duration,
    /// When it had answered or failed.
    pub ended: Duration,
    /// What it answered; why it failed, otherwise.
    pub answer: Result<Answer, String>,
}

/// What a member is asked.
#[derive(Clone, Debug)]
pub enum Request {
    /// The id of a key.
    Assign(Key),
    /// To adopt an id if it is unknown, and its application's.
    Recover {
        /// The application's id.
        application: i32,
        /// The instance's id.
        instance: i32,
    },
    /// A signal of a process that holds an id: a ping of 6.3 to 7.0, or a heartbeat of 5.x.
    Signal {
        /// What the id was assigned to.
        process: Key,
        /// The id.
        instance: i32,
        /// How the signal is sent.
        by: Signal,
    },
}

/// How a process shows that it is alive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// `doPing`, which names the process too.
    Ping,
    /// `heartbeat`.
    Heartbeat,
}

/// What a member answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// To [`Request::Assign`].
    Id(i32),
    /// To [`Request::Recover`]: both ids are on record now.
    Recorded,
    /// To [`Request::Signal`]: the lease is renewed.
    Renewed,
    /// To [`Request::Signal`]: nothing is known of the id, so that the process gives it up.
    Unknown,
}

/// The states of some instances, as one member reports them.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which member was asked.
    pub member: usize,
    /// When, since the moment that all times of the history count from.
    pub sent: Duration,
    /// When it had answered.
    pub ended: Duration,
    /// The state of each instance by its id.
    pub states: BTreeMap<i32, State>,
}

/// What one member knows at the end.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// What it answers to every key that was ever asked for.
    pub ids: BTreeMap<Key, i32>,
    /// Every application and instance id that it has on record.
    pub on_record: BTreeSet<(Dictionary, i32)>,
}

impl History {
    /// Every key that was asked for.
    pub fn keys(&self) -> BTreeSet<Key> {
        let key = |operation: &Operation| match &operation.request {
            Request::Assign(key) => Some(key.clone()),
            Request::Recover { .. } | Request::Signal { .. } => None,
        };
        self.operations.iter().filter_map(key).collect()
    }
}
