//! The health checks of persistent instances.

use std::sync::Arc;

use super::Metadata;

/// The probe of a cluster's persistent instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Checker {
    /// A TCP connection that succeeds.
    #[default]
    Tcp,
    /// A GET that is answered with the expected status.
    Http {
        /// The path and query of the request.
        path: Arc<str>,
        /// `name:value` pairs separated by `|`.
        headers: Arc<str>,
        /// The expected status; 200 by default.
        expected: u16,
    },
    /// The handshake of a MySQL server.
    Mysql {
        /// Stored and shown only: the probe does not log in.
        user: Arc<str>,
        /// Stored and shown only, like `user`.
        password: Arc<str>,
        /// Stored and shown only: the probe executes no command.
        command: Arc<str>,
    },
    /// No probe: an operator sets the health.
    None,
}

/// The settings of a cluster of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The name, unique within the service.
    pub name: Arc<str>,
    /// How persistent instances of the cluster are probed.
    pub checker: Checker,
    /// The port to probe if the instance's own port is not used.
    pub check_port: u16,
    /// Whether the instance's own port is probed.
    pub use_instance_port: bool,
    /// The metadata that operators attached to the cluster.
    pub metadata: Arc<Metadata>,
}

impl Cluster {
    /// A cluster that no operator has configured.
    #[must_use]
    pub fn new(name: Arc<str>) -> Self {
        Self {
            name,
            checker: Checker::Tcp,
            check_port: 80,
            use_instance_port: true,
            metadata: Arc::default(),
        }
    }
}
