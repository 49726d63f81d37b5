//! Tests the explanation of a state on real processes: six ends of an instance have six different, true stories.

mod clocks;
mod command;
mod forget;
mod journal;
mod mass;
mod services;
mod stories;
