//! The catalog's errors with the texts of the reference.

use rollcall_catalog::{Error, Invalid};
use rollcall_domain::catalog::{InvalidName, Part, Problem, Refused};

use crate::grpc::answer::{Refusal, code};

/// The refusal of a call. The catalog has already logged a failure of its store.
pub(super) fn general(error: &Error) -> Refusal {
    match error {
        Error::Loading => Refusal::general(code::STARTING, error.to_string()),
        Error::Invalid(Invalid::Connection) => {
            Refusal::general(code::UNREGISTERED, "Connection is unregistered.")
        }
        Error::Invalid(Invalid::Name(invalid)) => name(invalid),
        Error::Invalid(Invalid::Registration(Refused::BeatInterval)) => Refusal::new(
            code::INVALID,
            "Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.",
        ),
        Error::Invalid(_) | Error::Conflict(_) => Refusal::new(code::INVALID, error.to_string()),
        Error::NotFound(_) => Refusal::new(404, error.to_string()),
        Error::Full(_) | Error::Busy { .. } => Refusal::new(code::OVER_LIMIT, error.to_string()),
        Error::Store(_) => Refusal::new(code::FAILED, error.to_string()),
        Error::Stopped => Refusal::general(code::STARTING, error.to_string()),
    }
}

/// The refusal of a name.
pub(super) fn name(invalid: &InvalidName) -> Refusal {
    let part = match invalid.part {
        Part::Namespace => "namespaceId/tenant",
        Part::Group => "group",
        Part::Service => "serviceName",
        Part::Cluster => "cluster",
        Part::Ip => "ip",
    };
    let problem = match invalid.problem {
        Problem::TooLong => {
            format!(
                "the param length should not exceed {}.",
                invalid.part.max_len()
            )
        }
        Problem::Empty | Problem::Whitespace | Problem::Comma | Problem::At => {
            "illegal characters should not appear in the param.".to_owned()
        }
    };
    Refusal::new(
        code::INVALID,
        format!("Param check invalid:Param '{part}' is illegal, {problem}"),
    )
}
