//! Why certificate files cannot be used.

use std::{io, path::PathBuf};

/// Why certificate files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is longer than any certificate chain.
    #[error("{path} has more than {most} bytes, which no certificate file has", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes.
        most: u64,
    },
    /// A file lacks the certificate or the key that it must contain.
    #[error("{path} holds no {what} in PEM format", path = path.display())]
    Absent {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// A private key that needs a password.
    #[error(
        "the private key in {path} is encrypted, and the collector has no password for it: write it without one \
         (openssl pkey -in {path} -out plain.pem)",
        path = path.display()
    )]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The certificate and the key do not belong together, or the library refuses one of them.
    #[error("the certificate in {path} cannot be used: {reason}", path = path.display())]
    Unusable {
        /// The file of the certificate.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// The new certificate is not valid yet.
    #[error("the certificate in {path} is not valid before {at}", path = path.display())]
    NotYetValid {
        /// The file of the certificate.
        path: PathBuf,
        /// The start of its validity.
        at: String,
    },
    /// The new certificate has already expired.
    #[error("the certificate in {path} expired at {at}", path = path.display())]
    Expired {
        /// The file of the certificate.
        path: PathBuf,
        /// The end of its validity.
        at: String,
    },
}
