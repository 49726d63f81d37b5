//! The certificate of this collector, the TLS of each listener, and the task that reads the files again.

use std::{panic::resume_unwind, sync::Arc, time::Duration};

use rollcall_runtime::{Clock, Policy, TaskSet};
use rollcall_server::{Handshakes, Security, Serves};
use rollcall_service::{Services, readiness::Readiness};
use rollcall_tls::{Certificates, Error, Exposition, Files};
use tokio::{sync::Notify, task};

use super::{listeners::Faces, never_fails};
use crate::config::{self, Config, Mode};

/// The readiness condition that the certificate does not expire soon and that its files are usable.
const CERTIFICATE: &str = "certificate";

/// The TLS of this collector.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) certificates: Certificates,
    handshakes: Handshakes,
    config: Config,
}

/// The files of the certificate in the configuration.
#[must_use]
pub fn files(config: &config::Tls) -> Files {
    Files {
        cert_chain: config.cert_chain_path.clone(),
        key: config.key_path.clone(),
        trusted_ca: config.trusted_ca_path.clone(),
    }
}

/// Exposes the metrics of TLS, even if TLS is not enabled, and starts the task that reads the files again. `reload` makes the task
/// read them at once.
pub(super) fn start(
    (tls, reload): (Option<&Tls>, Arc<Notify>),
    clock: Clock,
    services: &Services,
    loops: &TaskSet,
) {
    let certificates = tls.map(|tls| tls.certificates.clone());
    let handshakes = tls.map(|tls| tls.handshakes.clone());
    services.metrics.watch(Exposition(certificates));
    let handshakes = handshakes.unwrap_or_else(|| Handshakes::new(0));
    services.metrics.watch(handshakes);
    if let Some(tls) = tls.cloned() {
        tls.spawn(clock, reload, &services.readiness, loops);
    }
}

impl Tls {
    /// Reads the certificate. `None` if TLS is not enabled.
    pub(super) async fn load(config: &Config) -> Result<Option<Self>, Error> {
        if !config.tls.enabled {
            return Ok(None);
        }
        let files = files(&config.tls);
        let loaded = task::spawn_blocking(move || Certificates::load(files)).await;
        let certificates = loaded.unwrap_or_else(|panic| resume_unwind(panic.into_panic()))?;
        Ok(Some(Self {
            certificates,
            handshakes: Handshakes::new(config.tls.max_handshakes),
            config: config.clone(),
        }))
    }

    /// The TLS of a listener with these faces, which all have the same mode.
    pub(super) fn security(&self, faces: Faces) -> Option<Security> {
        let config = &self.config;
        let modes = [
            (faces.naming, config.naming.tls),
            (faces.remote, config.remote.tls),
            (faces.agent_grpc, config.agent_grpc.tls),
            (faces.agent_jetty, config.agent_jetty.tls),
            (faces.ui, config.ui.tls),
            (faces.nacos || faces.nacos_grpc, config.nacos.tls),
        ];
        let (_, mode) = modes.into_iter().find(|(is_here, _)| *is_here)?;
        let serves = match mode {
            Mode::Off => return None,
            Mode::Optional => Serves::PlainAndTls,
            Mode::Required => Serves::TlsOnly,
            Mode::Mutual => Serves::CertifiedOnly,
        };
        Some(Security {
            certificates: self.certificates.clone(),
            serves,
            handshakes: self.handshakes.clone(),
        })
    }

    /// Starts the task that reads the files again when they change, and at each `reload`.
    fn spawn(self, clock: Clock, reload: Arc<Notify>, readiness: &Readiness, loops: &TaskSet) {
        let readiness = readiness.clone();
        let report = move |reason: Option<String>| match reason {
            Some(reason) => readiness.degraded(CERTIFICATE, reason),
            None => readiness.met(CERTIFICATE),
        };
        let wall = move || clock.wall().millis().div_euclid(1000);
        let interval: Duration = self.config.tls.reload_interval;
        let keeping = self
            .certificates
            .keep(interval, reload, wall, report, loops.token());
        loops.spawn("certificate", Policy::default(), never_fails(keeping));
    }
}
