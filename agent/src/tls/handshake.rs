//! The TLS handshake, with rustls.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Above, Tls};
use crate::{file, peer::Peer};

pub(super) async fn shake(
    stream: TcpStream,
    peer: &Peer,
    tls: &Tls,
    above: Above,
) -> io::Result<TlsStream<TcpStream>> {
    let settings = settings(tls, above).map_err(io::Error::other)?;
    let name = tls.server_name.as_deref().unwrap_or(peer.host());
    let name = name_of(name)?;
    TlsConnector::from(Arc::new(settings))
        .connect(name, stream)
        .await
}

/// Parses a host name or an IP address to compare with certificates.
pub(super) fn name_of(name: &str) -> io::Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).map_err(|_invalid| {
        io::Error::other(format!("{name:?} is not a host name or an IP address"))
    })
}

/// The rustls settings of a connection. An error names the file and the reason.
pub(super) fn settings(tls: &Tls, above: Above) -> Result<ClientConfig, String> {
    let mut authorities = RootCertStore::empty();
    for certificate in certificates(&tls.trusted_ca)? {
        let added = authorities.add(certificate);
        added.map_err(|error| format!("{}: {error}", tls.trusted_ca.display()))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(authorities);
    let mut settings = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate)?;
            let parsed = PrivateKeyDer::from_pem_slice(&file::read(key)?);
            let parsed = parsed.map_err(|_invalid| {
                format!("{} holds no private key in PEM format", key.display())
            })?;
            builder
                .with_client_auth_cert(chain, parsed)
                .map_err(|error| format!("{}: {error}", certificate.display()))?
        }
    };
    settings.alpn_protocols = vec![match above {
        Above::Http1 => b"http/1.1".to_vec(),
        Above::Http2 => b"h2".to_vec(),
    }];
    Ok(settings)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = file::read(path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(format!(
            "{} holds no certificate in PEM format",
            path.display()
        )),
    }
}
