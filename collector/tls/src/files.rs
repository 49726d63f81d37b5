//! The files of a certificate, and their contents.

use std::{fmt, fs, io::Read, path::Path, path::PathBuf};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::Error;

/// The largest file that is accepted, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate of this collector and its intermediate authorities, in PEM format.
    pub cert_chain: PathBuf,
    /// Its private key, in PEM format, without a password.
    pub key: PathBuf,
    /// The authorities that sign the certificates of peers, in PEM format; empty for none.
    pub trusted_ca: PathBuf,
}

/// The bytes of the files. They are compared to detect a change.
#[derive(PartialEq, Eq)]
pub(crate) struct Contents {
    cert_chain: Vec<u8>,
    key: Vec<u8>,
    trusted_ca: Vec<u8>,
}

/// The parsed contents.
pub(crate) struct Parsed {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    /// `None` without a file of authorities.
    pub(crate) roots: Option<RootCertStore>,
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

impl Files {
    /// Reads the files.
    pub(crate) fn read(&self) -> Result<Contents, Error> {
        let trusted_ca = match self.trusted_ca.as_os_str().is_empty() {
            true => Vec::new(),
            false => read(&self.trusted_ca)?,
        };
        Ok(Contents {
            cert_chain: read(&self.cert_chain)?,
            key: read(&self.key)?,
            trusted_ca,
        })
    }

    /// Parses the contents that [`Files::read`] returned.
    pub(crate) fn parse(&self, contents: &Contents) -> Result<Parsed, Error> {
        let roots = match contents.trusted_ca.as_slice() {
            [] if self.trusted_ca.as_os_str().is_empty() => None,
            pem => Some(roots(pem, &self.trusted_ca)?),
        };
        Ok(Parsed {
            chain: certificates(&contents.cert_chain, &self.cert_chain)?,
            key: self.private_key(&contents.key)?,
            roots,
        })
    }

    fn private_key(&self, pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
        let path = self.key.clone();
        let is_encrypted = [
            &b"BEGIN ENCRYPTED PRIVATE KEY"[..],
            b"Proc-Type: 4,ENCRYPTED",
        ]
        .iter()
        .any(|mark| pem.windows(mark.len()).any(|at| at == *mark));
        if is_encrypted {
            return Err(Error::Encrypted { path });
        }
        let what = "private key";
        PrivateKeyDer::from_pem_slice(pem).map_err(|_invalid| Error::Absent { path, what })
    }
}

/// The authorities in `pem`, which was read from `path`.
pub(crate) fn roots(pem: &[u8], path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, path)? {
        roots.add(certificate).map_err(|error| Error::Unusable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    }
    Ok(roots)
}

fn certificates(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(Error::Absent {
            path: path.to_owned(),
            what: "certificate",
        }),
    }
}

/// The contents of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path);
    let read = file.and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) if bytes.len() as u64 > MAX_FILE_BYTES => Err(Error::TooLarge {
            path: path.to_owned(),
            most: MAX_FILE_BYTES,
        }),
        Ok(_) => Ok(bytes),
        Err(source) => Err(Error::Read {
            path: path.to_owned(),
            source,
        }),
    }
}
