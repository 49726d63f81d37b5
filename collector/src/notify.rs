//! Reports the state of the process to a supervisor with systemd's protocol (`sd_notify`): ready, stopping, and alive.
//!
//! The supervisor names a datagram socket in `NOTIFY_SOCKET`; without it nothing is sent. A report that cannot be sent is only
//! logged; the supervisor reacts to its absence. Reports never block, because the socket is non-blocking. The report that the
//! collector is ready is repeated until the supervisor has room for it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::warn;

/// The pause before a report that the supervisor had no room for is repeated.
const RETRY: Duration = Duration::from_millis(100);

/// The supervisor of this process, if it has one.
#[derive(Debug)]
pub(crate) struct Supervisor {
    socket: Option<UnixDatagram>,
    /// The supervisor restarts a process that has not reported for this long.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The supervisor that the environment names.
    pub(crate) fn of(env: &BTreeMap<String, String>) -> Self {
        let name = env.get("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = name.and_then(|name| {
            let socket = connect(name);
            socket
                .inspect_err(|error| warn!(name, %error, "the supervisor's socket cannot be used"))
                .ok()
        });
        Self {
            socket,
            watchdog: watchdog(env, std::process::id()),
        }
    }

    /// Reports that the listeners accept connections. Repeats the report while the queue of the supervisor is full: without it
    /// the supervisor ends the process at the end of its start time-out.
    pub(crate) async fn ready(&self) -> Infallible {
        const READY: &str = "READY=1\nSTATUS=serving\n";
        loop {
            match self.try_send(READY) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(RETRY).await,
                sent => {
                    warn_of(sent, READY);
                    return pending().await;
                }
            }
        }
    }

    /// Reports that the collector drains.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=draining\n");
    }

    /// Reports that the runtime still runs tasks and timers, twice as often as the supervisor requires.
    pub(crate) async fn keep_alive(&self) -> Infallible {
        let Some(watchdog) = self.watchdog.filter(|_| self.socket.is_some()) else {
            return pending().await;
        };
        let mut ticks = interval(watchdog / 2);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.send("WATCHDOG=1\n");
        }
    }

    fn send(&self, report: &str) {
        warn_of(self.try_send(report), report);
    }

    fn try_send(&self, report: &str) -> io::Result<()> {
        match &self.socket {
            Some(socket) => socket.send(report.as_bytes()).map(drop),
            None => Ok(()),
        }
    }
}

fn warn_of(sent: io::Result<()>, report: &str) {
    if let Err(error) = sent {
        warn!(%error, report = report.trim_end(), "the supervisor did not accept a report");
    }
}

/// A socket that is connected to the socket of this name: a path, or `@` and an abstract name.
fn connect(name: &str) -> io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => abstract_address(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &str) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

/// Refuses abstract names, which only Linux has.
#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &str) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The interval of the watchdog, if the environment sets it for the process with the id `own`.
fn watchdog(env: &BTreeMap<String, String>, own: u32) -> Option<Duration> {
    let for_us = env
        .get("WATCHDOG_PID")
        .is_none_or(|pid| *pid == own.to_string());
    let micros = env.get("WATCHDOG_USEC")?.parse().ok()?;
    (for_us && micros > 0).then_some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests;
