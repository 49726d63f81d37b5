//! The face on real sockets, called by generated clients.

mod complaints;
mod ends;
mod kit;
mod lifecycle;
mod limits;
mod naming;
mod rights;
mod watching;
