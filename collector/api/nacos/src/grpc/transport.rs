//! The transport connection of a call.

use std::net::SocketAddr;

/// A transport connection. The stream and the unary calls of a client belong together because they come on the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// The number of the connection in this process; never reused.
    pub number: u64,
    /// The client's address.
    pub remote: SocketAddr,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted: i64,
}

impl Transport {
    /// The id that clients see, in the reference's form. `again` distinguishes a later stream of the same transport from the first one.
    pub(super) fn text(&self, again: Option<u64>) -> String {
        let (accepted, ip, port) = (
            self.accepted,
            self.remote.ip().to_canonical(),
            self.remote.port(),
        );
        match again {
            None => format!("{accepted}_{ip}_{port}"),
            Some(number) => format!("{accepted}_{ip}_{port}_{number}"),
        }
    }
}
