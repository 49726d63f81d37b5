//! The protocol faces. Each is thin: it converts what came over the wire, calls one use case of
//! [`service`](crate::service), and converts the answer back. What an error is on the wire is decided in [`status`] for all.

pub mod http;
pub mod os_info;
pub mod status;
