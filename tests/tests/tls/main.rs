//! TLS and credentials of a real collector, on every face.

mod agent;
mod cluster;
mod exchange;
mod peer;
mod refusals;
mod routes;
