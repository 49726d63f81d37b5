//! collector

pub mod config;
pub mod runtime;
pub mod server;
pub mod storage;
