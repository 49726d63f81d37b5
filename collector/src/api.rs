//! The protocol faces. Each is thin: it converts what came over the wire, calls one use case of
//! [`service`](crate::service), and converts the answer back. What an error is on the wire is decided in [`status`] for all.

mod dispatch;
pub mod grpc;
pub mod http;
pub mod status;
mod token;

pub use dispatch::Dispatch;
pub use token::Token;
