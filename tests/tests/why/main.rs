//! Tests the explanation of a state on real processes: it distinguishes six ways in which an instance can end.

mod clocks;
mod command;
mod forget;
mod journal;
mod mass;
mod services;
mod stories;
