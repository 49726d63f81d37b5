//! Tests that the reported states of agents and collectors are based on signals, even while the store fails, a member restarts, or
//! an agent announces its stop.

mod connection;
mod goodbye;
mod lines;
mod pace;
mod ping;
mod restart;
mod space;
