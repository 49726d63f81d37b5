//! The messages of the wire and their client, generated from `proto/`.
//!
//! The face itself reads and writes the envelope without these types (`envelope`, `frame`): what it reads is
//! borrowed, and the body of a push is shared by all its subscribers. Clients in tests use them.

#![allow(
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    rust_2018_idioms,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code"
)]

include!(concat!(env!("OUT_DIR"), "/wire.rs"));
