//! `tls.default`: the certificate of this collector, and the connections that each face serves.

use std::{path::PathBuf, time::Duration};

use super::Config;

/// `tls.default`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Whether the listeners use TLS.
    pub enabled: bool,
    /// The certificate of this collector and its intermediate authorities (PEM).
    pub cert_chain_path: PathBuf,
    /// Its private key (PEM).
    pub key_path: PathBuf,
    /// The authorities that sign the certificates of clients and of other collectors (PEM); empty for none.
    pub trusted_ca_path: PathBuf,
    /// The interval at which the files are read again.
    pub reload_interval: Duration,
    /// The most handshakes under way.
    pub max_handshakes: usize,
}

/// The connections that a face serves while TLS is enabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Plain connections.
    #[default]
    Off,
    /// Plain connections, and TLS on the same port.
    Optional,
    /// TLS.
    Required,
    /// TLS with a client certificate.
    Mutual,
}

impl Mode {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Off, "off"),
        (Self::Optional, "optional"),
        (Self::Required, "required"),
        (Self::Mutual, "mutual"),
    ];

    /// Parses the name of a mode.
    ///
    /// # Errors
    /// Returns the allowed names.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|(_, name)| *name == text);
        found
            .map(|(mode, _)| mode)
            .ok_or("off, optional, required or mutual")
    }

    /// The name of the mode.
    pub(super) fn print(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(mode, _)| *mode == self)
            .map_or("", |(_, name)| name)
    }
}

impl Config {
    /// The mode of each face, with its key. Nacos is left out if its faces are off.
    pub(super) fn modes(&self) -> Vec<(&'static str, Mode)> {
        let mut modes = vec![
            ("naming.jetty.tls", self.naming.tls),
            ("remote.gRPC.tls", self.remote.tls),
            ("agent_gRPC.gRPC.tls", self.agent_grpc.tls),
            ("agent_jetty.jetty.tls", self.agent_jetty.tls),
            ("ui.jetty.tls", self.ui.tls),
        ];
        if self.nacos.is_on() {
            modes.push(("nacos.default.tls", self.nacos.tls));
        }
        modes
    }
}
