//! Ends a call: maps its result to an outcome in the metrics and to a gRPC status.

use std::error::Error as _;

use rollcall_limits::work;
use rollcall_metrics::Outcome;
use rollcall_service::register;
use tonic::Status;

use super::shape::Refused;
use crate::status;

/// Why a call is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A field of the request is unusable.
    Field(Fault),
    /// The use case failed.
    Register(register::Error),
    /// The stream failed, or its next bytes are not a message.
    Stream(Status),
    /// A message of the stream cannot be processed.
    Unusable(Status),
    /// A message is refused before it is decoded.
    Message(Refused),
}

/// The end of a call. The metrics count the outcome, which the status alone does not determine: an answer with the status OK may
/// lack ids.
#[derive(Debug)]
pub(super) struct Ended<T> {
    pub(super) outcome: Outcome,
    pub(super) result: Result<T, Status>,
}

/// The mistake in a field, with the protocol's name of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub(super) struct Fault {
    pub(super) field: &'static str,
    pub(super) problem: &'static str,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Field(fault)
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::Stream(status)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self::Message(refused)
    }
}

impl From<register::Error> for Refusal {
    fn from(error: register::Error) -> Self {
        Self::Register(error)
    }
}

/// Ends a call.
pub(super) fn end<T>(result: Result<T, Refusal>) -> Ended<T> {
    let (outcome, status) = match result {
        Ok(reply) => return Ended::ok(Outcome::Ok, reply),
        Err(Refusal::Field(fault)) => (
            Outcome::Invalid,
            Status::invalid_argument(fault.to_string()),
        ),
        Err(Refusal::Message(refused)) => (of_message(refused), refused.into()),
        Err(Refusal::Stream(status) | Refusal::Unusable(status)) => (of_stream(&status), status),
        Err(Refusal::Register(error)) => {
            let status = status::Status::from(&error);
            let refused = Status::new(status.grpc, error.to_string());
            (status.outcome, refused)
        }
    };
    Ended {
        outcome,
        result: Err(status),
    }
}

/// Ends a call for one key. If there is no id yet, the answer is `unassigned`.
pub(super) fn end_one<T>(result: Result<T, Refusal>, unassigned: T) -> Ended<T> {
    match result {
        Err(Refusal::Register(error)) if error.is_unassigned() => {
            Ended::ok(Outcome::Unassigned, unassigned)
        }
        result => end(result),
    }
}

/// Ends a call for `requested` keys. The answer leaves out keys without an id.
pub(super) fn end_some<M, T>(
    requested: usize,
    result: Result<Vec<M>, Refusal>,
    reply: impl FnOnce(Vec<M>) -> T,
) -> Ended<T> {
    let result = match result {
        Err(Refusal::Register(error)) if error.is_unassigned() => Ok(Vec::new()),
        result => result,
    };
    match result {
        Ok(mappings) if mappings.len() < requested => {
            Ended::ok(Outcome::Unassigned, reply(mappings))
        }
        result => end(result.map(reply)),
    }
}

const fn of_message(refused: Refused) -> Outcome {
    match refused {
        Refused::Malformed | Refused::Work(work::Error::TooManyElements { .. }) => Outcome::Invalid,
        Refused::Work(work::Error::OverBudget(_)) => Outcome::Overloaded,
        Refused::Work(work::Error::Stopped) => Outcome::Failed,
    }
}

/// The outcome of a failed stream. Either the transport broke it off, and the status has a source, or an invalid message ended it.
fn of_stream(status: &Status) -> Outcome {
    if status.source().is_some() {
        Outcome::BrokenOff
    } else {
        Outcome::Invalid
    }
}

impl<T> Ended<T> {
    const fn ok(outcome: Outcome, reply: T) -> Self {
        Self {
            outcome,
            result: Ok(reply),
        }
    }
}
