//! The settings of rustls for servers and clients.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};

use super::{
    Error,
    files::{Files, Parsed, read, roots},
};

/// The protocols above TLS, the preferred one first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The settings of a server. With `authorities` every client must present a certificate that one of them signed.
pub(crate) fn server(
    parsed: &Parsed,
    authorities: Option<&RootCertStore>,
) -> Result<ServerConfig, String> {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match authorities {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let authorities = Arc::new(authorities.clone());
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider);
            builder.with_client_cert_verifier(verifier.build().map_err(|error| error.to_string())?)
        }
    };
    let mut server = builder
        .with_single_cert(parsed.chain.clone(), parsed.key.clone_key())
        .map_err(|error| error.to_string())?;
    server.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
    Ok(server)
}

/// The settings of a client for HTTP/2 that trusts `authorities`, and presents `identity` to a server that requests a
/// certificate.
pub(crate) fn http2_client(
    authorities: RootCertStore,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(authorities);
    let mut client = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| error.to_string())?,
    };
    client.alpn_protocols = vec![b"h2".to_vec()];
    Ok(client)
}

/// The settings of a client for HTTP/1 that trusts the authorities in `ca_file` only. It presents the certificate in the first
/// file of `identity`, whose private key is in the second one, to a server that requests one.
///
/// # Errors
/// A file cannot be read, or lacks the certificate or the key that it must contain.
pub fn client(
    ca_file: &Path,
    identity: Option<(&Path, &Path)>,
) -> Result<Arc<ClientConfig>, Error> {
    let authorities = roots(&read(ca_file)?, ca_file)?;
    let parsed = match identity {
        None => None,
        Some((cert_chain, key)) => {
            let files = Files {
                cert_chain: cert_chain.to_owned(),
                key: key.to_owned(),
                trusted_ca: PathBuf::new(),
            };
            let parsed = files.parse(&files.read()?)?;
            Some((parsed.chain, parsed.key))
        }
    };
    let client = http2_client(authorities, parsed);
    let mut client = client.map_err(|reason| Error::Unusable {
        path: identity
            .map_or(ca_file, |(cert_chain, _)| cert_chain)
            .to_owned(),
        reason,
    })?;
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(client))
}

/// The cryptography provider. It is named explicitly, because a process-wide provider would be a hidden setting.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
