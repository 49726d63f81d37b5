//! Rollcall's collector: assigns SkyWalking agents stable ids, serves Nacos clients, and tracks which instances are alive.
//!
//! This crate combines the other crates: the configuration ([`config`]), the checks before a start ([`preflight`]), and
//! the composition root ([`app`]). ARCHITECTURE.md has the map.

#![warn(missing_docs)]

pub mod app;
pub mod config;
pub mod memory;
pub mod preflight;
