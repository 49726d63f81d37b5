//! The Nacos faces of the catalog: the HTTP calls of versions 1, 2 and 3, the gRPC calls of 2.x and 3.x, and the UDP push of 1.x.
//!
//! A face reads a request, calls the catalog, and answers in the format of the client's generation. It stores neither instances nor
//! services. The faces do not depend on each other: they share the catalog and [`auth`].
//!
//! Comments call Nacos's own server *the reference*, as `proto/docs/nacos-http.md` and `proto/docs/nacos-grpc.md` do.
//!
//! This crate opens no TCP listener. The composition root serves its routers through the collector's server stack, which has
//! the limits and the budgets.

#![warn(missing_docs)]

/// The longest list of clusters that a consumer may request, in bytes: a subscription and the cache of lists keep it.
const MAX_CLUSTERS: usize = 1024;

mod agent;
pub mod auth;
pub mod grpc;
pub mod http;
mod render;
pub mod udp;
