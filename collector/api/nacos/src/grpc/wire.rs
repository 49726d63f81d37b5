//! The messages of the wire and a client, generated from `proto/`.
//!
//! The face itself does not use these types to read and write the envelope (`envelope`, `frame`), so that it can borrow the parts
//! of a request, and share the body of a push among all subscribers. Only clients in tests use the types.

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
