//! Calls between the reference's own servers: refused with the reference's texts.

use super::{
    Face,
    fault::Fault,
    reply::Reply,
    request::Request,
    routes::{Route, routes},
};

pub(super) fn routes() -> Vec<Route> {
    routes! {
        ANY "/v1/ns/raft/leader" Open Always raft;
        ANY "/v1/ns/raft/state" Open Always raft;
        ANY "/v1/ns/raft/peer" Open Always raft;
        ANY "/v1/ns/raft/datum" Open Always raft;
        ANY "/v1/ns/raft/vote" Open Always raft;
    }
    .into()
}

/// Refuses calls of the old cluster protocol, as 1.4 does.
async fn raft(_: &Face, _: &Request<'_>) -> Reply {
    Err(Fault::Raft)
}
