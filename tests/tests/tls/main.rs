//! Tests TLS and credentials on every face of a real collector.

mod agent;
mod cluster;
mod exchange;
mod peer;
mod refusals;
mod routes;
