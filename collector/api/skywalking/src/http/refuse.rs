//! Maps use-case errors to HTTP refusals.

use rollcall_server::face::Refusal;
use rollcall_service::register;

use crate::status::Status;

/// The refusal for a use-case error. It names `field` if a key was unusable.
pub(super) fn refuse(field: &str, error: &register::Error) -> Refusal {
    let Status {
        http,
        transient,
        outcome,
        ..
    } = Status::from(error);
    let field = match error {
        register::Error::InvalidKey { .. } | register::Error::NotAnInstance(_) => field,
        _ => "",
    };
    let refusal = Refusal::new(http, field, error).counted(outcome);
    if transient {
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
    fn only_a_transient_refusal_has_a_retry_after() {
        for (error, transient) in [
            (Error::Overloaded, true),
            (Error::DeadlineExceeded, true),
            (Error::Stopped, false),
        ] {
            let response = refuse("au", &error).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(
                response.headers().contains_key(header::RETRY_AFTER),
                transient,
                "{error}"
            );
        }
    }
}
