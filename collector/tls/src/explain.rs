//! Describes failed handshakes for operators.

use std::{error::Error as StdError, io};

use rustls::{AlertDescription, CertificateError, Error};

/// The peer whose handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A client of this collector.
    Client,
    /// A server that this collector is a client of.
    Server,
    /// A collector that a command of this program queries.
    Queried,
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Queried => "collector",
        }
    }

    /// The side of this program, as the messages name it.
    const fn own(self) -> &'static str {
        match self {
            Self::Client | Self::Server => "this collector",
            Self::Queried => "this command",
        }
    }

    /// The setting that names the trusted authorities.
    const fn authorities(self) -> &'static str {
        match self {
            Self::Client | Self::Server => "tls.default.trusted_ca_path",
            Self::Queried => "--ca-file (ROLLCALL_CA_FILE)",
        }
    }
}

/// Why a handshake failed, for an operator: what the peer presented or refused, and the setting to change.
#[must_use]
pub fn explain(error: &io::Error, side: Side) -> String {
    if let Some(error) = tls(error) {
        return of_tls(error, side);
    }
    let peer = side.name();
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            format!("the {peer} closed the connection during the handshake")
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            format!("the {peer} reset the connection during the handshake")
        }
        _ => error.to_string(),
    }
}

/// As [`explain`], if TLS itself failed; `None` for every other error of a connection.
#[must_use]
pub fn explain_tls(error: &io::Error, side: Side) -> Option<String> {
    tls(error).map(|error| of_tls(error, side))
}

/// The error of the TLS library within an error of the connection.
fn tls(error: &io::Error) -> Option<&Error> {
    let mut at: Option<&(dyn StdError + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(error) = at {
        if let Some(error) = error.downcast_ref::<Error>() {
            return Some(error);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return tls(error);
        }
        at = error.source();
    }
    None
}

fn of_tls(error: &Error, side: Side) -> String {
    let peer = side.name();
    match error {
        Error::NoCertificatesPresented => format!(
            "the {peer} sent no certificate, and this listener requires one that an authority in \
             tls.default.trusted_ca_path signed"
        ),
        Error::InvalidCertificate(error) => of_certificate(error, side),
        Error::AlertReceived(alert) => of_alert(*alert, side),
        Error::InvalidMessage(_) => format!("the {peer} sent bytes that are not TLS"),
        Error::PeerIncompatible(reason) => format!(
            "the {peer} and {}, which supports TLS 1.2 and 1.3, have no version, cipher or signature in common ({reason:?})",
            side.own()
        ),
        error => format!("TLS with the {peer} failed: {error}"),
    }
}

fn of_certificate(error: &CertificateError, side: Side) -> String {
    let peer = side.name();
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of the {peer} has expired: {error}")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => format!(
            "the certificate of the {peer} is not valid yet, or the clock of this machine is behind: {error}"
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "the certificate of the {peer} is not signed by an authority in {}",
            side.authorities()
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate of the {peer} is for another name: {error}")
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            let purpose = match side {
                Side::Client => "clientAuth",
                Side::Server | Side::Queried => "serverAuth",
            };
            format!(
                "the certificate of the {peer} is not for this purpose: its extendedKeyUsage lacks {purpose}"
            )
        }
        error => format!("the certificate of the {peer} is refused: {error}"),
    }
}

fn of_alert(alert: AlertDescription, side: Side) -> String {
    let peer = side.name();
    match alert {
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::UnsupportedCertificate => format!(
            "the {peer} refuses the certificate of {} ({alert:?}): it does not trust the authority that signed \
             it, connects by a name that the certificate lacks, or finds it expired",
            side.own()
        ),
        AlertDescription::CertificateRequired => {
            format!(
                "the {peer} requires a certificate, and {} sent none",
                side.own()
            )
        }
        AlertDescription::HandshakeFailure if side != Side::Client => format!(
            "the {peer} ended the handshake with the alert HandshakeFailure; the port may serve connections without TLS only"
        ),
        alert => format!("the {peer} ended the handshake with the alert {alert:?}"),
    }
}
