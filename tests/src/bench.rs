//! The parts that the benches share: loads, the statistics of interleaved rounds, and plots.

pub mod connection;
pub mod load;
pub mod naming;
pub mod pace;
pub mod plot;
pub mod registration;
mod rounds;

pub use rounds::{Ratio, Rounds, section};
