//! The messages of the wire and a client, generated from `proto/`.
//!
//! The face reads and writes the envelope without these types (`envelope`, `frame`): it borrows what it reads, and all
//! subscribers share the body of a push. Only clients in tests use these types.

#![allow(
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    missing_docs,
    rust_2018_idioms,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code"
)]

include!(concat!(env!("OUT_DIR"), "/wire.rs"));
