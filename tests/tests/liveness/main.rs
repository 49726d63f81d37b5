//! What collectors report of agents and of themselves is backed by evidence, also while the store fails, a member restarts, or an
//! agent says goodbye.

mod connection;
mod goodbye;
mod lines;
mod pace;
mod ping;
mod restart;
mod space;
