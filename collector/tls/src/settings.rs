//! The settings of rustls for servers and clients.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};

use super::{
    Error,
    files::{Parsed, read, roots},
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

/// The settings of a client for HTTP/2 that trusts `authorities`, and presents `identity` to a server that asks for a
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

/// The settings of a client for HTTP/1 that trusts the authorities in `ca_file` only.
///
/// # Errors
/// The file cannot be read or holds no certificate.
pub fn client(ca_file: &Path) -> Result<Arc<ClientConfig>, Error> {
    let authorities = roots(&read(ca_file)?, ca_file)?;
    let client = http2_client(authorities, None);
    let mut client = client.map_err(|reason| Error::Unusable {
        path: ca_file.to_owned(),
        reason,
    })?;
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(client))
}

/// The provider is named here, because a process-wide one would be a hidden setting.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
