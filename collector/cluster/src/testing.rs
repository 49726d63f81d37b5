//! Members to test with.

use rollcall_domain::{
    Timestamp,
    membership::{Member, State},
};

/// A serving member on `host`, with upstream's ports.
pub(super) fn member(host: &str) -> Member {
    let at = |rest: &str| format!("{host}:{rest}").into();
    Member {
        address: at("11800"),
        agent_grpc: Some(at("11800")),
        agent_jetty: Some(at("12800/")),
        ui: Some(at("12800/")),
        version: Some("0.1.0".into()),
        state: State::Serving,
        since: Timestamp::from_millis(0),
    }
}
