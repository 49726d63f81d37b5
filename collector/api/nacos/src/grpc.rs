//! The gRPC face of 2.x and 3.x clients.
//!
//! A client opens one HTTP/2 connection. One stream on it carries the set-up, all pushes of the server, and the
//! acknowledgements (`stream`); unary calls carry the requests (`unary`). Stream and calls belong together because they arrive on
//! the same [`Transport`]. The instances and subscriptions of a client end with its stream.
//!
//! Guarantees for clients:
//!
//! * A call that arrives before its connection is set up waits for the set-up; it is not refused.
//! * A mistake of the caller is answered with the answer's own type; `ErrorResponse` is only for errors that a retry can solve.
//!   No answer contains a null, and every answer has all fields that some client requires.
//! * A push carries the whole state of one service. A client that reads slowly gets the latest state. A push that is not
//!   acknowledged is repeated a limited number of times. A registration that changes nothing causes no push.
//! * While the catalog does not know all instances yet, queries and subscriptions are refused with code 300 and nothing is
//!   pushed, so that no client takes an incomplete list for a complete one. Registrations are accepted.
//! * When this server stops, it requests its clients to reconnect. The connections that then close cause no removals and no pushes.
//!
//! Left out: configuration, locks and the calls between servers. Configuration is refused with code 501 and a text.

mod acks;
mod answer;
mod check;
mod connection;
mod connections;
mod envelope;
mod face;
mod frame;
mod fuzzy;
mod json;
mod kind;
mod metrics;
mod naming;
mod request;
mod service_info;
mod stream;
mod transport;
mod unary;
pub mod wire;

#[cfg(test)]
mod tests;

pub use acks::Retries;
pub use connection::Patience;
pub use face::{Config, Face};
pub use metrics::Metrics;
pub use transport::Transport;
pub use unary::STREAM;
