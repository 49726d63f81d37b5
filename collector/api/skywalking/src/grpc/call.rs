//! How a call ends: counted, and in gRPC's words.

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
    /// A field of the request cannot be used.
    Field(Fault),
    /// The use case gave no result.
    Register(register::Error),
    /// What came next on a stream was no message.
    Stream(Status),
    /// What came on a stream cannot be carried out.
    Unusable(Status),
    /// A message is not read.
    Message(Refused),
}

/// What is wrong with which field, as the protocol names it.
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

/// A stream ended with an error: by the transport, which gives its cause, or by a message that is none.
fn of_stream(status: &Status) -> Outcome {
    if status.source().is_some() {
        Outcome::BrokenOff
    } else {
        Outcome::Invalid
    }
}

/// Ends a call for one key, whose answer can say "no id yet": `unassigned` does.
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

/// Ends a call for so many keys, whose answer leaves out those without an id.
pub(super) fn end_some<M, T>(
    call: &Call,
    asked: usize,
    result: Result<Vec<M>, Refusal>,
    reply: impl FnOnce(Vec<M>) -> T,
) -> Result<Response<T>, Status> {
    let result = match result {
        Err(Refusal::Register(error)) if error.is_unassigned() => Ok(Vec::new()),
        result => result,
    };
    match result {
        Ok(mappings) if mappings.len() < asked => {
            call.count(Outcome::Unassigned);
            Ok(Response::new(reply(mappings)))
        }
        result => end(call, result.map(reply)),
    }
}
