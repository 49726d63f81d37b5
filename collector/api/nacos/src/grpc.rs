//! The gRPC face of 2.x and 3.x clients.
//!
//! A client opens one HTTP/2 connection. On it, one stream carries the set-up, everything that the server pushes, and the
//! acknowledgements (`stream`); unary calls carry every request (`unary`). Both belong together because they come on the same
//! [`Transport`]. The instances and subscriptions of a client end with its stream.
//!
//! What clients may rely on:
//!
//! * A call that comes before the set-up of its connection waits for it, and is not refused.
//! * The caller's mistakes are answered with the type of the answer; `ErrorResponse` is for what another try can mend. No answer
//!   holds a null, and every answer has the fields that some client cannot do without.
//! * A push carries the whole state of one service. A client that reads slowly gets the latest one; a push without an
//!   acknowledgement is repeated a limited number of times. A registration that changes nothing is not pushed.
//! * While the catalog does not know all instances yet, queries and subscriptions are refused with code 300 and nothing is pushed,
//!   so that no client takes an incomplete list for the truth. Registrations are accepted.
//! * When this server stops, clients are asked to reconnect, and nothing that ends with their connections is pushed.
//!
//! Left out: configuration, locks and the calls of clusters. Configuration is refused with code 501 and a text.

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
mod messages;
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
