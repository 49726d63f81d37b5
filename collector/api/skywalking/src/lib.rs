//! The SkyWalking faces: the calls of its agents and collectors, mapped to the use cases of [`service`](rollcall_service).
//!
//! * [`grpc`]: registration and signs of life over gRPC, and the server side of the link between collectors.
//! * [`http`]: the list of collectors, and registration as JSON.
//! * [`remote`]: the client side of the link between collectors, and the columns of its messages.
//!
//! Each face is thin: it converts the request, calls one use case, and converts the result. One table (`status`) maps errors to
//! the wire for both protocols. "No id" as 0 exists in this crate only.

#![warn(missing_docs)]

mod event;
pub mod grpc;
mod gson;
pub mod http;
mod os_info;
pub mod remote;
mod status;
