//! Rollcall's collector: names agents, gives them stable ids, and knows who is alive.
//!
//! Here is what puts the other crates together: the configuration ([`config`]), the checks before a start ([`preflight`]), and
//! the composition root ([`app`]). ARCHITECTURE.md has the map.

pub mod app;
pub mod config;
pub mod memory;
pub mod preflight;
