//! The certificate of a collector: read from files, used for every TLS connection, and read again when the files change.
//!
//! [`Certificates`] has the settings in use. A handshake takes the current settings and keeps them, so a change never affects an
//! open connection. Files are refused if they are unusable, do not belong together, or contain a certificate that has expired or is
//! not valid yet. The certificate in use then stays, and a warning and a counter report the files.
//!
//! The TLS library is rustls with ring. Versions are 1.2 and 1.3. There is no renegotiation, no early data, and no revocation
//! list; [`expiry`] reads the only field of a certificate that rustls does not report.

mod certificates;
mod error;
pub mod expiry;
mod explain;
mod exposition;
mod files;
mod settings;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use certificates::{Certificates, Change, Clients, SOON};
pub use error::Error;
pub use explain::{Side, explain, explain_tls};
pub use exposition::Exposition;
pub use files::Files;
pub use settings::client;
