//! Ends a call: counts its outcome and maps it to a gRPC status.

use std::error::Error as _;

use rollcall_limits::work;
use rollcall_metrics::{Call, Outcome};
use rollcall_service::register;
use tonic::{Response, Status};

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
pub(super) fn end<T>(call: &Call, result: Result<T, Refusal>) -> Result<Response<T>, Status> {
    match result {
        Ok(reply) => {
            call.count(Outcome::Ok);
            Ok(Response::new(reply))
        }
        Err(Refusal::Field(fault)) => {
            call.count(Outcome::Invalid);
            Err(Status::invalid_argument(fault.to_string()))
        }
        Err(Refusal::Message(refused)) => {
            call.count(match refused {
                Refused::Malformed | Refused::Work(work::Error::TooManyElements { .. }) => {
                    Outcome::Invalid
                }
                Refused::Work(work::Error::OverBudget(_)) => Outcome::Overloaded,
                Refused::Work(work::Error::Stopped) => Outcome::Failed,
            });
            Err(refused.into())
        }
        Err(Refusal::Stream(status) | Refusal::Unusable(status)) => {
            call.count(of_stream(&status));
            Err(status)
        }
        Err(Refusal::Register(error)) => {
            let status = status::Status::from(&error);
            call.count(status.outcome);
            Err(Status::new(status.grpc, error.to_string()))
        }
    }
}

/// The outcome of a failed stream: broken off by the transport, whose error has a source, or ended by an invalid message.
fn of_stream(status: &Status) -> Outcome {
    if status.source().is_some() {
        Outcome::BrokenOff
    } else {
        Outcome::Invalid
    }
}

/// Ends a call for one key, whose answer has a form for "no id yet": `unassigned`.
pub(super) fn end_one<T>(
    call: &Call,
    result: Result<T, Refusal>,
    unassigned: T,
) -> Result<Response<T>, Status> {
    match result {
        Err(Refusal::Register(error)) if error.is_unassigned() => {
            call.count(Outcome::Unassigned);
            Ok(Response::new(unassigned))
        }
        result => end(call, result),
    }
}

/// Ends a call for `requested` keys, whose answer leaves out keys without an id.
pub(super) fn end_some<M, T>(
    call: &Call,
    requested: usize,
    result: Result<Vec<M>, Refusal>,
    reply: impl FnOnce(Vec<M>) -> T,
) -> Result<Response<T>, Status> {
    let result = match result {
        Err(Refusal::Register(error)) if error.is_unassigned() => Ok(Vec::new()),
        result => result,
    };
    match result {
        Ok(mappings) if mappings.len() < requested => {
            call.count(Outcome::Unassigned);
            Ok(Response::new(reply(mappings)))
        }
        result => end(call, result.map(reply)),
    }
}
