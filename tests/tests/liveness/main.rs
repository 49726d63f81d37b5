//! Tests that the reported states of agents and collectors are backed by evidence, also while the store fails, a member
//! restarts, or an agent announces its stop.

mod connection;
mod goodbye;
mod lines;
mod pace;
mod ping;
mod restart;
mod space;
