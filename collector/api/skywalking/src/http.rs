//! HTTP/JSON: the list of collectors ([`naming()`]), and registration for agents without gRPC ([`registration()`]).
//!
//! Paths, keys and answers are upstream's (proto/docs/skywalking.md section 2). Where upstream answers a client's mistake with
//! 500, these faces answer 400 or 405.

mod naming;
mod refuse;
mod registration;

pub use naming::{FastPath, router as naming};
pub use registration::router as registration;

#[cfg(test)]
mod tests;
