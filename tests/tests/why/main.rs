//! Tests the explanations of states with real processes. They distinguish six ways in which an instance can end.

mod clocks;
mod command;
mod forget;
mod journal;
mod mass;
mod services;
mod stories;
