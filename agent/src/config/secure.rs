//! Reads the TLS settings.

use super::{Collectors, Config, key::Key, reading::Reading};
use crate::tls::{self, Tls};

impl Reading<'_> {
    /// The TLS settings; `None` if no authority is set.
    pub(super) fn tls(&mut self) -> Option<Tls> {
        let trusted_ca = self.file(Key::TrustedCa);
        let (chain, key) = (self.file(Key::CertChain), self.file(Key::CertSecret));
        let server_name = self.name(Key::ServerName);
        if let Some(reason) = server_name.as_deref().and_then(tls::check_name) {
            self.complain(&[Key::ServerName], &reason);
        }
        let identity = match (chain, key) {
            (Some(chain), Some(key)) => Some((chain, key)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                self.complain(
                    &[Key::CertChain, Key::CertSecret],
                    "needs both the certificate and its key",
                );
                None
            }
        };
        let Some(trusted_ca) = trusted_ca else {
            if identity.is_some() || server_name.is_some() {
                let keys = [Key::CertChain, Key::ServerName];
                let message = format!(
                    "needs {}, the authority of the collectors",
                    Key::TrustedCa.name()
                );
                self.complain(&keys, &message);
            }
            return None;
        };
        let tls = Tls {
            trusted_ca,
            identity,
            server_name,
        };
        if let Some(reason) = tls::check(&tls) {
            self.complain(&[Key::TrustedCa], &reason);
        }
        Some(tls)
    }

    /// Records a mistake if an address requires TLS and no authority is set.
    pub(super) fn secure(&mut self, config: &Config) {
        let (key, addresses) = match &config.collectors {
            Collectors::Discovered { servers, .. } => (Key::Servers, servers),
            Collectors::Direct(collectors) => (Key::DirectServers, collectors),
        };
        if config.tls.is_none() && addresses.iter().any(|address| address.is_secure()) {
            let message = format!(
                "has an address with https://, which needs {} ({}), the authority of the collectors",
                Key::TrustedCa.name(),
                Key::TrustedCa.spelling().environment[0]
            );
            self.complain(&[key], &message);
        }
    }
}
