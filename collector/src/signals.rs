//! The signals that the process handles: SIGINT and SIGTERM stop it, SIGHUP makes it read its certificate again, SIGUSR1 and
//! SIGUSR2 change the detail of the log. SIGXFSZ must not end it.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::info;

use crate::log::Level;

/// The signals that stop the collector.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
    /// When the first one arrived.
    first: Option<Instant>,
}

/// A signal this soon after the first one is its repetition: some init systems and wrappers send two at once.
const REPETITION: Duration = Duration::from_secs(1);

/// SIGXFSZ of Linux, which a write beyond the limit of a file's size sends (`ulimit -f`, `LimitFSIZE`).
const FILE_TOO_LARGE: i32 = 25;

/// Starts to handle SIGXFSZ, which ends a process that does not. Then such a write fails, as on a full disk.
pub(crate) fn outlive_file_size_limit() -> io::Result<()> {
    // The handler stays when its receiver is dropped.
    signal(SignalKind::from_raw(FILE_TOO_LARGE)).map(drop)
}

/// SIGHUP, with which many supervisors request that the configuration be read again.
pub(crate) struct Hangup(Signal);

/// SIGUSR1 for more detail in the log, SIGUSR2 for the configured level.
pub(crate) struct Detail {
    more: Signal,
    configured: Signal,
}

impl Stop {
    /// Starts to handle SIGINT and SIGTERM. Before this call each of them ends the process at once, except that a process with the
    /// id 1, as in a container, ignores them.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: None,
            first: None,
        })
    }

    /// As [`Stop::listen`], and also handles SIGHUP, for a program that ends with the terminal in which it was started.
    pub(crate) fn listen_with_hangup() -> io::Result<Self> {
        Ok(Self {
            hangup: Some(signal(SignalKind::hangup())?),
            ..Self::listen()?
        })
    }

    /// Waits for the next signal, and returns its name. Ignores repetitions of the first one.
    pub(crate) async fn signal(&mut self) -> &'static str {
        loop {
            let name = self.next().await;
            let now = Instant::now();
            match self.first {
                Some(first) if now - first < REPETITION => {
                    info!(
                        signal = name,
                        "signal within one second of the first, ignored"
                    );
                }
                Some(_) => return name,
                None => {
                    self.first = Some(now);
                    return name;
                }
            }
        }
    }

    async fn next(&mut self) -> &'static str {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = hangup => "SIGHUP",
        }
    }
}

impl Hangup {
    /// Starts to handle SIGHUP. Before this call it ends the process at once.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Requests a new read of the certificate files at every SIGHUP, if there are any. No other part of the configuration can
    /// change while the collector runs.
    pub(crate) async fn reload(mut self, reload: Arc<Notify>, has_tls: bool) -> Infallible {
        while self.0.recv().await.is_some() {
            if has_tls {
                info!(
                    "SIGHUP: certificate files are read again; the rest of the configuration is read only at the next start"
                );
                reload.notify_one();
            } else {
                info!(
                    "SIGHUP: nothing is read again, because TLS is off; the configuration is read at the next start only"
                );
            }
        }
        pending().await
    }
}

impl Detail {
    /// Starts to handle SIGUSR1 and SIGUSR2. Before this call each of them ends the process at once.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            more: signal(SignalKind::user_defined1())?,
            configured: signal(SignalKind::user_defined2())?,
        })
    }

    /// Changes the level of the log at every such signal.
    pub(crate) async fn apply(mut self, mut level: Level) -> Infallible {
        loop {
            tokio::select! {
                Some(()) = self.more.recv() => level.raise(),
                Some(()) = self.configured.recv() => level.reset(),
                else => pending().await,
            }
        }
    }
}
