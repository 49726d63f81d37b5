//! Authorities and certificates for tests.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::{Files, files, settings};

/// An authority that signs certificates.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, in PEM format.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

/// The names and the validity of a certificate.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Names and addresses of the holder.
    pub names: &'a [&'a str],
    /// The year on whose first of January it begins to be valid.
    pub begins: i32,
    /// The year on whose first of January it expires.
    pub expires: i32,
    /// Further names, to make it large.
    pub padding: usize,
}

impl Default for Request<'_> {
    /// For this machine, valid for decades.
    fn default() -> Self {
        Self {
            names: &["localhost", "127.0.0.1", "::1"],
            begins: 1970,
            expires: 2090,
            padding: 0,
        }
    }
}

impl Authority {
    /// A new authority of this name.
    ///
    /// # Panics
    /// A certificate cannot contain the name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a valid request"))
    }

    /// The certificate of the authority, in PEM format.
    #[must_use]
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.0.der())
    }

    /// Signs a certificate.
    ///
    /// # Panics
    /// A certificate cannot contain one of the names.
    #[must_use]
    pub fn sign(&self, request: &Request<'_>) -> Signed {
        let names = request.names.iter().map(|name| (*name).to_owned());
        let padding = (0..request.padding).map(|number| format!("padding-{number:08}.example"));
        let names: Vec<String> = names.chain(padding).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(request.begins, 1, 1);
        params.not_after = date_time_ymd(request.expires, 1, 1);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a valid request");
        Signed {
            certificate: pem("CERTIFICATE", certificate.der()),
            key: pem("PRIVATE KEY", key.serialized_der()),
        }
    }

    /// The settings of an HTTP/1 or HTTP/2 client that trusts this authority and presents `identity`.
    ///
    /// # Panics
    /// The identity is not a certificate with its key.
    #[must_use]
    pub fn client(&self, identity: Option<&Signed>, protocol: &[u8]) -> Arc<ClientConfig> {
        let roots = files::roots(self.pem().as_bytes(), Path::new("ca")).expect("an authority");
        let identity = identity.map(|signed| {
            let chain = CertificateDer::pem_slice_iter(signed.certificate.as_bytes());
            let chain: Result<Vec<_>, _> = chain.collect();
            let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes());
            (chain.expect("a certificate"), key.expect("a key"))
        });
        let mut client = settings::http2_client(roots, identity).expect("usable settings");
        client.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(client)
    }

    /// Signs a certificate for this machine, and writes the files of a collector that trusts this authority.
    ///
    /// # Errors
    /// A file could not be written.
    pub fn write(&self, directory: &Path) -> io::Result<Files> {
        self.sign(&Request::default()).write(directory, &self.pem())
    }
}

impl Signed {
    /// Writes `server.crt`, `server.key` and, with the authority `ca`, `ca.crt`.
    ///
    /// # Errors
    /// A file could not be written.
    pub fn write(&self, directory: &Path, ca: &str) -> io::Result<Files> {
        let put = |name: &str, text: &str| -> io::Result<PathBuf> {
            let path = directory.join(name);
            fs::write(&path, text)?;
            Ok(path)
        };
        Ok(Files {
            cert_chain: put("server.crt", &self.certificate)?,
            key: put("server.key", &self.key)?,
            trusted_ca: put("ca.crt", ca)?,
        })
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines: Vec<_> = lines.collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
