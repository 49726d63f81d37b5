//! Rollcall's collector: names agents, gives them stable ids, and knows who is alive.
//!
//! Everything is configured in [`config`], lives in a [`runtime::TaskSet`], and reaches the world through [`server`] and
//! [`storage`]; ARCHITECTURE.md has the map.

pub mod api;
pub mod app;
pub mod budget;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod etcd;
mod gson;
pub mod link;
pub mod memory;
pub mod metrics;
pub mod peer;
pub mod preflight;
pub mod properties;
mod protobuf;
pub mod remote;
pub mod runtime;
pub mod server;
pub mod service;
pub mod storage;
mod transport;
pub mod work;
