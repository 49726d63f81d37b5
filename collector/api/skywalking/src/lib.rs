//! The faces for SkyWalking: what its agents and collectors say, as use cases of [`service`](rollcall_service).
//!
//! * [`grpc`]: registration and signs of life over gRPC, and the server end of the link between collectors.
//! * [`http`]: where collectors are, and registration as JSON.
//! * [`remote`]: the client end of the link between collectors, and the columns of its messages.
//!
//! Each face is thin: it converts what came over the wire, calls one use case, and converts the answer back. What an error is on
//! the wire is decided in one table (`status`) for both protocols. "No id" as 0 exists here only.

pub mod grpc;
mod gson;
pub mod http;
mod os_info;
pub mod remote;
mod status;
