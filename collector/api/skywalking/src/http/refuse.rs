//! What an error of a use case is over HTTP.

use rollcall_server::face::Refusal;
use rollcall_service::register;

use crate::status::Status;

/// The refusal for an error of a use case, which blames `field` if a key was unusable.
pub(super) fn refuse(field: &str, error: &register::Error) -> Refusal {
    let Status {
        http,
        passing,
        outcome,
        ..
    } = Status::from(error);
    let field = match error {
        register::Error::InvalidKey { .. } | register::Error::NotAnInstance(_) => field,
        _ => "",
    };
    let refusal = Refusal::new(http, field, error).counted(outcome);
    if passing {
        refusal.retryable()
    } else {
        refusal
    }
}

#[cfg(test)]
mod tests {
    use axum::{
        http::{StatusCode, header},
        response::IntoResponse as _,
    };
    use register::Error;

    use super::*;

    #[test]
    fn only_a_passing_refusal_says_when_to_come_back() {
        for (error, passing) in [
            (Error::Overloaded, true),
            (Error::DeadlineExceeded, true),
            (Error::Stopped, false),
        ] {
            let response = refuse("au", &error).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(
                response.headers().contains_key(header::RETRY_AFTER),
                passing,
                "{error}"
            );
        }
    }
}
