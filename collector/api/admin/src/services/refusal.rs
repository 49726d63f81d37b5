//! The status of each error of the catalog.

use axum::http::StatusCode;
use rollcall_catalog::Error;
use rollcall_server::face::Refusal;

pub(super) fn of(error: Error) -> Refusal {
    match error {
        Error::Invalid(invalid) => Refusal::invalid("service", invalid),
        Error::NotFound(missing) => Refusal::new(StatusCode::NOT_FOUND, "service", missing),
        Error::Conflict(conflict) => Refusal::new(StatusCode::CONFLICT, "service", conflict),
        Error::Full(full) => Refusal::new(StatusCode::CONFLICT, "service", full),
        retry @ (Error::Loading | Error::Busy { .. } | Error::Store(_) | Error::Stopped) => {
            Refusal::overloaded(retry)
        }
    }
}

/// This collector serves no Nacos clients.
pub(super) fn off() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "nacos",
        "the Nacos faces of this collector are off (SW_NACOS)",
    )
}
